/*
 * channel: the stream between this worker and the master: lines out, lines with descriptors in.
 * What they mean is not known here.
 *
 * Not a uv_pipe: that takes at most 64 descriptors with a message, and only kinds that it knows.
 */
#ifndef BROOD_WORKER_CHANNEL_H
#define BROOD_WORKER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/str.h"
#include "ipc/frame.h"

#define CHANNEL_FDS_MAX   253 /* with one line */
#define CHANNEL_IN_MAX    (17 * 1048576) /* message_max is at most 16 MiB */
#define CHANNEL_OUT_MAX   65536 /* of one line: what a master takes, unless configured */
#define CHANNEL_QUEUE_MAX 1048576 /* a master that does not read must not make us grow */

struct brood_worker;

struct channel {
	struct brood_worker *worker;
	uv_poll_t poll;
	int fd;
	bool is_open;
	struct frame_reader reader;
	struct str out; /* what the socket did not take */
	size_t n_fds; /* that came with the line which is being read */
	int fds[CHANNEL_FDS_MAX]; /* what is taken is set to -1 */
};

/* Opens BROOD_CHANNEL_FD when there is one. 0, also without, or a negative errno. */
int channel_open(struct channel *ch, struct brood_worker *w);
void channel_close(struct channel *ch);
/* Frees what is left, outside of all callbacks. */
void channel_done(struct channel *ch);

/* One line with its newline. must: also when much is waiting. 0, -ENOTCONN, -EMSGSIZE, -EAGAIN when
 * too much is waiting, -ENOMEM. */
int channel_say(struct channel *ch, const char *line, size_t len, bool must);
/* Whether all that was said has left. */
bool channel_is_idle(const struct channel *ch);

#endif
