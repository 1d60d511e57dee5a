# Faults of the master itself, M1 and M4 (the others wait for adoption and upgrade): when it dies
# its workers leave, and when it stood still nobody pays for that.

load ../lib/common

app() {
	ctl status --json | pick ".apps[$1].$2"
}

app_is() {
	[ "$(app "$1" "$2")" = "$3" ]
}

# All that the master started, at any depth.
family() {
	children_of "$MASTER"
}

all_ended() {
	local pid

	for pid; do
		ended "$pid" || return 1
	done
}

is_stopped() {
	grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

# Pauses processes for so many hundredths of a second: this wait is the fault.
pause() {
	local until=$(($(uptime_cs) + $1)) pid

	shift
	kill -STOP "$@"
	for pid; do
		retry_until 5 is_stopped "$pid"
	done
	while [ "$(uptime_cs)" -lt "$until" ]; do
		sleep 0.05
	done
	kill -CONT "$@"
}

@test "M1 kill -9 of the master: everybody leaves, work in hand is finished" {
	need_root
	write_conf << END
[app:web]
command = badworker
workers = 2
listen = 127.0.0.1:$PORT
log = file:$T/web.log
[app:silent]
command = sleep 1000
workers = 2
ready = delay:10ms
[app:other]
command = sleep 1001
workers = 1
user = nobody
ready = delay:10ms
END
	chmod 0755 "$T"
	start_master
	retry_until 5 app_is 1 ready 2
	retry_until 5 app_is 2 ready 1
	mapfile -t pids < <(family)
	# 2 + 2 + 1 workers and the writers of both logs
	[ "${#pids[@]}" = 7 ]
	get '/io?ms=1500' > "$T/answer" &
	request=$!
	retry_until 5 connected
	kill -KILL "$MASTER"
	wait "$request"
	[ -s "$T/answer" ]
	retry_until 5 all_ended "${pids[@]}"
	wait_master
	freeport "$PORT"
	# What it left does not hinder the next one.
	start_master
	answers
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

connected() {
	[ -n "$(ss -Htn state established "( sport = :$PORT )")" ]
}

@test "M1 the master dies while workers start and drain" {
	write_conf << END
[app:web]
command = badworker --ready-delay 60000 --from-generation 2 --slow-drain 300
workers = 1
listen = 127.0.0.1:$PORT
ready = notify
END
	start_master
	kill -HUP "$MASTER"
	retry_until 5 has_next
	mapfile -t pids < <(family)
	kill -KILL "$MASTER"
	retry_until 5 all_ended "${pids[@]}"
	start_master
	stop_master
}

has_next() {
	[ "$(app 0 'slots[0].next.pid')" != null ]
}

@test "M4 a master that stood still for six seconds gives everybody his time again" {
	write_conf << END
[app:web]
command = badworker --ready-delay 6500 --only-slot 1
workers = 2
listen = 127.0.0.1:$PORT
ready = notify
ready_timeout = 2500ms
restart_limit = 1/1h
END
	launch_master
	retry_until 5 app_is 0 'slots[0].state' serving
	pause 600 "$MASTER"
	retry_until 10 app_is 0 ready 2
	app_is 0 deaths 0
	log_has 'master stood still'
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "M4 a whole tree that stood still goes on" {
	write_conf << END
[app:web]
command = badworker --ready-delay 600 --only-slot 1
workers = 2
listen = 127.0.0.1:$PORT
ready = notify
ready_timeout = 800ms
restart_limit = 1/1h
END
	launch_master
	retry_until 5 app_is 0 'slots[0].state' serving
	mapfile -t pids < <(family)
	pause 300 "$MASTER" "${pids[@]}"
	retry_until 10 app_is 0 ready 2
	app_is 0 deaths 0
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "M4 a standstill in the middle of a stop kills nobody who would have gone" {
	write_conf << END
[app:web]
command = badworker --slow-drain 3300
workers = 1
listen = 127.0.0.1:$PORT
stop_timeout = 500ms
abort_timeout = 100ms
END
	start_master
	retry_until 10 all_ready
	kill -TERM "$MASTER"
	retry_until 5 logged 'web\.0 pid [0-9]+: stopping'
	pause 300 "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	log_has 'web\.0 pid [0-9]+: exit 0'
}
