# Each verb of brood against a real master: exit code, what a person reads, and --json, which is
# held against the shapes of brood-protocol(7) by tests/lib/shapes.py.

load ../lib/common
load ../lib/slots

setup() {
	common_setup
	need jq python3
	export NO_COLOR=1
}

# Two apps: web (2 workers that speak), and jobs (1, mute).
both() {
	write_conf << END
[app:web]
command = badworker $(speaking 2) --say hello --say-err oops
workers = 2
listen = 127.0.0.1:$PORT?name=http
ready = channel
[env:web]
COLOUR = blue
[app:jobs]
command = badworker --no-listen
workers = 1
END
	start_master
	retry_until 10 app_is .ready 2
}

# json SHAPE BROOD-ARGUMENT...: prints one document of that shape and no other; CODE: the exit code
json() {
	local shape=$1 code=0

	shift
	ctl --json "$@" > "$T/json" 2> "$T/stderr" || code=$?
	python3 "$TESTS_DIR/lib/shapes.py" "$shape" < "$T/json" || {
		echo "brood $*: exit $code"
		cat "$T/json" "$T/stderr"
		return 1
	}
	[ "$code" = "${CODE:-0}" ]
}

# fails CODE TEXT BROOD-ARGUMENT...: with that text on stderr, nothing on stdout, and as --json
fails() {
	local code=$1 text=$2

	shift 2
	run -"$code" --separate-stderr ctl "$@"
	[ -z "$output" ]
	[[ $stderr == "brood: "*"$text"* ]] || {
		echo "$stderr"
		return 1
	}
	CODE=$code json error "$@"
	[ "$(jq .error.exit "$T/json")" = "$code" ]
}

@test "status, describe, why: what a person reads and what a program reads" {
	both
	json status status
	json status status web
	[ "$(jq '.apps|length' "$T/json")" = 1 ]
	json status ps
	run -0 ctl status
	[[ $output == *"brood: pid $MASTER, up "*", brood 0."* ]]
	[[ $output == *"web: ready, 2/2 ready, generation 1, on tcp:127.0.0.1:$PORT"* ]]
	[[ $output =~ jobs\ +0\ +[0-9]+\ +ready\ +1 ]]

	json describe describe web
	[ "$(jq -r '.config.workers' "$T/json")" = 2 ]
	run ! grep -q blue "$T/json"
	run -0 ctl describe web
	[[ $output == *"Listeners"*"tcp:127.0.0.1:$PORT"*"http"*"Slots"*"Configuration"*"ready "*"channel"* ]]
	fails 1 "no app" describe nobody

	json why why web
	json why why web.1
	[ "$(jq '.slots|length' "$T/json")" = 1 ]
	run -0 ctl why web.1
	[[ $output == *"web.1 is serving"* ]]
	fails 1 "" why web.7
	fails 1 "no app" why nobody.0
	stop_master
}

@test "status: 0 all ready, 1 degraded, 3 not running" {
	both
	run -0 ctl status
	sed -i 's/^command = badworker --no-listen/command = badworker --exit-before-ready 1/; s/^workers = 1/&\nrestart_limit = 1\/1m/' "$CONF"
	run -1 ctl reload
	run -0 ctl status
	run -1 ctl restart jobs
	run -1 ctl status
	[[ $output == *failed* ]]
	CODE=1 json status status
	stop_master
	run -3 ctl status
	[[ $output == *"no master"* ]]
	CODE=3 json error status
}

@test "drain and resume" {
	both
	old=$(worker 1)
	run -0 ctl drain web.1
	[[ $output == *"web.1: drained"*"web: 1/2 ready, 1 drained, generation 1" ]]
	json status status
	[ "$(jq -r '.apps[0]|[.state, .slots[1].state, .slots[1].drained]|map(tostring)|join(" ")' "$T/json")" = \
		"drained resting true" ]
	json message resume web.1
	[ "$(worker 1)" != "$old" ]
	json accepted drain jobs --no-wait
	json message resume jobs
	fails 1 "no slot 2 in \"web\": it has 0 to 1" drain web.2
	fails 1 "no app \"nobody\"" resume nobody
	stop_master
}

@test "probe and doctor" {
	both
	json probe probe web.1
	[ "$(jq -r '[.app, .slot, .path, .ok, .status]|map(tostring)|join(" ")' "$T/json")" = "web 1 / true 200" ]
	[ "$(jq '.connect_us > 0 and .answer_us >= .connect_us' "$T/json")" = true ]
	run -0 ctl probe web.0 /anything
	[[ $output == "web.0 /anything: HTTP/1."*" 200 OK (connected after "*" ms, answered after "*" ms)" ]]
	# jobs has no address, a slot that is drained no worker
	fails 1 "" probe jobs.0
	run -0 ctl drain web.0
	fails 1 "" probe web.0
	fails 1 "no slot 7" probe web.7
	json doctor doctor
	[ "$(jq '[.checks[]|select(.part == "master")]|length > 0' "$T/json")" = true ]
	stop_master
}

@test "ls: running, stale, denied" {
	both
	json ls ls
	[ "$(jq -r '.instances[0]|[.name, .state, .pid, .ready, .workers, (.apps|join("+"))]|map(tostring)|join(" ")' "$T/json")" = \
		"brood running $MASTER 3 3 web+jobs" ]
	run -0 ctl ls
	[[ $output =~ brood\ +$MASTER\ +running\ +"web jobs"\ +3/3 ]]
	[ "$(ctl list --json | jq -c 'del(.instances[].uptime_ms)')" = "$(jq -c 'del(.instances[].uptime_ms)' "$T/json")" ]
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$RUN_DIR/gone.sock"
	json ls ls
	[ "$(jq -r '.instances[]|select(.name == "gone").state' "$T/json")" = stale ]
	rm "$RUN_DIR/gone.sock"
	stop_master
	run -0 ctl ls
	[[ $output == "no instances in $RUN_DIR" ]]
	json ls ls
}

@test "reload and restart" {
	both
	old=$(worker 0)
	run -0 ctl reload web
	[[ $output == *"web: generation 1 -> 2"*"web.0: ready"*"web: 2/2 ready, generation 2 ("*" ms)"* ]]
	[[ $output != *jobs* ]]
	[ "$(worker 0)" != "$old" ]
	json message reload
	json message reload jobs
	json accepted reload --no-wait
	retry_until 5 app_is .rollout none
	run -0 ctl restart
	[[ $output == *"web: 2/2 ready"* && $output == *"jobs: 1/1 ready"* ]]
	json message restart web
	json accepted restart jobs --no-wait
	fails 1 "no app" reload nobody
	fails 1 "no app" restart nobody
	fails 1 "--update-env is for" reload --update-env
	run -64 ctl reload one two
	stop_master
}

@test "a reload that fails: 1, the reason, the last words, where to look" {
	both
	sed -i 's/--say-err oops/--say-err disk-is-gone --exit-before-ready 3/' "$CONF"
	run -1 --separate-stderr ctl reload
	[[ $stderr == *"exit 3"*"disk-is-gone"*"brood why"*"web"* ]]
	CODE=1 json error reload web
	[[ $(jq -r .error.last_words "$T/json") == *disk-is-gone* ]]
	[ "$(jq .error.code "$T/json")" = -32001 ]
	[ "$(app .ready)" = 2 ]
	echo nonsense >> "$CONF"
	fails 78 "$CONF:" reload
	[ "$(jq .error.code "$T/json")" = -32078 ]
	[ "$(app .ready)" = 2 ]
	stop_master
}

@test "stop APP and start APP: the app rests, the master stays" {
	both
	run -0 ctl stop web
	[[ $output == *"web rests"* ]]
	[ "$(app .state)" = resting ]
	run -0 ctl status
	json message stop web
	run -0 ctl start web
	[[ $output == *"web: 2/2 ready"* ]]
	json message start web
	json accepted stop web --no-wait
	retry_until 10 app_is .state resting
	json accepted start web --no-wait
	retry_until 10 app_is .state ready
	fails 1 "no app" stop nobody
	fails 64 "stop which app?" stop
	stop_master
}

@test "shutdown ends the master, and returns when it is gone" {
	both
	run -0 ctl shutdown
	[[ $output == *"brood: has ended"* ]]
	ended "$MASTER"
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	start_master
	json message shutdown
	wait_master
	start_master
	json accepted shutdown --no-wait
	wait_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "scale N, +N, -N" {
	both
	run -0 ctl scale jobs 3
	[[ $output == *"jobs: 3/3 ready"* ]]
	run -0 ctl scale jobs +2
	[[ $output == *"jobs: 5/5 ready"* ]]
	run -0 ctl scale jobs -4
	[[ $output == *"jobs: 1/1 ready"* ]]
	json message scale jobs 2
	json accepted scale jobs 1 --no-wait
	run -0 ctl scale jobs 0
	run -0 ctl status
	fails 64 "scale to N" scale jobs many
	fails 64 "scale to N" scale jobs -- --
	fails 64 "scale which app" scale 3
	fails 64 "" scale jobs 99999
	fails 1 "no app" scale nobody 1
	stop_master
}

@test "kill and signal" {
	both
	old=$(worker 0)
	run -0 ctl kill web.0
	[ "$output" = "sent SIGTERM to web.0, pid $old" ]
	retry_until 5 serves_anew 0 "$old"
	old=$(worker 0)
	json message kill web.0 SIGKILL
	retry_until 5 serves_anew 0 "$old"
	[ "$(death 0 '|[.cause, .signal]|join(" ")')" = "operator KILL" ]
	old=$(worker 1)
	json message kill web.1 9
	retry_until 5 serves_anew 1 "$old"
	# What an operator did is in the log and among the events.
	log_has "web\.1 pid $old: SIGKILL sent on an operator's word"
	log_has "web\.1 pid $old: killed by SIGKILL \(after .*, operator\)"
	[ "$(event_count signal_sent)" = 3 ]
	run -0 ctl signal web CONT
	[ "$output" = "sent SIGCONT to 2 workers of web" ]
	json message signal web SIGCONT
	fails 64 "is not a signal" kill web.0 NONSENSE
	fails 64 "is not a signal" signal web 999
	fails 64 "kill wants one worker" kill web
	fails 1 "" kill web.9
	fails 1 "no app" signal nobody HUP
	stop_master
}

@test "logs: history, one app, one slot, -n, and what comes" {
	both
	retry_until 5 has_lines web 4
	json log logs
	json log logs web.1
	[ "$(jq -s 'map([.slot, .stream, .line]|map(tostring)|join(" "))|sort|join(";")' "$T/json")" = '"1 err oops;1 out hello"' ]
	run -0 ctl logs web.0 -n 1
	[ "${#lines[@]}" = 1 ]
	[[ $output =~ web\.0.*(hello|oops)$ ]]
	run -0 ctl tail -n 2 web
	[ "${#lines[@]}" = 2 ]
	fails 1 "no app" logs nobody
	fails 64 "--lines is a number" logs -n x

	brood -i "$NAME" logs -f --json web > "$T/followed" 3>&- &
	follower=$!
	PIDS+=("$follower")
	retry_until 5 grep -q hello "$T/followed"
	get '/say?more'
	retry_until 5 grep -q '"more"' "$T/followed"
	python3 "$TESTS_DIR/lib/shapes.py" log < "$T/followed"
	kill -INT "$follower"
	wait "$follower"
	stop_master
}

has_lines() {
	[ "$(ctl logs "$1" --json | wc -l)" = "$2" ]
}

@test "events: history, one app, -n, and what comes" {
	both
	json event events
	[ "$(jq -s -r '.[0].event' "$T/json")" = master_started ]
	json event events jobs
	[ "$(jq -s 'map(.app)|unique|join(" ")' "$T/json")" = '"jobs"' ]
	json event events -n 2
	[ "$(wc -l < "$T/json")" = 2 ]
	run -0 ctl events web
	[[ $output == *"info"*"web.0: starting"* ]]
	brood -i "$NAME" events -f --json > "$T/followed" 3>&- &
	follower=$!
	PIDS+=("$follower")
	retry_until 5 test -s "$T/followed"
	ctl scale jobs +1
	retry_until 5 grep -q '"event":"scaled"\|"event": "scaled"' "$T/followed"
	python3 "$TESTS_DIR/lib/shapes.py" event < "$T/followed"
	kill -INT "$follower"
	wait "$follower"
	# Who follows is told when the master ends.
	brood -i "$NAME" events -f > "$T/followed" 2>&1 3>&- &
	follower=$!
	retry_until 5 test -s "$T/followed"
	stop_master
	run wait "$follower"
	grep -q 'exit code 0\|stopping' "$T/followed"
}

@test "send, env, ping, version, reopen, config, check" {
	both
	json delivered send web '{"a":1}'
	json delivered send web.0 '"x"'
	json delivered send jobs 1
	[ "$(jq .delivered "$T/json")" = 0 ]

	json env env web.0
	[ "$(jq -r '.environment|[.COLOUR, .BROOD_SLOT, .BROOD_APP]|join(" ")' "$T/json")" = "blue 0 web" ]
	run -0 ctl env web.0
	[[ $output == *"COLOUR=blue"* ]]
	fails 64 "env wants one worker" env web
	fails 1 "" env web.9

	json ping ping
	run -0 ctl ping
	[[ $output =~ ^"brood (pid $MASTER) answers in "[0-9.]+" ms"$ ]]
	json version version
	[ "$(jq .master.pid "$T/json")" = "$MASTER" ]
	[ "$(jq -r .master.role "$T/json")" = admin ]
	json message reopen

	json config config
	jq -r .text "$T/json" > "$T/printed"
	run ! grep -q blue "$T/printed"
	run -0 ctl config
	[[ $output == *"[app:web]"*"workers = 2"* ]]
	run -0 brood config -c "$CONF"
	[[ $output == *"[app:web]"*"ready_timeout = "* ]]
	run -0 brood check -c "$CONF"
	json check check -c "$CONF"
	[ "$(jq .ok "$T/json")" = true ]
	echo 'wrokers = 1' >> "$CONF"
	run -78 brood check -c "$CONF"
	[[ $output == *"$CONF:"*"wrokers"*"workers"* ]]
	CODE=78 json check check -c "$CONF"
	[ "$(jq '[.ok, .exit, (.messages|length)]|tojson' "$T/json")" = '"[false,78,1]"' ]
	run -78 brood config -c "$CONF"
	stop_master
}

@test "usage: 64, nearest names, help" {
	fails 64 "there is no" relaod
	fails 64 "unknown option" reload --upate-env
	fails 64 "wants" scale
	fails 64 "one argument too many" ping it
	run -64 brood relaod
	[[ $output == *"reload"* ]]
	run -64 brood reload --upate-env
	[[ $output == *"--update-env"* ]]
	run -64 brood
	run -0 brood help
	run -0 brood help reload
	[[ $output == *"--no-wait"* ]]
	run -0 brood reload -h
	run -0 brood --version
	[[ $output == "brood 0."* ]]
	for verb in $(brood help --names | awk -F '\t' '$1 == "verb" { print $2 }'); do
		run -0 brood help "$verb"
		run -64 brood "$verb" --no-such-option
	done
}

@test "no master: each verb that needs one says so with 69" {
	for verb in "reload" "restart" "shutdown" "stop web" "scale web 1" "kill web.0" "signal web HUP" \
		"drain web" "resume web.1" "probe web.0" \
		logs events "why web" "describe web" "send web 1" "env web.0" ping reopen "start web"; do
		# shellcheck disable=SC2086
		run -69 brood $verb
		[[ $output == *"no master is running"* ]]
	done
	run -69 brood -i other ping
	[[ $output == *other* ]]
}

@test "--timeout: 124, and what was begun goes on" {
	write_conf << END
[app:web]
command = badworker --from-generation 2 --ready-delay 3000
workers = 1
ready = notify
END
	start_master
	retry_until 10 app_is .ready 1
	CODE=124 json error reload --timeout 200ms
	[ "$(app .rollout)" = forward ]
	retry_until 10 app_is '|[.generation, .rollout]|map(tostring)|join(" ")' "2 none"
	run -64 ctl reload --timeout soon
	stop_master
}

@test "two instances: -i, an app of one of them, and ambiguity" {
	write_conf one << END
[app:web]
command = badworker
workers = 1
[app:alone]
command = badworker
workers = 1
END
	start_master
	write_conf two << END
[app:web]
command = badworker
workers = 2
END
	start_master
	[ "$(brood -i one status --json | pick .name) $(brood status -i two --json | pick .name)" = "one two" ]
	[ "$(brood ls --json | jq -r '[.instances[].name]|sort|join(" ")')" = "one two" ]
	run -0 brood status alone
	[[ $output == *"alone: ready"* ]]
	run -0 brood kill alone.0 CONT
	for verb in "status" "status web" "reload web" ping shutdown "why web.0"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr brood $verb
		[[ $stderr == *"one"*"two"*"-i"* ]]
	done
	run brood version
	[[ $output == "brood 0."* ]]
	run -0 brood reload alone
	run -0 brood -i one shutdown
	# Now there is no doubt any more.
	run -0 brood status web
	[[ $output == *"two: pid"* ]]
	brood shutdown
}

@test "the control group: role operator may steer, but not kill, env or config" {
	need_root
	need setpriv
	write_conf << END
control_group = 65533
[app:web]
command = badworker --ready channel --agree
workers = 1
END
	start_master
	retry_until 10 app_is .ready 1
	# The user needs a way to the build; the tables are copied, not the tree opened.
	as="setpriv --reuid 65534 --regid 65534 --groups 65533 env HOME=$T"
	[ "$($as brood -i "$NAME" version --json | pick .master.role)" = operator ]
	for verb in status "describe web" "why web" "logs web" events "reload" "restart web" "stop web" \
		"start web" "scale web 2" "signal web CONT" "send web 1" ping reopen; do
		# shellcheck disable=SC2086
		run -0 $as brood -i "$NAME" $verb
	done
	for verb in "kill web.0" "env web.0" config; do
		# shellcheck disable=SC2086
		run -77 --separate-stderr $as brood -i "$NAME" $verb
		[ -n "$stderr" ]
	done
	run -77 setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$T" brood -i "$NAME" ping
	# The run directory can be entered but not listed: -i is needed, and brood says so.
	run -77 $as brood ls
	run -77 $as brood status
	[[ $output == *"-i NAME"* ]]
	chmod 0755 "$RUN_DIR"
	[ "$($as brood ls --json | pick '.instances[0].state')" = running ]
	[ "$(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$T" brood ls --json | pick '.instances[0].state')" = denied ]
	run -0 $as brood -i "$NAME" shutdown
	wait_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "run: a program in the foreground, its lines labelled, its environment passed on" {
	cd "$T"
	export MARK=from-here
	spawn brood run -n 2 -l "127.0.0.1:$PORT" -a site --set stop_timeout=5s -- badworker --say "two  words" --dump "$T/dump.%s"
	MASTER=$SPAWNED
	retry_until 10 answers
	retry_until 5 logged '^site\.0 \| two  words$'
	retry_until 5 logged '^site\.1 \| two  words$'
	[ "$(brood status --json | jq -r '[.name, .adhoc, .apps[0].name, .apps[0].workers]|map(tostring)|join(" ")')" = "site true site 2" ]
	[ "$(brood env site.0 --json | pick .environment.MARK)" = from-here ]
	[ "$(brood status --json | pick .pid)" = "$MASTER" ]
	run -0 brood reload
	run -0 brood stop
	wait_master
	[ "$MASTER_EXIT" = 0 ]
	run -127 brood run -l "127.0.0.1:$PORT" -- no-such-program-anywhere
	[[ $output == *no-such-program-anywhere* ]]
	run -78 brood run -n many -- badworker
	run -78 brood run --set nonsense=1 -- badworker
}

@test "start: in the background, back when ready; a failure leaves nothing" {
	cd "$T"
	export MARK=one
	run -0 brood start -n 2 -l "127.0.0.1:$PORT" -- badworker
	[[ $output == *"badworker: 2/2 ready, generation 1"* ]]
	answers
	[ "$(stat -c %a "$RUN_DIR/badworker.conf")" = 600 ]
	run brood start -l "127.0.0.1:$PORT" -- badworker
	[ "$status" = 73 ] || [ "$status" = 1 ]
	[[ $output == *"runs already"* ]]
	export MARK=two
	run -0 brood reload --update-env
	[ "$(brood env badworker.0 --json | pick .environment.MARK)" = two ]
	run -0 brood stop
	[ ! -e "$RUN_DIR/badworker.sock" ]

	NAME=quiet
	json start start -l "127.0.0.1:$PORT" -- badworker
	brood -i quiet shutdown
	run -1 brood start -a broken --set restart_limit=1/1m -l "127.0.0.1:$PORT" -- badworker --say-err "no licence" --exit-before-ready 9
	[[ $output == *"exit 9"*"no licence"* ]]
	[ -z "$(find "$RUN_DIR" -name 'broken*' ! -name '*.lock')" ]
	write_conf file << END
[app:web]
command = badworker
workers = 1
listen = 127.0.0.1:$PORT
END
	run -0 brood start -c "$CONF"
	run -64 brood -i file stop
	run -0 brood -i file shutdown
	run -78 brood start -c "$T/missing.conf"
}
