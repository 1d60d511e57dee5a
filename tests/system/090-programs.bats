# Real programs as workers, unmodified or nearly so. Each starts, serves, is reloaded under a small
# load with no failed connection, comes back when it is killed, and ends cleanly.

load ../lib/common
load ../lib/state

PROGRAMS=$BATS_TEST_DIRNAME/programs

# What the master does here it does in the other tests, too.
setup() {
	common_setup
	plain_build_only
}

app_conf() {
	write_conf << END
[app:web]
workers = 2
stop_timeout = 10s
$1
END
}

# What all workers answer; one word that begins it, and the pid that the master knows.
served_by() {
	local answer pid

	answer=$(get / "$PORT")
	[[ $answer == *"$1"* ]] || return 1
	pid=$(curl -sS -o /dev/null -w '%header{x-worker}' "http://127.0.0.1:$PORT/" 2> /dev/null)
	[[ " $(pids) " == *" $pid "* ]]
}

# Reloads for a second, and twice at least, under a small load: OPTION...
reloads_lose_nothing() {
	local begun times=0

	begin_load -d 0 -t 8000 "$@"
	begun=$(uptime_cs)
	while [ "$times" -lt 2 ] || [ $(($(uptime_cs) - begun)) -lt 100 ]; do
		ctl reload > /dev/null
		times=$((times + 1))
	done
	kill -TERM "$LOAD"
	nothing_lost
	[ "$(app_field .generation)" = $((times + 1)) ]
}

healed() {
	ready_is 2 && [ "$(slot_pid 0)" != "$1" ]
}

# lives_well WORD LOAD-OPTION...: the whole life of the program that app_conf described.
lives_well() {
	local killed word=$1

	shift
	start_master
	retry_until 10 ready_is 2
	served_by "$word"
	reloads_lose_nothing "$@"
	retry_until 12 left_all
	run ! logged 'aborting it|killed by'
	killed=$(slot_pid 0)
	kill -KILL "$killed"
	retry_until 10 healed "$killed"
	served_by "$word"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	retry_until 5 log_count_is 'killed by' 1
}

@test "brood-hello, on both balances" {
	for balance in shared kernel; do
		: > "$LOG"
		app_conf "command = $top_builddir/brood-hello
listen = 127.0.0.1:$PORT
balance = $balance"
		lives_well '"app":"web"' -r 100 -k 5 -q 10
	done
}

@test "a plain worker in C" {
	app_conf "command = $top_builddir/tests/bench/plain_worker
listen = 127.0.0.1:$PORT"
	lives_well '' -r 100 -k 5 -q 10
}

@test "a Node server on {fd: 3}" {
	need node
	app_conf "command = $(command -v node) $PROGRAMS/server.js
listen = 127.0.0.1:$PORT"
	lives_well node -r 50
	log_has 'ready after .* \(channel\)'
}

@test "Python's http.server on an inherited socket, which says nothing" {
	app_conf "command = /usr/bin/python3 $PROGRAMS/server.py 3
nonblocking = yes
max_surge = 2
listen = 127.0.0.1:$PORT"
	lives_well python -r 50
	log_has 'ready after .* \(accept\)'
}

@test "Python's http.server as descriptor 0" {
	app_conf "command = /usr/bin/python3 $PROGRAMS/server.py 0
take = stdin
nonblocking = yes
ready = delay:200ms
listen = 127.0.0.1:$PORT"
	lives_well python -r 50
	run ! logged 'taken for ready'
}

@test "gunicorn with one worker of its own, ready by sd_notify" {
	need gunicorn
	app_conf "command = $(command -v gunicorn) --workers 1 --chdir $PROGRAMS wsgi
ready = notify
listen = 127.0.0.1:$PORT"
	echo "[env:web]
PYTHONDONTWRITEBYTECODE = 1" >> "$CONF"
	lives_well gunicorn -r 40
	log_has 'ready after .* \(notify\)'
}

unix_get() {
	curl -sS --max-time 10 --unix-socket "$T/socket" http://x/
}

# Asks without a pause until it is told to end.
ask_on() {
	until [ -e "$T/enough" ]; do
		unix_get || echo failed
	done > "$T/answers" 2>&1
}

@test "UNIX listeners: brood-hello, Node and Python" {
	need node
	for command in "$top_builddir/brood-hello" "$(command -v node) $PROGRAMS/server.js" \
		"/usr/bin/python3 $PROGRAMS/server.py 3"; do
		rm -f "$T/enough"
		app_conf "command = $command
nonblocking = yes
listen = unix:$T/socket"
		start_master
		unix_get
		ask_on 3>&- &
		asking=$!
		ctl reload
		: > "$T/enough"
		wait "$asking"
		[ -s "$T/answers" ]
		run ! grep -E 'failed|curl' "$T/answers"
		stop_master
		[ "$MASTER_EXIT" = 0 ]
		[ ! -e "$T/socket" ]
	done
}

@test "a program that reads its listener as standard input, beside a UNIX one" {
	app_conf "command = badworker --stdin
take = stdin
listen = 127.0.0.1:$PORT"
	lives_well '' -r 50
	app_conf "command = badworker --stdin
take = stdin
listen = unix:$T/socket"
	start_master
	unix_get
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}
