# Unit tests of src/ctl: a program a module; its source is tests/unit/check_MODULE.c.
fakecluster = tests/lib/fakecluster.c tests/lib/fakecluster.h

if HAVE_CHECK
ctl_checks = tests/unit/check_command tests/unit/check_journal tests/unit/check_metrics \
	tests/unit/check_status
check_PROGRAMS += $(ctl_checks)
UNIT_TESTS += $(ctl_checks)
tests_unit_check_command_SOURCES = tests/unit/check_command.c $(fakecluster)
tests_unit_check_command_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_command_LDADD = $(CTL_LIBS) $(CHECK_LIBS)
tests_unit_check_journal_LDADD = $(CTL_LIBS) $(CHECK_LIBS)
tests_unit_check_metrics_LDADD = $(CTL_LIBS) $(CHECK_LIBS)
tests_unit_check_status_SOURCES = tests/unit/check_status.c $(fakecluster)
tests_unit_check_status_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_status_LDADD = $(CTL_LIBS) $(CHECK_LIBS)
endif
