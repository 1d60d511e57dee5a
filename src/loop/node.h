/*
 * node: the master as the primary of one Node worker (cluster protocol, JSON mode), over the
 * worker's channel. What is no word of that protocol is not looked at here.
 *
 * What it keeps of a worker: who asked to listen and is not answered yet, descriptors that came and
 * belong to a message that has not, messages with a descriptor on their way to it. Of those only one
 * is out at a time, until the worker has said that it arrived; other lines pass it by.
 */
#ifndef BROOD_LOOP_NODE_H
#define BROOD_LOOP_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/frame.h"

struct listener;
struct node;
struct proc;

#define NODE_LINE_MAX (16 * 1024) /* of internal messages, whatever message_max is */

/* Who has connections for workers, and wants to hear what became of them. */
struct node_giver {
	/* p serves it. */
	void (*taken)(void *arg, struct proc *p);
	/* p did not take it; fd is the giver's again. gone: p takes none any more. */
	void (*back)(void *arg, struct proc *p, const struct listener *ls, int fd, bool gone);
	void *arg;
};

struct node *node_new(struct proc *p); /* NULL: no memory */
/* The channel has ended: what was on its way goes back, what it held is held no more. */
void node_end(struct node *n);
void node_free(struct node *n); /* after node_end(); NULL is fine */

/* A descriptor that came with what is read next; taken over. */
void node_add_fd(struct node *n, int fd);
/* One frame. True: it was internal, and is done with; *cost (in tokens) is none where it answers us.
 * False: it is the program's, and what it says is in data and len now. A descriptor that it came with
 * is kept until node_drop_fd(). */
bool node_take(
    struct node *n, enum frame_kind kind, const char **data, size_t *len, unsigned *cost);
void node_drop_fd(struct node *n);
/* Sends that descriptor on, with the message that msg_add_message() makes of these, to the workers of
 * the app as channel_find_target() found them. For how many it was queued; -1: there is none. */
int node_send_fd(struct node *n, int slot, int not_slot, const char *from, const json_t *data);

/* ACTION_ANSWER: listen() is answered, now and from now on. */
void node_answer(struct node *n);
/* ACTION_DRAIN. */
void node_drain(struct node *n);

/* Whether it has a server on the listener, and would be given connections for it. */
bool node_serves(const struct node *n, const struct listener *ls);
/* Gives it a connection; fd stays the caller's, which may close it at once. 0 or a negative errno;
 * -ENOTCONN: it takes none. */
int node_give(struct node *n, const struct listener *ls, int fd, const struct node_giver *giver);
/* That it was given and has not taken. */
unsigned node_untaken(const struct node *n);
/* It took none of late when it was given one. */
bool node_refuses(const struct node *n);
/* What is on its way is a connection; it was taken out of the channel, and the copy of here is closed.
 * The giver's back() is not called for it, but for those that would have followed it. */
bool node_may_recall(const struct node *n);
void node_recalled(struct node *n);
/* It sleeps, with something else on its way: what would follow that goes back. */
void node_recall_waiting(struct node *n);

#endif
