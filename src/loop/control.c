/*
 * control: the listening socket, who may come in, and how many. Refuses before it reads (K1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/msg.h"
#include "loop/client.h"
#include "loop/control.h"
#include "loop/loop.h"
#include "sys/cred.h"
#include "sys/rundir.h"

#define ACCEPTS_PER_TURN 16
#define RETRY_MS         1000

static void on_connection(uv_poll_t *poll, int status, int events);

void
control_handle_closed(struct control *ctl)
{
	if (--ctl->handles > 0)
		return;
	mem_free(ctl->path);
	mem_free(ctl);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	control_handle_closed(handle->data);
}

static void
on_poll_closed(uv_handle_t *handle)
{
	struct control *ctl = handle->data;

	mem_free(handle);
	control_handle_closed(ctl);
}

static void
stop_listening(struct control *ctl)
{
	if (!ctl->poll)
		return;
	uv_close((uv_handle_t *)ctl->poll, on_poll_closed);
	ctl->poll = NULL;
	fd_close(&ctl->fd);
}

/* Binds the socket and remembers its file, so that another one in its place is noticed. */
static int
start_listening(struct control *ctl, struct err *e)
{
	uv_poll_t *poll = mem_calloc(1, sizeof(*poll));
	struct stat st;
	int err;

	if (!poll)
		return err_set(e, -ENOMEM, "out of memory");
	ctl->fd = rundir_control_socket(ctl->path, ctl->gid, e);
	if (ctl->fd < 0) {
		mem_free(poll);
		return ctl->fd;
	}
	err = lstat(ctl->path, &st) < 0 ? -errno : uv_poll_init(&ctl->loop->uv, poll, ctl->fd);
	if (err < 0) {
		mem_free(poll);
		fd_close(&ctl->fd);
		return err_set(e, err, "%s: %s", ctl->path, strerror(-err));
	}
	ctl->dev = st.st_dev;
	ctl->ino = st.st_ino;
	poll->data = ctl;
	ctl->poll = poll;
	ctl->handles++;
	(void)uv_poll_start(poll, UV_READABLE, on_connection);
	return 0;
}

static void
on_retry(uv_timer_t *timer)
{
	struct control *ctl = timer->data;

	if (ctl->poll)
		(void)uv_poll_start(ctl->poll, UV_READABLE, on_connection);
}

/* No descriptor for a client: the one that waits is let in on the spare one and sent away, so
 * that the loop does not come back for it at once; if that fails, too, nobody is asked for a
 * second. */
static void
turn_away(struct control *ctl, int error)
{
	int fd = -1;

	fd_close(&ctl->spare_fd);
	fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC);
	log_warn("control_refused", NULL, "control socket: %s: a client was turned away",
	    strerror(error));
	if (fd < 0) {
		(void)uv_poll_stop(ctl->poll);
		(void)uv_timer_start(&ctl->retry, on_retry, RETRY_MS, 0);
	}
	fd_close(&fd);
	ctl->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Any error means no. uid 0 and the owner do everything, the group operates. */
static enum ctl_role
role_of_peer(const struct control *ctl, int fd, struct cred_peer *ret_peer)
{
	if (cred_peer(fd, ret_peer) < 0)
		return CTL_ROLE_NONE;
	if (ret_peer->uid == 0 || ret_peer->uid == geteuid())
		return CTL_ROLE_ADMIN;
	if (ctl->gid != (gid_t)-1 && cred_peer_in_group(fd, ctl->gid))
		return CTL_ROLE_OPERATOR;
	return CTL_ROLE_NONE;
}

/* Tells why, if the socket takes it, and closes. */
static void
refuse(int fd, int code, const char *message)
{
	struct str out = {0};

	rpc_add_error(&out, json_null(), code, message, NULL);
	if (!str_failed(&out))
		(void)send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	str_free(&out);
	fd_close(&fd);
}

/* The client that has been idle longest goes, for one that has something to say. */
static bool
make_room(struct control *ctl)
{
	struct client *c, *oldest = NULL;

	DL_FOREACH (ctl->clients, c)
		if (client_is_idle(c) && (!oldest || c->active_us < oldest->active_us))
			oldest = c;
	if (!oldest)
		return false;
	client_close(oldest);
	return true;
}

static void
take_connection(struct control *ctl, int fd)
{
	struct cred_peer peer = {0};
	enum ctl_role role = role_of_peer(ctl, fd, &peer);

	if (role == CTL_ROLE_NONE) {
		log_warn("control_refused", NULL, "control socket: uid %u (pid %d) is not allowed",
		    (unsigned)peer.uid, (int)peer.pid);
		refuse(fd, RPC_PERMISSION, "you are neither the owner nor in control_group");
		return;
	}
	if (ctl->clients_len >= CLIENTS_MAX && !make_room(ctl)) {
		log_warn(
		    "control_refused", NULL, "control socket: %d clients are busy", CLIENTS_MAX);
		refuse(fd, RPC_BUSY, "too many clients");
		return;
	}
	client_open(ctl, fd, role);
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
	struct control *ctl = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			take_connection(ctl, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			turn_away(ctl, errno);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

int
control_init(struct loop *l, gid_t gid, struct err *e)
{
	struct control *ctl = mem_calloc(1, sizeof(*ctl));
	size_t size = strlen(l->options.run_dir) + strlen(l->options.name) + sizeof("/.sock");
	int err;

	if (!ctl)
		return err_set(e, -ENOMEM, "out of memory");
	ctl->loop = l;
	ctl->gid = gid;
	ctl->fd = -1;
	ctl->path = mem_alloc(size);
	if (!ctl->path) {
		mem_free(ctl);
		return err_set(e, -ENOMEM, "out of memory");
	}
	(void)snprintf(ctl->path, size, "%s/%s.sock", l->options.run_dir, l->options.name);
	ctl->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)uv_timer_init(&l->uv, &ctl->retry);
	(void)uv_prepare_init(&l->uv, &ctl->flush);
	ctl->retry.data = ctl->flush.data = ctl;
	ctl->handles = 2;
	l->control = ctl;
	err = start_listening(ctl, e);
	if (err < 0)
		control_done(l);
	return err;
}

void
control_done(struct loop *l)
{
	struct control *ctl = l->control;

	if (!ctl)
		return;
	l->control = NULL;
	/* The answer to `shutdown` may be among what is left. */
	clients_flush(ctl);
	while (ctl->clients)
		client_close(ctl->clients);
	stop_listening(ctl);
	fd_close(&ctl->spare_fd);
	uv_close((uv_handle_t *)&ctl->retry, on_handle_closed);
	uv_close((uv_handle_t *)&ctl->flush, on_handle_closed);
}

void
control_on_reply(struct loop *l, const struct action *reply)
{
	if (l->control)
		request_on_reply(l->control, reply);
}

void
control_on_event(struct loop *l, const struct journal_event *e)
{
	json_t *event = NULL;
	struct client *c;

	if (!l->control)
		return;
	DL_FOREACH (l->control->clients, c) {
		if (!c->events.on && !c->waiters)
			continue;
		if (!event)
			event = journal_event_to_json(e);
		if (!event)
			return;
		request_progress(c, e, event);
		follow_on_event(c, e, event);
	}
	json_decref(event);
}

void
control_check_socket(struct loop *l)
{
	struct control *ctl = l->control;
	struct stat st;
	struct err e;

	if (!ctl)
		return;
	if (ctl->poll && lstat(ctl->path, &st) == 0 && st.st_dev == ctl->dev &&
	    st.st_ino == ctl->ino)
		return;
	stop_listening(ctl);
	if (start_listening(ctl, &e) < 0)
		log_error("control_lost", NULL, "control socket: %s", e.text);
	else
		log_warn("control_restored", NULL, "control socket: %s was gone and is made anew",
		    ctl->path);
}
