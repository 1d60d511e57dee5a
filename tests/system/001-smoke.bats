# The shortest way through everything: a cluster starts, serves, reloads and ends.

load ../lib/common
@test "a cluster starts, serves and ends" {
	write_conf <<END
[app:web]
command = $top_builddir/brood-hello
workers = 2
listen = 127.0.0.1:$PORT
END
	start_master
	[[ $(get /) == *'"app":"web"'* ]]
	ctl reload
	[ "$(ctl status --json | pick '.apps[0].ready')" = 2 ]
	stop_master
	[ "$MASTER_EXIT" = 0 ]
}
@test "teardown ends a master" {
	write_conf <<END
[app:web]
command = $top_builddir/brood-hello
listen = 127.0.0.1:$PORT
END
	start_master
	answers
}
@test "a typo ends with 78" {
	write_conf <<END
[app:web]
comand = x
END
	run ! start_master
	launch_master; wait_master; [ "$MASTER_EXIT" = 78 ]
}
