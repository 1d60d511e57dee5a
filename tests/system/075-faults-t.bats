# Faults of time, T1 to T3: clocks that jump, a loop that stood still, numbers at their limits.

load ../lib/common

app() {
	ctl status --json | pick ".apps[0].$1"
}

app_is() {
	[ "$(app "$1")" = "$2" ]
}

# The master with a wall clock that reads what $T/clock says ("@2024-01-01 00:00:00", "+1d"), while
# the monotonic one goes on.
start_master_with_clock() {
	local lib

	need faketime
	lib=$(dpkg -L libfaketime 2> /dev/null | grep '/libfaketime\.so\.1$' ||
		find /usr/lib -name libfaketime.so.1 -print -quit)
	LD_PRELOAD=$lib FAKETIME_TIMESTAMP_FILE=$T/clock FAKETIME_NO_CACHE=1 \
		FAKETIME_DONT_FAKE_MONOTONIC=1 broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
}

deaths_above() {
	[ "$(app deaths)" -gt "$1" ]
}

@test "T1 a wall clock that jumps moves no deadline" {
	plain_build_only
	echo +0 > "$T/clock"
	write_conf << END
[app:web]
command = badworker --if-file $T/bad --exit-before-ready 3
workers = 1
listen = 127.0.0.1:$PORT
ready = notify
restart_delay = 300ms
restart_delay_max = 300ms
restart_limit = none
stop_timeout = 1s
abort_timeout = 100ms
END
	start_master_with_clock
	year=$(date -u +%Y)
	log_has "^$year-"
	# While it waits for its next try the clock goes a day forth, a day back, and to 1970.
	touch "$T/bad"
	kill -KILL "$(app 'slots[0].worker.pid')"
	for clock in +1d -1d '@1970-01-01 00:00:10' +400d '@2038-01-19 03:14:05'; do
		deaths=$(app deaths)
		echo "$clock" > "$T/clock"
		began=$(uptime_cs)
		retry_until 5 deaths_above $((deaths + 1))
		# Not in a hurry either: the delay is 300 ms and its jitter.
		[ $(($(uptime_cs) - began)) -ge 15 ]
	done
	log_has '^1970-01-01T'
	log_has '^2038-01-19T'
	rm "$T/bad"
	retry_until 5 app_is ready 1
	logged '^2038-01-19T.*master stood still' && return 1
	echo -400d > "$T/clock"
	ctl reload
	app_is generation 2
	[ "$(app uptime_ms)" != 0 ]
	[ "$(app 'slots[0].worker.uptime_ms')" -lt 60000 ]
	stop_master 10
	[ "$MASTER_EXIT" = 0 ]
}

@test "T1 the log is in UTC" {
	write_conf << END
log_format = json
[app:web]
command = badworker
workers = 1
listen = 127.0.0.1:$PORT
END
	# 14 hours before Greenwich, and daylight saving all year.
	TZ='XXX-14YYY,0/0,365/25' start_master
	log_has '"ts":.*}$'
	stamp=$(grep -o '"ts":"[^"]*"' "$LOG" | head -n 1 | cut -d '"' -f 4)
	[[ $stamp == *Z ]]
	seconds=$(date -u -d "$stamp" +%s)
	now=$(date +%s)
	[ $((now - seconds)) -lt 60 ] && [ $((now - seconds)) -ge 0 ]
	stop_master
}

# As long as hundredths are: the wait is the fault.
pause() {
	local until=$(($(uptime_cs) + $1))

	kill -STOP "$2"
	while [ "$(uptime_cs)" -lt "$until" ]; do
		sleep 0.02
	done
	kill -CONT "$2"
}

file_exists() {
	[ -e "$1" ]
}

@test "T2 who was ready in time is, however late the master looks" {
	write_conf << END
[app:web]
command = badworker --start-delay 500 --dump $T/dump.%s
workers = 2
listen = 127.0.0.1:$PORT
ready = notify
ready_timeout = 1s
restart_limit = 1/1h
END
	launch_master
	retry_until 5 file_exists "$T/dump.1"
	# Their words wait in the socket when their time is over; 1.5 s is no standstill yet.
	pause 170 "$MASTER"
	retry_until 5 app_is ready 2
	app_is deaths 0
	log_is_calm
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "T2 who went in time was not in the way, however late the master looks" {
	write_conf << END
[app:web]
command = badworker --slow-drain 500
workers = 2
listen = 127.0.0.1:$PORT
stop_timeout = 1s
abort_timeout = 1s
END
	start_master
	retry_until 10 all_ready
	kill -TERM "$MASTER"
	retry_until 5 logged 'web\.0 pid [0-9]+: stopping'
	retry_until 5 logged 'web\.1 pid [0-9]+: stopping'
	pause 170 "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	log_is_calm
}

@test "T3 timeouts at their limits" {
	write_conf << END
[app:web]
command = badworker
workers = 1
listen = 127.0.0.1:$PORT
ready_timeout = 24h
stop_timeout = 1440m
drain_delay = 0
abort_timeout = 0
restart_delay = 86400000ms
restart_delay_max = 1440m
crash_refill = 24h
END
	start_master
	answers
	kill -KILL "$(app 'slots[0].worker.pid')"
	retry_until 5 app_is deaths 1
	retry_until 5 app_is ready 1
	ctl reload
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "T3 a stop without any time kills at once" {
	write_conf << END
[app:web]
command = badworker --ignore TERM,ABRT --slow-drain 60000
workers = 2
listen = 127.0.0.1:$PORT
stop_timeout = 0
abort_timeout = 0
END
	start_master
	stop_master 3
}

@test "T3 what does not fit a clock is refused" {
	for value in 2147483648ms 4294967296ms 50d 49d17h 18446744073709551616ms 99999999999999999999d \
		-1s -0 1e3s 0x10s 08 '' 1.5s 1ss s; do
		write_conf << END
[app:web]
command = badworker
stop_timeout = $value
END
		run -78 broodd -t -c "$CONF"
		[[ $output == "$CONF:"*stop_timeout* ]]
	done
	for key in ready_timeout restart_delay restart_delay_max crash_refill; do
		write_conf << END
[app:web]
command = badworker
$key = 0
END
		run -78 broodd -t -c "$CONF"
		[[ $output == "$CONF:"*"$key"* ]]
	done
}
