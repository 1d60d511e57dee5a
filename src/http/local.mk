# libbrood's HTTP/1.1, on brood.h and libuv.
#
# llhttp_machine.c and llhttp_api.c include llhttp's sources from where configure found them, by
# -isystem, so that their warnings stay theirs.
http_cppflags = $(AM_CPPFLAGS) -isystem $(LLHTTP_SRCDIR) -isystem $(LLHTTP_INCLUDEDIR)

noinst_LTLIBRARIES += src/http/libhttp.la
src_http_libhttp_la_SOURCES = \
	src/http/conn.c \
	src/http/conn.h \
	src/http/llhttp_api.c \
	src/http/llhttp_machine.c \
	src/http/out.c \
	src/http/out.h \
	src/http/parse.c \
	src/http/parse.h \
	src/http/request.c \
	src/http/request.h \
	src/http/respond.c \
	src/http/respond.h \
	src/http/server.c \
	src/http/server.h \
	src/http/status.c \
	src/http/status.h \
	src/http/wheel.c \
	src/http/wheel.h
src_http_libhttp_la_CPPFLAGS = $(http_cppflags)
HTTP_LIBS = src/http/libhttp.la $(RUNTIME_LIBS)
