# Process tests: the real programs. NNN-subject.bats; numbers run from basic to subtle.
# system_tests = tests/system/010-start.bats ...
system_tests = \
	tests/system/001-smoke.bats \
	tests/system/005-hello.bats \
	tests/system/020-notify.bats \
	tests/system/030-messages.bats \
	tests/system/040-verbs.bats \
	tests/system/050-policies.bats \
	tests/system/060-output.bats \
	tests/system/065-control.bats \
	tests/system/070-faults-p.bats \
	tests/system/071-faults-f.bats \
	tests/system/072-faults-s.bats \
	tests/system/073-faults-m.bats \
	tests/system/074-faults-x.bats \
	tests/system/075-faults-t.bats \
	tests/system/076-faults-w.bats \
	tests/system/080-faults-c.bats \
	tests/system/081-faults-n.bats \
	tests/system/085-errors.bats \
	tests/system/090-programs.bats \
	tests/system/100-listeners.bats \
	tests/system/110-ring.bats \
	tests/system/120-stall.bats \
	tests/system/121-probe.bats \
	tests/system/140-dispatch.bats \
	tests/system/130-drain.bats \
	tests/system/131-doctor.bats \
	tests/system/161-node.bats \
	tests/system/162-node-channel.bats \
	tests/system/163-dialects.bats \
	tests/system/164-node-spares.bats \
	tests/system/cli_client.bats
# Real Node workers of several versions.
EXTRA_DIST += tests/node/cases.cjs tests/node/conformance.cjs tests/node/conformance.tap \
	tests/node/module.mjs
# What is built without sanitizers in any build, or has unit tests of each line.
plain_system_tests = \
	tests/system/150-examples.bats \
	tests/system/151-exercise.bats \
	tests/system/160-node-preload.bats \
	tests/system/170-bind.bats \
	tests/system/180-import.bats
# Programs of other people, by their recipes in contrib.
recipe_tests = \
	tests/system/111-recipe-asyncio.bats \
	tests/system/112-recipe-go.bats \
	tests/system/190-recipes-python.bats \
	tests/system/191-recipes-ruby.bats \
	tests/system/192-recipe-php.bats \
	tests/system/193-recipe-java.bats \
	tests/system/194-recipe-go-http.bats \
	tests/system/195-recipe-server-starter.bats \
	tests/system/200-recipe-express.bats \
	tests/system/201-recipe-fastify.bats \
	tests/system/202-recipe-socketio.bats \
	tests/system/203-recipe-ssr.bats
if HAVE_BATS
TESTS += $(system_tests)
PLAIN_TESTS += $(plain_system_tests) $(recipe_tests)
endif
EXTRA_DIST += $(system_tests) $(plain_system_tests) $(recipe_tests)
EXTRA_DIST += tests/lib/state.bash \
	tests/system/import \
	tests/node/app.mjs \
	tests/node/preload.test.cjs \
	tests/system/programs/binds.py \
	tests/system/programs/cluster.js \
	tests/system/programs/echo.py \
	tests/system/programs/einhorn.rb \
	tests/system/programs/health.py \
	tests/system/programs/nodelike.py \
	tests/system/programs/notify.py \
	tests/system/programs/pages.js \
	tests/system/programs/ring.py \
	tests/system/programs/seat.py \
	tests/system/programs/server.js \
	tests/system/programs/server.py \
	tests/system/programs/take.py \
	tests/system/programs/talk.py \
	tests/system/programs/wsgi.py

# What brood-bind.so promises to programs; it speaks TAP itself. Without sanitizers, as programs are.
check_PROGRAMS += tests/system/bind_cases
tests_system_bind_cases_CFLAGS = $(WARN_CFLAGS) $(WERROR_CFLAGS) $(HARDEN_CFLAGS) -pthread
tests_system_bind_cases_LDFLAGS = $(HARDEN_LDFLAGS) -pthread
TESTS += tests/system/bind_cases

# Not of bats: the load tests speak TAP themselves.
EXTRA_DIST += tests/system/090-load.tap
