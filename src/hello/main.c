/*
 * brood-hello: the embedded default worker, what brood runs when no command is given.
 *
 * A small HTTP/1.1 service that shows how a worker behaves well: it takes its listeners from the
 * master, says ready, drains without losing a request and leaves. Run by hand it binds for
 * itself, so that it can be debugged alone.
 *
 * This file reads the command line and the environment and wires the parts; it serves nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <uv.h>

#include "hello/channel.h"
#include "hello/listeners.h"
#include "hello/ring.h"
#include "hello/server.h"

#define DRAIN_MS         30000
#define IDLE_GRACE_MS    500
#define HEADER_MS        10000
#define KEEP_ALIVE_MS    75000
#define DEFAULT_PORT     "8080"
#define TIME_MAX_MS      3600000
#define RING_MS          200 /* the master does without, or is older than that */
#define BEAT_MS          1000
#define EXIT_INTERRUPTED 130

static struct hello {
	uv_loop_t loop;
	uv_signal_t term, interrupt;
	uv_timer_t patience; /* for the wait set */
	uv_timer_t beat; /* runs when a connection was accepted since the last one */
	bool is_ready;
	struct ring ring;
	struct server server;
	struct channel channel;
	struct listener_set listeners;
} hello;

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
	    "Paths: /  /io?ms=N  /cpu?ms=N  /crash  /healthz\n"
	    "TERM and INT drain: what is under way is finished, then it exits 0; a second INT\n"
	    "exits at once.\n"
	    "\n"
	    "environment: PORT, BROOD_HELLO_IDLE_MS (500: how long a drain waits for idle\n"
	    "connections), BROOD_HELLO_DRAIN_MS (30000: the most a drain takes),\n"
	    "BROOD_HELLO_HEADER_MS (10000: time for a request to come in),\n"
	    "BROOD_HELLO_RING (yes; no: accepts from its own sockets only)\n",
	    stdout);
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

static int
env_index(const char *name)
{
	unsigned value;

	return parse_number(getenv(name), 1u << 30, &value) ? (int)value : -1;
}

static void
say_ready(void)
{
	if (hello.is_ready || server_is_draining(&hello.server))
		return;
	hello.is_ready = true;
	channel_say_ready(&hello.channel);
}

static void
start_drain(long deadline_ms)
{
	uint64_t most = env_ms("BROOD_HELLO_DRAIN_MS", DRAIN_MS);

	if (deadline_ms >= 0 && (uint64_t)deadline_ms < most)
		most = (uint64_t)deadline_ms;
	if (!server_is_draining(&hello.server))
		channel_say_stopping(&hello.channel);
	(void)uv_timer_stop(&hello.patience);
	ring_leave(&hello.ring);
	server_drain(&hello.server, most);
}

/* Serves the listeners by the loop, as without a master. */
static int
watch_listeners(void)
{
	int r = server_watch(&hello.server, &hello.listeners);

	if (r == 0)
		say_ready();
	return r;
}

static void
on_patience_over(uv_timer_t *timer)
{
	int r = watch_listeners();

	(void)timer;
	if (r < 0) {
		fprintf(stderr, "brood-hello: cannot serve the listeners: %s\n", uv_strerror(r));
		exit(EX_OSERR);
	}
}

/* From now on listeners are watched by the wait set alone. */
static void
on_ring(void *arg, struct control *frame, int *fds, size_t n)
{
	(void)arg;
	if (!ring_take(&hello.ring, frame, fds, n))
		return;
	(void)uv_timer_stop(&hello.patience);
	server_unwatch(&hello.server);
	listeners_give_back(&hello.listeners);
	say_ready();
}

static void
on_beat(uv_timer_t *timer)
{
	const struct channel_beat beat = {
	    .lag_us = ring_take_lag_us(&hello.ring),
	    .has_lag = ring_is_in_use(&hello.ring),
	    .requests = hello.server.requests,
	    .stolen = hello.ring.stolen,
	    .conns = hello.server.n_conns,
	};

	(void)timer;
	channel_say_beat(&hello.channel, &beat);
}

/* Requests on connections that are there already are no news to the master: it sleeps on. */
static void
on_accepted(struct server *s)
{
	(void)s;
	if (hello.channel.is_open && !uv_is_active((uv_handle_t *)&hello.beat))
		(void)uv_timer_start(&hello.beat, on_beat, BEAT_MS, 0);
}

static void
on_drain(void *arg, long deadline_ms)
{
	(void)arg;
	start_drain(deadline_ms);
}

static void
on_gone(void *arg)
{
	(void)arg;
	if (!server_is_draining(&hello.server))
		fputs("brood-hello: the master is gone, draining\n", stderr);
	start_drain(-1);
}

/* TERM may follow the master's drain frame and means the same, so it is no second request. */
static void
on_signal(uv_signal_t *handle, int signum)
{
	static int interrupts;

	(void)handle;
	if (signum == SIGINT && ++interrupts > 1)
		_exit(EXIT_INTERRUPTED);
	start_drain(-1);
}

static void
on_done(struct server *s)
{
	(void)s;
	channel_close(&hello.channel);
	uv_close((uv_handle_t *)&hello.term, NULL);
	uv_close((uv_handle_t *)&hello.interrupt, NULL);
	uv_close((uv_handle_t *)&hello.patience, NULL);
	uv_close((uv_handle_t *)&hello.beat, NULL);
	uv_close((uv_handle_t *)&hello.ring.prepare, NULL);
}

static int
fail(int code, const char *what, const char *why)
{
	fprintf(stderr, "brood-hello: %s: %s\n", what, why);
	return code;
}

static int
bind_one(const char *address)
{
	int r = listeners_bind(&hello.listeners, address);

	if (r == -EINVAL)
		return fail(EX_USAGE, address, "no address like HOST:PORT, *:PORT or unix:/PATH");
	return r < 0 ? fail(EX_OSERR, address, strerror(-r)) : 0;
}

static int
read_options(int argc, char **argv, bool *ret_stop)
{
	static const struct option options[] = {
	    {"listen", required_argument, NULL, 'l'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int o, r;

	*ret_stop = true;
	while ((o = getopt_long(argc, argv, "l:hV", options, NULL)) != -1) {
		switch (o) {
		case 'l':
			r = bind_one(optarg);
			if (r != 0)
				return r;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			puts("brood-hello " PACKAGE_VERSION);
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
find_listeners(void)
{
	const char *port = getenv("PORT"), *why = NULL;
	char address[32];
	unsigned number;
	int r;

	if (hello.listeners.n > 0)
		return 0;
	r = listeners_take(&hello.listeners, &why);
	if (r != 0)
		return r < 0 ? fail(EX_USAGE, "cannot take the listeners", why) : 0;
	if (port != NULL && !parse_number(port, 65535, &number))
		return fail(EX_USAGE, "PORT", "no port number");
	snprintf(address, sizeof address, "127.0.0.1:%s", port != NULL ? port : DEFAULT_PORT);
	return bind_one(address);
}

static void
say_addresses(void)
{
	for (size_t i = 0; i < hello.listeners.n; i++) {
		const struct listener_fd *l = &hello.listeners.at[i];

		if (l->is_own)
			fprintf(stderr, "brood-hello: pid %d serves %s%s%s\n", (int)getpid(),
			    l->is_unix ? "" : "http://", l->name, l->is_unix ? "" : "/");
	}
}

static void
start_server(void)
{
	hello.server.loop = &hello.loop;
	hello.server.app = getenv("BROOD_APP");
	hello.server.slot = env_index("BROOD_SLOT");
	hello.server.generation = env_index("BROOD_GENERATION");
	hello.server.idle_ms = env_ms("BROOD_HELLO_IDLE_MS", IDLE_GRACE_MS);
	hello.server.header_ms = env_ms("BROOD_HELLO_HEADER_MS", HEADER_MS);
	hello.server.keep_alive_ms = KEEP_ALIVE_MS;
	hello.server.on_done = on_done;
	hello.server.on_accepted = on_accepted;
	server_start(&hello.server);
	ring_init(&hello.ring, &hello.server);
}

static void
start_handles(void)
{
	(void)uv_signal_init(&hello.loop, &hello.term);
	(void)uv_signal_init(&hello.loop, &hello.interrupt);
	(void)uv_signal_start(&hello.term, on_signal, SIGTERM);
	(void)uv_signal_start(&hello.interrupt, on_signal, SIGINT);
	(void)uv_timer_init(&hello.loop, &hello.patience);
	(void)uv_timer_init(&hello.loop, &hello.beat);
	uv_unref((uv_handle_t *)&hello.beat);
}

static void
start_channel(void)
{
	int r;

	hello.channel.on_drain = on_drain;
	hello.channel.on_ring = on_ring;
	hello.channel.on_gone = on_gone;
	r = channel_open(&hello.channel, &hello.loop);
	if (r < 0)
		fprintf(
		    stderr, "brood-hello: BROOD_CHANNEL_FD is no channel: %s\n", uv_strerror(r));
}

/* A wait set holds the master's listeners: ours are not in there. */
static bool
wants_ring(void)
{
	const char *wanted = getenv("BROOD_HELLO_RING");

	return hello.channel.is_open && !hello.listeners.at[0].is_own &&
	       (wanted == NULL || strcmp(wanted, "no") != 0);
}

static int
start(void)
{
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	r = uv_loop_init(&hello.loop);
	if (r < 0)
		return fail(EX_OSERR, "cannot make the event loop", uv_strerror(r));
	start_server();
	start_handles();
	start_channel();
	if (wants_ring()) {
		channel_ask_ring(&hello.channel);
		(void)uv_timer_start(&hello.patience, on_patience_over, RING_MS, 0);
		return 0;
	}
	r = watch_listeners();
	return r < 0 ? fail(EX_OSERR, "cannot serve the listeners", uv_strerror(r)) : 0;
}

int
main(int argc, char **argv)
{
	bool stop;
	int r;

	r = read_options(argc, argv, &stop);
	if (stop || r != 0)
		return r;
	r = find_listeners();
	if (r == 0)
		r = start();
	if (r != 0)
		return r;
	say_addresses();
	ring_run(&hello.ring);
	(void)uv_loop_close(&hello.loop);
	ring_done(&hello.ring);
	free(hello.server.listeners);
	return 0;
}
