# Unit tests of src/core: a program a module; its source is tests/unit/check_MODULE.c.
EXTRA_DIST += tests/unit/core_support.h
if HAVE_CHECK
core_checks = tests/unit/check_backoff tests/unit/check_core \
	tests/unit/check_core_spares tests/unit/check_core_steer
tests_unit_check_backoff_LDADD = $(CORE_LIBS) $(CHECK_LIBS)
tests_unit_check_core_LDADD = $(CORE_LIBS) $(CHECK_LIBS)
tests_unit_check_core_spares_LDADD = $(CORE_LIBS) $(CHECK_LIBS)
tests_unit_check_core_steer_LDADD = $(CORE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(core_checks)
UNIT_TESTS += $(core_checks)
endif
