# slots.bash: asking a master about the slots of its app web, and speaking for its workers.
#
#	app FILTER		jq's FILTER on the app, as: app .ready (plain paths cost no jq: see pick.c)
#	slot N FILTER		the same on a slot, as: slot 0 .worker.status
#	worker N		pid of the slot's worker
#	metric NAME		value of a metric of the app
#	death N FILTER		the newest obituary of a slot
#	app_is, slot_is		... FILTER VALUE: whether it is that, for retry_until
#	serves_anew N PID	slot N serves, and by another worker than PID
#	speaking N		options of a badworker that speaks on its channel; makes what they need for N slots
#	speakers N [OPTION...]	a master with N such workers. KEYS: further lines of the app
#	say N FRAME		the worker of slot N sends FRAME
#	heard N REGEX		the worker of slot N got such a line
#	event_count NAME	how many events of that name the master knows

app() {
	ctl status web --json | pick ".apps[0]$1"
}

slot() {
	app ".slots[$1]$2"
}

worker() {
	slot "$1" .worker.pid
}

metric() {
	ctl describe web --json | jq -r ".metrics[]|select(.name==\"$1\").value"
}

death() {
	ctl why "web.$1" --json | pick ".slots[0].obituaries[0]$2"
}

# death_of SLOT PID FILTER: the obituary of that process.
death_of() {
	ctl why "web.$1" --json | jq -r ".slots[0].obituaries[]|select(.pid == $2)|$3"
}

app_is() {
	[ "$(app "$1")" = "$2" ]
}

slot_is() {
	[ "$(slot "$1" "$2")" = "$3" ]
}

serves_anew() {
	[ "$(slot "$1" '|[.state, .worker.pid != '"$2"', .leaving == []]|map(tostring)|join(" ")')" = \
		"serving true true" ]
}

speaking() {
	local i

	for ((i = 0; i < $1; i++)); do
		mkfifo "$T/say.$i"
	done
	echo "--ready channel --agree --messages $T/heard.%s --speak $T/say.%s"
}

speakers() {
	local n=$1

	shift
	write_conf << END
[app:web]
command = badworker $(speaking "$n") $*
workers = $n
listen = 127.0.0.1:$PORT
ready = channel
${KEYS:-}
END
	start_master
	retry_until 10 app_is .ready "$n"
}

# A worker that has just been started opens its end a moment after it is ready; one that is stopped
# in the middle of a long frame is no failure of the test. cat writes several frames as one.
say() {
	timeout 5 bash -c 'trap "" PIPE; cat <<< "$1" 2> /dev/null > "$2" || true' say "$2" "$T/say.$1"
}

heard() {
	grep -Eq -- "$2" "$T/heard.$1"
}

event_count() {
	ctl events --json -n 1000 | pick .event | grep -cx -- "$1" || true
}
