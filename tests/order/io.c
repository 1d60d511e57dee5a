/*
 * io: from I/O callbacks: a handle of libuv's own, the pool, a child; and the end of a turn, in
 * which closed handles say so.
 */
#include "order.h"

#include <string.h>
#include <sys/wait.h>
#include <uv.h>

static uv_pipe_t input;
static char bytes[64];

static void
give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	(void)handle;
	(void)size;
	*ret = uv_buf_init(bytes, sizeof bytes - 1);
}

/* Reads standard input, a pipe; on_read begins with enter and ends with leave. */
static void
read_input(struct brood_loop *loop, uv_read_cb on_read)
{
	(void)uv_pipe_init(brood_uv(loop), &input, 0);
	(void)uv_pipe_open(&input, 0);
	input.data = loop;
	(void)uv_read_start((uv_stream_t *)&input, give_buffer, on_read);
}

static void
on_line(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct brood_loop *loop = stream->data;

	(void)buffer;
	brood_enter(loop);
	bytes[n > 0 ? n : 0] = '\0';
	bytes[strcspn(bytes, "\n")] = '\0';
	sayf("read %s", bytes);
	(void)brood_set_timeout(loop, 0, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_next_tick(loop, say, "tick");
	uv_close((uv_handle_t *)stream, NULL);
	spin(10);
	brood_leave(loop);
}

void
io_from_pipe(struct brood_loop *loop)
{
	read_input(loop, on_line);
}

static void
on_closed(uv_handle_t *handle)
{
	struct brood_loop *loop = handle->data;

	brood_enter(loop);
	say(loop, "closed");
	(void)brood_next_tick(loop, say, "tick");
	brood_leave(loop);
}

static void
close_and_set(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct brood_loop *loop = stream->data;

	(void)n;
	(void)buffer;
	brood_enter(loop);
	say(loop, "read");
	(void)brood_set_timeout(loop, 0, say, "timer");
	uv_close((uv_handle_t *)stream, on_closed);
	(void)brood_set_immediate(loop, say, "immediate");
	spin(10);
	brood_leave(loop);
}

void
close_after_immediates(struct brood_loop *loop)
{
	read_input(loop, close_and_set);
}

static void
on_closed_set_both(uv_handle_t *handle)
{
	struct brood_loop *loop = handle->data;

	brood_enter(loop);
	say(loop, "closed");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_set_timeout(loop, 0, say, "timer");
	spin(10);
	brood_leave(loop);
}

static void
close_only(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct brood_loop *loop = stream->data;

	(void)n;
	(void)buffer;
	brood_enter(loop);
	say(loop, "read");
	uv_close((uv_handle_t *)stream, on_closed_set_both);
	brood_leave(loop);
}

void
timer_after_close(struct brood_loop *loop)
{
	read_input(loop, close_only);
}

/* --- the pool, a child ----------------------------------------------------------------------- */

static int
work(void *arg)
{
	(void)arg;
	return 0;
}

static void
on_done(struct brood_loop *loop, int result, void *arg)
{
	(void)result;
	(void)arg;
	say(loop, "done");
	(void)brood_set_timeout(loop, 0, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_next_tick(loop, say, "tick");
	spin(10);
}

void
offload_done(struct brood_loop *loop)
{
	(void)brood_offload(loop, work, on_done, NULL);
	(void)brood_next_tick(loop, say, "tick of main");
	say(loop, "main");
}

static void
on_child_exit(struct brood_child *child, int status, void *arg)
{
	struct brood_loop *loop = arg;

	(void)child;
	sayf("exit %d", WEXITSTATUS(status));
	(void)brood_set_timeout(loop, 0, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_next_tick(loop, say, "tick");
	spin(10);
}

void
child_ended(struct brood_loop *loop)
{
	static const char *const argv[] = {"sh", "-c", "exit 3", NULL};

	(void)brood_child_start(
	    loop, &(struct brood_child_options){
	              .argv = argv,
	              .fds = {BROOD_CHILD_NULL, BROOD_CHILD_NULL, BROOD_CHILD_NULL},
	              .on_exit = on_child_exit,
	              .arg = loop,
	          });
	say(loop, "main");
}
