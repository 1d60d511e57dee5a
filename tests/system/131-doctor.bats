# doctor: what the machine allows, said so that somebody can act on it; and on a machine that allows
# less the master works all the same and does what doctor says.

load ../lib/common
load ../lib/state

web_conf() {
	write_conf "${NAME:-brood}" << END
[app:web]
command = $top_builddir/brood-hello
workers = ${2:-2}
listen = 127.0.0.1:$PORT
${1:-}
END
}

# doctor [ARG...]: its document in $T/doctor; its exit code must be CODE (0)
doctor() {
	local code=0

	$AS brood doctor --json "$@" > "$T/doctor" 2>> "$LOG" || code=$?
	[ "$code" = "${CODE:-0}" ] && jq -e . "$T/doctor" > /dev/null && return 0
	echo "exit code $code, wanted ${CODE:-0}"
	cat "$T/doctor"
	return 1
}

# found NAME MEMBER: of that check
found() {
	jq -r --arg name "$1" ".checks[] | select(.name == \$name) | .$2" "$T/doctor"
}

answer_is() {
	[ "$(found "$1" answer)" = "$2" ] && return 0
	jq -c --arg name "$1" '.checks[] | select(.name == $name)' "$T/doctor"
	return 1
}

# Whoever lacks something learns what it costs and what to do; the sums are right.
is_sound() {
	jq -e '
		([.checks[] | select(.answer != "ok") | select(.found == null or .cost == null or
			.remedy == null)] == []) and
		([.checks[] | select(.answer == "ok") | select(.essential or .cost != null)] == []) and
		(.summary.ok + .summary.limited + .summary.missing == (.checks | length)) and
		(.summary.essential == ([.checks[] | select(.essential)] | length)) and
		(.ok == (.summary.essential == 0))' "$T/doctor" > /dev/null && return 0
	cat "$T/doctor"
	return 1
}

machine="epoll-exclusive reuseport-cbpf steer-swap ebpf-steer probe-address tcp-migrate
sysctl-writable somaxconn inet-diag nofile pidfd-open pidfd-exit pidfd-getfd peer-pidfd cgroup-spawn cgroup-kill
cpu-quota core-dumps systemd"

has_all_features() {
	[ "$(jq -r '[.checks[] | select(.part == "machine") | .name] | join(" ")' "$T/doctor")" = \
		"$(echo $machine)" ]
}

setup() {
	common_setup
	need jq
	AS=
	export NO_COLOR=
}

@test "without a master and a configuration it tells of the machine" {
	doctor
	is_sound
	has_all_features
	[ "$(jq -r .kernel "$T/doctor")" = "$(uname -r)" ]
	[ "$(jq .uid "$T/doctor")" = "$(id -u)" ]
	[ "$(jq '[.checks[] | select(.part == "master")]' "$T/doctor")" = "[]" ]
	[ "$(found somaxconn found)" = "net.core.somaxconn is $(cat /proc/sys/net/core/somaxconn)" ]
}

@test "for people each line has its verdict, and what is not ok its price and its remedy" {
	run -0 brood doctor
	[[ ${lines[0]} == "Linux $(uname -r) "*"as uid $(id -u) "* ]]
	[ "$(grep -Ec '^(ok|limited|missing) +[a-z-]+ +[^ ]' <<< "$output")" -ge 18 ]
	# a line that is none of these is blank, the first, the last, or advice
	[ "$(grep -Evc '^(ok|limited|missing) |^ +|^$|^Linux |essential is missing$' <<< "$output")" = 0 ]
	[ "$(grep -Ec '^(limited|missing) ' <<< "$output")" = "$(grep -c '^ *costs: ' <<< "$output")" ]
	[[ $output == *"; nothing essential is missing" ]]
	# colour only on a terminal
	[[ $output != *$'\e'* ]]
	run -0 brood doctor --color=always
	[[ $output == *$'\e[32mok'* ]]
	need script
	script -qec "brood doctor" "$T/typescript" > /dev/null < /dev/null
	grep -q $'\e\[32mok' "$T/typescript"
	NO_COLOR=1 script -qec "brood doctor" "$T/typescript" > /dev/null < /dev/null
	! grep -q $'\e\[32m' "$T/typescript"
}

@test "the configuration at hand is reckoned with" {
	web_conf
	doctor
	[[ $(found config found) == "./brood.conf: 1 app, up to 3 workers" ]]
	[[ $(found nofile found) == *"the configuration needs about "* ]]
	mv "$CONF" "$T/other.conf"
	doctor -c "$T/other.conf"
	[[ $(found config found) == "$T/other.conf: 1 app, up to 3 workers" ]]
	doctor
	[ "$(found config answer)" = "" ]
}

@test "a backlog that the kernel would cut is said" {
	somaxconn=$(cat /proc/sys/net/core/somaxconn)
	web_conf "listen = 127.0.0.2:$PORT?backlog=$((somaxconn + 1))"
	doctor
	is_sound
	answer_is somaxconn limited
	[[ $(found somaxconn found) == *"is $somaxconn, and a backlog of $((somaxconn + 1)) is configured for web" ]]
	web_conf "listen = 127.0.0.2:$PORT?backlog=$somaxconn"
	[ "$somaxconn" -lt 1024 ] || {
		doctor
		answer_is somaxconn ok
	}
}

@test "a configuration that is wrong is essential" {
	web_conf "wrokers = 2"
	CODE=1 doctor
	is_sound
	answer_is config missing
	[[ $(found config found) == *"brood.conf:8:1: unknown key wrokers"* ]]
	[ "$(found config essential)" = true ]
	run -1 brood doctor
	[[ $output == *"brood check -c ./brood.conf"*"1 of them essential" ]]
	CODE=1 doctor -c "$T/none.conf"
	[[ $(found config found) == *"$T/none.conf"* ]]
}

@test "descriptors that do not suffice: first for twins, then for workers" {
	web_conf "" 60
	doctor
	answer_is nofile ok
	# two sockets a slot are more than half of it
	AS="prlimit --nofile=700" doctor
	is_sound
	answer_is nofile limited
	[[ $(found nofile cost) == *"one shared socket"* ]]
	CODE=1 AS="prlimit --nofile=300" doctor
	is_sound
	answer_is nofile missing
	[ "$(found nofile essential)" = true ]
	[[ $(found nofile found) == "the hard limit is 300, and the configuration needs "*" for 61 workers" ]]
}

@test "broodd that is not there is essential" {
	export BROOD_BROODD=$T/nowhere
	CODE=1 doctor
	is_sound
	answer_is broodd missing
	[[ $(found broodd found) == "$T/nowhere: No such file or directory" ]]
}

@test "a master that runs is asked, and one that is named must be there" {
	web_conf
	start_master
	retry_until 20 all_ready
	doctor
	is_sound
	[ "$(jq -r '.checks[] | select(.part == "master" and .name == "brood") | .answer' "$T/doctor")" = ok ]
	[[ $(found brood found) == "pid $MASTER, brood "* ]]
	doctor -i brood
	[[ $(found brood found) == "pid $MASTER, brood "* ]]
	run -69 brood doctor -i nobody
	stop_master
	doctor
	[ "$(jq '[.checks[] | select(.part == "master")]' "$T/doctor")" = "[]" ]
}

@test "where programs cannot be swapped apps are shared, work, and say so" {
	export BROOD_STEER_SWAP=no
	doctor
	is_sound
	answer_is steer-swap limited
	[[ $(found steer-swap cost) == *"are one shared socket"* ]]
	web_conf
	start_master
	retry_until 20 all_ready
	[ "$(app | jq -r '[.balance, .steering, .listeners[0].shape] | join(" ")')" = "even none shared" ]
	log_has 'one socket for all workers'
	[ "$(get /healthz)" = ok ]
	run -0 ctl status
	[[ $output == *"tcp:127.0.0.1:$PORT (shared: see brood doctor)"* ]]
	unset BROOD_STEER_SWAP
	# this shell is allowed more than the master was: the master is told of all the same
	doctor
	answer_is web limited
	[ "$(found web found)" = "balance = even, but tcp:127.0.0.1:$PORT is one shared socket" ]
	# no worker can be addressed
	run -1 ctl probe web.0
	[[ $output == "brood: "* ]]
	before=$(pids)
	run -0 ctl reload
	[ "$(get /healthz)" = ok ]
	[ "$(pids)" != "$before" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "readiness that cannot be tested there is told, and does not hold up the start" {
	web_conf "ready = http:/healthz
probe = http:/healthz"
	BROOD_STEER_SWAP=no start_master
	retry_until 20 all_ready
	log_has "can't be tested"
	[ "$(get /healthz)" = ok ]
}

@test "nobody, without any capability: works, and doctor says what is not for him" {
	need_root
	need setpriv
	local run="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all"

	mkdir -m 0700 "$T/nobody"
	chown 65534:65534 "$T/nobody"
	RUN_DIR=$T/nobody
	export BROOD_RUN_DIR=$RUN_DIR HOME=$T/nobody XDG_STATE_HOME=$T/nobody/state
	chmod 0711 "$T"
	AS="$run"
	doctor
	is_sound
	has_all_features
	[ "$(jq .uid "$T/doctor")" = 65534 ]
	answer_is sysctl-writable limited
	answer_is ebpf-steer missing
	[[ $(found ebpf-steer remedy) == *CAP_BPF* ]]
	answer_is epoll-exclusive ok
	answer_is reuseport-cbpf ok
	web_conf
	chmod 0644 "$CONF"
	$run broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 all_ready
	# what doctor says of swapping is what the master did
	if [ "$(found steer-swap answer)" = ok ]; then
		[ "$(app_field '.listeners[0].shape')" = steered ]
		[ "$(ctl probe web.1 /healthz --json | pick .status)" = 200 ]
	else
		[ "$(app_field '.listeners[0].shape')" = shared ]
	fi
	[ "$(get /healthz)" = ok ]
	run -0 ctl reload
	[ "$(get /healthz)" = ok ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "a network of its own, where nothing is up" {
	need_root
	need unshare
	AS="unshare -n"
	doctor
	is_sound
	has_all_features
	# loopback that is down has no 127.98.0.1 to connect from
	AS="unshare -n bash -c" run -0 unshare -n bash -c 'ip link set lo up && brood doctor --json'
	jq -e '.ok' <<< "$output"
}

@test "a read-only /proc/sys, as containers have it: works, and says what to ask for" {
	need_root
	need unshare ip
	cat > "$T/contain" << 'END'
#!/bin/bash
# A network and mounts of our own; /proc/sys as a container has it.
set -e
mount --make-rprivate /
mount --bind /proc/sys /proc/sys
ip link set lo up
if [ "$MIGRATE" = yes ]; then echo 1 > /proc/sys/net/ipv4/tcp_migrate_req; fi
mount -o remount,ro,bind /proc/sys
exec "$@"
END
	chmod +x "$T/contain"
	export MIGRATE=no
	AS="unshare -n -m $T/contain"
	doctor
	is_sound
	answer_is sysctl-writable limited
	[ "$(found sysctl-writable found)" = "/proc/sys is mounted read-only" ]
	answer_is tcp-migrate limited
	[[ $(found tcp-migrate remedy) == *"for a container: --sysctl net.ipv4.tcp_migrate_req=1"* ]]
	MIGRATE=yes doctor
	answer_is tcp-migrate ok
	answer_is sysctl-writable limited

	web_conf
	unshare -n -m "$T/contain" broodd -c "$CONF" >> "$LOG" 2>&1 < /dev/null 3>&- &
	MASTER=$!
	PIDS+=("$MASTER")
	retry_until 20 all_ready
	nsenter -t "$MASTER" -n curl -sS --max-time 10 "http://127.0.0.1:$PORT/healthz" | grep -qx ok
	run -0 ctl reload
	nsenter -t "$MASTER" -n curl -sS --max-time 10 "http://127.0.0.1:$PORT/healthz" | grep -qx ok
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "nothing is left behind by the looks" {
	before=$(find /sys/fs/cgroup -name 'brood*' 2> /dev/null | sort)
	doctor
	[ "$(find /sys/fs/cgroup -name 'brood*' 2> /dev/null | sort)" = "$before" ]
	[ -z "$(find "$T" -newer "$T/doctor" -type f ! -name log ! -name doctor)" ]
}
