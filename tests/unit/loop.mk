# Unit tests of src/loop: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
# loop_checks = tests/unit/check_MODULE ...
# tests_unit_check_MODULE_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
loop_checks = tests/unit/check_control tests/unit/check_dialect tests/unit/check_environment tests/unit/check_listeners \
	tests/unit/check_guard tests/unit/check_output tests/unit/check_ring
tests_unit_check_control_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_dialect_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_environment_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_guard_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_listeners_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_output_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_ring_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
# Of these, the loop around is faked: sockets and libuv are real.
fakeloop = tests/lib/fakeloop.c tests/lib/fakeloop.h
loop_checks += tests/unit/check_probe tests/unit/check_queues tests/unit/check_watch
tests_unit_check_probe_SOURCES = tests/unit/check_probe.c $(fakeloop)
tests_unit_check_probe_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_probe_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_queues_SOURCES = tests/unit/check_queues.c $(fakeloop)
tests_unit_check_queues_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_queues_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
tests_unit_check_watch_SOURCES = tests/unit/check_watch.c $(fakeloop)
tests_unit_check_watch_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_watch_LDADD = $(LOOP_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(loop_checks)
UNIT_TESTS += $(loop_checks)
endif
