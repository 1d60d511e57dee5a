/*
 * hello: serves HTTP. /?name=you greets, /slow answers after 100 ms and holds up nobody meanwhile.
 */
#include <brood.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
answer_late(struct brood_loop *loop, void *request)
{
	(void)loop;
	(void)brood_respond(request, 200, "text/plain", "slow\n", 5);
}

static void
greet(struct brood_request *r)
{
	char name[64], text[128];
	int n;

	if (brood_request_query(r, "name", name, sizeof name) < 0)
		(void)strcpy(name, "world");
	n = snprintf(text, sizeof text, "hello, %s, says %d\n", name, (int)getpid());
	(void)brood_respond(r, 200, "text/plain; charset=utf-8", text, (size_t)n);
}

/* The path is what comes before the query. */
static bool
is_path(struct brood_request *r, const char *path)
{
	const char *target = brood_request_target(r);

	return strncmp(target, path, strlen(path)) == 0 &&
	       strchr("?", target[strlen(path)]) != NULL;
}

static void
on_request(struct brood_request *r, void *data)
{
	(void)data;
	if (is_path(r, "/"))
		greet(r);
	else if (!is_path(r, "/slow"))
		(void)brood_respond(r, 404, "text/plain", "not here\n", 9);
	else if (brood_set_timeout(brood_request_loop(r), 100, answer_late, r) == 0)
		(void)brood_respond(r, 503, NULL, NULL, 0);
}

int
main(void)
{
	const char *port = getenv("PORT"); /* for one that is run by hand */

	return brood_serve(&(struct brood_service){
	    .on_request = on_request,
	    .port = port != NULL ? atoi(port) : 8080,
	});
}
