# The simulator: whole lives of a cluster on a virtual clock. Its program is tests/sim/check_sim.
check_PROGRAMS += tests/sim/check_sim
tests_sim_check_sim_SOURCES = tests/sim/check_sim.c tests/sim/sim.c tests/sim/sim.h
tests_sim_check_sim_LDADD = $(CORE_LIBS)
UNIT_TESTS += tests/sim/check_sim

# Planted bugs: compiles src/core anew, a bug at a time.
dist_check_SCRIPTS += tests/sim/bugs.tap
PLAIN_TESTS += tests/sim/bugs.tap
