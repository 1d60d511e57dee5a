# Faults of signals, S1 to S11 (S8 waits for the upgrade): none lost, none doubled, none astray.

load ../lib/common

web_conf() {
	write_conf << END
[app:web]
command = badworker $*
workers = ${WORKERS:-1}
ready = notify
listen = 127.0.0.1:$PORT
${MORE:-}
END
}

app() {
	ctl status --json | pick ".apps[0].$1"
}

app_is() {
	[ "$(app "$1")" = "$2" ]
}

slot_is() {
	[ "$(app "slots[$1].state")" = "$2" ]
}

worker_pid() {
	app "slots[$1].worker.pid"
}

replaced() {
	[ "$(app "slots[$1].state")" = serving ] && [ "$(worker_pid "$1")" != "$2" ]
}

# Whole milliseconds of the clock that never jumps.
now_ms() {
	echo "$(uptime_cs)0"
}

dumped_clean() {
	[ "$(jq -r '.signals | .ignored + .blocked' "$1")" = 00000000000000000000000000000000 ]
}

@test "S1 signals to the whole group while workers are forked" {
	need python3 setsid
	WORKERS=4 web_conf --dump "$T/dump.%p"
	setsid broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	# CHLD goes to those who are between fork and setsid, too, and means nothing to them: a
	# handler of the master that ran there would write into the pipe that both share.
	cat > "$T/storm.py" << 'END'
import os, signal, sys, time
master = int(sys.argv[1])
end = time.monotonic() + 2
while time.monotonic() < end:
    os.killpg(master, signal.SIGCHLD)
    time.sleep(0.0002)
END
	spawn python3 "$T/storm.py" "$MASTER"
	for _ in 1 2 3; do
		ctl reload > /dev/null
	done
	wait "$SPAWNED"
	ctl ping
	app_is ready 4
	app_is generation 4
	log_is_calm 'warn web'
	for dump in "$T"/dump.*; do
		dumped_clean "$dump"
	done
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "S2 a worker that is dead before fork returns is not lost" {
	plain_build_only
	need strace
	write_conf << END
exit_when = all-exited
[app:jobs]
command = /bin/true
workers = 4
restart = never
ready = notify
END
	# The child is a zombie by the time the master learns its pid.
	strace -q -o /dev/null -e inject=clone,clone3,fork,vfork:delay_exit=150000 \
		broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	retry_until 5 log_count_is 'jobs\.[0-3] pid [0-9]+: exit 0 ' 4
}

@test "S3 a hundred workers killed at once are all seen and replaced" {
	WORKERS=100 web_conf --only-slot 200
	start_master
	retry_until 20 app_is ready 100
	before=$(fd_count "$MASTER")
	mapfile -t pids < <(ctl status --json | pick '.apps[0].slots[].worker.pid')
	[ "${#pids[@]}" = 100 ]
	kill -KILL "${pids[@]}"
	retry_until 20 app_is deaths 100
	retry_until 20 app_is ready 100
	mapfile -t pids < <(ctl status --json | pick '.apps[0].slots[].worker.pid' | sort -u)
	[ "${#pids[@]}" = 100 ]
	retry_until 5 log_count_is 'killed by SIGKILL' 100
	retry_until 5 fds_at_most "$MASTER" "$before"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "S4 a thousand HUPs make one rollout and one more" {
	need python3
	web_conf --ready-delay 2000 --from-generation 2
	start_master
	kill -HUP "$MASTER"
	retry_until 5 app_is rollout forward
	# All of them within the first rollout.
	python3 -c 'import os, sys
for _ in range(1000):
    os.kill(int(sys.argv[1]), 1)' "$MASTER"
	has_next
	retry_until 15 log_count_is ' ready, generation [0-9]+$' 2
	ctl ping
	app_is rollout none
	app_is generation 3
	app_is ready 1
	stop_master
}

@test "S5 HUP while starting is done when the start is" {
	web_conf --ready-delay 1000 --until-generation 1
	launch_master
	retry_until 10 test -S "$RUN_DIR/$NAME.sock"
	kill -HUP "$MASTER"
	retry_until 10 app_is generation 2
	retry_until 10 app_is rollout none
	app_is ready 1
	log_is_calm
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "S5 HUP while stopping does nothing" {
	web_conf --slow-drain 1000
	start_master
	retry_until 10 app_is ready 1
	kill -TERM "$MASTER"
	retry_until 5 logged 'shutdown|stopping'
	kill -HUP "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	run ! logged 'generation 2'
}

@test "S5 TERM during a reload stops both generations" {
	web_conf --ready-delay 60000 --from-generation 2
	start_master
	old=$(worker_pid 0)
	kill -HUP "$MASTER"
	retry_until 5 has_next
	new=$(app 'slots[0].next.pid')
	kill -0 "$old" "$new"
	kill -TERM "$MASTER"
	wait_master 5
	[ "$MASTER_EXIT" = 0 ]
	ended "$old"
	ended "$new"
}

has_next() {
	[ "$(app 'slots[0].next.pid')" != null ]
}

@test "S6 a second TERM kills now" {
	MORE="stop_timeout = 30s" web_conf --ignore TERM --slow-drain 60000
	start_master
	pid=$(worker_pid 0)
	kill -TERM "$MASTER"
	retry_until 5 app_is state stopping
	sleep 0.1 # what comes at once is taken for an echo
	kill -0 "$pid"
	kill -TERM "$MASTER"
	wait_master 3
	ended "$pid"
}

@test "S6 a second INT kills now" {
	MORE="stop_timeout = 30s" web_conf --ignore TERM,INT --slow-drain 60000
	start_master
	pid=$(worker_pid 0)
	kill -INT "$MASTER"
	retry_until 5 app_is state stopping
	sleep 0.1
	kill -0 "$pid"
	kill -INT "$MASTER"
	wait_master 3
	ended "$pid"
}

@test "S6 only time escalates, not wake-ups" {
	MORE="stop_timeout = 1500ms
abort_timeout = 100ms" web_conf --ignore TERM --slow-drain 60000
	start_master
	pid=$(worker_pid 0)
	began=$(now_ms)
	kill -TERM "$MASTER"
	while ! ended "$MASTER" && [ $(($(now_ms) - began)) -lt 1200 ]; do
		kill -USR1 "$MASTER"
		kill -CHLD "$MASTER"
		ctl ping > /dev/null
		sleep 0.02
	done
	kill -0 "$pid"
	wait_master 3
	[ $(($(now_ms) - began)) -ge 1400 ]
}

file_grows() {
	local size

	size=$(stat -c %s "$1")
	retry_until 3 file_is_larger "$1" "$size"
}

file_is_larger() {
	[ "$(stat -c %s "$1" 2> /dev/null || echo 0)" -gt "$2" ]
}

@test "S7 USR1 with the directory gone keeps the old file and says so" {
	mkdir "$T/logs"
	MORE="log = file:$T/logs/web.log" web_conf --flood-out 50
	start_master
	retry_until 5 test -s "$T/logs/web.log"
	mv "$T/logs" "$T/moved"
	kill -USR1 "$MASTER"
	retry_until 5 logged '/logs: No such file or directory'
	file_grows "$T/moved/web.log"
	mkdir "$T/logs"
	reopened() {
		kill -USR1 "$MASTER"
		test -s "$T/logs/web.log"
	}
	retry_until 5 reopened
	app_is deaths 0
	stop_master
}

@test "S7 USR1 in the middle of a rotation loses no line" {
	MORE="log = file:$T/web.log" web_conf --flood-out 200
	start_master
	retry_until 5 test -s "$T/web.log"
	for i in 1 2 3 4 5; do
		mv "$T/web.log" "$T/web.log.$i"
		kill -USR1 "$MASTER"
		retry_until 5 test -s "$T/web.log"
	done
	stop_master
	# The lines carry a number each.
	sed -n 's/.* flood line \([0-9]*\) of .*/\1/p' "$T"/web.log.[1-5] "$T/web.log" > "$T/numbers"
	[ "$(wc -l < "$T/numbers")" -gt 5 ]
	sort -n "$T/numbers" | awk 'NR > 1 && $1 != last + 1 { bad = 1 } { last = $1 } END { exit bad }'
}

all_signals_work() {
	local generation deaths pid

	generation=$(app generation)
	kill -HUP "$MASTER"
	retry_until 10 generation_is_above "$generation"
	kill -TTIN "$MASTER"
	retry_until 5 app_is workers 2
	retry_until 5 app_is ready 2
	kill -TTOU "$MASTER"
	retry_until 5 app_is workers 1
	retry_until 5 app_is leaving 0
	kill -USR1 "$MASTER"
	retry_until 5 logged 'log files are opened again'
	kill -USR2 "$MASTER"
	retry_until 5 logged 'SIGUSR2 is not supported'
	pid=$(worker_pid 0)
	deaths=$(app deaths)
	kill -KILL "$pid"
	retry_until 5 replaced 0 "$pid"
	[ "$(app deaths)" = $((deaths + 1)) ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

generation_is_above() {
	[ "$(app generation)" -gt "$1" ] && [ "$(app rollout)" = none ]
}

@test "S9 all signals work after a reload that was refused" {
	web_conf
	start_master
	cp "$CONF" "$T/good"
	echo 'nonsense = 1' >> "$CONF"
	kill -HUP "$MASTER"
	retry_until 5 logged "$CONF:[0-9]+.*nonsense"
	app_is generation 1
	cp "$T/good" "$CONF"
	all_signals_work
}

@test "S9 all signals work after a rollout that failed" {
	touch "$T/bad"
	web_conf --exit-before-ready 3 --from-generation 2 --if-file "$T/bad"
	start_master
	kill -HUP "$MASTER"
	retry_until 10 logged 'generation before goes on in all slots'
	retry_until 10 app_is rollout none
	app_is ready 1
	rm "$T/bad"
	all_signals_work
}

@test "S10 what a launcher left blocked or ignored does not stay so" {
	need python3
	web_conf --dump "$T/dump.%p"
	cat > "$T/launch.py" << 'END'
import os, signal, sys
for s in (signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGRTMIN + 3):
    signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD,
                                          signal.SIGTTIN, signal.SIGRTMIN + 3})
os.execvp(sys.argv[1], sys.argv[1:])
END
	python3 "$T/launch.py" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	dumped_clean "$T/dump.$(worker_pid 0)"
	[ "$(sed -n 's/^SigBlk:[[:space:]]*//p' "/proc/$MASTER/status")" = 0000000000000000 ]
	all_signals_work
}

@test "S11 a pid that somebody else has by now is not signalled" {
	need_root
	need python3 unshare
	MORE="restart = never
stop_timeout = 500ms
abort_timeout = 100ms" web_conf --slow-drain 100
	# A namespace of its own: what the next pid is there concerns nobody else.
	cat > "$T/reuse.py" << 'END'
import json, os, signal, subprocess, sys, time

def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit("timed out")
        time.sleep(0.02)

def brood(*args):
    return subprocess.run(["brood", "-i", "brood", *args], capture_output=True, text=True)

def slot():
    status = json.loads(brood("status", "--json").stdout or "{}")
    return status["apps"][0]["slots"][0] if "apps" in status else None

def take(pid):
    """A stranger, a child of ours and not of the master, that has just this pid."""
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(pid - 1))
        stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        if stranger.pid == pid:
            return stranger
        stranger.kill()
        stranger.wait()
    sys.exit("the pid could not be had")

def serving():
    s = slot()
    return s and s["state"] == "serving"

master = subprocess.Popen(["broodd", "-c", sys.argv[1]])
until(serving)
pid = slot()["worker"]["pid"]
os.kill(pid, signal.SIGKILL)
until(lambda: slot()["worker"] is None)
first = take(pid)
assert brood("kill", "web.0", "KILL").returncode != 0
brood("signal", "web", "KILL")
brood("restart", "web")
until(serving)
brood("reload", "web")
assert first.poll() is None, "killed by the master"
# In the middle of a stop: its deadlines must not find the new owner.
until(serving)
pid = slot()["worker"]["pid"]
stop = subprocess.Popen(["brood", "-i", "brood", "stop", "web"])
until(lambda: not os.path.exists("/proc/%d" % pid))
second = take(pid)
stop.wait()
time.sleep(1)
master.send_signal(signal.SIGTERM)
assert master.wait(10) == 0
assert first.poll() is None and second.poll() is None, "killed by the master"
for p in (first, second):
    p.kill()
    p.wait()
print("strangers alive")
END
	unshare -fp --mount-proc --kill-child python3 "$T/reuse.py" "$CONF" >> "$LOG" 2>&1 3>&-
	log_has 'strangers alive'
}
