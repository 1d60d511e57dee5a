# cluster.bash: what the soak and the bench share: a master of their own, and its numbers.
#
# Wants BUILD (the build directory). Gives T (a directory of its own), and
#	cluster_start N WORKER [ENV...]	a master with N workers of the program on $PORT; sets MASTER
#	cluster_config N WORKER [ENV...] writes its configuration only (for a later reload);
#					KEYS: further lines of the app
#	cluster_stop			ends it; fails when a worker is left
#	ready_count			how many workers are ready
#	worker_pids			of those that serve
#	field NAME < JSON		the first number or word of that name
#	median < NUMBERS		the one in the middle
# Needs no python and no jq: what runs for hours should not hang on what is installed.

: "${BUILD:=${top_builddir:-$PWD}}"
BUILD=$(cd "$BUILD" && pwd)
TOOLS=${BENCH_TOOLS:-}
export PATH=$BUILD:$BUILD/tests/bench:$BUILD/tests/lib:$PATH
export LC_ALL=C

for program in broodd brood brood-hello tests/bench/load tests/bench/floor tests/lib/freeport; do
	[ -x "$BUILD/$program" ] && continue
	echo "Bail out! $BUILD/$program is missing: make && make check TESTS="
	exit 1
done

T=$(mktemp -d "${TMPDIR:-/tmp}/brood-long.XXXXXX")
chmod 0711 "$T"
mkdir -m 0711 "$T/run"
export BROOD_RUN_DIR=$T/run HOME=$T
MASTER=
LISTEN_HOST=127.0.0.1
unset NOTIFY_SOCKET WATCHDOG_USEC LISTEN_FDS LISTEN_PID WEB_CONCURRENCY BROOD_CHANNEL_FD

cluster_clean() {
	[ -z "$MASTER" ] || cluster_stop || true
	[ -n "${BROOD_KEEP:-}" ] && echo "# kept: $T" || rm -rf "$T"
}
trap cluster_clean EXIT
trap 'exit 130' INT TERM

pick_port() {
	local _

	for _ in {1..100}; do
		PORT=$((12000 + RANDOM % 20000))
		freeport "$PORT" && return 0
	done
	echo "Bail out! no free port"
	exit 1
}

cluster_config() {
	local n=$1 command=$2 variable

	shift 2
	{
		printf '[master]\nname = long\nrun_dir = %s\nlog_level = %s\n' "$T/run" \
			"${LOG_LEVEL:-info}"
		printf '[app:web]\ncommand = %s\nworkers = %s\nlisten = %s:%s\n' "$command" "$n" \
			"$LISTEN_HOST" "$PORT"
		printf 'ready_timeout = 60s\nlog = %s\n%s\n' "${WORKER_LOG:-none}" "${KEYS:-}"
		[ $# -eq 0 ] || printf '[env:web]\n'
		for variable; do
			printf '%s = %s\n' "${variable%%=*}" "${variable#*=}"
		done
	} > "$T/new.conf"
	mv "$T/new.conf" "$T/long.conf"
}

cluster_start() {
	cluster_config "$@"
	: > "$T/log"
	broodd -c "$T/long.conf" >> "$T/log" 2>&1 < /dev/null &
	MASTER=$!
	until_true 120 all_ready "$1" || {
		sed 's/^/# /' "$T/log" | tail -n 20
		return 1
	}
}

cluster_stop() {
	local pid=$MASTER children status=0

	children=$(children_of_master)
	MASTER=
	kill -TERM "$pid" 2> /dev/null
	until_true 60 gone "$pid" || {
		kill -KILL "$pid"
		status=1
	}
	wait "$pid" 2> /dev/null
	for pid in $children; do
		until_true 5 gone "$pid" || {
			echo "# left behind: $pid"
			kill -KILL "$pid" 2> /dev/null
			status=1
		}
	done
	return $status
}

gone() {
	[ ! -e "/proc/$1/stat" ] || grep -q '^State:.Z' "/proc/$1/status" 2> /dev/null
}

children_of_master() {
	cat "/proc/$MASTER/task/$MASTER/children" 2> /dev/null
}

until_true() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

status_json() {
	brood -i long status --json 2> /dev/null | tr -d ' \n'
}

field() {
	grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2 | tr -d '"'
}

median() {
	sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

ready_count() {
	status_json | grep -o '"ready":[0-9]*' | head -n 1 | cut -d: -f2
}

all_ready() {
	gone "$MASTER" && return 1
	[ "$(ready_count)" = "$1" ]
}

# Of the slots' present workers; those that are leaving are listed behind "leaving".
worker_pids() {
	status_json | grep -o '"worker":{"pid":[0-9]*' | grep -o '[0-9]*$'
}

# Idle again: no old worker is leaving.
settled() {
	local status

	status=$(status_json)
	[ "$(grep -o '"ready":[0-9]*' <<< "$status" | head -n 1)" = "\"ready\":$1" ] &&
		[ "$(grep -o '"leaving":[0-9]*' <<< "$status" | head -n 1)" = '"leaving":0' ]
}

# Context switches of the master: an idle one has none.
switches() {
	awk '/ctxt_switches/ {n += $2} END {print n}' "/proc/$MASTER/status"
}

# load_start SECONDS [OPTION...]; load_end prints the report's line. Outside tools report in other
# words, so only the sums of failures are read from them.
load_start() {
	local seconds=$1 program=load

	shift
	[ -z "$TOOLS" ] || program=$TOOLS/connload
	"$program" -p "$PORT" -d "$seconds" "$@" > "$T/load.json" &
	LOAD=$!
	sleep 0.5
}

load_end() {
	kill -TERM "$LOAD" 2> /dev/null
	wait "$LOAD"
}

fd_count() {
	ls "/proc/$1/fd" | wc -l
}
