# brood-hello: the embedded worker, a program on brood.h. All but main.c is a library, so that the
# tests link what they try.
noinst_LTLIBRARIES += src/hello/libhello.la
src_hello_libhello_la_SOURCES = \
	src/hello/answer.c \
	src/hello/hello.h \
	src/hello/page.c \
	src/hello/page.h \
	src/hello/route.c \
	src/hello/route.h

pkglibexec_PROGRAMS += brood-hello
brood_hello_SOURCES = src/hello/main.c
if SANITIZERS
brood_hello_SOURCES += tests/lib/no_leak_search.c
endif
brood_hello_LDADD = src/hello/libhello.la $(SERVICE_LIBS)
