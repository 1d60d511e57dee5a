# common.bash: what every process test uses. A test file begins with
#
#	load ../lib/common
#
# and has by that setup() and teardown(). A file that needs more of its own defines them again and
# calls common_setup first and common_teardown last.
#
# Each test gets
#	$T		a directory of its own, removed after a test that passed
#	$RUN_DIR	run directory of its masters (also BROOD_RUN_DIR, which brood reads)
#	$PORT		a TCP port that no other test uses; free_port gives further ones
#	$LOG		what its master wrote to stderr and stdout
# and HOME, XDG_RUNTIME_DIR, XDG_STATE_HOME and XDG_CONFIG_HOME below $T. The programs of the build
# come first in PATH.
#
# Helpers
#	write_conf [NAME] < TEXT	$T/NAME.conf (default: brood) with [master] name and run_dir and
#					then TEXT; sets CONF, NAME
#	start_master [ARG...]		broodd -c $CONF ARG..., until it answers; sets MASTER. Fails if
#					it ends first: then MASTER_EXIT is its exit code.
#	all_ready			whether every worker is ready; with retry_until, before a test
#					asks of a worker what only a ready one does
#	launch_master [ARG...]		the same without waiting
#	stop_master [SECONDS]		TERM and wait; sets MASTER_EXIT; fails if it does not end
#	wait_master [SECONDS]		waits for it to end by itself; sets MASTER_EXIT
#	spawn COMMAND...		any other background process; its pid is in SPAWNED
#	retry_until SECONDS COMMAND...	until COMMAND succeeds; fails when the time is over
#	ctl VERB...			brood -i $NAME VERB...
#	get PATH [PORT]			body of http://127.0.0.1:PORT/PATH
#	answers [PORT]			something answers HTTP there
#	log_has REGEX			a line of $LOG matches, or soon does: what is true of the master may not
#					be written yet
#	logged REGEX			a line of $LOG matches now
#	log_count_is REGEX N		N lines of $LOG match now
#	log_is_calm [REGEX]		no line of $LOG matches (default: warnings and errors), but of
#					workers that waited for the CPU and so looked stalled
#	expect_in_log REGEX		such lines are wanted here: teardown does not fail for them
#	fd_count PID			open descriptors of PID
#	fds_at_most PID N		no more than N of them (a client that left is let go a turn later,
#					so ask with retry_until)
#	need PROGRAM...			skips without PROGRAM; where CI=true it fails instead
#	need_root			skips without uid 0; where CI=true it fails instead
#	plain_build_only		skips under sanitizers (strace, memory limits): not counted
#					as skipped, as the normal build runs the test
#
# A test waits for conditions with a deadline, never for time. Processes are ended by their pid, and
# only those that the test started.
#
# After each test, teardown stops the masters and fails the test if
#	a process of the test is left,
#	the run directory holds more than locks, configuration, and what was found out about steering,
#	somebody still listens on one of its ports,
#	a sanitizer reported anything, or a master logged a broken invariant.

: "${top_builddir:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}"
: "${top_srcdir:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
TESTS_DIR=$top_srcdir/tests
TOOLS_DIR=$top_builddir/tests/lib

bats_require_minimum_version 1.5.0

setup() {
	common_setup
}

teardown() {
	common_teardown
}

common_setup() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/brood.XXXXXX")
	RUN_DIR=$T/run
	LOG=$T/log
	NAME=brood
	CONF=$T/brood.conf
	MASTER="" MASTER_EXIT="" SPAWNED=""
	PIDS=() PORTS=() EXPECTED=()
	mkdir -p "$T/home" "$T/xdg" "$T/state" "$T/config"
	mkdir -m 0711 "$RUN_DIR"
	chmod 0700 "$T/xdg"
	chmod 0711 "$T"
	: > "$LOG"
	mkfifo "$T/.never"

	export BROOD_TEST_DIR=$T BROOD_RUN_DIR=$RUN_DIR HOME=$T/home
	export XDG_RUNTIME_DIR=$T/xdg XDG_STATE_HOME=$T/state XDG_CONFIG_HOME=$T/config
	export PATH=$top_builddir:$TOOLS_DIR:$PATH
	export ASAN_OPTIONS=log_path=$T/sanitizer:exitcode=99:detect_leaks=1
	export UBSAN_OPTIONS=log_path=$T/sanitizer:print_stacktrace=1
	export LC_ALL=C.UTF-8
	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY NOTIFY_SOCKET WATCHDOG_USEC
	unset LISTEN_FDS LISTEN_PID LISTEN_FDNAMES WEB_CONCURRENCY BROOD_CHANNEL_FD

	free_port
	mapfile -t BEFORE < <(children_of "${BROOD_CORRAL:-$PPID}")
	cd "$T" || return 1
}

common_teardown() {
	local complaints

	stop_all
	complaints=$(
		retry_until 5 nothing_left || name_left
		left_in_run_dir
		ports_in_use
		sanitizer_reports
		broken_invariants
	)
	release_ports
	cd /
	if [ -z "$complaints" ] && [ -n "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		rm -rf "$T"
		return 0
	fi
	kill_left
	printf '%s\n' "$complaints"
	show_log
	[ -n "${BROOD_KEEP:-}" ] || rm -rf "$T"
	[ -z "$complaints" ]
}

# ---- masters

write_conf() {
	NAME=${1:-brood}
	CONF=$T/$NAME.conf
	{
		printf '[master]\nname = %s\nrun_dir = %s\n' "$NAME" "$RUN_DIR"
		cat
	} > "$CONF"
}

launch_master() {
	MASTER_EXIT=
	broodd -c "$CONF" "$@" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
}

all_ready() {
	ctl status > /dev/null 2>&1
}

start_master() {
	launch_master "$@"
	if ! retry_until 20 master_answers_or_ended || [ -n "$MASTER_EXIT" ]; then
		return 1
	fi
}

master_answers_or_ended() {
	if ended "$MASTER"; then
		reap_master
		return 0
	fi
	brood -i "$NAME" ping > /dev/null 2>&1
}

stop_master() {
	kill -TERM "$MASTER" 2> /dev/null || true
	wait_master "${1:-20}"
}

wait_master() {
	retry_until "${1:-20}" ended "$MASTER" || return 1
	reap_master
}

reap_master() {
	MASTER_EXIT=0
	wait "$MASTER" || MASTER_EXIT=$?
}

spawn() {
	"$@" >> "$LOG" 2>&1 < /dev/null 3>&- &
	SPAWNED=$!
	PIDS+=("$SPAWNED")
}

ctl() {
	brood -i "$NAME" "$@"
}

# ---- waiting and asking

# The time is that of the clock that never jumps back, in hundredths.
uptime_cs() {
	local up rest

	read -r up rest < /proc/uptime
	echo "${up/./}"
}

# Its own turns start no process: the conditions cost enough. The pause is a read of what nobody
# writes; it is short first, as most of what is waited for comes soon.
retry_until() {
	local up rest deadline=$1 pause=2

	read -r up rest < /proc/uptime
	deadline=$((${up/./} + deadline * 100))
	shift
	while ! "$@"; do
		read -r up rest < /proc/uptime
		if [ "${up/./}" -ge "$deadline" ]; then
			echo "timed out: $*" >&2
			return 1
		fi
		read -r -t "0.0$pause" rest <> "${T:?}/.never" || true
		[ "$pause" -ge 9 ] || pause=$((pause + 1))
	done
}

# A zombie has ended; only its parent has not looked yet.
ended() {
	local stat=

	{ read -r -d '' stat < "/proc/$1/stat"; } 2> /dev/null || true
	stat=${stat##*) } # a name may have anything in it
	[ -z "$stat" ] || [ "${stat%% *}" = Z ]
}

get() {
	curl -sS --max-time 10 "http://127.0.0.1:${2:-$PORT}$1"
}

answers() {
	curl -s -o /dev/null --max-time 2 "http://127.0.0.1:${1:-$PORT}/"
}

logged() {
	grep -Eq -- "$1" "$LOG"
}

log_has() {
	retry_until 5 logged "$1"
}

log_count_is() {
	[ "$(grep -Ec -- "$1" "$LOG")" = "$2" ]
}

log_is_calm() {
	! grep -E -- "${1:- (warn|error)}" "$LOG" | grep -v 'takes no connection: '
}

expect_in_log() {
	EXPECTED+=("$1")
}

fd_count() {
	local fds=("/proc/$1/fd"/*)

	echo "${#fds[@]}"
}

fds_at_most() {
	[ "$(fd_count "$1")" -le "$2" ]
}

# ---- ports: below the range that the kernel takes for outgoing connections. Tests that run at the
# same time tell each other by directories which ones they have; what a killed test left is
# forgotten after an hour.

free_port() {
	local claims=${TMPDIR:-/tmp}/brood-ports-$UID port i

	mkdir -p "$claims"
	find "$claims" -mindepth 1 -maxdepth 1 -mmin +60 -exec rmdir {} + 2> /dev/null || true
	for i in {1..200}; do
		port=$((12000 + RANDOM % 20000))
		mkdir "$claims/$port" 2> /dev/null || continue
		if freeport "$port"; then
			PORTS+=("$port")
			PORT=$port
			return 0
		fi
		rmdir "$claims/$port"
	done
	echo "no free port" >&2
	return 1
}

release_ports() {
	local port

	for port in "${PORTS[@]}"; do
		rmdir "${TMPDIR:-/tmp}/brood-ports-$UID/$port" 2> /dev/null || true
	done
}

# ---- what a test may need

need() {
	local program

	for program; do
		command -v "$program" > /dev/null && continue
		if [ "${CI:-}" = true ]; then
			echo "$program is not installed, and CI skips nothing" >&2
			return 1
		fi
		skip "$program is not installed"
	done
}

need_root() {
	[ "$(id -u)" = 0 ] && return 0
	if [ "${CI:-}" = true ]; then
		echo "this test needs root, and CI skips nothing" >&2
		return 1
	fi
	skip "needs root"
}

plain_build_only() {
	if [ -n "${BROOD_SANITIZED:-}" ]; then
		skip "only in the normal build"
	fi
}

# ---- teardown

stop_all() {
	local pid

	for pid in "${PIDS[@]}"; do
		ended "$pid" || kill -TERM "$pid" 2> /dev/null || true
	done
	for pid in "${PIDS[@]}"; do
		retry_until 20 ended "$pid" || kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
}

children_of() {
	"$TOOLS_DIR/descendants" "$1"
}

# "PID COMMAND", a line each. Under corral nothing escapes this; without it (bats by hand) what has
# lost its parent does.
left_processes() {
	"$TOOLS_DIR/descendants" -l $$ "${BROOD_CORRAL:-$PPID}" "${BEFORE[@]}"
}

nothing_left() {
	local left

	left=$(left_processes) && [ -z "$left" ]
}

name_left() {
	left_processes 2>&1 | sed 's/^/left behind: /'
}

kill_left() {
	local pid _

	while read -r pid _; do
		kill -KILL "$pid" 2> /dev/null || true
	done < <(left_processes)
}

left_in_run_dir() {
	find "$RUN_DIR" ! -type d ! -name '*.lock' ! -name '*.conf' ! -name .steer -printf 'left in the run directory: %P\n'
}

ports_in_use() {
	local port

	for port in "${PORTS[@]}"; do
		freeport "$port" || echo "still in use: port $port"
	done
}

# Workers from a configuration file do not get our ASAN_OPTIONS: theirs is in the log.
sanitizer_reports() {
	local report

	for report in "$T"/sanitizer.*; do
		[ -e "$report" ] && cat "$report"
	done
	unexpected 'ERROR: (Address|Leak)Sanitizer|runtime error: '
}

broken_invariants() {
	unexpected '[Ii]nvariant|[Aa]ssertion'
}

unexpected() {
	local line pattern wanted

	grep -E -- "$1" "$LOG" | while IFS= read -r line; do
		wanted=
		for pattern in "${EXPECTED[@]}"; do
			[[ $line =~ $pattern ]] && wanted=1
		done
		[ -n "$wanted" ] || printf 'in the log: %s\n' "$line"
	done
	return 0
}

show_log() {
	echo "--- the master's log (its end)"
	tail -n 60 "$LOG"
}
