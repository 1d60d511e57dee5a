# contrib/recipes/asyncio: the ring from within a loop of the program's own (tier T1).

load ../lib/common
load ../lib/recipe

setup() {
	common_setup
	need python3
}

@test "it serves by its own configuration, from wait sets within its loop" {
	recipe_start asyncio 3
	recipe_serves T1
}

@test "reloads lose nothing, and what is under way is finished" {
	recipe_start asyncio 3
	recipe_reloads
}

@test "a worker that stands holds up no new connection" {
	recipe_start asyncio 3
	recipe_survives_a_standstill
}

@test "nor does one that blocks in its own code" {
	local blocked pid

	recipe_start asyncio 3
	pid=$(worker 1)
	curl -s --max-time 60 --interface 127.98.0.1 "http://127.0.0.1:$PORT/block?ms=20000" \
		> "$T/blocked" 3>&- &
	blocked=$!
	PIDS+=("$blocked")
	retry_until 20 recipe_is_busy
	recipe_load 1 100
	# All of that was answered while it stood, and still it stands.
	kill -0 "$blocked"
	[ ! -s "$T/blocked" ]
	[ "$(jq '.by_worker | length' "$T/load")" = 2 ]
	kill -KILL "$blocked"
	kill -KILL "$pid"
}

@test "a worker that is killed holds up nobody, and comes back" {
	recipe_start asyncio 3
	recipe_survives_a_kill
}

@test "more slots and fewer, while it serves: neighbours change" {
	recipe_start asyncio 2
	for n in 6 3 2; do
		run -0 ctl scale web "$n"
		retry_until 60 all_ready
		recipe_load 1 50
	done
}

@test "run by hand it binds for itself, and ends when it is told" {
	cd "$top_srcdir/contrib/recipes/asyncio"
	PORT=$PORT spawn python3 app.py
	retry_until 30 answers
	[[ $(get /) == "slot -, pid $SPAWNED" ]]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}
