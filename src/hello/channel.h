/*
 * channel: how this worker and the master talk. Says ready and stopping, hears drain and the end
 * of the master. Without a channel it falls back to NOTIFY_SOCKET, on which it can only talk.
 *
 * It sends nothing by itself (no heartbeats): an idle cluster must not wake its master.
 */
#ifndef BROOD_HELLO_CHANNEL_H
#define BROOD_HELLO_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

/* Frames for us are short; longer ones are messages of others and are skipped. */
#define CHANNEL_LINE_MAX 4096

struct channel {
	uv_pipe_t pipe;
	bool is_open;
	bool is_skipping;
	size_t len;
	void (*on_drain)(void *arg, long deadline_ms); /* deadline_ms -1: not said */
	void (*on_gone)(void *arg); /* the master closed it or died */
	void *arg;
	char line[CHANNEL_LINE_MAX];
};

/* Opens BROOD_CHANNEL_FD when there is one. The callbacks and arg are to be set before. Returns
 * 0, also without a channel, or a negative errno when the descriptor is no good. */
int channel_open(struct channel *ch, uv_loop_t *loop);
void channel_close(struct channel *ch);

/* On the channel, else on NOTIFY_SOCKET, else nowhere. */
void channel_say_ready(struct channel *ch);
void channel_say_stopping(struct channel *ch);

#endif
