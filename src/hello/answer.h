/*
 * answer: the text of one answer, gathered in the server's buffer. It neither writes to a socket
 * nor decides how the connection goes on.
 */
#ifndef BROOD_HELLO_ANSWER_H
#define BROOD_HELLO_ANSWER_H

#include <stdbool.h>

/* The most that one answer takes; the caller sees to it that the server's buffer has that room. */
#define ANSWER_MAX 16384

struct server;

struct answer_to {
	struct server *server;
	const char *listener; /* name, may be empty */
	const char *accept;
	bool is_head;
	bool is_http10;
	bool is_last; /* the connection ends with this answer */
};

/* What GET / tells, as a page or as JSON. */
void answer_facts(struct answer_to to);
void answer_text(struct answer_to to, const char *text);
/* what: "waited" or "computed". */
void answer_time(struct answer_to to, const char *what, unsigned ms);
void answer_error(struct answer_to to, int status);

#endif
