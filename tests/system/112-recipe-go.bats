# contrib/recipes/go: the ring from a thread that sleeps in the wait set.

load ../lib/common
load ../lib/recipe
load ../lib/recipe_go

setup_file() {
	go_build go
}

@test "it serves by its own configuration, from a thread in the wait set" {
	recipe_start go 3
	recipe_serves T2
}

@test "reloads lose nothing, and what is under way is finished" {
	recipe_start go 3
	recipe_reloads
}

@test "a worker that stands holds up no new connection" {
	recipe_start go 3
	recipe_survives_a_standstill
}

@test "a worker that is killed holds up nobody, and comes back" {
	recipe_start go 3
	recipe_survives_a_kill
}

@test "more slots and fewer, while it serves" {
	recipe_start go 2
	for n in 6 3 2; do
		run -0 ctl scale web "$n"
		retry_until 60 all_ready
		recipe_load 1 50
	done
}

@test "run by hand it binds for itself, and ends when it is told" {
	PORT=$PORT spawn "$SERVER"
	retry_until 30 answers
	[[ $(get /) == "slot , pid $SPAWNED" ]]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}
