# Unit tests of src/bind: what needs no process, built as any other program.
if HAVE_CHECK
check_PROGRAMS += tests/unit/check_bind
UNIT_TESTS += tests/unit/check_bind
tests_unit_check_bind_SOURCES = tests/unit/check_bind.c src/bind/match.c src/bind/sockaddr.c
tests_unit_check_bind_LDADD = $(CHECK_LIBS)
endif
