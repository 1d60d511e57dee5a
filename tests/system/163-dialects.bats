# The words and variables of other masters: sd_notify's watchdog, s6's descriptor, and compat = einhorn,
# server-starter and pm2.

load ../lib/common
load ../lib/slots

programs=$top_srcdir/tests/system/programs

# web_conf OPTIONS [TEXT]: two badworkers that dump what they found
web_conf() {
	write_conf << END
[app:web]
command = badworker --dump $T/dump.%s $1
workers = 2
listen = 127.0.0.1:$PORT
${2:-}
END
}

# environment SLOT NAME
environment() {
	jq -r ".environment.$2 // \"(not set)\"" "$T/dump.$1"
}

# notify SLOT TEXT...: as if the worker of that slot had said it
notify() {
	python3 "$programs/notify.py" "$(environment "$1" NOTIFY_SOCKET)" "${@:2}"
}

died_of() {
	[ "$(death "$1" .pid)" = "$2" ] && [ "$(death "$1" .cause)" = "$3" ]
}

all_serve() {
	[ "$(app .ready)" = 2 ] && [ "$(app '|[.slots[].leaving[]]|length')" = 0 ]
}

# ---- sd_notify

@test "workers are told of the watchdog, with their own pid, where there is one" {
	web_conf "" "watchdog = 20s"
	start_master
	retry_until 10 all_serve
	[ "$(environment 1 WATCHDOG_USEC)" = 20000000 ]
	[ "$(environment 1 WATCHDOG_PID)" = "$(worker 1)" ]
	stop_master
	web_conf ""
	export WATCHDOG_USEC=1 WATCHDOG_PID=1
	start_master
	retry_until 10 all_serve
	[ "$(environment 1 WATCHDOG_USEC) $(environment 1 WATCHDOG_PID)" = "(not set) (not set)" ]
	stop_master
}

@test "who says WATCHDOG=1 and then falls silent is aborted; who never said it is not" {
	need python3
	web_conf "" "watchdog = 2s"
	expect_in_log "web\.0"
	start_master
	retry_until 10 all_serve
	pid=$(worker 0) other=$(worker 1)
	from=$(date +%s%3N)
	notify 0 "WATCHDOG=1" "WATCHDOG=1" # the second one counts
	retry_until 20 died_of 0 "$pid" watchdog
	[[ "$(death 0 .text)" == *SIGABRT* ]]
	silent=$(grep -E 'warn web\.0 .*has not said WATCHDOG=1 for 2.0s' "$LOG" | cut -d ' ' -f 1)
	[ "$(date -d "$silent" +%s%3N)" -ge $((from + 2300)) ]
	retry_until 20 all_serve
	[ "$(worker 1)" = "$other" ]
	stop_master
}

@test "WATCHDOG=trigger aborts at once, and WATCHDOG_USEC= makes a promise" {
	need python3
	web_conf ""
	expect_in_log "web\.[01]"
	start_master
	retry_until 10 all_serve
	pid=$(worker 0)
	notify 0 "STATUS=broken|WATCHDOG=trigger"
	retry_until 10 died_of 0 "$pid" watchdog
	retry_until 10 all_serve
	pid=$(worker 1)
	notify 1 "WATCHDOG_USEC=200000"
	retry_until 10 died_of 1 "$pid" watchdog
	log_has "web\.1 .*has not said WATCHDOG=1 for 200ms"
	retry_until 10 all_serve
	stop_master
}

@test "what a master of workers has no use for is taken without effect" {
	need python3
	web_conf ""
	start_master
	retry_until 10 all_serve
	pids=$(app '|[.slots[].worker.pid]|tostring')
	notify 0 "RELOADING=1|MONOTONIC_USEC=1"
	notify 0 "MAINPID=1|FDSTORE=1|FDNAME=x|NOTIFYACCESS=all|ERRNO=2|BUSERROR=x|WATCHDOG=1|X"
	notify 0 "READY=1|STATUS=all is well"
	retry_until 5 slot_is 0 .worker.status "all is well"
	[ "$(app '|[.slots[].worker.pid]|tostring')" = "$pids" ]
	all_serve
	log_is_calm
	stop_master
}

@test "fd:N is ready by a newline, whatever stood before it, and closing afterwards is fine" {
	need python3
	cat > "$T/s6.py" << 'END'
import os, signal
os.write(9, b"all ")
while not os.path.exists("gate"):
    signal.sigtimedwait([signal.SIGTERM], 0.02)
os.write(9, b"is well\nand more")
os.close(9)
signal.pause()
END
	write_conf << END
[app:web]
command = python3 s6.py
directory = $T
workers = 1
ready = fd:9
END
	launch_master
	retry_until 10 logged "web\.0 .*started"
	ctl ping
	[ "$(slot 0 .worker.state)" = starting ]
	: > "$T/gate"
	retry_until 10 slot_is 0 .worker.state ready
	log_has "web\.0 .*ready after .*\(fd\)"
	stop_master
}

# ---- Einhorn

# einhorn_conf ARGUMENTS [TEXT]
einhorn_conf() {
	need ruby
	write_conf << END
[app:web]
command = ruby $programs/einhorn.rb $1
compat = einhorn
workers = 2
listen = 127.0.0.1:$PORT
listen = unix:$T/web.sock
${2:-}
END
}

@test "a program of Einhorn's runs: it acknowledges by path in YAML, and ends at USR2" {
	einhorn_conf "PATH YAML" "ready = channel"
	start_master
	retry_until 30 all_serve
	log_has "web\.1 .*ready after .*\(channel\)"
	pid=$(worker 0)
	retry_until 5 answers
	get / > "$T/one"
	grep -q "^[01] [0-9]* $MASTER\$" "$T/one"
	grep -qx "EINHORN_FD_COUNT=2" "$T/one"
	grep -qx "EINHORN_FD_FAMILY_0=AF_INET" "$T/one"
	grep -qx "EINHORN_FD_FAMILY_1=AF_UNIX" "$T/one"
	curl -sS --max-time 10 --unix-socket "$T/web.sock" http://x/ | grep -q "^[01] [0-9]* $MASTER\$"
	run -0 ctl reload web
	retry_until 30 all_serve
	death_of 0 "$pid" '.code' | grep -qx 0
	# Each worker's socket went with it.
	[ "$(find "$RUN_DIR/n" -name '*.e' | wc -l)" = 2 ]
	log_is_calm
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "one that acknowledges by descriptor, in JSON, is waited for the next time though it accepts" {
	einhorn_conf "FD JSON $T/gate"
	: > "$T/gate"
	start_master
	retry_until 30 all_serve
	retry_until 5 answers
	old=$(worker 0)
	rm "$T/gate"
	ctl reload --no-wait web
	retry_until 20 slot_is 0 ".next.state" starting
	sleep 1.5 # both a test of its twin and being alive would have made it ready by then
	[ "$(slot 0 .next.state)" = starting ]
	[ "$(worker 0)" = "$old" ]
	: > "$T/gate"
	retry_until 20 serves_anew 0 "$old"
	log_has "web\.0 .*ready after .*\(channel\)"
	log_is_calm
	stop_master
}

@test "what is no command of a worker's is no acknowledgement, and hurts nobody" {
	need python3
	write_conf << END
[app:web]
command = badworker --dump $T/dump.%s --ready none
compat = einhorn
workers = 1
listen = 127.0.0.1:$PORT
ready = channel
stop_signal = TERM
END
	launch_master
	retry_until 10 test -s "$T/dump.0"
	cat > "$T/talk.py" << 'END'
import socket, sys
def say(text, close=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(sys.argv[1])
    s.sendall(text)
    return s
held = [say(b"half a line") for _ in range(8)]
try:
    extra = [say(b'{"command":"worker:ack","pid":1}\n') for _ in range(4)]
except OSError:
    pass
for s in held:
    s.close()
for text in (b"\n", b"x" * 5000, b'{"command":"upgrade"}\n', b"{\n", b"command: die%0A\n"):
    s = say(text)
    try:
        assert s.recv(100) == b"", "an answer?"
    except ConnectionError:
        pass
END
	socket=$(environment 0 EINHORN_SOCK_PATH)
	[ "$(stat -c %a "$socket")" = 600 ]
	python3 "$T/talk.py" "$socket"
	# The four that had to wait were heard after all.
	retry_until 10 all_ready
	stop_master
}

# ---- Server::Starter

@test "SERVER_STARTER_PORT names what a worker inherits" {
	first=$PORT
	free_port
	other=$PORT PORT=$first
	web_conf "" "compat = server-starter
listen = *:$other
listen = unix:$T/web.sock"
	start_master
	retry_until 10 all_serve
	[ "$(environment 0 SERVER_STARTER_PORT)" = "127.0.0.1:$first=3;$other=4;$T/web.sock=5" ]
	[ "$(environment 0 SERVER_STARTER_GENERATION)" = 1 ]
	run -0 ctl reload web
	[ "$(environment 0 SERVER_STARTER_GENERATION)" = 2 ]
	stop_master
}

# ---- PM2

@test "pm2's variables are unique, stable over reload, and the configuration's win" {
	cat > "$T/app.sh" << 'END'
env | grep -E '^(pm_|name=|namespace=|exec_mode=|instances=|unique_id=|restart_time=|NODE_APP|PM2_HOME)' |
	sort > "$1.$BROOD_SLOT"
exec sleep 1000
END
	export PM2_HOME=$T/pm2 pm_id=77 exec_mode=lie
	write_conf << END
[app:first]
command = sleep 1000
workers = 3
ready = delay:10ms
[app:web]
command = sh app.sh $T/%(app).%(generation)
directory = $T
compat = pm2
workers = 2
ready = delay:10ms
stop_signal = TERM
[env:web]
namespace = mine
END
	start_master
	retry_until 10 all_serve
	sed -i '/^unique_id=/d' "$T/web.1.1"
	diff - "$T/web.1.1" << END
NODE_APP_INSTANCE=1
PM2_HOME=$T/pm2
exec_mode=fork_mode
instances=2
name=web
namespace=mine
pm_cwd=$T
pm_exec_path=$T/app.sh
pm_id=4
restart_time=0
END
	id=$(grep ^unique_id= "$T/web.1.0")
	[[ $id =~ ^unique_id=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]]
	kill -KILL "$(worker 0)"
	expect_in_log "web\.0"
	retry_until 10 grep -qx restart_time=1 "$T/web.1.0"
	[ "$(grep ^unique_id= "$T/web.1.0")" != "$id" ]
	run -0 ctl scale first 5
	run -0 ctl reload web
	retry_until 10 grep -qx pm_id=4 "$T/web.2.1"
	retry_until 10 grep -qx restart_time=1 "$T/web.2.1"
	run -0 ctl scale web 3
	retry_until 10 grep -qx pm_id=5 "$T/web.2.2"
	stop_master
}
