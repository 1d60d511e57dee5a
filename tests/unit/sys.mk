# Unit tests of src/sys: a program a module; its source is tests/unit/check_MODULE.c.
EXTRA_DIST += tests/unit/net_support.h tests/unit/sys_support.h
if HAVE_CHECK
sys_checks = \
	tests/unit/check_conns \
	tests/unit/check_cred \
	tests/unit/check_elf \
	tests/unit/check_features \
	tests/unit/check_listen \
	tests/unit/check_logwriter \
	tests/unit/check_notify \
	tests/unit/check_proc \
	tests/unit/check_queue \
	tests/unit/check_rundir \
	tests/unit/check_spawn \
	tests/unit/check_steer
check_PROGRAMS += $(sys_checks)
UNIT_TESTS += $(sys_checks)
tests_unit_check_conns_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_cred_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_elf_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_features_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_listen_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_logwriter_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_notify_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_notify_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_proc_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_queue_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_rundir_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_spawn_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
tests_unit_check_steer_LDADD = $(SYS_LIBS) $(CHECK_LIBS)
endif
