# What the keys of an app promise: when a worker counts as ready, which ends are made good, how a
# rollout goes forward and back, and how a stop goes.

load ../lib/common
load ../lib/slots

# web N KEYS OPTION...: a master with N badworkers; KEYS are further lines of the app.
web() {
	web_conf "$@"
	start_master
}

web_conf() {
	local n=$1 keys=$2

	shift 2
	write_conf << END
[app:web]
command = badworker $*
workers = $n
listen = 127.0.0.1:$PORT
limit_core = 0
$keys
END
}

# Names and slots of events so far, one a line: "worker_ready 0 2" (slot, generation).
story() {
	ctl events --json -n 1000 | jq -r '[.event, .slot, .generation]|map(tostring)|join(" ")'
}

# Watches a number of the app while the test goes on: watch FILTER; then lowest, highest.
watch() {
	(
		while [ ! -e "$T/enough" ]; do
			app "$1"
		done
	) > "$T/watched" 3>&- &
	WATCHER=$!
}

unwatch() {
	touch "$T/enough"
	wait "$WATCHER"
	rm "$T/enough"
	sort -n "$T/watched" > "$T/sorted"
	[ -s "$T/sorted" ]
}

lowest() {
	head -n 1 "$T/sorted"
}

highest() {
	tail -n 1 "$T/sorted"
}

# ---- readiness

@test "ready = notify: READY=1 counts, and nothing else" {
	web 1 "ready = notify" --ready notify --ready-delay 300
	retry_until 5 slot_is 0 .state serving
	[ "$(slot 0 '.worker.reason|test("^ready after .*\\(notify\\)$")')" = true ]
	[ "$(slot 0 .worker.speaks)" = false ]
	stop_master

	web 1 "ready = notify
ready_timeout = 400ms
restart_limit = 1/1m" --ready channel || true
	[ -n "$MASTER_EXIT" ] || wait_master
	[ "$MASTER_EXIT" = 1 ]
	log_has 'not ready within 400ms \(ready = notify\)'
}

@test "ready = channel: as a message and as a bare string" {
	web 1 "ready = channel" --ready channel --agree
	[ "$(slot 0 '|[.worker.speaks, (.worker.reason|test("channel"))]|map(tostring)|join(" ")')" = "true true" ]
	stop_master
	web 1 "ready = channel" --ready string
	retry_until 5 slot_is 0 .state serving
	# It says ready, and has no other word.
	[ "$(slot 0 .worker.speaks)" = false ]
	stop_master
}

@test "ready = fd:N: a line on that descriptor" {
	need jq
	web 2 "ready = fd:9" --ready fd:9 --ready-delay 200 --dump "$T/dump.%s"
	retry_until 5 app_is .ready 2
	[ "$(slot 0 '.worker.reason|test("\\(fd\\)")')" = true ]
	stop_master
	run -78 broodd -t -c <(printf '[app:web]\ncommand = badworker\nlisten = 127.0.0.1:%s\nready = fd:3\n' "$PORT")
}

@test "ready = delay: alive for that long" {
	web 1 "ready = delay:400ms" --ready never
	retry_until 5 slot_is 0 .state serving
	[ "$(slot 0 '.worker.reason|test("^ready after 4[0-9][0-9]ms")')" = true ] || [ -n "${BROOD_SANITIZED:-}" ]
	stop_master
	web 1 "ready = delay:5s
restart_limit = 1/1m" --exit-before-ready 4 || true
	[ -n "$MASTER_EXIT" ] || wait_master
	[ "$MASTER_EXIT" = 1 ]
}

@test "ready = auto: what is said first, or a connection taken, or alive for one second" {
	web 1 "" --ready channel --agree
	retry_until 5 slot_is 0 .state serving
	[ "$(event_count ready_assumed)" = 0 ]
	stop_master
	web 1 "" --ready never
	retry_until 5 slot_is 0 .state serving
	[ "$(slot 0 '.worker.reason|test("\\(accept\\)")')" = true ]
	[ "$(event_count ready_assumed)" = 0 ]
	stop_master
	web 1 "balance = shared" --ready never
	retry_until 5 slot_is 0 .state serving
	[ "$(event_count ready_assumed)" = 1 ]
	log_has 'web\.0 pid [0-9]+: said nothing and is alive after 1000 ms'
	stop_master
}

# ---- restart policies

@test "restart = always: also after exit 0" {
	web 1 "restart = always"
	old=$(worker 0)
	kill -TERM "$old"
	retry_until 5 serves_anew 0 "$old"
	[ "$(death 0 '|[.cause, .code, .expected]|map(tostring)|join(" ")')" = "exit 0 false" ]
	stop_master
}

@test "restart = on-failure: not after exit 0; start and reload bring it back" {
	web 2 "restart = on-failure"
	old=$(worker 0)
	kill -KILL "$old"
	retry_until 5 serves_anew 0 "$old"
	old=$(worker 1)
	get '/exit?code=3' || true
	retry_until 5 app_is '|[.deaths, .ready]|map(tostring)|join(" ")' "2 2"
	kill -TERM "$(worker 0)"
	retry_until 5 slot_is 0 .state exited
	[ "$(app .state)" = degraded ]
	run -1 ctl status
	kill -TERM "$(worker 1)"
	retry_until 5 app_is .state exited
	ctl start web
	[ "$(app .state)" = ready ]
	kill -TERM "$(worker 0)"
	retry_until 5 slot_is 0 .state exited
	ctl reload
	[ "$(app .state)" = ready ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "restart = never: not even after a signal" {
	web 2 "restart = never"
	kill -KILL "$(worker 0)"
	retry_until 5 slot_is 0 .state exited
	[ "$(app '|[.starts, .deaths, .ready]|map(tostring)|join(" ")')" = "2 1 1" ]
	# Asking for another is no end of its own.
	stop_master
}

@test "no_restart_codes: listed codes end a slot whatever restart says" {
	web 2 "no_restart_codes = 3,10-12
restart = always"
	get '/exit?code=9' || true
	retry_until 5 app_is '|[.deaths, .ready]|map(tostring)|join(" ")' "1 2"
	get '/exit?code=11' || true
	retry_until 5 app_is .ready 1
	[ "$(app '.slots|map(select(.state == "failed"))|length')" = 1 ]
	log_has 'gave up: exit 11'
	run -1 ctl status
	ctl start web
	[ "$(app .ready)" = 2 ]
	stop_master
}

@test "exit_when: the master ends with its workers" {
	web_conf 1 "restart = on-failure"
	sed -i 's/^name = .*/&\nexit_when = all-exited/' "$CONF"
	start_master
	retry_until 10 all_ready
	kill -TERM "$(worker 0)"
	wait_master
	[ "$MASTER_EXIT" = 0 ]

	web_conf 1 "no_restart_codes = 5"
	sed -i 's/^name = .*/&\nexit_when = all-failed/' "$CONF"
	start_master
	get '/exit?code=5' || true
	wait_master
	[ "$MASTER_EXIT" = 1 ]
}

# ---- rollouts

@test "a rollout goes slot by slot, and the new one is ready first" {
	web 3 "" --ready-delay 100
	retry_until 5 app_is .ready 3
	watch .ready
	ctl reload
	unwatch
	[ "$(lowest)" = 3 ]
	story | grep ' 2$' | grep -v rollout > "$T/story"
	diff "$T/story" - << 'END'
worker_starting 0 2
worker_ready 0 2
worker_starting 1 2
worker_ready 1 2
worker_starting 2 2
worker_ready 2 2
END
	stop_master
}

@test "max_surge = 2: two at a time, none unready" {
	web 4 "max_surge = 2
ready = notify" --ready-delay 300
	retry_until 5 app_is .ready 4
	watch '|[.ready, ([.slots[]|.next|select(. != null)]|length)]|@tsv'
	ctl reload
	unwatch
	[ "$(cut -f1 "$T/sorted" | sort -n | head -n 1)" = 4 ]
	[ "$(cut -f2 "$T/sorted" | sort -n | tail -n 1)" = 2 ]
	story | grep -E 'worker_(starting|ready) . 2' | cut -d' ' -f1 | head -n 3 > "$T/story"
	[ "$(tr '\n' ' ' < "$T/story")" = "worker_starting worker_starting worker_ready " ]
	stop_master
}

@test "max_surge = 0, max_unavailable = 1: the slot is given up first" {
	web 3 "max_surge = 0
max_unavailable = 1" --ready-delay 100
	retry_until 5 app_is .ready 3
	watch '|[.ready, ([.slots[]|.next|select(. != null)]|length)]|@tsv'
	ctl reload
	unwatch
	[ "$(cut -f1 "$T/sorted" | sort -n | head -n 1)" -ge 2 ]
	[ "$(cut -f2 "$T/sorted" | sort -n | tail -n 1)" = 0 ]
	story | grep -E 'worker_(ready|draining) 1 ' | tail -n 2 | cut -d' ' -f1 | tr '\n' ' ' | grep -q 'worker_draining worker_ready '
	[ "$(app '|[.ready, .generation]|map(tostring)|join(" ")')" = "3 2" ]
	stop_master
}

@test "draining workers do not hold up the next slot; max_generations makes the next rollout wait" {
	web 2 "max_generations = 2" --slow-drain 2500 --until-generation 1
	retry_until 5 app_is .ready 2
	began=$(uptime_cs)
	ctl reload
	[ -n "${BROOD_SANITIZED:-}" ] || [ $(($(uptime_cs) - began)) -le 150 ]
	[ "$(app .leaving)" = 2 ]
	ctl reload > "$T/second" 2>&1 3>&- &
	second=$!
	retry_until 5 app_is .rollout waiting
	[ "$(app .state)" = reloading ]
	run -0 ctl status # all slots are served meanwhile
	wait "$second"
	[ "$(app '|[.generation, .ready]|map(tostring)|join(" ")')" = "3 2" ]
	[ "$(event_count rollout_waiting)" = 1 ]
	[ $(($(uptime_cs) - began)) -ge 240 ]
	stop_master
}

@test "a failure at slot 2 goes back: the old program in all slots, and none was missing" {
	web 4 "" --only-slot 2 --from-generation 2 --say-err '"no such table"' --exit-before-ready 3
	retry_until 5 app_is .ready 4
	untouched=$(worker 3) kept=$(worker 2)
	watch .ready
	run -1 ctl reload
	unwatch
	[ "$(lowest)" = 4 ]
	[[ $output == *"web.2"*"exit 3"* && $output == *"no such table"* ]]
	[ "$(worker 3) $(worker 2)" = "$untouched $kept" ]
	[ "$(app '|[.generation, .ready, ([.slots[].worker.generation]|unique|tojson)]|map(tostring)|join(" ")')" = "1 4 [1]" ]
	[ "$(event_count rollout_back) $(event_count rollout_failed)" = "1 1" ]
	retry_until 5 app_is .leaving 0
	# The next one is a rollout like any other.
	sed -i 's/--only-slot 2.*//' "$CONF"
	ctl reload
	[ "$(app '|[.ready, ([.slots[].worker.generation]|unique|length)]|map(tostring)|join(" ")')" = "4 1" ]
	[ "$(app .generation)" -ge 3 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a program that was changed in place: switched slots stay, and it is said" {
	printf '#!/bin/sh\nexec badworker\n' > "$T/program"
	chmod +x "$T/program"
	write_conf << END
[app:web]
command = $T/program
workers = 3
listen = 127.0.0.1:$PORT
END
	start_master
	retry_until 5 app_is .ready 3
	old=$(worker 1)
	printf '#!/bin/sh\n[ $BROOD_SLOT = 1 ] && exit 7\nexec badworker\n' > "$T/program"
	run -1 ctl reload
	[[ $output == *"$T/program was changed in place"* ]]
	[ "$(app '|[.slots[].worker.generation]|tojson')" = "[2,1,1]" ]
	[ "$(worker 1)" = "$old" ]
	[ "$(app .ready)" = 3 ]
	# Mended, it goes on.
	printf '#!/bin/sh\nexec badworker\n' > "$T/program"
	ctl reload
	[ "$(app '|[.ready, ([.slots[].worker.generation]|unique|length)]|map(tostring)|join(" ")')" = "3 1" ]
	stop_master
}

# ---- stops

ends_by() {
	ended "$MASTER" || kill "-$1" "$MASTER"
	logged 'exit code'
}

@test "drain_delay: a stopping worker goes on serving for that time; QUIT does without" {
	web 1 "drain_delay = 1s"
	retry_until 5 answers
	began=$(uptime_cs)
	kill -TERM "$MASTER"
	retry_until 5 logged 'draining: the master is stopping'
	answers
	wait_master
	took=$(($(uptime_cs) - began))
	[ "$MASTER_EXIT" = 0 ]
	[ "$took" -ge 95 ]

	web 1 "drain_delay = 20s"
	began=$(uptime_cs)
	kill -QUIT "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	[ $(($(uptime_cs) - began)) -le 500 ]
}

@test "brood stop keeps drain_delay, too, and the sockets stay" {
	need python3
	web 1 "drain_delay = 500ms"
	began=$(uptime_cs)
	ctl stop web
	[ $(($(uptime_cs) - began)) -ge 45 ]
	# The connection waits in the queue for the next worker.
	get / > "$T/answer" 3>&- &
	client=$!
	ctl start web
	wait "$client"
	[ -s "$T/answer" ]
	stop_master
}

@test "INT stops quickly, a second one kills" {
	web 1 "drain_delay = 20s
stop_timeout = 30s"
	began=$(uptime_cs)
	kill -INT "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	[ $(($(uptime_cs) - began)) -le 400 ]

	: > "$LOG"
	web 1 "stop_timeout = 30s" --ignore TERM,ABRT
	retry_until 5 app_is .ready 1
	began=$(uptime_cs)
	kill -INT "$MASTER"
	retry_until 5 logged 'stopping: quick'
	# Within 50 ms it would be taken for an echo of the first.
	retry_until 4 ends_by INT
	wait_master
	[ $(($(uptime_cs) - began)) -le 400 ]
	log_has 'killed by SIGKILL'
}
