# contrib/recipes/php: FastCGI on a UNIX socket that is descriptor 0, behind nginx.

load ../lib/common
load ../lib/recipe_server

setup() {
	common_setup
	plain_build_only
	need php-cgi nginx
}

# php_start WORKERS: LISTEN is where php-cgi is, PORT where nginx is.
php_start() {
	DIR=$top_srcdir/contrib/recipes/php
	CONF=$DIR/brood.conf NAME=php
	cd "$DIR"
	export LISTEN="unix:$T/php.sock?mode=0666" WORKERS=$1
	start_master
	retry_until 60 all_ready
	mkdir "$T/nginx"
	sed -e "s|127.0.0.1:8080|127.0.0.1:$PORT|" -e "s|/tmp/brood-php.sock|$T/php.sock|" \
		"$DIR/nginx.conf" > "$T/nginx/nginx.conf"
	spawn nginx -p "$T/nginx" -c "$T/nginx/nginx.conf" -g 'daemon off;'
	retry_until 20 answers
}

@test "php-cgi: serves and is reloaded, and no request fails" {
	php_start 2
	server_serves
	server_reloads
	server_stops
}

php_is_asked() {
	[ -n "$(ss -Hx state established "src = $T/php.sock")" ]
}

@test "php-cgi: what dying workers were asked is asked again" {
	php_start 2
	server_ask
	retry_until 20 php_is_asked
	# Neither takes what the other was asked before: nginx asks again once.
	kill -STOP "$(worker 0)" "$(worker 1)"
	kill -KILL "$(worker 0)" "$(worker 1)"
	recipe_load 1 50
	server_was_answered
	server_stops
}
