# recipe_go.bash: recipes in Go are built once for the file: the compiler's cache outlives a test.
#
#	go_build NAME	for setup_file: the program of contrib/recipes/NAME. Tests find it in SERVER.
#
# teardown_file and setup are here.

go_build() {
	command -v go > /dev/null && [ -z "${BROOD_SANITIZED:-}" ] || return 0
	export GO_BUILD
	GO_BUILD=$(mktemp -d "${TMPDIR:-/tmp}/brood-go.XXXXXX")
	chmod 0755 "$GO_BUILD"
	cd "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/contrib/recipes/$1" || return 1
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
