/*
 * hello: what the parts of brood-hello share. It is written on brood.h alone, as any program would
 * be: main.c reads the command line and wires, answer.c answers, route.c and page.c are text.
 */
#ifndef BROOD_HELLO_HELLO_H
#define BROOD_HELLO_HELLO_H

#include "brood.h"

struct job;

/* Connections of one listener have an HTTP server of their own, since an answer tells the name. */
struct door {
	struct hello *hello;
	struct brood_http *http;
	struct door *next;
	char name[64];
};

struct hello {
	struct brood_loop *loop;
	struct brood_worker *worker; /* NULL: closed */
	struct door *doors;
	unsigned draining; /* doors with connections left */
	unsigned conns;
	uint64_t requests;
	pid_t pid;
	uint64_t started_ms;
	struct job *jobs; /* requests that wait, a list */
};

/* Of struct brood_http_options; data is the door. */
void answer_request(struct brood_request *r, void *data);
/* What still waits for its time is answered now, for nobody. */
void answer_drop_jobs(struct hello *hello);

#endif
