/*
 * brood-hello: the embedded default worker, what brood runs when no command is given.
 *
 * A small HTTP/1.1 service that shows how a worker behaves well: it takes its listeners from the
 * master, says ready, drains without losing a request and leaves. Run by hand it binds for
 * itself, so that it can be debugged alone. All that is libbrood's; brood_serve() would do but for
 * the names of listeners and the times that the environment sets.
 *
 * This file reads the command line and the environment and wires the parts; it answers nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "hello/hello.h"

#define DRAIN_MS      30000
#define IDLE_GRACE_MS 500
#define HEADER_MS     10000
#define KEEP_ALIVE_MS 75000
#define HEADER_MAX    8192
#define BODY_MAX      65536
#define DEFAULT_PORT  "8080"
#define TIME_MAX_MS   3600000
#define ADDRESSES_MAX 64

static struct hello hello;
static const char *addresses[ADDRESSES_MAX + 1];
static size_t n_addresses;
static struct brood_http_options http_options;

static void
print_help(void)
{
	fputs(
	    "usage: brood-hello [-l ADDRESS]...\n"
	    "\n"
	    "The default worker of brood: a small HTTP/1.1 service. Under a master it serves the\n"
	    "listeners it is given (LISTEN_FDS); run by hand it binds for itself.\n"
	    "\n"
	    "  -l, --listen ADDRESS  HOST:PORT, [V6]:PORT, *:PORT, PORT or unix:/PATH; "
	    "repeatable;\n"
	    "                        default 127.0.0.1:8080, or the port that PORT names\n"
	    "  -h, --help            this text\n"
	    "  -V, --version         the version\n"
	    "\n"
	    "Paths: /  /io?ms=N  /cpu?ms=N  /cpu-offload?ms=N&by=offload|thread  /crash\n"
	    "/healthz\n"
	    "TERM and INT drain: what is under way is finished, then it exits 0; a second INT\n"
	    "exits at once.\n"
	    "\n"
	    "environment: PORT, BROOD_HELLO_IDLE_MS (500: how long a drain waits for idle\n"
	    "connections), BROOD_HELLO_DRAIN_MS (30000: the most a drain takes),\n"
	    "BROOD_HELLO_HEADER_MS (10000: time for a request to come in),\n"
	    "BROOD_RING (yes; no: accepts from its own sockets only)\n",
	    stdout);
}

static int
fail(int code, const char *what, const char *why)
{
	fprintf(stderr, "brood-hello: %s: %s\n", what, why);
	return code;
}

static bool
parse_number(const char *s, unsigned max, unsigned *ret_value)
{
	unsigned long value;
	char *end;

	if (s == NULL || *s < '0' || *s > '9')
		return false;
	errno = 0;
	value = strtoul(s, &end, 10);
	if (errno != 0 || *end != '\0' || value > max)
		return false;
	*ret_value = (unsigned)value;
	return true;
}

static unsigned
env_ms(const char *name, unsigned fallback)
{
	const char *text = getenv(name);
	unsigned value = fallback;

	if (text != NULL && !parse_number(text, TIME_MAX_MS, &value))
		fprintf(stderr, "brood-hello: %s=%s is no number of milliseconds, using %u\n", name,
		    text, fallback);
	return value;
}

/* --- connections ----------------------------------------------------------------------------- */

static void
on_served(int n, void *data)
{
	struct door *d = data;

	if (d->hello->worker != NULL)
		brood_worker_served(d->hello->worker, n);
}

static void
on_closed(int n, void *data)
{
	struct door *d = data;

	d->hello->conns -= (unsigned)n;
	if (d->hello->worker != NULL)
		brood_worker_closed(d->hello->worker, n);
}

static void
on_drained(void *data)
{
	struct door *d = data;

	if (--d->hello->draining == 0)
		brood_worker_done(d->hello->worker);
}

static struct door *
new_door(struct hello *h, const char *name)
{
	struct door *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->hello = h;
	(void)snprintf(d->name, sizeof d->name, "%s", name);
	http_options.data = d;
	d->http = brood_http_new(h->loop, &http_options);
	if (d->http == NULL) {
		free(d);
		return NULL;
	}
	d->next = h->doors;
	h->doors = d;
	return d;
}

static struct door *
find_door(struct hello *h, const char *name)
{
	for (struct door *d = h->doors; d != NULL; d = d->next) {
		if (strncmp(d->name, name, sizeof d->name - 1) == 0)
			return d;
	}
	return new_door(h, name);
}

static void
on_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	struct hello *h = data;
	struct door *d = find_door(h, listener);

	if (d == NULL) {
		close(fd);
		brood_worker_closed(w, 1);
		return;
	}
	h->conns++;
	(void)brood_http_serve(d->http, fd);
}

/* --- the end --------------------------------------------------------------------------------- */

static void
on_drain_over(struct brood_loop *loop, void *arg)
{
	(void)arg;
	brood_stop(loop, 0);
}

static void
on_drain(struct brood_worker *w, uint64_t deadline_ms, void *data)
{
	struct hello *h = data;
	unsigned most_ms = env_ms("BROOD_HELLO_DRAIN_MS", DRAIN_MS);

	if (most_ms < deadline_ms)
		brood_unref(h->loop, brood_set_timeout(h->loop, most_ms, on_drain_over, NULL));
	/* One more than there are, until all of them know. */
	h->draining = 1;
	for (struct door *d = h->doors; d != NULL; d = d->next) {
		h->draining++;
		brood_http_drain(d->http);
	}
	if (--h->draining == 0)
		brood_worker_done(w);
}

/* What is computed off the loop would be waited for, as long as it takes. */
static int
finish(struct hello *h, int code)
{
	struct brood_worker *w = h->worker;
	struct door *next;

	if (h->conns > 0 && brood_worker_is_draining(w))
		fprintf(stderr, "brood-hello: drain deadline passed, closing %u connections\n",
		    h->conns);
	answer_drop_jobs(h);
	if (h->jobs != NULL)
		_exit(code);
	for (struct door *d = h->doors; d != NULL; d = d->next)
		brood_http_free(d->http);
	h->worker = NULL;
	brood_worker_close(w);
	brood_loop_free(h->loop);
	for (struct door *d = h->doors; d != NULL; d = next) {
		next = d->next;
		free(d);
	}
	h->doors = NULL;
	return code;
}

/* --- the beginning --------------------------------------------------------------------------- */

static int
read_options(int argc, char **argv, bool *ret_stop)
{
	static const struct option options[] = {
	    {"listen", required_argument, NULL, 'l'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int o;

	*ret_stop = true;
	while ((o = getopt_long(argc, argv, "l:hV", options, NULL)) != -1) {
		switch (o) {
		case 'l':
			if (n_addresses == ADDRESSES_MAX)
				return fail(EX_USAGE, optarg, "too many addresses");
			addresses[n_addresses++] = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("brood-hello %s\n", brood_version());
			return 0;
		default:
			fputs("try brood-hello --help\n", stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc)
		return fail(EX_USAGE, argv[optind], "unexpected argument; try --help");
	*ret_stop = false;
	return 0;
}

/* What -l named wins, then what the master hands over, then an address of our own. */
static int
choose_addresses(void)
{
	static char own[32];
	const char *port = getenv("PORT");
	unsigned number;

	if (n_addresses > 0) {
		(void)unsetenv("LISTEN_FDS");
		return 0;
	}
	if (port != NULL && !parse_number(port, 65535, &number))
		return fail(EX_USAGE, "PORT", "no port number");
	(void)snprintf(own, sizeof own, "127.0.0.1:%s", port != NULL ? port : DEFAULT_PORT);
	addresses[n_addresses++] = own;
	return 0;
}

/* Port 0 is told as the kernel chose it, where it is the first. */
static void
say_addresses(const struct hello *h)
{
	for (size_t i = 0; i < n_addresses && getenv("LISTEN_FDS") == NULL; i++) {
		const char *a = addresses[i], *colon = strrchr(a, ':');
		bool is_unix = strncmp(a, "unix:", 5) == 0;

		fprintf(stderr, "brood-hello: pid %d serves ", (int)getpid());
		if (is_unix)
			fprintf(stderr, "%s\n", a);
		else if (i == 0)
			fprintf(stderr, "http://%.*s:%d/\n", colon != NULL ? (int)(colon - a) : 9,
			    colon != NULL ? a : "127.0.0.1", brood_worker_port(h->worker));
		else
			fprintf(stderr, "http://%s/\n", a);
	}
}

static int
cannot_open(int error)
{
	const char *what = getenv("LISTEN_FDS") != NULL ? "LISTEN_FDS" : addresses[n_addresses - 1];

	if (error == EINVAL && getenv("LISTEN_FDS") == NULL)
		return fail(EX_USAGE, what, "no address like HOST:PORT, *:PORT or unix:/PATH");
	return fail(
	    error == EINVAL || error == ENOTSOCK ? EX_USAGE : EX_OSERR, what, strerror(error));
}

static int
start(struct hello *h)
{
	static const struct brood_worker_handlers handlers = {
	    .on_connection = on_connection, .on_drain = on_drain};
	const struct brood_worker_options options = {.addresses = addresses};

	http_options = (struct brood_http_options){
	    .on_request = answer_request,
	    .on_served = on_served,
	    .on_closed = on_closed,
	    .on_drained = on_drained,
	    .header_max = HEADER_MAX,
	    .body_max = BODY_MAX,
	    .header_ms = env_ms("BROOD_HELLO_HEADER_MS", HEADER_MS),
	    .idle_ms = KEEP_ALIVE_MS,
	    .drain_idle_ms = env_ms("BROOD_HELLO_IDLE_MS", IDLE_GRACE_MS),
	};
	h->loop = brood_loop_new();
	if (h->loop == NULL)
		return fail(EX_OSERR, "cannot make the event loop", strerror(errno));
	h->pid = getpid();
	h->started_ms = brood_now(h->loop);
	h->worker = brood_worker_open(h->loop, &options, &handlers, h);
	if (h->worker == NULL) {
		int code = cannot_open(errno);

		brood_loop_free(h->loop);
		return code;
	}
	say_addresses(h);
	return 0;
}

int
main(int argc, char **argv)
{
	bool stop;
	int r;

	r = read_options(argc, argv, &stop);
	if (stop || r != 0)
		return r;
	r = choose_addresses();
	if (r == 0)
		r = start(&hello);
	return r != 0 ? r : finish(&hello, brood_run(hello.loop));
}
