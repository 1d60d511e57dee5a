# contrib/recipes/socketio: clients that must come back to their worker, and workers that tell each
# other.

load ../lib/common
load ../lib/recipe_node

setup_file() {
	node_packages socketio
}

setup() {
	common_setup
	need node
	need_packages socketio
	SOURCES=64
}

chat_start() {
	mkfifo "$T/orders"
	exec 8<> "$T/orders"
	BASE=http://127.0.0.1:$PORT CLIENTS=12 DEADLINE=60 \
		node "$DIR/test/chat.js" - < "$T/orders" > "$T/answers" 8>&- 3>&- &
	PIDS+=("$!")
}

# order N WORDS FILTER: the N-th order, and what must be true of its answer
order() {
	echo "$2" >&8
	retry_until 90 answered "$1"
	sed -n "$1p" "$T/answers" | jq -e "$3" > /dev/null || {
		cat "$T/answers"
		return 1
	}
}

answered() {
	[ "$(wc -l < "$T/answers")" -ge "$1" ]
}

all_workers() {
	app '.slots[].worker.pid' | tr '\n' ' '
}

@test "all of a client's polls come to its worker, all clients hear all, and no request fails" {
	STOP_TIMEOUT=3s node_start socketio 3
	[[ $(get /) == *"/socket.io/socket.io.js"* ]]
	node_serves /ping
	chat_start
	order 1 say '.workers == 3 and .polling > 1 and .websocket > 1 and .doubles == 0 and .refused == 0'
	order 2 who '.told == 12'

	# Who has a WebSocket comes back by itself.
	node_reloads /ping
	order 3 "say $(all_workers)" '.workers == 3 and .doubles == 0'
	order 4 who '.told == 12'

	node_survives_a_kill /ping
	order 5 "say $(all_workers)" '.workers == 3 and .doubles == 0'
}
