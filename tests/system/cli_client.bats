#!/usr/bin/env bats
# brood(1) against masters that only talk (tests/lib/fake_master.py): versions, garbage, silence, a
# connection that ends in the middle, errors to exit codes, and what a person and a program see.
# No broodd runs here; where brood starts one it is a script.

load ../lib/common

setup() {
	common_setup
	need python3
	export NO_COLOR=1
	unset BROOD_BROODD
}

# fake [MODE [NAME]]: the pid is in FAKE
fake() {
	local name=${2:-web}

	spawn python3 "$TESTS_DIR/lib/fake_master.py" "$RUN_DIR/$name.sock" "${1:-normal}"
	FAKE=$SPAWNED
	retry_until 10 test -S "$RUN_DIR/$name.sock"
	sockets+=("$RUN_DIR/$name.sock")
}

teardown() {
	stop_all
	rm -f "${sockets[@]}"
	common_teardown
}

# fake_broodd TEXT: a shell script in place of broodd
fake_broodd() {
	printf '#!/bin/bash\n%s\n' "$1" > "$T/broodd"
	chmod +x "$T/broodd"
	export BROOD_BROODD=$T/broodd
}

json() {
	python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

@test "no master: 69 with what to do, status 3" {
	run brood ping
	[ "$status" -eq 69 ]
	[[ $output == *"brood start"* ]]
	run brood status
	[ "$status" -eq 3 ]
	run brood ls
	[ "$status" -eq 0 ]
}

@test "K8: a newer master is refused with a clear message" {
	fake protocol=2
	run brood status -i web
	[ "$status" -eq 1 ]
	[[ $output == *"speaks control protocol 2"*"installed with the master"* ]]
}

@test "K8: a master that is not brood at all is told" {
	fake protocol=0
	run brood ping -i web
	[ "$status" -eq 69 ]
	[[ $output == *"does not speak brood's protocol"* ]]
}

@test "K8: unknown members and unknown methods are no disaster" {
	fake
	run brood ping
	[ "$status" -eq 0 ]
	fake error=-32601 old
	run brood reopen -i old
	[ "$status" -eq 1 ]
	[[ $output == *"may be older"* ]]
}

@test "garbage and nonsense instead of JSON-RPC: 69" {
	fake garbage one
	fake nonsense two
	for i in one two; do
		run brood status -i $i --json
		[ "$status" -eq 3 ]
		run brood ping -i $i
		[ "$status" -eq 69 ]
		[[ $output == *"does not speak brood's protocol"* ]]
	done
}

@test "a master that never answers is given up" {
	fake silent
	run brood ping -i web
	[ "$status" -eq 69 ]
	[[ $output == *"does not answer"* ]]
}

@test "a connection that ends in the middle is told plainly" {
	fake close one
	fake partial two
	for i in one two; do
		run brood reload -i $i
		[ "$status" -eq 69 ]
		[[ $output == *"in the middle of the reload"* ]]
	done
}

@test "--timeout passes: 124, and it is said that the operation goes on" {
	fake slow=5
	run brood reload --timeout 200ms
	[ "$status" -eq 124 ]
	[[ $output == *"goes on"* ]]
}

@test "answers that come byte by byte are put together" {
	fake split
	run brood status --json
	[ "$status" -eq 0 ]
	[ "$(json 'd["apps"][0]["name"]' <<< "$output")" = web ]
}

@test "error codes of the master become exit codes" {
	local code
	for code in 1 64 71 75 77 78; do
		fake error=$((-32000 - code)) "e$code"
		run brood reload -i "e$code"
		[ "$status" -eq "$code" ]
		[[ $output == *"refused for a test"* ]]
	done
	fake error=-32602 params
	run brood reload -i params
	[ "$status" -eq 64 ]
}

@test "a refused hello tells the reason" {
	fake refuse
	run brood ping -i web
	[ "$status" -eq 77 ]
	[[ $output == *"may not control"* ]]
	run brood ls
	[ "$status" -eq 0 ]
	[[ $output == *denied* ]]
}

@test "status: 0 all ready, 1 degraded" {
	fake
	run brood status
	[ "$status" -eq 0 ]
	[[ $output == *"web: ready, 2/2 ready"* ]]
	FAKE_STATE=degraded fake normal bad
	run brood ps -i bad
	[ "$status" -eq 1 ]
	[[ $output == *"next try in 1.2s"* ]]
}

@test "status: what waits and who took over, where there is room" {
	fake
	run -0 brood status
	[[ $output == *"TIER  QUEUE  TAKEN  STALLS"* ]]
	[[ $output =~ web\ +1\ .*T2\ +3/41\ +5\ +2\ +warm ]]
	# one socket where several were asked for
	[[ $output == *"on tcp:127.0.0.1:8080 (shared: see brood doctor)"* ]]
	need script
	for width in 80:0 119:0 120:1 200:1; do
		n=$(TERM=xterm script -qec "stty cols ${width%:*} rows 24; brood status" /dev/null < /dev/null |
			grep -c TIER || true)
		[ "$n" = "${width#*:}" ]
	done
}

@test "probe: 0 for 200 to 399, else 1, and how long it took" {
	fake
	run -0 brood probe web.1
	[ "$output" = "web.1 /healthz: HTTP/1.1 200 (connected after 0.12 ms, answered after 4.50 ms)" ]
	for code in 200 204 302 399; do
		run -0 brood probe web.1 "/status/$code"
	done
	for code in 100 400 404 503 0; do
		run -1 brood probe web.1 "/status/$code"
	done
	[ "$output" = "web.1 /status/0: no answer within 20ms (connected after 0.12 ms)" ]
	run -1 brood probe web.1 /status/503 --json
	[ "$(json "d['status']" <<< "$output")" = 503 ]
	run -64 brood probe web
	[[ $output == *"APP.SLOT"* ]]
	run -64 brood probe web.1 status
	[[ $output == *"begins with a slash"* ]]
	run -64 brood probe web.1 "/a b"
	run -64 brood probe web.1 $'/\xff'
}

@test "drain and resume: a slot or all, and with --no-wait" {
	fake
	run -0 brood drain web.1
	[[ ${lines[-1]} == "drain done" ]]
	run -0 brood resume web
	[[ ${lines[-1]} == "resume done" ]]
	run -0 brood drain web --no-wait
	[ "$output" = "drain accepted" ]
}

@test "--json is the result of the protocol" {
	fake
	for verb in status describe why; do
		run brood $verb web --json
		[ "$status" -eq 0 ]
		json 'd is not None' <<< "$output"
	done
	run brood ls --json
	[ "$(json 'd["instances"][0]["ready"]' <<< "$output")" = 2 ]
	run brood events --json -n 3
	[ "${#lines[@]}" -eq 3 ]
	[ "$(json 'd["event"]' <<< "${lines[0]}")" = worker_ready ]
	run --separate-stderr brood reload gone --json -i nosuch
	[ "$status" -eq 69 ]
	[ "$(json 'd["error"]["exit"]' <<< "$output")" = 69 ]
}

@test "a stale socket is named as such, and is no candidate" {
	fake
	kill -KILL "$FAKE"
	retry_until 5 ended "$FAKE"
	run brood ls
	[[ $output == *stale* ]]
	run brood ping
	[ "$status" -eq 69 ]
	fake normal other
	run brood ping
	[ "$status" -eq 0 ]
	[[ $output == other* ]]
}

@test "several instances: found by a unique app, else 64 with their names" {
	fake two a
	fake normal b
	run brood ping
	[ "$status" -eq 64 ]
	[[ $output == *"a, b"* ]]
	run brood describe v1.2
	[ "$status" -eq 0 ]
	run brood describe web
	[ "$status" -eq 64 ]
	run brood describe gone
	[ "$status" -eq 64 ]
	run brood ping -i b
	[ "$status" -eq 0 ]
}

@test "progress and a last line on success; reason, last words and a hint on failure" {
	fake
	run brood reload
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "web.0: starting"* ]]
	[[ ${lines[-1]} =~ ^"web: 2/2 ready, generation 7 ("[0-9]+" ms)"$ ]]
	fake failing bad
	run brood reload -i bad
	[ "$status" -eq 1 ]
	[[ $output == *"web.1 failed: exit 3"*"| Error: no config"*"brood why -i bad web.1"* ]]
	run brood reload --no-wait -i web
	[ "$status" -eq 0 ]
	[ "$output" = "reload accepted" ]
}

@test "stop without an app: shuts an ad hoc instance down, is refused for others" {
	fake
	run brood stop
	[ "$status" -eq 64 ]
	[[ $output == *"shutdown -i web"* ]]
	kill "$FAKE"
	rm -f "$RUN_DIR/web.sock"
	fake adhoc
	run brood stop
	[ "$status" -eq 0 ]
	retry_until 5 ended "$FAKE"
}

@test "foreign text cannot move the cursor or forge a line" {
	fake evil
	for verb in status "status --color=always" "describe web" "why web.1" "logs" events "env web.1" reload; do
		run brood $verb
		[[ $verb == *always ]] || [[ $output != *$'\e'* ]]
		[[ $output != *$'\u202e'* ]]
		! grep -q '^forged' <<< "$output"
		[[ $output != *$'\r'* ]]
	done
	run brood status --color=never
	[[ $output != *$'\e'* ]]
	run brood status --color=always
	[[ $output == *$'\e['* ]]
}

@test "logs | head and logs -f | head end quietly" {
	fake
	run bash -c 'brood logs -f | head -n 7; echo "${PIPESTATUS[0]}"'
	[ "${#lines[@]}" -eq 8 ]
	[ "${lines[-1]}" -eq 0 ]
	run bash -c 'brood logs | head -n 1; echo "${PIPESTATUS[0]}"'
	[ "${lines[-1]}" -eq 0 ]
	# In the foreground: no CONT after INT, see 060-output.
	run bash -c 'timeout --foreground -s INT 1 brood events -f > /dev/null; echo $?'
	[ "$output" != 1 ]
}

@test "output that is lost is an error" {
	fake
	[ -w /dev/full ] || skip "no /dev/full"
	run bash -c 'brood status > /dev/full'
	[ "$status" -eq 71 ]
}

@test "a target is split by the apps that exist" {
	fake
	run brood kill web.1 9
	[ "$output" = '{"app": "web", "signal": "KILL", "slot": 1}' ]
	run brood kill web
	[ "$status" -eq 64 ]
	run brood signal web NOSUCH
	[ "$status" -eq 64 ]
	run brood send web '{"a":'
	[ "$status" -eq 64 ]
	run brood send web.1 '"x"'
	[ "$output" = "delivered to 1 worker" ]
	run brood scale x
	[ "$status" -eq 64 ]
}

@test "run hands broodd a sealed configuration that can be read again and again" {
	fake_broodd 'echo "$@"; [ "$4" = -c ] || exit 99; cat "$5" "$5"; stat -Lc %a "$5"'
	cd "$T"
	run brood run -n 3 -l 127.0.0.1:1 --set stop_timeout=1s -- ./my\ app '$HOME' '%(slot)' ''
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "--adhoc -i my-app -c /dev/fd/"* ]]
	[ "$(grep -c '^\[app:my-app\]$' <<< "$output")" -eq 2 ]
	[[ $output == *"workers = 3"*"listen = 127.0.0.1:1"*"stop_timeout = 1s"* ]]
	[[ $output == *'$$HOME'*'%%(slot)'* ]]
	[[ $output == *"inherit_env = yes"* ]]
	[ "${lines[-1]}" = 600 ]
}

@test "run -c takes no options of a program" {
	run brood run -c x.conf -n 4
	[ "$status" -eq 64 ]
	run brood start -c x.conf -- true
	[ "$status" -eq 64 ]
	run brood start web -- true
	[ "$status" -eq 64 ]
}

@test "start returns when ready, and the file it wrote is private" {
	fake_broodd 'while [ $# -gt 1 ]; do case $1 in --ready-fd) fd=$2 ;; -c) conf=$2 ;; esac; shift; done
		echo "{\"event\":{\"app\":\"true\",\"slot\":0,\"text\":\"ready\",\"event\":\"worker_ready\"}}" >&$fd
		echo "{\"ready\":true,\"pid\":$$,\"name\":\"true\"}" >&$fd
		grep -c . "$conf" > /dev/null'
	ODD=$'a\nb' run brood start -- true
	[ "$status" -eq 0 ]
	[[ $output == *"true.0: ready"*"true: ready (pid"* ]]
	[ "$(stat -c %a "$RUN_DIR/true.conf")" = 600 ]
	grep -q '^ODD = "a\\x0ab"$' "$RUN_DIR/true.conf"
	grep -q '^inherit_env = no$' "$RUN_DIR/true.conf"
}

@test "start passes on why it failed, and the exit code" {
	fake_broodd 'while [ $# -gt 1 ]; do [ "$1" = --ready-fd ] && fd=$2; shift; done
		echo "{\"failed\":1,\"message\":\"web.0 died\",\"last_words\":\"boom\"}" >&$fd; exit 1'
	run brood start -- true
	[ "$status" -eq 1 ]
	[[ $output == *"web.0 died"*"| boom"* ]]
	fake_broodd 'echo "command line:4: no such thing" >&2; exit 78'
	run brood start -- true
	[ "$status" -eq 78 ]
	[[ $output == *"no such thing"* ]]
	[ ! -e "$RUN_DIR/true.conf" ]
	fake_broodd 'kill -KILL $$'
	run brood start -- true
	[ "$status" -eq 1 ]
	export BROOD_BROODD=$T/nothing
	run brood start -- true
	[ "$status" -eq 71 ]
	run brood run -- true
	[ "$status" -eq 71 ]
}

@test "start gives up at --timeout and says that it goes on" {
	fake_broodd 'exec sleep 2'
	run brood start --timeout 200ms -- true
	[ "$status" -eq 124 ]
	[[ $output == *"goes on"* ]]
	retry_until 10 nothing_left
}

@test "P: a second start of the same instance is told how to reach the first" {
	fake_broodd 'exit 0'
	: > "$RUN_DIR/web.lock"
	spawn flock "$RUN_DIR/web.lock" sleep 30
	retry_until 5 bash -c '! flock -n "$1" true' - "$RUN_DIR/web.lock"
	run brood start -i web -- true
	[ "$status" -eq 1 ]
	[[ $output == *"runs already"*"brood status -i web"* ]]
	[ ! -e "$RUN_DIR/web.conf" ]
	kill "$SPAWNED" $(children_of "$SPAWNED") || true
}

@test "reload --update-env rewrites the environment of what start made, and of nothing else" {
	printf '[app:web]\ncommand = true\n\n[env:web]\nOLD = "1"\n' > "$RUN_DIR/web.conf"
	fake adhoc
	NEW='a"b' run brood reload --update-env
	[ "$status" -eq 0 ]
	grep -q '^NEW = "a\\"b"$' "$RUN_DIR/web.conf"
	run grep -c '^OLD = ' "$RUN_DIR/web.conf"
	[ "$output" = 0 ]
	fake normal other
	run brood reload --update-env -i other
	[ "$status" -eq 1 ]
	[[ $output == *"brood start -- COMMAND"* ]]
}

@test "check and config run broodd on a file" {
	fake_broodd 'echo "$@"; exit 78'
	run brood check -c x.conf
	[ "$status" -eq 78 ]
	[ "$output" = "-t -c x.conf" ]
	run brood check -c x.conf --json
	[ "$status" -eq 78 ]
	[ "$(json 'd["messages"][0]' <<< "$output")" = "-t -c x.conf" ]
	run brood config -c x.conf
	[ "$output" = "-T -c x.conf" ]
	run brood config
	[ "$output" = "-T" ]
	fake
	run brood config
	[[ $output == *"node server.js"* ]]
}

@test "wrong use is 64 and names what is near" {
	run brood realod
	[ "$status" -eq 64 ]
	[[ $output == *"brood reload"* ]]
	run brood status --jsn
	[ "$status" -eq 64 ]
	[[ $output == *"--json"* ]]
	run brood --help
	[ "$status" -eq 0 ]
	run brood help nosuch
	[ "$status" -eq 64 ]
}
