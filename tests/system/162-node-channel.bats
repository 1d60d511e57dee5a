# take = node, and a worker that keeps to the letter of the protocol, or breaks it.

load ../lib/common
load ../lib/slots

setup() {
	common_setup
	need python3
}

# web N MODE PORT: a master with N workers of nodelike.py. KEYS: further lines of the app.
web() {
	write_conf << END
[app:web]
command = python3 $BATS_TEST_DIRNAME/programs/nodelike.py $2 $3
workers = $1
directory = $T
take = node
node_preload = no
stop_timeout = 2s
${KEYS:-}
END
	start_master
	retry_until 20 app_is .ready "$1"
}

# What the worker of slot 0 said.
said() {
	sed -n 's/^web\.0 | //p' "$LOG"
}

has_said() {
	said | grep -qxF -- "$1"
}

# ask TIMES: so many requests, each on its own connection, one after the other; the answers
# ("SLOT HOW PID" each) in $T/answers.
ask() {
	curl -sS --max-time 20 "http://127.0.0.1:$PORT/?[1-$1]" > "$T/answers"
}

@test "one handle is out at a time, and is sent again when it did not arrive" {
	web 1 gate "$PORT"
	expect_in_log 'listen: Address already in use'
	retry_until 10 has_said 'at last 4'
	said
	diff - <(said) << END
out 1
hello 1
descriptors 1
again 1
again 1
again 1
next 2
again 2
again 2
again 2
errno -24 2
errno -98
at last 4
END
	stop_master
}

# No client of the test's is left.
is_calm() {
	local before

	before=$(fd_count "$MASTER")
	sleep 0.1
	fds_at_most "$MASTER" "$before"
}

@test "every handle is acknowledged, what cannot be passed on is closed, and nothing piles up" {
	web 1 handles "$PORT"
	retry_until 5 is_calm
	before=$(fd_count "$MASTER")
	touch go
	retry_until 10 has_said 'heard 3'
	diff - <(said | head -n 11) << END
plain ACK
none NACK
long ACK
deep ACK
unknown ACK
datagram ACK
twice ACK
got net.Socket k 2 1
count 0
NODE_SOCKET_ALL_CLOSED
heard 3
END
	# Of those that came with no message that has one, a few wait for it.
	retry_until 5 fds_at_most "$MASTER" $((before + 8))
	stop_master
}

@test "who refuses connections is asked seldom, and they go to others" {
	KEYS='balance = dispatch' web 2 refusing "$PORT"
	ask 50
	[ "$(cut -d' ' -f1,2 "$T/answers" | sort -u)" = '1 given' ]
	[ "$(wc -l < "$T/answers")" = 50 ]
	stop_master
	[ "$(said | sed -n 's/^given //p')" -lt 40 ]
}

@test "a connection that was given to a worker that dies, or sleeps, goes to another" {
	KEYS='balance = dispatch' web 2 dying "$PORT"
	expect_in_log 'SIGKILL'
	pid=$(worker 0)
	touch dying.0
	for i in {1..50}; do
		ask 2
		[ "$(wc -l < "$T/answers")" = 2 ]
		[ -e dying.0 ] || break
	done
	[ ! -e dying.0 ]
	retry_until 20 serves_anew 0 "$pid"
	pid=$(worker 1)
	kill -STOP "$pid"
	ask 20
	kill -CONT "$pid"
	[ "$(cut -d' ' -f1,2 "$T/answers" | sort -u)" = '0 given' ]
	[ "$(wc -l < "$T/answers")" = 20 ]
	# It is awake again.
	retry_until 10 both_serve
	stop_master
}

both_serve() {
	ask 8
	[ "$(cut -d' ' -f1 "$T/answers" | sort -u | wc -l)" = 2 ]
}

@test "the queue of a stalled worker is given to others, by number of what they have taken" {
	KEYS="listen = 127.0.0.1:$PORT
watchdog = 0" web 3 serve "$PORT"
	expect_in_log 'takes no connection'
	touch stalled.1
	ask 60
	[ "$(wc -l < "$T/answers")" = 60 ]
	run ! grep '^1 own' "$T/answers"
	grep ' given ' "$T/answers"
	rm stalled.1
	stop_master
}
