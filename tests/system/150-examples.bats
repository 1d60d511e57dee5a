# contrib/examples: each does what it says by hand, and those that are workers live a whole life
# under a master: ready, reloaded, drained.

load ../lib/common
load ../lib/slots

setup() {
	common_setup
	EXAMPLES=$top_builddir/contrib/examples
	SLOW=60000 # ms that an answer may take: a limit for hangs, not for speed
}

# by_hand NAME: starts it without a master; end_by_hand: it ends when it is told, with 0
by_hand() {
	PORT=$PORT spawn "$EXAMPLES/$1"
}

end_by_hand() {
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}

# cluster NAME [KEY...]: two workers of it
cluster() {
	write_conf << END
[app:web]
command = $EXAMPLES/$1
workers = 2
stop_timeout = 20s
${2:-}
END
	start_master
	retry_until 60 all_ready
}

# reloaded: all are replaced, and the old ones drain and end by themselves
reloaded() {
	local old

	old=$(worker 0)
	run -0 ctl reload web
	retry_until 60 app_is .leaving 0
	retry_until 60 all_ready
	[ "$(worker 0)" != "$old" ]
	nobody_died
}

# No obituary: whoever left did so with 0, and was not signalled.
nobody_died() {
	[ "$(ctl events --json -n 1000 | jq -r 'select(.event == "worker_died").text')" = "" ]
	! logged 'killed by|aborting it|exit code [1-9]'
}

drained() {
	stop_master 60
	[ "$MASTER_EXIT" = 0 ]
	! logged 'killed by|aborting it'
}

# echoed TEXT: comes back on a connection of its own
echoed() {
	local answer=

	exec 7<> "/dev/tcp/127.0.0.1/$PORT" || return 1
	printf '%s\n' "$1" >&7
	read -r -t 10 answer <&7 || true
	exec 7>&-
	[ "$answer" = "$1" ]
} 2> /dev/null

@test "each is short, is named in the README, and stands on brood.h alone" {
	local file name

	for file in "$top_srcdir"/contrib/examples/*.c; do
		name=$(basename "$file")
		[ "$(wc -l < "$file")" -le 60 ] || { echo "$name is too long"; return 1; }
		grep -q "^$name  *[^ ]" "$top_srcdir/contrib/examples/README" || { echo "$name"; return 1; }
		[ -x "$EXAMPLES/${name%.c}" ] || { echo "$name is not built"; return 1; }
		grep -q '^#include <brood.h>$' "$file"
		run ! grep -E '^#include (".*"|<uv.h>)' "$file"
	done
	for name in $(sed -n 's/^\([a-z]*\.c\)  .*/\1/p' "$top_srcdir/contrib/examples/README"); do
		[ -e "$top_srcdir/contrib/examples/$name" ] || { echo "$name"; return 1; }
	done
}

@test "tick: phases and queues in their order" {
	run -0 timeout 60 "$EXAMPLES/tick"
	[ "$output" = "main
  tick
  microtask
poll: the pool has done its work
  tick
  microtask
check: an immediate
  tick
  microtask
timers: 0 ms have passed
  tick
  microtask" ]
}

@test "offload: what the pool has counted, and what was cancelled" {
	UV_THREADPOOL_SIZE=2 run -0 timeout 60 "$EXAMPLES/offload"
	[ "${lines[0]}" = "below 200000: 17984 primes (0)" ]
	[ "${lines[4]}" = "below 600000: 49098 primes (0)" ]
	[ "${lines[5]}" = "below 700000: 0 primes (-125)" ]
	[ "${lines[6]}" = "the timer ticked meanwhile" ]
}

@test "threads: messages, and both ends" {
	run -0 timeout 60 "$EXAMPLES/threads"
	[ "$output" = 'answer: {"bytes":1000000}
end: code 1, what?: Invalid argument
end: code 1, no error' ]
}

@test "partition: the timer ticks while the loop computes" {
	run -0 --separate-stderr timeout 60 "$EXAMPLES/partition"
	[ "$output" = "148933 primes below 2000000
the timer ticked" ]
}

@test "child: a task talks to it" {
	run -0 timeout 60 "$EXAMPLES/child"
	[ "$output" = "apple
fig
pear
sort: 0" ]
}

@test "hello by hand" {
	by_hand hello
	retry_until 30 answers
	[ "$(get '/?name=A%20B')" = "hello, A B, says $SPAWNED" ]
	[ "$(get '/?nobody')" = "hello, world, says $SPAWNED" ]
	[ "$(get /slow)" = slow ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/slower")" = 404 ]
	end_by_hand
}

@test "hello under a master: reloads under load lose nothing, and it drains" {
	cluster hello "listen = 127.0.0.1:$PORT"
	[ "$(slot 0 .tier)" = T2 ]
	"$top_builddir/tests/bench/load" -p "$PORT" -d 0 -r 50 -k 4 -q 20 -t $SLOW > "$T/load" 3>&- &
	PIDS+=("$!")
	retry_until 20 get / > /dev/null
	curl -s -o /dev/null --max-time 60 -w '%{http_code}' "http://127.0.0.1:$PORT/slow" > "$T/code"
	reloaded
	reloaded
	kill -TERM "${PIDS[-1]}"
	wait "${PIDS[-1]}" || true
	jq -e '.hard == 0 and .stale == 0 and .new.answered > 0 and .new.answered == .new.asked' \
		"$T/load" > /dev/null || { cat "$T/load"; return 1; }
	[ "$(cat "$T/code")" = 200 ]
	drained
}

@test "hello by brood run" {
	spawn brood run -n 2 -l "127.0.0.1:$PORT" -i "$NAME" -a web -- "$EXAMPLES/hello"
	retry_until 60 answers
	retry_until 60 all_ready
	[[ $(get /) == "hello, world, says "* ]]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}

@test "echo by hand" {
	by_hand echo
	retry_until 30 echoed "one"
	echoed "two"
	end_by_hand
}

@test "echo under a master: who is connected is served through a reload" {
	local answer

	cluster echo "listen = 127.0.0.1:$PORT"
	echoed "one"
	exec 6<> "/dev/tcp/127.0.0.1/$PORT"
	printf 'before\n' >&6
	read -r -t 10 answer <&6
	[ "$answer" = before ]
	ctl reload web > /dev/null
	echoed "another, to a new one"
	printf 'after\n' >&6
	read -r -t 10 answer <&6
	[ "$answer" = after ]
	exec 6>&-
	retry_until 60 app_is .leaving 0
	nobody_died
	drained
}

@test "chat by hand has nobody to talk to, and ends" {
	by_hand chat
	retry_until 10 speaks_sigterm "$SPAWNED"
	end_by_hand
}

# Whether it has a handler for TERM.
speaks_sigterm() {
	local caught

	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
	[ $((0x${caught:-0} & 1 << 14)) != 0 ]
}

@test "chat under a master: what one is told all hear" {
	cluster chat
	ctl send web.0 '{"say":"good morning"}'
	retry_until 30 logged 'web\.0 .*\{"say":"good morning"\}, says brood'
	retry_until 30 logged 'web\.1 .*\{"say":"good morning"\}, says web\.0'
	retry_until 30 slot_is 1 .worker.status "heard 1"
	reloaded
	ctl send web.1 '"and again"'
	retry_until 30 logged 'web\.0 .*"and again", says web\.1'
	drained
}

@test "cron by hand runs its job" {
	by_hand cron
	retry_until 30 logged '^job 2$'
	end_by_hand
}

@test "cron under a master: one leader, and another after it" {
	cluster cron
	retry_until 30 one_leads
	retry_until 30 logged 'web\.[01] .*job 1$'
	retry_until 30 counted 1
	kill -KILL "$(worker "$(app .leader)")"
	retry_until 60 all_ready
	retry_until 60 one_leads
	retry_until 60 counted 2
	reloaded_cron
	stop_master 60
	[ "$MASTER_EXIT" = 0 ]
	retry_until 5 log_count_is 'killed by|aborting it|exit code [1-9]' 1
}

one_leads() {
	[ "$(app '|[.slots[]|select(.worker.status == "leader").slot] == [.leader]')" = true ]
}

counted() {
	[ "$(metric jobs_total)" -ge "$1" ]
}

reloaded_cron() {
	run -0 ctl reload web
	retry_until 60 app_is .leaving 0
	retry_until 60 one_leads
}
