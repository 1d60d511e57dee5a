# node.bash: a master whose workers are programs for Node's cluster. It loads slots.
#
#	node_web N LISTEN	a master with N workers of cluster.js, which opens those servers. KEYS:
#				further lines of the app, VARIABLES: of its environment.

load ../lib/slots

PROGRAM=$BATS_TEST_DIRNAME/programs/cluster.js

setup() {
	common_setup
	need node
}

node_web() {
	write_conf << END
[app:web]
command = node $PROGRAM
workers = $1
directory = $T
node_preload = no
${KEYS:-}
[env:web]
LISTEN = $2
${VARIABLES:-}
END
	start_master
	retry_until 30 app_is .ready "$1"
}
