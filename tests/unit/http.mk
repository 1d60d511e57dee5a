# Unit tests of src/http.
if HAVE_CHECK
httpbed = tests/lib/httpbed.c tests/lib/httpbed.h
http_checks = tests/unit/check_http tests/unit/check_http_life
tests_unit_check_http_SOURCES = tests/unit/check_http.c $(httpbed)
tests_unit_check_http_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_http_LDADD = $(HTTP_LIBS) $(CHECK_LIBS)
tests_unit_check_http_life_SOURCES = tests/unit/check_http_life.c $(httpbed)
tests_unit_check_http_life_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_http_life_LDADD = $(HTTP_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(http_checks)
UNIT_TESTS += $(http_checks)
endif
