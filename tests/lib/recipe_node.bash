# recipe_node.bash: what every recipe for Node has to do, with the packages of its lock file.
#
#	node_packages NAME [ARG...]	for setup_file: the recipe's packages, once for a build tree
#	need_packages NAME		for setup: skips without them; where CI=true it fails instead
#	node_start NAME WORKERS		a master on a copy of the recipe, with $PORT; sets DIR
#	node_serves PATH		each worker serves
#	node_reloads PATH [SLOW_PATH]	twice, with new and keep-alive clients: nothing fails, what is
#					under way is finished, nobody is ended by force
#	node_survives_a_kill PATH	nobody's new connection fails; the worker comes back
#
# SOURCES=N: clients come from so many addresses.

load ../lib/recipe

NPM=$top_builddir/tests/npm

# Bats files of one build tree run at the same time.
node_packages() {
	local from=$top_srcdir/contrib/recipes/$1 to=$NPM/$1

	shift
	command -v npm > /dev/null && [ -f "$from/package-lock.json" ] || return 0
	mkdir -p "$to"
	(
		flock 9
		cmp -s "$from/package-lock.json" "$to/done" && exit 0
		cp -f "$from/package.json" "$from/package-lock.json" "$to/"
		cd "$to" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund "$@" \
			> npm.log 2>&1 && cp package-lock.json "done"
	) 9> "$to/lock" || true
}

need_packages() {
	need npm
	[ -f "$NPM/$1/done" ] && return 0
	[ "${CI:-}" = true ] || skip "the packages of $1 can't be had: $NPM/$1/npm.log"
	tail -n 20 "$NPM/$1/npm.log"
	return 1
}

knows_nothing_of_brood() {
	! grep -rqi brood "$1" --exclude=brood.conf --exclude-dir=node_modules
}

# Programs find their packages where their own file is.
node_start() {
	DIR=$T/$1
	knows_nothing_of_brood "$top_srcdir/contrib/recipes/$1"
	cp -R "$top_srcdir/contrib/recipes/$1" "$DIR"
	chmod -R u+w "$DIR"
	rm -rf "$DIR/node_modules"
	[ ! -d "$NPM/$1/node_modules" ] || ln -s "$NPM/$1/node_modules" "$DIR/node_modules"
	CONF=$DIR/brood.conf NAME=$1
	export LISTEN=127.0.0.1:$PORT WORKERS=$2
	cd "$DIR" || return 1
	start_master
	retry_until 120 all_ready
}

node_load() {
	"$top_builddir/tests/bench/load" -p "$PORT" -t $SLOW -S "${SOURCES:-1}" "$@" > "$T/load"
}

# node_load_on OPTION...: goes on until node_load_off, which wants no failure
node_load_on() {
	"$top_builddir/tests/bench/load" -p "$PORT" -t $SLOW -S "${SOURCES:-1}" -d 0 "$@" \
		> "$T/load" 3>&- &
	LOAD=$!
	PIDS+=("$LOAD")
	retry_until 20 recipe_is_busy
}

node_load_off() {
	kill -TERM "$LOAD"
	wait "$LOAD" || true
	recipe_no_failure
}

node_serves() {
	node_load -d 1 -r 100 -u "$1"
	recipe_no_failure
	[ "$(jq -r '.by_worker|keys[]' "$T/load" | sort)" = "$(app '.slots[].worker.pid' | sort)" ]
}

node_reloads() {
	local slow

	if [ -n "${2:-}" ]; then
		curl -s -o "$T/body" --max-time 60 -w '%{http_code}' "http://127.0.0.1:$PORT$2" \
			> "$T/code" 3>&- &
		slow=$!
		PIDS+=("$slow")
		retry_until 20 recipe_is_busy
	fi
	node_load_on -r 50 -k 8 -q 20 -u "$1"
	for _ in 1 2; do
		run -0 ctl reload web
	done
	retry_until 60 app_is .leaving 0
	node_load_off
	jq -e '.kept.answered > 0 and .kept.answered == .kept.asked' "$T/load" > /dev/null
	if [ -n "${2:-}" ]; then
		wait "$slow"
		[ "$(cat "$T/code")" = 200 ]
	fi
	[ "$(ctl events --json -n 1000 | jq -r 'select(.event == "worker_died").text')" = "" ]
	ctl why web --json | jq -e '[.slots[].obituaries[]|select(.cause == "reload" and .was_ready)]|
		length > 0 and all(.code == 0)' > /dev/null
}

node_survives_a_kill() {
	local pid

	pid=$(worker 0)
	kill -KILL "$pid"
	node_load -d 1 -r 100 -u "$1"
	recipe_no_failure
	retry_until 60 serves_anew 0 "$pid"
	node_serves "$1"
}
