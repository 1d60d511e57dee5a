/* threads: loops in threads of their own, a buffer that changes hands, and what the parent hears of
 * the end of its threads: one fails, then the other is terminated. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <brood.h>

/* In the thread: a buffer is counted, text is not understood. */
static void
on_request(struct brood_port *port, struct brood_message *m, void *arg)
{
	char text[32];
	int len = snprintf(text, sizeof text, "{\"bytes\":%zu}", m->len);

	(void)arg;
	if (m->is_text)
		brood_raise(brood_port_loop(port), -EINVAL, m->data);
	else
		brood_port_send(port, text, (size_t)len);
}

static int
serve(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)loop;
	brood_port_listen(parent, on_request, arg);
	return 0;
}

static void
on_answer(struct brood_port *port, struct brood_message *m, void *arg)
{
	(void)arg;
	printf("answer: %s\n", m->data);
	brood_port_send(port, "what?", 5);
}

static void
on_end(struct brood_loop *loop, struct brood_thread *t, int code, const char *error, void *other)
{
	(void)loop, (void)t;
	printf("end: code %d, %s\n", code, error != NULL ? error : "no error");
	if (other != NULL)
		brood_thread_terminate(other);
}

int
main(void)
{
	struct brood_loop *loop = brood_loop_new();
	struct brood_thread *b = brood_thread_start(loop, serve, on_end, NULL);
	struct brood_thread *a = brood_thread_start(loop, serve, on_end, b);

	brood_port_listen(brood_thread_port(a), on_answer, NULL);
	brood_port_move(brood_thread_port(a), calloc(1000, 1000), 1000000, free);
	brood_run(loop);
	brood_loop_free(loop);
}
