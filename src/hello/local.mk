# brood-hello: the embedded worker. It uses nothing of the other rooms. All but main.c is a
# library, so that the tests and fuzz targets link what they try.
hello_cppflags = $(AM_CPPFLAGS) -isystem $(LLHTTP_SRCDIR) -isystem $(LLHTTP_INCLUDEDIR)

noinst_LTLIBRARIES += src/hello/libhello.la
src_hello_libhello_la_SOURCES = \
	src/hello/answer.c \
	src/hello/answer.h \
	src/hello/channel.c \
	src/hello/channel.h \
	src/hello/conn.c \
	src/hello/conn.h \
	src/hello/control.c \
	src/hello/control.h \
	src/hello/http.c \
	src/hello/http.h \
	src/hello/listeners.c \
	src/hello/listeners.h \
	src/hello/page.c \
	src/hello/page.h \
	src/hello/ring.c \
	src/hello/ring.h \
	src/hello/route.c \
	src/hello/route.h \
	src/hello/server.c \
	src/hello/server.h
src_hello_libhello_la_CPPFLAGS = $(hello_cppflags)
# Of libhttp only llhttp is used.
HELLO_LIBS = src/hello/libhello.la src/http/libhttp.la $(UV_LIBS)

pkglibexec_PROGRAMS += brood-hello
brood_hello_SOURCES = src/hello/main.c
if SANITIZERS
brood_hello_SOURCES += tests/lib/no_leak_search.c
endif
brood_hello_CPPFLAGS = $(hello_cppflags)
brood_hello_LDADD = $(HELLO_LIBS)
