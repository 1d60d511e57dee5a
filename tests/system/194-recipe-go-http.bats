# contrib/recipes/go-http: net/http on LISTEN_FDS.

load ../lib/common
load ../lib/recipe_server

# Built once for the file: the compiler's cache outlives a test.
setup_file() {
	command -v go > /dev/null && [ -z "${BROOD_SANITIZED:-}" ] || return 0
	export GO_BUILD
	GO_BUILD=$(mktemp -d "${TMPDIR:-/tmp}/brood-go.XXXXXX")
	chmod 0755 "$GO_BUILD"
	cd "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/contrib/recipes/go-http" || return 1
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

@test "go-http: serves, is reloaded and killed, and no request fails" {
	server_life go-http 3
}

@test "go-http: run by hand it binds for itself, and ends when it is told" {
	PORT=$PORT spawn "$SERVER"
	retry_until 30 answers
	[ "$(get /)" = "pid $SPAWNED" ]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}
