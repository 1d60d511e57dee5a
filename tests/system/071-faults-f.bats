# The faults F1-F10: what the machine may refuse. F3 is in 065-control.bats, F7 and F10 in
# 060-output.bats.

load ../lib/common

teardown() {
	local code=0

	common_teardown || code=1
	[ -z "${CGROUP:-}" ] || retry_until 5 rmdir "$CGROUP" || code=1
	return "$code"
}

# One value of the app's slot, as: of_slot 0 .worker.pid
of_slot() {
	ctl status --json | pick ".apps[0].slots[$1]$2"
}

of_app() {
	ctl status --json | pick ".apps[0].$1"
}

app_is() {
	[ "$(of_app state)" = "$1" ]
}

pids() {
	ctl status --json | jq -r '[.apps[0].slots[].worker.pid // 0]|join(" ")'
}

all_serve() {
	[ "$(ctl status --json 2> /dev/null |
		jq '[.apps[].slots[]|.state == "serving"]|all')" = true ]
}

all_serve_anew() {
	[ "$(ctl status --json | jq --arg old " $1 " '[.apps[].slots[] | . as $s | .state == "serving"
		and ($old | contains(" \($s.worker.pid) ") | not)] | all')" = true ]
}

nobody_leaves() {
	[ "$(of_app leaving)" = 0 ]
}

# ---- processes and descriptors

# A user of this test's own, so that nobody else's processes count.
own_user() {
	need_root
	need setpriv
	USER_ID=$((200000 + RANDOM))
	chown -R "$USER_ID" "$T"
}

as_own() {
	setpriv --reuid "$USER_ID" --regid 65534 --clear-groups "$@"
}

# The log puts what repeats itself together; this counts what happened.
failed_starts() {
	ctl events --json -n 1000 | grep -c '"spawn_waiting"'
}

failed_starts_are() {
	[ "$(failed_starts)" -ge "$1" ]
}

@test "F1 no process may be made: the others serve, it is tried again and charged to nobody" {
	own_user
	write_conf << END
[app:web]
command = badworker
workers = 3
listen = 127.0.0.1:$PORT
restart_limit = 2/60s
crash_burst = 1
restart_delay = 10ms
END
	MASTER_EXIT=
	setpriv --reuid "$USER_ID" --regid 65534 --clear-groups broodd -c "$CONF" >> "$LOG" 2>&1 \
		< /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	old=$(pids)
	as_own prlimit --nproc=1: --pid "$MASTER"
	kill -KILL "${old%% *}"
	retry_until 5 logged 'web\.0.*could not be started: fork: Resource temporarily unavailable'
	retry_until 8 failed_starts_are 3
	[ "$(of_slot 0 .state)" = starting ]
	[ "$(of_slot 1 .state) $(of_slot 2 .state)" = "serving serving" ]
	[ "$(of_slot 0 .restarts)" = 1 ]
	answers
	# more often than restart_limit allows deaths; a reload cannot go on either, and hurts nobody
	before=$(pids)
	ctl reload --no-wait
	retry_until 5 logged 'web\.1.*could not be started|web.*generation 1 -> 2'
	answers
	as_own prlimit --nproc=1000: --pid "$MASTER"
	retry_until 5 all_serve_anew "$before"
	[ "$(of_app generation)" = 2 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

# Lowers the master's limit so that so many descriptors can still be had.
leave_descriptors() {
	local fd=0 free=0

	while :; do
		[ -e "/proc/$MASTER/fd/$fd" ] || free=$((free + 1))
		[ "$free" -le "$1" ] || break
		fd=$((fd + 1))
	done
	prlimit --nofile="$fd:" --pid "$MASTER"
}

@test "F2 no descriptor: the slot waits, and comes back when there are some" {
	write_conf << END
[app:web]
command = badworker
workers = 3
listen = 127.0.0.1:$PORT
restart_limit = 2/60s
restart_delay = 10ms
END
	start_master
	old=$(pids)
	prlimit --nofile=8: --pid "$MASTER"
	kill -KILL "${old%% *}"
	retry_until 5 logged 'web\.0.*could not be started: .*Too many open files'
	leave_descriptors 2
	retry_until 8 failed_starts_are 3
	answers
	run ! logged 'gave up'
	# it does not spin meanwhile
	[ "$(failed_starts)" -le 5 ]
	prlimit --nofile=1024: --pid "$MASTER"
	retry_until 5 all_serve
	[ "$(of_slot 0 .restarts)" = 1 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "F2 too few descriptors are told at the start" {
	write_conf << END
[app:web]
command = badworker --no-listen
workers = 16
END
	MASTER_EXIT=
	prlimit --nofile=60:60 broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 5 logged 'warn: about [0-9]+ descriptors are needed, the hard limit is 60'
	retry_until 5 logged 'could not be started: .*Too many open files'
	some_serve() { logged 'web\.3 pid [0-9]+: ready'; }
	retry_until 5 some_serve
	run ! logged 'gave up'
	stop_master
}

# Sends sig to all workers and waits until others serve.
crash_all() {
	local old

	old=$(pids)
	# shellcheck disable=SC2086
	kill "-$1" $old
	retry_until 10 all_serve_anew "$old"
}

rss_kb() {
	awk '/VmRSS/ { print $2 }' "/proc/$1/status"
}

@test "F4 hundreds of crashes and reloads leave descriptors and memory as they were" {
	write_conf << END
[app:web]
command = badworker --if-file $T/broken --crash-before-ready 0
workers = 8
listen = 127.0.0.1:$PORT
log = file:$T/web.log
limit_core = 0
crash_burst = 1000
max_surge = 4
restart_delay = 10ms
END
	start_master
	writer=$(pgrep -P "$MASTER" -f log-writer || pgrep -P "$MASTER" -f log_writer || pgrep -P "$MASTER" broodd)
	crash_all KILL
	ctl reload
	retry_until 5 nobody_leaves
	fds=$(fd_count "$MASTER") writer_fds=$(fd_count "$writer") rss=$(rss_kb "$MASTER")
	for _ in {1..20}; do
		crash_all KILL
		crash_all ABRT
		ctl reload
	done
	: > "$T/broken"
	for _ in {1..15}; do
		run -1 ctl reload
	done
	rm "$T/broken"
	[ "$(of_app deaths)" -ge 490 ]
	retry_until 5 nobody_leaves
	retry_until 8 fds_at_most "$MASTER" "$fds"
	retry_until 8 fds_at_most "$writer" "$writer_fds"
	[ -n "${BROOD_SANITIZED:-}" ] || [ "$(rss_kb "$MASTER")" -le $((rss + 400)) ]
	[ -z "$(find "$RUN_DIR/n" -name '*.web.*' | tail -n +9)" ]
	stop_master
}

@test "F5 a worker finds 0, 1, 2, its listeners and the channel, and nothing else" {
	write_conf << END
[app:web]
command = badworker --dump $T/dump.%s
workers = 2
listen = 127.0.0.1:$PORT
listen = unix:$T/sock
END
	# what the master itself was given must not go down either
	exec {leak}> "$T/leak"
	MASTER_EXIT=
	broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	exec {leak}>&-
	for slot in 0 1; do
		[ "$(jq -c '.fds|keys' "$T/dump.$slot")" = '["0","1","2","3","4","5"]' ]
		[ "$(jq -r '.fds["0"].link' "$T/dump.$slot")" = /dev/null ]
		[ "$(jq -c '[.fds["1","2"].link[0:5]]' "$T/dump.$slot")" = '["pipe:","pipe:"]' ]
		[ "$(jq -c '[.fds["3","4","5"].listening]' "$T/dump.$slot")" = '[true,true,false]' ]
		[ "$(jq -r .environment.BROOD_CHANNEL_FD "$T/dump.$slot")" = 5 ]
	done
	stop_master
}

# ---- memory

# The master with a library that lets allocations fail. order FIRST TIMES begins to count anew.
prepare_nomem() {
	plain_build_only
	NOMEM_LIBRARY=$TOOLS_DIR/.libs/nomem.so
	[ -e "$NOMEM_LIBRARY" ]
	EPOCH=0
	printf '%08d %08d %08d %08d\n' 0 0 0 0 > "$T/nomem"
}

launch_short_of_memory() {
	MASTER_EXIT=
	LD_PRELOAD=$NOMEM_LIBRARY NOMEM=$T/nomem NOMEM_PROGRAM=/broodd broodd -c "$CONF" \
		>> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
}

order() {
	EPOCH=$((EPOCH + 1))
	printf '%08d %08d %08d 00000000\n' "$EPOCH" "$1" "$2" |
		dd of="$T/nomem" conv=notrunc status=none
}

allocations() {
	local counted

	read -r _ _ _ counted < "$T/nomem"
	echo $((10#$counted))
}

# The n for which a sweep is made: all with BROOD_SWEEP=all, else a dozen that spread over 1 to $1.
sweep() {
	local i step=$(($1 / 12 + 1))

	[ "${BROOD_SWEEP:-}" != all ] || step=1
	for ((i = 1 + RANDOM % step; i <= $1; i += step)); do
		echo "$i"
	done
}

@test "F6 memory ends at the start: it works or ends with a clear error" {
	prepare_nomem
	write_conf << END
[app:web]
command = badworker
workers = 2
listen = 127.0.0.1:$PORT
END
	order 0 0
	launch_short_of_memory
	retry_until 10 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	total=$(allocations)
	stop_master
	[ "$total" -gt 50 ]
	for n in $(sweep "$total"); do
		: > "$LOG"
		order "$n" 1
		launch_short_of_memory
		retry_until 10 master_answers_or_ended
		order 0 0
		if [ -z "$MASTER_EXIT" ]; then
			retry_until 5 all_serve
			stop_master
			[ "$MASTER_EXIT" = 0 ]
		else
			echo "allocation $n of $total: exit $MASTER_EXIT, $(tail -n 1 "$LOG")"
			[ "$MASTER_EXIT" = 71 ] || [ "$MASTER_EXIT" = 73 ] || [ "$MASTER_EXIT" = 78 ] ||
				[ "$MASTER_EXIT" = 1 ]
			retry_until 2 logged '[Mm]emory' # the log's writer may be slower
		fi
	done
}

@test "F6 memory ends in a reload: it works or changes nothing, and the next one works" {
	prepare_nomem
	write_conf << END
[app:web]
command = badworker
workers = 2
# Without memory for a watch the deadline ends the waiting.
stop_timeout = 2s
listen = 127.0.0.1:$PORT
END
	launch_short_of_memory
	retry_until 10 master_answers_or_ended
	order 0 0
	ctl reload
	retry_until 5 nobody_leaves
	total=$(allocations)
	[ "$total" -gt 50 ]
	for n in $(sweep "$total"); do
		order "$n" 1
		run ctl reload --timeout 10s
		order 0 0
		[ "$status" = 0 ] || [ "$status" = 1 ] || [ "$status" = 69 ] || [ "$status" = 71 ] ||
			[ "$status" = 75 ] || [ "$status" = 78 ] || {
			echo "allocation $n of $total: $status $output"
			return 1
		}
		ended "$MASTER" && { echo "allocation $n of $total ended the master"; return 1; }
		retry_until 5 all_serve
	done
	ctl reload
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "F6 memory ends when a worker dies: it comes back all the same" {
	prepare_nomem
	write_conf << END
[app:web]
command = badworker
workers = 2
listen = 127.0.0.1:$PORT
stop_timeout = 2s
crash_burst = 1000
restart_limit = none
restart_delay = 10ms
END
	launch_short_of_memory
	retry_until 10 master_answers_or_ended
	order 0 0
	crash_all KILL
	total=$(allocations)
	for n in $(sweep "$total"); do
		old=$(pids)
		order "$n" 1
		# shellcheck disable=SC2086
		kill -KILL $old
		retry_until 10 all_serve_anew "$old" || {
			echo "allocation $n of $total"
			return 1
		}
		order 0 0
	done
	# and when there is none at all for a while
	old=$(pids)
	order 1 99999999
	# shellcheck disable=SC2086
	kill -KILL $old
	sleep 1.5
	order 0 0
	retry_until 10 all_serve_anew "$old"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "F6 memory ends in a stop: it ends" {
	prepare_nomem
	write_conf << END
[app:web]
command = badworker --ignore TERM
workers = 2
listen = 127.0.0.1:$PORT
stop_timeout = 50ms
limit_core = 0
END
	launch_short_of_memory
	retry_until 10 master_answers_or_ended
	order 1 99999999
	stop_master 10
	[ "$MASTER_EXIT" = 0 ]
	family_gone() { nothing_left; }
	family_gone
}

# ---- disks

@test "F8 a full disk under the run directory leaves the old file whole" {
	need_root
	need setpriv unshare
	mkdir "$T/small"
	cat > "$T/inside" << 'END'
#!/bin/bash
# in a mount namespace of its own: $T/small is a disk of 64 KiB
mount -t tmpfs -o size=64k,mode=0711 none "$T/small" || exit 99
brood start -i small -n 1 --timeout 10s -- badworker --no-listen || exit 1
cp "$T/small/small.conf" "$T/before"
head -c 1000000 /dev/zero > "$T/small/fill" 2> /dev/null
export LONG=$(head -c 30000 /dev/zero | tr '\0' x)
brood -i small reload --update-env && code=2
cmp "$T/small/small.conf" "$T/before" || code=3
ls "$T/small" > "$T/names"
brood -i small status || code=4
rm "$T/small/fill"
brood -i small reload --update-env || code=5
grep -q xxxxxxxx "$T/small/small.conf" || code=6
brood -i small shutdown || code=7
exit ${code:-0}
END
	chmod 0755 "$T/inside"
	export T
	BROOD_RUN_DIR=$T/small XDG_STATE_HOME=$T/state run unshare -m "$T/inside" 3>&-
	[ "$status" != 99 ] || skip "cannot mount"
	echo "$output"
	[ "$status" = 0 ]
	# nothing half-written lies about
	[ "$(grep -cv -e fill -e '^n$' -e 'small\.\(conf\|lock\|sock\)' "$T/names")" = 0 ]
}

limit_cgroup() {
	[ -e "$CGROUP/$1" ] && echo 20M > "$CGROUP/$1" || return 1
	[ ! -e "$CGROUP/$2" ] || echo "$3" > "$CGROUP/$2"
} 2> /dev/null

# A memory cgroup for this test alone, of version 2 or 1, in CGROUP. CI does not fail for want of
# one: a container rarely has it.
make_cgroup() {
	local own

	for own in "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)" /sys/fs/cgroup/memory \
		"/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)"; do
		CGROUP=$own/brood-test-$$
		mkdir "$CGROUP" 2> /dev/null || continue
		limit_cgroup memory.max memory.swap.max 0 && return 0
		limit_cgroup memory.limit_in_bytes memory.memsw.limit_in_bytes 20M && return 0
		rmdir "$CGROUP"
	done
	CGROUP=
	return 1
}

@test "F9 a worker that the kernel kills for memory has the cause oom" {
	plain_build_only
	make_cgroup || skip "only in the normal build of a machine with memory cgroups"
	write_conf << END
[app:web]
command = badworker --once $T/once --memory 100 --start-delay 200
workers = 1
restart_delay = 10ms
END
	cat > "$T/launcher" << END
#!/bin/bash
echo \$\$ > $CGROUP/cgroup.procs
exec broodd -c $CONF
END
	chmod 0755 "$T/launcher"
	spawn "$T/launcher"
	MASTER=$SPAWNED MASTER_EXIT=
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	retry_until 10 logged 'killed by the kernel: out of memory'
	retry_until 10 all_serve
	[ "$(ctl why --json web.0 | pick '.slots[0].obituaries[0].cause')" = oom ]
	# a KILL from elsewhere is not taken for one
	old=$(pids)
	kill -KILL "$old"
	retry_until 5 all_serve_anew "$old"
	[ "$(ctl why --json web.0 | pick '.slots[0].obituaries[0].cause')" = signal ]
	stop_master
}

@test "F10 a master without standard streams runs as any other" {
	write_conf << END
[app:web]
command = badworker --say hello --say-err trouble
workers = 2
listen = 127.0.0.1:$PORT
END
	MASTER_EXIT=
	broodd -c "$CONF" <&- >&- 2>&- 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	# none of its own descriptors took their place
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$MASTER/fd/$fd")" = /dev/null ]
	done
	crash_all KILL
	ctl reload
	[ "$(ctl logs -n 1 web.0 | wc -l)" = 1 ]
	answers
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "F10 workers have the default of SIGPIPE, the master ignores it" {
	write_conf << END
[app:web]
command = sleep 1000
workers = 1
ready = delay:100ms
END
	start_master
	ignored() { echo $(((0x$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$1/status") >> 12) & 1)); }
	[ "$(ignored "$MASTER")" = 1 ]
	retry_until 5 all_serve
	[ "$(ignored "$(pids)")" = 0 ]
	stop_master
}
