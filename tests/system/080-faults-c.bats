# The faults C1-C8 of the configuration, as whoever types a command meets them. That each kind of
# value is read right is the business of tests/unit/check_conf.c.

load ../lib/common
load ../lib/state

setup() {
	common_setup
	MAIN_PORT=$PORT
}

# A configuration that works; the arguments are further lines of [app:web].
good_conf() {
	write_conf << END
[app:web]
command = badworker
listen = 127.0.0.1:$MAIN_PORT
${1:-workers = 2}
END
}

# All who look at a configuration say the same: CODE TEXT
checks_say() {
	refused "$1" "$2" broodd -t -c "$CONF"
	refused "$1" "$2" brood check -c "$CONF"
}

starts_say() {
	refused "$1" "$2" brood run -c "$CONF"
	refused "$1" "$2" brood start -c "$CONF"
}

all_say() {
	checks_say "$@"
	starts_say "$@"
	refused "$1" "$2" broodd -T -c "$CONF"
	refused "$1" "$2" brood config -c "$CONF"
}

@test "C1 what is no configuration is refused at start, however it is named" {
	write_conf < /dev/null
	rm "$CONF"
	all_say 78 "brood.conf: .*No such file"
	mkdir "$CONF"
	all_say 78 "brood.conf: is a directory; name a regular file"
	rmdir "$CONF"
	mkfifo "$CONF"
	all_say 78 "brood.conf: .*regular file"
	rm "$CONF"
	: > "$CONF"
	all_say 78 "brood.conf: .*(empty|no \[app)"
	echo "[master]" > "$CONF"
	all_say 78 "brood.conf:.*no \[app"
	truncate -s 1G "$CONF"
	all_say 78 "brood.conf: .*(1048576|1 MiB|1M)"
}

@test "C1 a file that may not be read" {
	need_root
	good_conf
	chmod 0600 "$CONF"
	refused 78 "brood.conf: .*Permission denied" \
		setpriv --reuid 65534 --regid 65534 --clear-groups broodd -t -c "$CONF"
}

@test "C1 a reload to what is no configuration changes nothing" {
	good_conf
	start_master
	before=$(pids)
	mv "$CONF" "$T/kept"
	refused 78 "brood.conf: .*No such file" ctl reload
	mkdir "$CONF"
	refused 78 "is a directory" ctl reload
	rmdir "$CONF"
	mkfifo "$CONF"
	refused 78 "regular file" ctl reload
	rm "$CONF"
	: > "$CONF"
	refused 78 "empty|no \[app" ctl reload
	truncate -s 1G "$CONF"
	refused 78 "1048576|1 MiB|1M" ctl reload
	unchanged "$before"
	rm "$CONF"
	mv "$T/kept" "$CONF"
	ctl reload
	[ "$(pids)" != "$before" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "C2 all errors are listed, each with line and column, and the nearest name" {
	write_conf << 'END'
[app:web]
comand = x
workers = 08
stop_timeout = 5x
restart_delay = 99999999999999999999s
umask = 0999
listen = 127.0.0.1:99999
balance = shard
[ap:web]
[env:nobody]
A = b
END
	for tool in "broodd -t" "brood check"; do
		run -78 $tool -c "$CONF"
		for wanted in '5:1: .*comand.*command' '6:[0-9]+: .*08' '7:[0-9]+: .*5x' '8:[0-9]+: ' \
			'9:[0-9]+: .*0999' '10:[0-9]+: .*99999' '11:[0-9]+: .*shard.*shared' \
			'12:[0-9]+: .*ap:web' '13:[0-9]+: .*nobody'; do
			[[ $output =~ brood.conf:$wanted ]] || {
				echo "missing: $wanted in: $output"
				return 1
			}
		done
		[ "${#lines[@]}" -le 10 ]
	done
	run -78 --separate-stderr broodd -T -c "$CONF"
	[ -z "$output" ]
}

@test "C3 what stands twice, is too long or is no text is refused; BOM and CR LF are taken" {
	good_conf $'workers = 2\nworkers = 3'
	all_say 78 'brood.conf:8:.*workers'
	good_conf $'workers = 2\n[app:web]'
	all_say 78 'brood.conf:8:.*web'
	good_conf "$(head -c 70000 /dev/zero | tr '\0' x)"
	all_say 78 'brood.conf:7:.*long'
	good_conf $'umask = 00\xff'
	all_say 78 'brood.conf:7:.*UTF-8'
	good_conf
	printf 'umask = 0\0007\n' >> "$CONF"
	all_say 78 'brood.conf:8:.*NUL'
	good_conf
	{ printf '\xef\xbb\xbf'; sed 's/$/\r/' "$CONF"; } > "$T/dos.conf"
	CONF=$T/dos.conf
	checks_say 0 'ok, 1 app'
	start_master
	retry_until 10 ready_is 2
	answers
	stop_master
}

@test "C4 the command arrives at the worker as it was written" {
	HOME_OF_MASTER=$HOME
	write_conf << 'END'
[app:web]
command = badworker --body "a ; b : c # d" --say '%(slot)-%(app)-%(generation) 100%% %s' --say "x\"y\\z" --say ${HOME} --say '$HOME $$PATH' --say= --say 'tail  '
workers = 2
[env:web]
RULE = a ; b : c = "d" # $HOME %(slot)
END
	broodd -T -c "$CONF" | grep -Fq 'a ; b : c # d'
	start_master
	tr '\0' '\n' < "/proc/$(slot_pid 1)/cmdline" > "$T/got"
	printf '%s\n' badworker --body 'a ; b : c # d' --say '1-web-1 100% %s' --say 'x"y\z' \
		--say "$HOME_OF_MASTER" --say '$HOME $PATH' --say= --say 'tail  ' > "$T/wanted"
	diff "$T/wanted" "$T/got"
	[ "$(ctl env web.1 --json | pick .environment.RULE)" = 'a ; b : c = "d" # $HOME 1' ]
	stop_master
}

@test "C4 what brood config prints means the same again" {
	write_conf << 'END'
[app:web]
command = badworker --say "a ; b" --say '$$HOME %%(slot) "q"' --say "\x01\n" --say ''
workers = 1
END
	broodd -T -c "$CONF" > "$T/again.conf"
	start_master
	cp "/proc/$(slot_pid 0)/cmdline" "$T/first"
	stop_master
	CONF=$T/again.conf
	start_master
	cmp "/proc/$(slot_pid 0)/cmdline" "$T/first"
	stop_master
}

# Line of [app:web], exit code of a start, and what is said: the file is right, the world is not.
wrong_worlds() {
	cat << END
user = nosuchuser,78,user = nosuchuser: no such user
group = nosuchgroup,78,group = nosuchgroup: no such group
directory = $T/nowhere,78,directory = $T/nowhere: No such file
directory = $CONF,78,directory = $CONF: not a directory
command = no-such-program,78,command = no-such-program: not found
command = $T,78,command = $T: 
cpu_affinity = 1023,78,cpu_affinity = 1023: none of these CPUs
env_file = $T/no.env,78,no.env
END
}

@test "C5 user, group, directory, program and the like are looked at by a check and by a start" {
	need_root
	good_conf
	wrong_worlds > "$T/worlds"
	while IFS=, read -r line code text; do
		write_conf << END
[app:web]
listen = 127.0.0.1:$PORT
$line
END
		checks_say "$code" "brood.conf:[0-9:]+ .*$text"
		starts_say "$code" "brood.conf:[0-9:]+ .*$text"
	done < "$T/worlds"
	write_conf << END
[app:web]
user = nosuchuser
directory = $T/nowhere
command = no-such-program
[app:other]
group = nosuchgroup
END
	run -78 broodd -t -c "$CONF"
	[[ $output == *nosuchuser*nowhere*nosuchgroup* ]]
}

@test "C5 a reload looks at them before it touches a worker" {
	need_root
	good_conf
	start_master
	before=$(pids)
	wrong_worlds > "$T/worlds"
	while IFS=, read -r line code text; do
		good_conf
		[[ $line != command* ]] || sed -i '/^command/d' "$CONF"
		echo "$line" >> "$CONF"
		refused "$code" "brood.conf:[0-9:]+ .*$text" ctl reload
		refused "$code" "$text" ctl reload web
		[ "$(pids)" = "$before" ]
	done < "$T/worlds"
	unchanged "$before"
	[ "$(app_field .generation)" = 1 ]
	# One right app does not go ahead of a wrong one.
	good_conf
	printf '[app:other]\ncommand = no-such-program\n' >> "$CONF"
	refused 78 'app other: .*not found' ctl reload
	[ "$(apps)" = web ]
	unchanged "$before"
	stop_master
}

@test "C6 a bad configuration at reload: the old one stays in force, and the line is named" {
	good_conf
	start_master
	before=$(pids)
	ctl config > "$T/force"
	fds=$(fd_count "$MASTER")
	good_conf $'workers = 5\nwokers = 7'
	refused 78 'brood.conf:8:1: .*wokers.*workers' ctl reload
	# said once, on the error stream
	[ "${#lines[@]}" = 1 ]
	refused 78 'brood.conf:8:1: .*wokers' ctl reload web
	refused 78 'brood.conf:8:1: .*wokers' ctl restart web
	refused 78 'brood.conf:8:1: .*wokers' ctl reload --json
	# An old time stamp makes a file no better.
	touch -d 1980-01-01 "$CONF"
	refused 78 'brood.conf:8:1: .*wokers' ctl reload
	kill -HUP "$MASTER"
	# One that comes again and again is folded; what tells the order is another that follows.
	ctl reopen
	log_has 'error: .*brood.conf:8:1'
	unchanged "$before"
	ctl config | diff "$T/force" -
	retry_until 5 fds_at_most "$MASTER" "$fds"
	# A death now is made good by the old configuration.
	kill -KILL "${before% *}"
	revived() { ready_is 2 && [ "$(pids)" != "$before" ]; }
	retry_until 5 revived
	# Whoever was refused can come again.
	good_conf 'workers = 3'
	ctl reload
	ready_is 3
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "C7 workers 8, 1, 0, 3 by reloads" {
	good_conf 'workers = 8'
	start_master
	retry_until 10 ready_is 8
	good_conf 'workers = 1'
	ctl reload
	ready_is 1
	app_is ready
	retry_until 5 left_all
	[ "$(app | jq '.slots | length')" = 1 ]
	answers
	good_conf 'workers = 0'
	ctl reload
	retry_until 5 left_all
	app_is resting
	# Paused, not gone: the address stays, and who comes waits for a worker.
	run -28 curl -s --max-time 0.3 "http://127.0.0.1:$MAIN_PORT/"
	get / > "$T/answer" &
	waiting=$!
	good_conf 'workers = 3'
	ctl reload
	ready_is 3
	wait "$waiting"
	[ -s "$T/answer" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "C7 apps come, go and are renamed by a reload" {
	good_conf
	start_master
	before=$(pids)
	free_port
	printf '[app:extra]\ncommand = badworker --body extra\nworkers = 1\nlisten = 127.0.0.1:%s\n' \
		"$PORT" >> "$CONF"
	ctl reload
	[ "$(apps)" = "web extra" ]
	[ "$(get /)" = extra ]
	[ "$(pids)" != "$before" ]
	# The same listener under another name: it is handed on, not opened anew.
	sed -i 's/app:extra/app:renamed/; s/--body extra/--body renamed/' "$CONF"
	ctl reload
	[ "$(apps)" = "web renamed" ]
	[ "$(get /)" = renamed ]
	run ! logged 'Address already in use'
	good_conf
	ctl reload
	[ "$(apps)" = web ]
	freeport "$PORT"
	run -7 curl -s "http://127.0.0.1:$PORT/"
	refused 1 'no app|no such app' ctl reload renamed
	answers "$MAIN_PORT"
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "C7 a removed app drains, and is back when it is configured again meanwhile" {
	good_conf
	printf '[app:slow]\ncommand = badworker --slow-drain 700\nworkers = 1\n' >> "$CONF"
	cp "$CONF" "$T/both"
	start_master
	good_conf
	old=$(pids slow)
	ctl reload --no-wait
	app_leaves() { [ "$(app_field .leaving slow)" = 1 ]; }
	retry_until 5 app_leaves
	cp "$T/both" "$CONF"
	ctl reload
	[ "$(apps)" = "web slow" ]
	retry_until 5 app_is ready slow
	[ "$(pids slow)" != "$old" ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

sockets() {
	ls -l "/proc/$MASTER/fd" | grep -c socket:
}

sockets_at_most() {
	[ "$(sockets)" -le "$1" ]
}

@test "C7 listeners come and go by a reload; the one that stays loses nothing" {
	good_conf
	start_master
	retry_until 20 all_ready
	first=$MAIN_PORT
	free_port
	second=$PORT
	before=$(sockets)
	good_conf "listen = 127.0.0.1:$second"
	ctl reload
	answers "$first"
	answers "$second"
	sed -i "/:$first\$/d" "$CONF"
	ctl reload
	answers "$second"
	retry_until 5 freeport "$first"
	run -7 curl -s "http://127.0.0.1:$first/"
	MAIN_PORT=$first
	good_conf
	ctl reload
	answers "$first"
	retry_until 5 freeport "$second"
	retry_until 5 left_all
	# A group that comes to an app that serves holds clients off, by two sockets more, until the
	# workers that know it are ready.
	retry_until 5 sockets_at_most $((before + 2))
	stop_master
}

@test "C7 a reload changes the user of workers" {
	need_root
	good_conf
	start_master
	uid_of() { stat -c %u "/proc/$(slot_pid 0)"; }
	[ "$(uid_of)" = 0 ]
	good_conf $'workers = 2\nuser = nobody'
	ctl reload
	[ "$(uid_of)" = "$(id -u nobody)" ]
	answers
	good_conf
	ctl reload
	[ "$(uid_of)" = 0 ]
	stop_master
}

@test "C7 a port in use at reload is refused before a worker is touched, for each listener" {
	good_conf
	start_master
	before=$(pids)
	fds=$(fd_count "$MASTER")
	free_port
	taken=$PORT
	spawn badworker --port "$taken"
	retry_until 5 answers "$taken"
	free_port
	good_conf "listen = 127.0.0.1:$PORT"$'\n'"listen = 127.0.0.1:$taken"
	refused 1 "127.0.0.1:$taken: Address already in use: (process $SPAWNED \(badworker\)|another process)" ctl reload
	# What was opened for it is closed again.
	freeport "$PORT"
	unchanged "$before"
	retry_until 5 fds_at_most "$MASTER" "$fds"
	kill -TERM "$SPAWNED"
	retry_until 5 freeport "$taken"
	ctl reload
	answers "$taken"
	stop_master
}

@test "C8 includes: a loop is refused, a pattern without files is not, errors name their file" {
	mkdir "$T/conf.d"
	write_conf << 'END'
include = conf.d/*.conf
[app:web]
command = badworker
workers = 1
END
	checks_say 0 'ok, 1 app'
	printf '[app:two]\ncommand = badworker\nworkers = 1\n' > "$T/conf.d/two.conf"
	checks_say 0 'ok, 2 apps'
	start_master
	[ "$(apps)" = "two web" ] || [ "$(apps)" = "web two" ]
	before=$(pids)
	printf '[app:three]\ncomand = x\n' > "$T/conf.d/three.conf"
	refused 78 'three.conf:2:1: .*comand' ctl reload
	printf 'include = ../brood.conf\n' > "$T/conf.d/three.conf"
	refused 78 'three.conf:1:[0-9]+: .*includ' ctl reload
	checks_say 78 'three.conf:1:[0-9]+: .*includ'
	[ "$(pids)" = "$before" ]
	rm "$T/conf.d/"*.conf
	ctl reload
	[ "$(apps)" = web ]
	stop_master
}

# Two files that differ in their first and last lines, and much between.
big_conf() {
	write_conf "$1" << END
[app:web]
command = badworker --say $1
workers = 1
$(seq -f '# a line that says nothing, number %.0f' 8000)
[env:web]
WHICH = $1
END
}

@test "C8 a file that is replaced while it is read is read as one or as the other" {
	big_conf one
	big_conf two
	NAME=brood CONF=$T/brood.conf
	cp "$T/one.conf" "$CONF"
	(
		until [ -e "$T/enough" ]; do
			for which in one two; do
				cp "$T/$which.conf" "$T/next.conf"
				mv "$T/next.conf" "$CONF"
			done
		done
	) 3>&- &
	replacing=$!
	for i in {1..25}; do
		broodd -T -c "$CONF" > "$T/read"
		which=$(sed -n 's/^WHICH = //p' "$T/read")
		grep -q -- "--say $which" "$T/read"
		grep -q "^name = $which" "$T/read"
	done
	: > "$T/enough"
	wait "$replacing"
}
