/*
 * msg: the vocabulary of the channel between master and worker (brood-protocol(7)).
 *
 * An object with the member "brood" is a control message; everything else is an application
 * message, which the master does not look into. The bare string "ready" counts as a ready
 * message. What a worker says is checked here, clamped, and copied out into plain fields: no
 * tree of a worker's making outlives the call (W6, W8).
 */
#ifndef BROOD_IPC_MSG_H
#define BROOD_IPC_MSG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

#define MSG_DEPTH_MAX 16
#define MSG_TEXT_MAX 256
#define MSG_NEIGHBOURS_MAX 4096

enum msg_kind {
	MSG_APPLICATION,		/* not ours; raw bytes are the caller's */
	MSG_READY,
	MSG_READY_BARE,			/* the string "ready": no sign that it speaks brood */
	MSG_BEAT,
	MSG_STATUS,
	MSG_METRIC,
	MSG_SEND,
	MSG_REPLACE,
	MSG_STOPPING,
	MSG_PONG,
	MSG_RING,			/* wants its wait set */
	MSG_TAKE,			/* wants one connection (balance = dispatch) */
	MSG_UNKNOWN,			/* "brood" with a name we do not know: ignored, counted */
	MSG_FAULT,			/* malformed control message: text says why */
	MSG_KIND_MAX,
};

struct msg {
	enum msg_kind kind;
	char text[MSG_TEXT_MAX];	/* status text, reason, or what is wrong; escaped */
	/* beat, clamped: lag 0..1e9, busy 0..1, the counts 0..2^53 */
	uint64_t lag_us, conns, requests, stolen;
	double busy;
	bool has_lag, has_busy, has_conns, has_requests, has_stolen;
	/* send */
	char to[64];			/* "web.2", "web.*", "web", "leader" */
	json_t *data;			/* owned by the msg */
	/* metric */
	char metric_name[128];
	char metric_type[16];		/* counter, gauge */
	double metric_value;
	char metric_labels[256];	/* canonical k="v",k="v", escaped; "" = none */
	uint64_t id;			/* pong */
	unsigned neighbours;		/* ring, clamped to 1..MSG_NEIGHBOURS_MAX; 0 = not said */
};

/* Reads one frame. Never fails: what can't be read is MSG_FAULT (when it is control, or looks
 * like it: starts with {"brood") or MSG_APPLICATION. */
void msg_decode(const char *frame, size_t len, struct msg *ret);
void msg_done(struct msg *m);
const char *msg_kind_to_string(enum msg_kind kind);

/* Encoders: append one line with its newline. */
void msg_add_hello(struct str *out, const char *app, unsigned slot, unsigned generation, bool leader);
void msg_add_drain(struct str *out, uint64_t deadline_ms);
void msg_add_message(struct str *out, const char *from, const json_t *data);
void msg_add_leader(struct str *out, bool leader);
void msg_add_ping(struct str *out, uint64_t id);
/* Goes with descriptors: the wait set before the first listener that is ever named to this worker,
 * then one a name. own: which of these are of the worker's own slot, as places in the whole list.
 * more: the list goes on in the next message. */
void msg_add_ring(struct str *out, const char *const *names, size_t n, const unsigned *own,
    size_t own_len, bool more);
/* Goes with one descriptor: a connection that came to the listener of that name. */
void msg_add_connection(struct str *out, const char *listener);
/* For workers and tests. */
void msg_add_ready(struct str *out);
void msg_add_stopping(struct str *out);

/* JSON-RPC 2.0, for control server and client. result/params are stolen (NULL = none). */
void rpc_add_request(struct str *out, json_int_t id, const char *method, json_t *params);
void rpc_add_result(struct str *out, const json_t *id, json_t *result);
void rpc_add_error(struct str *out, const json_t *id, int code, const char *message, json_t *data);
void rpc_add_notification(struct str *out, const char *method, json_t *params);

/* Error codes: JSON-RPC's own, and ours (the exit code of brood(1) is -32000 - code). */
enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_FAILED = -32001,		/* refused or failed */
	RPC_USAGE = -32064,
	RPC_SYSTEM = -32071,
	RPC_BUSY = -32075,
	RPC_PERMISSION = -32077,
	RPC_CONFIG = -32078,
};
#define RPC_PROTOCOL_VERSION 1
#define RPC_REQUEST_MAX 65536

#endif
