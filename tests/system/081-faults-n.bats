# The faults N1-N6 of listening and draining: addresses that somebody has, sockets that somebody
# hands over, and connections that last longer than a reload.

load ../lib/common
load ../lib/state

web_conf() {
	write_conf "${NAME:-brood}" << END
[app:web]
command = badworker
workers = 2
$1
END
}

# The master in a network of its own, where only what the test does has an address. Outside of it
# files and sockets with names are the same. The arguments are commands to be run there first.
launch_in_own_net() {
	local first="ip link set lo up"

	for command; do
		first="$first; $command"
	done
	MASTER_EXIT=
	unshare -n -- bash -c "$first; exec broodd -c '$CONF'" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
}

start_in_own_net() {
	launch_in_own_net "$@"
	retry_until 20 master_answers_or_ended && [ -z "$MASTER_EXIT" ]
}

in_net() {
	nsenter -t "$MASTER" -n -- "$@"
}

# Starts as nobody, with a run directory of nobody's own.
as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env BROOD_RUN_DIR="$T/nobody" "$@"
}

say_in_use="Address already in use: (process [0-9]+ \([a-z0-9.-]+\)|another process) listens there"

@test "N1 a port that a stranger has is refused, with his name, and he notices nothing" {
	spawn badworker --port "$PORT" --body stranger
	retry_until 5 answers
	for balance in even shared kernel; do
		web_conf "listen = 127.0.0.1:$PORT
balance = $balance"
		refused 73 "brood.conf:4: app web: listen: 127.0.0.1:$PORT: $say_in_use" \
			broodd -c "$CONF"
		refused 73 "127.0.0.1:$PORT: $say_in_use" brood start -c "$CONF"
		refused 73 "127.0.0.1:$PORT: $say_in_use" \
			brood run -l "127.0.0.1:$PORT" -- badworker
		web_conf "listen = *:$PORT
balance = $balance"
		refused 73 "\*:$PORT: $say_in_use" broodd -c "$CONF"
	done
	[ "$(get /)" = stranger ]
}

@test "N1 a stranger who shares his port is refused all the same" {
	spawn python3 -c "
import signal, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('127.0.0.1', $PORT))
s.listen()
signal.pause()"
	taken() { ! freeport "$PORT"; }
	retry_until 5 taken
	for balance in even shared kernel; do
		web_conf "listen = 127.0.0.1:$PORT
balance = $balance"
		refused 73 "127.0.0.1:$PORT: $say_in_use" broodd -c "$CONF"
	done
}

@test "N1 a second instance on the same port is refused, at start and at reload" {
	for balance in even shared kernel; do
		NAME=first
		web_conf "listen = 127.0.0.1:$PORT
balance = $balance"
		start_master
		before=$(pids)
		cp "$CONF" "$T/second.conf"
		sed -i 's/^name = .*/name = second/' "$T/second.conf"
		refused 73 "127.0.0.1:$PORT: $say_in_use" broodd -c "$T/second.conf"
		first=$MASTER port=$PORT
		free_port
		NAME=second
		web_conf "listen = 127.0.0.1:$PORT
balance = $balance"
		start_master
		sed -i "s/:$PORT/:$port/" "$CONF"
		refused 1 "127.0.0.1:$port: $say_in_use" ctl reload
		unchanged "$(pids)"
		stop_master
		NAME=first MASTER=$first PORT=$port
		unchanged "$before"
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
}

@test "N1 a second start of the same instance is refused by its lock" {
	web_conf "listen = 127.0.0.1:$PORT"
	start_master
	before=$(pids)
	already="brood is running already \(pid $MASTER\).*brood -i brood status.*-i"
	refused 73 "$already" broodd -c "$CONF"
	refused 73 "$already" brood run -c "$CONF"
	refused 73 "already" brood start -c "$CONF"
	refused 73 "$already" broodd -i brood -c "$CONF"
	unchanged "$before"
	# under another name the port is in the way, and named
	refused 73 "127.0.0.1:$PORT: $say_in_use" broodd -i other -c "$CONF"
	unchanged "$before"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

# Connections that the server closed first leave their ends on its side.
has_time_wait() {
	ss -Htan state time-wait "sport = :$PORT" | grep -q .
}

@test "N2 a port in TIME_WAIT is no obstacle" {
	need ss
	for balance in even shared kernel; do
		write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 2
listen = 127.0.0.1:$PORT
balance = $balance
END
		start_master
		for i in 1 2 3; do
			curl -s -o /dev/null -H 'Connection: close' "http://127.0.0.1:$PORT/"
		done
		retry_until 5 has_time_wait
		stop_master
		has_time_wait
		start_master
		answers
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
}

@test "N3 a low port is refused to an ordinary user, at start and at reload" {
	need_root
	install -d -o 65534 -g 65534 "$T/nobody"
	write_conf << END
[app:web]
command = $(command -v badworker)
directory = /
workers = 1
listen = 127.0.0.1:80
END
	sed -i "s,^run_dir.*,run_dir = $T/nobody," "$CONF"
	chmod 0644 "$CONF"
	low="brood.conf:4: app web: listen: 127.0.0.1:80: Permission denied: ports below 1024 need"
	MASTER=$$
	refused 77 "$low CAP_NET_BIND_SERVICE" unshare -n setpriv --reuid 65534 --regid 65534 \
		--clear-groups broodd -c "$CONF"
	sed -i "s/:80$/:$PORT/" "$CONF"
	unshare -n -- bash -c "ip link set lo up; exec setpriv --reuid 65534 --regid 65534 \
		--clear-groups broodd -c '$CONF'" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 10 as_nobody brood -i brood ping
	before=$(BROOD_RUN_DIR=$T/nobody pids)
	sed -i "s/:$PORT$/:80/" "$CONF"
	refused 77 "$low" as_nobody brood reload
	[ "$(BROOD_RUN_DIR=$T/nobody pids)" = "$before" ]
	in_net curl -s -o /dev/null "http://127.0.0.1:$PORT/"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "N3 an address that is not ours is refused, at start and at reload" {
	for address in 192.0.2.1 '[2001:db8::1]'; do
		web_conf "listen = $address:$PORT"
		refused 73 "${address/#[/\\[}:$PORT: .*(no interface of this machine|no IPv6)" \
			broodd -c "$CONF"
	done
	web_conf "listen = 127.0.0.1:$PORT"
	start_master
	before=$(pids)
	web_conf "listen = 127.0.0.1:$PORT
listen = 192.0.2.1:$PORT"
	refused 1 "192.0.2.1:$PORT: .*no interface of this machine has that address" ctl reload
	unchanged "$before"
	stop_master
}

@test "N3 a star means both families, and what overlaps it is refused" {
	need_root
	web_conf "listen = *:$PORT"
	start_in_own_net
	for address in 127.0.0.1 '[::1]'; do
		in_net curl -s -o /dev/null "http://$address:$PORT/"
	done
	before=$(pids)
	web_conf "listen = *:$PORT
listen = 127.0.0.1:$PORT"
	refused 78 "brood.conf:8:10: .*127.0.0.1:$PORT: taken already by listen = \*:$PORT" ctl reload
	[ "$(pids)" = "$before" ]
	stop_master
	# apart they do not get in each other's way
	web_conf "listen = 0.0.0.0:$PORT
listen = [::]:$PORT"
	start_in_own_net
	for address in 127.0.0.1 '[::1]'; do
		in_net curl -s -o /dev/null "http://$address:$PORT/"
	done
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

no_v6="echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"

@test "N3 where IPv6 is switched off a star is IPv4, and an IPv6 address is refused" {
	need_root
	web_conf "listen = *:$PORT"
	start_in_own_net "$no_v6"
	in_net curl -s -o /dev/null "http://127.0.0.1:$PORT/"
	before=$(pids)
	web_conf "listen = [::1]:$PORT"
	refused 1 "\[::1\]:$PORT: .*(no interface|no IPv6)" ctl reload
	[ "$(pids)" = "$before" ]
	stop_master
	launch_in_own_net "$no_v6"
	wait_master
	[ "$MASTER_EXIT" = 73 ]
}

# Number of the call of socket() that asks for IPv6.
v6_call() {
	strace -o "$T/calls" -e trace=socket broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	PIDS+=($!)
	retry_until 10 brood -i brood ping > /dev/null
	ctl shutdown > /dev/null
	wait $! || true
	grep -n AF_INET6 "$T/calls" | head -1 | cut -d: -f1
}

@test "N3 where the kernel has no IPv6 a star is IPv4, and an IPv6 address is refused" {
	plain_build_only
	need strace
	web_conf "listen = *:$PORT"
	call=$(v6_call)
	[ -n "$call" ]
	inject="inject=socket:error=EAFNOSUPPORT:when=$call"
	strace -o "$T/calls" -e trace=socket -e "$inject" broodd -c "$CONF" \
		>> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 10 brood -i brood ping
	grep -q INJECTED "$T/calls"
	answers
	ctl shutdown
	retry_until 10 ended "$MASTER"
	web_conf "listen = [::1]:$PORT"
	refused 73 "\[::1\]:$PORT: .*this machine has no IPv6: use an IPv4 address" \
		strace -o "$T/calls" -e trace=socket -e "$inject" broodd -c "$CONF"
}

@test "N4 reloads under load lose nothing, neither of new nor of kept connections" {
	for balance in even shared kernel; do
		write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 2
listen = 127.0.0.1:$PORT
balance = $balance
END
		start_master
		begin_load -r 150 -k 10 -q 10 -d 2 -t 3000
		for i in 1 2 3 4; do
			ctl reload
		done
		nothing_lost
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
}

nobody_leaves() {
	left_all web
}

@test "N4 slow drains hold up neither the rollout nor new connections" {
	write_conf << END
[app:web]
command = badworker --slow-drain 1500
workers = 3
listen = 127.0.0.1:$PORT
END
	start_master
	begin_load -r 100 -d 3 -t 3000
	began=$(uptime_cs)
	ctl reload
	# three of them one after the other would have taken 4.5 s
	[ $(($(uptime_cs) - began)) -lt 140 ]
	[ "$(app_field .leaving)" = 3 ]
	# a third generation waits until the first one is gone (max_generations)
	ctl reload
	log_has 'web: .*still drain: waiting for them \(max_generations\)'
	ready_is 3
	nothing_lost
	retry_until 5 nobody_leaves
	run ! logged 'aborting it|KILL'
	stop_master
}

# A client that speaks over one connection, as a websocket does: says what it got to $T/spoken.
begin_long() {
	spawn python3 "$BATS_TEST_DIRNAME/programs/talk.py" "$PORT" "$T/spoken"
	TALK=$SPAWNED
	retry_until 5 test -s "$T/spoken"
}

@test "N4 a connection that never ends is served until the drain is over, then cut, and said" {
	write_conf << END
[app:web]
command = /usr/bin/python3 $BATS_TEST_DIRNAME/programs/echo.py
workers = 1
listen = 127.0.0.1:$PORT
ready = notify
stop_timeout = 1200ms
abort_timeout = 100ms
limit_core = 0
END
	start_master
	begin_long
	old=$(slot_pid 0)
	ctl reload
	[ "$(slot_pid 0)" != "$old" ]
	# it goes on with the old worker, while a new one goes to the new
	said=$(wc -l < "$T/spoken")
	more() { [ "$(wc -l < "$T/spoken")" -gt $((said + 3)) ]; }
	retry_until 1 more
	run ! ended "$TALK"
	[ "$(python3 "$BATS_TEST_DIRNAME/programs/talk.py" "$PORT" - 1)" = "$(slot_pid 0)" ]
	retry_until 5 ended "$TALK"
	retry_until 5 nobody_leaves
	[ "$(sort -u "$T/spoken")" = "$old" ]
	log_has "web\.0 pid $old: still there after its stop timeout: aborting it"
	log_has "web\.0 pid $old: killed by SIGABRT"
	# one that ends in time is not cut
	begin_long
	old=$(slot_pid 0)
	ctl reload
	kill -TERM "$TALK"
	retry_until 5 logged "web\.0 pid $old: exit 0"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "N4 an idle kept connection ends cleanly with its worker" {
	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 1
listen = 127.0.0.1:$PORT
END
	start_master
	exec {idle}<> "/dev/tcp/127.0.0.1/$PORT"
	printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' >&"$idle"
	IFS= read -r -t 5 -u "$idle" answer
	[[ $answer == *" 200 "* ]]
	ctl reload
	# what follows is the rest of the answer and then an end, no reset
	timeout 10 cat <&"$idle" > "$T/rest"
	grep -q '"generation":1' "$T/rest"
	exec {idle}>&-
	retry_until 5 nobody_leaves
	run ! logged 'aborting it'
	stop_master
}

# Runs broodd with descriptors as a service manager hands them over:
# activated WHAT PID FDS, where WHAT makes the list "fds" from the module socket.
launch_activated() {
	MASTER_EXIT=
	python3 - "$1" "$2" "$3" broodd -c "$CONF" >> "$LOG" 2>&1 3>&- << 'END' &
import os, socket, sys
what, pid, count = sys.argv[1:4]
fds = []
exec(what)
files = [os.dup2(os.dup(s.fileno()), 100 + i) for i, s in enumerate(fds)]
os.closerange(3, 100)
for i, fd in enumerate(files):
    os.dup2(fd, 3 + i, inheritable=True)
os.closerange(100, 200)
os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "own" else pid
os.environ["LISTEN_FDS"] = str(len(fds)) if count == "all" else count
os.environ["LISTEN_FDNAMES"] = ":".join("name%d" % i for i in range(len(fds)))
os.execvp(sys.argv[4], sys.argv[4:])
END
	MASTER=$!
	PIDS+=("$MASTER")
}

start_activated() {
	launch_activated "$@"
	retry_until 20 master_answers_or_ended && [ -z "$MASTER_EXIT" ]
}

# Python for a socket that listens at the test's port.
listening() {
	echo "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);" \
		"s.bind(('127.0.0.1', $PORT)); s.listen(); fds.append(s)"
}

# What a worker found: its descriptors and the variables.
worker_sees() {
	ls "/proc/$(slot_pid 0)/fd" | tr '\n' ' '
}

@test "N5 a socket of the service manager is used, and workers see their own variables" {
	web_conf "listen = 127.0.0.1:$PORT"
	start_activated "$(listening)" own all
	answers
	log_is_calm
	[ "$(ctl env web.0 --json | pick .environment.LISTEN_PID)" = "$(slot_pid 0)" ]
	[ "$(ctl env web.0 --json | pick .environment.LISTEN_FDS)" = 1 ]
	[[ $(ctl env web.0 --json | pick .environment.LISTEN_FDNAMES) != *name0* ]]
	ctl reload
	answers
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "N5 variables that are meant for another process are left alone" {
	web_conf "listen = 127.0.0.1:$PORT"
	for pid in 1 999999999 abc -1 ''; do
		: > "$LOG"
		# a file, not a socket: whoever took it would say so
		start_activated "fds.append(open('/dev/null'))" "$pid" all
		answers
		[ "$(ctl env web.0 --json | pick .environment.LISTEN_FDS)" = 1 ]
		# the descriptor does not reach a worker: 0, 1, 2, listener, channel and its own
		run ! test "/proc/$(slot_pid 0)/fd/3" -ef /dev/null
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
}

@test "N5 a count that is no number, or more than there is, is not believed" {
	web_conf "listen = 127.0.0.1:$PORT"
	for count in x -1 08 99999999999 5000 '1 ' ''; do
		: > "$LOG"
		start_activated "fds.append(open('/dev/null'))" own "$count"
		answers
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
	start_activated "fds.append(open('/dev/null'))" own 7
	answers
	stop_master
}

@test "N5 descriptors that are no listening sockets are refused one by one, and said" {
	web_conf "listen = 127.0.0.1:$PORT"
	for what in "open('/dev/null')" "socket.socket()" "socket.socketpair()[0]" \
		"socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"; do
		: > "$LOG"
		start_activated "s = $what; fds.append(s)" own all
		log_has 'warn: descriptor 3 of the service manager is no listening socket'
		answers
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
	# a good one among them is used
	: > "$LOG"
	start_activated "fds.append(open('/dev/null')); $(listening)" own all
	log_has 'descriptor 3 of the service manager is no listening socket'
	answers
	stop_master
}

@test "N5 a socket for an address that nobody configured is closed, and said" {
	web_conf "listen = 127.0.0.1:$PORT"
	sockets="$(listening)"
	free_port
	web_conf "listen = 127.0.0.1:$PORT"
	start_activated "$sockets" own all
	log_has 'warn: 1 sockets? of the service manager match'
	answers
	freeport "${PORTS[0]}"
	stop_master
}

unix_get() {
	curl -sS --max-time 10 --unix-socket "$1" http://x/
}

@test "N6 a UNIX listener has its mode and owner from the start and is gone at the end" {
	need_root
	install -d -m 0755 "$T/sockets"
	web_conf "listen = unix:$T/sockets/a
listen = unix:$T/sockets/b?mode=0660&owner=nobody&group=$(id -gn nobody)"
	start_master
	[ "$(stat -c '%a %u' "$T/sockets/a")" = "600 0" ]
	[ "$(stat -c '%a %U %G' "$T/sockets/b")" = "660 nobody $(id -gn nobody)" ]
	unix_get "$T/sockets/a"
	unix_get "$T/sockets/b"
	inode=$(stat -c %i "$T/sockets/a")
	ctl reload
	[ "$(stat -c %i "$T/sockets/a")" = "$inode" ]
	sed -i '/sockets.b/d' "$CONF"
	ctl reload
	gone() { [ ! -e "$1" ]; }
	retry_until 5 gone "$T/sockets/b"
	unix_get "$T/sockets/a"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	gone "$T/sockets/a"
}

@test "N6 what a dead master left is taken over, a live one's is not" {
	web_conf "listen = unix:$T/socket"
	start_master
	kill -KILL "$MASTER"
	wait_master
	retry_until 10 nothing_left
	[ -S "$T/socket" ]
	start_master
	before=$(pids)
	unix_get "$T/socket"
	refused 73 "$T/socket: a running process listens there: stop it or choose another path" \
		broodd -i other -c "$CONF"
	unix_get "$T/socket"
	[ "$(pids)" = "$before" ]
	stop_master
	[ ! -e "$T/socket" ]
}

@test "N6 what is no socket of ours is neither replaced nor removed" {
	need_root
	web_conf "listen = unix:$T/socket"
	echo precious > "$T/socket"
	refused 73 "$T/socket: is a file, not a socket: remove it" broodd -c "$CONF"
	[ "$(cat "$T/socket")" = precious ]
	mv "$T/socket" "$T/file"
	ln -s file "$T/socket"
	refused 73 "$T/socket: is a symbolic link" broodd -c "$CONF"
	[ "$(cat "$T/file")" = precious ] && [ -L "$T/socket" ]
	rm "$T/socket"
	mkdir "$T/socket"
	refused 73 "$T/socket: is a directory" broodd -c "$CONF"
	rmdir "$T/socket"
	python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('$T/socket')"
	chown 65534 "$T/socket"
	refused 77 "$T/socket: a socket of uid 65534 is there" broodd -c "$CONF"
	[ -S "$T/socket" ]
	rm "$T/socket"
	# put in the place of ours while we run
	start_master
	rm "$T/socket"
	echo precious > "$T/socket"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	[ "$(cat "$T/socket")" = precious ]
}

@test "N6 another mode or owner at reload is refused, not passed over" {
	need_root
	web_conf "listen = unix:$T/socket?mode=0600"
	start_master
	before=$(pids)
	for other in mode=0666 owner=nobody "group=$(id -gn nobody)"; do
		web_conf "listen = unix:$T/socket?$other"
		refused 78 "unix:$T/socket\?$other: another mode or owner is not possible while" \
			ctl reload
	done
	[ "$(pids)" = "$before" ]
	# a queue of another length is no matter
	web_conf "listen = unix:$T/socket?mode=0600&backlog=7"
	ctl reload
	unix_get "$T/socket"
	stop_master
}
