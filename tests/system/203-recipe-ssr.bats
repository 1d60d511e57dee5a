# contrib/recipes/ssr: pages that are streamed, by nothing but Node.

load ../lib/common
load ../lib/recipe_node

setup() {
	common_setup
	need node
}

# pages_on: clients that read page after page, each over one connection
pages_on() {
	node "$TESTS_DIR/system/programs/pages.js" "http://127.0.0.1:$PORT/?ms=50" 4 \
		> "$T/pages" 3>&- &
	PAGES=$!
	PIDS+=("$PAGES")
	retry_until 20 recipe_is_busy
}

pages_off() {
	kill -TERM "$PAGES"
	wait "$PAGES"
	[ -s "$T/pages" ]
	jq -e '.pages > 0 and .failed == 0 and .stale == 0' "$T/pages" > /dev/null || {
		cat "$T/pages"
		return 1
	}
}

asset() {
	curl -s -o "$T/asset" -w '%{http_code} %header{etag}' "$@" \
		"http://127.0.0.1:$PORT/assets/style.css"
}

@test "it serves pages and files as it is, whichever worker it is" {
	local etag i

	node_start ssr 3
	node_serves /api/ping
	[[ $(get /item/3) == *"<h1>eggs &amp; bacon</h1>"*"</html>" ]]
	etag=$(asset)
	[[ $etag == '200 "'*'"' ]]
	cmp "$T/asset" "$DIR/assets/style.css"
	for i in {1..20}; do
		[ "$(asset -H "If-None-Match: ${etag#200 }")" = "304 ${etag#200 }" ]
	done
}

@test "pages that are under way in a reload come to their end, and no request fails" {
	node_start ssr 3
	pages_on
	node_reloads /api/ping '/?ms=1500'
	[[ $(cat "$T/body") == *"<li>"*"</html>" ]]
	pages_off
	node_survives_a_kill /api/ping
}
