# contrib/recipes/express: an app on a port of its own choice, that handles no signal.

load ../lib/common
load ../lib/recipe_node

setup_file() {
	node_packages express --omit=dev
}

setup() {
	common_setup
	need node
	need_packages express
}

@test "it serves as it is, is reloaded and killed, and no request fails" {
	local spare

	node_start express 3
	[[ $(get /) == "Hello World! This is process "* ]]
	node_serves /ping
	node_reloads /ping '/io?ms=1500'
	retry_until 60 app_is '.spares[0].state' parked
	spare=$(app '.spares[0].worker.pid')
	node_survives_a_kill /ping
	[ "$(worker 0)" = "$spare" ]
}

# heavy: from now on some worker is in it for ever; sets HUNG
heavy() {
	spawn curl -s --max-time 120 "http://127.0.0.1:$PORT/heavy"
	retry_until 20 is_hung
}

# It has read the request: what follows is in the same turn.
is_hung() {
	HUNG=$(ss -HtnpiO state established "sport = :$PORT" | grep '^0 .* bytes_received:[1-9]' |
		grep -o 'pid=[0-9]*' | cut -d= -f2 | grep -vx "$MASTER")
	[ -n "$HUNG" ]
}

# Nothing ends that worker, so what is in its way would never be answered.
@test "a worker that never returns fails no ping" {
	WATCHDOG=0 node_start express 4
	heavy
	node_load -d 1 -r 100 -u /ping
	recipe_no_failure
	jq -e --arg hung "$HUNG" '.by_worker|length == 3 and .[$hung] == null' "$T/load" > /dev/null
	kill -0 "$SPAWNED"
	kill -KILL "$HUNG"
}

was_replaced() {
	[ "$(ctl why web --json | jq -r '.slots[].obituaries[]|select(.cause == "watchdog").pid')" \
		= "$HUNG" ] && [ "$(app .ready)" = 2 ]
}

@test "with a watchdog it is replaced, and no ping fails" {
	WATCHDOG=1s node_start express 2
	heavy
	node_load_on -r 50 -u /ping
	retry_until 60 was_replaced
	node_load_off
	node_serves /ping
}
