# recipe.bash: what every recipe of contrib/recipes has to do, by its own configuration.
#
#	recipe_start NAME WORKERS	a master on the recipe's brood.conf, with $PORT; sets DIR
#	recipe_serves TIER		all serve, by wait sets
#	recipe_reloads			under load nothing fails, and what is under way is finished
#	recipe_survives_a_standstill	a worker that stands holds nobody up
#	recipe_survives_a_kill		so does one that dies; it comes back

load ../lib/slots

SLOW=60000 # ms that an answer may take: a limit for hangs, not for speed

recipe_start() {
	DIR=$top_srcdir/contrib/recipes/$1
	CONF=$DIR/brood.conf NAME=$1
	export LISTEN=127.0.0.1:$PORT WORKERS=$2
	cd "$DIR" || return 1
	start_master
	retry_until 120 all_ready
}

# recipe_load SECONDS RATE: none may fail
recipe_load() {
	"$top_builddir/tests/bench/load" -p "$PORT" -d "$1" -r "$2" -t $SLOW > "$T/load"
	recipe_no_failure
}

recipe_no_failure() {
	[ -s "$T/load" ] || return 1 # jq has nothing against it
	jq -e '.hard == 0 and .stale == 0 and .new.answered > 0 and .new.answered == .new.asked' \
		"$T/load" > /dev/null || {
		cat "$T/load"
		return 1
	}
}

recipe_stands() {
	grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

recipe_serves() {
	local slots

	[[ $(get /) == "slot "*", pid "* ]]
	[ "$(app '.slots[].tier' | sort -u)" = "$1" ]
	slots=$(for _ in {1..60}; do get /; done | cut -d, -f1 | sort -u | wc -l)
	[ "$slots" = "$(app .workers)" ]
}

recipe_reloads() {
	local code load

	curl -s -o /dev/null --max-time 60 -w '%{http_code}' \
		"http://127.0.0.1:$PORT/io?ms=1500" > "$T/code" 3>&- &
	code=$!
	PIDS+=("$code")
	"$top_builddir/tests/bench/load" -p "$PORT" -d 0 -r 50 -t $SLOW > "$T/load" 3>&- &
	load=$!
	PIDS+=("$load")
	retry_until 20 recipe_is_busy
	for _ in 1 2; do
		run -0 ctl reload web
	done
	retry_until 60 app_is .leaving 0
	kill -TERM "$load"
	wait "$load" || true
	recipe_no_failure
	wait "$code"
	[ "$(cat "$T/code")" = 200 ]
	[ "$(ctl events --json -n 1000 | jq -r 'select(.event == "worker_died").text')" = "" ]
}

recipe_is_busy() {
	[ -n "$(ss -Htn state established "sport = :$PORT")" ]
}

recipe_survives_a_standstill() {
	local pid

	pid=$(worker 1)
	kill -STOP "$pid"
	retry_until 20 recipe_stands "$pid"
	recipe_load 1 200
	[ "$(jq -r ".by_worker[\"$pid\"] // 0" "$T/load")" = 0 ]
	kill -CONT "$pid"
	retry_until 30 recipe_told_of_taking_over
}

recipe_told_of_taking_over() {
	[ "$(app '|[.slots[].taken_over]|add')" -gt 0 ]
}

recipe_survives_a_kill() {
	local pid

	pid=$(worker 0)
	kill -KILL "$pid"
	recipe_load 1 100
	retry_until 60 serves_anew 0 "$pid"
	recipe_load 1 50
}
