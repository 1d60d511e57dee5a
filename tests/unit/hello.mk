# Unit tests of src/hello.
if HAVE_CHECK
check_PROGRAMS += tests/unit/check_hello
UNIT_TESTS += tests/unit/check_hello
tests_unit_check_hello_LDADD = src/hello/libhello.la $(CHECK_LIBS)
endif
