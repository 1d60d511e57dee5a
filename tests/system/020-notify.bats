# What a service manager hears from the master: the protocol of sd_notify(3), Type=notify-reload.

load ../lib/common

# A manager: writes each datagram as one line, its lines joined by "|", behind the time in
# microseconds of the monotonic clock.
start_manager() {
	need python3
	cat > "$T/manager.py" << 'END'
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        data = s.recv(65536).decode()
        now = time.clock_gettime(time.CLOCK_MONOTONIC)
        out.write("%d %s\n" % (now * 1e6, data.replace("\n", "|")))
END
	spawn python3 "$T/manager.py" "$T/manager.sock" "$T/heard"
	MANAGER=$SPAWNED
	retry_until 10 test -S "$T/manager.sock"
	export NOTIFY_SOCKET=$T/manager.sock
}

heard() {
	grep -Eq -- "$1" "$T/heard"
}

heard_times() {
	[ "$(grep -Ec -- "$1" "$T/heard")" = "$2" ]
}

web_conf() {
	write_conf << END
[app:web]
command = badworker $*
workers = 2
listen = 127.0.0.1:$PORT
ready = notify
END
}

@test "READY=1 comes when the first start is over, STOPPING=1 once" {
	web_conf --dump "$T/dump.%s" --ready-delay 700 --only-slot 1
	start_manager
	start_master
	retry_until 5 logged 'web\.0 pid [0-9]+: ready'
	run ! heard READY=1
	retry_until 10 heard '^[0-9]+ READY=1\|STATUS=.*2/2 ready'
	log_has 'web\.1 pid [0-9]+: ready'
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	heard_times READY=1 1
	heard_times STOPPING=1 1
	tail -n 1 "$T/heard" | grep -Eq 'STOPPING=1|STATUS='
	run ! heard WATCHDOG=1
	# Workers have one of their own and never see this one.
	[ "$(jq -r .environment.NOTIFY_SOCKET "$T/dump.0")" != "$NOTIFY_SOCKET" ]
	[[ $(jq -r .environment.NOTIFY_SOCKET "$T/dump.0") == "$RUN_DIR"/n/* ]]
}

@test "a start that fails says STOPPING=1 and never READY=1" {
	write_conf << END
[app:web]
command = badworker --exit-before-ready 3
restart_limit = 1/1h
END
	start_manager
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 1 ]
	heard_times READY=1 0
	retry_until 5 heard_times STOPPING=1 1
}

# The time inside the datagram lies between the HUP and the datagram's arrival.
reloading_is_fresh() {
	awk -v from="$1" '
		/RELOADING=1/ {
			if ($0 !~ / RELOADING=1\|MONOTONIC_USEC=[0-9]+$/)
				exit 1
			at = $0
			sub(/.*MONOTONIC_USEC=/, "", at)
			found = at + 0 >= from && at + 0 <= $1 + 0
		}
		END { exit !found }' "$T/heard"
}

monotonic_us() {
	python3 -c 'import time; print(int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6))'
}

@test "a reload is RELOADING=1 with its time, then READY=1" {
	web_conf
	start_manager
	start_master
	retry_until 5 heard_times READY=1 1
	from=$(monotonic_us)
	kill -HUP "$MASTER"
	retry_until 10 heard_times READY=1 2
	heard_times RELOADING=1 1
	reloading_is_fresh "$from"
	tail -n 1 "$T/heard" | grep -q 'generation 2\|2/2 ready'
	# One that was asked for on the control socket is one, too.
	ctl reload
	retry_until 5 heard_times READY=1 3
	heard_times RELOADING=1 2
	awk '/RELOADING/ { r++ } /READY=1/ { n++; if (n > r + 1) exit 1 }' "$T/heard"
	stop_master
}

@test "a reload that is refused ends with READY=1 and tells why" {
	web_conf
	start_manager
	start_master
	retry_until 5 heard_times READY=1 1
	echo 'nonsense = 1' >> "$CONF"
	kill -HUP "$MASTER"
	retry_until 10 heard_times READY=1 2
	heard_times 'RELOADING=1\|MONOTONIC_USEC=[0-9]+$' 1
	heard '^[0-9]+ READY=1\|STATUS=reload failed: .*nonsense'
	stop_master
}

@test "a rollout that fails ends with READY=1 and tells why" {
	web_conf --exit-before-ready 3 --from-generation 2
	start_manager
	start_master
	retry_until 5 heard_times READY=1 1
	kill -HUP "$MASTER"
	retry_until 10 heard_times READY=1 2
	heard '^[0-9]+ READY=1\|STATUS=reload failed: web\.0: exit 3'
	stop_master
}

@test "many HUPs end in as many states as begin" {
	web_conf --ready-delay 300 --from-generation 2
	start_manager
	start_master
	retry_until 5 heard_times READY=1 1
	for _ in 1 2 3 4 5 6 7 8; do
		kill -HUP "$MASTER"
	done
	retry_until 10 heard_times 'READY=1' 3
	ctl ping
	heard_times RELOADING=1 2
	tail -n 1 "$T/heard" | grep -q 'READY=1\|STATUS='
	stop_master
}

@test "STATUS tells what a person wants to know" {
	web_conf
	start_manager
	start_master
	retry_until 5 heard 'STATUS=.*2/2 ready'
	pid=$(ctl status --json | pick '.apps[0].slots[0].worker.pid')
	ctl stop web
	retry_until 5 heard 'STATUS=.*0/2 ready|STATUS=.*rest'
	ctl start web
	retry_until 5 eval '[ "$(tail -n 1 "$T/heard" | grep -c "2/2 ready")" = 1 ]'
	ended "$pid"
	stop_master
	# Control characters and line ends would begin other assignments.
	run ! grep -q '[[:cntrl:]]' "$T/heard"
}

@test "WATCHDOG=1 comes at half its interval, and only if asked for" {
	web_conf
	start_manager
	WATCHDOG_USEC=400000 start_master
	retry_until 10 heard_times WATCHDOG=1 6
	awk '/WATCHDOG=1/ { if (n++ && $1 - last > 400000) exit 1; last = $1 }' "$T/heard"
	[ "$(awk '/WATCHDOG=1/ { if (!first) first = $1; last = $1; n++ }
		END { print int((last - first) / (n - 1) / 1000) }' "$T/heard")" -ge 150 ]
	stop_master
}

@test "WATCHDOG_PID of somebody else is nobody's" {
	web_conf
	start_manager
	WATCHDOG_USEC=100000 WATCHDOG_PID=1 start_master
	retry_until 5 heard READY=1
	ctl reload
	retry_until 5 heard_times READY=1 2
	run ! heard WATCHDOG=1
	stop_master
}

@test "a manager that is gone, or does not read, holds nobody up" {
	web_conf
	start_manager
	start_master
	retry_until 5 heard READY=1
	kill -STOP "$MANAGER"
	for _ in 1 2 3 4 5 6 7; do
		ctl reload
		kill -HUP "$MASTER"
	done
	kill -KILL "$MANAGER"
	retry_until 5 ended "$MANAGER"
	ctl reload
	[ "$(ctl status --json | pick '.apps[0].ready')" = 2 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "an abstract address works, too" {
	web_conf
	need python3
	cat > "$T/manager.py" << 'END'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + sys.argv[1])
open(sys.argv[2], "w").close()
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        out.write("0 " + s.recv(65536).decode().replace("\n", "|") + "\n")
END
	spawn python3 "$T/manager.py" "brood-test-$BASHPID-$PORT" "$T/heard"
	retry_until 5 test -e "$T/heard"
	NOTIFY_SOCKET="@brood-test-$BASHPID-$PORT" start_master
	retry_until 5 heard READY=1
	stop_master
}
