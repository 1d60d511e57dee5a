# drain and resume: workers go, sockets stay. What comes meanwhile is served by others, or waits and
# is served by whoever comes back; nothing is refused and nothing is lost.

load ../lib/common
load ../lib/state

# web_conf WORKERS [TEXT]: an app on $PORT that serves with brood-hello
web_conf() {
	write_conf "${NAME:-brood}" << END
[app:web]
command = $top_builddir/brood-hello
workers = $1
listen = 127.0.0.1:$PORT
${2:-}
END
}

slot() {
	app_field ".slots[$1]$2" "${3:-}"
}

slot_is() {
	[ "$(slot "$1" "$2")" = "$3" ]
}

# Connections that wait to be accepted at the port, at all of its sockets.
waiting() {
	ss -Hltn "sport = :$PORT" | awk '{ n += $2 } END { print n + 0 }'
}

waiting_is() {
	[ "$(waiting)" = "$1" ]
}

# ask_in_background N: N clients, each with a connection of its own; codes of answers in $T/codes
ask_in_background() {
	local i

	: > "$T/codes"
	CLIENTS=()
	for ((i = 0; i < $1; i++)); do
		curl -s -o /dev/null --max-time 60 -w '%{http_code}\n' \
			"http://127.0.0.1:$PORT/healthz" >> "$T/codes" 3>&- &
		CLIENTS+=("$!")
		PIDS+=("$!")
	done
}

# Each of them got its answer.
all_answered() {
	wait "${CLIENTS[@]}"
	[ "$(sort "$T/codes" | uniq -c | tr -s ' ')" = " ${#CLIENTS[@]} 200" ]
}

# events_of KIND: how many the master knows
events_of() {
	ctl events --json -n 1000 | pick .event | grep -cx -- "$1" || true
}

@test "a slot that is drained has no worker, and the others serve" {
	web_conf 2
	start_master
	retry_until 20 all_ready
	old=$(slot_pid 1)
	run -0 ctl drain web.1
	[ "${lines[-1]}" = "web: 1/2 ready, 1 drained, generation 1" ]
	ended "$old"
	[ "$(slot 1 '|[.state, .drained, .worker]|tostring')" = '["resting",true,null]' ]
	[ "$(slot 0 '|[.state, .drained]|tostring')" = '["serving",false]' ]
	# an operator wanted it so: that is no failure
	app_is drained
	run -0 ctl status
	[[ $output == *" drained "* ]]
	for _ in {1..20}; do
		[ "$(get /healthz)" = ok ]
	done
	run -0 ctl why web.1
	[[ $output == *"web.1 is drained"*"brood resume web.1"* ]]
	# a second time changes nothing
	run -0 ctl drain web.1
	[ "$(events_of drained)" = 1 ]
	run -0 ctl resume web.1
	[ "${lines[-1]}" = "web: 2/2 ready, generation 1" ]
	app_is ready
	[ "$(slot 1 .drained)" = false ]
	[ "$(slot_pid 1)" != "$old" ]
	[ "$(events_of resumed)" = 1 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a slot that is drained under load loses no request" {
	need jq
	web_conf 3
	start_master
	retry_until 20 all_ready
	begin_load -d 0 -k 4 -r 200
	for slot in 1 0 2; do
		run -0 ctl drain "web.$slot"
		run -0 ctl resume "web.$slot"
	done
	kill -TERM "$LOAD"
	nothing_lost
}

@test "connections made while all is drained wait, and are served after resume" {
	need ss
	web_conf 2
	start_master
	retry_until 20 all_ready
	run -0 ctl drain web
	[ "${lines[-1]}" = "web: 0/2 ready, 2 drained, generation 1" ]
	app_is drained
	ask_in_background 20
	retry_until 20 waiting_is 20
	[ ! -s "$T/codes" ]
	run -0 ctl resume web
	[ "${lines[-1]}" = "web: 2/2 ready, generation 1" ]
	all_answered
	stop_master
}

# What waits at the other slots waits for them, unless it can be taken over; new clients do not.
@test "one slot that is resumed serves whoever comes from then on" {
	need ss
	web_conf 3
	start_master
	retry_until 20 all_ready
	run -0 ctl drain web
	ask_in_background 30
	retry_until 20 waiting_is 30
	run -0 ctl resume web.2
	[ "${lines[-1]}" = "web: 1/3 ready, 2 drained, generation 1" ]
	[ "$(slot 0 .drained) $(slot 1 .drained) $(slot 2 .drained)" = "true true false" ]
	app_is drained
	for _ in {1..20}; do
		[ "$(get /healthz)" = ok ]
	done
	run -0 ctl resume web
	all_answered
}

@test "a UNIX socket that is drained keeps its clients waiting as well" {
	need ss
	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 2
listen = unix:$T/web.sock
END
	start_master
	retry_until 20 all_ready
	run -0 ctl drain web
	curl -s --max-time 60 --unix-socket "$T/web.sock" http://x/healthz > "$T/answer" 3>&- &
	client=$!
	PIDS+=("$client")
	waits() { ss -Hlx "src = $T/web.sock" | awk '{ exit $3 != 1 }'; }
	retry_until 20 waits
	[ ! -s "$T/answer" ]
	run -0 ctl resume web
	wait "$client"
	[ "$(cat "$T/answer")" = ok ]
}

@test "drain waits for what is inside" {
	web_conf 1
	start_master
	retry_until 20 all_ready
	old=$(slot_pid 0)
	curl -s -o /dev/null --max-time 60 -w '%{http_code}' \
		"http://127.0.0.1:$PORT/io?ms=1500" > "$T/code" 3>&- &
	client=$!
	PIDS+=("$client")
	inside() { [ "$(slot 0 .worker.beat.conns)" != 0 ] || [ "$(slot 0 .worker.beat.conns)" = null ]; }
	retry_until 5 inside
	connected() { ss -Htn state established "sport = :$PORT" | grep -q .; }
	need ss
	retry_until 5 connected
	run -0 ctl drain web.0
	ended "$old"
	wait "$client"
	[ "$(cat "$T/code")" = 200 ]
}

@test "WINCH drains everything and keeps sockets and master" {
	need ss
	web=$PORT
	free_port
	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 2
listen = 127.0.0.1:$web
[app:api]
command = $top_builddir/brood-hello
workers = 1
listen = 127.0.0.1:$PORT
END
	start_master
	retry_until 20 all_ready
	kill -WINCH "$MASTER"
	retry_until 20 app_is drained
	retry_until 20 app_is drained api
	[ "$(app | jq '[.slots[].worker] | all(. == null)')" = true ]
	[ "$(events_of drained)" = 3 ]
	ctl ping
	ask_in_background 5
	retry_until 20 waiting_is 5
	# again: nothing more to be done
	kill -WINCH "$MASTER"
	run -0 ctl resume api
	all_answered
	app_is drained
	PORT=$web
	ask_in_background 5
	retry_until 20 waiting_is 5
	run -0 ctl resume web
	all_answered
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a terminal that changes its size drains nothing" {
	need script
	NAME=term
	script -qec "exec brood run -i term -n 1 -l 127.0.0.1:$PORT -- $top_builddir/brood-hello" \
		/dev/null >> "$LOG" 2>&1 < /dev/null 3>&- &
	PIDS+=("$!")
	retry_until 20 all_ready
	master=$(ctl status --json | pick .pid)
	kill -WINCH "$master"
	run -0 ctl status
	[ "$(events_of drained)" = 0 ]
	[ "$(get /healthz)" = ok ]
	kill -HUP "$master"
	retry_until 20 ended "$master"
}

@test "a reload, a restart and a start end it" {
	need ss
	web_conf 2
	start_master
	retry_until 20 all_ready
	for verb in reload restart start; do
		run -0 ctl drain web
		app_is drained
		ask_in_background 5
		retry_until 20 waiting_is 5
		run -0 ctl "$verb" web
		app_is ready
		all_answered
	done
	[ "$(events_of resumed)" = 6 ]
}

@test "one slot is drained while the others are reloaded" {
	web_conf 3
	start_master
	retry_until 20 all_ready
	run -0 ctl drain web.0
	run -0 ctl reload web
	# the reload was of the whole app
	app_is ready
	[ "$(app | jq -c '[.slots[].worker.generation]')" = '[2,2,2]' ]
	[ "$(slot 0 .drained)" = false ]
}

@test "a worker that ends while it is drained is not replaced" {
	web_conf 2 "restart = always"
	start_master
	retry_until 20 all_ready
	old=$(slot_pid 1)
	run -0 ctl drain web.1 --no-wait
	[ "$output" = "drain accepted" ]
	kill -KILL "$old" 2> /dev/null || true
	retry_until 20 slot_is 1 .state resting
	retry_until 20 left_all
	ready_is 1
	expect_in_log 'web\.1'
}

@test "what cannot be drained is refused with what there is" {
	web_conf 2
	start_master
	retry_until 20 all_ready
	before=$(pids)
	refused 1 'no slot 2 in "web": it has 0 to 1' ctl drain web.2
	refused 1 'no app "wbe": did you mean "web"' ctl drain wbe
	refused 64 'drain wants APP\[.SLOT\]' ctl drain
	run -0 ctl resume web
	unchanged "$before"
}

@test "a stop while it is drained ends, and takes no client along" {
	web_conf 2
	start_master
	retry_until 20 all_ready
	run -0 ctl drain web
	run -0 ctl stop web
	app_is resting
	run -0 ctl start web
	app_is ready
	[ "$(get /healthz)" = ok ]
	run -0 ctl drain web
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}
