noinst_LTLIBRARIES += src/ipc/libipc.la
src_ipc_libipc_la_SOURCES = \
	src/ipc/einhorn.c \
	src/ipc/einhorn.h \
	src/ipc/encode.c \
	src/ipc/foreign.c \
	src/ipc/foreign.h \
	src/ipc/frame.c \
	src/ipc/frame.h \
	src/ipc/jsontext.c \
	src/ipc/jsontext.h \
	src/ipc/lines.c \
	src/ipc/lines.h \
	src/ipc/msg.c \
	src/ipc/msg.h \
	src/ipc/node.c \
	src/ipc/node.h \
	src/ipc/outq.c \
	src/ipc/outq.h
