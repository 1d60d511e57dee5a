# Unit tests of src/runtime.
EXTRA_DIST += tests/unit/task_support.h
if HAVE_CHECK
runtime_checks = \
	tests/unit/check_child \
	tests/unit/check_offload \
	tests/unit/check_port \
	tests/unit/check_stack \
	tests/unit/check_task \
	tests/unit/check_thread \
	tests/unit/check_turn \
	tests/unit/check_wait
tests_unit_check_child_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_offload_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_port_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_stack_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_task_LDADD = $(RUNTIME_LIBS) -lm $(CHECK_LIBS)
tests_unit_check_thread_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_turn_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
tests_unit_check_wait_LDADD = $(RUNTIME_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(runtime_checks)
UNIT_TESTS += $(runtime_checks)
endif
EXTRA_DIST += tests/unit/runtime_support.h
