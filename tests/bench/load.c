/*
 * load: HTTP clients on a fixed timetable, for the soak and the measurements.
 *
 *   load -p PORT [-H ADDRESS] [-u PATH] [-d SECONDS] [-t TIMEOUT_MS]
 *        [-r NEW_PER_SECOND [-P]] [-k CLIENTS] [-q REQUESTS_PER_SECOND] [-N REQUESTS]
 *        [-b PATH -i MS [-n COUNT]] [-w WORKERS] [-x PID[,PID...]] [-S SOURCES] [-D TARGETS]
 *   load -T
 *
 * Two kinds of clients side by side: -r opens that many new connections a second, one request
 * each; -k keeps that many connections open, each with -q requests a second, and reconnects when
 * the server closes. With -q 0 they ask again as soon as they are answered, until -N requests are
 * answered or -d seconds are over; -d 0 means until TERM.
 *
 * The timetable does not wait for answers, and latency counts from the scheduled instant to the
 * last byte of the answer, so a server that stands still cannot hide it. -P makes the gaps between
 * new connections those of chance (Poisson) instead of even, from a fixed seed. How late the
 * generator itself was is told as lag_...: where it is not far below what was measured, the
 * generator measured itself, and the run is spoiled.
 *
 * -b sends every -i ms a request for PATH, in a connection of its own, that shall block the worker
 * which gets it; -n sends that many at once. These are told apart as "poison" and are in no other
 * figure but the failures. -x leaves out of the figures for new connections what was answered by
 * the named workers (by X-Worker), and counts it as excluded.
 *
 * by_worker counts the new connections that each worker answered, spread is the busiest over the
 * mean of all; -w tells how many there are, since one that got nothing does not show. over_5ms_pct
 * is the part of new connections that took longer than that.
 *
 * -S spreads clients over source addresses 127.0.0.1 to
 * 127.0.0.S, -D over target addresses from ADDRESS on: one pair of addresses has 28,000 ports,
 * and each is taken for a minute after its connection.
 *
 * One line of JSON at the end. Failures are told apart:
 *   hard   refused, reset, eof (nothing of the answer came), cut (a part came), garbled, status
 *          (not 200), timeout, local (our own lack of something)
 *   stale  reset or eof with nothing of the answer on a connection that had answered before. HTTP
 *          lets a client try again then; a drain that works well leaves none.
 * failed_at holds the instants (CLOCK_MONOTONIC, ms) of the first failures, to be compared with
 * what was done to the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX       4096
#define FAILED_AT_MAX  16384
#define WORKERS_SIZE   32768 /* of the table; two thirds of it are used at most */
#define WORKERS_SHOWN  64
#define EXCLUDED_MAX   64
#define SLOW_US        5000
#define NS_PER_S       1000000000ull
#define HISTOGRAM_SUB  64
#define HISTOGRAM_SIZE (40 * HISTOGRAM_SUB)

enum kind { NEW, KEPT, POISON, KINDS };
enum state { CLOSED, CONNECTING, ASKED, RESTING };
enum reason { REFUSED, RESET, END, CUT, GARBLED, STATUS, TIMEOUT, LOCAL, STALE, REASONS };

static const char *const reason_names[REASONS] = {
    "refused", "reset", "eof", "cut", "garbled", "status", "timeout", "local", "stale"};

struct client {
	enum kind kind;
	enum state state;
	int fd;
	unsigned index;
	unsigned answered; /* on this connection */
	uint64_t turn; /* of a kept client: the number of its next request */
	uint64_t scheduled_ns, asked_ns;
	struct client *older, *newer; /* those that wait for an answer, by age */
	bool head_done, will_close;
	size_t head_len;
	long body_left;
	char head[HEAD_MAX];
};

/* Times in microseconds. */
struct times {
	uint64_t count, most, slow;
	uint64_t histogram[HISTOGRAM_SIZE];
};

struct tally {
	uint64_t asked, answered, excluded, failed[REASONS];
	struct times times;
};

struct worker {
	long pid;
	uint64_t answered;
};

static struct {
	struct sockaddr_in to;
	const char *path, *poison_path;
	double new_rate, kept_rate;
	bool poisson;
	unsigned kept, sources, targets, workers, poison_count;
	uint64_t duration_ns, timeout_ns, limit, poison_ns;
	long excluded[EXCLUDED_MAX];
	unsigned n_excluded;
} opt;

static struct tally tallies[KINDS];
static struct times lag; /* of the generator: from the scheduled instant to the call of connect() */
static struct client waiting = {.older = &waiting, .newer = &waiting};
static struct client *kept, *spare;
static unsigned n_waiting, next_address;
static uint64_t started_ns, failed_at[FAILED_AT_MAX];
static unsigned n_failed_at;
static struct worker workers[WORKERS_SIZE];
static unsigned n_workers;
static int epoll_fd;
static char request[KINDS][1024];
static size_t request_len[KINDS];
static volatile sig_atomic_t stop;

static void ask(struct client *c);

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
on_stop(int signo)
{
	(void)signo;
	stop = 1;
}

/* Log-linear: 64 steps for each doubling, so any percentile is right within 1.6 %. */
static unsigned
bucket_of(uint64_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 2 * HISTOGRAM_SUB)
		shift++;
	return shift * HISTOGRAM_SUB + (unsigned)(us >> shift);
}

static void
add_time(struct times *t, uint64_t us)
{
	unsigned i = bucket_of(us);

	t->count++;
	t->histogram[i < HISTOGRAM_SIZE ? i : HISTOGRAM_SIZE - 1]++;
	if (us > t->most)
		t->most = us;
	if (us > SLOW_US)
		t->slow++;
}

static uint64_t
percentile(const struct times *t, double share)
{
	uint64_t wanted = (uint64_t)((double)t->count * share), sum = 0;

	for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
		sum += t->histogram[i];
		if (sum > wanted) {
			unsigned shift = i < 2 * HISTOGRAM_SUB ? 0 : i / HISTOGRAM_SUB - 1;

			return (uint64_t)(i - shift * HISTOGRAM_SUB) << shift;
		}
	}
	return t->most;
}

static void
wait_for_answer(struct client *c)
{
	c->older = waiting.older;
	c->newer = &waiting;
	c->older->newer = c;
	waiting.older = c;
	n_waiting++;
}

static void
wait_no_more(struct client *c)
{
	c->older->newer = c->newer;
	c->newer->older = c->older;
	n_waiting--;
}

static void
disconnect(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CLOSED;
}

/* Clients of one request are kept for the next that comes. */
static void
retire(struct client *c)
{
	disconnect(c);
	if (c->kind == KEPT)
		return;
	c->newer = spare;
	spare = c;
}

static void
fail(struct client *c, enum reason why)
{
	if (c->answered > 0 && (why == RESET || why == END))
		why = STALE;
	tallies[c->kind].failed[why]++;
	if (n_failed_at < FAILED_AT_MAX)
		failed_at[n_failed_at++] = now_ns() / 1000000;
	wait_no_more(c);
	retire(c);
}

static enum reason
reason_of_errno(int e)
{
	switch (e) {
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	case ETIMEDOUT:
		return TIMEOUT;
	}
	return LOCAL;
}

static int
open_connection(struct client *c)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = opt.to;
	struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (opt.sources > 1) {
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + next_address % opt.sources);
		(void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
		if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0)
			return errno;
	}
	to.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) + next_address++ % opt.targets);
	c->answered = 0;
	c->state = CONNECTING;
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
		return errno;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0 ? errno : 0;
}

static void
begin(struct client *c, uint64_t scheduled_ns)
{
	int e = 0;

	c->scheduled_ns = scheduled_ns;
	c->asked_ns = now_ns();
	if (c->kind == NEW)
		add_time(&lag, (c->asked_ns - scheduled_ns) / 1000);
	tallies[c->kind].asked++;
	wait_for_answer(c);
	if (c->state == RESTING)
		ask(c);
	else
		e = open_connection(c);
	if (e != 0)
		fail(c, reason_of_errno(e));
}

static void
ask(struct client *c)
{
	const char *text = request[c->kind];
	ssize_t n;

	c->head_done = c->will_close = false;
	c->head_len = 0;
	c->body_left = -1;
	c->state = ASKED;
	n = send(c->fd, text, request_len[c->kind], MSG_NOSIGNAL);
	if (n != (ssize_t)request_len[c->kind])
		fail(c, n < 0 ? reason_of_errno(errno) : LOCAL);
}

static long
worker_of(const char *head)
{
	const char *at = strcasestr(head, "\nX-Worker:");

	return at != NULL ? strtol(at + 10, NULL, 10) : 0;
}

static void
note_worker(long pid, bool is_new)
{
	unsigned i = (unsigned)((unsigned long)pid * 2654435761u % WORKERS_SIZE);

	if (pid <= 0)
		return;
	while (workers[i].pid != 0 && workers[i].pid != pid)
		i = (i + 1) % WORKERS_SIZE;
	if (workers[i].pid == 0) {
		if (n_workers >= WORKERS_SIZE / 3 * 2)
			return;
		workers[i].pid = pid;
		n_workers++;
	}
	workers[i].answered += is_new;
}

static bool
is_excluded(long pid)
{
	for (unsigned i = 0; i < opt.n_excluded; i++) {
		if (opt.excluded[i] == pid)
			return true;
	}
	return false;
}

/* The busiest over the mean of all that answered, or of the number that -w says there are. */
static double
spread(void)
{
	uint64_t most = 0, sum = 0;
	unsigned n = opt.workers > n_workers ? opt.workers : n_workers;

	for (unsigned i = 0; i < WORKERS_SIZE; i++) {
		sum += workers[i].answered;
		if (workers[i].answered > most)
			most = workers[i].answered;
	}
	return sum > 0 ? (double)most * n / (double)sum : 0;
}

static uint64_t
kept_due(const struct client *c)
{
	double turn = (double)c->turn + (double)c->index / opt.kept;

	return opt.kept_rate > 0 ? started_ns + (uint64_t)(turn / opt.kept_rate * NS_PER_S) : 0;
}

static bool
has_finished(void)
{
	return stop || (opt.limit > 0 && tallies[KEPT].answered >= opt.limit);
}

static void
finish_answer(struct client *c)
{
	struct tally *t = &tallies[c->kind];
	uint64_t now = now_ns(), us = (now - c->scheduled_ns) / 1000;
	bool is_ok = strncmp(c->head, "HTTP/1.1 200 ", 13) == 0;
	long worker = worker_of(c->head);

	if (!is_ok) {
		fail(c, STATUS);
		return;
	}
	wait_no_more(c);
	t->answered++;
	c->answered++;
	if (c->kind == NEW && is_excluded(worker))
		t->excluded++;
	else
		add_time(&t->times, us);
	/* Only the first of a connection: its worker does not change. */
	if (c->answered == 1 && c->kind != POISON)
		note_worker(worker, c->kind == NEW);
	if (c->kind != KEPT || c->will_close)
		retire(c);
	else
		c->state = RESTING;
	if (c->kind != KEPT || has_finished())
		return;
	if (opt.kept_rate <= 0) {
		begin(c, now);
	} else if (kept_due(c) <= now) {
		uint64_t due = kept_due(c);

		c->turn++;
		begin(c, due);
	}
}

/* False when it is no answer that we understand. */
static bool
parse_head(struct client *c, const char *end)
{
	const char *length;

	c->head_done = true;
	c->body_left = 0;
	length = strcasestr(c->head, "\nContent-Length:");
	if (strncmp(c->head, "HTTP/1.1 ", 9) != 0 || length == NULL || length > end)
		return false;
	c->body_left = strtol(length + 16, NULL, 10);
	length = strcasestr(c->head, "\nConnection: close");
	c->will_close = length != NULL && length < end;
	c->body_left -= (long)(c->head_len - (size_t)(end + 4 - c->head));
	return c->body_left >= 0;
}

/* Takes n new bytes at the end of the head, or of the body. */
static void
take(struct client *c, size_t n)
{
	const char *end;

	if (c->head_done) {
		c->body_left -= (long)n;
	} else {
		c->head_len += n;
		c->head[c->head_len] = '\0';
		end = strstr(c->head, "\r\n\r\n");
		if (end == NULL && c->head_len < HEAD_MAX - 1)
			return;
		if (end == NULL || !parse_head(c, end)) {
			fail(c, GARBLED);
			return;
		}
	}
	if (c->body_left < 0)
		fail(c, GARBLED);
	else if (c->body_left == 0)
		finish_answer(c);
}

static void
on_readable(struct client *c)
{
	static char body[65536];
	bool in_head = !c->head_done || c->state != ASKED;
	char *to = in_head ? c->head + c->head_len : body;
	size_t room = in_head ? HEAD_MAX - 1 - c->head_len : sizeof body;
	ssize_t n;

	if (c->state == RESTING) {
		/* Closed while nothing was asked: no loss, the next request connects anew. */
		disconnect(c);
		return;
	}
	n = recv(c->fd, to, room, 0);
	if (n > 0)
		take(c, (size_t)n);
	else if (n == 0)
		fail(c, c->head_len > 0 ? CUT : END);
	else if (errno != EAGAIN && errno != EINTR)
		fail(c, c->head_len > 0 ? CUT : reason_of_errno(errno));
}

static void
on_connected(struct client *c)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	int error = 0;
	socklen_t len = sizeof error;

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		fail(c, reason_of_errno(error));
		return;
	}
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
	ask(c);
}

/* The time to the next new connection. A generator of its own, so that a run can be repeated
 * whatever the C library does. */
static uint64_t
next_gap_ns(void)
{
	static uint64_t x = 88172645463325252ull;
	double mean = NS_PER_S / opt.new_rate;

	if (!opt.poisson)
		return (uint64_t)mean;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint64_t)(-log(((double)(x >> 11) + 1) / 9007199254740993.0) * mean);
}

static bool
start_one(enum kind kind, uint64_t due)
{
	struct client *c = spare;

	if (c != NULL)
		spare = c->newer;
	else if ((c = malloc(sizeof *c)) == NULL)
		return false;
	c->kind = kind;
	c->state = CLOSED;
	c->fd = -1;
	c->answered = 0;
	begin(c, due);
	return true;
}

static uint64_t
start_due_new(uint64_t now)
{
	static uint64_t due;

	if (opt.new_rate <= 0)
		return UINT64_MAX;
	if (due == 0)
		due = started_ns;
	/* A bound, so that answers are read between the bursts of a late generator. */
	for (int burst = 0; burst < 64 && due <= now && start_one(NEW, due); burst++)
		due += next_gap_ns();
	return due;
}

/* The first comes after one interval: the server shall have begun to serve. */
static uint64_t
start_due_poison(uint64_t now)
{
	static uint64_t due;

	if (opt.poison_path == NULL)
		return UINT64_MAX;
	if (due == 0)
		due = started_ns + opt.poison_ns;
	if (due > now)
		return due;
	for (unsigned i = 0; i < opt.poison_count; i++)
		(void)start_one(POISON, due);
	return due += opt.poison_ns;
}

static uint64_t
start_due_kept(uint64_t now)
{
	uint64_t next = UINT64_MAX, due;

	for (unsigned i = 0; i < opt.kept; i++) {
		struct client *c = &kept[i];

		/* One that still waits is late; finish_answer() goes on with it at once. */
		if (c->state == CONNECTING || c->state == ASKED)
			continue;
		due = kept_due(c);
		if (due <= now) {
			c->turn++;
			begin(c, opt.kept_rate > 0 ? due : now);
			due = kept_due(c);
		}
		next = due < next ? due : next;
	}
	return next;
}

static void
give_up_old(uint64_t now)
{
	while (waiting.newer != &waiting && now > waiting.newer->asked_ns + opt.timeout_ns)
		fail(waiting.newer, TIMEOUT);
}

static void
wait_events(uint64_t until_ns)
{
	struct epoll_event events[256];
	uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec t = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
	int n = epoll_pwait2(epoll_fd, events, 256, &t, NULL);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (c->state == CONNECTING)
			on_connected(c);
		else if (c->state != CLOSED)
			on_readable(c);
	}
}

static void
run(void)
{
	uint64_t deadline = 0, now, next, due;

	for (;;) {
		now = now_ns();
		next = now + NS_PER_S / 10;
		if (opt.duration_ns > 0 && now >= started_ns + opt.duration_ns)
			stop = 1;
		if (has_finished()) {
			deadline = deadline > 0 ? deadline : now + opt.timeout_ns + NS_PER_S / 5;
			if (n_waiting == 0 || now > deadline)
				return;
		} else {
			due = start_due_new(now);
			next = due < next ? due : next;
			due = start_due_kept(now);
			next = due < next ? due : next;
			due = start_due_poison(now);
			next = due < next ? due : next;
		}
		give_up_old(now);
		wait_events(next);
	}
}

static void
print_tally(const char *name, const struct tally *t)
{
	uint64_t failed = 0;
	const char *separator = "";

	for (int i = 0; i < STALE; i++)
		failed += t->failed[i];
	printf("\"%s\":{\"asked\":%lu,\"answered\":%lu,\"failed\":%lu,\"stale\":%lu,\"why\":{",
	    name, t->asked, t->answered, failed, t->failed[STALE]);
	for (int i = 0; i < STALE; i++) {
		if (t->failed[i] == 0)
			continue;
		printf("%s\"%s\":%lu", separator, reason_names[i], t->failed[i]);
		separator = ",";
	}
	printf("},\"excluded\":%lu,\"p50_us\":%lu,\"p99_us\":%lu,\"p999_us\":%lu,\"max_us\":%lu},",
	    t->excluded, percentile(&t->times, 0.5), percentile(&t->times, 0.99),
	    percentile(&t->times, 0.999), t->times.most);
}

static void
print_workers(void)
{
	const char *separator = "";

	printf("\"by_worker\":{");
	for (unsigned i = 0; i < WORKERS_SIZE && n_workers <= WORKERS_SHOWN; i++) {
		if (workers[i].pid == 0)
			continue;
		printf("%s\"%ld\":%lu", separator, workers[i].pid, workers[i].answered);
		separator = ",";
	}
	printf("},");
}

static void
print_report(void)
{
	double seconds = (double)(now_ns() - started_ns) / 1e9;
	uint64_t hard = 0, stale = 0, refused = 0, timeout = 0;
	const struct times *fresh = &tallies[NEW].times;

	for (int k = 0; k < KINDS; k++) {
		for (int i = 0; i < STALE; i++)
			hard += tallies[k].failed[i];
		stale += tallies[k].failed[STALE];
		refused += tallies[k].failed[REFUSED];
		timeout += tallies[k].failed[TIMEOUT];
	}
	printf("{\"seconds\":%.3f,", seconds);
	print_tally("new", &tallies[NEW]);
	print_tally("kept", &tallies[KEPT]);
	print_tally("poison", &tallies[POISON]);
	printf("\"hard\":%lu,\"stale\":%lu,\"refused\":%lu,\"timeout\":%lu,\"per_second\":%.0f,"
	       "\"workers\":%u,\"spread\":%.3f,",
	    hard, stale, refused, timeout,
	    (double)(tallies[NEW].answered + tallies[KEPT].answered) / seconds, n_workers,
	    spread());
	print_workers();
	printf("\"over_5ms_pct\":%.3f,\"lag_p99_us\":%lu,\"lag_p999_us\":%lu,\"lag_max_us\":%lu,"
	       "\"failed_at\":[",
	    fresh->count > 0 ? 100.0 * (double)fresh->slow / (double)fresh->count : 0,
	    percentile(&lag, 0.99), percentile(&lag, 0.999), lag.most);
	for (unsigned i = 0; i < n_failed_at; i++)
		printf("%s%lu", i > 0 ? "," : "", failed_at[i]);
	printf("]}\n");
}

static void
set_up(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* A generator that comes too late measures itself. Both may fail; then it is less exact. */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	(void)prctl(PR_SET_TIMERSLACK, 1000);
	(void)signal(SIGTERM, on_stop);
	(void)signal(SIGINT, on_stop);
	request_len[KEPT] = (size_t)snprintf(
	    request[KEPT], sizeof request[KEPT], "GET %s HTTP/1.1\r\nHost: load\r\n\r\n", opt.path);
	request_len[NEW] = (size_t)snprintf(request[NEW], sizeof request[NEW],
	    "GET %s HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n", opt.path);
	request_len[POISON] = (size_t)snprintf(request[POISON], sizeof request[POISON],
	    "GET %s HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n",
	    opt.poison_path != NULL ? opt.poison_path : "/");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	kept = calloc(opt.kept + 1, sizeof *kept);
	if (epoll_fd < 0 || kept == NULL) {
		perror("load");
		exit(71);
	}
	for (unsigned i = 0; i < opt.kept; i++) {
		kept[i].kind = KEPT;
		kept[i].fd = -1;
		kept[i].index = i;
	}
}

/* ---- -T: whether the figures can be trusted; prints TAP. What a run against a server should show
 * is in tests/bench/load.tap. */

static int tested, wrong;

static void
expect(bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tested, what);
	wrong += !ok;
}

static bool
is_near(double value, double wanted, double tolerance)
{
	return value >= wanted * (1 - tolerance) && value <= wanted * (1 + tolerance);
}

static void
test_percentiles(void)
{
	static struct times t;

	for (uint64_t us = 1; us <= 100000; us++)
		add_time(&t, us);
	expect(is_near((double)percentile(&t, 0.5), 50000, 0.02) &&
	           is_near((double)percentile(&t, 0.99), 99000, 0.02) &&
	           is_near((double)percentile(&t, 0.999), 99900, 0.02),
	    "percentiles of 1 to 100,000 are right within 2 per cent");
	expect(t.most == 100000 && t.count == 100000 && t.slow == 100000 - SLOW_US,
	    "most, count and those over 5 ms are exact");
	memset(&t, 0, sizeof t);
	for (int i = 0; i < 999; i++)
		add_time(&t, 100);
	add_time(&t, 200000);
	expect(percentile(&t, 0.99) == 100 && is_near((double)percentile(&t, 0.999), 200000, 0.02),
	    "one in a thousand shows at 99.9 and not at 99 per cent");
	add_time(&t, UINT64_MAX / 2000);
	expect(t.count == 1001, "a time without measure does no harm");
	memset(&t, 0, sizeof t);
	expect(percentile(&t, 0.999) == 0, "of nothing it is 0");
}

static void
test_gaps(void)
{
	const unsigned n = 200000;
	double sum = 0, squares = 0, mean;

	opt.new_rate = 1000;
	opt.poisson = true;
	for (unsigned i = 0; i < n; i++) {
		double ms = (double)next_gap_ns() / 1e6;

		sum += ms;
		squares += ms * ms;
	}
	mean = sum / n;
	expect(is_near(mean, 1, 0.02), "Poisson gaps have the mean of the rate");
	expect(is_near(squares / n - mean * mean, 1, 0.05), "and the variance of chance");
	opt.poisson = false;
	expect(next_gap_ns() == 1000000, "without -P all gaps are even");
}

static void
test_workers(void)
{
	for (int i = 0; i < 100; i++) {
		for (long pid = 1; pid <= 4; pid++)
			note_worker(pid, true);
		note_worker(4, true);
	}
	expect(is_near(spread(), 1.6, 0.001), "spread is the busiest over the mean");
	opt.workers = 8;
	expect(is_near(spread(), 3.2, 0.001), "workers that got nothing count with -w");
	for (long pid = 10; pid < 10 + WORKERS_SIZE; pid++)
		note_worker(pid, false);
	expect(n_workers < WORKERS_SIZE, "more workers than can be remembered are no endless loop");
	opt.excluded[opt.n_excluded++] = 17;
	expect(is_excluded(17) && !is_excluded(18), "-x names who is left out");
	expect(worker_of("HTTP/1.1 200 OK\r\nx-worker: 42\r\n") == 42 &&
	           worker_of("HTTP/1.1 200 OK\r\n") == 0,
	    "a worker tells its number, or does not");
}

static int
self_test(void)
{
	test_percentiles();
	test_gaps();
	test_workers();
	printf("1..%d\n", tested);
	return wrong > 0;
}

/* ---- what was asked for */

static void
parse_excluded(const char *list)
{
	while (*list != '\0' && opt.n_excluded < EXCLUDED_MAX) {
		char *end;

		opt.excluded[opt.n_excluded++] = strtol(list, &end, 10);
		list = *end == ',' ? end + 1 : "";
	}
}

/* Who is asked, and how it is told apart. */
static bool
take_target(int o, const char *value)
{
	switch (o) {
	case 'p':
		opt.to.sin_port = htons((uint16_t)atoi(value));
		return true;
	case 'H':
		(void)inet_pton(AF_INET, value, &opt.to.sin_addr);
		return true;
	case 'u':
		opt.path = value;
		return true;
	case 'S':
		opt.sources = (unsigned)atoi(value);
		return true;
	case 'D':
		opt.targets = (unsigned)atoi(value);
		return true;
	case 'w':
		opt.workers = (unsigned)atoi(value);
		return true;
	case 'x':
		parse_excluded(value);
		return true;
	}
	return false;
}

/* What, how often and how long. */
static bool
take_timetable(int o, const char *value)
{
	switch (o) {
	case 'd':
		opt.duration_ns = (uint64_t)(atof(value) * NS_PER_S);
		return true;
	case 't':
		opt.timeout_ns = (uint64_t)atol(value) * 1000000;
		return true;
	case 'r':
		opt.new_rate = atof(value);
		return true;
	case 'P':
		opt.poisson = true;
		return true;
	case 'k':
		opt.kept = (unsigned)atoi(value);
		return true;
	case 'q':
		opt.kept_rate = atof(value);
		return true;
	case 'N':
		opt.limit = strtoull(value, NULL, 10);
		return true;
	case 'b':
		opt.poison_path = value;
		return true;
	case 'i':
		opt.poison_ns = (uint64_t)atol(value) * 1000000;
		return true;
	case 'n':
		opt.poison_count = (unsigned)atoi(value);
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	int o;

	opt.to.sin_family = AF_INET;
	opt.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	opt.path = "/";
	opt.timeout_ns = 5 * NS_PER_S;
	opt.kept_rate = 1;
	opt.targets = opt.poison_count = 1;
	while ((o = getopt(argc, argv, "p:H:u:d:t:r:Pk:q:N:b:i:n:w:x:S:D:T")) != -1) {
		if (o == 'T')
			return self_test();
		if (!take_target(o, optarg) && !take_timetable(o, optarg))
			return 64;
	}
	if (opt.to.sin_port == 0 || opt.targets == 0 || (opt.new_rate <= 0 && opt.kept == 0) ||
	    (opt.poison_path != NULL && opt.poison_ns == 0)) {
		fputs("load: -p and one of -r and -k are needed, with -b also -i; the manual is in "
		      "load.c\n",
		    stderr);
		return 64;
	}
	set_up();
	started_ns = now_ns();
	run();
	print_report();
	return 0;
}
