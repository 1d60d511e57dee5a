/*
 * sink: where a line goes in the end, and the bounded queue before it.
 *
 *   terminal, pipe  a file description of our own, opened anew through /proc/self/fd and
 *                   non-blocking; the one we were started with is shared with our launcher and
 *                   stays as it is
 *   socket          the descriptor we were started with (the journal's stream), by
 *                   MSG_DONTWAIT
 *   all else        a process of our own that writes (logproc.h): files, and what can't be opened
 *                   anew
 *
 * A sink takes whole lines or nothing. What it can't take is the caller's loss to count. When a
 * descriptor breaks for good (EPIPE, EIO) the sink stays, and takes nothing more.
 */
#ifndef BROOD_LOOP_SINK_H
#define BROOD_LOOP_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "base/str.h"

struct err;
struct logproc;
struct loop;

#define SINK_QUEUE_BYTES   (256 * 1024)	/* from here on it is full, until half of it is written */
#define SINK_MASTER_BYTES  (320 * 1024)	/* the master's own lines are few: they get in longer */
#define SINK_HARD_BYTES    (1024 * 1024)	/* nothing gets in beyond, whoever asks */

/* Who wants to put a line, and so what "full" means to it. */
enum sink_giver { SINK_GIVER_DROP, SINK_GIVER_BLOCK, SINK_GIVER_MASTER };

struct sink {
	struct sink_set *set;
	struct sink *next;
	unsigned refs;			/* 0: closes when its queue is empty */
	int standard;			/* 1 or 2: the master's own; 0 = a file */
	dev_t dev;			/* what that is, so that 2>&1 is one sink */
	ino_t ino;
	char *path;			/* of a file */
	int fd;				/* written to; -1 = nobody takes lines now */
	int epoll_fd;			/* stands for a socket in the loop: uv_poll would make the
					 * shared description non-blocking. -1 = none */
	bool is_socket, is_terminal;
	bool full;
	bool midline;			/* what was written last ended inside a line */
	struct str queue;
	size_t head;			/* bytes of queue that are written */
	uv_poll_t *poll;		/* only while it would not take more */
	struct logproc *proc;		/* NULL: written from here */
};

/* The sinks of a master. Handles of libuv that belong to it are counted, since their memory may
 * go only when they are closed. */
struct sink_set {
	struct loop *loop;
	struct sink *sinks;
	unsigned handles;
	bool done;
	void (*on_room)(void *arg, struct sink *s);	/* was full, and is half empty */
	void (*on_closed)(void *arg);	/* sink_set_done() was called, no handle is left */
	void *arg;
};

/* The sink of the master's descriptor 1 or 2, or of a file; one for each, counted. 0, or a
 * negative errno with e. */
int sink_open_standard(struct sink_set *set, int fd, struct sink **ret, struct err *e);
int sink_open_file(struct sink_set *set, const char *path, struct sink **ret, struct err *e);
void sink_unref(struct sink *s);	/* NULL is fine */

/* line ends with a newline. False: not taken. */
bool sink_put(struct sink *s, enum sink_giver giver, const char *line, size_t len);
/* Writes what the other side takes now; call it after a batch of sink_put(). */
void sink_flush(struct sink *s);

/* For logproc: somebody reads fd from now on (taken over); nobody does any more. */
void sink_attach(struct sink *s, int fd);
void sink_detach(struct sink *s);
/* For logproc: its process is dead; frees s when nobody refers to it. True when it did. */
bool sink_is_over(struct sink *s);

/* Files are opened again by name. */
void sink_set_reopen(struct sink_set *set);
/* Writes for at most so long what is queued: only when nothing else is left to do. */
void sink_set_drain(struct sink_set *set, int ms);
/* Closes all; on_closed comes when that is done, maybe from within. */
void sink_set_done(struct sink_set *set);
void sink_set_handle_closed(struct sink_set *set);

#endif
