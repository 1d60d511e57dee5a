/*
 * Fuzz target: bytes of a connection to libbrood's HTTP room, over a pair of sockets. However the
 * bytes are cut into reads, and however the handler answers, at once, later, in pieces, from a task,
 * the requests must be the same, each has one whole answer, and behind a refusal comes nothing;
 * which of two faults it names may depend on the reads.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpbed.h"

/* Within what may be read of a request before it has a body, so that no limit hangs on the cuts. */
#define INPUT_MAX ((size_t)16384)
#define LIMIT     4096
#define SEEN_MAX  2048

struct run {
	uint64_t hash; /* of all requests */
	unsigned n; /* requests */
	bool is_refused; /* an answer of ours was the last */
	bool is_head[SEEN_MAX];
};

static struct run *current;
static struct brood_request *waiting; /* at most one a connection */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool right, const char *what)
{
	if (!right) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static uint64_t
mix(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
	return hash * 31 + len;
}

static uint64_t
hash_request(uint64_t hash, const struct brood_request *r)
{
	static const char *const names[] = {"host", "expect", "a", "content-length", "connection"};
	size_t len;
	const char *body = brood_request_body(r, &len), *target = brood_request_target(r);
	const char *method = brood_request_method(r);
	char query[64];
	int n = brood_request_query(r, "q", query, sizeof query);

	check(len <= LIMIT, "a body within the limit");
	check(strlen(target) <= LIMIT, "a target within the limit");
	check(n < 0 || (size_t)n < sizeof query, "a value within its array");
	hash = mix(hash, body, len);
	hash = mix(hash, target, strlen(target));
	hash = mix(hash, method, strlen(method));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = brood_request_header(r, names[i]);

		if (value != NULL)
			hash = mix(hash, value, strlen(value));
	}
	return n >= 0 ? mix(hash, query, (size_t)n) : hash;
}

static void
answer(struct brood_request *r, unsigned how)
{
	const char *target = brood_request_target(r);

	switch (how % 4) {
	case 0:
		(void)brood_respond(
		    r, how % 8 == 0 ? 200 : 204, "text/plain", "ok", how % 8 == 0 ? 2 : 0);
		return;
	case 1:
		/* what comes in may go out: as a value it is refused or harmless */
		(void)brood_respond_header(r, "X-Target", target);
		(void)brood_respond(r, 404, NULL, target, strlen(target));
		return;
	default:
		check(brood_respond_begin(r, how % 3 == 0 ? 304 : 200, NULL, NULL, NULL) == 0,
		    "an answer begins");
		for (unsigned i = 0; i < how % 5 && how % 3 != 0; i++)
			check(brood_respond_write(r, target, strlen(target)) == 0,
			    "a piece is taken");
		check(brood_respond_end(r) == 0, "an answer ends");
	}
}

static void
on_request(struct brood_request *r, void *data)
{
	unsigned how;

	(void)data;
	check(current->n < SEEN_MAX, "no more requests than bytes");
	current->is_head[current->n++] = strcmp(brood_request_method(r), "HEAD") == 0;
	current->hash = hash_request(current->hash, r);
	how = (unsigned)(current->hash >> 32);
	if (how % 7 == 0) {
		check(waiting == NULL, "the next one is not handed out before");
		waiting = r;
		return;
	}
	if (brood_self() != NULL && how % 5 == 0)
		(void)brood_yield();
	answer(r, how);
}

static void
answer_waiting(struct bed *b)
{
	struct brood_request *r = waiting;

	waiting = NULL;
	if (r == NULL)
		return;
	brood_enter(b->loop);
	answer(r, (unsigned)current->hash);
	brood_leave(b->loop);
}

/* All that came back is whole answers, one for each request, and at most one of our own. */
static void
check_answers(const struct text *t, struct run *run)
{
	struct answer a = {0};
	size_t at = 0;
	unsigned n = 0;

	while (at < t->len) {
		bool is_head = n < run->n && run->is_head[n];
		bool is_ours = n == run->n;

		if (!answer_take(t, &at, is_head, &a)) {
			check(is_ours && answer_take(t, &at, true, &a), "a whole answer");
			check(a.status >= 400, "only a refusal's body may miss");
		}
		free(a.body);
		a.body = NULL;
		if (a.status < 200)
			continue;
		check(!is_ours || (a.status >= 400 && a.closes && at == t->len), "a refusal");
		n++;
	}
	check(n == run->n || n == run->n + 1, "an answer a request");
	run->is_refused = n > run->n;
}

static void
feed(struct bed *b, const char *data, size_t size, size_t cut, struct run *run)
{
	unsigned n_closed = b->n_closed;
	struct text t = {0};
	int fd = bed_connect(b);

	memset(run, 0, sizeof *run);
	current = run;
	for (size_t at = 0; at < size && !t.ended; at += cut) {
		size_t len = size - at < cut ? size - at : cut;

		bed_send(b, fd, data + at, len);
		bed_turn(b);
		answer_waiting(b);
		bed_read(fd, &t);
	}
	(void)shutdown(fd, SHUT_WR);
	BED_UNTIL(b, (bed_read(fd, &t), answer_waiting(b), t.ended));
	(void)close(fd);
	BED_UNTIL(b, b->n_closed == n_closed + 1);
	check(!t.broken, "an end, not a reset");
	check_answers(&t, run);
	text_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bed beds[2];
	static struct run whole, parts;
	size_t cuts[] = {1, 7, 100};

	if (beds[0].loop == NULL) {
		struct brood_http_options o = {
		    .on_request = on_request, .header_max = LIMIT, .body_max = LIMIT};

		bed_open(&beds[0], &o);
		o.in_tasks = true;
		bed_open(&beds[1], &o);
	}
	if (size > INPUT_MAX)
		size = INPUT_MAX;
	feed(&beds[0], (const char *)data, size, size + 1, &whole);
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		/* byte by byte where that ends soon */
		if (cuts[i] * 2000 < size)
			continue;
		feed(&beds[i % 2], (const char *)data, size, cuts[i], &parts);
		check(parts.n == whole.n, "as many requests");
		check(parts.hash == whole.hash, "the same requests");
		check(parts.is_refused == whole.is_refused, "refused as well");
	}
	return 0;
}
