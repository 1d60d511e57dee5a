# Probes of the master's own: whether a program that says nothing is there, whether it is ready, whether
# it is well; each worker by itself, over the listener that clients use.

load ../lib/common
load ../lib/slots

# web_conf N [TEXT]: N silent programs; what they are told to be is in $T/be
web_conf() {
	need python3
	mkdir -p "$T/be"
	chmod 0777 "$T/be"
	write_conf << END
[app:web]
command = python3 $top_srcdir/tests/system/programs/health.py $T/be
workers = $1
listen = ${LISTEN:-127.0.0.1:$PORT}
stop_timeout = 5s
${2:-}
END
}

# requests PATH SLOT: how many the program of that slot got
requests() {
	touch "$T/be/requests"
	grep -c "^$2 [0-9]* $1 " "$T/be/requests" || true
}

requests_at_least() {
	[ "$(requests "$1" "$2")" -ge "$3" ]
}

@test "a silent program is ready when it takes a connection, and not before" {
	web_conf 2
	: > "$T/be/late"
	start_master
	retry_until 20 slot_is 1 .worker.state starting
	sleep 1.5 # longer than being alive would have to do
	[ "$(app .ready)" = 0 ]
	# A client that comes meanwhile waits, and is served.
	curl -s --max-time 60 "http://127.0.0.1:$PORT/" > "$T/answer" 3>&- &
	client=$!
	rm "$T/be/late"
	retry_until 20 all_ready
	wait "$client"
	[ "$(cat "$T/answer")" = ok ]
	for i in 0 1; do
		[[ $(slot $i .worker.reason) == "ready after "*" (accept)" ]]
	done
	# It saw a connection that ended, and no trouble.
	run ! grep -q error "$T/be/requests"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a rollout of a silent program that takes nothing is taken back" {
	web_conf 2
	start_master
	retry_until 20 all_ready
	old=$(app '|[.slots[].worker.pid]|tostring')
	: > "$T/be/late"
	echo "ready_timeout = 1s" >> "$CONF"
	run -1 ctl reload web
	[[ $output == *"it said nothing and took no connection"* ]]
	[ "$(app '|[.slots[].worker.pid]|tostring')" = "$old" ]
	[ "$(get /)" = ok ]
	rm "$T/be/late"
	sed -i '/^ready_timeout/d' "$CONF"
	run -0 ctl reload web
	[ "$(get /)" = ok ]
	stop_master
}

@test "ready = tcp waits for longer than auto would" {
	web_conf 1 "ready = tcp"
	: > "$T/be/late"
	start_master
	sleep 1.5
	[ "$(app .ready)" = 0 ]
	rm "$T/be/late"
	retry_until 20 all_ready
	[[ $(slot 0 .worker.reason) == *"(accept)" ]]
	stop_master
}

@test "ready = http:/path waits for a good answer, and tells of others" {
	web_conf 2 "ready = http:/ready"
	: > "$T/be/unready"
	start_master
	retry_until 20 requests_at_least /ready 0 3
	retry_until 20 requests_at_least /ready 1 3
	[ "$(app .ready)" = 0 ]
	# Told once a worker, and not at each try; asked over its own address.
	[ "$(event_count probe_again)" = 2 ]
	log_has 'web\.0 .*not ready yet: 503 Service Unavailable'
	run ! grep -v ' /ready 127\.98\.' "$T/be/requests"
	rm "$T/be/unready"
	retry_until 20 all_ready
	[[ $(slot 1 .worker.reason) == *"(http)" ]]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "ready = http:/path that never is fails the start with the reason" {
	web_conf 1 "ready = http:/ready
ready_timeout = 1s
restart_limit = 2/60s"
	: > "$T/be/unready"
	start_master || true
	retry_until 20 logged 'not ready within 1s'
	stop_master || true
}

# web.1 is replaced, and by another one than $pid
is_replaced() {
	serves_anew 1 "$pid"
}

@test "probe = http:/path replaces a worker that is sick, gracefully" {
	web_conf 2 "probe = http:/healthz
probe_interval = 100ms
probe_failures = 3"
	start_master
	retry_until 20 all_ready
	pid=$(worker 1)
	other=$(worker 0)
	retry_until 20 requests_at_least /healthz 0 2
	retry_until 20 requests_at_least /healthz 1 2
	"$top_builddir/tests/bench/load" -p "$PORT" -r 50 -d 0 > "$T/load.json" 2>> "$LOG" 3>&- &
	load=$!
	PIDS+=("$load")
	: > "$T/be/sick.1"
	retry_until 20 requests_at_least /healthz 1 5
	# Its successor is as sick; it is the slot that is told to be.
	retry_until 20 ended "$pid"
	rm "$T/be/sick.1"
	retry_until 20 is_replaced
	retry_until 20 slot_is 1 .leaving '[]'
	kill -TERM "$load"
	wait "$load"
	[ "$(jq .new.failed "$T/load.json")" = 0 ]
	[ "$(event_count probe_failed)" -ge 3 ]
	log_has 'probe /healthz failed \(3 of 3\): 500 Internal Server Error'
	ctl why web.1 --json | pick '.slots[0].obituaries[].cause' | grep -qx probe
	run -0 ctl why web.1
	[[ $output == *"cause: probe"* ]]
	log_has 'web\.1 .* replaced by pid [0-9]+ .*: probe /healthz failed 3 times: 500 Internal Server Error'
	[ "$(worker 0)" = "$other" ]
	stop_master
}

@test "a probe that is not answered, or not in HTTP, failed" {
	web_conf 2 "probe = http:/healthz
probe_interval = 100ms
probe_timeout = 200ms
probe_failures = 1000"
	start_master
	retry_until 20 all_ready
	: > "$T/be/mute.0"
	: > "$T/be/rude.1"
	retry_until 20 logged 'web\.0 .*failed \([0-9]+ of 1000\): no answer within 200ms'
	retry_until 20 logged 'web\.1 .*failed \([0-9]+ of 1000\): it did not answer in HTTP'
	rm "$T/be/mute.0" "$T/be/rude.1"
	# One good answer and the count begins anew.
	well() {
		ctl events --json -n 1000 | jq -r 'select(.event == "probe_failed").text' | tail -n 1
	}
	retry_until 20 requests_at_least /healthz 0 4
	before=$(event_count probe_failed)
	sleep 1
	[ "$(event_count probe_failed)" -le $((before + 2)) ]
	[ "$(app .ready)" = 2 ]
	stop_master
}

@test "a probe leaves nothing behind" {
	need ss
	web_conf 1 "probe = http:/healthz
probe_interval = 100ms"
	start_master
	retry_until 20 all_ready
	retry_until 20 requests_at_least /healthz 0 3
	fds=$(fd_count "$MASTER")
	retry_until 30 requests_at_least /healthz 0 20
	retry_until 5 fds_at_most "$MASTER" $((fds + 1))
	# Whoever closes first keeps the port for a minute: the worker, which was told to close.
	[ -z "$(ss -Htn state time-wait src 127.98.0.0/16 dport = ":$PORT" | sed 1d)" ]
	stop_master
}

@test "where IPv4 does not reach, workers are told apart by port" {
	[ -e /proc/net/if_inet6 ] || skip "no IPv6 here"
	LISTEN="[::1]:$PORT" web_conf 2 "ready = http:/ready
probe = http:/healthz
probe_interval = 100ms"
	start_master
	retry_until 20 all_ready
	# Again and again, though there is one port for each.
	for i in 0 1; do
		retry_until 30 requests_at_least /healthz $i 10
	done
	# Requests: a connection that only tests whether one is taken may be noted as an error.
	run ! grep ' /.* [^:]*\.[^ ]*$' "$T/be/requests"
	[ "$(grep -c ' /.* ::1$' "$T/be/requests")" -ge 20 ]
	[ "$(event_count probe_failed)" = 0 ]
	stop_master
}

@test "dual-stack sockets are reached by IPv4" {
	LISTEN="*:$PORT" web_conf 2 "ready = http:/ready
probe = http:/healthz
probe_interval = 100ms"
	start_master
	retry_until 20 all_ready
	for i in 0 1; do
		retry_until 30 requests_at_least /healthz $i 3
	done
	[ "$(event_count probe_failed)" = 0 ]
	stop_master
}

@test "an address of a network card is reached as well" {
	need_root
	need unshare ip nsenter
	unshare -n ip link add d0 type veth peer name d1 2> /dev/null || skip "no network cards to be made here"
	LISTEN="10.98.0.1:$PORT" web_conf 2 "ready = http:/ready
probe = http:/healthz
probe_interval = 100ms"
	unshare -n sh -c 'ip link set lo up && ip link add d0 type veth peer name d1 &&
		ip addr add 10.98.0.1/24 dev d0 && ip link set d0 up && exec broodd -c "$1"' \
		sh "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 all_ready
	for i in 0 1; do
		retry_until 30 requests_at_least /healthz $i 3
	done
	[ "$(event_count probe_failed)" = 0 ]
	[ "$(nsenter -t "$MASTER" -n curl -s --max-time 5 "http://10.98.0.1:$PORT/")" = ok ]
	stop_master
}

@test "workers that share one socket are not told apart, which is said once" {
	# Where it is the configuration that says so, it is refused.
	web_conf 2 "balance = shared
probe = http:/healthz"
	start_master || true
	[ "$MASTER_EXIT" = 78 ]
	log_has 'probe = http:/path needs a worker that can be addressed'
	# Where it is the kernel: this one is said to be too old to replace a program in use.
	web_conf 2 "ready = tcp
probe = http:/healthz
probe_interval = 100ms"
	export BROOD_STEER_SWAP=no
	start_master
	retry_until 20 all_ready
	retry_until 20 logged 'not probed: cannot be addressed'
	sleep 0.5
	[ "$(event_count probe_failed)" -le 2 ]
	[ "$(requests /healthz 0)" = 0 ]
	[ "$(get /)" = ok ]
	stop_master
}
