/*
 * echo: a task for each connection writes back what it reads. Who says nothing for a while is let
 * go, so that a worker that drains comes to its end.
 */
#include <brood.h>
#include <stdint.h>
#include <stdlib.h>

#define IDLE_MS 5000

static struct brood_loop *loop;
static struct brood_worker *worker; /* NULL: closed */

static int
echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[4096];
	ssize_t n;

	do {
		brood_deadline(IDLE_MS);
		n = brood_read(fd, data, sizeof data);
	} while (n > 0 && brood_write(fd, data, (size_t)n) == n);
	(void)brood_close(loop, fd);
	if (worker != NULL)
		brood_worker_closed(worker, 1);
	return 0;
}

static void
on_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	struct brood_task *task = brood_go(loop, 0, echo, (void *)(intptr_t)fd);

	(void)listener, (void)data;
	if (task != NULL)
		brood_detach(task);
	else if (brood_close(loop, fd) == 0)
		brood_worker_closed(w, 1);
}

int
main(void)
{
	static const struct brood_worker_handlers handlers = {.on_connection = on_connection};
	const char *port = getenv("PORT"); /* for one that is run by hand */
	struct brood_worker_options options = {.port = port != NULL ? atoi(port) : 7000};
	struct brood_worker *w;
	int code = 71;

	loop = brood_loop_new();
	w = worker = loop != NULL ? brood_worker_open(loop, &options, &handlers, NULL) : NULL;
	if (w != NULL)
		code = brood_run(loop);
	worker = NULL; /* tasks that are left end with the loop */
	brood_worker_close(w);
	brood_loop_free(loop);
	return code;
}
