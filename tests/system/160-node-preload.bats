#!/usr/bin/env bats
# src/node/preload.cjs: how Node workers leave. First under Node's own cluster module: the cases of
# tests/node/preload.test.cjs, which run all at the same time, before the first test. Then with the
# master; and which commands are Node.

load ../lib/common
load ../lib/slots

setup_file() {
	command -v node > /dev/null && command -v openssl > /dev/null || return 0
	export PRELOAD=$top_builddir/node-preload.cjs ESM=$top_srcdir/tests/node/app.mjs
	export KEY=$BATS_FILE_TMPDIR/key.pem CERT=$BATS_FILE_TMPDIR/cert.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=localhost -keyout "$KEY" -out "$CERT" 2> /dev/null
	node "$top_srcdir/tests/node/preload.test.cjs" > "$BATS_FILE_TMPDIR/cases" 2>&1 || :
}

# Only some tests need what common.bash makes for each.
setup() {
	[[ $BATS_TEST_DESCRIPTION != master:* ]] || common_setup
}

teardown() {
	[[ $BATS_TEST_DESCRIPTION != master:* ]] || common_teardown
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

# app.js says what it sees of NODE_OPTIONS. web COMMAND < further lines
web() {
	need node
	cat > "$T/app.js" <<- 'END'
		require('http').createServer((request, response) => {
			response.end(`${process.env.NODE_OPTIONS}\n`);
		}).listen(3000);
	END
	write_conf < <(
		printf '[app:web]\ncommand = %s\n' "$1"
		printf 'directory = %s\nlisten = 127.0.0.1:%s?as=3000\nworkers = 2\n' "$T" "$PORT"
		cat
	)
}

busy() {
	"$top_builddir/tests/bench/load" -p "$PORT" -r 50 -k 8 -q 30 -d 0 -u / -t 60000 \
		> "$T/load" 3>&- &
	LOAD=$!
	PIDS+=("$LOAD")
}

@test "master: a reload loses no request of keep-alive clients, and needs no signal" {
	web "node app.js" <<- END
		stop_timeout = 60s
		[env:web]
		NODE_OPTIONS = --no-warnings
	END
	start_master
	retry_until 30 all_ready
	[ "$(get /)" = --no-warnings ]
	busy
	for _ in 1 2; do
		ctl reload web
		retry_until 60 app_is .leaving 0
	done
	kill -TERM "$LOAD"
	wait "$LOAD" || :
	cat "$T/load"
	jq -e '.new.failed + .kept.failed == 0 and .kept.answered > 20 and .kept.answered == .kept.asked' "$T/load"
	ctl why web --json | jq -e '[.slots[].obituaries[]|select(.cause == "reload")]|
		length == 4 and all(.code == 0)'
	run ! grep -E 'stop signal|KILL' "$LOG"
}

@test "master: node_preload = no, or a file that is not there: the app runs without it" {
	local installed

	web "node app.js" <<< "node_preload = no"
	start_master
	retry_until 30 all_ready
	[ "$(get /)" = undefined ]
	stop_master
	# The master looks beside itself, too, and where it would be installed.
	installed=$(grep -aoE '/[[:graph:]]+/brood-hello' "$top_builddir/broodd" | head -n 1)
	[ ! -e "${installed%/*}/node-preload.cjs" ] || skip "brood is installed here"
	mkdir "$T/bin"
	cp "$top_builddir/broodd" "$T/bin/"
	export PATH=$T/bin:$PATH
	expect_in_log 'node_preload = yes, but'
	free_port
	web "node app.js" < /dev/null
	start_master
	retry_until 30 all_ready
	[ "$(get /)" = undefined ]
	log_has 'node_preload = yes, but .*/node-preload.cjs'
}

@test "master: a launcher of Node's is refused with the line that works" {
	local line

	need npm
	web "npm start" < /dev/null
	echo '{"scripts": {"start": "A=1 node app.js --flag"}}' > "$T/package.json"
	run -78 broodd -t -c "$CONF"
	line='npm is a Node program itself and would take the worker.s place in the cluster'
	grep -E "app web: command = npm start: $line; write: command = node app.js --flag \(with A = 1 under \[env:APP\]\)\$" <<< "$output"
	run -78 broodd -c "$CONF"
	grep -q "write: command = node app.js" <<< "$output"
	sed -i 's/^command.*/command = node --watch app.js/' "$CONF"
	run -78 broodd -t -c "$CONF"
	grep -q "write: command = node app.js\$" <<< "$output"
	# What runs goes on.
	sed -i 's/^command.*/command = node app.js/' "$CONF"
	start_master
	retry_until 30 all_ready
	expect_in_log 'npm is a Node program'
	sed -i 's/^command.*/command = npm start/' "$CONF"
	run -78 ctl reload web
	get /
}

@test "master: a script that is Node by its first line is Node" {
	web ./app.js < /dev/null
	sed -i '1i #!/usr/bin/env node' "$T/app.js"
	chmod +x "$T/app.js"
	start_master
	retry_until 30 all_ready
	[ "$(get /)" = undefined ]
}
