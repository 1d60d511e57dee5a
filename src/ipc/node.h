/*
 * node: the messages of Node's cluster protocol (JSON mode), as the primary reads and writes them.
 *
 * An object whose "cmd" begins with NODE_ and goes on behind that is internal; everything else is
 * the program's own. What a worker says is checked, clamped and copied out into plain fields; what
 * is handed on unread (the program's messages, "data" of a query) stays text, byte for byte, and
 * is known to be well-formed: a line that is not kills a Node process.
 *
 * Bun puts the byte 0x02 before internal messages, and wants it on ours.
 */
#ifndef BROOD_IPC_NODE_H
#define BROOD_IPC_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

#define NODE_ADDRESS_MAX 128 /* longer ones, no socket has */
#define NODE_KEY_MAX     192
#define NODE_INDEX_MAX   255
#define NODE_BACKLOG     511 /* where the program names none */

enum node_kind {
	NODE_USER, /* the program's */
	NODE_HANDLE, /* the program's, with a descriptor */
	NODE_HANDLE_ACK,
	NODE_HANDLE_NACK,
	NODE_ONLINE,
	NODE_QUERY, /* it wants to listen */
	NODE_LISTENING,
	NODE_CLOSE,
	NODE_LEAVES, /* exitedAfterDisconnect */
	NODE_REPLY, /* to a connection of ours */
	NODE_SOCKET_NOTIFY_CLOSE,
	NODE_SOCKET_GET_COUNT,
	NODE_IGNORED, /* internal, and unknown to us */
	NODE_KIND_MAX,
};

enum node_address_type {
	NODE_ADDRESS_NONE,
	NODE_ADDRESS_TCP,
	NODE_ADDRESS_PATH,
	NODE_ADDRESS_UDP4,
	NODE_ADDRESS_UDP6,
	NODE_ADDRESS_UNKNOWN,
};

struct node_query {
	char key[NODE_KEY_MAX]; /* as Node's own primary has it, always with the index */
	char address[NODE_ADDRESS_MAX]; /* "" = none; of an abstract socket the name alone */
	bool abstract;
	bool too_long; /* address is cut */
	enum node_address_type type;
	int port; /* -1 = none */
	int fd; /* -1 = none */
	unsigned index;
	int backlog; /* as asked for; NODE_BACKLOG where it is 0 or false */
	bool v6only;
	bool readable_all, writable_all;
	const char *data; /* JSON text inside the frame; NULL = none */
	size_t data_len;
};

static inline bool
node_query_is_udp(const struct node_query *q)
{
	return q->type == NODE_ADDRESS_UDP4 || q->type == NODE_ADDRESS_UDP6;
}

struct node_msg {
	enum node_kind kind;
	bool prefixed; /* by Bun's byte */
	bool well_formed; /* USER: it is JSON */
	/* USER: the frame. HANDLE: the message that goes with the descriptor, NULL when it can't be
	 * read or is internal. Inside the frame. */
	const char *text;
	size_t len;
	char type[20]; /* HANDLE: "net.Socket" */
	char dgram_type[8];
	char key[NODE_KEY_MAX]; /* HANDLE, CLOSE, SOCKET_*: "" = none */
	bool has_seq;
	uint64_t seq, ack;
	bool accepted;
	struct node_query query; /* QUERY, LISTENING */
};

/* Reads one frame; cut: a line that was too long, of which this is the beginning. Never fails. */
void node_decode(const char *frame, size_t len, bool cut, struct node_msg *ret);
const char *node_kind_to_string(enum node_kind kind);

/* Encoders: append one line with its newline. prefix: Bun's byte before it. */
struct node_answer {
	const char *key;
	uint64_t ack, seq;
	const char *data; /* JSON text; NULL: null */
	size_t data_len;
	int error; /* negative errno, 0 = none */
	bool any_port; /* the socket need not have the port that was asked for */
	bool dgram;
	const char *address, *family; /* of the plain answer; address NULL: none */
	uint16_t port;
};

/* Goes with the socket. */
void node_add_answer_shared(struct str *out, bool prefix, const struct node_answer *a);
/* Without one: connections will come by node_add_connection(). Also for an error. */
void node_add_answer_plain(struct str *out, bool prefix, const struct node_answer *a);
void node_add_answer_error(struct str *out, bool prefix, const struct node_answer *a);
/* Goes with the connection. */
void node_add_connection(struct str *out, bool prefix, const char *key, uint64_t seq);
void node_add_disconnect(struct str *out, bool prefix, uint64_t seq);
void node_add_ack(struct str *out, bool prefix, uint64_t ack, uint64_t seq);
void node_add_handle_ack(struct str *out, bool prefix, bool arrived);
void node_add_socket_count(struct str *out, bool prefix, const char *key);
void node_add_all_closed(struct str *out, bool prefix, const char *key);
/* Nothing that Node knows: only to see whether it is read. */
void node_add_ping(struct str *out, bool prefix);
/* The program's: text is JSON without a newline in it. */
void node_add_user(struct str *out, const char *text, size_t len);
/* The same with a descriptor of the type, key and dgram_type of `handle`. */
void node_add_user_handle(
    struct str *out, bool prefix, const struct node_msg *handle, const char *text, size_t len);
/* Whether line is what node_add_connection() writes. */
bool node_is_connection(const char *line, size_t len);

#endif
