# Where lines go: workers' output and the master's log, under storms, full disks and broken pipes.

load ../lib/common

# The master with its standard output in a FIFO that nobody reads; its log goes to $LOG.
start_master_into_fifo() {
	mkfifo "$T/out"
	exec {FIFO}<> "$T/out"
	MASTER_EXIT=
	broodd -c "$CONF" > "$T/out" 2>> "$LOG" < /dev/null 3>&- {FIFO}>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
}

# CPU time of the master in hundredths.
master_ticks() {
	awk '{ print $14 + $15 }' "/proc/$MASTER/stat"
}

master_rss_kb() {
	awk '/VmRSS/ { print $2 }' "/proc/$MASTER/status"
}

as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"

counter() {
	ctl status --json | pick ".apps[0].slots[$1].worker.$2"
}

ready() {
	[ "$(ctl status --json | pick '.apps[0].ready')" -gt 0 ]
}

counter_above() {
	[ "$(counter "$1" "$2")" -gt "$3" ]
}

file_has() {
	grep -q -- "$2" "$1" 2> /dev/null
}

@test "lines carry their worker's name, on both streams" {
	write_conf << END
[app:web]
command = badworker --no-listen --say hello --say-err trouble
workers = 2
END
	start_master
	retry_until 5 logged '^web\.0 \| hello$'
	retry_until 5 logged '^web\.1 \| trouble$'
	stop_master
}

@test "L1 a storm waits for a sink that is full, and nobody else does" {
	write_conf << END
[app:storm]
command = badworker --no-listen --flood-out 0
ready = delay:100ms
[app:web]
command = badworker --say here
listen = 127.0.0.1:$PORT
log = file:$T/web.log
END
	start_master_into_fifo
	retry_until 10 counter_above 0 log_lines 1000
	# It is stopped, not dropped, and costs nothing while it waits.
	sleep 1
	before=$(master_ticks)
	read_so_far=$(counter 0 log_lines)
	sleep 1
	[ $(($(master_ticks) - before)) -le 5 ]
	[ "$(counter 0 log_lines)" = "$read_so_far" ]
	[ "$(counter 0 log_dropped)" = 0 ]
	[ -n "${BROOD_SANITIZED:-}" ] || [ "$(master_rss_kb)" -lt 6000 ]
	answers
	retry_until 5 file_has "$T/web.log" 'web.0 out here'
	# And it goes on when somebody reads.
	timeout 1 cat "$T/out" > /dev/null || true
	counter_above 0 log_lines "$read_so_far"
	exec {FIFO}>&-
	stop_master
}

@test "L1 with log_overflow = drop lines are lost, counted and told" {
	write_conf << END
[app:storm]
command = badworker --no-listen --flood-out 0
ready = delay:100ms
log_overflow = drop
END
	start_master_into_fifo
	retry_until 10 counter_above 0 log_dropped 1000
	timeout 2 cat "$T/out" > "$T/read" || true
	grep -Eq '^storm\.0 ! [0-9]+ lines lost$' "$T/read"
	exec {FIFO}>&-
	stop_master
}

@test "L2 long, binary and forged lines stay one worker's lines" {
	write_conf << END
[app:web]
command = badworker --no-listen --big-line 10000000 --binary --say "web.7 | forged" --no-newline end
workers = 1
log_line_max = 8K
END
	start_master
	retry_until 20 ready
	retry_until 10 logged '^web\.0 [|] web\.7 [|] forged$'
	retry_until 10 logged '^web\.0 [+] '
	run ! logged '^web\.7'
	run ! grep -q $'[\001-\010\013-\037\177]' "$LOG"
	iconv -f UTF-8 -t UTF-8 "$LOG" > /dev/null
	ctl logs --json web.0 > /dev/null
	stop_master
	log_has '^web\.0 \| .*end'
}

@test "L3 closed streams leave the loop" {
	write_conf << END
[app:web]
command = badworker --no-listen --close-stdout --close-stderr
workers = 2
END
	start_master
	sleep 1
	before=$(master_ticks)
	sleep 1
	[ $(($(master_ticks) - before)) -le 3 ]
	stop_master
}

@test "L3 a master whose output nobody reads any more goes on" {
	write_conf << END
[app:web]
command = badworker --flood-out 50
listen = 127.0.0.1:$PORT
END
	broodd -c "$CONF" 2>> "$LOG" < /dev/null 3>&- > >(exec true) &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	retry_until 5 counter_above 0 log_dropped 5
	before=$(master_ticks)
	sleep 1
	[ $(($(master_ticks) - before)) -le 10 ]
	answers
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "L4 files are appended to, reopened by name, and never through a symlink" {
	write_conf << END
[app:web]
command = badworker --flood-out 50
listen = 127.0.0.1:$PORT
log = file:$T/web.log
END
	start_master
	retry_until 5 test -s "$T/web.log"
	# a young writer is left alone for a second
	sleep 1.1
	mv "$T/web.log" "$T/web.log.1"
	ctl reopen
	retry_until 5 test -s "$T/web.log"
	size=$(stat -c %s "$T/web.log.1")
	sleep 0.3
	[ "$(stat -c %s "$T/web.log.1")" = "$size" ]
	# truncated in place: no hole, since it is opened for appending
	: > "$T/web.log"
	retry_until 5 test -s "$T/web.log"
	cp "$T/web.log" "$T/seen" # it grows while we look
	[ "$(tr -d '\0' < "$T/seen" | wc -c)" = "$(wc -c < "$T/seen")" ]
	# a planted link is not followed; the open file stays
	mv "$T/web.log" "$T/web.log.2"
	ln -s "$T/victim" "$T/web.log"
	kill -USR1 "$MASTER"
	size=$(stat -c %s "$T/web.log.2")
	sleep 0.5
	[ ! -e "$T/victim" ]
	[ "$(stat -c %s "$T/web.log.2")" -gt "$size" ]
	rm "$T/web.log"
	stop_master
}

@test "a log writer that is killed comes back" {
	write_conf << END
[app:web]
command = badworker --no-listen --flood-out 50
log = file:$T/web.log
END
	start_master
	retry_until 5 test -s "$T/web.log"
	for pid in $(cat "/proc/$MASTER/task/$MASTER/children"); do
		tr '\0' ' ' < "/proc/$pid/cmdline" | grep -q -- "--log-writer $T/web.log" && kill -KILL "$pid"
	done
	retry_until 5 logged 'writer of .*web\.log ended'
	retry_until 10 file_has "$T/web.log" 'web\.0 lost [0-9]* line'
	stop_master
}

@test "a log that cannot be opened is an error at the start" {
	write_conf << END
[app:web]
command = badworker --no-listen
log = file:$T/no/such/dir/web.log
END
	launch_master
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	log_has 'no/such/dir'
}

@test "F7 a full disk under the log hurts nobody, and heals" {
	need_root
	mkdir "$T/small"
	mount -t tmpfs -o size=64k,mode=0700 none "$T/small" 2> /dev/null || skip "cannot mount"
	write_conf << END
[app:web]
command = badworker --flood-out 0
listen = 127.0.0.1:$PORT
log = file:$T/small/web.log
log_overflow = drop
END
	start_master
	retry_until 10 counter_above 0 log_lines 10000
	answers
	ctl reload
	[ "$(stat -c %s "$T/small/web.log")" -le 65536 ]
	# room is made
	: > "$T/small/web.log"
	retry_until 10 file_has "$T/small/web.log" 'lost'
	stop_master
	umount "$T/small"
}

@test "F10 everything works with the smallest pipes" {
	need_root
	need setpriv /usr/bin/python3
	chown -R 65534 "$T"
	write_conf << END
[app:web]
command = badworker --flood-out 0 --say-err "last words"
listen = 127.0.0.1:$PORT
log = file:$T/web.log
log_overflow = drop
END
	# Takes all that pipe-user-pages-soft gives this user; new pipes are then a page or two.
	cat > "$T/hog.py" << 'END'
import fcntl, os, sys, time
pipes = []
try:
    for i in range(400):
        pipes.append(os.pipe())
        fcntl.fcntl(pipes[-1][1], 1031, 1 << 20)
except OSError:
    pass
r, w = os.pipe()
print(fcntl.fcntl(w, 1032), flush=True)
time.sleep(60)
END
	$as_nobody /usr/bin/python3 "$T/hog.py" > "$T/pipe-size" 3>&- &
	hog=$!
	PIDS+=("$hog")
	retry_until 5 test -s "$T/pipe-size"
	[ "$(cat "$T/pipe-size")" -le 8192 ] || skip "pipes stay large here"
	MASTER_EXIT=
	$as_nobody broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	retry_until 10 counter_above 0 log_lines 2000
	retry_until 5 file_has "$T/web.log" 'err last words'
	answers
	stop_master
	kill -TERM "$hog"
}

@test "in the background output goes to the state directory" {
	as=
	if [ "$(id -u)" = 0 ]; then
		# root's would be the real one
		need setpriv
		chown -R 65534 "$T"
		as=$as_nobody
	fi
	write_conf << END
[app:web]
command = badworker --no-listen --say hello
END
	$as brood start -c "$CONF" 3>&-
	retry_until 5 file_has "$XDG_STATE_HOME/brood/brood.log" 'Z web\.0 out hello'
	ctl shutdown
}

@test "logs -f and events -f show what comes" {
	write_conf << END
[app:web]
command = badworker --no-listen --flood-out 20
workers = 2
END
	start_master
	# In the foreground: timeout sends no CONT after TERM, which would take away the stop by which
	# the address sanitizer looks for leaks, for ever.
	timeout --foreground 20 brood -i "$NAME" logs -f -n 0 web.1 > "$T/logs" 2>> "$LOG" 3>&- &
	follower=$!
	timeout --foreground 20 brood -i "$NAME" events -f -n 0 > "$T/events" 2>> "$LOG" 3>&- &
	PIDS+=("$follower" "$!")
	retry_until 5 test -s "$T/logs"
	ctl reload
	retry_until 5 file_has "$T/events" 'web.1.*generation 2'
	run ! file_has "$T/logs" 'web\.0'
	[ "$(ctl logs -n 3 web.0 | wc -l)" = 3 ]
	kill "$follower" "$!"
	stop_master
}
