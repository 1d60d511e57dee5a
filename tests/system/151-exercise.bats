# What a worker in C does with work that takes long: wait, compute, or compute elsewhere. How long that
# takes is measured by tests/bench/runtime; here is that nobody waits for it.

load ../lib/common
load ../lib/slots

hello_conf() {
	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = $1
listen = 127.0.0.1:$PORT
${2:-}
END
}

# in_background NAME PATH: its answer is in $T/NAME once it is there.
in_background() {
	curl -sS --max-time 60 "http://127.0.0.1:$PORT$2" > "$T/$1" 2>> "$LOG" 3>&- &
	PIDS+=("$!")
}

@test "a worker that computes off its loop answers others meanwhile" {
	hello_conf 1
	start_master
	retry_until 20 all_ready
	in_background offload "/cpu-offload?ms=5000&by=offload"
	in_background thread "/cpu-offload?ms=5000&by=thread"
	retry_until 10 slot_is 0 .worker.beat.conns 2
	run -0 get /
	[ ! -s "$T/offload" ]
	[ ! -s "$T/thread" ]
	retry_until 60 test -s "$T/offload"
	retry_until 60 test -s "$T/thread"
	for by in offload thread; do
		run -0 get "/cpu-offload?ms=1&by=$by"
		[ "${output//[0-9]/}" = "$(tr -d 0-9 < "$T/$by")" ]
	done
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a worker that never comes back holds up nobody, and the watchdog replaces it" {
	hello_conf 3 "watchdog = 1500ms
abort_timeout = 200ms"
	start_master
	retry_until 20 all_ready
	pids=("$(worker 0)" "$(worker 1)" "$(worker 2)")
	in_background forever "/cpu?ms=60000"
	answered=0
	until [ "$(app .deaths)" = 1 ]; do
		run -0 curl -sSf --max-time 10 "http://127.0.0.1:$PORT/"
		[ -n "$output" ]
		answered=$((answered + 1))
		[ "$answered" -lt 5000 ]
	done
	[ "$answered" -ge 3 ]
	for slot in 0 1 2; do
		kill -0 "${pids[slot]}" 2> /dev/null || break
	done
	retry_until 20 serves_anew "$slot" "${pids[slot]}"
	run -0 ctl why "web.$slot"
	[[ $output == *watchdog* ]]
	for _ in {1..20}; do
		run -0 get /
	done
	stop_master
}
