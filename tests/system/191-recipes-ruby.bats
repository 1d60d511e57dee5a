# contrib/recipes/puma, unicorn: servers for Ruby's web applications.

load ../lib/common
load ../lib/recipe_server

setup() {
	common_setup
	plain_build_only
}

# It closes idle connections without a word when it leaves.
@test "puma: serves, is reloaded and killed, and no request fails" {
	need puma
	server_life puma 2 5
	run ! logged 'killed by SIGTERM'
}

@test "unicorn: serves, is reloaded and killed, and no request fails" {
	need unicorn
	server_life unicorn 2
}
