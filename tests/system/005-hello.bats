# brood-hello by itself: HTTP, limits, listeners, readiness and the drain.

load ../lib/common

# Starts it on $PORT with further options and waits until it answers.
start_hello() {
	spawn brood-hello -l "127.0.0.1:$PORT" "$@"
	retry_until 10 answers
}

# Sends the text (printf's escapes) on one connection and prints all that comes back.
exchange() {
	local answer

	exec 7<> "/dev/tcp/127.0.0.1/$PORT"
	printf "$1" >&7
	answer=$(timeout 5 cat <&7 || true)
	exec 7>&-
	printf '%s\n' "$answer"
}

GET() {
	printf 'GET %s HTTP/1.1\\r\\nHost: test\\r\\n%s\\r\\n' "$1" "${2:-}"
}

statuses() {
	printf '%s\n' "$output" | tr -d '\r' | grep -a '^HTTP/1.1' | cut -d' ' -f2 | tr '\n' ' '
}

expect_statuses() {
	[ "$(statuses)" = "$* " ] || {
		echo "wanted: $*; got: $(statuses)"
		return 1
	}
}

@test "the root tells who answers, as JSON" {
	BROOD_APP=shop BROOD_SLOT=2 BROOD_GENERATION=7 start_hello
	run -0 get /
	[[ $output == *'"app":"shop","slot":2,"generation":7,"pid":'"$SPAWNED"* ]]
	run -0 curl -si "http://127.0.0.1:$PORT/"
	[[ $output == *"X-Worker: $SPAWNED"* ]]
	[[ $output == *"Vary: Accept"* ]]
}

@test "a browser gets a page, a client that prefers JSON does not" {
	start_hello
	run -0 curl -s -H 'Accept: text/html,application/xhtml+xml,*/*;q=0.8' "http://127.0.0.1:$PORT/"
	[[ $output == '<!doctype html>'*'</html>' ]]
	run -0 curl -s -H 'Accept: text/html;q=0.5, application/json' "http://127.0.0.1:$PORT/"
	[[ $output == '{'* ]]
	run -0 curl -s -H 'Accept: text/html;q=0, */*;q=0.1' "http://127.0.0.1:$PORT/"
	[[ $output == '{'* ]]
}

@test "a name from outside cannot become markup" {
	BROOD_APP='<script>"x"' start_hello
	run -0 curl -s -H 'Accept: text/html' "http://127.0.0.1:$PORT/"
	[[ $output != *'<script>'* ]]
	run -0 get /
	[[ $output == *'"app":"\u003cscript\u003e\u0022x\u0022"'* ]]
}

@test "paths, methods and bad parameters have their status" {
	start_hello
	for case in "/healthz 200" "/nothing 404" "/io 400" "/io?ms=abc 400" "/io?ms=1&ms=2 400" \
		"/cpu?ms=999999999 400" "/cpu?ms=5 200" "/cpu-offload?ms=5 200" \
		"/cpu-offload?ms=5&by=thread 200" "/cpu-offload?ms=5&by=me 400" "/io?ms=5 200" "/io?x=1&ms=0 200"; do
		run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT${case% *}"
		[ "$output" = "${case#* }" ] || { echo "$case: $output"; return 1; }
	done
	run -0 curl -s -o /dev/null -w '%{http_code}' -X DELETE "http://127.0.0.1:$PORT/"
	[ "$output" = 405 ]
	run -0 curl -s -o /dev/null -w '%{http_code}' -d body "http://127.0.0.1:$PORT/"
	[ "$output" = 405 ]
}

@test "HEAD has the headers of GET and no body" {
	start_hello
	run -0 exchange "HEAD /healthz HTTP/1.1\r\nHost: t\r\n\r\n$(GET /healthz 'Connection: close\r\n')"
	expect_statuses 200 200
	[ "$(grep -c '^ok' <<< "$output")" = 1 ]
	[ "$(grep -c '^Content-Length: 3' <<< "$output")" = 2 ]
}

@test "pipelined requests are answered in order, a timer in between holds them up" {
	start_hello
	run -0 exchange "$(GET /healthz)$(GET /io?ms=50)$(GET /nothing)$(GET / 'Connection: close\r\n')"
	expect_statuses 200 200 404 200
	[[ $output == *ok*waited_ms*'"status":404'*'"app":'* ]]
}

@test "a thousand pipelined requests are all answered" {
	start_hello
	for i in {1..999}; do printf "$(GET /)"; done > "$T/requests"
	printf "$(GET / 'Connection: close\r\n')" >> "$T/requests"
	exec 7<> "/dev/tcp/127.0.0.1/$PORT"
	cat "$T/requests" >&7 &
	timeout 10 cat <&7 > "$T/answers"
	wait $!
	exec 7>&-
	[ "$(grep -ac '^HTTP/1.1 200' "$T/answers")" = 1000 ]
}

@test "HTTP/1.0 is closed after the answer unless it asks to be kept" {
	start_hello
	run -0 exchange 'GET /healthz HTTP/1.0\r\n\r\n'
	expect_statuses 200
	run -0 exchange 'GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n'
	expect_statuses 200 200
	[[ $output == *'Connection: keep-alive'* ]]
}

@test "what is no HTTP gets 400 and a close" {
	start_hello
	run -0 exchange 'hello there\r\n\r\n'
	expect_statuses 400
	run -0 exchange 'GET / HTTP/1.1\r\n\r\n'
	expect_statuses 400
	run -0 exchange 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
	expect_statuses 400
	run -0 exchange 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'
	expect_statuses 400
}

@test "each limit has its status: 414, 431, 413" {
	start_hello
	long=$(printf '%02000d' 0)
	run -0 exchange "$(GET "/$long$long$long$long$long")"
	expect_statuses 414
	run -0 exchange "$(GET / "A: $long\r\nB: $long\r\nC: $long\r\nD: $long\r\nE: $long\r\n")"
	expect_statuses 431
	run -0 exchange 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n'
	expect_statuses 413
}

@test "a body of a GET is read over" {
	start_hello
	run -0 exchange "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde$(GET /nothing 'Connection: close\r\n')"
	expect_statuses 200 404
	run -0 exchange "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$(GET /nothing 'Connection: close\r\n')"
	expect_statuses 200 404
}

@test "a request that does not come in whole is answered with 408" {
	BROOD_HELLO_HEADER_MS=300 start_hello
	run -0 exchange 'GET / HTTP/1.1\r\nHost: slow'
	expect_statuses 408
	# the connection that never says a word is closed without an answer
	run -0 exchange ''
	[ -z "$output" ]
}

@test "it serves a UNIX socket and removes it when it leaves" {
	spawn brood-hello -l "unix:$T/sock"
	retry_until 10 curl -s --unix-socket "$T/sock" http://x/healthz
	kill "$SPAWNED"
	retry_until 10 ended "$SPAWNED"
	wait "$SPAWNED"
	[ ! -e "$T/sock" ]
}

@test "it finds its own port by PORT" {
	spawn env PORT="$PORT" brood-hello
	log_has "serves http://127.0.0.1:$PORT/"
}

@test "bad options and a port in use are told and end it" {
	run -64 brood-hello --nonsense
	run -64 brood-hello -l example.org:80
	[[ $output == *"no address"* ]]
	start_hello
	run -71 brood-hello -l "127.0.0.1:$PORT"
	[[ $output == *"127.0.0.1:$PORT: Address already in use"* ]]
	run -0 brood-hello --version
	[[ $output == brood-hello\ * ]]
	run -0 brood-hello --help
	[[ $output == *LISTEN_FDS* ]]
}

@test "a crash is a SIGABRT" {
	ulimit -c 0
	start_hello
	run curl -s "http://127.0.0.1:$PORT/crash"
	retry_until 10 ended "$SPAWNED"
	run -134 wait "$SPAWNED"
}

# The listeners of LISTEN_FDS come from a holder, which is what the master is to a worker.
hold() {
	need python3
	spawn python3 "$TESTS_DIR/lib/holder.py" "$T/said" "$PORT" brood-hello
	retry_until 10 answers
}

@test "it takes LISTEN_FDS, says ready on its socket and leaves the listener to the others" {
	hold
	grep -q '^READY=1' "$T/said"
	worker=$(get / | grep -o '"pid":[0-9]*' | cut -d: -f2)
	[[ $(get /) == *'"listener":"web"'* ]]
	kill "$worker"
	retry_until 10 ended "$worker"
	grep -q '^STOPPING=1' "$T/said"
	# the queue takes connections although nobody accepts now
	exec 7<> "/dev/tcp/127.0.0.1/$PORT"
	exec 7>&-
}

@test "on the channel it says ready, answers ping, and drain makes it stop" {
	need python3
	spawn python3 "$TESTS_DIR/lib/holder.py" --channel "$T/said" "$PORT" brood-hello
	retry_until 10 answers
	retry_until 5 grep -q '{"brood":"ready"}' "$T/said"
	retry_until 5 grep -q '{"brood":"pong","id":7}' "$T/said"
	echo drain > "$T/said.drain"
	retry_until 5 grep -q '{"brood":"stopping"}' "$T/said"
	retry_until 5 grep -q '^exit 0' "$T/said"
}

@test "the end of the channel makes it drain and leave" {
	need python3
	spawn python3 "$TESTS_DIR/lib/holder.py" --channel "$T/said" "$PORT" brood-hello
	retry_until 10 answers
	worker=$(get / | grep -o '"pid":[0-9]*' | cut -d: -f2)
	kill -9 "$SPAWNED"
	retry_until 5 ended "$worker"
}

@test "on TERM a request in progress is finished and the answer closes" {
	start_hello
	curl -si "http://127.0.0.1:$PORT/io?ms=700" > "$T/answer" &
	client=$!
	retry_until 5 bash -c "curl -s http://127.0.0.1:$PORT/ | grep -q '\"connections\":2'"
	kill "$SPAWNED"
	wait "$client"
	grep -q '^HTTP/1.1 200' "$T/answer"
	grep -qi '^Connection: close' "$T/answer"
	retry_until 5 ended "$SPAWNED"
	wait "$SPAWNED"
}

@test "on TERM an idle connection has its next request answered" {
	BROOD_HELLO_IDLE_MS=3000 start_hello
	exec 7<> "/dev/tcp/127.0.0.1/$PORT"
	printf "$(GET /healthz)" >&7
	read -r line <&7
	[[ $line == *200* ]]
	kill "$SPAWNED"
	retry_until 5 bash -c "! curl -s http://127.0.0.1:$PORT/"
	printf "$(GET /)" >&7
	run timeout 3 cat <&7
	exec 7>&-
	[[ $output == *'Connection: close'*'"state":"draining"'* ]]
	retry_until 5 ended "$SPAWNED"
	wait "$SPAWNED"
}

@test "on TERM an idle connection that stays idle is closed after the grace" {
	BROOD_HELLO_IDLE_MS=200 start_hello
	exec 7<> "/dev/tcp/127.0.0.1/$PORT"
	printf "$(GET /healthz)" >&7
	read -r line <&7
	kill "$SPAWNED"
	retry_until 3 ended "$SPAWNED"
	exec 7>&-
	wait "$SPAWNED"
}

@test "the drain has an end" {
	BROOD_HELLO_DRAIN_MS=300 start_hello
	curl -s "http://127.0.0.1:$PORT/io?ms=60000" &
	retry_until 5 bash -c "curl -s http://127.0.0.1:$PORT/ | grep -q '\"connections\":2'"
	kill "$SPAWNED"
	retry_until 5 ended "$SPAWNED"
	wait "$SPAWNED"
	wait
	log_has 'drain deadline passed, closing 1 connection'
}

@test "what is computed off the loop holds nobody up" {
	start_hello
	for by in offload thread; do
		curl -s "http://127.0.0.1:$PORT/cpu-offload?ms=2000&by=$by" > "$T/answer" 3>&- &
		client=$!
		retry_until 5 bash -c "curl -s http://127.0.0.1:$PORT/ | grep -q '\"connections\":2'"
		kill -0 "$client"
		wait "$client"
		grep -q '"computed_ms":2000,"by":"'"$by"'"' "$T/answer"
	done
}

@test "the drain has an end, whatever is computed" {
	for by in offload thread; do
		BROOD_HELLO_DRAIN_MS=300 start_hello
		curl -s "http://127.0.0.1:$PORT/cpu-offload?ms=60000&by=$by" &
		retry_until 5 bash -c "curl -s http://127.0.0.1:$PORT/ | grep -q '\"connections\":2'"
		kill "$SPAWNED"
		retry_until 5 ended "$SPAWNED"
		wait "$SPAWNED"
		wait
	done
}

@test "idle it never wakes" {
	plain_build_only
	need strace
	start_hello
	run timeout 3 strace -f -p "$SPAWNED" -o "$T/trace"
	[ "$(grep -c 'epoll_wait' "$T/trace")" -le 1 ]
}
