# The control socket: who may come in, how much of the master they may take, and what survives.

load ../lib/common

# Sends stdin to the control socket and prints what comes back within $1 seconds, or until the
# master closes ("EOF").
raw() {
	python3 - "$RUN_DIR/$NAME.sock" "$1" 3<&0 << 'END'
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(float(sys.argv[2]))
data = b""
while True:
    piece = os.read(3, 65536)
    if not piece:
        break
    data += piece
try:
    s.sendall(data)
except OSError:
    pass
end = time.monotonic() + float(sys.argv[2])
try:
    while time.monotonic() < end:
        got = s.recv(65536)
        if not got:
            print("EOF")
            break
        sys.stdout.write(got.decode())
except ConnectionResetError:
    print("EOF")
except socket.timeout:
    pass
END
}

web_conf() {
	write_conf << END
[app:web]
command = badworker
workers = ${1:-1}
listen = 127.0.0.1:$PORT
END
}

generation() {
	ctl status --json | pick '.apps[0].generation'
}

generation_is() {
	[ "$(generation)" = "$1" ]
}

as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"

ready_is() {
	[ "$(ctl status --json | pick '.apps[0].ready')" = "$1" ]
}

@test "K1 the socket is the owner's" {
	web_conf
	start_master
	[ "$(stat -c %a "$RUN_DIR/$NAME.sock")" = 600 ]
	stop_master
}

@test "K1 another user is refused before a byte is read" {
	need_root
	need setpriv /usr/bin/python3
	web_conf
	start_master
	chmod 0666 "$RUN_DIR/$NAME.sock"
	cat > "$T/connect.py" << 'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(5)
print(s.recv(4096).decode())
END
	$as_nobody /usr/bin/python3 "$T/connect.py" "$RUN_DIR/$NAME.sock" | grep -q -e -32077
	retry_until 5 logged 'uid 65534.*not allowed'
	stop_master
}

@test "K1 the control group operates, and no more" {
	need_root
	need setpriv
	write_conf << END
control_group = 65533
[app:web]
command = badworker
listen = 127.0.0.1:$PORT
END
	start_master
	[ "$(stat -c '%a %g' "$RUN_DIR/$NAME.sock")" = "660 65533" ]
	operator="setpriv --reuid 65534 --regid 65534 --groups 65533"
	$operator brood -i "$NAME" status
	$operator brood -i "$NAME" reload
	run $operator brood -i "$NAME" kill web.0
	[ "$status" = 77 ]
	run $operator brood -i "$NAME" env web.0
	[ "$status" = 77 ]
	run $as_nobody brood -i "$NAME" status
	[ "$status" != 0 ]
	stop_master
}

@test "K2 hundreds of idle clients keep nobody out" {
	need python3
	web_conf
	start_master
	retry_until 20 all_ready
	before=$(fd_count "$MASTER")
	cat > "$T/idle.py" << 'END'
import socket, sys, time
s = []
for i in range(500):
    c = socket.socket(socket.AF_UNIX)
    c.connect(sys.argv[1])
    s.append(c)
print("connected", flush=True)
time.sleep(60)
END
	python3 "$T/idle.py" "$RUN_DIR/$NAME.sock" > "$T/idle" 3>&- &
	idle=$!
	PIDS+=("$idle")
	retry_until 10 test -s "$T/idle"
	ctl ping
	[ $(($(fd_count "$MASTER") - before)) -le 64 ]
	kill "$idle"
	retry_until 5 fds_at_most "$MASTER" "$before"
	stop_master
}

@test "K2 a request that is begun has to end in 5 s" {
	need python3
	web_conf
	start_master
	printf '{"jsonrpc":' | raw 8 > "$T/answer"
	grep -q 'not finished' "$T/answer"
	tail -n 1 "$T/answer" | grep -q EOF
	stop_master
}

@test "K3 what is no request gets an error object, and the master goes on" {
	need python3
	web_conf
	start_master
	for line in 'hello' '{"id":1' '[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]' $'{"id":"\xff"}' '{"a":1,"a":1}'; do
		printf '%s\n' "$line" | raw 2 > "$T/answer"
		grep -q '"error"' "$T/answer"
		tail -n 1 "$T/answer" | grep -q EOF
	done
	head -c 300000 /dev/zero | tr '\0' 'x' | raw 2 > "$T/answer"
	grep -q EOF "$T/answer"
	for line in '{"jsonrpc":"2.0","id":1,"method":"nonsense"}' \
		'{"jsonrpc":"2.0","id":1,"method":7}' \
		'{"jsonrpc":"2.0","id":1,"method":"scale","params":{"app":"web","workers":{}}}' \
		'{"jsonrpc":"2.0","id":1,"method":"stop","params":{"app":"nobody"}}' \
		'{"jsonrpc":"2.0","id":1,"method":"stop","params":[1]}'; do
		printf '%s\n' "$line" | raw 0.3 > "$T/answer"
		grep -q '"error"' "$T/answer"
	done
	answers
	stop_master
}

@test "K4 who never reads is closed" {
	need python3
	web_conf
	start_master
	cat > "$T/deaf.py" << 'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(10)
line = b'{"jsonrpc":"2.0","id":1,"method":"status"}\n'
try:
    for i in range(1000000):
        s.sendall(line)
except BrokenPipeError:
    print("closed")
END
	python3 "$T/deaf.py" "$RUN_DIR/$NAME.sock" | grep -q closed
	ctl ping
	[ -n "${BROOD_SANITIZED:-}" ] || [ "$(awk '/VmRSS/ { print $2 }' "/proc/$MASTER/status")" -lt 10000 ]
	stop_master
}

@test "K5 a client that dies leaves its operation running" {
	cat > "$T/gated" << END
#!/bin/sh
until [ -e $T/gate ]; do sleep 0.05; done
exec badworker
END
	chmod +x "$T/gated"
	write_conf << END
[app:web]
command = $T/gated
listen = 127.0.0.1:$PORT
workers = 2
END
	: > "$T/gate"
	start_master
	retry_until 10 ready_is 2
	rm "$T/gate"
	brood -i "$NAME" reload > /dev/null 2>&1 3>&- &
	client=$!
	retry_until 5 logged 'generation 1 -> 2'
	# The rollout can't end before the client does.
	kill -KILL "$client"
	: > "$T/gate"
	retry_until 10 generation_is 2
	stop_master
}

@test "K5 two clients at once both get an answer" {
	web_conf 2
	start_master
	retry_until 10 ready_is 2
	brood -i "$NAME" reload > "$T/one" 2>&1 3>&- &
	client=$!
	ctl reload || [ $? = 75 ]
	wait "$client" || [ $? = 75 ]
	brood -i "$NAME" stop web > "$T/one" 2>&1 3>&- &
	client=$!
	ctl reload || [ $? = 75 ] || [ $? = 1 ]
	wait "$client"
	stop_master
}

@test "K6 a stale socket is replaced, a live instance refused" {
	need python3
	web_conf
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$RUN_DIR/$NAME.sock"
	start_master
	run broodd -c "$CONF"
	[ "$status" != 0 ]
	[[ "$output" == *"$MASTER"* ]]
	ctl ping
	stop_master
}

@test "K6 what is no socket of ours is left alone" {
	web_conf
	ln -s "$T/elsewhere" "$RUN_DIR/$NAME.sock"
	launch_master
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	[ -L "$RUN_DIR/$NAME.sock" ]
	rm "$RUN_DIR/$NAME.sock"
	mkdir "$RUN_DIR/$NAME.sock"
	launch_master
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	rmdir "$RUN_DIR/$NAME.sock"
}

@test "K6 a path that is too long is an error" {
	long=$(printf 'x%.0s' {1..100})
	write_conf << END
[app:web]
command = badworker
listen = 127.0.0.1:$PORT
END
	sed -i "s|^run_dir.*|run_dir = $T/$long|" "$CONF"
	launch_master
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	log_has "$long"
}

@test "K7 a socket that was removed comes back" {
	web_conf
	start_master
	rm "$RUN_DIR/$NAME.sock"
	kill -USR1 "$MASTER"
	retry_until 5 ctl ping
	log_has 'made anew'
	stop_master
}

@test "K8 other versions understand each other" {
	need python3
	web_conf
	start_master
	cat > "$T/requests" << 'END'
{"jsonrpc":"2.0","id":1,"method":"hello","params":{"version":99,"client":"brood 9.9","future":[1]},"extra":true}
{"jsonrpc":"2.0","id":2,"method":"ping","params":{"future":true}}
END
	raw 0.5 < "$T/requests" > "$T/answer"
	grep -q '"id":1.*"protocol":1' "$T/answer"
	grep -q '"id":2.*"pong":true' "$T/answer"
	stop_master
}

@test "F3 no descriptor for a client is no reason to spin" {
	need python3
	web_conf
	start_master
	retry_until 10 answers
	used=$(fd_count "$MASTER")
	prlimit --pid "$MASTER" --nofile="$used:"
	printf '{"jsonrpc":"2.0","id":1,"method":"ping"}\n' | raw 1 > "$T/answer"
	before=$(awk '{ print $14 + $15 }' "/proc/$MASTER/stat")
	sleep 1
	[ $(($(awk '{ print $14 + $15 }' "/proc/$MASTER/stat") - before)) -le 3 ]
	prlimit --pid "$MASTER" --nofile="$((used + 100)):"
	ctl ping
	stop_master
}
