# Unit tests of src/loop: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
# loop_checks = tests/unit/check_MODULE ...
# tests_unit_check_MODULE_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
loop_checks = tests/unit/check_control tests/unit/check_environment tests/unit/check_listeners \
	tests/unit/check_output tests/unit/check_ring
tests_unit_check_control_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_environment_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_listeners_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_output_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_ring_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(loop_checks)
UNIT_TESTS += $(loop_checks)
endif
