/*
 * server: the listeners, the set of connections, and the drain.
 *
 *   serving → draining → done
 *
 * Draining begins with the master's word, a signal or the master's death. The listeners are let
 * go first (one that we bound ourselves is emptied before: nobody else would answer what is
 * queued on it; a shared one is only let go of, never shut down, since the master and the other
 * workers live on it). Connections end one by one, see conn.h. When the last is gone, or at the
 * deadline, on_done is called once.
 *
 * Who watches the listeners is not said here: this server by its loop (server_watch()), or the
 * worker's wait set (ring.h).
 */
#ifndef BROOD_HELLO_SERVER_H
#define BROOD_HELLO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "hello/listeners.h"

/* Answers are gathered here and written at the end of a turn; no connection has a buffer. */
#define SERVER_OUT_MAX 65536
#define SERVER_IN_MAX  16384

struct conn;
struct server;

struct listener {
	struct server *server;
	const struct listener_fd *source;
	uv_poll_t poll;
	bool is_open;
};

struct server {
	uv_loop_t *loop;
	const char *app; /* NULL without a master */
	int slot; /* -1 without a master */
	int generation;
	unsigned idle_ms; /* grace of an idle connection when draining */
	unsigned header_ms; /* time for a request to come in whole */
	unsigned keep_alive_ms;
	void (*on_done)(struct server *s);
	void (*on_accepted)(struct server *s);

	uint64_t started_ms;
	uint64_t requests;
	uint64_t drain_until_ms; /* 0: serving */
	uv_timer_t deadline; /* of the drain; while serving: when to accept again */
	struct listener *listeners;
	size_t n_listeners;
	struct conn *conns; /* a list, newest first */
	unsigned n_conns;
	unsigned max_conns;
	bool is_paused; /* listeners are not polled: no descriptor, or too many */
	bool is_done;
	size_t out_len;
	char out[SERVER_OUT_MAX];
	char in[SERVER_IN_MAX];
};

/* The members above the blank line are to be set. Nothing is accepted yet. */
void server_start(struct server *s);
/* Accepts from the listeners of set, which has to live on. Returns 0 or a negative errno. */
int server_watch(struct server *s, const struct listener_set *set);
/* Not from those any more that are the master's. */
void server_unwatch(struct server *s);
/* So many descriptors are not there for connections. */
void server_reserve(struct server *s, size_t n);

/* Accepts one connection, if there is one, and serves it from now on; source has to outlive it.
 * False: there was none, or there is no room for it. A listener that somebody else has emptied or
 * is about to flush is no fault (R22). */
bool server_accept(struct server *s, const struct listener_fd *source);
/* Accepts nothing for a moment. */
void server_pause(struct server *s);
/* Whether it can take connections now. */
bool server_is_open(const struct server *s);

/* deadline_ms from now; when it is called again, the earlier deadline stands. */
void server_drain(struct server *s, uint64_t deadline_ms);
bool server_is_draining(const struct server *s);

/* For conn only: one connection has ended. */
void server_forget(struct server *s);

#endif
