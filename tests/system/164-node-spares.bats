# take = node, spares = N: workers that have booted and wait with their listen() until a slot needs them.

load ../lib/common
load ../lib/node

# web N SPARES: a master with N workers and so many spares, which are parked.
web() {
	KEYS="spares = $2
listen = 127.0.0.1:$PORT?as=3000" node_web "$1" '[["http", 3000]]'
	retry_until 30 parked "$2"
}

parked() {
	app_is '.spares|map(select(.state == "parked"))|length' "$1"
}

spare() {
	app ".spares[0]$1"
}

# serves N PID: so it does, in slot N.
serves() {
	[ "$(slot "$1" '|"\(.state) \(.worker.pid)"')" = "serving $2" ]
}

# spare_died PID: another is parked in its place.
spare_died() {
	[ "$(spare '|"\(.state) \(.worker.pid == '"$1"')"')" = "parked false" ]
}

@test "a spare takes the place of a worker that is killed, and keeps its number" {
	local dead pid

	web 2 1
	[ "$(app .workers)" = 2 ]
	[ "$(spare .slot)" = 2 ]
	pid=$(spare .worker.pid)
	# It serves nobody.
	for _ in {1..40}; do
		get /id
	done | cut -d' ' -f1 | sort -u > "$T/slots"
	[ "$(xargs < "$T/slots")" = "0 1" ]

	dead=$(worker 1)
	kill -KILL "$dead"
	retry_until 10 serves 1 "$pid"
	[ "$(slot 1 .worker.number)" = 2 ]
	[ "$(slot 1 .restarts)" = 1 ]
	[ "$(death 1 .pid)" = "$dead" ]
	for _ in {1..40}; do
		get /id
	done | cut -d' ' -f1 | sort -u > "$T/slots"
	[ "$(xargs < "$T/slots")" = "0 2" ]
	ctl status | grep -F '1 (as 2)'
	log_has '^web\.2 \| 0 '
	ctl logs web.2 | grep -q ' 0 '
	ctl why web.1 | grep -F 'it knows itself as web.2'
	# Another one follows.
	retry_until 30 parked 1
	[ "$(spare .slot)" = 3 ]
	ctl status | grep -E 'spare 3 .*parked'
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "what waits at the socket of a dead worker is answered by the spare" {
	local pid

	web 1 1
	pid=$(spare .worker.pid)
	kill -STOP "$(worker 0)"
	spawn sh -c "exec curl -sS --max-time 60 http://127.0.0.1:$PORT/id > $T/answer"
	retry_until 10 slot_is 0 .queue.now 1
	kill -KILL "$(worker 0)"
	wait "${PIDS[-1]}"
	[ "$(cut -d' ' -f1,3 "$T/answer")" = "1 $pid" ]
}

@test "spares are of the generation that serves, and gone with their app" {
	local pid dead

	web 2 2
	pid=$(spare .worker.pid)
	ctl reload web
	retry_until 30 app_is '.spares|map("\(.state) \(.worker.generation)")|join(" ")' \
		'parked 2 parked 2'
	retry_until 10 ended "$pid"
	# A spare that dies is followed by another; nobody is the worse for it.
	dead=$(spare .worker.pid)
	ctl kill web.2 KILL
	retry_until 30 spare_died "$dead"
	[ "$(app .ready)" = 2 ]
	# A new slot has the number of a spare, and takes it.
	pid=$(spare .worker.pid)
	ctl scale web 3
	serves 2 "$pid"
	retry_until 30 parked 2
	[ "$(app '.spares|map(.slot)|sort|join(" ")')" = "3 4" ]
	ctl stop web
	[ "$(app '.spares|length')" = 0 ]
	run ! pgrep -P "$MASTER" -f cluster.js
}

@test "a program that does not listen has no spares, and is none the less ready" {
	expect_in_log 'no spare any more'
	echo 'setInterval(() => {}, 1000)' > "$T/idle.js"
	write_conf << END
[app:web]
command = node $T/idle.js
workers = 1
spares = 1
directory = $T
ready_timeout = 1s
END
	start_master
	retry_until 30 app_is .ready 1
	retry_until 30 app_is '.spares[0].state' failed
	ctl why web.1 | grep -F 'a spare that did not listen within 1s'
}
