# state.bash: what a test asks about a cluster that runs, and what must stay as it is when something
# is refused. To be loaded after common.
#
#	app [APP]			that app (default: web) as status --json tells it
#	app_field PATH [APP]		what stands at that path of it: a name or a number, not more (pick)
#	app_is STATE [APP]		its state, as ready, degraded, resting
#	pids [APP]			pids of its workers, in the order of slots
#	slot_pid SLOT [APP]		one of them
#	ready_is N [APP]		so many are ready
#	left_all [APP]			nobody leaves any more
#	apps				names of all apps, in their order
#	unchanged PIDS [APP]		all workers are these, ready, and MAIN_PORT (else PORT) answers
#	begin_load OPTION...		tests/bench/load against PORT; its pid is in LOAD
#	nothing_lost			it has ended (or is told to, after -d 0) and no request failed
#	refused CODE TEXT COMMAND...	the command exits with CODE and its output matches TEXT

app() {
	ctl status --json | jq --arg name "${1:-web}" '.apps[] | select(.name == $name)'
}

app_field() {
	ctl status "${2:-web}" --json | pick ".apps[0]$1"
}

app_is() {
	[ "$(app_field .state "${2:-}")" = "$1" ]
}

pids() {
	ctl status "${1:-web}" --json | jq -r '[.apps[0].slots[].worker.pid] | join(" ")'
}

slot_pid() {
	app_field ".slots[$1].worker.pid" "${2:-}"
}

ready_is() {
	[ "$(app_field .ready "${2:-}")" = "$1" ]
}

left_all() {
	[ "$(app_field .leaving "${1:-}")" = 0 ]
}

apps() {
	ctl status --json | jq -r '[.apps[].name] | join(" ")'
}

unchanged() {
	[ "$(pids "${2:-}")" = "$1" ] || {
		echo "workers were $1, are $(pids "${2:-}")"
		return 1
	}
	app_is ready "${2:-}"
	answers "${MAIN_PORT:-$PORT}"
}

begin_load() {
	"$top_builddir/tests/bench/load" -p "$PORT" "$@" > "$T/load" 2>> "$LOG" 3>&- &
	LOAD=$!
	PIDS+=("$LOAD")
}

nothing_lost() {
	wait "$LOAD"
	jq -e '.new.answered > 0 and ([.new, .kept | .failed, .stale] | add) == 0' "$T/load" \
		> /dev/null || {
		cat "$T/load"
		return 1
	}
}

refused() {
	local code=$1 text=$2

	shift 2
	run "-$code" "$@" || true
	[ "$status" = "$code" ] && [[ $output =~ $text ]] && return 0
	printf '%s\nexit code %s, wanted %s\n%s\nwanted: %s\n' "$*" "$status" "$code" "$output" "$text"
	return 1
}
