# take = node: programs for Node's cluster, as their authors wrote them, with the master as primary.

load ../lib/common
load ../lib/node

# said N REGEX: so many lines of workers match.
said() {
	[ "$(grep -cE -- "^web\.[0-9]+ \| $2" "$LOG")" = "$1" ]
}

# keys_are N: so many different keys of TLS tickets were told.
keys_are() {
	[ "$(grep -oE '[0-9a-f]{96}$' "$LOG" | sort -u | wc -l)" = "$1" ]
}

all_were_sent() {
	[ "$(grep -cE 'got {"brood":"message","from":"web.[01]","data":"yours"} Socket' "$LOG")" -ge 6 ]
}

# ask TIMES: so many requests, each on its own connection, one after the other; the answers
# ("SLOT ID PID" each) in $T/answers.
ask() {
	curl -sS --max-time 20 -H 'Connection: close' "http://127.0.0.1:$PORT/id?[1-$1]" > "$T/answers"
}

# all_answer N: so many slots answer forty requests; with retry_until, as one that was a few
# milliseconds late is gone round for a while, which forty requests may fall into.
all_answer() {
	ask 40
	[ "$(answered_by)" = "$1" ]
}

answered_by() {
	cut -d' ' -f1 "$T/answers" | sort -u | wc -l
}

# block NAME: some worker is inside a call until release NAME; its slot is in BLOCKED.
block() {
	curl -sS --max-time 60 "http://127.0.0.1:$PORT/wait?$T/go.$1" > "$T/$1" 2> /dev/null 3>&- &
	PIDS+=("$!")
	retry_until 10 test -e "$T/go.$1.here"
}

release() {
	touch "$T/go.$1"
	retry_until 10 test -s "$T/$1"
}

certificate() {
	need openssl
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=localhost -keyout "$T/key.pem" -out "$T/cert.pem" 2> /dev/null
	VARIABLES="TLS_KEY = $T/key.pem
TLS_CERT = $T/cert.pem"
}

@test "a configured address is what the program's own port becomes" {
	KEYS="listen = 127.0.0.1:$PORT?as=3000" node_web 3 '[["http", 3000]]'
	retry_until 10 said 3 "0 .*\"port\":$PORT"
	retry_until 20 all_answer 3
	# The worker's id is its own; the number of its instance is its slot.
	[ "$(sort -u "$T/answers" | wc -l)" = 3 ]
	[ "$(app '.listeners|length')" = 1 ]
	log_is_calm
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	run ! grep -E 'stop signal|KILL' "$LOG"
}

@test "every form of listen() gets what it asked for, alike in all workers" {
	local a b c socket=$T/s.sock

	a=$PORT
	free_port
	b=$PORT
	free_port
	c=$PORT
	expect_in_log 'listen: '
	node_web 2 "[[\"http\",$a],[\"http\",$b,\"127.0.0.1\"],[\"http\",0],[\"http\",0],[\"http\",\"$socket\"],[\"udp4\",$c,\"127.0.0.1\"],[\"http\",{\"fd\":3}],[\"http\",$b,\"127.0.0.1\"],[\"http\",$a,\"192.0.2.1\"],[\"http2\",{\"port\":$c,\"host\":\"127.0.0.1\",\"backlog\":9}],[\"http\",\"\\u0000brood-$a\"]]"
	retry_until 10 said 22 '[0-9]+ '
	retry_until 10 said 2 "0 .*:$a}"
	retry_until 10 said 2 "1 .*:$b}"
	retry_until 10 said 2 "4 \"$socket\""
	retry_until 10 said 2 "5 .*:$c}"
	retry_until 10 said 2 '6 EINVAL bind EINVAL'
	retry_until 10 said 2 "7 EADDRINUSE bind EADDRINUSE 127.0.0.1:$b"
	retry_until 10 said 2 "8 EADDRNOTAVAIL bind EADDRNOTAVAIL 192.0.2.1:$a"
	retry_until 10 said 2 "9 .*:$c}"
	# Any port: one for each server, and the same for all workers.
	[ "$(grep -oE ' \| [23] .*' "$LOG" | sort -u | wc -l)" = 2 ]
	ss -Hltn "sport = :$c" | awk '$3 != 9 {exit 1}'
	get /id "$a"
	get /id "$b"
	get /id "$(grep -oE ' \| 2 .*' "$LOG" | grep -oE '[0-9]+\}' | head -n 1 | tr -d '}')"
	curl -sS --max-time 10 --unix-socket "$socket" http://localhost/id
	curl -sS --max-time 10 --abstract-unix-socket "brood-$a" http://localhost/id
	echo | timeout 10 bash -c "exec 3<>/dev/udp/127.0.0.1/$c; echo >&3; head -n 1 <&3" | grep -E '^[12]$'
	ctl status | grep -F "tcp:127.0.0.1:$b"
	stop_master
	[ ! -e "$socket" ]
}

@test "a server that is closed may listen again" {
	VARIABLES='AGAIN = yes' node_web 2 "[[\"http\",$PORT]]"
	retry_until 10 said 2 '0 again '
	ask 10
	stop_master
}

@test "TLS tickets of one worker are good at all, also after a restart" {
	certificate
	node_web 2 "[[\"https\",$PORT]]"
	retry_until 10 keys_are 1
	ctl restart web
	retry_until 10 said 4 '0 '
	retry_until 10 keys_are 1
	curl -ksS --max-time 10 "https://127.0.0.1:$PORT/id"
	stop_master
}

# All of them are answered, and some of them by others than they came to.
passed_by() {
	ask 25
	[ "$(wc -l < "$T/answers")" = 25 ]
	logged 'connections that waited at its socket were given to others'
}

@test "who waits at a worker that hangs is served by others, and so is who comes later" {
	KEYS="listen = 127.0.0.1:$PORT
watchdog = 3s" node_web 4 "[[\"http\",$PORT]]"
	expect_in_log 'takes no connection|did not|stalled|watchdog|ABRT|SIG|exit|signal'
	curl -sS --max-time 60 "http://127.0.0.1:$PORT/hang" > /dev/null 2>&1 3>&- &
	PIDS+=("$!")
	retry_until 20 passed_by
	# It is replaced.
	retry_until 20 app_is '|[.slots[].restarts]|add > 0' true
	retry_until 20 app_is .ready 4
	retry_until 20 all_answer 4
	stop_master
}

@test "connections that wait at a killed worker are nobody's loss" {
	KEYS="listen = 127.0.0.1:$PORT" node_web 2 "[[\"http\",$PORT]]"
	expect_in_log 'signal|SIGKILL|takes no connection'
	# One after the other: what is inside the killed may be lost, and that is one each time.
	stdbuf -oL curl -s --max-time 60 -H 'Connection: close' -o /dev/null -w '%{http_code}\n' \
		"http://127.0.0.1:$PORT/id?[1-2000]" > "$T/codes" 2> /dev/null 3>&- &
	client=$!
	PIDS+=("$client")
	for slot in 0 1; do
		pid=$(worker $slot)
		kill -KILL "$pid"
		retry_until 20 serves_anew $slot "$pid"
	done
	kill -TERM "$client" 2> /dev/null || true
	wait "$client" || true
	sort "$T/codes" | uniq -c
	[ "$(grep -c '^200$' "$T/codes")" -gt 10 ]
	[ "$(grep -vc '^200$' "$T/codes")" -le 2 ]
	stop_master
}

@test "balance = dispatch is round robin, one connection at a time" {
	KEYS="listen = 127.0.0.1:$PORT?as=3000
balance = dispatch" node_web 4 '[["http", 3000]]'
	# Under round robin a program sees the port that it asked for.
	retry_until 10 said 4 '0 .*"port":3000'
	ask 40
	[ "$(answered_by)" = 4 ]
	block first
	ask 30
	[ "$(answered_by)" = 3 ]
	release first
	run ! grep -q "^$(cut -d' ' -f1 "$T/first") " "$T/answers"
	stop_master
}

@test "messages: of the operator, to one worker, with a handle, relayed" {
	local pass lose

	pass=$PORT
	free_port
	lose=$PORT
	KEYS='relay = all' node_web 2 "[[\"pass\",$pass],[\"lose\",$lose]]"
	for i in 1 2 3 4 5 6; do
		timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$pass; head -n 1 <&3"
	done > "$T/passed"
	[ "$(wc -l < "$T/passed")" = 6 ]
	[ "$(sort -u "$T/passed")" = "passed to 1" ]
	# Or more: a worker that seems to be stalled gets a connection of the master's.
	retry_until 10 all_were_sent
	# A handle that is for nobody is closed; its message is relayed.
	timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$lose; cat <&3"
	retry_until 10 said 1 'got "nobody"$'
	ctl send web.1 '{"say":{"x":[1,"\n"]}}'
	retry_until 10 said 1 'got {"x":\[1,"\\n"\]}$'
	retry_until 5 log_count_is 'web\.0 \| got \{"x"' 1
	stop_master
}

@test "a worker that leaves by its own word is replaced, and none is missed" {
	KEYS="listen = 127.0.0.1:$PORT" node_web 2 "[[\"http\",$PORT]]"
	local way slot pid

	for way in leave kill; do
		read -r slot _ pid <<< "$(get /$way)"
		retry_until 20 serves_anew "$slot" "$pid"
		retry_until 20 app_is .ready 2
		death_of "$slot" "$pid" '"\(.code) \(.expected)"' | grep -x '0 true'
	done
	log_is_calm
	stop_master
}

@test "compat = pm2: the word shutdown goes before" {
	KEYS="compat = pm2" node_web 1 "[[\"http\",$PORT]]"
	stop_master
	retry_until 10 said 1 'got "shutdown"'
}
