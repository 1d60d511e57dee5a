/*
 * service: brood_serve(), a worker that serves HTTP: loop, worker and HTTP put together. It stands on
 * brood.h alone and is compiled into the library itself, since the room knows nothing of HTTP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "brood.h"

struct service {
	const struct brood_service *options;
	struct brood_loop *loop;
	struct brood_http *http;
	struct brood_worker *worker; /* NULL: closed; answers may still come, for nobody */
};

static void
on_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	struct service *s = data;

	(void)w;
	(void)listener;
	(void)brood_http_serve(s->http, fd);
}

static void
on_drain(struct brood_worker *w, uint64_t deadline_ms, void *data)
{
	struct service *s = data;

	(void)w;
	(void)deadline_ms;
	brood_http_drain(s->http);
}

static void
on_request(struct brood_request *r, void *data)
{
	struct service *s = data;

	s->options->on_request(r, s->options->data);
}

static void
on_served(int n, void *data)
{
	struct service *s = data;

	if (s->worker != NULL)
		brood_worker_served(s->worker, n);
}

static void
on_closed(int n, void *data)
{
	struct service *s = data;

	if (s->worker != NULL)
		brood_worker_closed(s->worker, n);
}

static void
on_drained(void *data)
{
	struct service *s = data;

	if (s->worker != NULL)
		brood_worker_done(s->worker);
}

static int
open_service(struct service *s)
{
	static const struct brood_worker_handlers handlers = {
	    .on_connection = on_connection, .on_drain = on_drain};
	const struct brood_http_options http = {
	    .on_request = on_request,
	    .on_served = on_served,
	    .on_closed = on_closed,
	    .on_drained = on_drained,
	    .data = s,
	    .in_tasks = s->options->in_tasks,
	};
	const struct brood_worker_options worker = {
	    .host = s->options->host, .port = s->options->port, .not_ready = true};

	s->loop = brood_loop_new();
	if (s->loop == NULL)
		return -errno;
	s->http = brood_http_new(s->loop, &http);
	if (s->http == NULL)
		return -errno;
	s->worker = brood_worker_open(s->loop, &worker, &handlers, s);
	return s->worker != NULL ? 0 : -errno;
}

/* Connections that the deadline found open end here, while the worker can still be told. */
static void
close_service(struct service *s)
{
	struct brood_worker *w = s->worker;

	brood_http_free(s->http);
	s->worker = NULL;
	brood_worker_close(w);
	brood_loop_free(s->loop);
}

static int
run_service(struct service *s)
{
	const struct brood_service *o = s->options;
	int code = 0;

	if (o->on_start != NULL)
		code = o->on_start(s->loop, s->worker, s->http, o->data);
	if (code != 0)
		return code;
	brood_worker_ready(s->worker);
	return brood_run(s->loop);
}

/* The one thing that a program could not say itself: it has nothing but the exit code. */
static int
tell_failure(const struct brood_service *o, int error)
{
	(void)fprintf(stderr, "cannot serve %s:%d: %s\n", o->host != NULL ? o->host : "127.0.0.1",
	    o->port, strerror(-error));
	return error == -EINVAL ? EX_USAGE : EX_OSERR;
}

int
brood_serve(const struct brood_service *options)
{
	struct service s = {.options = options};
	int r = open_service(&s), code;

	code = r < 0 ? tell_failure(options, r) : run_service(&s);
	close_service(&s);
	return code;
}
