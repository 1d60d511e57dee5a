# The ring: workers that wait on each other's listeners. What is promised: nobody's new connection
# waits for a worker that stands, is dead, or is being replaced; and which of the races R9 to R13,
# R21, R22 and R25 that has to win. The order of wait queues, socket by socket: tests/unit/check_ring.c.

load ../lib/common
load ../lib/slots

setup() {
	common_setup
	LOAD=$top_builddir/tests/bench/load
	SLOW=60000 # ms that an answer may take: a limit for hangs, not for speed
}

# web_conf WORKERS [KEYS [COMMAND]]
web_conf() {
	write_conf << END
[app:web]
command = ${3:-$top_builddir/brood-hello}
workers = $1
listen = 127.0.0.1:$PORT
${2:-}
END
}

start_web() {
	web_conf "$@"
	start_master
	retry_until 60 all_ready
}

# load_for SECONDS RATE [ARG...]: new connections, and nothing may fail
load_for() {
	"$LOAD" -p "$PORT" -d "$1" -r "$2" -t "$SLOW" "${@:3}" > "$T/load"
	no_failure
}

no_failure() {
	jq -e '.hard == 0 and .stale == 0 and .new.answered > 0 and .new.answered == .new.asked' \
		"$T/load" > /dev/null || {
		cat "$T/load"
		return 1
	}
}

# background_load RATE / end_load: until it is told
background_load() {
	"$LOAD" -p "$PORT" -d 0 -r "$1" -t "$SLOW" > "$T/load" 3>&- &
	LOADER=$!
	PIDS+=("$LOADER")
}

end_load() {
	kill -TERM "$LOADER"
	wait "$LOADER" || true
	no_failure
}

# answered_by PID: how many of the last load
answered_by() {
	jq -r ".by_worker[\"$1\"] // 0" "$T/load"
}

answered_nothing() {
	local pid

	for pid; do
		[ "$(answered_by "$pid")" = 0 ] || {
			echo "$pid answered $(answered_by "$pid")"
			cat "$T/load"
			return 1
		}
	done
}

workers() {
	app '.slots[].worker.pid'
}

is_stopped() {
	grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

freeze() {
	kill -STOP "$1"
	retry_until 10 is_stopped "$1"
}

# ask_slot N: the connection is steered to that slot; prints the slot that answers
ask_slot() {
	curl -s --max-time 60 --interface "127.98.0.$1" "http://127.0.0.1:$PORT/" | pick .slot
}

# Of sequential connections to slot N, while nothing else goes on: most are its own. Were its place
# in the line behind others, it would get none: they are as idle as it is.
gets_its_own() {
	local i own=0

	for i in {1..20}; do
		[ "$(ask_slot "$1")" = "$1" ] && own=$((own + 1))
	done
	[ "$own" -gt 10 ] || {
		echo "slot $1 got $own of 20"
		return 1
	}
}

# Exclusive registrations in the epoll sets of a process, set by set: "8 8 8 8"
exclusive() {
	local info counts=()

	for info in "/proc/$1/fdinfo"/*; do
		counts+=("$(grep -c '^tfd:.* events: *100000' "$info" 2> /dev/null)")
	done
	echo "${counts[@]}" | tr ' ' '\n' | grep -v '^0*$' | tr '\n' ' ' | sed 's/ $//'
}

exclusive_is() {
	[ "$(exclusive "$1")" = "$2" ]
}

@test "each worker has a set with its own and its neighbours' sockets, which the master filled" {
	start_web 4
	run -0 exclusive "$MASTER"
	[ "$output" = "8 8 8 8" ]
	[ "$(app '.slots[].tier' | sort -u)" = T2 ]
	load_for 1 100
}

@test "without swappable steering the ring is on one shared socket" {
	export BROOD_STEER_SWAP=no
	start_web 3
	run -0 exclusive "$MASTER"
	[ "$output" = "1 1 1" ]
	freeze "$(worker 0)"
	load_for 1 200
	answered_nothing "$(worker 0)"
	kill -CONT "$(worker 0)"
	for _ in 1 2 3; do
		run -0 ctl reload web
	done
	load_for 1 100
}

@test "a UNIX socket is in everybody's set; what is stranded at it is offered again" {
	local i

	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 3
listen = unix:$T/web.sock
END
	start_master
	retry_until 60 all_ready
	run -0 exclusive "$MASTER"
	[ "$output" = "1 1 1" ]
	freeze "$(worker 1)"
	for i in {1..50}; do
		run -0 curl -s --max-time 60 --unix-socket "$T/web.sock" http://web/healthz
		[ "$output" = ok ]
	done
	kill -CONT "$(worker 1)"
}

@test "one of four stands: 200 new connections are answered by the others, none fails" {
	local pid

	start_web 4
	pid=$(worker 1)
	freeze "$pid"
	load_for 1 200
	answered_nothing "$pid"
	[ "$(jq .workers "$T/load")" = 3 ]
	kill -CONT "$pid"
	# It gets its own again.
	retry_until 20 gets_its_own 1
}

@test "two of four stand, come back, and one is killed" {
	local one two

	start_web 4
	one=$(worker 1) two=$(worker 2)
	freeze "$one"
	freeze "$two"
	load_for 1 200
	answered_nothing "$one" "$two"
	kill -CONT "$one" "$two"
	retry_until 20 gets_its_own 1
	retry_until 20 gets_its_own 2
	# Killed while it has nothing in hand: no gap, whoever has heard of it.
	kill -KILL "$one"
	load_for 1 200
	retry_until 20 serves_anew 1 "$one"
}

@test "connections that wait at a killed worker's socket are taken by the others (R9)" {
	local pid i

	start_web 2
	pid=$(worker 1)
	# All stand: what comes waits in the queues, and has woken whoever it found.
	freeze "$(worker 0)"
	freeze "$pid"
	for i in {1..20}; do
		curl -s -o /dev/null --max-time 60 -w '%{http_code}\n' --interface 127.98.0.1 \
			"http://127.0.0.1:$PORT/healthz" >> "$T/codes" 3>&- &
		PIDS+=("$!")
	done
	retry_until 20 queued_at_least 20
	kill -KILL "$pid"
	kill -CONT "$(worker 0)"
	retry_until 30 serves_anew 1 "$pid"
	retry_until 30 codes_are 20
}

queued_at_least() {
	[ "$(ss -Hltn "sport = :$PORT" | awk '{ n += $2 } END { print n + 0 }')" -ge "$1" ]
}

codes_are() {
	[ "$(sort "$T/codes" | uniq -c | tr -s ' ')" = " $1 200" ]
}

@test "a restarted worker is first at its own socket again (R10)" {
	local pid

	start_web 4
	for _ in 1 2; do
		pid=$(worker 2)
		kill -KILL "$pid"
		retry_until 20 serves_anew 2 "$pid"
	done
	retry_until 20 gets_its_own 2
	run -0 ctl reload web
	for slot in 0 1 2 3; do
		retry_until 20 gets_its_own "$slot"
	done
}

@test "no listener is in a worker's own loop (R11, R12)" {
	start_web 2
	load_for 1 50
	for pid in $(workers); do
		run -0 python3 - "$pid" << 'END'
import os, sys
base = "/proc/" + sys.argv[1]
with open("/proc/net/tcp") as table:
    listening = {f[9] for f in map(str.split, table) if f[3] == "0A"}
for fd in os.listdir(base + "/fdinfo"):
    for line in open(base + "/fdinfo/" + fd):
        f = line.split()
        if f[0] != "tfd:" or int(f[3], 16) & 1 << 28:
            continue
        target = os.readlink("%s/fd/%s" % (base, f[1]))
        assert target[8:-1] not in listening, (fd, line)
END
	done
}

@test "workers that come and go leave no set and no descriptor behind (R12)" {
	local before i pid

	start_web 3
	run -0 ctl reload web
	retry_until 20 app_is .leaving 0
	before=$(fd_count "$MASTER")
	for i in 1 2 3; do
		run -0 ctl reload web
		pid=$(worker 1)
		kill -KILL "$pid"
		retry_until 20 serves_anew 1 "$pid"
	done
	retry_until 20 app_is .leaving 0
	retry_until 20 fds_at_most "$MASTER" "$before"
	retry_until 20 exclusive_is "$MASTER" "6 6 6"
	load_for 1 100
}

@test "programs that sleep in no set, and back, under load (R13)" {
	start_web 3 "drain = self"
	background_load 100
	for _ in 1 2; do
		# One that blocks in accept(): while it has a seat, nobody else reads that.
		web_conf 3 "drain = self" "python3 $TESTS_DIR/system/programs/server.py 3"
		run -0 ctl reload
		retry_until 30 app_is .leaving 0
		[ -z "$(exclusive "$MASTER")" ]
		web_conf 3 "drain = self"
		run -0 ctl reload
		retry_until 30 app_is .leaving 0
		run -0 exclusive "$MASTER"
		[ "$output" = "6 6 6" ]
	done
	end_load
}

@test "from its cut on an old worker accepts nothing, whatever it does (R21)" {
	local old new

	start_web 3 "stop_timeout = 10m" "python3 $TESTS_DIR/system/programs/ring.py deaf"
	mapfile -t old < <(workers)
	run -0 ctl reload web
	load_for 1 200
	answered_nothing "${old[@]}"
	for pid in "${old[@]}"; do
		kill -0 "$pid"
	done
	# Also when there is nobody else for the moment.
	freeze "$(worker 0)"
	load_for 1 100
	answered_nothing "${old[@]}" "$(worker 0)"
	mapfile -t new < <(workers)
	# Nobody deaf is started again: a stop would take ten minutes.
	kill -KILL "${old[@]}"
	web_conf 3
	run -0 ctl reload
	kill -KILL "${new[@]}"
}

@test "a listener that is emptied or shut down meanwhile is no fault (R22)" {
	local i

	start_web 2
	background_load 50
	# Somebody who holds the sockets shuts one down; the master has it listen again.
	for i in 1 2 3; do
		python3 - "$(worker 0)" "$PORT" << 'END'
import ctypes, os, socket, sys
pid, port = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None)
pidfd = os.pidfd_open(pid)
for name in os.listdir("/proc/%d/fd" % pid):
    fd = libc.syscall(438, pidfd, int(name), 0)
    try:
        s = socket.socket(fileno=fd)
    except OSError:
        continue
    if s.family == socket.AF_INET and s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        s.shutdown(socket.SHUT_RD)
        break
END
	done
	kill -TERM "$LOADER"
	wait "$LOADER" || true
	# What was queued at that instant may be reset; nobody dies of it, and all goes on.
	load_for 1 50
	[ "$(app .deaths)" = 0 ]
}

@test "what was accepted is served before the next is taken (R25)" {
	local pids

	start_web 2
	mapfile -t pids < <(workers)
	for pid in "${pids[@]}"; do
		freeze "$pid"
	done
	# Connections with their requests wait; one of them computes for long.
	run -0 timeout 120 python3 - "$PORT" "${pids[@]}" << 'END'
import os, select, signal, socket, sys
port, pids = int(sys.argv[1]), [int(p) for p in sys.argv[2:]]
clients = {}
for i in range(30):
    c = socket.create_connection(("127.0.0.1", port), timeout=60)
    path = "/cpu?ms=3000" if i == 7 else "/healthz"
    c.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
    clients[c] = path
for pid in pids:
    os.kill(pid, signal.SIGCONT)
order = []
while clients:
    for c in select.select(list(clients), [], [], 60)[0]:
        data = c.recv(4096)
        assert data.startswith(b"HTTP/1.1 200"), data
        order.append(clients.pop(c))
assert order[-1] == "/cpu?ms=3000", order
END
}

@test "4 to 8 to 3 to 4 workers under load, without a failure" {
	start_web 4
	background_load 200
	for _ in 1 2; do
		for n in 8 3 4; do
			run -0 ctl scale web "$n"
			retry_until 30 app_is .leaving 0
		done
	done
	end_load
	retry_until 20 gets_its_own 3
}

@test "reloads and kills under load: nothing but what the killed had in hand" {
	local i pid

	start_web 3
	background_load 100
	for i in 1 2 3; do
		run -0 ctl reload web
	done
	end_load
	background_load 100
	for i in 0 1 2; do
		pid=$(worker "$i")
		kill -KILL "$pid"
		retry_until 30 serves_anew "$i" "$pid"
	done
	kill -TERM "$LOADER"
	wait "$LOADER" || true
	# Nobody was refused and nobody waits for ever.
	jq -e '.hard <= 6 and .hard == ([.new.why.reset, .new.why.eof, .new.why.cut] | add // 0)' "$T/load" || {
		cat "$T/load"
		return 1
	}
}

@test "what a worker took over is counted" {
	local pid

	start_web 2
	[ "$(taken_over)" = 0 ]
	pid=$(worker 0)
	freeze "$pid"
	load_for 1 100
	kill -CONT "$pid"
	retry_until 20 took_over 1
}

taken_over() {
	app '|[.slots[].taken_over]|add'
}

took_over() {
	[ "$(slot "$1" .taken_over)" -gt 0 ]
}

@test "with sticky clients nobody takes over" {
	start_web 3 "balance = sticky"
	run -0 exclusive "$MASTER"
	[ "$output" = "2 2 2" ]
	load_for 1 100
	run -0 ctl reload web
	load_for 1 100
	[ "$(taken_over)" = 0 ]
}

@test "brood-hello takes a wait set as it comes: late, in pieces, in parts, too large, wrong, never" {
	for scenario in late pieces more short unknown drain beat none; do
		run -0 timeout 120 python3 "$TESTS_DIR/lib/ring_master.py" "$scenario" "$top_builddir/brood-hello"
	done
}
