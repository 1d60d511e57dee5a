noinst_LTLIBRARIES += src/base/libbase.la
src_base_libbase_la_SOURCES = \
	src/base/clock.c \
	src/base/clock.h \
	src/base/err.c \
	src/base/err.h \
	src/base/fd.c \
	src/base/fd.h \
	src/base/hash.h \
	src/base/log.c \
	src/base/log.h \
	src/base/mem.c \
	src/base/mem.h \
	src/base/quote.c \
	src/base/quote.h \
	src/base/str.c \
	src/base/str.h \
	src/base/units.c \
	src/base/units.h \
	src/base/words.c \
	src/base/words.h
