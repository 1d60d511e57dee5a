# Unit tests of src/worker.
if HAVE_CHECK
worker_checks = \
	tests/unit/check_service \
	tests/unit/check_worker \
	tests/unit/check_worker_accept
tests_unit_check_service_LDADD = $(SERVICE_LIBS) $(CHECK_LIBS)
tests_unit_check_worker_SOURCES = tests/unit/check_worker.c tests/unit/worker_support.h
tests_unit_check_worker_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_worker_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)
tests_unit_check_worker_accept_SOURCES = tests/unit/check_worker_accept.c tests/unit/worker_support.h
tests_unit_check_worker_accept_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_unit_check_worker_accept_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)
check_PROGRAMS += $(worker_checks)
UNIT_TESTS += $(worker_checks)
endif
