# What a user can get wrong, one test each: one clear answer that names the place and the remedy, an
# exit code that tells the kind, and what runs goes on untouched. The same at a first start, where
# nothing may be left.

load ../lib/common
load ../lib/state

setup() {
	common_setup
	MAIN_PORT=$PORT
	write_conf << END
[app:web]
command = badworker
listen = 127.0.0.1:$PORT
workers = 2
END
	cp "$CONF" "$T/good"
}

# Starts from the good configuration and notes what runs.
running() {
	cp "$T/good" "$CONF"
	start_master
	before=$(pids)
}

# The answer is one line, with what may follow it as explanation.
one_line() {
	[ "${#lines[@]}" = 1 ] || {
		printf 'more than one line:\n%s\n' "$output"
		return 1
	}
}

ends_well() {
	unchanged "$before"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a typo in a key" {
	sed 's/^workers/wokers/' "$T/good" > "$CONF"
	said="brood.conf:7:1: unknown key wokers in \[app:web\]; did you mean workers\?"
	for command in "broodd -t" broodd "brood check" "brood run" "brood start"; do
		refused 78 "$said" $command -c "$CONF"
		one_line
	done
	running
	sed 's/^workers/wokers/' "$T/good" > "$CONF"
	refused 78 "$said" ctl reload
	one_line
	ends_well
}

@test "a port in use" {
	free_port
	taken=$PORT
	spawn badworker --port "$taken"
	retry_until 5 answers "$taken"
	said="127.0.0.1:$taken: Address already in use: .* listens there: stop it or choose another port"
	sed "s/:$MAIN_PORT/:$taken/" "$T/good" > "$CONF"
	refused 73 "brood.conf:4: app web: listen: $said" broodd -c "$CONF"
	refused 73 "brood.conf:4: app web: listen: $said" brood start -c "$CONF"
	refused 73 "$said" brood run -l "127.0.0.1:$taken" -- badworker
	refused 73 "$said" brood start -l "127.0.0.1:$taken" -- badworker
	running
	sed "s/:$MAIN_PORT/:$taken/" "$T/good" > "$CONF"
	refused 1 "brood.conf:4: app web: listen: $said" ctl reload
	ends_well
	answers "$taken"
}

@test "a missing program" {
	sed 's/badworker/badwroker/' "$T/good" > "$CONF"
	said="brood.conf:4: app web: command = badwroker: not found \(PATH "
	for command in "broodd -t" broodd "brood check" "brood run" "brood start"; do
		refused 78 "$said" $command -c "$CONF"
	done
	# as a shell says it
	refused 127 "command = badwroker: not found" brood run -l "127.0.0.1:$PORT" -- badwroker
	refused 127 "command = badwroker: not found" brood start -l "127.0.0.1:$PORT" -- badwroker
	refused 126 "command = $T/good: Permission denied" \
		brood run -l "127.0.0.1:$PORT" -- "$T/good"
	running
	sed 's/badworker/badwroker/' "$T/good" > "$CONF"
	refused 78 "$said" ctl reload
	one_line
	ends_well
}

@test "a directory as configuration" {
	for command in "broodd -t" broodd "brood check" "brood run" "brood start"; do
		refused 78 "$T: is a directory; name a regular file" $command -c "$T"
		one_line
	done
	running
	mv "$CONF" "$T/kept"
	mkdir "$CONF"
	refused 78 "brood.conf: is a directory; name a regular file" ctl reload
	one_line
	ends_well
}

@test "a worker that dies at boot" {
	printf '%s\n' 'restart_delay = 10ms' 'restart_limit = 4/60s' 'workers = 2' > "$T/more"
	sed -e "s/badworker/& --if-file ${T//\//\\/}\/bad --say-err nodatabase --exit-before-ready 3/" \
		-e "/workers/{r $T/more" -e 'd}' "$T/good" > "$CONF"
	cp "$CONF" "$T/good"
	: > "$T/bad"
	refused 1 "not started: web: 2 of 2 slots failed: 4 deaths before ready.*: exit 3" \
		brood start -c "$CONF"
	[[ $output == *"last words:"*"nodatabase"* ]]
	refused 1 "error: web: 2 of 2 slots failed: 4 deaths before ready.*: exit 3" \
		brood run -c "$CONF"
	[[ $output == *"web.0 | nodatabase"* ]]
	rm "$T/bad"
	running
	: > "$T/bad"
	refused 1 "brood: web.0: exit 3; generation before goes on in all slots" ctl reload
	[[ $output == *"last words:"*"nodatabase"* ]]
	[[ $output == *"brood why"*"web.0"* ]]
	ends_well
}

@test "a full disk under the log" {
	need_root
	need unshare
	write_conf << END
[app:web]
command = badworker --flood-out 2000
listen = 127.0.0.1:$PORT
workers = 2
log = file:$T/small/web.log
END
	mkdir "$T/small"
	# a disk of 64 KiB that only this master sees
	MASTER_EXIT=
	unshare -m -- bash -c "mount -t tmpfs -o size=64k,mode=0711 none '$T/small' &&
		exec broodd -c '$CONF'" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 master_answers_or_ended
	[ -z "$MASTER_EXIT" ]
	before=$(pids)
	said="log writer: $T/small/web.log: No space left on device: lines are lost.*Make room, or let log"
	retry_until 10 logged "warn: $said"
	ctl events --json | grep -q '"event": *"log_writer"'
	retry_until 5 log_count_is 'lines are lost' 1
	unchanged "$before"
	# the workers are not held up, and reloads work
	lines=$(app | jq '[.slots[].worker.log_lines] | add')
	more() { [ "$(app | jq '[.slots[].worker.log_lines] | add')" -gt $((lines + 1000)) ]; }
	retry_until 5 more
	ctl reload
	answers
	# room is made, and the file tells what it has missed
	nsenter -t "$MASTER" -m -- truncate -s 0 "$T/small/web.log"
	missed() { nsenter -t "$MASTER" -m -- grep -q 'lost: No space left on device' "$T/small/web.log"; }
	retry_until 5 missed
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a second start of the same instance" {
	running
	said="brood is running already \(pid $MASTER\); see: brood -i brood status;.* a name with -i"
	for command in broodd "brood run" "brood start"; do
		refused 73 "$said" $command -c "$CONF"
		one_line
	done
	refused 73 "$said" brood run -i brood -l "127.0.0.1:$PORT" -- badworker
	refused 1 "an instance named brood runs already \(pid $MASTER\)" \
		brood start -i brood -l "127.0.0.1:$PORT" -- badworker
	[[ $output == *"-i gives another name"* ]]
	ends_well
}
