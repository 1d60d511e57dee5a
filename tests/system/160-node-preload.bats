#!/usr/bin/env bats
# src/node/preload.cjs: how Node workers leave. First under Node's own cluster module: the cases of
# tests/node/preload.test.cjs, which run all at the same time, before the first test.

load ../lib/common

setup_file() {
	command -v node > /dev/null && command -v openssl > /dev/null || return 0
	export PRELOAD=$top_builddir/node-preload.cjs ESM=$top_srcdir/tests/node/app.mjs
	export KEY=$BATS_FILE_TMPDIR/key.pem CERT=$BATS_FILE_TMPDIR/cert.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=localhost -keyout "$KEY" -out "$CERT" 2> /dev/null
	node "$top_srcdir/tests/node/preload.test.cjs" > "$BATS_FILE_TMPDIR/cases" 2>&1 || :
}

# The case of that name went well.
passed() {
	need node openssl
	grep -qx "ok $1" "$BATS_FILE_TMPDIR/cases" || {
		cat "$BATS_FILE_TMPDIR/cases" >&2
		return 1
	}
}

@test "an idle connection ends by the answer to its next request" {
	passed idle_connection_ends_by_its_next_answer
}

@test "without the preload it is closed, and the request lost" {
	passed without_preload_idle_connection_is_closed
}

@test "the answer to a request that is under way says close" {
	passed request_under_way_is_told
}

@test "close is said whatever the app says, and its other headers stay" {
	passed close_is_said_whatever_the_app_says
}

@test "a client that still sends its request is not cut off" {
	passed client_that_still_sends_is_not_cut_off
}

@test "pipelined requests are all answered" {
	passed pipelined_requests_are_all_answered
}

@test "silent connections end after 5 s, an answer may take longer" {
	passed silent_connections_end_after_5_seconds
}

@test "a server that the app closes by itself closes as ever" {
	passed close_by_the_app_is_as_ever
}

@test "several servers: http, https, exclusive, not http" {
	passed several_servers
}

@test "an upgraded connection is left alone" {
	passed upgraded_connection_goes_on
}

@test "HTTP/2 sessions get GOAWAY and finish their streams" {
	passed http2_sessions_are_told
}

@test "app, children and threads see NODE_OPTIONS as it was" {
	passed environment_is_as_it_was
}

@test "what is no worker of a cluster is left alone" {
	passed no_worker_no_effect
}

@test "an app of ES modules drains as well" {
	passed esm_app
}

@test "keep-alive clients lose no request while workers are replaced" {
	passed no_request_fails
}

@test "each case has a test" {
	need node
	node "$top_srcdir/tests/node/preload.test.cjs" --list | while read -r name; do
		grep -q "passed $name\$" "$BATS_TEST_FILENAME"
	done
}
