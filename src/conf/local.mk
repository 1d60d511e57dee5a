noinst_LTLIBRARIES += src/conf/libconf.la
src_conf_libconf_la_SOURCES = \
	src/conf/addr.c \
	src/conf/check.c \
	src/conf/conf.c \
	src/conf/conf.h \
	src/conf/diff.c \
	src/conf/env.c \
	src/conf/error.c \
	src/conf/expand.c \
	src/conf/file.c \
	src/conf/include.c \
	src/conf/internal.h \
	src/conf/list.c \
	src/conf/parse.c \
	src/conf/print.c \
	src/conf/reader.c \
	src/conf/schema.c \
	src/conf/special.c \
	src/conf/value.c
