# Workers that take nothing, found and gone round from outside: they know nothing of it, and neither do
# clients. What waited at one is given to the others where the kernel moves it.

load ../lib/common
load ../lib/slots

worker=$top_builddir/tests/bench/plain_worker

# web_conf N [TEXT]: N workers that say nothing but READY, on $PORT
web_conf() {
	write_conf << END
[app:web]
command = ${COMMAND:-$worker}
workers = $1
listen = 127.0.0.1:$PORT
stop_timeout = 10s
${2:-}
END
}

# A network of the master's own, in which queues can be moved or not.
start_in_own_network() {
	need_root
	need unshare nsenter ip
	unshare -n true 2> /dev/null || skip "no network namespaces here"
	MASTER_EXIT=
	unshare -n sh -c 'ip link set lo up && echo "$1" > /proc/sys/net/ipv4/tcp_migrate_req &&
		shift && exec broodd -c "$@"' sh "$1" "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	IN=(nsenter -t "$MASTER" -n)
	retry_until 20 all_ready
}
IN=()

# One request; the worker that answered, or nothing: whoever came to one that is blocked.
ask() {
	"${IN[@]}" curl -s --max-time 5 "http://127.0.0.1:$PORT/"
}

# Clients that wait for as long as it takes; their answers in $T/answers.
CLIENTS=()
ask_in_background() {
	local i

	for ((i = 0; i < $1; i++)); do
		"${IN[@]}" curl -s --max-time 60 "http://127.0.0.1:$PORT/" >> "$T/answers" 3>&- &
		CLIENTS+=("$!")
		PIDS+=("$!")
	done
}

all_answered() {
	wait "${CLIENTS[@]}"
	[ "$(wc -l < "$T/answers")" = "${#CLIENTS[@]}" ]
}

# ask_until SECONDS COMMAND...: a client comes now and then until it succeeds
ask_until() {
	local deadline

	deadline=$(($(uptime_cs) + $1 * 100))
	shift
	while ! "$@"; do
		[ "$(uptime_cs)" -lt "$deadline" ] || return 1
		ask_in_background 2
		sleep 0.05
	done
}

is_stalled() {
	slot_is "$1" .worker.state stalled
}

is_served_by() {
	[ "$(ask)" = "$1" ]
}

@test "a stalled worker is gone round, shown, and back when it takes again" {
	web_conf 4
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	kill -STOP "$pid"
	ask_until 20 is_stalled 1
	[ "$(slot 1 .stalls)" -ge 1 ]
	[[ $(slot 1 .worker.reason) == "takes no connection: "* ]]
	run -0 ctl status
	[[ $output == *" stalled "* ]]
	[ "$(event_count stalled)" -ge 1 ]
	# Nobody who comes now waits for it.
	for _ in {1..40}; do
		answer=$(ask)
		[ -n "$answer" ]
		[ "$answer" != "$pid" ]
	done
	is_stalled 1
	run ctl why web.1
	[[ $output == *stalled* ]]
	kill -CONT "$pid"
	retry_until 20 slot_is 1 .worker.state ready
	[ "$(event_count recovered)" -ge 1 ]
	# What waited at it was served by it, nobody else was disturbed, and it is steered to again.
	all_answered
	retry_until 20 is_served_by "$pid"
	[ "$(worker 1)" = "$pid" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "R4 the queue of a stalled worker is given to the others, and only that" {
	# Long, so that nobody is found stalled who only waits for the CPU.
	web_conf 4 "stall_after = 200ms"
	start_in_own_network 1
	pid=$(worker 1)
	kill -STOP "$pid"
	ask_until 20 is_stalled 1
	# Also those that came before it was known: all are served while it is still stopped.
	all_answered
	run ! grep -qx "$pid" "$T/answers"
	is_stalled 1
	[ "$(slot 1 .queue.rescued)" -ge 1 ]
	[ "$(slot 1 .queue.most)" -ge 1 ]
	retry_until 5 slot_is 1 '|[.queue.now <= 1]|tostring' '[true]' # a probe of the master's own
	[ "$(event_count queue_rescued)" = 1 ]
	for _ in {1..20}; do
		[ -n "$(ask)" ]
	done
	kill -CONT "$pid"
	retry_until 20 slot_is 1 .worker.state ready
	retry_until 20 is_served_by "$pid"
	stop_master
}

migrations() {
	"${IN[@]}" awk '/^TcpExt:/ { if (n++) { for (i = 1; i <= NF; i++) if (name[i] ~ /^TCPMigrateReq/) sum += $i }
		else for (i = 1; i <= NF; i++) name[i] = $i } END { print sum + 0 }' /proc/net/netstat
}

@test "R4 no queue is moved by reload, scaling or death" {
	COMMAND="$TOOLS_DIR/unaware" web_conf 3
	start_in_own_network 1
	"${IN[@]}" "$top_builddir/tests/bench/load" -p "$PORT" -r 200 -d 0 > "$T/load.json" 2>> "$LOG" 3>&- &
	load=$!
	PIDS+=("$load")
	for _ in 1 2 3; do
		ctl reload web
	done
	ctl scale web 4
	ctl scale web 2
	kill -TERM "$load"
	wait "$load"
	[ "$(jq .new.failed "$T/load.json")" = 0 ]
	[ "$(jq .new.answered "$T/load.json")" -gt 0 ]
	# But for a worker that looked stalled, on a busy machine, and was rescued rightly.
	[ "$(event_count stalled)" -gt 0 ] || [ "$(migrations)" = 0 ]
	stop_master
}

@test "R22 a worker whose queue was taken away goes on as before" {
	# It blocks in accept(2), and in each request.
	COMMAND="$TOOLS_DIR/unaware" web_conf 2 "
[env:web]
BLOCKING = 1
SERVICE_MS = 200"
	start_in_own_network 1
	was_rescued() {
		[ $(($(slot 0 .queue.rescued) + $(slot 1 .queue.rescued))) -ge 3 ]
	}
	pids=$(app '|[.slots[].worker.pid]|tostring')
	ask_until 30 was_rescued
	all_answered
	[ "$(app '|[.slots[].worker.pid]|tostring')" = "$pids" ]
	[ "$(app .deaths)" = 0 ]
	for i in 0 1; do
		retry_until 20 slot_is $i .worker.state ready
	done
	# Both still take connections.
	both_serve() {
		ctl probe web.0 / > /dev/null 2>&1 && ctl probe web.1 / > /dev/null 2>&1
	}
	retry_until 20 both_serve
	stop_master
}

# client_of_slot_1 NAME: a client whom the kernel sends there whatever happens; answer in $T/NAME
client_of_slot_1() {
	curl -s --max-time 60 --interface 127.98.0.1 "http://127.0.0.1:$PORT/" > "$T/$1" 3>&- &
	PIDS+=("$!")
}

# Connections that wait in the kernel, ours among them.
waiting_are() {
	[ "$(ss -Hltn "sport = :$PORT" | awk '{n += $2} END {print n + 0}')" = "$1" ]
}

@test "our own connection to a stalled worker does not hold those behind it" {
	need python3 ss
	COMMAND="$top_builddir/tests/lib/unaware"
	web_conf 2 "[env:web]
BLOCKING = 1"
	start_master
	retry_until 20 all_ready
	# It serves one at a time, and waits for what this one says.
	python3 -c 'import os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=("127.98.0.1", 0))
open(sys.argv[2], "w").close()
while os.path.exists(sys.argv[2]):
    time.sleep(0.02)' "$PORT" "$T/hold" 3>&- &
	PIDS+=("$!")
	retry_until 20 test -e "$T/hold"
	client_of_slot_1 before
	retry_until 20 is_stalled 1
	retry_until 20 waiting_are 2 # ours is behind that client; these come after it
	client_of_slot_1 behind
	client_of_slot_1 behind_too
	retry_until 20 waiting_are 4
	rm "$T/hold"
	for name in before behind behind_too; do
		retry_until 20 test -s "$T/$name"
	done
	retry_until 20 slot_is 1 .worker.state ready
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "R7 when all look stalled, none is" {
	web_conf 3
	start_master
	retry_until 20 all_ready
	mapfile -t pids < <(app '.slots[].worker.pid')
	kill -STOP "${pids[@]}"
	# Not one of them is given up for the others' sake: there is always one that is steered to.
	for _ in {1..20}; do
		ask_in_background 2
		[ "$(app '|[.slots[]|select(.worker.state == "ready")]|length > 0')" = true ]
	done
	kill -CONT "${pids[@]}"
	all_answered
	for i in 0 1 2; do
		retry_until 20 slot_is $i .worker.state ready
	done
	[ "$(app .deaths)" = 0 ]
	stop_master
}

@test "the watchdog replaces a worker that stays stalled, and why tells" {
	web_conf 2 "watchdog = 300ms"
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	kill -STOP "$pid"
	ask_until 20 serves_anew 1 "$pid"
	ended "$pid"
	[ "$(death 1 .cause)" = watchdog ]
	[[ $(death 1 .signal) == *ABRT ]]
	run -0 ctl why web.1
	[[ $output == *"took no connection for 300ms (watchdog)"* ]]
	# Whoever waited at its socket is served by its successor.
	all_answered
	[ "$(slot 0 .worker.state)" = ready ]
	[ "$(app .deaths)" = 1 ]
	stop_master
}

@test "the watchdog kills what ignores being aborted" {
	COMMAND="$TOOLS_DIR/badworker --only-slot 1 --ignore ABRT" web_conf 2 "watchdog = 300ms
abort_timeout = 2s"
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	# Aborted, it goes on: until it is killed it has time to answer what it takes then.
	kill -STOP "$pid"
	ask_until 20 serves_anew 1 "$pid"
	retry_until 20 ended "$pid"
	[ "$(death 1 .cause)" = watchdog ]
	[[ $(death 1 .signal) == *KILL ]]
	run -0 ctl why web.1
	[[ $output == *watchdog* ]]
	all_answered
	stop_master
}

@test "a stalled worker that leaves is not waited for longer than stop_timeout" {
	COMMAND="$TOOLS_DIR/unaware" web_conf 2 "drain = quiet"
	sed -i 's/^stop_timeout.*/stop_timeout = 1s/' "$CONF"
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	kill -STOP "$pid"
	ask_until 20 is_stalled 1
	run -0 ctl reload web
	retry_until 20 ended "$pid"
	for i in 0 1; do
		retry_until 20 slot_is $i .state serving
	done
	[ "$(event_count stranded)" -ge 1 ]
	for _ in {1..20}; do
		[ -n "$(ask)" ]
	done
	stop_master
}

# Times that the master slept and was woken.
switches() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$MASTER/status"
}

sleeps_for() {
	local before

	before=$(switches)
	sleep "$1"
	[ "$(switches)" = "$before" ]
}

@test "an idle master is not woken" {
	web_conf 4
	start_master
	retry_until 20 all_ready
	for _ in {1..20}; do
		ask > /dev/null
	done
	# What a start leaves behind (crashes that are forgotten, a rollout's watch) ends by itself.
	retry_until 60 sleeps_for 2
	# A new connection wakes it, and it falls asleep again.
	before=$(switches)
	ask > /dev/null
	[ "$(switches)" -gt "$before" ]
	retry_until 20 sleeps_for 2
	stop_master
}

@test "a master whose worker stays stalled wakes now and then only" {
	web_conf 2
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	kill -STOP "$pid"
	ask_until 20 is_stalled 1
	sleep 1
	before=$(switches)
	sleep 2
	# 50 looks a second and a few of the probe's; a tick of 1 ms would be 2,000
	[ $(($(switches) - before)) -le 400 ]
	kill -CONT "$pid"
	all_answered
	stop_master
}
