# import: files of PM2, Heroku and supervisord, as people have them, become configurations that the
# master takes; and what is not the same is said, with what to do.

load ../lib/common

FILES=$BATS_TEST_DIRNAME/import

setup() {
	common_setup
	need jq
	export NO_COLOR=
	unset NODE_OPTIONS NODE_PATH
}

# import ARG...: the configuration is $T/out.conf, the notes $T/notes
import() {
	brood import --timeout 5m -o "$T/out.conf" --force "$@" > "$T/said" 2> "$T/notes" && return 0
	cat "$T/notes"
	return 1
}

# The master reads it. Programs and directories need not be there for that.
is_read() {
	brood config -c "$T/out.conf" > "$T/read" && return 0
	cat "$T/out.conf"
	return 1
}

# has LINE...: each is a line of the configuration
has() {
	local line

	for line; do
		grep -qxF -- "$line" "$T/out.conf" && continue
		echo "missing: $line"
		cat "$T/out.conf"
		return 1
	done
}

# noted NAME...: the notes are about these, "app: key", and each says what to do
noted() {
	local name

	for name; do
		grep -q "^note: [^ ]*: $name: " "$T/notes" && continue
		echo "no note: $name"
		cat "$T/notes"
		return 1
	done
	[ "$(grep -c '^note: ' "$T/notes")" = $# ] && [ "$(grep -c '^       [^ ]' "$T/notes")" = $# ] && return 0
	cat "$T/notes"
	return 1
}

# A directory in place of those in PATH, with only the programs that are named.
path_of() {
	mkdir -p "$T/bin"
	for program; do
		ln -sf "$(command -v "$program")" "$T/bin/$program"
	done
	echo "$T/bin"
}

fake_node() {
	mkdir -p "$T/bin"
	printf '#!/bin/sh\n%s\n' "$1" > "$T/bin/node"
	chmod +x "$T/bin/node"
}

@test "an ecosystem file in JavaScript" {
	need node
	cp "$FILES/ecosystem.config.js" .
	mkdir logs front
	echo '{"scripts": {"start": "PORT=4000 node front.js --spa", "prestart": "make"}}' > front/package.json
	import pm2 ecosystem.config.js --env production
	[ "$(cat said)" = "$T/out.conf: 4 apps, 9 notes" ]
	is_read
	has "[app:shop-api]" "directory = $T" "command = node --max-old-space-size=512 ./server.js" \
		"workers = auto" "compat = pm2" "take = node" "ready = channel" "stop_timeout = 5s" \
		"log = file:$T/logs/api.out.log" "NODE_ENV = production" "PORT = 3000" "RELEASE = production" \
		'DATABASE_URL = postgres://me:s3cr$t@db/shop?x=$${y}&z=100%'
	has "[app:mail-queue]" 'command = python3 queue.py --queue "mail out" --verbose' "ready = delay:5s" \
		"restart_limit = 10/2m" "restart_delay = 4s" "restart_delay_max = 4s" "PYTHONUNBUFFERED = 1"
	has "[app:nightly]" "command = node ./nightly.js" "take = fds" "restart = never" "max_surge = 0"
	has "[app:front]" "directory = $T/front" "command = node front.js --spa" "PORT = 4000"
	! grep -q "reading the ecosystem" "$T/out.conf"
	noted "shop-api: listen_timeout" "shop-api: max_memory_restart" "shop-api: error_file" \
		"shop-api: log_date_format" "shop-api: env_staging" "mail queue: name" "nightly: cron_restart" \
		"front: script" deploy
}

@test "a module" {
	need node
	mkdir -p src
	cp "$FILES/ecosystem.config.mjs" .
	import pm2 ecosystem.config.mjs
	is_read
	has "[app:esm]" "command = node src/main.mjs" "workers = 2" "BIG = 9007199254740993"
	noted
	# one that is called .js is tried both ways
	cp "$FILES/ecosystem.config.mjs" ecosystem.config.js
	import pm2 ecosystem.config.js
	has "[app:esm]"
}

@test "what PM2 takes for JSON, without node" {
	cp "$FILES/process.json" .
	PATH=$top_builddir:$(path_of) brood import pm2 process.json > out.conf 2> notes
	is_read
	has "[app:worker]" "workers = auto-1" "take = node" "restart_delay = 100ms" "restart_delay_max = 15s" \
		"no_restart_codes = 0,143" "METRICS_PORT = 9100" "QUEUES = mail,push"
	has "[app:ws]" 'command = node ws.js --port 8081 --title "live feed"' "METRICS_PORT = 920%(slot)" \
		"INSTANCE_ID = %(slot)" 'NODE_APP_INSTANCE = ""'
	noted "worker: increment_var"
}

@test "YAML takes a reader, and what to do without is said" {
	need node
	cp "$FILES/process.yml" .
	fake_node 'exit 3'
	PATH=$T/bin:$PATH run -1 brood import pm2 process.yml
	[[ $output == *"process.yml: nothing here reads YAML "*"npx js-yaml $T/process.yml > ecosystem.json" ]]
	# a stand-in for the package
	mkdir -p node_modules/js-yaml
	cat > node_modules/js-yaml/index.js << 'END'
exports.load = (text) => ({ apps: [{ name: /name: (.*)/.exec(text)[1], script: /script: (.*)/.exec(text)[1] }] });
END
	import pm2 process.yml
	has "[app:yaml-app]" "command = node ./server.js"
}

@test "node is asked with care" {
	need node
	# it is not there
	echo 'module.exports = 1' > a.config.js
	PATH=$top_builddir:$(path_of) run -1 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"node is needed to read this file, and is not in PATH"*"node -p"* ]]
	# the file is no file of PM2, throws, ends node, exports a function, or too much
	run -78 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"a.config.js: has no app with a script: is it an ecosystem file of PM2?" ]]
	echo 'throw new Error("no \x1b[31mway")' > a.config.js
	run -78 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"node could not read it"*"last words:"*"no \x1B[31mway"* ]]
	echo 'process.exit(0)' > a.config.js
	run -78 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"it ended node before anything was exported" ]]
	echo 'module.exports = () => 1' > a.config.js
	run -78 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"it exports nothing that is data"* ]]
	echo 'module.exports = {apps: [{script: "x".repeat(2e6)}]}' > a.config.js
	run -1 brood import --timeout 5m pm2 a.config.js
	[[ $output == *"what it exports is larger than 1 MiB" ]]
	# its name and its text are never given to a shell
	echo 'module.exports = {apps: [{script: "x.js"}]}' > '$(touch pwned) "; touch pwned;.js'
	import pm2 '$(touch pwned) "; touch pwned;.js'
	has "command = node x.js"
	[ ! -e pwned ]
}

@test "time, and an interrupted import, leave no process" {
	echo 'module.exports = {}' > a.config.js
	fake_node 'sleep 300 & echo $! > child; wait'
	PATH=$T/bin:$PATH spawn brood import --timeout 5m pm2 a.config.js
	retry_until 20 test -s child
	kill -INT "$SPAWNED"
	retry_until 20 ended "$SPAWNED"
	retry_until 20 ended "$(cat child)"
	PATH=$T/bin:$PATH run -124 brood import --timeout 300ms pm2 a.config.js
	[[ $output == *"a.config.js: its time is up; --timeout gives it more" ]]
}

@test "a Procfile, with its .env" {
	need python3
	cp "$FILES/Procfile" .
	mkdir backend
	printf 'SECRET=a=b\nPORT=5000\n' > .env
	import Procfile
	is_read
	has "[app:web]" "directory = $T" 'command = sh -c "exec bundle exec puma -C config/puma.rb -p $PORT"' \
		"listen = 127.0.0.1:5000" "take = bind" "env_file = $T/.env"
	has "[app:api]" "directory = $T/backend" 'command = node server.js --name "the api"' \
		"NODE_ENV = production"
	has "[app:worker]" "command = bundle exec sidekiq -q mail" "QUEUES = mail,push" "workers = 1"
	has "[app:clock]" 'command = sh -c "exec python3 clock.py >> log/clock.log 2>&1"'
	has "[app:logs]" 'command = sh -c "tail -F log/a.log | grep --line-buffered ERROR"'
	! grep -q migrate "$T/out.conf"
	noted "web: command" "web: listen" "clock: command" "logs: command" release
	# by another name, from elsewhere
	mkdir elsewhere
	(cd elsewhere && import Procfile ../Procfile)
	has "directory = $T"
}

@test "a configuration of supervisord, with what it includes" {
	cp -r "$FILES/supervisord.conf" "$FILES/conf.d" .
	import supervisord supervisord.conf
	is_read
	has "[master]" "control_group = adm" "log = file:/var/log/supervisor/supervisord.log" "log_level = info"
	has "[app:site]" \
		"command = /usr/bin/env python3 -m http.server 800%(slot) --directory \"$T/public html\"" \
		"workers = 4" "ready = delay:5s" "no_restart_codes = 0,2" "restart_limit = 11/5m" \
		"stop_signal = INT" "stop_timeout = 60s" "limit_nofile = 4096" "STAGE = production" \
		'SECRET_KEY = a%b, c' 'PATH = /opt/bin:${PATH}' 'INSTANCE = %(slot)'
	has "[app:tunnel-81]" "[app:tunnel-82]" "command = /usr/bin/ssh -N -L 8082:db:5432 bastion" \
		"workers = 0" "log = inherit"
	has "[app:php]" "listen = unix:/run/php-php.sock?mode=0660" "take = stdin" "workers = 5"
	has "[app:node]" "command = node $T/conf.d/../server.js --host=$(uname -n)" "take = node" \
		'TOKEN = ${TOKEN_OF_NODE:-}'
	grep -q "^note: supervisord.conf:46: site: priority: " notes
	grep -q "^note: $T/conf.d/node.conf:3: node: environment: TOKEN_OF_NODE is not set here" notes
	[ "$(grep -c '^note: ' notes)" = "$(grep -c '^# ! ' out.conf)" ]
}

@test "a file is replaced only by force, at one blow, and is its owner's" {
	printf 'web: node x.js\n' > Procfile
	brood import Procfile -o out.conf
	[ "$(stat -c %a out.conf)" = 600 ]
	echo mine > mine.conf
	run -1 brood import Procfile -o mine.conf
	[[ $output == *"mine.conf is there already"*"--force replaces it" ]]
	[ "$(cat mine.conf)" = mine ]
	ln mine.conf other
	brood import Procfile -o mine.conf --force
	cmp mine.conf out.conf
	[ "$(cat other)" = mine ]
	run -1 brood import Procfile -o gone/out.conf
	[[ $output == *"gone/out.conf: No such file or directory" ]]
	[ "$(ls)" = "$(printf '%s\n' Procfile config home log mine.conf other out.conf run state xdg | sort)" ]
}

@test "what is wrong is said, with its place and the right exit code" {
	for args in import "import pm2" "import supervisord" "import what x" "import pm2 a b" \
		"import Procfile --env x" "import Procfile --force" "import pm2 --wrong x"; do
		run -64 brood $args
	done
	run -1 brood import pm2 gone.json
	[[ $output == *"gone.json: No such file or directory" ]]
	run -1 brood import Procfile .
	printf '{\n  apps: [process.env]\n}\n' > a.json
	run -78 brood import pm2 a.json
	[[ $output == *"a.json:2:10: \"process\" is code, not data;"* ]]
	printf '[program:x]\ncommand\n' > a.conf
	run -78 brood import supervisord a.conf
	[[ $output == *'a.conf:2:1: no "key = value" in this line' ]]
	run -78 brood import Procfile a.json
	[[ $output == *"a.json: has no line \"name: command\" to run: is it a Procfile?" ]]
	run -78 brood import supervisord a.json
	head -c 1100000 /dev/zero > big.json
	run -78 brood import pm2 big.json
	[[ $output == *"is larger than 1 MiB" ]]
	run -64 brood import what --json
	[ "$(brood import supervisord a.conf --json 2> /dev/null | jq .error.exit)" = 78 ]
}

@test "programs get it as JSON" {
	printf 'web: node x.js\nno\n' > Procfile
	brood import Procfile --json > out.json 2> notes
	[ ! -s notes ]
	jq -e '.output == null and (.config | startswith("# Made by")) and (.notes | length == 1) and
		(.notes[0] | .file == "Procfile" and .line == 2 and .app == null and .key == null and
			(.text | length > 0) and (.remedy | length > 0))' out.json > /dev/null
	jq -r .config out.json > out.conf
	is_read
	brood import Procfile --json -o x.conf | jq -e '.output == "x.conf"' > /dev/null
}

# The import is run as it is, but for the name and place of the instance.
start_import() {
	NAME=imported
	CONF=$T/imported.conf
	printf '[master]\nname = %s\nrun_dir = %s\n' "$NAME" "$RUN_DIR" > "$CONF"
	sed '/^\[master\]$/d' "$T/out.conf" >> "$CONF"
	broodd -t -c "$CONF"
	start_master
	retry_until 30 all_ready
}

@test "an app of PM2's runs as it did" {
	need node
	cat > server.js << 'END'
const http = require('http');
http.createServer((req, res) => res.end([process.env.NODE_APP_INSTANCE, process.env.NODE_ENV,
	require('cluster').isWorker, process.argv[2]].join(' '))).listen(process.env.PORT,
	() => process.send('ready'));
process.on('SIGINT', () => process.exit(0));
END
	cat > ecosystem.config.js << END
module.exports = { apps: [{ name: 'web', script: './server.js', args: ['a b'], instances: 2, wait_ready: true,
	kill_timeout: 5000, env: { PORT: $PORT }, env_production: { NODE_ENV: 'production' } }] };
END
	import pm2 ecosystem.config.js --env production
	start_import
	[[ $(get /) == [01]" production true a b" ]]
	ctl reload
	[[ $(get /) == [01]" production true a b" ]]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}

@test "programs of supervisord and of a Procfile run as they did" {
	need python3
	cat > supervisord.conf << 'END'
[program:idle]
command=sleep %(ENV_TEST_SECONDS)s
numprocs=2
process_name=idle_%(process_num)d
startsecs=0
END
	export TEST_SECONDS=300
	import supervisord supervisord.conf
	start_import
	[ "$(ctl status --json | jq -c '[.apps[0] | .name, .ready]')" = '["idle",2]' ]
	stop_master
	export PORT
	printf 'web: python3 -m http.server --bind 127.0.0.1 $PORT\nother: env A=1 sleep 300\n' > Procfile
	import Procfile
	start_import
	answers
	[ "$(ctl env other.0 | grep '^A=')" = "A=1" ]
	stop_master
}
