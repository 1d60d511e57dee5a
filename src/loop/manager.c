/*
 * manager: see the header. STATUS is made at most once a turn of the loop, from a prepare handle
 * that costs no wake-up: a thousand workers that get ready together make one line.
 */
#include "loop/manager.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/cluster.h"
#include "loop/loop.h"
#include "loop/tell.h"
#include "sys/notify.h"

#define MANAGER_RELOADS_MAX 16

struct manager {
	uv_prepare_t prepare;
	uv_timer_t watchdog;
	unsigned handles; /* open ones; the last close frees */
	bool touched;
	bool ready_sent, stopping_sent;
	request_id reloads[MANAGER_RELOADS_MAX]; /* under way */
	unsigned reloads_len;
	char line[256]; /* state as last told; a failed reload shows until it changes */
};

static void
send_text(const char *text)
{
	/* A manager that does not listen is no reason to do anything else. */
	(void)notify_manager_send(text);
}

static void
send_status(const char *first, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "%sSTATUS=%s", first, status);
	send_text(text);
}

static void
on_prepare(uv_prepare_t *h)
{
	struct loop *l = h->loop->data;
	struct manager *m = l->manager;
	char line[sizeof(m->line)];

	if (!m->touched)
		return;
	m->touched = false;
	ctl_status_line(l->core, line, sizeof(line));
	if (l->core->shutdown != SHUTDOWN_NONE && !m->stopping_sent) {
		m->stopping_sent = true;
		send_status("STOPPING=1\n", line);
	} else if (l->core->started && !m->ready_sent && !m->stopping_sent) {
		m->ready_sent = true;
		send_status("READY=1\n", line);
	} else if (strcmp(line, m->line) != 0) {
		send_status("", line);
	}
	memcpy(m->line, line, sizeof(line));
}

static void
on_watchdog(uv_timer_t *h)
{
	(void)h;
	send_text("WATCHDOG=1");
}

int
manager_init(struct loop *l, uint64_t watchdog_us)
{
	struct manager *m;
	uint64_t half_ms = watchdog_us / 2000;

	if (!notify_manager_present())
		return 0;
	m = mem_calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	l->manager = m;
	(void)uv_prepare_init(&l->uv, &m->prepare); /* these inits and starts cannot fail */
	(void)uv_prepare_start(&m->prepare, on_prepare);
	(void)uv_timer_init(&l->uv, &m->watchdog);
	if (watchdog_us != 0)
		(void)uv_timer_start(&m->watchdog, on_watchdog, 0, half_ms > 0 ? half_ms : 1);
	m->prepare.data = m->watchdog.data = m;
	m->handles = 2;
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct manager *m = h->data;

	if (--m->handles == 0)
		mem_free(m);
}

void
manager_done(struct loop *l)
{
	struct manager *m = l->manager;

	if (!m)
		return;
	if (!m->stopping_sent)
		send_text("STOPPING=1");
	l->manager = NULL;
	uv_close((uv_handle_t *)&m->prepare, on_closed);
	uv_close((uv_handle_t *)&m->watchdog, on_closed);
}

void
manager_touch(struct loop *l)
{
	if (l->manager)
		l->manager->touched = true;
}

void
manager_reloading(struct loop *l, request_id request)
{
	struct manager *m = l->manager;

	/* Before READY the manager knows of no state to reload from. */
	if (!m || !m->ready_sent || m->stopping_sent)
		return;
	if (m->reloads_len < MANAGER_RELOADS_MAX)
		m->reloads[m->reloads_len++] = request;
	(void)notify_manager_reloading();
}

static bool
reload_is_over(struct manager *m, request_id request)
{
	for (unsigned i = 0; i < m->reloads_len; i++) {
		if (m->reloads[i] != request)
			continue;
		m->reloads[i] = m->reloads[--m->reloads_len];
		return true;
	}
	return false;
}

/* READY=1 ends the state "reloading", however the reload went; systemctl waits for it. */
static void
say_ready_again(struct loop *l, char *status)
{
	struct manager *m = l->manager;

	if (m->reloads_len > 0 || m->stopping_sent)
		return;
	for (char *p = status; *p; p++)
		if (*p == '\n') /* would begin another assignment */
			*p = ' ';
	ctl_status_line(l->core, m->line, sizeof(m->line));
	send_status("READY=1\n", status);
}

void
manager_reload_failed(struct loop *l, request_id request, const char *why)
{
	char status[256];

	if (!l->manager || !reload_is_over(l->manager, request))
		return;
	snprintf(status, sizeof(status), "reload failed: %s", why);
	say_ready_again(l, status);
}

void
manager_on_reply(struct loop *l, const struct action *reply)
{
	char status[256];

	if (!l->manager || !reload_is_over(l->manager, reply->reply.request))
		return;
	if (reply->reply.code == REPLY_DONE)
		ctl_status_line(l->core, status, sizeof(status));
	else
		snprintf(status, sizeof(status), "reload failed: %s", reply->text);
	say_ready_again(l, status);
}
