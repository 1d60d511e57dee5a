/*
 * worker: see worker.h. What the environment says, when the worker is ready, how it ends.
 */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "runtime/loop.h"
#include "worker/notify.h"

#define DEFAULT_HOST     "127.0.0.1"
#define RING_MS          200 /* the master does without, or is older than that */
#define DRAIN_MS         30000
#define DRAIN_MAX_MS     INT64_C(86400000)
#define EXIT_INTERRUPTED 130

static const char line_ready[] = "{\"brood\":\"ready\"}\n";
static const char line_stopping[] = "{\"brood\":\"stopping\"}\n";
static const char line_ring[] = "{\"brood\":\"ring\"}\n";

/* What the environment hands over is handed over once. */
static atomic_flag is_taken = ATOMIC_FLAG_INIT;

static void end_drain(struct brood_worker *w);

/* --- handles --------------------------------------------------------------------------------- */

/* brood_worker_close() has closed all of them, this was the last. */
static void
free_worker(struct brood_worker *w)
{
	channel_done(&w->channel);
	ring_done(&w->ring);
	report_done(&w->report);
	mem_free(w->doors);
	mem_free(w->app);
	mem_free(w);
}

static void
on_closed(uv_handle_t *handle)
{
	struct brood_worker *w = handle->data;

	if (--w->closing == 0 && w->is_closed)
		free_worker(w);
}

void
worker_close_handle(struct brood_worker *w, uv_handle_t *handle)
{
	handle->data = w;
	w->closing++;
	uv_close(handle, on_closed);
}

/* --- what it says ---------------------------------------------------------------------------- */

/* One way only. */
static void
set_state(struct brood_worker *w, enum worker_state to)
{
	if (to > w->state)
		w->state = to;
}

static void
say(struct brood_worker *w, const char *line, const char *notification)
{
	if (w->channel.is_open)
		(void)channel_say(&w->channel, line, strlen(line), true);
	else
		(void)notify_say(notification);
}

/* --- ready ----------------------------------------------------------------------------------- */

/* The program is ready, and it is known who watches the listeners. */
static int
begin_serving(struct brood_worker *w)
{
	int r = 0;

	if (w->state != WORKER_OPENING || !w->is_settled || !w->is_program_ready)
		return 0;
	if (!ring_is_in_use(&w->ring))
		r = accept_open_doors(w);
	if (r < 0)
		return r;
	set_state(w, WORKER_SERVING);
	say(w, line_ready, "READY=1");
	accept_update(w);
	return 0;
}

static void
settle(struct brood_worker *w)
{
	int r;

	w->is_settled = true;
	(void)uv_timer_stop(&w->patience);
	r = begin_serving(w);
	if (r < 0)
		brood_raise(w->loop, r, "worker: the listeners cannot be watched");
}

static void
on_patience_over(uv_timer_t *timer)
{
	struct brood_worker *w = timer->data;

	brood_enter(w->loop);
	settle(w);
	brood_leave(w->loop);
}

void
brood_worker_ready(struct brood_worker *w)
{
	int r;

	w->is_program_ready = true;
	r = begin_serving(w);
	if (r < 0)
		brood_raise(w->loop, r, "worker: the listeners cannot be watched");
}

/* --- the end --------------------------------------------------------------------------------- */

static void
on_deadline(uv_timer_t *timer)
{
	struct brood_worker *w = timer->data;

	report_flush(&w->report);
	brood_stop(w->loop, 0);
}

/* Of several deadlines the earliest stands. True: this is the first. */
static bool
set_deadline(struct brood_worker *w, int64_t ms)
{
	uint64_t until;
	bool is_first = w->drain_until_ms == 0;

	if (ms < 0)
		ms = DRAIN_MS;
	if (ms > DRAIN_MAX_MS)
		ms = DRAIN_MAX_MS;
	until = brood_now(w->loop) + (uint64_t)ms + 1;
	if (!is_first && until >= w->drain_until_ms)
		return false;
	w->drain_until_ms = until;
	(void)uv_timer_start(&w->deadline, on_deadline, (uint64_t)ms, 0);
	return is_first;
}

/* The state is set first: what is accepted now belongs to the drain already, and a program that
 * asks for one meanwhile has it. */
static bool
begin_drain(struct brood_worker *w, int64_t deadline_ms)
{
	if (w->is_closed || !set_deadline(w, deadline_ms))
		return false;
	set_state(w, WORKER_DRAINING);
	(void)uv_timer_stop(&w->patience);
	say(w, line_stopping, "STOPPING=1");
	accept_leave(w);
	return w->state == WORKER_DRAINING && !w->is_closed;
}

static void
drain(struct brood_worker *w, int64_t deadline_ms)
{
	if (!begin_drain(w, deadline_ms))
		return;
	if (w->on.on_drain != NULL)
		w->on.on_drain(w, w->drain_until_ms - 1 - brood_now(w->loop), w->data);
	else if (w->conns == 0)
		end_drain(w);
}

/* From here on only what the program itself has keeps the loop. */
static void
end_drain(struct brood_worker *w)
{
	set_state(w, WORKER_DONE);
	report_flush(&w->report);
	uv_unref((uv_handle_t *)&w->turn);
}

void
brood_worker_drain(struct brood_worker *w)
{
	drain(w, -1);
}

void
brood_worker_done(struct brood_worker *w)
{
	(void)begin_drain(w, -1);
	if (w->state == WORKER_DRAINING)
		end_drain(w);
}

/* TERM may follow the master's drain frame and means the same, so it is no second request. */
static void
on_signal(uv_signal_t *handle, int signum)
{
	struct brood_worker *w = handle->data;

	brood_enter(w->loop);
	if (signum == SIGINT && ++w->interrupts > 1)
		brood_stop(w->loop, EXIT_INTERRUPTED);
	else
		drain(w, -1);
	brood_leave(w->loop);
}

/* --- what the master says -------------------------------------------------------------------- */

static void
take_ring(struct brood_worker *w, const struct control *frame, int *fds, size_t n)
{
	if (!w->has_asked_ring || w->state >= WORKER_DRAINING)
		return;
	if (ring_take(&w->ring, frame, fds, n)) {
		/* From now on listeners are watched by the wait set alone. */
		accept_leave_to_ring(w);
		if (w->is_settled)
			accept_update(w);
		settle(w);
	} else if (w->ring.is_broken && !w->is_settled) {
		settle(w);
	}
	if (ring_is_in_use(&w->ring))
		accept_set_limit(w, w->ring.n);
}

static void
set_leader(struct brood_worker *w, bool on)
{
	if (w->is_leader == on)
		return;
	w->is_leader = on;
	if (w->on.on_leader != NULL)
		w->on.on_leader(w, on, w->data);
}

static void
answer_ping(struct brood_worker *w, int64_t id)
{
	char line[64];
	int n;

	if (id < 0)
		return;
	n = snprintf(line, sizeof line, "{\"brood\":\"pong\",\"id\":%lld}\n", (long long)id);
	(void)channel_say(&w->channel, line, (size_t)n, false);
}

void
worker_on_frame(struct brood_worker *w, const char *line, size_t len, int *fds, size_t n)
{
	struct control frame;

	control_read(line, len, &frame);
	switch (frame.kind) {
	case CONTROL_HELLO:
	case CONTROL_LEADER:
		set_leader(w, frame.is_leader);
		break;
	case CONTROL_DRAIN:
		drain(w, frame.deadline_ms);
		break;
	case CONTROL_MESSAGE:
		if (w->on.on_message != NULL)
			w->on.on_message(w, frame.from, frame.data, frame.data_len, w->data);
		break;
	case CONTROL_PING:
		answer_ping(w, frame.id);
		break;
	case CONTROL_RING:
		take_ring(w, &frame, fds, n);
		break;
	case CONTROL_CONNECTION:
		dispatch_take(w, &frame, fds, n);
		break;
	case CONTROL_NOTHING:
	case CONTROL_KIND_MAX:
		break;
	}
	control_done(&frame);
	/* Each frame is a callback of its own. */
	loop_run_queues(w->loop);
}

/* The master has died, or has closed the channel for a fault. */
void
worker_on_gone(struct brood_worker *w)
{
	drain(w, -1);
}

/* --- opening --------------------------------------------------------------------------------- */

static int
env_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	return text != NULL && units_parse_uint(text, 1 << 30, &value) == 0 ? (int)value : -1;
}

static int
read_environment(struct brood_worker *w)
{
	const char *app = getenv("BROOD_APP");

	w->slot = env_number("BROOD_SLOT");
	w->generation = env_number("BROOD_GENERATION");
	if (app == NULL)
		return 0;
	w->app = mem_strdup(app);
	return w->app != NULL ? 0 : -ENOMEM;
}

static int
open_handles(struct brood_worker *w)
{
	uv_loop_t *uv = brood_uv(w->loop);
	int r;

	r = uv_signal_init(uv, &w->term);
	if (r < 0)
		return r;
	r = uv_signal_init(uv, &w->interrupt);
	if (r < 0) {
		worker_close_handle(w, (uv_handle_t *)&w->term);
		return r;
	}
	(void)uv_prepare_init(uv, &w->turn);
	(void)uv_timer_init(uv, &w->patience);
	(void)uv_timer_init(uv, &w->pause);
	(void)uv_timer_init(uv, &w->deadline);
	report_open(&w->report, w);
	w->term.data = w->interrupt.data = w->turn.data = w;
	w->patience.data = w->pause.data = w->deadline.data = w;
	uv_unref((uv_handle_t *)&w->term);
	uv_unref((uv_handle_t *)&w->interrupt);
	uv_unref((uv_handle_t *)&w->patience);
	uv_unref((uv_handle_t *)&w->pause);
	uv_unref((uv_handle_t *)&w->deadline);
	return 0;
}

/* Before libuv polls: what is accepted here is read in the same turn. */
static void
on_turn(uv_prepare_t *prepare)
{
	struct brood_worker *w = prepare->data;

	w->has_accepted = false;
	if (w->ring.ready < 0)
		return;
	brood_enter(w->loop);
	ring_accept(&w->ring);
	brood_leave(w->loop);
}

/* A peer that is gone is told by write(), not by a signal; what the program wants of the signal
 * itself stays. */
static void
ignore_sigpipe(void)
{
	struct sigaction old, ignore = {.sa_handler = SIG_IGN};

	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		(void)sigaction(SIGPIPE, &ignore, NULL);
}

static int
start_handles(struct brood_worker *w)
{
	int r = uv_signal_start(&w->term, on_signal, SIGTERM);

	if (r == 0)
		r = uv_signal_start(&w->interrupt, on_signal, SIGINT);
	(void)uv_prepare_start(&w->turn, on_turn);
	ignore_sigpipe();
	return r;
}

static int
bind_host(struct listener_set *set, const char *host, int port)
{
	char address[128];
	bool is_v6 = strchr(host, ':') != NULL && host[0] != '[';
	int n;

	if (port < 0 || port > 65535)
		return -EINVAL;
	n = snprintf(address, sizeof address, is_v6 ? "[%s]:%d" : "%s:%d", host, port);
	return (size_t)n < sizeof address ? listeners_bind(set, address) : -EINVAL;
}

static int
bind_own(struct brood_worker *w, const struct brood_worker_options *o)
{
	int r = 0;

	if (o->addresses == NULL)
		return bind_host(&w->listeners, o->host != NULL ? o->host : DEFAULT_HOST, o->port);
	for (size_t i = 0; r == 0 && o->addresses[i] != NULL; i++)
		r = listeners_bind(&w->listeners, o->addresses[i]);
	return r;
}

static void
note_port(struct brood_worker *w)
{
	for (size_t i = 0; w->port < 0 && i < w->listeners.n; i++)
		w->port = listener_port(w->listeners.at[i].fd);
}

/* A wait set holds all of the master's listeners: not for a worker that wants only some of them. */
static bool
wants_ring(const struct brood_worker *w, int handed_over)
{
	const char *wanted = getenv("BROOD_RING");

	return w->channel.is_open && handed_over > 0 && (size_t)handed_over == w->listeners.n &&
	       (wanted == NULL || strcmp(wanted, "no") != 0);
}

static void
ask_ring(struct brood_worker *w)
{
	w->has_asked_ring = true;
	say(w, line_ring, "");
	(void)uv_timer_start(&w->patience, on_patience_over, RING_MS, 0);
}

static int
find_listeners(struct brood_worker *w, const struct brood_worker_options *o)
{
	int r = listeners_take(&w->listeners, o->names);

	if (r < 0)
		return r;
	dispatch_open(w);
	if (w->is_dispatched)
		w->port = env_number("PORT");
	else if (wants_ring(w, r))
		ask_ring(w);
	else if (r == 0)
		r = bind_own(w, o);
	if (r < 0)
		return r;
	note_port(w);
	return 0;
}

static int
open_worker(struct brood_worker *w, const struct brood_worker_options *o)
{
	int r = channel_open(&w->channel, w);

	if (r == 0)
		r = read_environment(w);
	if (r == 0)
		r = start_handles(w);
	/* A worker without connections lives by messages and what the program does by itself. */
	if (r == 0 && w->on.on_connection != NULL)
		r = find_listeners(w, o);
	if (r < 0)
		return r;
	accept_set_limit(w, w->listeners.n);
	w->is_settled = !w->has_asked_ring;
	w->is_program_ready = !o->not_ready;
	return begin_serving(w);
}

static struct brood_worker *
new_worker(
    struct brood_loop *loop, const struct brood_worker_handlers *h, void *data, int *ret_error)
{
	struct brood_worker *w = mem_calloc(1, sizeof *w);

	*ret_error = -ENOMEM;
	if (w == NULL)
		return NULL;
	w->loop = loop;
	w->on = *h;
	w->data = data;
	w->port = -1;
	w->channel.fd = -1;
	ring_init(&w->ring, w);
	*ret_error = open_handles(w);
	if (*ret_error == 0)
		return w;
	/* Freed when its one handle is closed, if it has one. */
	w->is_closed = true;
	if (w->closing == 0)
		free_worker(w);
	return NULL;
}

struct brood_worker *
brood_worker_open(struct brood_loop *loop, const struct brood_worker_options *o,
    const struct brood_worker_handlers *h, void *data)
{
	static const struct brood_worker_options none = {0};
	struct brood_worker *w;
	int r;

	if (atomic_flag_test_and_set(&is_taken)) {
		errno = EBUSY;
		return NULL;
	}
	w = new_worker(loop, h, data, &r);
	if (w == NULL)
		atomic_flag_clear(&is_taken);
	else
		r = open_worker(w, o != NULL ? o : &none);
	if (w != NULL && r < 0) {
		brood_worker_close(w);
		w = NULL;
	}
	if (w == NULL)
		errno = -r;
	return w;
}

void
brood_worker_close(struct brood_worker *w)
{
	if (w == NULL || w->is_closed)
		return;
	report_flush(&w->report);
	set_state(w, WORKER_DONE);
	accept_drop(w);
	dispatch_close(w);
	w->is_closed = true;
	channel_close(&w->channel);
	report_close(&w->report);
	worker_close_handle(w, (uv_handle_t *)&w->term);
	worker_close_handle(w, (uv_handle_t *)&w->interrupt);
	worker_close_handle(w, (uv_handle_t *)&w->turn);
	worker_close_handle(w, (uv_handle_t *)&w->patience);
	worker_close_handle(w, (uv_handle_t *)&w->pause);
	worker_close_handle(w, (uv_handle_t *)&w->deadline);
	atomic_flag_clear(&is_taken);
}

/* --- what it is ------------------------------------------------------------------------------ */

bool
brood_worker_is_draining(const struct brood_worker *w)
{
	return w->state >= WORKER_DRAINING;
}

void
brood_worker_served(struct brood_worker *w, int n)
{
	if (n > 0)
		w->requests += (uint64_t)n;
}

const char *
brood_worker_app(const struct brood_worker *w)
{
	return w->app;
}

int
brood_worker_slot(const struct brood_worker *w)
{
	return w->slot;
}

int
brood_worker_generation(const struct brood_worker *w)
{
	return w->generation;
}

int
brood_worker_port(const struct brood_worker *w)
{
	return w->port;
}

bool
brood_worker_is_leader(const struct brood_worker *w)
{
	return w->is_leader;
}
