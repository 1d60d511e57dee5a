# Unit tests of src/runtime.
if HAVE_CHECK
runtime_checks = \
	tests/unit/check_offload \
	tests/unit/check_port \
	tests/unit/check_thread \
	tests/unit/check_turn
tests_unit_check_offload_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_port_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_thread_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_turn_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(runtime_checks)
UNIT_TESTS += $(runtime_checks)
endif
