# The faults P1-P16: what a worker and its family may do, and what must come of it.

load ../lib/common

# One value of the app's slot, as: of_slot 0 .worker.pid
of_slot() {
	ctl status --json | pick ".apps[0].slots[$1]$2"
}

of_app() {
	ctl status --json | pick ".apps[0].$1"
}

worker() {
	of_slot "$1" .worker.pid
}

slot_is() {
	[ "$(of_slot "$1" .state)" = "$2" ]
}

app_is() {
	[ "$(of_app state)" = "$1" ]
}

serves_anew() {
	[ "$(of_slot "$1" .state)" = serving ] && [ "$(worker "$1")" != "$2" ]
}

# What the newest death of a slot was, as: of_death 0 .cause
of_death() {
	ctl why --json "web.$1" | pick ".slots[0].obituaries[0]$2"
}

# Milliseconds from the request to the master's end.
measure_stop() {
	local began

	began=$(uptime_cs)
	stop_master
	STOP_MS=$((($(uptime_cs) - began) * 10))
}

in_ms() {
	[ "$STOP_MS" -ge "$1" ] && [ "$STOP_MS" -le "$2" ] || {
		echo "the stop took $STOP_MS ms, not $1 to $2"
		return 1
	}
}

@test "P1 a worker killed after ready is replaced at once, its siblings are untouched" {
	write_conf << END
[app:web]
command = badworker --say-err "the last thing I saw"
workers = 3
listen = 127.0.0.1:$PORT
limit_core = 0
END
	start_master
	old=$(worker 1) left=$(worker 0) right=$(worker 2)
	kill -ABRT "$old"
	retry_until 5 serves_anew 1 "$old"
	[ "$(worker 0)" = "$left" ] && [ "$(worker 2)" = "$right" ]
	[ "$(of_slot 1 .restarts)" = 1 ]
	log_has "warn web\.1 pid $old: killed by SIGABRT \(after "
	run ! logged 'next start in'
	[ "$(of_death 1 '|[.cause, .signal, .core_dumped, .was_ready, .expected]|map(tostring)|join(" ")')" = \
		"signal ABRT false true false" ]
	[[ $(of_death 1 .last_words) == *"the last thing I saw"* ]]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "P1 a core file is told" {
	write_conf << END
[app:web]
command = sleep 1000
ready = delay:10ms
workers = 1
directory = $T
limit_core = unlimited
END
	start_master
	old=$(worker 0)
	kill -ABRT "$old"
	retry_until 5 serves_anew 0 "$old"
	if [[ $(cat /proc/sys/kernel/core_pattern) != *[\|/]* ]]; then
		log_has 'killed by SIGABRT \(core dumped\)'
		[ "$(of_death 0 .core_dumped)" = true ]
	fi # else cores are the business of a program of this machine
	stop_master
}

@test "P1 who always dies after ready is slowed down, but never given up" {
	write_conf << END
[app:web]
command = badworker --crash-after-ready
workers = 1
ready = notify
crash_burst = 3
crash_refill = 60s
restart_delay = 100ms
END
	start_master
	retry_until 10 logged 'web\.0: next start in (400|800)ms'
	log_has 'web\.0: next start in 100ms'
	[ "$(grep -c 'web.0 pid .*started' "$LOG")" -le 9 ]
	run ! logged 'gave up'
	stop_master
}

@test "P2 who always dies before ready: pauses grow, the slot gives up, the start fails" {
	write_conf << END
[app:web]
command = badworker --say-err "no database" --exit-before-ready 3
workers = 2
restart_delay = 20ms
restart_limit = 6/60s
END
	run -1 brood start -c "$CONF" 3>&-
	[[ $output == *"no database"* ]]
	[[ $output == *"exit 3"* ]]
	start_master || true
	retry_until 10 logged 'web\.0: gave up: .*deaths before ready.*exit 3'
	log_has 'web\.[01]: next start in (4[0-9]|50)ms'
	[ "$(grep -c 'starting: started' "$LOG")" -le 12 ]
	[ -n "$MASTER_EXIT" ] || wait_master
	[ "$MASTER_EXIT" = 1 ]
}

@test "P2 a slot that gives up leaves its siblings alone, a reload tries it again" {
	: > "$T/broken"
	write_conf << END
[app:web]
command = badworker --only-slot 1 --if-file $T/broken --crash-before-ready 0
workers = 2
listen = 127.0.0.1:$PORT
limit_core = 0
restart_delay = 10ms
restart_limit = 4/60s
END
	start_master
	retry_until 10 slot_is 1 failed
	slot_is 0 serving
	app_is degraded
	answers
	run -1 ctl status
	starts=$(of_app starts)
	[ "$starts" -le 5 ]
	rm "$T/broken"
	ctl start web
	slot_is 1 serving
	app_is ready
	stop_master
}

# The old workers' pids, in the order of slots.
pids() {
	ctl status --json | jq -r '[.apps[0].slots[].worker.pid]|join(" ")'
}

@test "P3 a new generation that dies at boot: the old one goes on serving, the next reload works" {
	write_conf << END
[app:web]
command = badworker --if-file $T/broken --say-err "bad release" --exit-before-ready 1
workers = 3
listen = 127.0.0.1:$PORT
END
	start_master
	before=$(pids)
	: > "$T/broken"
	run -1 ctl reload
	[[ $output == *"exit 1"* ]]
	[[ $output == *"bad release"* ]]
	[ "$(pids)" = "$before" ]
	[ "$(of_app generation)" = 1 ]
	answers
	app_is ready
	# by signal it is no different
	kill -HUP "$MASTER"
	retry_until 5 logged 'error: .*exit 1'
	retry_until 5 app_is ready
	[ "$(pids)" = "$before" ]
	rm "$T/broken"
	ctl reload
	[ "$(pids)" != "$before" ]
	app_is ready
	stop_master
}

@test "P3 a failure in the last slot takes the others back" {
	write_conf << END
[app:web]
command = badworker --only-slot 2 --from-generation 2 --until-generation 2 --crash-before-ready 0
workers = 3
listen = 127.0.0.1:$PORT
limit_core = 0
END
	start_master
	last=$(worker 2)
	run -1 ctl reload
	[[ $output == *"web.2"* ]]
	[ "$(ctl status --json | jq -c '[.apps[0].slots[].worker.generation]')" = '[1,1,1]' ]
	[ "$(worker 2)" = "$last" ]
	app_is ready
	ctl reload
	[ "$(ctl status --json | jq -c '[.apps[0].slots[].worker.generation]|unique')" = '[3]' ]
	stop_master
}

@test "P3 a new generation that never gets ready is stopped" {
	write_conf << END
[app:web]
command = badworker --from-generation 2 --hang --ignore TERM
workers = 2
listen = 127.0.0.1:$PORT
ready = notify
ready_timeout = 500ms
stop_timeout = 300ms
abort_timeout = 200ms
END
	start_master
	before=$(pids)
	run -1 ctl reload
	[[ $output == *"not ready within 500ms"* ]]
	[ "$(pids)" = "$before" ]
	nobody_leaves() { [ "$(of_app leaving)" = 0 ]; }
	retry_until 5 nobody_leaves
	answers
	stop_master
}

@test "P4 exit 125 and the configured codes are permanent" {
	write_conf << END
[app:web]
command = badworker --only-slot 1 --exit-after-ready 125 --after 100
workers = 2
[app:other]
command = badworker --only-slot 0 --exit-after-ready 42 --after 100
workers = 2
no_restart_codes = 40-42
[app:third]
command = badworker --only-slot 0 --exit-after-ready 43 --after 100
workers = 2
no_restart_codes = 40-42
crash_burst = 0
restart_delay = 1s
END
	start_master
	retry_until 5 logged 'web\.1: gave up: exit 125'
	retry_until 5 logged 'other\.0: gave up: exit 42'
	retry_until 5 logged 'third\.0: next start in 1(\.0)?s: exit 43'
	[ "$(ctl status --json | jq -c '[.apps[].slots[].state]')" = \
		'["serving","failed","failed","serving","backoff","serving"]' ]
	stop_master
}

@test "P5 each way not to be executed is one clear line, and is not repeated" {
	need_root
	bad=$T/bad
	mkdir "$bad"
	printf '\x7fELF garbage' > "$bad/noexec"
	printf '#!/no/such/interpreter\n' > "$bad/interpreter"
	cp "$(command -v badworker)" "$bad/busy"
	cp "$(command -v badworker)" "$bad/private"
	cp "$(command -v badworker)" "$bad/plain"
	ln -s loop "$bad/loop"
	chmod 0755 "$bad"/{noexec,interpreter,busy}
	chmod 0700 "$bad/private"
	chmod 0644 "$bad/plain"
	exec {busy}>> "$bad/busy"
	# what it is; the exit code; what is said
	while IFS=, read -r command code text more; do
		: > "$LOG"
		write_conf << END
[app:web]
command = $bad/$command
workers = 2
$more
END
		launch_master
		wait_master
		[ "$MASTER_EXIT" = "$code" ] && log_has "$text" || {
			echo "$command: $MASTER_EXIT"
			return 1
		}
		[ "$(grep -c 'starting: started' "$LOG")" -le 4 ]
		run ! logged 'next start in'
	done << END
absent,78,not found
plain,78,Permission denied
loop,78,Too many levels of symbolic links
noexec,1,could not exec.*: Exec format error
interpreter,1,could not exec.*: No such file or directory
busy,1,could not exec.*: Text file busy
private,1,could not exec.*: Permission denied,user = nobody
END
	exec {busy}>&-
}

@test "P5 a reload to what cannot be executed changes nothing" {
	cp "$(command -v badworker)" "$T/server"
	write_conf << END
[app:web]
command = $T/server
workers = 2
listen = 127.0.0.1:$PORT
END
	start_master
	before=$(pids)
	for bad in noexec absent; do
		rm "$T/server"
		[ "$bad" = absent ] || { printf '\x7fELF' > "$T/server" && chmod 0755 "$T/server"; }
		run ctl reload
		[ "$status" = 1 ] || [ "$status" = 78 ]
		[ "$(pids)" = "$before" ]
		app_is ready
	done
	cp "$(command -v badworker)" "$T/server"
	ctl reload
	stop_master
}

@test "P5 arguments that are too long are told" {
	head -c 200000 /dev/zero | tr '\0' x > "$T/long"
	{ printf 'LONG='; cat "$T/long"; } > "$T/env"
	write_conf << END
[app:web]
command = badworker
env_file = $T/env
END
	launch_master
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	log_has 'Argument list too long|too long'
}

@test "P6 never ready: TERM, ABRT, KILL, and a failed start" {
	write_conf << END
[app:web]
command = badworker --hang --ignore TERM,ABRT
workers = 1
ready = notify
ready_timeout = 300ms
stop_timeout = 200ms
abort_timeout = 200ms
restart_delay = 10ms
restart_limit = 2/60s
limit_core = 0
END
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 1 ]
	log_has 'web\.0.* not ready within 300ms'
	log_has 'web\.0.* aborting it'
	log_has 'web\.0.* still there: KILL'
	log_has 'web\.0.*killed by SIGKILL'
	log_has 'gave up: 2 deaths before ready'
}

@test "P8 a stopped worker gets the stop signal and goes on to end" {
	write_conf << END
[app:web]
command = badworker
workers = 2
stop_timeout = 5s
END
	start_master
	stopped=$(worker 0)
	kill -STOP "$stopped"
	measure_stop
	in_ms 0 3000
	[ "$MASTER_EXIT" = 0 ]
	log_has "web\.0 pid $stopped: exit 0"
}

@test "P8 who is stopped before ready, or does not heed TERM, is killed" {
	write_conf << END
[app:web]
command = badworker --stop-self --ignore TERM,ABRT
workers = 2
ready = notify
stop_timeout = 300ms
abort_timeout = 200ms
END
	start_master
	measure_stop
	in_ms 400 3000
	retry_until 5 log_count_is 'killed by SIGKILL' 2
}

@test "P9 four that ignore TERM take as long as one" {
	write_conf << END
[app:web]
command = badworker --ignore TERM,ABRT
workers = 4
stop_timeout = 500ms
abort_timeout = 300ms
END
	start_master
	measure_stop
	in_ms 750 2000
	[ "$MASTER_EXIT" = 0 ]
	retry_until 5 log_count_is 'still there: KILL' 4
}

@test "P9 the abort signal gives time for a core, and no KILL follows when it works" {
	write_conf << END
[app:web]
command = badworker --ignore TERM
workers = 1
limit_core = 0
stop_timeout = 300ms
abort_timeout = 5s
END
	start_master
	measure_stop
	in_ms 250 3000
	log_has 'web\.0 .*killed by SIGABRT'
	run ! logged 'KILL'
}

@test "P10 who survives KILL is named once and not waited for" {
	write_conf << END
[app:web]
command = badworker
workers = 2
stop_timeout = 300ms
abort_timeout = 200ms
END
	start_master
	held=$(worker 0)
	spawn undead "$held"
	undead=$SPAWNED
	is_traced() { ! grep -q '^TracerPid:[[:space:]]0' "/proc/$held/status"; }
	retry_until 5 is_traced
	kill -KILL "$held"
	# it is no zombie, so its slot still counts on it
	sleep 0.2
	kill -TERM "$MASTER"
	wait_master 12
	[ "$MASTER_EXIT" != 0 ]
	retry_until 5 log_count_is 'survives KILL' 1
	log_has "web\.0 pid $held: survives KILL"
	run ! ended "$held"
	kill -TERM "$undead"
	retry_until 5 ended "$held"
}

@test "P11 a program that puts itself into the background is caught, and told why" {
	write_conf << END
[app:web]
command = badworker --daemonise --start-delay 300
workers = 1
ready = notify
listen = 127.0.0.1:$PORT
END
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 1 ]
	log_has 'put itself into the background; make it run in the foreground'
	log_has 'left behind by pid [0-9]+: killed'
	retry_until 5 log_count_is 'starting: started' 1
	nothing_left
}

@test "P11 it is caught also when its child says ready before the parent is gone" {
	cat > "$T/daemon" << END
#!/bin/bash
setsid badworker --no-listen &
until [ -e "$T/go" ]; do sleep 0.02; done
END
	chmod 0755 "$T/daemon"
	write_conf << END
[app:web]
command = $T/daemon
workers = 1
ready = notify
END
	launch_master
	retry_until 10 logged 'web\.0 .*ready after'
	: > "$T/go"
	retry_until 5 slot_is 0 failed
	log_has 'gave up: .*put itself into the background; make it run in the foreground'
	retry_until 5 log_count_is 'starting: started' 1
	stop_master
}

# All processes that run with the marks of this test's master in their environment.
family() {
	grep -lzs "^NOTIFY_SOCKET=$RUN_DIR/" /proc/[0-9]*/environ | cut -d/ -f3
}

family_is() {
	[ "$(family | wc -l)" = "$1" ]
}

@test "P12 grandchildren do not outlive their worker, in whatever session they are" {
	write_conf << END
[app:web]
command = badworker --grandchildren 3 --grandchild-session --grandchild-ignore-term
workers = 2
[app:plain]
command = badworker --grandchildren 3 --grandchild-ignore-term
workers = 1
END
	start_master
	retry_until 5 family_is 12
	old=$(worker 0)
	kill -KILL "$old"
	retry_until 5 serves_anew 0 "$old"
	# the dead worker's three are gone, the new one's are there
	retry_until 5 family_is 12
	ctl stop web
	retry_until 5 family_is 4
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	family_is 0
}

@test "P12 a quick end leaves nobody either" {
	write_conf << END
[app:web]
command = badworker --grandchildren 4 --grandchild-session --grandchild-ignore-term --ignore TERM,INT
workers = 3
END
	start_master
	retry_until 5 family_is 15
	# two that come at once may be one to the kernel, or an echo to the master
	until_it_ends() { kill -INT "$MASTER" 2> /dev/null; ended "$MASTER"; }
	retry_until 4 until_it_ends
	reap_master
	log_has 'stopping: now'
	family_is 0
}

@test "P13 a pipe that somebody else holds open is no reason to wait" {
	write_conf << END
[app:web]
command = badworker --say-err "to the end"
workers = 2
END
	start_master
	old=$(worker 0)
	fds=$(fd_count "$MASTER")
	# the test itself is the one that holds its streams
	exec {out}> "/proc/$old/fd/1" {err}> "/proc/$old/fd/2"
	kill -KILL "$old"
	retry_until 2 serves_anew 0 "$old"
	[[ $(of_death 0 .last_words) == *"to the end"* ]]
	echo "from beyond" >&"$out"
	retry_until 2 logged 'web\.0 \| from beyond'
	# after 5 s nobody listens any more
	retry_until 10 fds_at_most "$MASTER" "$fds"
	exec {out}>&- {err}>&- {out}> "/proc/$(worker 1)/fd/1"
	measure_stop
	in_ms 0 2000
	exec {out}>&-
}

@test "P14 a child that is nobody's is reaped, whatever its code, and means nothing" {
	write_conf << END
[app:web]
command = badworker --only-slot 0 --grandchildren 1
workers = 2
END
	sed -i "s/^\[master\]/&\nlog_level = debug/" "$CONF"
	# children that broodd has before it is broodd
	cat > "$T/launcher" << END
#!/bin/bash
(until [ -e $T/go ]; do sleep 0.05; done; exit 125) &
echo \$! > $T/first
(until [ -e $T/go ]; do sleep 0.05; done; kill -SEGV \$BASHPID) &
echo \$! > $T/second
exec broodd -c $CONF
END
	chmod 0755 "$T/launcher"
	ulimit -c 0
	spawn "$T/launcher"
	MASTER=$SPAWNED MASTER_EXIT=
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	before=$(pids)
	: > "$T/go"
	retry_until 5 logged "pid $(cat "$T/first"): .*left to us ended"
	retry_until 5 logged "pid $(cat "$T/second"): .*left to us ended"
	[ ! -e "/proc/$(cat "$T/first")" ]
	[ "$(pids)" = "$before" ]
	app_is ready
	[ "$(of_app deaths)" = 0 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "P15 what ends while it is asked to is no crash, whatever its code" {
	write_conf << END
[app:web]
command = badworker --drain-exit 125
workers = 2
END
	start_master
	ctl reload
	nobody_leaves() { [ "$(of_app leaving)" = 0 ]; }
	retry_until 5 nobody_leaves
	app_is ready
	[ "$(of_slot 0 .restarts)" = 0 ]
	[ "$(of_death 0 '|[.cause, .code, .expected]|map(tostring)|join(" ")')" = "reload 125 true" ]
	ctl stop web
	app_is resting
	ctl start web
	app_is ready
	# killed from outside in the middle of its stop
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	run ! logged 'gave up|next start'
}

@test "P15 a worker killed by somebody while it drains is not replaced" {
	write_conf << END
[app:web]
command = badworker --slow-drain 60000
workers = 2
END
	start_master
	one=$(worker 0) two=$(worker 1)
	ctl stop web --no-wait
	leaving() { [ "$(of_app leaving)" = 2 ]; }
	retry_until 5 leaving
	kill -KILL "$one" "$two"
	retry_until 5 app_is resting
	[ "$(of_app starts)" = 2 ]
	stop_master
}

@test "P16 a worker that closed its channel is replaced after a grace, and serves until then" {
	write_conf << END
[app:web]
command = badworker --once $T/once --ready channel --close-channel
workers = 1
listen = 127.0.0.1:$PORT
[app:silent]
command = badworker --ready notify --close-channel
workers = 1
END
	start_master
	old=$(worker 0)
	silent=$(ctl status --json | pick '.apps[1].slots[0].worker.pid')
	answers
	retry_until 9 serves_anew 0 "$old"
	[ "$(of_death 0 .cause)" = channel ] || retry_until 5 logged "pid $old: exit 0 .*channel"
	# who never spoke on it may do with it what it likes
	[ "$(ctl status --json | pick '.apps[1].slots[0].worker.pid')" = "$silent" ]
	log_has 'closed its channel and lives on'
	stop_master
}
