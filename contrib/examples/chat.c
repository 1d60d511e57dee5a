/*
 * chat: workers talk. What "brood send" tells one of them it passes on to the others; all say what
 * they have heard and count it.
 */
#include <brood.h>
#include <stdio.h>
#include <string.h>

static void
on_message(struct brood_worker *w, const char *from, const char *json, size_t len, void *data)
{
	int *heard = data;
	char text[64];

	(void)snprintf(text, sizeof text, "heard %d", ++*heard);
	(void)brood_worker_status(w, text);
	(void)printf("%.*s, says %s\n", (int)len, json, from);
	(void)fflush(stdout);
	if (strcmp(from, "brood") == 0 && brood_worker_send(w, brood_worker_app(w), json) < 0)
		(void)fputs("nobody else will hear that\n", stderr);
}

int
main(void)
{
	static const struct brood_worker_handlers handlers = {.on_message = on_message};
	struct brood_loop *loop = brood_loop_new();
	struct brood_worker *w = NULL;
	int heard = 0, code = 71;

	if (loop != NULL)
		w = brood_worker_open(loop, NULL, &handlers, &heard);
	if (w != NULL)
		code = brood_run(loop);
	brood_worker_close(w);
	brood_loop_free(loop);
	return code;
}
