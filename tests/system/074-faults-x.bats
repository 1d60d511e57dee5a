# Faults of the surroundings, X1 to X7: planted files, rights, what a launcher hands down, and
# containers in which half of the system is missing.

load ../lib/common

web_conf() {
	write_conf << END
${MASTER_KEYS:-}
[app:web]
command = badworker $*
workers = 1
listen = 127.0.0.1:$PORT
ready = notify
${MORE:-}
END
}

app() {
	ctl status --json | pick ".apps[0].$1"
}

app_is() {
	[ "$(app "$1")" = "$2" ]
}

worker_pid() {
	app 'slots[0].worker.pid'
}

replaced() {
	[ "$(app 'slots[0].state')" = serving ] && [ "$(worker_pid)" != "$1" ]
}

fails_with() {
	launch_master
	wait_master
	[ "$MASTER_EXIT" = "$1" ]
	log_has "$2"
}

# ---- X1, X2: what others have put in our way

@test "X1 a run directory that is a link, or that others may write, is refused" {
	web_conf
	mv "$RUN_DIR" "$T/real"
	ln -s "$T/real" "$RUN_DIR"
	fails_with 73 'run: is not a directory \(links are not followed\)'
	rm "$RUN_DIR"
	mv "$T/real" "$RUN_DIR"
	chmod 0777 "$RUN_DIR"
	fails_with 77 'run: others may write this directory'
	chmod 0711 "$RUN_DIR"
	mkdir -m 0777 "$T/open"
	sed -i "s|^run_dir = .*|run_dir = $T/open/run|" "$CONF"
	fails_with 77 'open/?: everybody may write this directory'
}

@test "X1 a run directory of somebody else is refused" {
	need_root
	web_conf
	chown 65534 "$RUN_DIR"
	fails_with 77 'run: belongs to uid 65534'
	chown 0 "$RUN_DIR"
}

@test "X1 a planted lock is not followed" {
	web_conf
	echo precious > "$T/victim"
	ln -s "$T/victim" "$RUN_DIR/brood.lock"
	fails_with 73 'brood.lock: is a symbolic link: remove it'
	rm "$RUN_DIR/brood.lock"
	ln "$T/victim" "$RUN_DIR/brood.lock"
	fails_with 77 'brood.lock: is not a plain file of ours'
	rm "$RUN_DIR/brood.lock"
	mkfifo "$RUN_DIR/brood.lock"
	fails_with 77 'brood.lock: is not a plain file of ours'
	rm "$RUN_DIR/brood.lock"
	[ "$(cat "$T/victim")" = precious ]
}

@test "X1 what lies at the socket's path and is no socket stays" {
	web_conf
	echo precious > "$RUN_DIR/brood.sock"
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 73 ]
	log_has 'brood.sock'
	[ "$(cat "$RUN_DIR/brood.sock")" = precious ]
	rm "$RUN_DIR/brood.sock"
	ln -s "$T/victim" "$RUN_DIR/brood.sock"
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 73 ]
	[ -L "$RUN_DIR/brood.sock" ] && [ ! -e "$T/victim" ]
	rm "$RUN_DIR/brood.sock"
}

@test "X1 a planted log is not followed, and root's lie where only root writes" {
	MORE="log = file:$T/logs/web.log" web_conf
	mkdir "$T/logs"
	ln -s "$T/victim" "$T/logs/web.log"
	launch_master
	wait_master
	[ "$MASTER_EXIT" = 73 ]
	log_has 'web.log: is a symbolic link'
	[ ! -e "$T/victim" ]
	rm "$T/logs/web.log"
	echo precious > "$T/victim"
	ln "$T/victim" "$T/logs/web.log"
	fails_with 73 'web.log: has a second name'
	[ "$(cat "$T/victim")" = precious ]
	rm "$T/logs/web.log"
	if [ "$(id -u)" = 0 ]; then
		chmod 0777 "$T/logs"
		fails_with 73 'logs: others may write this directory'
	fi
}

@test "X2 the number in the lock file is nobody to be signalled" {
	web_conf
	sleep 1000 3>&- &
	stranger=$!
	PIDS+=("$stranger")
	echo "$stranger" > "$RUN_DIR/brood.lock"
	start_master
	echo "$stranger" > "$RUN_DIR/brood.lock"
	ctl reload
	ctl shutdown
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	run ! ctl shutdown
	kill -0 "$stranger"
}

# ---- X3: giving up rights

@test "X3 a worker of another user has no right left and no way back" {
	need_root
	need setpriv
	chmod 0755 "$T"
	mkdir -m 0777 "$T/dumps"
	MORE="user = nobody" web_conf --dump "$T/dumps/%s"
	# Groups that the master was started with must not go along.
	setpriv --groups 0,4,27 broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ "$(jq -c .ids "$T/dumps/0")" = \
		'{"uid":[65534,65534,65534],"gid":[65534,65534,65534],"groups":[65534]}' ]
	pid=$(worker_pid)
	for set in CapInh CapPrm CapEff CapAmb; do
		[ "$(sed -n "s/^$set:[[:space:]]*//p" "/proc/$pid/status")" = 0000000000000000 ]
	done
	[ "$(jq .no_new_privs "$T/dumps/0")" = 1 ]
	[ "$(jq .pdeathsig "$T/dumps/0")" = 15 ]
	[ "$(jq -r '.environment.USER + " " + .environment.HOME' "$T/dumps/0")" = \
		"nobody $(getent passwd nobody | cut -d : -f 6)" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

# The worker must not run at all when a step to fewer rights fails, or only pretends to work.
never_runs_when() {
	rm -f "$T/dumps/"*
	: > "$LOG"
	strace -f -q -o /dev/null -e "inject=$1" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	wait_master
	[ "$MASTER_EXIT" = 1 ]
	log_has "$2"
	[ -z "$(ls "$T/dumps")" ]
}

@test "X3 a failing or lying setgroups, setgid or setuid ends the child" {
	need_root
	plain_build_only
	need strace
	chmod 0755 "$T"
	mkdir -m 0777 "$T/dumps"
	MORE="user = nobody
restart_limit = 1/1m" web_conf --dump "$T/dumps/%s"
	never_runs_when setgroups:error=EPERM 'change the group: Operation not permitted'
	never_runs_when setresgid:error=EAGAIN 'change the group: '
	never_runs_when setresgid:retval=0 'change the group: '
	never_runs_when setresuid:error=EAGAIN 'change the user: '
	never_runs_when setresuid:retval=0 'change the user: '
}

@test "X3 where the kernel forbids setgroups nobody runs with the wrong groups" {
	need_root
	need unshare
	unshare -U -r true 2> /dev/null || skip "no user namespaces here"
	mkdir -m 0777 "$T/dumps"
	MORE="user = 0
group = 0
restart_limit = 1/1m" web_conf --dump "$T/dumps/%s"
	unshare -U -r broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	wait_master
	[ "$MASTER_EXIT" != 0 ]
	log_has 'change the group: Operation not permitted'
	[ -z "$(ls "$T/dumps")" ]
}

# ---- X4: what root reads and executes

@test "X4 root takes no configuration, program or directory that others may write" {
	need_root
	mkdir "$T/bin"
	cp "$TOOLS_DIR/badworker" "$T/bin/worker"
	write_conf << END
[app:web]
command = $T/bin/worker
workers = 1
listen = 127.0.0.1:$PORT
END
	for mode in 0666 0664; do
		chmod $mode "$CONF"
		fails_with 78 'may be written by others'
	done
	chmod 0644 "$CONF"
	chown 65534 "$CONF"
	fails_with 78 'belongs to user 65534'
	chown 0 "$CONF"
	chmod 0777 "$T/bin"
	fails_with 78 'bin may be written by anybody'
	chmod 0755 "$T/bin"
	chmod 0777 "$T/bin/worker"
	fails_with 78 'worker may be written by anybody'
	chmod 0755 "$T/bin/worker"
	mkdir -m 0777 "$T/work"
	echo "directory = $T/work" >> "$CONF"
	fails_with 78 'work may be written by anybody'
	chmod 1777 "$T/work"
	start_master
	# Nor at a reload, and what runs goes on.
	chmod 0666 "$CONF"
	run ! ctl reload
	[[ $output == *"may be written by others"* ]]
	app_is generation 1
	answers
	stop_master
}

# ---- X5, X6: what a launcher hands down

@test "X5 what the master inherited is not handed on" {
	web_conf --dump "$T/dump"
	LD_LIBRARY_PATH=/nowhere LD_BIND_NOW=1 LISTEN_FDS=3 LISTEN_PID=1 LISTEN_FDNAMES=a:b:c \
		NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=1000000 WATCHDOG_PID=1 MAINPID=1 SECRET=1 \
		BROOD_SLOT=9 BROOD_APP=forged BROOD_GENERATION=9 BROOD_CHANNEL_FD=0 \
		NODE_CHANNEL_FD=0 NODE_UNIQUE_ID=9 INVOCATION_ID=9 JOURNAL_STREAM=8:9 \
		start_master
	[ "$(jq -r '.environment | keys | map(select(test("^(LD_|WATCHDOG|MAINPID|SECRET|NODE_(CH|UN)|INVOC|JOURNAL)"))) | length' "$T/dump")" = 0 ]
	[ "$(jq -r '.environment | .BROOD_SLOT + .BROOD_APP + .BROOD_GENERATION + .LISTEN_FDS' "$T/dump")" = 0web11 ]
	[ "$(jq -r '.pid == (.environment.LISTEN_PID | tonumber)' "$T/dump")" = true ]
	[[ $(jq -r .environment.NOTIFY_SOCKET "$T/dump") == "$RUN_DIR"/n/* ]]
	stop_master
}

@test "X5 inherit_env hands on what is the launcher's and nothing that is the master's" {
	MORE="inherit_env = yes" web_conf --dump "$T/dump"
	LISTEN_FDS=3 LISTEN_PID=1 LISTEN_FDNAMES=a:b:c NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=1000000 \
		BROOD_SLOT=9 BROOD_CHANNEL_FD=0 NODE_CHANNEL_FD=0 NODE_UNIQUE_ID=9 KEPT=1 start_master
	[ "$(jq -r .environment.KEPT "$T/dump")" = 1 ]
	[ "$(jq -r '.environment | keys | map(select(test("^(WATCHDOG|NODE_(CH|UN))"))) | length' "$T/dump")" = 0 ]
	[ "$(jq -r '.environment | .BROOD_SLOT + .LISTEN_FDS' "$T/dump")" = 01 ]
	[ "$(jq -r .environment.BROOD_CHANNEL_FD "$T/dump")" != 0 ]
	stop_master
}

@test "X6 argc = 0" {
	need python3
	web_conf
	cat > "$T/launch.py" << 'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
env = [b"%s=%s" % (k, v) for k, v in os.environb.items()] + [None]
libc.execve(sys.argv[1].encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * len(env))(*env))
sys.exit(os.strerror(ctypes.get_errno()))
END
	# It reads ./brood.conf then.
	python3 "$T/launch.py" "$(command -v broodd)" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	answers
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	run python3 "$T/launch.py" "$(command -v brood)"
	[ "$status" = 64 ]
}

@test "X6 descriptors 0 to 2 closed" {
	web_conf --dump "$T/dump" --say hello --say-err trouble
	broodd -c "$CONF" <&- >&- 2>&- 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$MASTER/fd/$fd")" = /dev/null ]
	done
	[ "$(jq -r '.fds["0"].link' "$T/dump")" = /dev/null ]
	[ "$(jq -r '[.fds | to_entries[] | select(.value.listening) | .key] | join(",")' "$T/dump")" = 3 ]
	answers
	ctl logs | grep -q hello
	ctl reload
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	run -78 bash -c 'echo "bad line" > "$1"; exec broodd -c "$1" <&- >&- 2>&-' - "$T/other.conf"
}

@test "X6 whatever the umask is, files are as private as they should be, and it is the workers'" {
	for mask in 0777 0000; do
		MORE="log = file:$T/$mask.log" web_conf --say hello --dump "$T/dump.$mask"
		old=$(umask)
		umask $mask
		launch_master
		umask "$old"
		retry_until 20 master_answers_or_ended
		[ -z "$MASTER_EXIT" ]
		[ "$(stat -c %a "$RUN_DIR/$NAME.sock")" = 600 ]
		[ "$(stat -c %a "$RUN_DIR/n/"*)" = 600 ]
		retry_until 5 test -s "$T/$mask.log"
		[ "$(stat -c %a "$T/$mask.log")" = 640 ]
		chmod 0600 "$T/dump.$mask"
		[ "$(jq -r .umask "$T/dump.$mask")" = "$((mask))" ]
		stop_master
		[ "$MASTER_EXIT" = 0 ]
		[ $((0$(stat -c %a "$RUN_DIR/$NAME.lock") & 0177)) = 0 ]
		rm -rf "$RUN_DIR"
	done
	mkdir "$RUN_DIR"
}

@test "X6 a limit on the size of files ends neither the master nor its logs' writers" {
	MORE="log = file:$T/web.log" web_conf --flood-out 2000
	(
		ulimit -f 8
		exec broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&-
	) &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	retry_until 10 file_is_full
	pid=$(worker_pid)
	answers
	ctl reload
	replaced "$pid"
	app_is generation 2
	answers
	file_is_full
	# A file that has room again says what is missing.
	mv "$T/web.log" "$T/web.log.1"
	kill -USR1 "$MASTER"
	retry_until 5 grep -qs 'lines lost: File too large' "$T/web.log"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

file_is_full() {
	[ "$(stat -c %s "$T/web.log")" = 8192 ]
}

# ---- X7: containers

# The master as PID 1 of a namespace; INIT is its pid out here. The arguments are a command that
# prepares the namespace and then executes what follows it.
start_as_init() {
	need_root
	need unshare
	MASTER_EXIT=
	unshare -fp --mount-proc "$@" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	read -r INIT < <(children_of "$MASTER")
	PIDS+=("$INIT")
}

stop_init() {
	kill -"${1:-TERM}" "$INIT"
	wait_master "${2:-20}"
}

# The pids inside are others than out here: what matters is how many there are.
inside() {
	children_of "$INIT" | wc -l
}

zombies_inside() {
	local pid n=0

	for pid in $(children_of "$INIT"); do
		if grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2> /dev/null; then
			n=$((n + 1))
		fi
	done
	echo "$n"
}

no_zombies() {
	[ "$(zombies_inside)" = 0 ]
}

@test "X7 PID 1 heeds TERM, INT and HUP" {
	web_conf
	start_as_init
	kill -HUP "$INIT"
	retry_until 5 app_is generation 2
	stop_init TERM
	[ "$MASTER_EXIT" = 0 ]
	start_as_init
	stop_init INT
	[ "$MASTER_EXIT" = 0 ]
	start_as_init
	stop_init QUIT
	[ "$MASTER_EXIT" = 0 ]
}

@test "X7 PID 1 reaps strangers and lets them live" {
	need nsenter
	web_conf
	start_as_init
	before=$(inside)
	# As docker exec does: its orphans become children of PID 1, none of our workers.
	nsenter -t "$INIT" -p -m sh -c 'sleep 1000 & sleep 1001 & for i in 1 2 3 4 5; do true & done' \
		< /dev/null > /dev/null 2>&1 3>&-
	retry_until 5 strangers_are 2
	retry_until 5 no_zombies
	pid=$(worker_pid)
	ctl kill web.0 KILL
	retry_until 5 replaced "$pid"
	ctl reload
	retry_until 5 strangers_are 2
	stop_init
	[ "$MASTER_EXIT" = 0 ]
}

strangers_are() {
	[ $(($(inside) - before)) = "$1" ]
}

@test "X7 PID 1 ends when all its workers failed" {
	need_root
	need unshare
	web_conf --exit-before-ready 3
	echo 'restart_limit = 1/1m' >> "$CONF"
	unshare -fp --mount-proc broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	wait_master
	[ "$MASTER_EXIT" = 1 ]
}

# As a container with a read-only root: only the run directory can be written.
read_only_root() {
	cat > "$T/ro" << END
#!/bin/sh
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs $RUN_DIR
mount -o remount,bind,ro /
exec "\$@"
END
	chmod +x "$T/ro"
}

@test "X7 a read-only root" {
	need nsenter
	read_only_root
	web_conf
	need_root
	unshare -m "$T/ro" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 10 answers
	within() {
		nsenter -t "$MASTER" -m "$@"
	}
	within brood -i "$NAME" status
	within brood -i "$NAME" reload
	run ! within touch "$T/x"
	log_is_calm
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "X7 a log on a read-only root is one clear complaint" {
	need_root
	read_only_root
	MORE="log = file:$T/web.log" web_conf
	unshare -m "$T/ro" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	wait_master
	[ "$MASTER_EXIT" = 73 ]
	retry_until 5 log_count_is 'web.log: Read-only file system' 1
}

@test "X7 no /proc, no control groups: what needs them degrades" {
	need_root
	plain_build_only # the sanitizers themselves read /proc
	cat > "$T/bare" << END
#!/bin/sh
set -e
mount --make-rprivate /
mount -t tmpfs -o ro tmpfs /sys
umount -l /proc
exec "\$@"
END
	chmod +x "$T/bare"
	web_conf --grandchildren 1
	unshare -m "$T/bare" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	answers
	pid=$(worker_pid)
	kill -KILL "$pid"
	retry_until 5 replaced "$pid"
	ctl reload
	ctl status --json > /dev/null
	# One warning for each thing that is missing, and the death.
	retry_until 5 log_count_is ' warn: /proc: ' 1
	retry_until 5 log_count_is ' warn: the kernel shows neither ' 1
	retry_until 5 log_count_is ' (warn|error)' 3
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "X7 a seccomp filter that refuses what it does not know" {
	need python3
	[ "$(uname -m)" = x86_64 ] || skip "the filter is written for x86_64"
	web_conf --dump "$T/dump" --grandchildren 1
	# EPERM, as old container engines answer: close_range, pidfd_open, pidfd_send_signal,
	# clone3, epoll_pwait2, openat2, faccessat2, statx, memfd_create, signalfd4, io_uring.
	cat > "$T/filter.py" << 'END'
import ctypes, os, struct, sys
calls = [436, 434, 424, 435, 441, 437, 439, 332, 319, 289, 425, 426, 427]
code = [(0x20, 0, 0, 0)]
for n in calls:
    code += [(0x15, 0, 1, n), (0x06, 0, 0, 0x00050000 | 1)]
code.append((0x06, 0, 0, 0x7fff0000))
flat = b"".join(struct.pack("HBBI", *c) for c in code)
buf = ctypes.create_string_buffer(flat)
prog = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buf))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(prog), 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])
END
	python3 "$T/filter.py" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	answers
	[ "$(jq -r '.fds | keys | length' "$T/dump")" = 5 ]
	pid=$(worker_pid)
	kill -KILL "$pid"
	retry_until 5 replaced "$pid"
	ctl reload
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}
