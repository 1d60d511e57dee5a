# Unit tests of src/cli: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
cli_checks = tests/unit/check_cli_needs tests/unit/check_cli_recipe tests/unit/check_cli_verb \
	tests/unit/check_import
# What is reckoned from, or read back, comes from the master's own parser.
tests_unit_check_cli_needs_LDADD = $(CLI_LIBS) $(CONF_LIBS) $(CHECK_LIBS)
tests_unit_check_cli_recipe_LDADD = $(CLI_LIBS) $(CONF_LIBS) $(CHECK_LIBS)
tests_unit_check_cli_verb_LDADD = $(CLI_LIBS) $(CHECK_LIBS)
tests_unit_check_import_LDADD = $(CLI_LIBS) $(CONF_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(cli_checks)
UNIT_TESTS += $(cli_checks)
endif
