# Unit tests of src/launcher: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
launcher_checks = tests/unit/check_follow tests/unit/check_shell
tests_unit_check_follow_LDADD = $(LAUNCHER_LIBS) $(CHECK_LIBS)
tests_unit_check_shell_LDADD = $(LAUNCHER_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(launcher_checks)
UNIT_TESTS += $(launcher_checks)
endif
