# Messages: between workers, from brood, and what workers tell of themselves; the leader; draining
# by agreement.

load ../lib/common
load ../lib/slots

# Lines that the worker of slot $1 got and that match.
heard_count() {
	grep -Ec -- "$2" "$T/heard.$1" || true
}

# After this all that was said before has been delivered: both queues keep their order.
settle() {
	local i

	MARK=$((${MARK:-0} + 1))
	say "$1" "{\"brood\":\"send\",\"to\":\"web.$2\",\"data\":\"mark $MARK\"}"
	retry_until 5 heard "$2" "mark $MARK"
}

@test "workers write to one, to all others, and to the leader" {
	speakers 3
	say 0 '{"brood":"send","to":"web.2","data":{"a":[1,"é"]}}'
	say 0 '{"brood":"send","to":"web.*","data":"all"}'
	say 0 '{"brood":"send","to":"web","data":"each"}'
	say 0 '{"brood":"send","to":"web.0","data":"myself"}'
	for i in 0 1 2; do
		settle 0 $i
	done
	grep -Fqx '{"brood":"message","from":"web.0","data":{"a":[1,"é"]}}' "$T/heard.2"
	[ "$(heard_count 0 '"myself"') $(heard_count 0 '"all"|"each"')" = "1 0" ]
	[ "$(heard_count 1 '"all"|"each"') $(heard_count 2 '"all"|"each"')" = "2 2" ]
	[ "$(heard_count 1 '"a":')" = 0 ]

	leader=$(app .leader)
	other=$(((leader + 1) % 3))
	say $other '{"brood":"send","to":"leader","data":"to the leader"}'
	retry_until 5 heard "$leader" "\"from\":\"web.$other\",\"data\":\"to the leader\""
	# A slot that is not there, another app, nonsense: to nobody, and no fault.
	say 0 '{"brood":"send","to":"web.7","data":"lost"}'
	say 0 '{"brood":"send","to":"","data":"lost"}'
	say 0 '{"brood":"send","to":"web.1x","data":"lost"}'
	settle 0 1
	[ "$(cat "$T"/heard.? | grep -c lost)" = 0 ]
	[ "$(app .deaths)" = 0 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "brood send writes to one and to all that speak" {
	write_conf << END
[app:web]
command = badworker $(speaking 3)
workers = 3
ready = channel
[app:mute]
command = badworker
workers = 2
END
	start_master
	run -0 ctl send web '{"reload":true}'
	[ "$output" = "delivered to 3 workers" ]
	for i in 0 1 2; do
		retry_until 5 heard $i '^\{"brood":"message","from":"brood","data":\{"reload":true\}\}$'
	done
	run -0 ctl send web.1 null
	[ "$output" = "delivered to 1 worker" ]
	retry_until 5 heard 1 '"data":null'
	run ! heard 0 '"data":null'
	[ "$(ctl send web.2 '[]' --json | jq -c .)" = '{"delivered":1}' ]
	[ "$(slot 1 .worker.messages_out)" = 2 ]
	# Who never spoke is not spoken to, and brood says so.
	run ctl send mute '"x"'
	[[ $output == *"0 workers"* || $output == *"no worker"* ]]
	run -64 ctl send web 'no json'
	run -1 ctl send web.7 1
	run -1 ctl send nobody 1
	stop_master
}

# How many of the workers that serve were told last that they lead.
told_leaders() {
	local pid n=0

	for pid in $(app '.slots[].worker.pid // empty'); do
		grep -Eo '"leader(":|","value":)(true|false)' "$T/told.$pid" | tail -n 1 | grep -q true && n=$((n + 1))
	done
	echo "$n"
}

# brood and the workers agree that there is one.
one_leader() {
	[ "$(app '|[.slots[]|select(.worker.leader)]|length')" = 1 ] &&
		[ "$(app '|.slots[.leader].worker.leader')" = true ] && [ "$(told_leaders)" = 1 ]
}

@test "there is one leader: at the start, when it dies, in a reload, in a scaling down" {
	speakers 3 --messages "$T/told.%p"
	retry_until 5 one_leader
	grep -q '^{"brood":"hello","version":1,"app":"web","slot":0,"generation":1,"leader":\(true\|false\)}$' "$T/told.$(worker 0)"

	for i in 1 2 3; do
		leader=$(app .leader) old=$(worker "$(app .leader)")
		kill -KILL "$old"
		retry_until 5 serves_anew "$leader" "$old"
		retry_until 5 one_leader
		[ "$(app .leader)" != "$leader" ]
	done

	# At no moment of a reload two, as brood sees it.
	(
		while [ ! -e "$T/over" ]; do
			app '|[.slots[]|.worker, .next, .leaving[]|select(.leader? == true)]|length'
		done
	) > "$T/leaders" 3>&- &
	watcher=$!
	for i in 1 2 3; do
		ctl reload
	done
	touch "$T/over"
	wait "$watcher"
	[ -s "$T/leaders" ]
	run ! grep -Eqv '^[01]$' "$T/leaders"
	retry_until 5 app_is .leaving 0
	retry_until 5 one_leader

	ctl scale web 1
	retry_until 5 app_is .leaving 0
	retry_until 5 app_is .leader 0
	ctl stop web
	[ "$(app .leader)" = null ]
	stop_master
}

@test "who leads no more and who leads now are both told" {
	speakers 2
	leader=$(app .leader) old=$(worker "$(app .leader)")
	say "$leader" '{"brood":"stopping"}'
	retry_until 5 heard "$leader" '"brood":"leader","value":false'
	retry_until 5 heard $((1 - leader)) '"brood":"leader","value":true'
	kill -TERM "$old"
	retry_until 5 serves_anew "$leader" "$old"
	stop_master
}

@test "metrics are summed over workers, and counters outlive them" {
	speakers 2
	for i in 0 1; do
		say $i '{"brood":"metric","name":"jobs_total","type":"counter","value":2,"labels":{"kind":"mail"}}
{"brood":"metric","name":"jobs_total","type":"counter","value":0.5,"labels":{"kind":"mail"}}
{"brood":"metric","name":"queue","type":"gauge","value":10}
{"brood":"metric","name":"queue","type":"gauge","value":4}'
	done
	settle 0 1
	settle 1 0
	[ "$(metric jobs_total)" = 5 ]
	[ "$(metric queue)" = 8 ]
	ctl describe web | grep -q 'jobs_total{kind="mail"} 5$'

	# A gauge goes with its worker, a counter stays; a rollout changes nothing about that.
	old=$(worker 0)
	kill -KILL "$old"
	retry_until 5 serves_anew 0 "$old"
	[ "$(metric jobs_total) $(metric queue)" = "5 4" ]
	ctl reload
	retry_until 5 app_is .leaving 0
	[ "$(metric jobs_total)" = 5 ]
	say 1 '{"brood":"metric","name":"jobs_total","type":"counter","value":1,"labels":{"kind":"mail"}}'
	settle 1 0
	[ "$(metric jobs_total)" = 6 ]
	# Another type under the same name is skipped and counted.
	skipped=$(slot 1 .worker.messages_skipped)
	say 1 '{"brood":"metric","name":"jobs_total","type":"gauge","value":1}'
	settle 1 0
	[ "$(slot 1 .worker.messages_skipped)" = $((skipped + 1)) ]
	stop_master
}

@test "beat and status text are shown by status; ages do not come from the wall clock" {
	speakers 1
	[ "$(slot 0 .worker.beat)" = null ]
	say 0 '{"brood":"beat","lag_us":1200,"busy":0.31,"conns":17,"requests":9120}
{"brood":"status","text":"warming up"}'
	retry_until 5 slot_is 0 .worker.status "warming up"
	[ "$(slot 0 '.worker.beat|del(.age_ms)|tojson')" = '{"lag_us":1200,"busy":0.31,"conns":17,"requests":9120,"stolen":0}' ]
	[ "$(slot 0 '.worker.beat.age_ms < 5000')" = true ]
	run -0 ctl status
	[[ $output =~ web\ +0\ +[0-9]+\ +ready\ +1\ .*1\.2ms\ +17\ +T0\ .*leader,\ warming\ up ]]
	# A later one has the last word, in its own members.
	say 0 '{"brood":"beat","conns":3}
{"brood":"status","text":""}'
	retry_until 5 slot_is 0 .worker.status ""
	[ "$(slot 0 '.worker.beat|[.conns, .requests]|tojson')" = '[3,9120]' ]
	# The new worker begins with nothing.
	ctl reload
	[ "$(slot 0 .worker.beat)" = null ]
	stop_master
}

@test "a worker that asks to be replaced serves until its replacement does" {
	speakers 2
	old=$(worker 0)
	say 0 '{"brood":"replace","reason":"memory"}'
	retry_until 5 serves_anew 0 "$old"
	[ "$(death 0 '|[.pid, .cause, .expected, .code]|map(tostring)|join(" ")')" = "$old request true 0" ]
	ctl why web.0 | grep -q memory
	heard 0 '^\{"brood":"drain","deadline_ms":30000\}$'
	[ "$(slot 0 .worker.generation)" = 1 ]
	# Ready before the old one was asked to leave.
	ctl events --json | jq -r '[.event, .pid]|map(tostring)|join(" ")' > "$T/events"
	[ "$(grep -n "worker_ready $(worker 0)" "$T/events" | cut -d: -f1)" -lt \
		"$(grep -n "worker_draining $old" "$T/events" | cut -d: -f1)" ]
	stop_master
}

@test "a worker that drains on its own is replaced at once" {
	speakers 2
	old=$(worker 0)
	say 0 '{"brood":"stopping"}'
	retry_until 5 slot_is 0 '|(.state == "serving" and .worker.pid != '"$old"' and .leaving[0].pid == '"$old"')' true
	[ "$(slot 0 '.leaving[0]|[.state, .step]|join(" ")')" = "draining agreed" ]
	kill -TERM "$old"
	retry_until 5 serves_anew 0 "$old"
	[ "$(death 0 '|[.cause, .expected]|map(tostring)|join(" ")')" = "request true" ]
	[ "$(slot 0 .restarts)" -le 1 ]
	stop_master
}

@test "drain: who agrees gets its time and no signal" {
	KEYS="stop_timeout = 20s"
	speakers 1 --slow-drain 1500 --dump-at-stop "$T/at-stop.%p"
	old=$(worker 0)
	ctl reload
	# 1.5 s: longer than who does not answer would get before the stop signal.
	retry_until 10 serves_anew 0 "$old"
	heard 0 '^\{"brood":"drain","deadline_ms":20000\}$'
	[ "$(death 0 '|[.cause, .code, .expected]|map(tostring)|join(" ")')" = "reload 0 true" ]
	[ "$(ctl events --json | jq -r 'select(.event == "worker_stopping").pid')" = "" ]
	stop_master
}

@test "drain: who does not answer gets the stop signal after a second" {
	speakers 1 --ignore-drain
	old=$(worker 0)
	began=$(uptime_cs)
	ctl reload
	retry_until 10 serves_anew 0 "$old"
	took=$(($(uptime_cs) - began))
	[ "$took" -ge 95 ]
	[ -n "${BROOD_SANITIZED:-}" ] || [ "$took" -le 400 ]
	[ "$(ctl events --json | jq -r 'select(.event == "worker_stopping").pid')" = "$old" ]
	stop_master
}

@test "drain: who agrees and does not end is stopped when its time is up" {
	KEYS="stop_timeout = 1s
abort_timeout = 300ms"
	speakers 1 --slow-drain 60000 --ignore TERM
	old=$(worker 0)
	began=$(uptime_cs)
	ctl reload
	retry_until 15 serves_anew 0 "$old"
	[ $(($(uptime_cs) - began)) -le 600 ]
	ctl events --json | jq -r "select(.pid == $old).event" > "$T/events"
	grep -q stop_escalated "$T/events"
	stop_master
}

@test "notify: STATUS, STOPPING and EXTEND_TIMEOUT_USEC work without the channel" {
	need python3
	cat > "$T/worker.py" << 'END'
import os, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(text):
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
tell("EXTEND_TIMEOUT_USEC=20000000\nSTATUS=warming up")
time.sleep(2.5)
tell("READY=1\nSTATUS=serving\x1b[31m\nUNKNOWN=1")
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
os.unlink(sys.argv[1])
tell("STOPPING=1")
time.sleep(60)
END
	write_conf << END
[app:web]
command = python3 $T/worker.py $T/stop
workers = 1
ready = notify
ready_timeout = 2s
END
	start_master
	retry_until 5 slot_is 0 .worker.status "warming up"
	retry_until 10 slot_is 0 .worker.status 'serving\x1B[31m'
	[ "$(app .deaths)" = 0 ]
	old=$(worker 0)
	touch "$T/stop"
	retry_until 5 slot_is 0 '.leaving[0].pid' "$old"
	kill "$old"
	retry_until 10 serves_anew 0 "$old"
	stop_master
}
