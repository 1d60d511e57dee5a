/*
 * conn: one connection, from accept to close.
 *
 *   state     | what it waits for                        | for how long
 *   ----------+------------------------------------------+------------------------------------
 *   fresh     | the first byte of the first request      | header_ms; draining: fresh grace
 *   inside    | the rest of a request                    | header_ms, then 408
 *   idle      | the next request                         | idle_ms; draining: idle grace
 *   busy      | the handler's answer, or room for it     | its matter; 30 s for room
 *   blocked   | room in the socket for what is answered  | 30 s without a byte taken
 *   lingering | the peer's close, after ours             | 2 s
 *   closing   | libuv's close callback, and the handler's answer for nobody
 *
 * Nothing is read while a request is busy or blocked, so what a connection can hold is bounded: one
 * request, one read's worth of unparsed bytes, and the rest of one answer.
 *
 * What is answered while the bytes of one read are gone through (all pipelined requests in it) is
 * gathered in the server's buffer and leaves in one write at the end; what is answered later is
 * written at once. Only what the socket does not take is kept here, and goes out by the loop.
 *
 * How a connection ends without losing a request: the last answer says "Connection: close", then
 * our side is shut down and the peer's bytes are thrown away until it closes, since a close with
 * unread bytes would reset the connection and take the answer with it. An idle one is closed only
 * after its grace, after a look whether bytes have come in this instant, and not while our last
 * answer is still on its way. The grace grows with the round-trip time: a request or its
 * retransmission may be on the wire.
 */
#ifndef BROOD_HTTP_CONN_H
#define BROOD_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <uv.h>

#include "http/wheel.h"

struct brood_http;
struct brood_request;
struct out;

enum conn_state {
	CONN_FRESH,
	CONN_INSIDE,
	CONN_IDLE,
	CONN_BUSY,
	CONN_BLOCKED,
	CONN_LINGERING,
	CONN_CLOSING,
	CONN_STATE_MAX
};

/* What to do once the answers so far are in the socket. */
enum conn_end {
	END_NOT, /* go on */
	END_CLOSE, /* the peer asked for the end and sends no more */
	END_LINGER, /* we end it, the peer may not know yet */
};

struct conn {
	uv_poll_t poll;
	struct brood_http *http;
	struct conn *next, **prev_next;
	struct wheel_node node;
	struct brood_request *request; /* being read, or handed out and not answered */
	struct rest *rest; /* bytes read behind a request that is being answered; owned */
	struct out *out; /* what the socket did not take; owned */
	int fd;
	uint8_t state; /* enum conn_state */
	uint8_t end; /* enum conn_end */
	uint8_t mask; /* what is polled for */
	uint8_t pins; /* the handle's, the request's that was handed out */
	bool is_consuming; /* its requests are being taken from what was read */
	bool has_more; /* then: bytes of a further request were read already */
	bool has_answered; /* since the timer was last started */
	bool was_asked; /* it had a whole request */
	bool is_parked; /* busy, and bytes or an end that we do not take yet are there */
	bool has_ended; /* the peer sends no more */
	bool is_late; /* its time has passed, it has one turn more */
};

/* Takes the descriptor over, also on failure. Returns 0 or a negative errno. */
int conn_open(struct brood_http *http, int fd);
/* The server has begun to drain. */
void conn_drain(struct conn *c);
/* Ends it now, whatever it is doing. */
void conn_close(struct conn *c);
void conn_on_due(struct wheel_node *node);
/* Goes on with bytes that were read earlier: one connection's, after another's. */
void conn_resume(struct brood_http *http);

/* --- for answers ------------------------------------------------------------------------------ */

bool conn_is_closing(const struct conn *c);
bool conn_is_gone(struct conn *c);
/* Decides whether the answer that begins now is the last. */
void conn_choose_end(struct conn *c);
/* Adds to what goes out. 0, or -EPIPE or -ENOMEM, then the connection is closed. */
int conn_write(struct conn *c, const void *data, size_t len);
int conn_writev(struct conn *c, struct iovec *parts, int n);
/* Room for len bytes (at most HTTP_OUT_MAX) in the gathered bytes; the caller adds to out_len what
 * it has filled in. NULL: the connection was closed. */
char *conn_room(struct conn *c, size_t len);
/* Whether the socket has not taken all: then a piece more has to wait. */
bool conn_is_full(const struct conn *c);
/* A piece of the answer was added outside of a read: off with it. Returns as conn_write(). */
int conn_push(struct conn *c);
/* The answer to its request is whole, the request no more. */
void conn_answered(struct conn *c);

#endif
