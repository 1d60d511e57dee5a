noinst_LTLIBRARIES += src/sys/libsys.la
src_sys_libsys_la_SOURCES = \
	src/sys/borrow.c \
	src/sys/borrow.h \
	src/sys/conns.c \
	src/sys/conns.h \
	src/sys/cred.c \
	src/sys/cred.h \
	src/sys/diag.c \
	src/sys/diag.h \
	src/sys/features.c \
	src/sys/features.h \
	src/sys/holder.c \
	src/sys/holder.h \
	src/sys/inherit.c \
	src/sys/listen.c \
	src/sys/listen.h \
	src/sys/logwriter.c \
	src/sys/logwriter.h \
	src/sys/notify.c \
	src/sys/notify.h \
	src/sys/proc.c \
	src/sys/proc.h \
	src/sys/queue.c \
	src/sys/queue.h \
	src/sys/quiet.c \
	src/sys/resolve.c \
	src/sys/rundir.c \
	src/sys/rundir.h \
	src/sys/spawn.c \
	src/sys/spawn.h \
	src/sys/steer.c \
	src/sys/steer.h \
	src/sys/swap.c \
	src/sys/title.c \
	src/sys/unixsock.c \
	src/sys/unixsock.h
