/*
 * child: child processes, by uv_spawn().
 *
 * SIGCHLD belongs to libuv in a process that has such children: it has a handler for it and waits
 * for each child by its pid. A program may wait for children of its own by their pids, but must
 * neither take SIGCHLD nor wait for any child (waitpid(-1)), or ends of ours are never heard of.
 *
 * A child outlives its loop: brood_loop_free() closes what is ours of it, without killing it and
 * without on_exit, for there is no status to tell. Who wants it to end with the loop kills it before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime/loop.h"

struct brood_child {
	struct brood_loop *loop;
	uv_process_t process;
	void (*on_exit)(struct brood_child *child, int status, void *arg);
	void *arg;
	int fds[3]; /* our ends, until they are taken */
	struct brood_child *prev, *next;
};

/* Those of one loop. */
struct children {
	struct loop_end end;
	struct brood_child *list;
};

/* --- its end --------------------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static void
close_child(struct brood_child *c)
{
	for (int i = 0; i < 3; i++)
		fd_close(&c->fds[i]);
	uv_close((uv_handle_t *)&c->process, on_closed);
}

/* As wait(2) has it, but for the bit of the core dump: libuv keeps it to itself. */
static int
to_wait_status(int64_t exit_status, int signo)
{
	return signo != 0 ? signo & 0x7f : (int)(exit_status & 0xff) << 8;
}

static void
on_process_exit(uv_process_t *process, int64_t exit_status, int signo)
{
	struct brood_child *c = process->data;

	DL_DELETE(c->loop->children->list, c);
	brood_enter(c->loop);
	if (c->on_exit != NULL)
		c->on_exit(c, to_wait_status(exit_status, signo), c->arg);
	close_child(c);
	brood_leave(c->loop);
}

static void
end_children(struct brood_loop *loop, void *arg)
{
	struct children *cs = arg;
	struct brood_child *c, *next;

	DL_FOREACH_SAFE (cs->list, c, next)
		close_child(c);
	loop->children = NULL;
	mem_free(cs);
}

static int
need_children(struct brood_loop *loop)
{
	struct children *cs;

	if (loop->is_ending)
		return -ECANCELED;
	if (loop->children != NULL)
		return 0;
	cs = mem_calloc(1, sizeof *cs);
	if (cs == NULL)
		return -ENOMEM;
	loop_at_end(loop, &cs->end, end_children, cs);
	loop->children = cs;
	return 0;
}

/* --- its beginning --------------------------------------------------------------------------- */

static bool
is_valid(const struct brood_child_options *o)
{
	if (o->argv == NULL || o->argv[0] == NULL)
		return false;
	for (int i = 0; i < 3; i++)
		if (o->fds[i] < BROOD_CHILD_PIPE)
			return false;
	return true;
}

/* Only our end does not block: that is a matter of each end. libuv takes close-on-exec from theirs
 * when it is in its place. */
static int
open_pipe(int which, int *ret_ours, int *ret_theirs)
{
	int ends[2], ours = which == 0 ? 1 : 0, r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = fd_set_nonblocking(ends[ours], true);
	if (r < 0) {
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		return r;
	}
	*ret_ours = ends[ours];
	*ret_theirs = ends[!ours];
	return 0;
}

/* What is open so far is in c->fds and theirs, whatever is returned. */
static int
prepare_stdio(
    struct brood_child *c, const int fds[3], int theirs[3], uv_stdio_container_t ret_stdio[3])
{
	int r;

	for (int i = 0; i < 3; i++) {
		if (fds[i] == BROOD_CHILD_PIPE) {
			r = open_pipe(i, &c->fds[i], &theirs[i]);
			if (r < 0)
				return r;
			ret_stdio[i].flags = UV_INHERIT_FD;
			ret_stdio[i].data.fd = theirs[i];
		} else if (fds[i] >= 0) {
			ret_stdio[i].flags = UV_INHERIT_FD;
			ret_stdio[i].data.fd = fds[i];
		} else {
			ret_stdio[i].flags = UV_IGNORE; /* libuv opens /dev/null there */
		}
	}
	return 0;
}

/* libuv says char **, and writes to none of them. */
static char **
unconst(const char *const *strings)
{
	return (char **)(uintptr_t)strings;
}

static int
spawn(struct brood_child *c, const struct brood_child_options *o, uv_stdio_container_t stdio[3])
{
	uv_process_options_t options = {
	    .exit_cb = on_process_exit,
	    .file = o->argv[0],
	    .args = unconst(o->argv),
	    .env = unconst(o->env),
	    .cwd = o->directory,
	    .stdio_count = 3,
	    .stdio = stdio,
	};

	return uv_spawn(&c->loop->uv, &c->process, &options);
}

/* c is gone when it fails. */
static int
start(struct brood_child *c, const struct brood_child_options *o)
{
	uv_stdio_container_t stdio[3];
	int theirs[3] = {-1, -1, -1};
	int r = prepare_stdio(c, o->fds, theirs, stdio);
	bool has_handle = r == 0;

	if (r == 0)
		r = spawn(c, o, stdio);
	for (int i = 0; i < 3; i++)
		fd_close(&theirs[i]);
	if (r == 0) {
		DL_APPEND(c->loop->children->list, c);
	} else if (has_handle) {
		close_child(c); /* libuv has it, though nothing runs */
	} else {
		for (int i = 0; i < 3; i++)
			fd_close(&c->fds[i]);
		mem_free(c);
	}
	return r;
}

struct brood_child *
brood_child_start(struct brood_loop *loop, const struct brood_child_options *o)
{
	struct brood_child *c = NULL;
	int r = is_valid(o) ? need_children(loop) : -EINVAL;

	if (r == 0) {
		c = mem_calloc(1, sizeof *c);
		r = c != NULL ? 0 : -ENOMEM;
	}
	if (r == 0) {
		c->loop = loop;
		c->process.data = c;
		c->on_exit = o->on_exit;
		c->arg = o->arg;
		c->fds[0] = c->fds[1] = c->fds[2] = -1;
		r = start(c, o);
	}
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return c;
}

pid_t
brood_child_pid(const struct brood_child *c)
{
	return uv_process_get_pid(&c->process);
}

int
brood_child_take_fd(struct brood_child *c, int which)
{
	int fd = -1;

	if (which >= 0 && which < 3) {
		fd = c->fds[which];
		c->fds[which] = -1;
	}
	return fd;
}

int
brood_child_kill(struct brood_child *c, int signo)
{
	return uv_process_kill(&c->process, signo);
}
