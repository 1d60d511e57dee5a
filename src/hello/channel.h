/*
 * channel: how this worker and the master talk. Says ready, stopping and how it fares, asks for
 * the wait set; hears drain, the wait set and the end of the master. Without a channel it falls
 * back to NOTIFY_SOCKET, on which it can only talk.
 *
 * Not a uv_pipe: that takes at most 64 descriptors with a message, and only kinds that it knows.
 */
#ifndef BROOD_HELLO_CHANNEL_H
#define BROOD_HELLO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "hello/control.h"

/* Frames for us are shorter; longer ones are messages of others and are skipped. */
#define CHANNEL_LINE_MAX 32768
#define CHANNEL_FDS_MAX  253

struct channel {
	uv_poll_t poll;
	int fd;
	bool is_open;
	bool is_skipping;
	size_t len;
	char *out; /* what the socket did not take; owned */
	size_t out_len;
	void (*on_drain)(void *arg, long deadline_ms); /* deadline_ms -1: not said */
	/* Descriptors of a ring frame: those that are taken are to be set to -1. */
	void (*on_ring)(void *arg, struct control *frame, int *fds, size_t n);
	void (*on_gone)(void *arg); /* the master closed it or died */
	void *arg;
	size_t n_fds; /* that came with the frame which is being read */
	int fds[CHANNEL_FDS_MAX];
	char line[CHANNEL_LINE_MAX];
};

struct channel_beat {
	uint64_t lag_us, requests, stolen;
	unsigned conns;
	bool has_lag;
};

/* Opens BROOD_CHANNEL_FD when there is one. The callbacks and arg are to be set before. Returns
 * 0, also without a channel, or a negative errno when the descriptor is no good. */
int channel_open(struct channel *ch, uv_loop_t *loop);
void channel_close(struct channel *ch);

/* On the channel, else on NOTIFY_SOCKET, else nowhere. */
void channel_say_ready(struct channel *ch);
void channel_say_stopping(struct channel *ch);
/* On the channel only. */
void channel_ask_ring(struct channel *ch);
void channel_say_beat(struct channel *ch, const struct channel_beat *beat);

#endif
