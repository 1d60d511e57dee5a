/*
 * httpbed: a server of libbrood's HTTP room on socket pairs, with a handler that answers in each
 * way there is, and a client that reads. For the unit tests and the fuzz target of that room.
 *
 *	GET /hello            "hello\n"
 *	GET /echo             method, target, body
 *	GET /status?NNN       that status without a body
 *	GET /later            bed->later is the request; bed_answer_later() answers it
 *	GET /timer            answered by a timer, 5 ms later
 *	GET /stream?N         N pieces, "piece 0\n" and so on
 *	GET /flood?N          N bytes in pieces of FLOOD_PIECE, as fast as the client reads
 *	GET /big?N            N bytes at once
 *	all else              404
 */
#ifndef BROOD_TESTS_LIB_HTTPBED_H
#define BROOD_TESTS_LIB_HTTPBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "brood.h"

#define FLOOD_PIECE    10000
#define BED_PATIENCE_S 30

struct text {
	char *data; /* ended by a zero, never NULL once something was read */
	size_t len, cap;
	bool ended; /* the server has closed, or broken, the connection */
	bool broken;
};

struct bed {
	struct brood_loop *loop;
	struct brood_http *http;
	struct brood_request *later;
	unsigned n_handled, n_served, n_closed, n_drained;
	unsigned n_refused; /* writes that got -EAGAIN */
	int last_result; /* of the last function that answered */
};

void bed_open(struct bed *b, const struct brood_http_options *o);
/* All of it, also what is not answered yet. */
void bed_close(struct bed *b);
/* The client's end of a new connection. */
int bed_connect(struct bed *b);
/* One turn of the loop, and a moment's wait where nothing happened. */
void bed_turn(struct bed *b);
void bed_answer_later(struct bed *b);

void bed_send(struct bed *b, int fd, const char *data, size_t len);
void bed_say(struct bed *b, int fd, const char *text);
/* What is there, without waiting. */
void bed_read(int fd, struct text *t);
/* Until the server closes. */
void bed_read_to_end(struct bed *b, int fd, struct text *t);
void text_free(struct text *t);

/* The next answer in text from *at on; moves *at behind it. */
struct answer {
	int status;
	const char *head;
	size_t head_len;
	char *body; /* the chunks put together; text_free() it not, free() it */
	size_t body_len;
	bool closes; /* it says so */
};
bool answer_take(const struct text *t, size_t *at, bool is_head, struct answer *ret);
bool answer_has(const struct answer *a, const char *line);
/* "200 404 ", of all answers; "?" where one is not whole. heads: bit n is set when the n-th request
 * was a HEAD. */
void answers_list(const struct text *t, unsigned heads, char *buf, size_t size);

double bed_seconds(void);
/* Turns the loop until cond, and ends the program when that does not come. */
#define BED_UNTIL(b, cond)                                                                         \
	for (double bed_end = bed_seconds() + BED_PATIENCE_S; !(cond) && bed_hope(bed_end, #cond); \
	     bed_turn(b))
bool bed_hope(double end, const char *what);

#endif
