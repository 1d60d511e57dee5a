# Unit tests of src/base: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
base_checks = \
	tests/unit/check_log \
	tests/unit/check_quote \
	tests/unit/check_small \
	tests/unit/check_str \
	tests/unit/check_units
tests_unit_check_log_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_check_quote_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_check_small_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_check_str_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_check_units_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(base_checks)
UNIT_TESTS += $(base_checks)
endif
