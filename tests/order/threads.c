/*
 * threads: what a thread says and how it ends, as its parent sees it.
 */
#include "order.h"

#include <errno.h>
#include <string.h>

static void
on_exit_say(
    struct brood_loop *loop, struct brood_thread *thread, int code, const char *error, void *arg)
{
	(void)thread;
	(void)arg;
	if (error != NULL)
		say(loop, "error: wanted");
	sayf("exit %d", code);
}

/* --- messages -------------------------------------------------------------------------------- */

static char *const words[] = {"one", "two", "three"};

static void
end_of_thread(struct brood_port *parent, struct brood_message *m, void *arg)
{
	(void)m;
	(void)arg;
	brood_port_close(parent);
}

static int
say_words(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)loop;
	brood_port_listen(parent, end_of_thread, arg);
	for (int i = 0; i < 3; i++)
		(void)brood_port_send(parent, words[i], strlen(words[i]));
	return 0;
}

static void
say_tick(struct brood_loop *loop, void *word)
{
	(void)loop;
	sayf("tick %s", (char *)word);
}

static void
say_microtask(struct brood_loop *loop, void *word)
{
	(void)loop;
	sayf("microtask %s", (char *)word);
}

static void
on_word(struct brood_port *port, struct brood_message *m, void *arg)
{
	struct brood_loop *loop = brood_port_loop(port);
	int *heard = arg;
	char *word = words[(*heard)++ % 3];

	(void)brood_microtask(loop, say_microtask, word);
	(void)brood_next_tick(loop, say_tick, word);
	sayf("message %s", m->data);
	if (*heard == 3)
		(void)brood_port_send(port, "thanks", 6);
}

void
thread_messages(struct brood_loop *loop)
{
	static int heard;
	struct brood_thread *thread = brood_thread_start(loop, say_words, on_exit_say, NULL);

	brood_port_listen(brood_thread_port(thread), on_word, &heard);
	say(loop, "main");
}

/* --- question and answer --------------------------------------------------------------------- */

static void
answer(struct brood_port *parent, struct brood_message *m, void *arg)
{
	char text[8] = "";

	(void)arg;
	if (strcmp(m->data, "xxx") == 0) {
		brood_port_close(parent);
		return;
	}
	(void)strncat(text, m->data, sizeof text - 2);
	(void)strcat(text, "x");
	(void)brood_port_send(parent, text, strlen(text));
}

static int
listen_to_parent(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)loop;
	brood_port_listen(parent, answer, arg);
	return 0;
}

static void
on_answer(struct brood_port *port, struct brood_message *m, void *arg)
{
	(void)arg;
	sayf("answer %s", m->data);
	(void)brood_port_send(port, m->data, m->len);
}

void
thread_answers(struct brood_loop *loop)
{
	struct brood_thread *thread = brood_thread_start(loop, listen_to_parent, on_exit_say, NULL);

	brood_port_listen(brood_thread_port(thread), on_answer, NULL);
	(void)brood_port_send(brood_thread_port(thread), "x", 1);
}

/* --- other ends ------------------------------------------------------------------------------ */

static void
fail(struct brood_loop *loop, void *arg)
{
	(void)arg;
	brood_raise(loop, -EIO, "wanted");
}

static int
fail_soon(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)parent;
	(void)brood_set_timeout(loop, 1, fail, arg);
	(void)brood_set_timeout(loop, 1000, say, "never");
	return 0;
}

static void
on_exit_go_on(
    struct brood_loop *loop, struct brood_thread *thread, int code, const char *error, void *arg)
{
	on_exit_say(loop, thread, code, error, arg);
	(void)brood_set_immediate(loop, say, "and on");
}

void
thread_fails(struct brood_loop *loop)
{
	(void)brood_thread_start(loop, fail_soon, on_exit_go_on, NULL);
}

static void
say_alive(struct brood_loop *loop, void *parent)
{
	(void)loop;
	(void)brood_port_send(parent, "alive", 5);
}

static int
live_on(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)arg;
	(void)brood_set_interval(loop, 1, say_alive, parent);
	return 0;
}

static struct brood_thread *terminated;

static void
on_alive(struct brood_port *port, struct brood_message *m, void *arg)
{
	(void)arg;
	say(NULL, m->data);
	brood_port_listen(port, NULL, NULL);
	brood_thread_terminate(terminated);
}

void
thread_terminated(struct brood_loop *loop)
{
	terminated = brood_thread_start(loop, live_on, on_exit_say, NULL);
	brood_port_listen(brood_thread_port(terminated), on_alive, NULL);
}
