/*
 * wheel: the deadlines of many connections behind one timer of libuv.
 *
 * A deadline is usually put off, by each request, and seldom comes; so putting it off only writes
 * a number, and the node is put elsewhere when its old time has come. Deadlines pass up to
 * WHEEL_TICK_MS late and never early. While nothing is due the timer rests, and it keeps no loop
 * running.
 */
#ifndef BROOD_HTTP_WHEEL_H
#define BROOD_HTTP_WHEEL_H

#include <stdint.h>

#include <uv.h>

#define WHEEL_TICK_MS 64
#define WHEEL_SLOTS   1024u /* a power of two; a deadline further away is looked at on the way */
#define WHEEL_NEVER   UINT64_MAX

struct brood_loop;

struct wheel_node {
	struct wheel_node *next, **prev_next; /* prev_next NULL: in no slot */
	uint64_t due_ms;
	uint64_t tick; /* of its slot */
};

struct wheel {
	uv_timer_t timer;
	struct brood_loop *loop;
	void (*on_due)(
	    struct wheel_node *node); /* the node is out of the wheel; it may set it again */
	uint64_t done_tick; /* all slots up to here are empty */
	uint64_t armed_tick; /* what the timer waits for; WHEEL_NEVER: it rests */
	uint64_t used[WHEEL_SLOTS / 64];
	struct wheel_node *slots[WHEEL_SLOTS];
};

/* The timer is an open handle from here on; close it by wheel_close(). */
int wheel_open(struct wheel *w, struct brood_loop *loop, void (*on_due)(struct wheel_node *node));
/* Its nodes have to be removed. The wheel's memory is in use until on_closed. */
void wheel_close(struct wheel *w, uv_close_cb on_closed);

/* An all-zero node is in no slot. due_ms in the loop's time, or WHEEL_NEVER. */
void wheel_set(struct wheel *w, struct wheel_node *node, uint64_t due_ms);
void wheel_remove(struct wheel_node *node);

#endif
