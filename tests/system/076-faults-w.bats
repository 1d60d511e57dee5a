# The faults W1-W8: what a worker may do to its channel, and what must come of it. That each byte
# is parsed as it should be is the units' business; here the whole master is under it.

load ../lib/common
load ../lib/slots

rss_kb() {
	awk '/^VmRSS/ { print $2 }' "/proc/$MASTER/status"
}

# Ticks of a hundredth of a second that the master has computed.
cpu_ticks() {
	awk '{ print $14 + $15 }' "/proc/$MASTER/stat"
}

# The terminal as a program sees it. What is printed there must have no control bytes of others.
on_terminal() {
	script -qec "$*" /dev/null < /dev/null | tr -d '\r'
}

no_controls() {
	! LC_ALL=C grep -q '[^[:print:][:space:]]' <<< "$1" || {
		cat -v <<< "$1"
		return 1
	}
}

@test "W1 frames split and joined at any byte mean the same" {
	need python3
	speakers 2
	python3 - "$T/say.0" << 'END'
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY)
frames = b'{"brood":"status","text":"in pieces"}\n' \
    b'{"brood":"metric","name":"n","type":"counter","value":1}\n' * 2
for i in range(len(frames)):
    os.write(fd, frames[i:i + 1])
    time.sleep(0.0005)
os.write(fd, b'{"brood":"metric","name":"n","type":"counter","value":1}\n' * 50 + b'{"brood":"me')
time.sleep(0.05)
os.write(fd, b'tric","name":"n","type":"counter","value":1}\n')
END
	say 0 '{"brood":"send","to":"web.1","data":"end"}'
	retry_until 5 heard 1 '"data":"end"'
	[ "$(slot 0 .worker.status)" = "in pieces" ]
	[ "$(metric n)" = 53 ]
	[ "$(slot 0 .worker.messages_skipped)" = 0 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

# fault WHAT FRAME: the worker of slot 1 sends it; its slot gets another worker, and why tells.
fault() {
	local old=$(worker 1) other=$(worker 0)

	say 1 "$2"
	retry_until 10 serves_anew 1 "$old"
	[ "$(worker 0)" = "$other" ]
	# It leaves at once, so that the replacement that was on its way starts anew in its place.
	[ "$(death_of 1 "$old" '[.cause, .code]|map(tostring)|join(" ")')" = "protocol 0" ]
	ctl why web.1 > "$T/why"
	grep -q "$1" "$T/why" || {
		cat "$T/why"
		return 1
	}
}

@test "W2 what is no control message closes the channel, and the worker is replaced" {
	speakers 2
	fault 'JSON' '{"brood":"status","text":'
	fault 'text is missing' '{"brood":"status"}'
	fault 'text is not a string' '{"brood":"status","text":[]}'
	fault 'JSON' '{"brood":"beat","busy":NaN}'
	fault 'JSON' '{"brood":"status","text":"a","text":"b"}'
	fault 'deep' '{"brood":"status","text":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}'
	fault 'JSON' "$(printf '{"brood":"status","text":"\xff\xfe"}')"
	[ "$(app .ready)" = 2 ]
	[ "$(ctl describe web --json | jq '.config.crash_burst')" = '"5"' ]
	run ! logged 'gave up|next start in'
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "W2 a control message without end is a fault, an application message is skipped" {
	speakers 2
	printf -v long '%070000d' 0
	say 1 "\"$long\""
	retry_until 5 slot_is 1 .worker.messages_skipped 1
	fault 'longer than message_max' "{\"brood\":\"status\",\"text\":\"$long\"}"
	run ! logged 00000000
	stop_master
}

@test "W2 a worker that is faulty before it is ready fails its start" {
	write_conf << END
[app:web]
command = badworker --only-slot 1 --start-delay 50 --hang --send {"brood":"status"}
workers = 2
ready = notify
restart_limit = 2/60s
restart_delay = 10ms
END
	sed -i 's/--send .*/--send "{\\"brood\\":\\"status\\"}"/' "$CONF"
	start_master
	retry_until 10 slot_is 1 .state failed
	[ "$(death 1 .cause)" = protocol ]
	[ "$(slot 0 .state)" = serving ]
	stop_master
}

@test "W3 a message with thousands of keys costs little" {
	need python3
	speakers 2
	before=$(rss_kb)
	python3 -c 'print("{\"brood\":\"beat\"," + ",".join("\"k%d\":[{}]" % i for i in range(5000)) + "}")' > "$T/many"
	for i in {1..20}; do
		timeout 5 cp "$T/many" "$T/say.0"
	done
	say 0 '{"brood":"send","to":"web.1","data":"end"}'
	retry_until 10 heard 1 '"data":"end"'
	[ -n "${BROOD_SANITIZED:-}" ] || [ $(($(rss_kb) - before)) -lt 8000 ]
	stop_master
}

@test "W4 a flood from one worker is throttled; the others and brood do not notice" {
	speakers 3 --only-slot 0 --flood-channel
	say 2 '{"brood":"beat","lag_us":1,"conns":7}'
	before=$(cpu_ticks) began=$(uptime_cs)
	for i in {1..10}; do
		asked=$(uptime_cs)
		ctl status > /dev/null
		[ $(($(uptime_cs) - asked)) -le 50 ]
		say 1 "{\"brood\":\"send\",\"to\":\"web.2\",\"data\":\"n$i\"}"
		retry_until 1 heard 2 "\"from\":\"web.1\",\"data\":\"n$i\""
	done
	answers
	took=$(($(uptime_cs) - began))
	[ -n "${BROOD_SANITIZED:-}" ] || [ $((($(cpu_ticks) - before) * 3)) -le "$took" ]
	# The burst and a thousand a second, and what a read has taken at once.
	[ "$(slot 0 .worker.messages_in)" -le $((8000 + took * 10)) ]
	[ "$(slot 0 .worker.messages_in)" -ge 1000 ]
	[ "$(slot 2 .worker.beat.conns)" = 7 ]
	[ "$(app .deaths)" = 0 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "W4 a flood of application messages and of long ones" {
	printf -v long '%030000d' 0
	speakers 2 --only-slot 0 --flood-channel --send "$long"
	for i in {1..5}; do
		say 1 "{\"brood\":\"status\",\"text\":\"n$i\"}"
		retry_until 1 slot_is 1 .worker.status "n$i"
	done
	[ "$(slot 0 .worker.messages_skipped)" -ge 100 ]
	answers
	stop_master
}

@test "W5 a worker that does not read: oldest messages are dropped and counted" {
	speakers 2
	before=$(rss_kb) deaf=$(worker 1)
	kill -STOP "$deaf"
	printf -v long '%040000d' 0
	for i in {1..60}; do
		ctl send web.1 "[$i,\"$long\"]" > /dev/null
	done
	dropped=$(slot 1 .worker.messages_dropped)
	[ "$dropped" -ge 20 ]
	[ -n "${BROOD_SANITIZED:-}" ] || [ $(($(rss_kb) - before)) -lt 4000 ]
	# Who reads is not held up.
	ctl send web.0 '"hello"'
	retry_until 2 heard 0 '"data":"hello"'
	kill -CONT "$deaf"
	retry_until 5 heard 1 '"data":\[60,'
	heard 1 '"data":\[1,' # was on its way already
	[ "$(grep -c '"message"' "$T/heard.1")" = $((60 - dropped)) ]
	# The missing ones are together, and before the newest: the oldest that were queued.
	grep -o '"data":\[[0-9]*' "$T/heard.1" | tr -dc '0-9\n' > "$T/numbers"
	[ "$(awk 'NR > 1 && $1 != last + 1 { gaps++ } { last = $1 } END { print gaps + 0 }' "$T/numbers")" = 1 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "W5 the control messages of a worker that never reads are not lost, and it is stopped" {
	speakers 2 --only-slot 1 --deaf
	printf -v long '%040000d' 0
	for i in {1..40}; do
		ctl send web.1 "\"$long\"" > /dev/null
	done
	old=$(worker 1)
	ctl reload
	retry_until 5 serves_anew 1 "$old"
	[ "$(death 1 '|[.cause, .code]|map(tostring)|join(" ")')" = "reload 0" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "W6 who a worker is, is known by its descriptor; numbers are clamped" {
	speakers 2
	pid=$(worker 0)
	say 0 '{"brood":"beat","pid":1,"slot":1,"app":"other","generation":99,"lag_us":-5,"busy":1e308,"conns":-1,"requests":1e308}'
	retry_until 5 slot_is 0 .worker.beat.busy 1
	[ "$(slot 0 '.worker|[.pid, .generation, .beat.lag_us, .beat.conns]|map(tostring)|join(" ")')" = "$pid 1 0 0" ]
	[ "$(slot 0 '.worker.beat.requests <= 9007199254740992')" = true ]
	[ "$(slot 1 .worker.beat)" = null ]
	say 0 '{"brood":"send","to":"web.1","from":"brood","slot":1,"data":1}'
	retry_until 5 heard 1 '"from":"web.0"'
	# Another app and a slot that is not there: nobody gets it.
	say 0 '{"brood":"send","to":"other.0","data":2}'
	say 0 '{"brood":"send","to":"web.4294967297","data":2}'
	say 0 '{"brood":"send","to":"../web.1","data":2}'
	# A counter only goes up.
	say 0 '{"brood":"metric","name":"n","type":"counter","value":5}'
	say 0 '{"brood":"metric","name":"n","type":"counter","value":-3}'
	say 0 '{"brood":"metric","name":"n","type":"counter","value":1e308}'
	say 0 '{"brood":"metric","name":"n","type":"counter","value":1e308}'
	say 0 '{"brood":"metric","name":"not a name","type":"counter","value":1}'
	say 0 '{"brood":"send","to":"web.1","data":3}'
	retry_until 5 heard 1 '"data":3'
	run ! heard 1 '"data":2'
	ctl describe web --json | jq -e '.metrics|length == 1 and .[0].value >= 5'
	[ "$(slot 0 .worker.messages_skipped)" -ge 2 ]
	[ "$(app .deaths)" = 0 ]
	stop_master
}

@test "W7 ready twice, while stopping, and after a stop changes nothing" {
	speakers 2 --ready-twice --ready-while-stopping
	[ "$(event_count worker_ready)" = 2 ]
	say 0 '{"brood":"ready"}'
	say 0 '"ready"'
	say 0 '{"brood":"send","to":"web.1","data":1}'
	retry_until 5 heard 1 '"data":1'
	[ "$(event_count worker_ready)" = 2 ]
	ctl stop web
	[ "$(app .state)" = resting ]
	[ "$(event_count worker_ready)" = 2 ]
	[ "$(event_count message_ignored)" -ge 1 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "W7 a worker that says stopping twice, or stopping before ready" {
	speakers 2
	old=$(worker 0)
	say 0 '{"brood":"stopping"}
{"brood":"stopping"}
{"brood":"ready"}
{"brood":"replace"}'
	retry_until 5 slot_is 0 '.worker.pid != '"$old" true
	kill -TERM "$old"
	retry_until 5 serves_anew 0 "$old"
	[ "$(app .ready)" = 2 ]
	[ "$(app .starts)" = 3 ]
	log_has 'it asked for it, while draining: ignored'
	stop_master
}

@test "W8 control characters from a worker reach no terminal and no log" {
	need script jq
	printf '#!/bin/sh\nprintf "words \\033[2Jof\\007 it\\n" >&2\nexec badworker "$@"\n' > "$T/loud"
	chmod +x "$T/loud"
	write_conf << END
[app:web]
command = $T/loud $(speaking 2)
workers = 2
listen = 127.0.0.1:$PORT
ready = channel
log = file:$T/out.log
END
	start_master
	retry_until 10 app_is .ready 2
	old=$(worker 1)
	say 0 '{"brood":"status","text":"a\u001b]0;owned\u0007b\u009b31mc\u202ed\ne"}'
	say 1 '{"brood":"replace","reason":"x\u001b[31my\nweb.0: forged"}'
	retry_until 5 serves_anew 1 "$old"
	kill -SEGV "$(worker 1)"
	retry_until 5 slot_is 1 .restarts 1
	for verb in status "why web" "why web.1" "describe web" "logs web" events ls; do
		for color in never always; do
			out=$(on_terminal brood -i "$NAME" "--color=$color" "$verb" | sed 's/\x1b\[[0-9;]*m//g')
			no_controls "$out"
		done
		out=$(ctl $verb --json)
		no_controls "$out"
		jq . <<< "$out" > /dev/null
	done
	[[ $(ctl status) == *'a\x1B]0;owned\x07b\x9B31mc\u{202E}d\x0Ae'* ]]
	[[ $(ctl logs web) == *'words \x1B[2Jof\x07 it'* ]]
	[[ $(ctl why web.1) == *'words \x1B[2Jof\x07 it'* ]]
	no_controls "$(cat "$LOG")"
	no_controls "$(cat "$T/out.log")"
	run ! logged '^web\.0: forged|^[^2]'
	stop_master
}

@test "W8 a long text is cut, also between the bytes of a character" {
	speakers 2
	say 0 "{\"brood\":\"status\",\"text\":\"$(printf 'é%.0s' {1..20000})\"}"
	retry_until 5 slot_is 0 '.worker.status|startswith("éé")' true
	[ "$(slot 0 '.worker.status|utf8bytelength <= 255')" = true ]
	old=$(worker 0)
	say 0 "{\"brood\":\"replace\",\"reason\":\"$(printf 'long %.0s' {1..5000})\"}"
	retry_until 5 serves_anew 0 "$old"
	[ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' "$LOG")" -lt 1200 ]
	stop_master
}
