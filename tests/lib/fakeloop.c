/*
 * fakeloop: see the header.
 */
#include "fakeloop.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/guard.h"
#include "loop/queues.h"
#include "loop/rescue.h"
#include "loop/tell.h"
#include "sys/queue.h"
#include "sys/steer.h"

static struct fake_loop *the;

/* ---- in the place of others */

void
loop_step(struct loop *l, const struct event *ev)
{
	(void)l;
	if (ev->kind == EVENT_QUEUES) {
		the->looks++;
		ck_assert_uint_le(ev->queues.len, FAKE_SAMPLES);
		the->samples_len = ev->queues.len;
		memcpy(the->samples, ev->queues.items, ev->queues.len * sizeof(*the->samples));
		return;
	}
	the->events++;
	the->last = *ev;
	if (ev->kind == EVENT_PROBED)
		(void)snprintf(the->what, sizeof(the->what), "%s", ev->probed.what);
}

void
tell(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *fmt, ...)
{
	size_t len = strlen(the->told);
	va_list ap;

	(void)l;
	(void)level;
	(void)who;
	(void)snprintf(the->told + len, sizeof(the->told) - len, "%s: ", event);
	len = strlen(the->told);
	va_start(ap, fmt);
	(void)vsnprintf(the->told + len, sizeof(the->told) - len, fmt, ap);
	va_end(ap);
}

struct proc *
procs_find(struct loop *l, worker_id worker)
{
	(void)l;
	return worker >= 1 && worker <= FAKE_SLOTS ? &the->procs[worker - 1] : NULL;
}

static void
steer_again(struct fake_loop *f)
{
	uint16_t targets[FAKE_SLOTS], slots[FAKE_SLOTS];
	unsigned n = 0;

	for (unsigned i = 0; i < f->app.steer.len; i++)
		targets[n++] =
		    (uint16_t)listener_index(f->ls, f->targets[i].slot, f->targets[i].seat);
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		slots[i] = (uint16_t)listener_index(f->ls, i, f->slots[i].seat);
	ck_assert_int_eq(listener_steer(f->ls, BALANCE_EVEN, targets, n, slots, FAKE_SLOTS), 0);
}

int
guard_flush(
    struct loop *l, struct listener *ls, unsigned i, const int *readers, unsigned readers_len)
{
	int r = queue_flush(ls->fds[i], readers, readers_len, ls->backlog);

	(void)l;
	listener_left_group(ls, i);
	listener_joined_group(ls, i);
	steer_again(the);
	return r;
}

/* No worker is one of Node's. */
bool
rescue_is_possible(struct loop *l, const char *app, const struct listener *ls)
{
	(void)l;
	(void)app;
	(void)ls;
	return false;
}

unsigned
rescue_seat(
    struct loop *l, const char *app, const struct listener *ls, unsigned slot, unsigned seat)
{
	(void)l;
	(void)app;
	(void)ls;
	(void)slot;
	(void)seat;
	return 0;
}

/* ---- the stage */

static void
add_worker(struct fake_loop *f, unsigned i)
{
	struct worker *w = &f->workers[i];
	struct slot *s = &f->slots[i];

	s->app = w->app = &f->app;
	s->index = i;
	s->state = SLOT_SERVING;
	s->current = w;
	s->generation = w->generation = &f->generation;
	f->slot_list[i] = s;
	w->slot = s;
	w->id = i + 1;
	w->pid = getpid();
	w->state = WORKER_READY;
	HASH_ADD(by_id, f->core.workers, id, sizeof(w->id), w);
	f->procs[i] = (struct proc){.loop = &f->l, .worker = w->id, .pid = w->pid};
	f->targets[i] = (struct steer_seat){.slot = (uint16_t)i};
}

static void
open_listener(struct fake_loop *f, const char *host)
{
	struct err e = {0};

	f->conf.name = f->app.name;
	f->conf.balance = BALANCE_EVEN;
	f->conf.probe_timeout_ms = 5000;
	f->conf.nonblocking = TRI_YES;
	f->conf.listen = &f->address;
	f->conf.listen_len = 1;
	f->address = (struct conf_listen){
	    .text = "here",
	    .key = "tcp:here",
	    .kind = LISTEN_TCP,
	    .host = (char *)host,
	    .mode = -1,
	    .backlog = 100,
	    .name = "here",
	};
	f->launches.listeners.cpus = 1;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_msg(listener_get(&f->launches.listeners, &f->conf, &f->address, true,
	                  FAKE_SLOTS, &f->ls, &e) == 0,
	    "%s", e.text);
	ck_assert_int_eq(f->ls->shape, LISTENER_STEERED);
	f->listeners[0] = f->ls;
	f->launch.app = &f->conf;
	f->launch.listeners = f->listeners;
	f->launch.listeners_len = 1;
	DL_APPEND(f->launches.all, &f->launch);
}

void
fake_loop_init(struct fake_loop *f, const char *host)
{
	struct err e = {0};

	memset(f, 0, sizeof(*f));
	the = f;
	(void)snprintf(f->app.name, sizeof(f->app.name), "web");
	f->core.apps = &f->app;
	f->app.core = &f->core;
	f->app.slots = f->slot_list;
	f->app.slots_len = f->app.target_len = FAKE_SLOTS;
	f->app.generation = &f->generation;
	f->app.steer =
	    (struct steer_table){.mode = STEER_SERVE, .seats = f->targets, .len = FAKE_SLOTS};
	f->generation = (struct generation){
	    .number = 1, .conf = &f->conf, .launch = &f->launch, .steered = true};
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		add_worker(f, i);
	open_listener(f, host);
	ck_assert_int_eq(uv_loop_init(&f->l.uv), 0);
	f->l.uv.data = &f->l;
	f->l.core = &f->core;
	f->l.launches = &f->launches;
	ck_assert_int_eq(queues_init(&f->l, &e), 0);
	queues_settle(&f->l, "web");
}

void
fake_loop_done(struct fake_loop *f)
{
	queues_done(&f->l);
	for (int i = 0; i < 1000 && uv_loop_alive(&f->l.uv); i++)
		(void)uv_run(&f->l.uv, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&f->l.uv), 0);
	queues_free(&f->l);
	listener_put(&f->launches.listeners, f->ls);
	listeners_done(&f->launches.listeners);
	HASH_CLEAR(by_id, f->core.workers);
}

static void
on_time(uv_timer_t *timer)
{
	(void)timer; /* that it woke the loop is all */
}

bool
fake_loop_run(struct fake_loop *f, bool (*done)(struct fake_loop *f), unsigned ms)
{
	uint64_t until_us = clock_now_us() + ms * 1000ull;
	uv_timer_t timer;
	bool ok;

	(void)uv_timer_init(&f->l.uv, &timer);
	timer.data = NULL; /* see fake_loop_is_asleep() */
	while (!(ok = done(f)) && clock_now_us() < until_us) {
		uv_update_time(&f->l.uv);
		(void)uv_timer_start(&timer, on_time, (until_us - clock_now_us()) / 1000 + 1, 0);
		(void)uv_run(&f->l.uv, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&f->l.uv, UV_RUN_NOWAIT);
	return ok;
}

static bool
never(struct fake_loop *f)
{
	(void)f;
	return false;
}

void
fake_loop_pass(struct fake_loop *f, unsigned ms)
{
	(void)fake_loop_run(f, never, ms);
}

static void
look_for_timer(uv_handle_t *h, void *arg)
{
	bool *found = arg;

	*found |= h->type == UV_TIMER && h->data && uv_is_active(h);
}

bool
fake_loop_is_asleep(struct fake_loop *f)
{
	bool found = false;

	uv_walk(&f->l.uv, look_for_timer, &found);
	return !found;
}

void
fake_loop_steer(struct fake_loop *f, unsigned slot, bool on)
{
	bool is_on[FAKE_SLOTS] = {false};

	for (unsigned k = 0; k < f->app.steer.len; k++)
		is_on[f->targets[k].slot] = true;
	is_on[slot] = on;
	f->app.steer.len = 0;
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		if (is_on[i])
			f->targets[f->app.steer.len++] = (struct steer_seat){
			    .slot = (uint16_t)i, .seat = (uint8_t)f->workers[i].seat};
	steer_again(f);
	queues_settle(&f->l, "web");
}

void
fake_loop_own_network(bool migrates)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd, file;

	if (unshare(CLONE_NEWNET) != 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	ck_assert_int_eq(close(fd), 0);
	file = open("/proc/sys/net/ipv4/tcp_migrate_req", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return;
	ck_assert_int_eq(write(file, migrates ? "1" : "0", 1), 1);
	ck_assert_int_eq(close(file), 0);
}

int
fake_loop_fd(const struct fake_loop *f, unsigned slot, unsigned seat)
{
	return listener_fd(f->ls, slot, seat);
}

int
fake_loop_connect(struct fake_loop *f, unsigned slot, unsigned seat)
{
	int fd = steer_connect(
	    fake_loop_fd(f, slot, seat), STEER_RAW + listener_index(f->ls, slot, seat));
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
	return fd;
}

int
fake_loop_connect_client(struct fake_loop *f, unsigned slot, unsigned seat)
{
	uint16_t place = (uint16_t)listener_index(f->ls, slot, seat);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->ls->port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(listener_steer(f->ls, BALANCE_EVEN, &place, 1, NULL, 0), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	steer_again(f);
	return fd;
}

int
fake_loop_accept(struct fake_loop *f, unsigned slot, unsigned seat)
{
	int fd = accept4(fake_loop_fd(f, slot, seat), NULL, NULL, SOCK_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

int
fake_loop_told_len(const struct fake_loop *f, unsigned slot, unsigned seat)
{
	for (size_t i = 0; i < f->samples_len; i++)
		if (f->samples[i].slot == slot && f->samples[i].seat == seat)
			return (int)f->samples[i].len;
	return -1;
}
