# contrib/recipes/go-http: net/http on LISTEN_FDS.

load ../lib/common
load ../lib/recipe_server
load ../lib/recipe_go

setup_file() {
	go_build go-http
}

@test "go-http: serves, is reloaded and killed, and no request fails" {
	server_life go-http 3
}

@test "go-http: run by hand it binds for itself, and ends when it is told" {
	PORT=$PORT spawn "$SERVER"
	retry_until 30 answers
	[ "$(get /)" = "pid $SPAWNED" ]
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
}
