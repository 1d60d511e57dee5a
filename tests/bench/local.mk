# Long runs, not part of "make check": soak loads and kills, bench measures.
# Both scripts print what they did and exit non-zero when a promise was not kept.
check_PROGRAMS += tests/bench/floor tests/bench/load tests/bench/plain_worker \
	tests/bench/take_worker tests/bench/turns
tests_bench_load_LDADD = -lm
tests_bench_turns_LDADD = $(RUNTIME_LIBS)
tests_bench_plain_worker_SOURCES = tests/bench/plain_worker.c tests/bench/block.h \
	tests/lib/no_leak_search.c
tests_bench_take_worker_SOURCES = tests/bench/take_worker.c tests/bench/block.h
TESTS += tests/bench/load.tap
EXTRA_DIST += tests/bench/load.tap tests/bench/run tests/bench/stall tests/bench/runtime \
	tests/bench/nodes tests/bench/node/app.cjs tests/bench/node/http.cjs tests/bench/node/primary.cjs \
	tests/bench/exercise.py tests/bench/idle.py tests/bench/sleepers.go tests/bench/turns.cjs \
	tests/soak/run tests/lib/cluster.bash

soak: all $(check_PROGRAMS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/soak/run $(SOAK_FLAGS)

bench: all $(check_PROGRAMS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/bench/run $(BENCH_FLAGS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/bench/runtime

# What the parts of libbrood cost beside Node, Go and nginx.
bench-runtime: all $(check_PROGRAMS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/bench/runtime $(BENCH_FLAGS)

# The table of modes: what others notice of a worker that is blocked.
bench-stall: all $(check_PROGRAMS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/bench/stall $(BENCH_FLAGS)

# An Express app beside Node's own primary and PM2.
bench-nodes: all $(check_PROGRAMS)
	top_srcdir=$(abs_top_srcdir) top_builddir=$(abs_top_builddir) \
		$(abs_top_srcdir)/tests/bench/nodes $(BENCH_FLAGS)

.PHONY: soak bench bench-nodes bench-runtime bench-stall
