noinst_LTLIBRARIES += src/ctl/libctl.la
src_ctl_libctl_la_SOURCES = \
	src/ctl/command.c \
	src/ctl/command.h \
	src/ctl/journal.c \
	src/ctl/journal.h \
	src/ctl/json.c \
	src/ctl/json.h \
	src/ctl/metrics.c \
	src/ctl/metrics.h \
	src/ctl/params.c \
	src/ctl/params.h \
	src/ctl/status.c
