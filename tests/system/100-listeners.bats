# The sockets that the master holds: none is closed in service, whatever becomes of workers, slots
# and generations. Named by the races R1-R27 that are closed.

load ../lib/common
load ../lib/state

PYTHON=/usr/bin/python3

setup() {
	common_setup
	[ -x "$PYTHON" ] || PYTHON=$(command -v python3)
	HOLD=$T/hold
	SLOTS=$(($(nproc) * 2))
}

# seat_conf WORKERS [KEYS] [VARIABLES]
seat_conf() {
	write_conf << END
[app:web]
command = $PYTHON $BATS_TEST_DIRNAME/programs/seat.py
workers = $1
listen = 127.0.0.1:$PORT
restart_delay = 10ms
stop_timeout = 10s
limit_core = 0
${2:-}
[env:web]
HOLD = $HOLD
${3:-}
END
}

# What the kernel says of the listening sockets: ss columns and the inode.
sockets() {
	ss -Hltne "sport = :${1:-$PORT}"
}

inodes() {
	sockets "$@" | grep -o 'ino:[0-9]*' | sort
}

count_sockets() {
	sockets "$@" | wc -l
}

# So many connections wait in the queues of the port, or more: the master asks workers that take
# none whether they do again by one of its own. The plug has one, too.
queued() {
	[ "$(sockets | awk '$3 > 0 { n += $2 } END { print n + 0 }')" -ge "$1" ]
}

half_open_is() {
	[ "$(ss -Htan state syn-recv "sport = :$PORT" | wc -l)" = "$1" ]
}

# from SLOT PATH: asks that slot's worker, by the address that means it.
from() {
	curl -sS --max-time 10 --interface "127.98.0.$1" "http://127.0.0.1:$PORT$2"
}

# Each of the N slots is where its name leads.
every_slot_answers() {
	local slot

	for ((slot = 0; slot < $1; slot++)); do
		[ "$(from "$slot" /)" = "$slot" ] || return 1
	done
}

# Slots that answer N new clients, each once.
who_answers() {
	local i

	for ((i = 0; i < $1; i++)); do
		get / || echo failed
	done | sort -un | tr '\n' ' '
}

# All workers hold: none of them accepts any more.
hold() {
	touch "$HOLD"
	holding() {
		local pid

		for pid in $(pids); do
			[ -e "$HOLD.$pid" ] || return 1
		done
	}
	retry_until 10 holding
}

# begin_clients N: so many curls; end_clients: all were answered
begin_clients() {
	local i

	CLIENTS=()
	for ((i = 0; i < $1; i++)); do
		curl -sS --max-time 30 -o "$T/answer.$i" "http://127.0.0.1:$PORT/" 2>> "$LOG" 3>&- &
		CLIENTS+=($!)
		PIDS+=($!)
	done
}

end_clients() {
	local pid

	for pid in "${CLIENTS[@]}"; do
		wait "$pid" || return 1
	done
}

# What is listening now listens still.
nothing_closed() {
	[ -z "$(comm -23 <(echo "$1") <(inodes))" ]
}

new_pids() {
	local now

	app_is ready && now=$(pids) && [ "$now" != "$1" ]
}

nobody_leaves() {
	left_all web
}

@test "R1 no socket is closed by death, scaling or reload" {
	need ss
	seat_conf 2
	start_master
	retry_until 20 all_ready
	[ "$(count_sockets)" = $((2 * SLOTS)) ]
	before=$(inodes)
	kill -KILL "$(slot_pid 0)"
	retry_until 20 ready_is 2
	ctl reload
	ctl scale web $((SLOTS + 3))
	ctl scale web 1
	ctl reload
	retry_until 20 nobody_leaves
	nothing_closed "$before"
	[ "$(count_sockets)" -ge $((2 * SLOTS + 6)) ]
	[ "$(who_answers 10)" = "0 " ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	[ "$(count_sockets)" = 0 ]
}

@test "R1 what is queued outlives the worker that did not take it" {
	need ss
	seat_conf 2
	start_master
	retry_until 20 all_ready
	hold
	begin_clients 20
	retry_until 10 queued 20
	before=$(pids)
	for pid in $before; do
		kill -KILL "$pid"
	done
	rm "$HOLD"
	end_clients
	retry_until 20 new_pids "$before"
	stop_master
}

@test "R1 a slot that goes takes nobody's connection with it" {
	need ss
	seat_conf 4
	start_master
	retry_until 20 all_ready
	hold
	begin_clients 24
	retry_until 10 queued 24
	# Three of four leave, and cannot before their queues are empty.
	ctl scale web 1 > /dev/null 3>&- &
	PIDS+=($!)
	leaving() { [ "$(app_field .leaving)" = 3 ]; }
	retry_until 10 leaving
	queued 24
	rm "$HOLD"
	end_clients
	retry_until 20 nobody_leaves
	[ "$(who_answers 10)" = "0 " ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

half_open() {
	local i

	for ((i = 0; i < $1; i++)); do
		exec {client}<> "/dev/tcp/127.0.0.1/$PORT"
		OPEN+=("$client")
	done
}

# Each of them sends its request and is answered.
finish_half_open() {
	local client line

	for client in "${OPEN[@]}"; do
		printf 'GET / HTTP/1.1\r\n\r\n' >&"$client"
	done
	for client in "${OPEN[@]}"; do
		IFS= read -r -t 20 -u "$client" line || return 1
		[[ $line == *" 200 "* ]] || return 1
		exec {client}>&-
	done
	OPEN=()
}

@test "R2 a handshake under way outlives the worker that it was meant for" {
	need ss
	seat_conf 2 "ready = notify" "NOTIFY = 1
DEFER = 1"
	start_master
	retry_until 20 all_ready
	OPEN=()
	half_open 10
	retry_until 10 half_open_is 10
	before=$(pids)
	for pid in $before; do
		kill -KILL "$pid"
	done
	retry_until 20 new_pids "$before"
	half_open_is 10
	finish_half_open
	stop_master
}

@test "R2 a handshake under way outlives its slot" {
	need ss
	seat_conf 3 "ready = notify" "NOTIFY = 1
DEFER = 1"
	start_master
	retry_until 20 all_ready
	OPEN=()
	half_open 12
	retry_until 10 half_open_is 12
	ctl scale web 1 > /dev/null 3>&- &
	PIDS+=($!)
	leaving() { [ "$(app_field .leaving)" = 2 ]; }
	retry_until 10 leaving
	half_open_is 12
	finish_half_open
	retry_until 20 nobody_leaves
	# and up again: the seats are as good as new
	ctl scale web 3
	half_open 12
	finish_half_open
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "R3 every slot is where its name leads, whatever happens to the group" {
	seat_conf 4
	start_master
	retry_until 20 all_ready
	every_slot_answers 4
	# in an order that is not theirs
	for slot in 2 0 3; do
		from "$slot" /shut
		retry_until 10 logged "web\.$slot.*shut it down; it listens again"
		every_slot_answers 4
	done
	[ "$(who_answers 60)" = "0 1 2 3 " ]
	ctl reload
	every_slot_answers 4
	ctl scale web $((SLOTS + 5))
	retry_until 20 every_slot_answers $((SLOTS + 5))
	from 1 /shut
	retry_until 10 logged "web\.1.*shut it down; it listens again"
	from $((SLOTS + 4)) /shut
	retry_until 10 logged "web\.$((SLOTS + 4)).*shut it down; it listens again"
	every_slot_answers $((SLOTS + 5))
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "R6 new connections go to live slots alone, in a group that is larger" {
	seat_conf 2
	start_master
	retry_until 20 all_ready
	[ "$(who_answers 40)" = "0 1 " ]
	ctl scale web $((SLOTS + 2))
	ctl scale web 3
	retry_until 20 nobody_leaves
	[ "$(who_answers 60)" = "0 1 2 " ]
	ctl reload
	[ "$(who_answers 60)" = "0 1 2 " ]
	ctl scale web 1
	retry_until 20 nobody_leaves
	[ "$(who_answers 20)" = "0 " ]
	stop_master
}

@test "R8 a listener that a worker shut down listens again, and nobody else notices" {
	for balance in even kernel shared; do
		: > "$LOG"
		seat_conf 2 "balance = $balance"
		start_master
		retry_until 20 all_ready
		before=$(pids)
		for i in 1 2 3; do
			get /shut
		done
		retry_until 10 logged "warn.* web.*tcp:127.0.0.1:$PORT: a worker shut it down; it listens"
		for i in {1..20}; do
			get / > /dev/null
		done
		unchanged "$before"
		stop_master
		[ "$MASTER_EXIT" = 0 ]
	done
}

@test "R8 a worker that does it again and again harms nobody" {
	need ss
	seat_conf 2
	start_master
	retry_until 20 all_ready
	for i in {1..30}; do
		from 0 /shut > /dev/null
		from 1 / > /dev/null
	done
	every_slot_answers 2
	retry_until 10 logged 'web\.0 pid [0-9]+: tcp:.*shut it down; it listens again \([0-9]+ times'
	run ! logged 'web\.1 pid [0-9]+: tcp:.*shut it down'
	stop_master
}

# Whether each registration in the master's epoll sets is of a descriptor that is open, and of the
# same file. One that is just being closed may be seen in between.
no_dead_registration() {
	$PYTHON - "$MASTER" << 'END'
import os, re, sys
proc = "/proc/%s/" % sys.argv[1]
for number in os.listdir(proc + "fdinfo"):
    try:
        text = open(proc + "fdinfo/" + number).read()
    except OSError:
        continue
    for fd, inode in re.findall(r"^tfd: *(\d+) .* ino:([0-9a-f]+) ", text, re.M):
        try:
            now = os.stat(proc + "fd/" + fd).st_ino
        except OSError:
            now = "nothing"
        if now != int(inode, 16):
            sys.exit("set %s: %s is %s" % (number, fd, now))
END
}

ticks() {
	awk '{ print $14 + $15 }' "/proc/$MASTER/stat"
}

@test "R12 an address that goes leaves no registration behind, though a worker holds it still" {
	need ss
	first=$PORT
	free_port
	second=$PORT
	PORT=$first
	seat_conf 2 "listen = 127.0.0.1:$second"
	start_master
	retry_until 20 all_ready
	retry_until 10 no_dead_registration
	# It is stopped, so it cannot leave: and holds both sockets.
	old=$(slot_pid 0)
	kill -STOP "$old"
	seat_conf 2
	ctl reload > /dev/null 3>&- &
	PIDS+=($!)
	replaced() { [ "$(slot_pid 0)" != "$old" ]; }
	retry_until 20 replaced
	retry_until 10 no_dead_registration
	before=$(ticks)
	retry_until 20 test ! -e "/proc/$old"
	retry_until 20 nobody_leaves
	retry_until 10 no_dead_registration
	[ $(($(ticks) - before)) -lt 300 ]
	[ "$(count_sockets "$second")" = 0 ]
	stop_master
}

@test "R12 workers that come and go leave no descriptor behind" {
	seat_conf 2 "crash_burst = 100"
	start_master
	retry_until 20 all_ready
	for i in 1 2 3; do
		before=$(pids)
		kill -KILL "${before%% *}"
		retry_until 20 new_pids "$before"
	done
	ctl reload
	retry_until 20 nobody_leaves
	n=$(fd_count "$MASTER")
	for i in 1 2 3 4 5; do
		before=$(pids)
		kill -KILL "${before%% *}"
		retry_until 20 new_pids "$before"
	done
	ctl reload
	retry_until 20 nobody_leaves
	retry_until 10 fds_at_most "$MASTER" "$n"
	retry_until 10 no_dead_registration
	stop_master
}

@test "R13 a seat blocks, or not, for each worker anew" {
	for mode in yes:dont-block no:block; do
		blocks=${mode%:*}
		seat_conf 1 "nonblocking = $([ "$blocks" = yes ] && echo auto || echo yes)"
		start_master
		retry_until 20 all_ready
		[ "$(get /blocks)" = "$blocks" ]
		get "/${mode#*:}"
		before=$(pids)
		kill -KILL "$before"
		# the same seat
		retry_until 20 new_pids "$before"
		[ "$(get /blocks)" = "$blocks" ]
		get "/${mode#*:}"
		# its twin, and back
		ctl reload
		[ "$(get /blocks)" = "$blocks" ]
		ctl reload
		[ "$(get /blocks)" = "$blocks" ]
		stop_master
	done
}

@test "R27 every queue is as long as the system allows, or as was asked for" {
	need ss
	somaxconn=$(< /proc/sys/net/core/somaxconn)
	seat_conf 2
	start_master
	retry_until 20 all_ready
	ctl scale web $((SLOTS + 1))
	[ "$(sockets | awk '$3 > 0 { print $3 }' | sort -u)" = "$somaxconn" ]
	sed -i "s/^listen = .*/&?backlog=17/" "$CONF"
	ctl reload
	[ "$(sockets | awk '$3 > 0 { print $3 }' | sort -u)" = 17 ]
	stop_master
}

@test "an address that a reload brings is served by those who have it" {
	first=$PORT
	free_port
	second=$PORT
	PORT=$first
	seat_conf 2 "ready = notify" "NOTIFY = 1"
	start_master
	retry_until 20 all_ready
	# workers that take it are held up in their birth
	touch "$HOLD"
	seat_conf 2 "listen = 127.0.0.1:$second
ready_timeout = 20s"
	sed -i "s,^command = .*,command = /bin/sh -c 'while [ -e $HOLD ]; do sleep 0.05; done; exec $PYTHON $BATS_TEST_DIRNAME/programs/seat.py'," "$CONF"
	ctl reload > "$T/reload" 2>&1 3>&- &
	reload=$!
	PIDS+=("$reload")
	listens() { [ "$(count_sockets "$second")" -gt 0 ]; }
	retry_until 10 listens
	PORT=$second
	begin_clients 4
	rm "$HOLD"
	wait "$reload"
	end_clients
	[ "$(who_answers 30)" = "0 1 " ]
	stop_master
}

@test "where programs cannot be swapped there is one socket, and a line that says so" {
	need ss
	export BROOD_STEER_SWAP=no
	seat_conf 3
	start_master
	retry_until 20 all_ready
	[ "$(count_sockets)" = 1 ]
	log_has 'warn: BROOD_STEER_SWAP=no says so: balance = even, sticky and cpu are one socket'
	retry_until 5 log_count_is 'are one socket' 1
	[ "$(app_field '.listeners[0].shape')" = shared ]
	ctl reload
	ctl scale web 5
	get / > /dev/null
	[ "$(count_sockets)" = 1 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "steered kinds follow each other on an open address, others do not" {
	seat_conf 2 "balance = even"
	start_master
	retry_until 20 all_ready
	for balance in sticky cpu even; do
		seat_conf 2 "balance = $balance"
		ctl reload
		every_slot_answers 2
		get / > /dev/null
	done
	# one client, one slot
	seat_conf 2 "balance = sticky"
	ctl reload
	[ "$(who_answers 20 | wc -w)" = 1 ]
	for balance in shared kernel; do
		seat_conf 2 "balance = $balance"
		refused 78 "another balance is not possible while the address is open" ctl reload
	done
	stop_master
}

@test "N5 a socket of the service manager is the only one, whatever the balance" {
	need ss
	seat_conf 2
	$PYTHON - broodd -c "$CONF" >> "$LOG" 2>&1 3>&- << END &
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", $PORT))
s.listen()
os.dup2(os.dup2(s.fileno(), 100), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[1], sys.argv[1:])
END
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 all_ready
	[ "$(count_sockets)" = 1 ]
	[ "$(app_field '.listeners[0].shape')" = shared ]
	log_is_calm
	get / > /dev/null
	get /shut
	retry_until 10 logged 'web: tcp:.* a worker shut it down; it listens again'
	get / > /dev/null
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "UNIX listeners are shared beside a steered one" {
	need ss
	seat_conf 2 "listen = unix:$T/socket"
	start_master
	retry_until 20 ready_is 2
	[ "$(app | jq -r '[.listeners[].shape] | join(" ")')" = "steered shared" ]
	curl -sS --max-time 10 --unix-socket "$T/socket" http://x/
	inode=$(stat -c %i "$T/socket")
	ctl reload
	kill -KILL "$(slot_pid 0)"
	ctl scale web 4
	[ "$(stat -c %i "$T/socket")" = "$inode" ]
	curl -sS --max-time 10 --unix-socket "$T/socket" http://x/
	stop_master
	[ ! -e "$T/socket" ]
}
