# contrib/recipes/server-starter, starlet: programs that were written for Server::Starter.

load ../lib/common
load ../lib/recipe_server

# Built once for the file, as its head says.
setup_file() {
	command -v cc > /dev/null && [ -z "${BROOD_SANITIZED:-}" ] || return 0
	export WORKER_BUILD
	WORKER_BUILD=$(mktemp -d "${TMPDIR:-/tmp}/brood-worker.XXXXXX")
	chmod 0755 "$WORKER_BUILD"
	cc -O2 -o "$WORKER_BUILD/worker" \
		"${top_srcdir:-$BATS_TEST_DIRNAME/../..}/contrib/recipes/server-starter/worker.c"
}

teardown_file() {
	[ -z "${WORKER_BUILD:-}" ] || rm -rf "$WORKER_BUILD"
}

setup() {
	common_setup
	plain_build_only
	export SERVER=${WORKER_BUILD:-}/worker
}

@test "server-starter: serves, is reloaded and killed, and no request fails" {
	need cc
	server_life server-starter 3
}

@test "server-starter: the same program serves under start_server" {
	need cc start_server
	spawn start_server --port="127.0.0.1:$PORT" -- "$SERVER"
	retry_until 30 answers
	[[ $(get /) == "pid "* ]]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}

@test "starlet: serves, is reloaded and killed, and no request fails" {
	need plackup start_server
	server_life starlet 2
}
