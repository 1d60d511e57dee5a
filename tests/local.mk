# Tests: all speak TAP, all run in parallel, each has its own directory and port.
#
# Unit tests are listed in tests/unit/ROOM.mk, a file for each room; the other kinds in their own
# directory.  "make check TESTS='$(UNIT_TESTS)'" runs only what needs no real processes.

TEST_EXTENSIONS = .bats .tap
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(tap_driver)
BATS_LOG_DRIVER = $(tap_driver)
TAP_LOG_DRIVER = $(tap_driver)

# bats runs under corral, which adopts what a test leaves behind and ends it.
BATS_LOG_COMPILER = tests/lib/corral $(BATS)
AM_BATS_LOG_FLAGS = --tap
TAP_LOG_COMPILER = $(SHELL)

AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; export CK_TAP_LOG_FILE_NAME; \
	CK_VERBOSITY=silent; export CK_VERBOSITY; \
	CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT:-60}; export CK_DEFAULT_TIMEOUT; \
	top_srcdir=`cd $(top_srcdir) && pwd`; export top_srcdir; \
	top_builddir=`pwd`; export top_builddir; \
	CC='$(CC)'; export CC; \
	BUILD_CFLAGS='$(BUILD_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS)'; export BUILD_CFLAGS; \
	UV_LIBS='$(UV_LIBS)'; JANSSON_LIBS='$(JANSSON_LIBS)'; INIH_LIBS='$(INIH_LIBS)'; \
	export UV_LIBS JANSSON_LIBS INIH_LIBS; \
	FUZZ_TARGETS='$(FUZZ_TARGETS)'; export FUZZ_TARGETS; \
	MANDOC='$(MANDOC)'; export MANDOC; \
	BROOD_SANITIZED='$(SANITIZE_CFLAGS)'; export BROOD_SANITIZED;

# What looks at texts, at the compiler or at programs that are not ours: once is enough, in the normal
# build.
PLAIN_TESTS =
# The longest is the first to start, so that it is not waited for alone at the end; the next longest
# comes when it is over, as both want the whole machine.
if !SANITIZERS
TESTS += tests/system/090-load.tap
endif

EXTRA_DIST += tests/unit/run_suite.h
include tests/lib/local.mk
include tests/unit/base.mk
include tests/unit/conf.mk
include tests/unit/core.mk
include tests/unit/sys.mk
include tests/unit/ipc.mk
include tests/unit/ctl.mk
include tests/unit/launcher.mk
include tests/unit/loop.mk
include tests/unit/cli.mk
include tests/unit/runtime.mk
include tests/unit/worker.mk
include tests/unit/http.mk
include tests/unit/hello.mk
include tests/unit/bind.mk
include tests/sim/local.mk
include tests/fuzz/local.mk
include tests/order/local.mk
include tests/drift/local.mk
include tests/system/local.mk
include tests/bench/local.mk
if !SANITIZERS
TESTS += tests/node/conformance.tap
endif

TESTS += $(UNIT_TESTS)
if !SANITIZERS
TESTS += $(PLAIN_TESTS)
endif
