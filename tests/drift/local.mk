# Drift tests: what is said twice must be the same. NAME.tap is sh, NAME.bats is bats.
drift_tests = tests/drift/rooms.tap tests/drift/verbs.tap tests/drift/sample.tap \
	tests/drift/protocol.tap tests/drift/broodd.tap tests/drift/lint.tap tests/drift/libbrood.tap \
	tests/drift/abi.tap
PLAIN_TESTS += $(drift_tests)
EXTRA_DIST += $(drift_tests)

# What the schema of the configuration says, for sample.tap.
check_PROGRAMS += tests/drift/conf_text
tests_drift_conf_text_LDADD = $(CONF_LIBS)
EXTRA_DIST += tests/drift/abi.sh tests/drift/libbrood.abi
