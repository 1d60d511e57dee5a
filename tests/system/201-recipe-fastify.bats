# contrib/recipes/fastify: an app that closes by itself when it is told to.

load ../lib/common
load ../lib/recipe_node

setup_file() {
	node_packages fastify --omit=dev
}

setup() {
	common_setup
	need node
	need_packages fastify
}

closed() {
	[ "$(grep -c 'closed$' "$LOG")" = "$1" ]
}

@test "it serves as it is, is reloaded and killed, and no request fails" {
	node_start fastify 2
	[[ $(get /) == '{"hello":"world","pid":'* ]]
	node_serves /ping
	node_reloads /ping '/io?ms=1500'
	# What it holds open besides connections is closed by its own hooks.
	retry_until 20 closed 4
	node_survives_a_kill /ping
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	closed 6
}
