/*
 * node: see the header.
 *
 * Descriptors and lines meet by their order: a descriptor belongs to the next NODE_HANDLE that comes
 * after it. That holds as long as nobody sends a second one before the first is acknowledged (a
 * reader takes what lies in its socket in large pieces), so neither do we. A copy stays here until
 * then, to be sent again; that of a connection until the worker has said what it did with it.
 */
#include "loop/node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cluster.h"
#include "ipc/msg.h"
#include "ipc/node.h"
#include "loop/channel.h"
#include "loop/dispatch.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/servers.h"

#define FDS_MAX     8 /* that wait for their message; Node sends one at a time */
#define QUERIES_MAX 64 /* that wait for an answer */
#define PARCELS_MAX 64 /* messages with a descriptor that wait, but for connections */
#define RESENDS_MAX 3
#define REFUSAL_US \
	UINT64_C(16000) /* who took none is given none for so long, twice as long the next time */
#define REFUSALS_MAX 5 /* doublings */

/* A query that is not answered yet. */
struct query {
	struct node_query q;
	uint64_t seq;
	char *data;
	struct query *next;
};

enum parcel_kind { PARCEL_ANSWER, PARCEL_CONNECTION, PARCEL_USER };

/* A message with its descriptor. */
struct parcel {
	enum parcel_kind kind;
	struct str line;
	int fd;
	uint64_t seq;
	struct str refusal,
	    key; /* ANSWER: what is said, and which server is closed, if it never arrives */
	unsigned resends;
	bool replied, accepted; /* CONNECTION, as the others */
	const struct listener *listener;
	const struct node_giver *giver;
	struct parcel *prev, *next;
};

struct node {
	struct proc *proc;
	bool bun; /* it puts a byte before internal messages */
	bool may_answer; /* the core has said so */
	bool listens; /* the core was told */
	bool leaves; /* it was told to disconnect */
	bool ended;
	uint64_t seq; /* of our next message */
	struct query *queries;
	unsigned queries_len;
	struct parcel *parcels; /* in order; of the first see `out` */
	unsigned parcels_len;
	bool out; /* the first one is on its way */
	struct parcel *arrived; /* connections that the worker has and says nothing of yet */
	unsigned connections; /* in both lists */
	uint64_t refused_us; /* when it last took none; 0 = it took the last one */
	unsigned refusals; /* in a row */
	struct server_set servers;
	int fds[FDS_MAX];
	unsigned fds_len;
	struct node_msg carried; /* the message that fd came with; its text is the frame's */
	int fd; /* -1 = none */
};

struct node *
node_new(struct proc *p)
{
	struct node *n = mem_calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->proc = p;
	n->fd = -1;
	return n;
}

static void
step(struct node *n, const struct event *ev)
{
	struct event mine = *ev;

	mine.worker = n->proc->worker;
	loop_step(n->proc->loop, &mine);
}

static void
say(struct node *n, struct str *line)
{
	channel_send_line(n->proc->channel, line, false);
}

/* --- what goes out with a descriptor ----------------------------------------------------------- */

static void
free_parcel(struct parcel *m)
{
	str_free(&m->line);
	str_free(&m->refusal);
	str_free(&m->key);
	fd_close(&m->fd);
	mem_free(m);
}

/* The next one goes, if nothing is on its way. */
static void
send_next(struct node *n)
{
	struct parcel *m = n->parcels;

	if (n->out || n->ended || !m)
		return;
	/* Where that fails (no memory) it is tried again with the next one, or the next word. */
	n->out = channel_send_handle(n->proc->channel, &m->line, m->fd) == 0;
}

/* The line is taken over, fd copied. */
static int
queue_parcel(struct node *n, enum parcel_kind kind, struct str *line, int fd, struct parcel **ret)
{
	struct parcel *m = str_failed(line) ? NULL : mem_calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (m) {
		m->kind = kind;
		m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		r = m->fd < 0 ? -errno : 0;
	}
	if (r < 0) {
		mem_free(m);
		str_free(line);
		return r;
	}
	m->line = *line;
	*line = (struct str){0};
	DL_APPEND(n->parcels, m);
	n->parcels_len++;
	if (ret)
		*ret = m;
	return 0;
}

static void
unqueue_parcel(struct node *n, struct parcel *m)
{
	if (m == n->parcels)
		n->out = false;
	DL_DELETE(n->parcels, m);
	n->parcels_len--;
}

/* It is in no list any more, and goes back to whom it came from. */
static void
give_back(struct node *n, struct parcel *m, bool gone)
{
	const struct node_giver *g = m->giver;
	int fd = m->fd;

	m->fd = -1;
	n->connections--;
	g->back(g->arg, n->proc, m->listener, fd, gone);
	free_parcel(m);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void
answer_error(struct node *n, struct node_answer *a, int error)
{
	struct str line = {0};

	a->error = error;
	a->seq = n->seq++;
	node_add_answer_error(&line, n->bun, a);
	say(n, &line);
}

static int
answer_shared(struct node *n, struct node_answer *a, const struct server_answer *s, bool udp)
{
	struct str line = {0};
	struct parcel *m;
	int r;

	a->seq = n->seq++;
	a->dgram = udp;
	a->any_port = s->any_port;
	node_add_answer_shared(&line, n->bun, a);
	r = queue_parcel(n, PARCEL_ANSWER, &line, s->fd, &m);
	if (r < 0)
		return r;
	m->seq = a->ack;
	str_add(&m->key, a->key);
	a->error = -EMFILE;
	a->seq = n->seq++;
	node_add_answer_error(&m->refusal, n->bun, a);
	send_next(n);
	return 0;
}

static void
answer_plain(struct node *n, struct node_answer *a, const struct server_answer *s)
{
	struct str line = {0};

	a->seq = n->seq++;
	a->address = s->address[0] ? s->address : NULL;
	a->family = s->v6 ? "IPv6" : "IPv4";
	a->port = s->port;
	node_add_answer_plain(&line, n->bun, a);
	say(n, &line);
	(void)dispatch_take(n->proc->loop, n->proc);
}

static void
answer(struct node *n, const struct node_query *q, uint64_t seq)
{
	struct node_answer a = {.key = q->key, .ack = seq};
	struct server_answer s;
	int r = servers_open(n->proc->loop, n->proc, &n->servers, q, &s);

	a.data = s.data;
	a.data_len = s.data_len;
	if (r == 0 && s.plain)
		answer_plain(n, &a, &s);
	else if (r == 0)
		r = answer_shared(n, &a, &s, node_query_is_udp(q));
	if (r == 0) {
		servers_settle(n->proc->loop, n->proc, s.listener);
		return;
	}
	servers_close(&n->servers, q->key);
	answer_error(n, &a, r);
}

static void
close_server(struct node *n, const char *key)
{
	const struct server *s = servers_by_key(&n->servers, key);
	const struct listener *ls = s ? s->listener : NULL;

	servers_close(&n->servers, key);
	if (ls && !n->leaves)
		servers_settle(n->proc->loop, n->proc, ls);
}

static void
free_query(struct query *w)
{
	mem_free(w->data);
	mem_free(w);
}

/* What was asked is answered, or the worker will not hear it. */
static void
settle_queries(struct node *n)
{
	while (n->queries && (n->may_answer || n->leaves || n->ended)) {
		struct query *w = n->queries;

		LL_DELETE(n->queries, w);
		n->queries_len--;
		if (!n->leaves && !n->ended)
			answer(n, &w->q, w->seq);
		free_query(w);
	}
}

static void
take_query(struct node *n, const struct node_msg *m)
{
	const struct event asked = {.kind = EVENT_ASKED};
	struct query *w = NULL;

	if (!m->has_seq || n->leaves)
		return;
	if (n->queries_len < QUERIES_MAX)
		w = mem_calloc(1, sizeof(*w));
	if (w && m->query.data) {
		w->data = mem_alloc(m->query.data_len);
		if (w->data)
			memcpy(w->data, m->query.data, m->query.data_len);
	}
	if (!w || (m->query.data && !w->data)) {
		struct node_answer a = {.key = m->query.key, .ack = m->seq};

		mem_free(w);
		answer_error(n, &a, -ENOBUFS);
		return;
	}
	w->q = m->query;
	w->q.data = w->data;
	w->seq = m->seq;
	LL_APPEND(n->queries, w);
	n->queries_len++;
	step(n, &asked);
	settle_queries(n);
}

void
node_answer(struct node *n)
{
	n->may_answer = true;
	settle_queries(n);
}

/* --- connections -------------------------------------------------------------------------------- */

bool
node_serves(const struct node *n, const struct listener *ls)
{
	return !n->leaves && !n->ended && servers_find(&n->servers, ls) != NULL;
}

unsigned
node_untaken(const struct node *n)
{
	return n->connections;
}

bool
node_refuses(const struct node *n)
{
	return n->refused_us > 0 &&
	       clock_now_us() - n->refused_us < (REFUSAL_US << n->refusals) / 2;
}

int
node_give(struct node *n, const struct listener *ls, int fd, const struct node_giver *giver)
{
	const struct server *s = servers_find(&n->servers, ls);
	struct str line = {0};
	struct parcel *m;
	int r;

	if (!s || n->leaves || n->ended)
		return -ENOTCONN;
	node_add_connection(&line, n->bun, s->key, n->seq);
	r = queue_parcel(n, PARCEL_CONNECTION, &line, fd, &m);
	if (r < 0)
		return r;
	m->seq = n->seq++;
	m->listener = ls;
	m->giver = giver;
	n->connections++;
	send_next(n);
	return 0;
}

static struct parcel *
find_connection(const struct node *n, uint64_t seq)
{
	struct parcel *m;

	DL_FOREACH (n->arrived, m)
		if (m->seq == seq)
			return m;
	return NULL;
}

static void
note_refusal(struct node *n)
{
	n->refused_us = clock_now_us();
	if (n->refusals <= REFUSALS_MAX)
		n->refusals++;
}

/* The worker has said what it did with it; it is in no list any more. */
static void
end_connection(struct node *n, struct parcel *m, bool accepted)
{
	const struct node_giver *g = m->giver;

	if (!accepted) {
		note_refusal(n);
		give_back(n, m, false);
		return;
	}
	n->refused_us = n->refusals = 0;
	n->connections--;
	free_parcel(m); /* the worker's close() ends it now */
	g->taken(g->arg, n->proc);
}

static bool
take_reply(struct node *n, const struct node_msg *reply)
{
	struct parcel *m = find_connection(n, reply->ack);

	if (m) {
		DL_DELETE(n->arrived, m);
		end_connection(n, m, reply->accepted);
		return true;
	}
	/* Said before it says that the descriptor has arrived, it is no less said. */
	m = n->out && n->parcels->kind == PARCEL_CONNECTION ? n->parcels : NULL;
	if (!m || m->seq != reply->ack)
		return false;
	m->replied = true;
	m->accepted = reply->accepted;
	return true;
}

/* Those that are not on their way yet. Whoever gets them may come back here, so they leave first. */
static void
give_back_waiting(struct node *n, bool gone)
{
	struct parcel *m, *next, *back = NULL;

	DL_FOREACH_SAFE (n->parcels, m, next) {
		if (m->kind != PARCEL_CONNECTION || (m == n->parcels && n->out))
			continue;
		unqueue_parcel(n, m);
		DL_APPEND(back, m);
	}
	while ((m = back)) {
		DL_DELETE(back, m);
		give_back(n, m, gone);
	}
}

bool
node_may_recall(const struct node *n)
{
	return n->out && n->parcels->kind == PARCEL_CONNECTION;
}

void
node_recall_waiting(struct node *n)
{
	n->proc->take_asleep = true;
	give_back_waiting(n, false);
}

void
node_recalled(struct node *n)
{
	struct parcel *m = n->parcels;

	struct str line = {0};

	unqueue_parcel(n, m);
	n->connections--;
	free_parcel(m);
	node_add_ping(&line, n->bun); /* while that is unread, it sleeps */
	say(n, &line);
	node_recall_waiting(n);
	send_next(n);
}

/* --- that a descriptor arrived, or not ------------------------------------------------------------ */

static bool
take_ack(struct node *n)
{
	struct parcel *m = n->parcels;

	if (!n->out)
		return false;
	unqueue_parcel(n, m);
	if (m->kind == PARCEL_CONNECTION && m->replied)
		end_connection(n, m, m->accepted);
	else if (m->kind == PARCEL_CONNECTION)
		DL_APPEND(n->arrived, m);
	else
		free_parcel(m);
	send_next(n);
	return true;
}

static void
give_up(struct node *n, struct parcel *m)
{
	n->proc->report.messages_skipped++;
	unqueue_parcel(n, m);
	if (m->kind == PARCEL_CONNECTION) {
		note_refusal(n);
		give_back(n, m, false);
		return;
	}
	if (m->kind == PARCEL_ANSWER && !str_failed(&m->refusal)) {
		close_server(n, str_text(&m->key));
		say(n, &m->refusal);
		m->refusal = (struct str){0};
	}
	free_parcel(m);
}

/* It has no room for descriptors: it may have by now. */
static void
take_nack(struct node *n)
{
	struct parcel *m = n->parcels;

	if (!n->out)
		return;
	n->out = false;
	if (++m->resends > RESENDS_MAX)
		give_up(n, m);
	send_next(n);
}

/* --- what the program sends with a descriptor ------------------------------------------------------ */

void
node_add_fd(struct node *n, int fd)
{
	if (n->fds_len == FDS_MAX) {
		fd_close(&fd);
		n->proc->report.faults++;
		return;
	}
	n->fds[n->fds_len++] = fd;
}

static int
next_fd(struct node *n)
{
	int fd = n->fds_len > 0 ? n->fds[0] : -1;

	if (n->fds_len > 0)
		memmove(n->fds, n->fds + 1, --n->fds_len * sizeof(n->fds[0]));
	return fd;
}

void
node_drop_fd(struct node *n)
{
	if (n->fd >= 0)
		n->proc->report.messages_skipped++;
	fd_close(&n->fd);
}

/* Anything else ends a Node process that gets it, or spoils its channel. */
static bool
is_passable(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
		return false;
	len = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		return false;
	if (domain == AF_INET || domain == AF_INET6)
		return type == SOCK_STREAM || type == SOCK_DGRAM;
	return domain == AF_UNIX && type == SOCK_STREAM;
}

static bool
is_known_type(const struct node_msg *m)
{
	if (strcmp(m->type, "dgram.Socket") == 0)
		return strcmp(m->dgram_type, "udp4") == 0 || strcmp(m->dgram_type, "udp6") == 0;
	return strcmp(m->type, "net.Socket") == 0 || strcmp(m->type, "net.Server") == 0 ||
	       strcmp(m->type, "net.Native") == 0;
}

/* True: there is nothing else in it for us. */
static bool
take_handle(struct node *n, const struct node_msg *m)
{
	struct str line = {0};
	int fd = next_fd(n);

	node_add_handle_ack(&line, n->bun, fd >= 0);
	say(n, &line);
	if (fd < 0)
		return true; /* it will come again */
	if (m->text) {
		n->carried = *m;
		n->fd = fd;
		return false;
	}
	fd_close(&fd);
	n->proc->report.messages_skipped++;
	return true;
}

static bool
send_fd_to(const struct node *from, struct node *to, const struct str *message)
{
	struct str line = {0};

	if (to->ended || to->leaves || to->parcels_len >= PARCELS_MAX)
		return false;
	node_add_user_handle(&line, to->bun, &from->carried, message->data, message->len - 1);
	if (queue_parcel(to, PARCEL_USER, &line, from->fd, NULL) < 0)
		return false;
	to->proc->report.messages_out++;
	send_next(to);
	return true;
}

int
node_send_fd(struct node *n, int slot, int not_slot, const char *from, const json_t *data)
{
	const struct app *a = core_find_app(n->proc->loop->core, n->proc->app);
	struct str message = {0};
	int sent = 0;

	if (n->fd < 0)
		return -1;
	msg_add_message(&message, from, data);
	if (!is_known_type(&n->carried) || !is_passable(n->fd) || str_failed(&message))
		a = NULL;
	for (unsigned i = 0; a && i < a->slots_len; i++) {
		const struct worker *w = a->slots[i]->current;
		struct proc *p = w ? procs_find(n->proc->loop, w->id) : NULL;

		if (!channel_is_addressed(w, slot, not_slot) || !p || !p->node)
			continue;
		sent += send_fd_to(n, p->node, &message);
	}
	str_free(&message);
	if (sent > 0)
		fd_close(&n->fd);
	return sent;
}

/* --- frames --------------------------------------------------------------------------------------- */

static void
take_listening(struct node *n)
{
	const struct event ev = {.kind = EVENT_READY, .ready = {.by = READY_BY_LISTENING}};

	if (n->listens)
		return;
	n->listens = true;
	step(n, &ev);
}

static void
take_leaving(struct node *n, const struct node_msg *m)
{
	const struct event ev = {.kind = EVENT_STOPPING};
	struct str line = {0};

	if (m->has_seq) {
		node_add_ack(&line, n->bun, m->seq, n->seq++);
		say(n, &line);
	}
	n->leaves = true;
	dispatch_leaves(n->proc->loop, n->proc->worker);
	step(n, &ev);
}

/* Sockets that came here from its server are closed by now, or with another worker. */
static void
take_socket_question(struct node *n, const struct node_msg *m)
{
	struct str line = {0};

	if (m->kind == NODE_SOCKET_GET_COUNT)
		node_add_socket_count(&line, n->bun, m->key);
	else
		node_add_all_closed(&line, n->bun, m->key);
	say(n, &line);
}

/* True unless it is the program's. */
static bool
take(struct node *n, const struct node_msg *m, unsigned *cost)
{
	bool expected = false;

	switch (m->kind) {
	case NODE_USER:
		return false;
	case NODE_HANDLE:
		return take_handle(n, m);
	case NODE_HANDLE_ACK:
		expected = take_ack(n);
		break;
	case NODE_HANDLE_NACK:
		take_nack(n);
		break;
	case NODE_ONLINE:
		break;
	case NODE_QUERY:
		take_query(n, m);
		break;
	case NODE_LISTENING:
		take_listening(n);
		break;
	case NODE_CLOSE:
		close_server(n, m->key);
		break;
	case NODE_LEAVES:
		take_leaving(n, m);
		break;
	case NODE_REPLY:
		expected = take_reply(n, m);
		break;
	case NODE_SOCKET_NOTIFY_CLOSE:
	case NODE_SOCKET_GET_COUNT:
		take_socket_question(n, m);
		break;
	case NODE_IGNORED:
	case NODE_KIND_MAX:
		n->proc->report.messages_skipped++;
		break;
	}
	if (expected)
		*cost = 0;
	return true;
}

bool
node_take(struct node *n, enum frame_kind kind, const char **data, size_t *len, unsigned *cost)
{
	struct node_msg m;

	node_decode(*data, *len, kind == FRAME_TOO_LONG, &m);
	n->bun |= m.prefixed;
	dispatch_awake(n->proc->loop, n->proc);
	if (take(n, &m, cost))
		return true;
	*data = m.text;
	*len = m.len;
	return false;
}

/* --- life ----------------------------------------------------------------------------------------- */

void
node_drain(struct node *n)
{
	const struct worker *w = core_find_worker(n->proc->loop->core, n->proc->worker);
	struct str line = {0};

	if (w && w->generation->conf->compat == COMPAT_PM2) {
		node_add_user(&line, "\"shutdown\"", strlen("\"shutdown\""));
		say(n, &line);
	}
	node_add_disconnect(&line, n->bun, n->seq++);
	say(n, &line);
	n->leaves = true;
	settle_queries(n);
	give_back_waiting(n, true);
}

void
node_end(struct node *n)
{
	struct parcel *m;

	if (n->ended)
		return;
	n->ended = true;
	n->out = false;
	servers_close_all(&n->servers);
	settle_queries(n);
	DL_CONCAT(n->parcels, n->arrived);
	n->arrived = NULL;
	give_back_waiting(n, true);
	while ((m = n->parcels)) {
		unqueue_parcel(n, m);
		free_parcel(m);
	}
	while (n->fds_len > 0)
		fd_close(&n->fds[--n->fds_len]);
	fd_close(&n->fd);
}

void
node_free(struct node *n)
{
	mem_free(n);
}
