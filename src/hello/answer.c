/*
 * answer: what each path of brood-hello does: say who answers, wait, compute on the loop or off it,
 * crash. It knows nothing of connections.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hello/hello.h"
#include "hello/page.h"
#include "hello/route.h"

/* A request whose answer takes its time. */
struct job {
	struct hello *hello;
	struct brood_request *request;
	struct job *next, **prev_next;
	brood_id timer; /* 0: it is computed, and ends by itself */
	const char *by; /* NULL: on the loop */
	unsigned ms;
};

/* --- texts ----------------------------------------------------------------------------------- */

/* Once, as it costs a system call. */
static const char *
pid_text(void)
{
	static char text[16];

	if (text[0] == '\0')
		(void)snprintf(text, sizeof text, "%d", (int)getpid());
	return text;
}

static void
answer(struct brood_request *r, int status, const char *type, const char *body, size_t len)
{
	(void)brood_respond_header(r, "X-Worker", pid_text());
	if (status == 200) {
		(void)brood_respond_header(r, "Cache-Control", "no-store");
		(void)brood_respond_header(r, "Vary", "Accept");
	}
	/* If the client has gone there is nobody to tell. */
	(void)brood_respond(r, status, type, body, len);
}

static void
answer_error(struct brood_request *r, int status, const char *why)
{
	char body[128];
	int n;

	n = snprintf(body, sizeof body, "{\"status\":%d,\"error\":\"%s\"}\n", status, why);
	if (status == 405)
		(void)brood_respond_header(r, "Allow", "GET, HEAD");
	answer(r, status, "application/json", body, (size_t)n);
}

static void
answer_time(struct brood_request *r, const char *what, unsigned ms, const char *by)
{
	char body[128];
	int n;

	n = snprintf(body, sizeof body, "{\"%s_ms\":%u,%s%s%s\"pid\":%d}\n", what, ms,
	    by != NULL ? "\"by\":\"" : "", by != NULL ? by : "", by != NULL ? "\"," : "",
	    (int)getpid());
	answer(r, 200, "application/json", body, (size_t)n);
}

static void
answer_facts(struct brood_request *r, const struct door *d)
{
	const struct hello *h = d->hello;
	const char *accept = brood_request_header(r, "Accept");
	struct facts f = {
	    .app = brood_worker_app(h->worker),
	    .listener = *d->name != '\0' ? d->name : NULL,
	    .slot = brood_worker_slot(h->worker),
	    .generation = brood_worker_generation(h->worker),
	    .pid = h->pid,
	    .uptime_ms = brood_now(h->loop) - h->started_ms,
	    .requests = h->requests,
	    .connections = h->conns,
	    .draining = brood_worker_is_draining(h->worker),
	};
	char body[PAGE_MAX];

	if (route_wants_page(accept != NULL ? accept : ""))
		answer(r, 200, "text/html; charset=utf-8", body, page_html(&f, body));
	else
		answer(r, 200, "application/json", body, page_json(&f, body));
}

/* --- what takes its time --------------------------------------------------------------------- */

static struct job *
new_job(struct hello *h, struct brood_request *r, unsigned ms, const char *by)
{
	struct job *j = calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	*j = (struct job){.hello = h, .request = r, .ms = ms, .by = by};
	j->next = h->jobs;
	j->prev_next = &h->jobs;
	if (j->next != NULL)
		j->next->prev_next = &j->next;
	h->jobs = j;
	return j;
}

static struct brood_request *
free_job(struct job *j)
{
	struct brood_request *r = j->request;

	*j->prev_next = j->next;
	if (j->next != NULL)
		j->next->prev_next = j->prev_next;
	free(j);
	return r;
}

static void
begin_job(struct job *j, bool has_begun, struct brood_request *r)
{
	if (has_begun)
		return;
	if (j != NULL)
		(void)free_job(j);
	answer_error(r, 503, "Service Unavailable");
}

static void
on_waited(struct brood_loop *loop, void *arg)
{
	struct job *j = arg;
	unsigned ms = j->ms;

	(void)loop;
	answer_time(free_job(j), "waited", ms, NULL);
}

static void
wait_a_while(struct hello *h, struct brood_request *r, unsigned ms)
{
	struct job *j = new_job(h, r, ms, NULL);

	if (j != NULL)
		j->timer = brood_set_timeout(h->loop, ms, on_waited, j);
	begin_job(j, j != NULL && j->timer != 0, r);
}

void
answer_drop_jobs(struct hello *h)
{
	struct job *next;

	for (struct job *j = h->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->timer == 0)
			continue;
		brood_clear(h->loop, j->timer);
		answer_error(free_job(j), 503, "Service Unavailable");
	}
}

static uint64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* For so long, whatever the machine makes of it: the loop is what others are shown to survive. */
static void
compute(unsigned ms)
{
	uint64_t end_us = now_us() + ms * UINT64_C(1000);
	volatile unsigned sink = 0;

	while (now_us() < end_us) {
		for (unsigned i = 0; i < 1000; i++)
			sink = sink + i;
	}
}

static void
finish_computing(struct job *j, int result)
{
	unsigned ms = j->ms;
	const char *by = j->by;
	struct brood_request *r = free_job(j);

	if (result == 0)
		answer_time(r, "computed", ms, by);
	else
		answer_error(r, 503, "Service Unavailable");
}

static int
work(void *arg)
{
	const struct job *j = arg;

	compute(j->ms);
	return 0;
}

static void
on_offload_done(struct brood_loop *loop, int result, void *arg)
{
	(void)loop;
	finish_computing(arg, result);
}

static void
compute_by_offload(struct hello *h, struct brood_request *r, unsigned ms)
{
	struct job *j = new_job(h, r, ms, "offload");

	begin_job(j, j != NULL && brood_offload(h->loop, work, on_offload_done, j) != 0, r);
}

static int
run_thread(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)loop;
	(void)parent;
	return work(arg);
}

static void
on_thread_exit(
    struct brood_loop *loop, struct brood_thread *thread, int code, const char *error, void *arg)
{
	(void)loop;
	(void)thread;
	(void)error;
	finish_computing(arg, code);
}

static void
compute_by_thread(struct hello *h, struct brood_request *r, unsigned ms)
{
	struct job *j = new_job(h, r, ms, "thread");

	begin_job(
	    j, j != NULL && brood_thread_start(h->loop, run_thread, on_thread_exit, j) != NULL, r);
}

/* --- the paths ------------------------------------------------------------------------------- */

static bool
is_allowed(const struct brood_request *r)
{
	const char *method = brood_request_method(r);

	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void
answer_route(struct brood_request *r, struct door *d, struct route route)
{
	switch (route.kind) {
	case ROUTE_FACTS:
		answer_facts(r, d);
		return;
	case ROUTE_HEALTH:
		answer(r, 200, "text/plain", "ok\n", 3);
		return;
	case ROUTE_IO:
		wait_a_while(d->hello, r, route.ms);
		return;
	case ROUTE_CPU:
		compute(route.ms);
		answer_time(r, "computed", route.ms, NULL);
		return;
	case ROUTE_OFFLOAD:
		compute_by_offload(d->hello, r, route.ms);
		return;
	case ROUTE_THREAD:
		compute_by_thread(d->hello, r, route.ms);
		return;
	case ROUTE_CRASH:
		abort();
	case ROUTE_BAD:
		answer_error(r, 400, "Bad Request");
		return;
	case ROUTE_UNKNOWN:
	case ROUTE_MAX:
		break;
	}
	answer_error(r, 404, "Not Found");
}

void
answer_request(struct brood_request *r, void *data)
{
	struct door *d = data;

	d->hello->requests++;
	if (is_allowed(r))
		answer_route(r, d, route_find(brood_request_target(r)));
	else
		answer_error(r, 405, "Method Not Allowed");
}
