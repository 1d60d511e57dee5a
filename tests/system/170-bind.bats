# take = bind: programs that open their listener themselves are workers like others, as they are. What
# the module promises to a program in detail is in bind_cases.c.

load ../lib/common
load ../lib/state

BINDS=$BATS_TEST_DIRNAME/programs/binds.py
MODULE=$top_builddir/src/bind/.libs/brood-bind.so

# app_conf COMMAND [TEXT]: two workers, on *:PORT unless TEXT has a listen
app_conf() {
	write_conf << END
[app:web]
take = bind
command = $1
workers = 2
stop_timeout = 10s
$(grep -q 'listen =' <<< "${2:-}" || echo "listen = *:$PORT")
${2:-}
END
}

# A worker answers, and it is one that the master knows.
serves() {
	local answer

	answer=$(get / "${1:-$PORT}") || return 1
	[[ $answer =~ ^"pid "([0-9]+), ]] && [[ " $(pids) " == *" ${BASH_REMATCH[1]} "* ]]
}

# Each answer is on a connection of its own.
both_serve() {
	[ "$(curl -sS --max-time 60 "http://127.0.0.1:$PORT/?[1-40]" | cut -d, -f1 | sort -u | wc -l)" = 2 ]
}

healed() {
	ready_is 2 && [ "$(slot_pid 0)" != "$1" ]
}

# It is reloaded under load, then a worker is killed: no connection fails.
lives_well() {
	local killed

	start_master
	retry_until 20 ready_is 2
	serves
	both_serve
	begin_load -d 0 -t 60000 -k 0 -r 50
	run -0 ctl reload
	retry_until 20 left_all
	kill -TERM "$LOAD"
	nothing_lost
	killed=$(slot_pid 0)
	kill -KILL "$killed"
	retry_until 20 healed "$killed"
	both_serve
	stop_master
	[ "$MASTER_EXIT" = 0 ]
	run ! grep -q 'Traceback\|brood-bind' "$LOG"
}

@test "a threaded HTTP server" {
	app_conf "python3 $BINDS threads 0.0.0.0 $PORT"
	lives_well
}

@test "processes that wait in accept(), below a shell, of a parent that closes all" {
	printf '#!/bin/sh\nexec 3>&1\nls > /dev/null\nexec python3 "$@"\n' > "$T/start"
	chmod +x "$T/start"
	app_conf "$T/start $BINDS prefork 127.0.0.1 $PORT"
	lives_well
}

@test "nginx" {
	need nginx
	cat > "$T/nginx.conf" << END
daemon off;
master_process on;
error_log stderr notice;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $T/temp;
	proxy_temp_path $T/temp;
	fastcgi_temp_path $T/temp;
	uwsgi_temp_path $T/temp;
	scgi_temp_path $T/temp;
	server {
		listen $PORT;
		listen [::]:$PORT;
		location / { return 200 "\$remote_addr\n"; }
	}
}
END
	app_conf "nginx -c $T/nginx.conf -e stderr -g 'pid $T/nginx.%(slot).%(generation);'" \
		"stop_signal = QUIT
listen = 0.0.0.0:$PORT
listen = [::]:$PORT"
	start_master
	retry_until 20 ready_is 2
	[ "$(get /)" = 127.0.0.1 ]
	[ "$(curl -sSg "http://[::1]:$PORT/")" = ::1 ]
	begin_load -d 0 -t 60000 -k 0 -r 50
	run -0 ctl reload
	retry_until 20 left_all
	kill -TERM "$LOAD"
	nothing_lost
	run ! logged brood-bind
	# one listen for both of its sockets serves both, and says what is better
	sed -i "s/^listen = 0.0.0.0:/listen = *:/; /^listen = \[/d" "$CONF"
	stop_master
	start_master
	retry_until 20 ready_is 2
	[ "$(get /)" = 127.0.0.1 ]
	[ "$(curl -sSg "http://[::1]:$PORT/")" = 0.0.0.0 ]
	log_has 'brood-bind: .*a listen for each'
}

@test "IPv6, another port, a UNIX socket, in one program" {
	local real=$PORT

	free_port
	app_conf "python3 $BINDS loop :::$PORT $T/web.sock" "listen = *:$real?as=$PORT
listen = unix:$T/web.sock?mode=0640"
	start_master
	retry_until 20 ready_is 2
	serves "$real"
	[[ $(get / "$real") == *"client ::ffff:127.0.0.1" ]]
	[[ $(curl -sSg "http://[::1]:$real/") == *"client ::1" ]]
	run -7 curl -sS "http://127.0.0.1:$PORT/"
	[[ $(curl -sS --unix-socket "$T/web.sock" http://x/) == *"client unix" ]]
	# it cleared its path, set another mode, and removes it when it ends: the file is the master's
	before=$(stat -c '%i %a' "$T/web.sock")
	[[ $before == *" 640" ]]
	run -0 ctl reload
	retry_until 20 left_all
	[ "$(stat -c '%i %a' "$T/web.sock")" = "$before" ]
	[[ $(curl -sS --unix-socket "$T/web.sock" http://x/) == *"client unix" ]]
	stop_master
	[ ! -e "$T/web.sock" ]
}

@test "datagrams" {
	app_conf "python3 $BINDS datagrams 0.0.0.0 $PORT" "listen = udp:*:$PORT
drain = self"
	start_master
	retry_until 20 ready_is 2
	run -0 python3 - "$PORT" << 'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(b"word", ("127.0.0.1", int(sys.argv[1])))
print(s.recv(100).decode())
END
	[[ $output =~ ^"word from "([0-9]+)" for 127.0.0.1"$ ]]
	[[ " $(pids) " == *" ${BASH_REMATCH[1]} "* ]]
}

@test "it is ready when it listens, and not before" {
	app_conf "python3 $BINDS late $T/gate 0.0.0.0 $PORT" "workers = 1"
	sed -i '/workers = 2/d' "$CONF"
	start_master
	retry_until 20 logged 'web.0.*started'
	curl -sS --max-time 30 "http://127.0.0.1:$PORT/" > "$T/answer" 3>&- &
	PIDS+=("$!")
	[ "$(app_field '.slots[0].state')" = starting ]
	: > "$T/gate"
	wait "$!"
	[[ $(cat "$T/answer") == "pid "* ]]
	retry_until 20 ready_is 1
	log_has 'web.0 .*ready after .*\(channel\)'
}

@test "what it finds in its environment" {
	app_conf "sh -c 'env > $T/env.\$BROOD_SLOT; ls -l /proc/self/fd > $T/fds.\$BROOD_SLOT; exec python3 $BINDS threads 0.0.0.0 $PORT'" \
		"[env:web]
LD_PRELOAD = $MODULE"
	start_master
	retry_until 20 ready_is 2
	run ! grep -q '^LISTEN_' "$T/env.0"
	grep -q "^PORT=$PORT$" "$T/env.0"
	[ "$(grep -c '^LD_PRELOAD=' "$T/env.0")" = 1 ]
	grep -q "^LD_PRELOAD=.*/brood-bind.so:$MODULE$" "$T/env.0"
	grep -Eq "^BROOD_BIND=[0-9]{4}=tcp:\*:$PORT;[0-9]{4}=channel$" "$T/env.0"
	serves
}

@test "a port that is not configured is the program's own, and the log has a hint" {
	local own

	free_port
	own=$PORT
	free_port
	app_conf "python3 $BINDS threads 127.0.0.1 $own"
	launch_master
	retry_until 20 logged "brood-bind: listen\(\) on port $own: no listen of the configuration"
}

@test "who binds without take = bind is told what to write" {
	app_conf "python3 $BINDS threads 0.0.0.0 $PORT"
	sed -i '/^take/d; s/^workers = .*/workers = 1/' "$CONF"
	launch_master
	retry_until 30 logged 'web: the program binds its address itself.*write take = bind'
}

@test "programs that bind nothing do not notice" {
	local with without

	for words in "ls /" "wc -c $BINDS" "python3 -c 'print(1)'" "perl -e 'print 1'" "sh -c 'exec 3>&1; echo x >&3'" \
		"bash -c 'exec {fd}>&1; echo \$fd >&2; ls /proc/self/fd'" "jq -n 1"; do
		without=$(eval "$words" 2>&1 3>&- | sort)
		with=$(LD_PRELOAD=$MODULE BROOD_BIND="0003=tcp:*:$PORT;0004=channel" \
			eval "$words" 2>&1 3>&- | sort)
		[ "$with" = "$without" ] || {
			printf '%s\n%s\n%s\n' "$words" "$without" "$with"
			return 1
		}
	done
}

# refuses COMMAND TEXT [KEYS]: before anything runs, by the check as by the start
refuses() {
	app_conf "$1" "${3:-}"
	refused 78 "$2" broodd -t -c "$CONF"
	refused 78 "$2" broodd -c "$CONF"
}

@test "programs that it cannot be loaded into are refused, and why" {
	need_root
	printf 'int main(void) { return 0; }\n' > "$T/x.c"
	${CC:-cc} -static -o "$T/static" "$T/x.c"
	refuses "$T/static" "$T/static is statically linked.*take = fds"
	printf '#!%s\n' "$T/static" > "$T/script"
	printf '#!/usr/bin/env -S A=b static\n' > "$T/by_env"
	chmod +x "$T/script" "$T/by_env"
	refuses "$T/script" "command = .*script: $T/static is statically linked"
	PATH=$T:$PATH refuses "$T/by_env" "$T/static is statically linked"
	# what root executes must not be another's
	${CC:-cc} -o "$T/dynamic" "$T/x.c"
	chmod u+s "$T/dynamic"
	refuses "$T/dynamic" "is set-user-id" "user = nobody
no_new_privs = no"
	# the loader of another libc
	${CC:-cc} -Wl,--dynamic-linker=/lib/ld-other-x.so.1 -o "$T/other" "$T/x.c"
	refuses "$T/other" "for another C library \(/lib/ld-other-x.so.1\)"
	# of another machine: the field in the head
	cp "$T/static" "$T/foreign"
	printf '\377\377' | dd of="$T/foreign" bs=1 seek=18 conv=notrunc status=none
	refuses "$T/foreign" "is for another machine"
}
