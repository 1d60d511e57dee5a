/*
 * conn: one connection, from accept to close.
 *
 *   state     | what it waits for                        | for how long
 *   ----------+------------------------------------------+------------------------------------
 *   fresh     | the first byte of the first request      | header_ms; draining: fresh grace
 *   inside    | the rest of a request                    | header_ms, then 408
 *   idle      | the next request                         | keep_alive_ms; draining: idle grace
 *   waiting   | the timer of /io                         | as asked
 *   blocked   | room in the socket for an answer         | 30 s
 *   lingering | the peer's close, after ours             | 2 s
 *   closing   | libuv's close callbacks                  | -
 *
 * No request is read while one is waiting or blocked, so what a connection can hold is bounded:
 * one read's worth of unparsed bytes and one turn's worth of answers.
 *
 * How a connection ends without losing a request: the last answer says "Connection: close", then
 * our side is shut down and the peer's bytes are thrown away until it closes, since a close with
 * unread bytes would reset the connection and take the answer with it. An idle one is closed only
 * after its grace, after a look whether bytes have come in this instant, and not while our last
 * answer is still on its way. The grace grows with the round-trip time: a request or its
 * retransmission may be on the wire.
 */
#ifndef BROOD_HELLO_CONN_H
#define BROOD_HELLO_CONN_H

#include <stdbool.h>

struct server;
struct conn;

/* Takes the descriptor over, also on failure. listener_name stays the caller's. Returns 0 or a
 * negative errno. */
int conn_open(struct server *s, int fd, bool is_unix, const char *listener_name);
/* The server has begun to drain. */
void conn_drain(struct conn *c);
/* Ends it now, whatever it is doing. */
void conn_close(struct conn *c);
struct conn *conn_next(struct conn *c);

#endif
