# balance = dispatch: the master accepts, and hands connections to workers that ask for them.

load ../lib/common
load ../lib/slots

PROGRAMS=$BATS_TEST_DIRNAME/programs

setup() {
	common_setup
	need python3
}

# web N [WORD...]: a master with N workers; WORDs are take.py's. KEYS: further lines of the app.
web() {
	local n=$1

	shift
	write_conf << END
[app:web]
command = python3 $PROGRAMS/take.py $*
workers = $n
directory = $T
listen = 127.0.0.1:$PORT
balance = dispatch
${KEYS:-ready = channel}
END
	start_master
	retry_until 20 app_is .ready "$n"
}

# ask TIMES: one request after the other, the answers in $T/answers.
ask() {
	local i

	for ((i = 0; i < $1; i++)); do
		get /
	done > "$T/answers"
}

# "SLOT COUNT" a line, of the answers.
counts() {
	cut -d' ' -f1 "$T/answers" | sort | uniq -c | awk '{print $2, $1}'
}

# block NAME: some worker is inside a call until release NAME; its answer is in $T/NAME then.
block() {
	curl -sS --max-time 60 "http://127.0.0.1:$PORT/wait?$T/go.$1" > "$T/$1" 2> /dev/null 3>&- &
	BLOCKED=$!
	PIDS+=("$BLOCKED")
	retry_until 10 test -e "$T/go.$1.here"
}

release() {
	touch "$T/go.$1"
	retry_until 10 test -s "$T/$1"
}

# client NAME: one more request in the background.
client() {
	curl -sS --max-time 60 "http://127.0.0.1:$PORT/" > "$T/$1" 2> /dev/null 3>&- &
	PIDS+=("$!")
}

# Connections that wait in the kernel.
queued() {
	ss -Hltn "sport = :$PORT" | awk '{n += $2} END {print n + 0}'
}

queued_is() {
	[ "$(queued)" = "$1" ]
}

begin_load() {
	"$top_builddir/tests/bench/load" -p "$PORT" -d 0 -t 20000 -r "$1" > "$T/load" 2>> "$LOG" 3>&- &
	LOAD=$!
	PIDS+=("$LOAD")
}

# Tells how many requests failed.
end_load() {
	kill -TERM "$LOAD"
	wait "$LOAD"
	LOST=$(jq '.new.failed + .new.stale' "$T/load")
	cat "$T/load"
	[ "$(jq .new.answered "$T/load")" -gt 0 ]
}

@test "who asks gets one after the other, all the same number" {
	web 4
	ask 40
	counts
	[ "$(counts | wc -l)" = 4 ]
	# Round robin: exactly ten each, unless a worker takes longer to ask again than the others to serve.
	[ "$(counts | sort -k2n | head -n 1 | cut -d' ' -f2)" -ge 5 ]
	[ "$(cut -d' ' -f3 "$T/answers" | sort -u)" = "$PORT" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "workers get no listener, and nothing of it is left in the master" {
	web 1
	run -0 get /env
	# the channel, and this connection
	[ "$output" = "LISTEN_FDS=0 LISTEN_FDNAMES= PORT=$PORT sockets=2" ]
	before=$(fd_count "$MASTER")
	ask 50
	retry_until 5 fds_at_most "$MASTER" "$before"
	stop_master
}

@test "a worker inside a blocking call gets nothing new" {
	web 4
	block first
	ask 30
	counts
	[ "$(counts | wc -l)" = 3 ]
	block second
	ask 30
	[ "$(counts | wc -l)" = 2 ]
	release first
	release second
	[ "$(cat "$T/first" "$T/second" | cut -d' ' -f1 | sort -u | wc -l)" = 2 ]
	run ! grep -E "^($(cut -d' ' -f1 "$T/first")|$(cut -d' ' -f1 "$T/second")) " "$T/answers"
	# back in the line
	ask 40
	[ "$(counts | wc -l)" = 4 ]
	stop_master
}

@test "while all are inside, connections wait in the kernel, and nobody looks at them" {
	need ss
	web 2
	block one
	block two
	fds=$(fd_count "$MASTER")
	for i in 1 2 3; do
		client "late.$i"
	done
	retry_until 5 queued_is 3
	[ "$(fd_count "$MASTER")" -le "$fds" ]
	release one
	for i in 1 2 3; do
		retry_until 5 test -s "$T/late.$i"
	done
	# one of them was free, and served all
	[ "$(cut -d' ' -f1 "$T"/late.? | sort -u)" = "$(cut -d' ' -f1 "$T/one")" ]
	release two
	stop_master
}

@test "a killed worker takes down what was inside, at most one connection" {
	local i lost=0

	web 4
	begin_load 300
	for i in 0 1 2 3 0 1 2 3; do
		pid=$(worker $i)
		kill -KILL "$pid"
		retry_until 20 serves_anew $i "$pid"
	done
	end_load
	[ "$LOST" -le 8 ]
	[ "$(jq '.refused + .timeout' "$T/load")" = 0 ]
	stop_master
}

@test "what waits for a worker that dies goes to the next" {
	web 2
	block one
	block two
	client late
	retry_until 5 queued_is 1
	pid=$(worker 0)
	kill -KILL "$pid"
	# its replacement has it; the other is still inside
	retry_until 20 test -s "$T/late"
	[ "$(cut -d' ' -f1 "$T/late")" = 0 ]
	[ "$(cut -d' ' -f2 "$T/late")" != "$pid" ]
	touch "$T/go.one" "$T/go.two"
	retry_until 10 eval '[ -s "$T/one" ] || [ -s "$T/two" ]'
	stop_master
}

@test "what a stopped worker asked for goes to the next, and the rest of its messages stays" {
	local i

	web 2
	pid=$(worker 0)
	kill -STOP "$pid"
	ctl send web.0 1
	# Both asked, so one of these is sent to the stopped one first.
	ask 6
	ctl send web.0 2
	ask 6
	[ "$(counts)" = "1 6" ]
	kill -CONT "$pid"
	retry_until 5 eval '[ "$(wc -l < "$T/heard.0")" = 2 ]'
	[ "$(jq -r .data "$T/heard.0" | tr '\n' ' ')" = "1 2 " ]
	retry_until 5 eval 'ask 4; [ "$(counts | wc -l)" = 2 ]'
	[ "$(worker 0)" = "$pid" ]
	[ "$(app .deaths)" = 0 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "while nobody else is free, it waits for the stopped one" {
	web 1
	kill -STOP "$(worker 0)"
	client late
	sleep 0.3	# longer than stall_after many times over
	kill -CONT "$(worker 0)"
	retry_until 10 test -s "$T/late"
	ask 3
	stop_master
}

@test "a stopped worker that is killed takes nothing with it" {
	web 2
	pid=$(worker 0)
	kill -STOP "$pid"
	ask 4
	kill -KILL "$pid"
	retry_until 20 serves_anew 0 "$pid"
	retry_until 5 eval 'ask 4; [ "$(counts | wc -l)" = 2 ]'
	stop_master
}

@test "reloads lose nothing" {
	web 3
	begin_load 300
	for i in 1 2 3 4 5; do
		ctl reload
	done
	end_load
	[ "$LOST" = 0 ]
	[ "$(app .generation)" = 6 ]
	stop_master
}

@test "a worker that drains finishes what it has and gets nothing more" {
	web 2
	block one
	begin_load 100
	ctl reload --no-wait
	# the free one is replaced, and the blocked one's replacement serves
	retry_until 20 app_is .ready 2
	retry_until 20 app_is .leaving 1
	release one
	retry_until 20 app_is .leaving 0
	end_load
	[ "$LOST" = 0 ]
	stop_master
}

@test "scaling loses nothing" {
	web 4
	begin_load 300
	for n in 1 4 2 4; do
		ctl scale web $n
	done
	retry_until 20 app_is .leaving 0
	end_load
	[ "$LOST" = 0 ]
	ask 40
	[ "$(counts | wc -l)" = 4 ]
	stop_master
}

@test "with drain_delay a leaving worker is served until the delay is over" {
	KEYS="ready = channel
drain_delay = 2s"
	web 1
	begin_load 50
	old=$(worker 0)
	ctl scale web 0 --no-wait
	retry_until 10 slot_is 0 '.leaving[0].step' delay
	get / | grep -q "^0 $old "
	ctl scale web 1
	retry_until 20 app_is .leaving 0
	end_load
	[ "$LOST" = 0 ]
	stop_master
}

@test "a flood of take counts as one" {
	web 2 flood=0
	retry_until 10 slot_is 0 '.worker.messages_skipped >= 900' true
	block one
	ask 10
	block two
	client late
	retry_until 5 queued_is 1
	release one
	release two
	retry_until 5 test -s "$T/late"
	[ "$(cut -d' ' -f1 "$T/one" "$T/two" | sort -u | wc -l)" = 2 ]
	stop_master
}

@test "who never stops asking is read slowly and costs others nothing" {
	write_conf << END
[app:web]
command = python3 $PROGRAMS/take.py
workers = 2
listen = 127.0.0.1:$PORT
balance = dispatch
ready = channel
[app:flood]
command = badworker --flood-channel --send {"brood":"take"} --no-listen --ready channel --deaf
workers = 1
END
	start_master
	retry_until 20 app_is .ready 2
	ask 40
	[ "$(counts | wc -l)" = 2 ]
	# of another balance: each is skipped
	skipped=$(ctl status flood --json | pick '.apps[0].slots[0].worker.messages_skipped')
	[ "$skipped" -gt 0 ]
	stop_master
}

@test "a worker that takes and never serves keeps the one that it got" {
	web 2 hoard=0
	client one
	client two
	client three
	# one of three is in the hoard
	retry_until 10 eval '[ "$(cat "$T/one" "$T/two" "$T/three" | wc -l)" = 2 ]'
	ask 20
	[ "$(counts | cut -d' ' -f1)" = 1 ]
	stop_master
}

@test "who asks before it is ready gets nothing until it is" {
	write_conf << END
[app:web]
command = python3 $PROGRAMS/take.py early
workers = 1
listen = 127.0.0.1:$PORT
balance = dispatch
directory = $T
ready = channel
END
	start_master
	retry_until 10 slot_is 0 .worker.messages_in 1
	client early
	retry_until 5 queued_is 1
	touch "$T/GO"
	retry_until 10 test -s "$T/early"
	[ "$(slot 0 .worker.state)" = ready ]
	stop_master
}

@test "a silent program is taken for ready and gets nothing" {
	KEYS="stop_timeout = 1s"
	web 1 silent
	client late
	retry_until 5 queued_is 1
	log_has 'taken for ready'
	stop_master
}

@test "several addresses, UNIX sockets among them, each by its name; a datagram socket is inherited" {
	free_port
	second=$PORT
	free_port
	write_conf << END
[app:web]
command = python3 $PROGRAMS/take.py
workers = 2
listen = 127.0.0.1:$PORT
listen = 127.0.0.1:$second?name=admin
listen = unix:$T/web.sock
listen = udp:127.0.0.1:$second
balance = dispatch
ready = channel
END
	start_master
	retry_until 20 app_is .ready 2
	for i in 1 2 3; do
		[ "$(get / "$PORT" | cut -d' ' -f3)" = "$PORT" ]
		[ "$(get / "$second" | cut -d' ' -f3)" = admin ]
		[ "$(curl -sS --unix-socket "$T/web.sock" http://web/ | cut -d' ' -f3)" = web.sock ]
	done
	[ "$(get /env)" = "LISTEN_FDS=1 LISTEN_FDNAMES=$second PORT=$PORT sockets=3" ]
	# all of them find the same worker free
	block one
	block two
	curl -sS --max-time 60 --unix-socket "$T/web.sock" http://web/ > "$T/late.1" 3>&- &
	PIDS+=("$!")
	curl -sS --max-time 60 "http://127.0.0.1:$second/" > "$T/late.2" 3>&- &
	PIDS+=("$!")
	release one
	retry_until 5 test -s "$T/late.1"
	retry_until 5 test -s "$T/late.2"
	release two
	# an address that goes is closed; the other stays
	sed -i "/name=admin/d" "$CONF"
	ctl reload
	retry_until 10 app_is .leaving 0
	retry_until 10 freeport "$second"
	get / > /dev/null
	stop_master
}

@test "short of descriptors the master waits and does not spin" {
	need prlimit
	local free=0 before limit

	web 2
	# Nobody asks it anything from here on, so that the first free number stays so.
	retry_until 5 eval 'before=$(fd_count "$MASTER"); sleep 0.2; [ "$before" = "$(fd_count "$MASTER")" ]'
	while [ -e "/proc/$MASTER/fd/$free" ]; do
		free=$((free + 1))
	done
	limit=$(prlimit --pid "$MASTER" --nofile --noheadings --output SOFT | tr -d ' ')
	prlimit --pid "$MASTER" --nofile="$free:"
	for i in 1 2 3 4 5; do
		client "late.$i"
	done
	retry_until 10 logged 'not accepted for the moment: Too many open files'
	before=$(awk '/ctxt_switches/ {n += $2} END {print n}' "/proc/$MASTER/status")
	sleep 1
	[ $(($(awk '/ctxt_switches/ {n += $2} END {print n}' "/proc/$MASTER/status") - before)) -le 100 ]
	prlimit --pid "$MASTER" --nofile="$limit:"
	for i in 1 2 3 4 5; do
		retry_until 10 test -s "$T/late.$i"
	done
	stop_master
}

@test "workers on libbrood ask, too: a blocked one gets nothing, a reload loses nothing" {
	write_conf << END
[app:web]
command = $top_builddir/brood-hello
workers = 3
listen = 127.0.0.1:$PORT
balance = dispatch
END
	start_master
	retry_until 20 app_is .ready 3
	run -0 get /
	[ "$(jq -r .app <<< "$output")" = web ]
	curl -sS --max-time 60 "http://127.0.0.1:$PORT/cpu?ms=3000" > "$T/cpu" 2>> "$LOG" 3>&- &
	PIDS+=("$!")
	retry_until 20 queued_is 0
	for _ in {1..30}; do
		run -0 curl -sSf --max-time 60 "http://127.0.0.1:$PORT/"
		jq -r .slot <<< "$output" >> "$T/slots"
	done
	[ "$(sort -u "$T/slots" | wc -l)" -ge 2 ]
	begin_load 200
	ctl reload
	end_load
	[ "$LOST" = 0 ]
	retry_until 60 test -s "$T/cpu"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}
