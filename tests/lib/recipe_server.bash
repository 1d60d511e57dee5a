# recipe_server.bash: what recipes for servers that know nothing of brood have to do (tier T0). The
# app's name is web, its answers have X-Worker, and /io?ms=N waits.
#
#	server_life NAME WORKERS [STALE]	the whole of it: the functions below, in their order
#	server_serves		each slot serves
#	server_reloads [STALE]	twice, under new and keep-alive clients: nothing fails, what is under
#				way is finished, nobody is ended by force. STALE is for servers that close
#				idle connections without a word: how many in a hundred requests of
#				keep-alive clients may have met that and must be asked again (default 0).
#	server_survives_a_kill	of slot 0: neither new connections nor the request in slot 1 fail
#	server_stops		in order

load ../lib/recipe

server_life() {
	recipe_start "$1" "$2"
	server_serves
	server_reloads "${3:-0}"
	server_survives_a_kill
	server_stops
}

# Each connection is a new one.
server_serves() {
	local answers

	answers=$(curl -sS --max-time 60 -H 'Connection: close' -o /dev/null \
		-w '%{http_code} %header{x-worker}\n' "http://127.0.0.1:$PORT/?[1-40]")
	[ "$(grep -c '^200 [1-9]' <<< "$answers")" = 40 ]
	[ "$(sort -u <<< "$answers" | wc -l)" = "$(app .workers)" ]
}

# server_ask OPTION...: a request that takes a while, in the background; its pid is in ASKED
server_ask() {
	curl -s -o /dev/null --max-time 60 -w '%{http_code}' "$@" \
		"http://127.0.0.1:$PORT/io?ms=1000" > "$T/code" 3>&- &
	ASKED=$!
	PIDS+=("$ASKED")
	retry_until 20 recipe_is_busy
}

server_was_answered() {
	wait "$ASKED"
	[ "$(cat "$T/code")" = 200 ]
}

server_reloads() {
	local load

	server_ask
	"$top_builddir/tests/bench/load" -p "$PORT" -d 0 -r 50 -k 8 -q 4 -t $SLOW > "$T/load" 3>&- &
	load=$!
	PIDS+=("$load")
	for _ in 1 2; do
		run -0 ctl reload web
	done
	retry_until 60 app_is .leaving 0
	kill -TERM "$load"
	wait "$load" || true
	jq -e --argjson stale "${1:-0}" '.hard == 0 and .new.answered > 0 and
		.new.answered == .new.asked and .kept.answered > 0 and
		.kept.answered + .kept.stale == .kept.asked and
		.kept.stale * 100 <= .kept.asked * $stale' "$T/load" > /dev/null || {
		cat "$T/load"
		return 1
	}
	server_was_answered
	[ "$(ctl events --json -n 1000 | jq -r 'select(.event == "worker_died").text')" = "" ]
	run ! logged 'aborting it'
}

# The master sends what comes from 127.98.0.1 to slot 1.
server_survives_a_kill() {
	local pid

	server_ask --interface 127.98.0.1
	pid=$(worker 0)
	kill -KILL "$pid"
	recipe_load 1 50
	server_was_answered
	retry_until 60 serves_anew 0 "$pid"
	server_serves
}

server_stops() {
	stop_master 60
	[ "$MASTER_EXIT" = 0 ]
	run ! logged 'aborting it'
}
