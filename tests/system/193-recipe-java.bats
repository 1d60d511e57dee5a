# contrib/recipes/java: System.inheritedChannel().

load ../lib/common
load ../lib/recipe_server

# Compiled once for the file.
setup_file() {
	command -v javac > /dev/null && [ -z "${BROOD_SANITIZED:-}" ] || return 0
	export CLASSES
	CLASSES=$(mktemp -d "${TMPDIR:-/tmp}/brood-java.XXXXXX")
	chmod 0755 "$CLASSES"
	javac -Xlint:all -Werror -d "$CLASSES" \
		"${top_srcdir:-$BATS_TEST_DIRNAME/../..}/contrib/recipes/java/Server.java"
}

teardown_file() {
	[ -z "${CLASSES:-}" ] || rm -rf "$CLASSES"
}

setup() {
	common_setup
	plain_build_only
	need java javac
}

@test "java: serves, is reloaded and killed, and no request fails" {
	server_life java 2
}

@test "java: run by hand it binds for itself, and ends when it is told" {
	local code=0

	PORT=$PORT spawn java -cp "$CLASSES" Server
	retry_until 30 answers
	[ "$(get /)" = "pid $SPAWNED" ]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED" || code=$?
	[ "$code" = 143 ]
}
