# contrib/recipes/gunicorn, uvicorn, hypercorn: servers for Python's web applications.

load ../lib/common
load ../lib/recipe_server

setup() {
	common_setup
	plain_build_only
	export PYTHONDONTWRITEBYTECODE=1 PORT
}

@test "gunicorn: serves, is reloaded and killed, and no request fails" {
	need gunicorn
	server_life gunicorn 2
}

@test "gunicorn: a release that cannot be imported replaces nobody" {
	need gunicorn
	cp -R "$top_srcdir/contrib/recipes/gunicorn" "$T/recipe"
	chmod -R u+w "$T/recipe"
	cd "$T/recipe"
	CONF=brood.conf NAME=gunicorn
	export LISTEN=127.0.0.1:$PORT WORKERS=2
	start_master
	retry_until 120 all_ready
	pids=$(app '.slots[].worker.pid')
	echo "import nothing_of_that_name" > app.py
	run -1 ctl reload web
	[[ $output == *nothing_of_that_name* ]]
	[ "$(app '.slots[].worker.pid')" = "$pids" ]
	server_serves
}

# It closes idle connections without a word when it leaves.
@test "uvicorn: serves, is reloaded and killed, and no request fails" {
	need uvicorn
	server_life uvicorn 2 5
}

@test "hypercorn: serves, is reloaded and killed, and no request fails" {
	need hypercorn
	server_life hypercorn 2 5
}
