# contrib/recipes/go: the ring from a thread that sleeps in the wait set.

load ../lib/common
load ../lib/recipe

# Built once for the file: the compiler's cache outlives a test.
setup_file() {
	command -v go > /dev/null && [ -z "${BROOD_SANITIZED:-}" ] || return 0
	export GO_BUILD
	GO_BUILD=$(mktemp -d "${TMPDIR:-/tmp}/brood-go.XXXXXX")
	chmod 0755 "$GO_BUILD"
	cd "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/contrib/recipes/go" || return 1
	HOME=$GO_BUILD GOCACHE=$GO_BUILD/cache GOFLAGS=-buildvcs=false go build -o "$GO_BUILD/server" .
}

teardown_file() {
	[ -z "${GO_BUILD:-}" ] || rm -rf "$GO_BUILD"
}

setup() {
	common_setup
	plain_build_only
	need go
	export SERVER=$GO_BUILD/server
}

@test "it serves by its own configuration, from a thread in the wait set" {
	recipe_start go 3
	recipe_serves T2
}

@test "reloads lose nothing, and what is under way is finished" {
	recipe_start go 3
	recipe_reloads
}

@test "a worker that stands holds up no new connection" {
	recipe_start go 3
	recipe_survives_a_standstill
}

@test "a worker that is killed holds up nobody, and comes back" {
	recipe_start go 3
	recipe_survives_a_kill
}

@test "more slots and fewer, while it serves" {
	recipe_start go 2
	for n in 6 3 2; do
		run -0 ctl scale web "$n"
		retry_until 60 all_ready
		recipe_load 1 50
	done
}

@test "run by hand it binds for itself, and ends when it is told" {
	PORT=$PORT spawn "$SERVER"
	retry_until 30 answers
	[[ $(get /) == "slot , pid $SPAWNED" ]]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}
