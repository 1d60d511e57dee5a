# Unit tests of src/conf: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
conf_checks = \
	tests/unit/check_conf \
	tests/unit/check_conf_listen \
	tests/unit/check_conf_print
tests_unit_check_conf_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
tests_unit_check_conf_listen_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
tests_unit_check_conf_print_LDADD = $(CONF_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(conf_checks)
UNIT_TESTS += $(conf_checks)
endif
