/*
 * bind: brood-bind.so, preloaded into programs that bind for themselves (take = bind). The
 * program's own bind() and listen() on an address of the configuration become the slot's socket;
 * everything else is as it was.
 *
 * This runs inside a foreign process, in any of its threads, in children between fork and exec, and
 * in programs that never heard of a socket. So: no memory from the heap, no thread, no signal, no
 * output but one line where an operator must know, nothing done before the program asks but hiding
 * our descriptors, errno as libc leaves it. What cannot be known is not guessed: then libc's own
 * function is what the program gets.
 *
 *   match.c    BROOD_BIND, and which listener an address means: pure
 *   sockaddr.c addresses of one family told in the other: pure
 *   shim.c     start, the real functions, the descriptors that are ours
 *   hold.c     who in this process has a listener: hints, verified by the socket's inode
 *   swap.c     one socket put in the place of another: duplicates, epoll sets, options
 *   calls.c    sockets
 *   numbers.c  close, dup, fcntl: what may not hit our descriptors
 *   data.c     datagrams, whose senders have addresses
 *   files.c    the file of a UNIX socket
 *
 * The functions that stand before libc's are named shim_NAME and get their symbol by SHIM(): the
 * headers' own prototypes have attributes, unions and redirections that a definition must not meet.
 */
#ifndef BROOD_BIND_BIND_H
#define BROOD_BIND_BIND_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#define SHIM(symbol) __asm__(#symbol) __attribute__((visibility("default")))

#define BIND_LISTENERS_MAX 32
#define BIND_PATH_MAX      108
#define BIND_FDS_MAX       (1 << 20) /* above these addresses are not translated */
#define BIND_DUPS_MAX      32        /* of one socket, in one process */

/* --- match.c -------------------------------------------------------------------------------- */

enum bind_kind { BIND_TCP, BIND_UDP, BIND_UNIX, BIND_CHANNEL };

#define BIND_V4 1U
#define BIND_V6 2U

struct bind_address {
	enum bind_kind kind;
	unsigned families;	/* whose clients come: BIND_V4, BIND_V6, or both of the wildcard */
	bool any;		/* the wildcard address */
	unsigned char host[16];	/* unless it is: 4 or 16 bytes, the rest 0 */
	uint16_t port;
	char path[BIND_PATH_MAX]; /* UNIX, absolute */
};

struct bind_listener {
	struct bind_address at;
	uint16_t as;		/* port by which the program asks for it, too; 0 = none */
	int fd;			/* ours, not the program's; -1 = lost */
	bool claimed;		/* somebody of this worker has bound it */
	/* Of this process and its listening socket: */
	struct bind_address asked; /* by the program's bind() */
	pid_t claimer;		/* the process that called it */
	bool blocks;		/* the program believes that accept() waits */
	bool undecided;		/* and may still say otherwise: the socket has not been told */
	int waiting;		/* threads in accept() */
	bool shut;		/* by the program, and really */
};

/* BROOD_BIND: "NNNN=tcp:HOST:PORT[?as=PORT]", "NNNN=udp:...", "NNNN=unix:PATH", "NNNN=channel",
 * separated by semicolons. NNNN is a descriptor, written with as many digits as it may come to have;
 * "+" instead of "=": claimed. In paths, %XX is a byte. Returns how many, or -1: not ours to read. */
int bind_parse(const char *text, struct bind_listener *ret, size_t max);
/* Whether clients of one could be clients of the other: two that no system gives to two sockets. */
bool bind_overlap(const struct bind_address *a, const struct bind_address *b);
/* How well listener l answers a bind() of asked: 0 not at all, more is better. UNIX: by text. */
unsigned bind_score(const struct bind_listener *l, const struct bind_address *asked);
/* Makes path absolute below cwd and plain ("/a/./b//c" is "/a/b/c"; ".." is left to the system).
 * False: it does not fit. */
bool bind_plain_path(const char *path, const char *cwd, char ret[BIND_PATH_MAX]);

/* --- sockaddr.c ----------------------------------------------------------------------------- */

/* What the program believes its socket to be, where ours is of another family. */
enum bind_mind { MIND_SAME, MIND_V4, MIND_V6 };

/* sa as a program of that mind would see it. Returns its length. */
socklen_t sockaddr_translate(enum bind_mind mind, struct sockaddr_storage *sa, socklen_t len);
/* As the kernel hands addresses out: no more than *len bytes, and *len is what there was. */
void sockaddr_give(const struct sockaddr_storage *from, socklen_t from_len, struct sockaddr *to,
    socklen_t *len);
/* False: no address that could be configured. v6only as of the socket. */
bool sockaddr_to_address(const struct sockaddr *sa, socklen_t len, enum bind_kind kind, bool v6only,
    struct bind_address *ret);
void sockaddr_set_port(struct sockaddr_storage *sa, uint16_t port);

/* --- shim.c --------------------------------------------------------------------------------- */

struct epoll_event;
struct timespec;

/* libc's own, or what stands before it. */
struct real {
	int (*socket)(int, int, int);
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*listen)(int, int);
	int (*accept)(int, struct sockaddr *, socklen_t *);
	int (*accept4)(int, struct sockaddr *, socklen_t *, int);
	int (*getsockname)(int, struct sockaddr *, socklen_t *);
	int (*getpeername)(int, struct sockaddr *, socklen_t *);
	int (*getsockopt)(int, int, int, void *, socklen_t *);
	int (*setsockopt)(int, int, int, const void *, socklen_t);
	int (*shutdown)(int, int);
	int (*close)(int);
	int (*close_range)(unsigned, unsigned, int); /* NULL: not of this libc */
	int (*dup)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
	int (*fcntl)(int, int, ...);
	int (*ioctl)(int, unsigned long, ...);
	ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	int (*recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
	int (*unlink)(const char *);
	int (*unlinkat)(int, const char *, int);
	int (*remove)(const char *);
	int (*chmod)(const char *, mode_t);
	int (*fchmodat)(int, const char *, mode_t, int);
	int (*chown)(const char *, uid_t, gid_t);
	int (*lchown)(const char *, uid_t, gid_t);
	int (*fchownat)(int, const char *, uid_t, gid_t, int);
};

struct shim {
	bool active;		/* there is something to give */
	bool has_unix;
	size_t len;
	struct bind_listener l[BIND_LISTENERS_MAX + 1];	/* with the channel */
};
extern struct shim shim;

const struct real *real(void);
/* Whether fd is ours; the program shall not find, use or close it. */
bool shim_hides(int fd);
/* The program wants that number: ours gets another. */
void shim_make_room(int fd);
/* Tells the master, once, that the program listens. */
void shim_tell_ready(void);
/* For children of another program: somebody of this worker has bound it. */
void shim_claim(struct bind_listener *l);
/* One line for the operator, on stderr: "brood-bind: WHERE WHAT: WHY". */
void shim_say(const char *where, const char *what, const char *why);
#define SHIM_PORT_TEXT 6
const char *shim_port_text(uint16_t port, char out[SHIM_PORT_TEXT]);

/* --- hold.c --------------------------------------------------------------------------------- */

/* What is known of a descriptor, one byte. It may be stale: descriptors are also closed in ways that
 * nobody sees, and by children that share our memory but not our descriptors. So what matters is
 * verified, and a new socket overwrites what its number was. */
#define HINT_NONE      0U
#define HINT_INDEX     0x3fU	/* 1..32: that listener, less one */
#define HINT_ASIDE     0x3eU	/* see hold_aside() */
#define HINT_ACCEPTED  0x3fU	/* a connection, or a duplicate of one */
#define HINT_MIND(m)   ((unsigned)(m) << 6)

void hold_born(int fd, unsigned hint);
unsigned hold_hint(int fd);
enum bind_mind hold_mind(int fd);
/* The listener that fd looks like / is; NULL. */
struct bind_listener *hold_hinted(int fd);
struct bind_listener *hold_listener(int fd);
/* Whether a descriptor of this process, but fd and our own, is that listener. */
bool hold_is_held(const struct bind_listener *l, int fd);

/* A second socket that the program binds to an address which the same listener answers, beside the
 * first (0.0.0.0 and [::] with listen = *): the first gets all connections, this one is left aside,
 * listening where nobody comes. */
bool hold_aside(int fd, const struct bind_address *asked, const struct sockaddr *sa, socklen_t len);
/* Whether one that is left aside, other than fd, has an address that overlaps. */
bool hold_aside_overlaps(const struct bind_address *asked, int fd);
/* The address that it was asked for; false: it is none. */
bool hold_aside_name(int fd, struct sockaddr_storage *ret, socklen_t *ret_len);

/* --- swap.c --------------------------------------------------------------------------------- */

/* Descriptors of this process that are the same socket as fd become socket `with`, each with its
 * number, its close-on-exec flag, its places in epoll sets. 0 or a negative errno. */
int swap_socket(int fd, int with, unsigned hint);
/* fd is about to be closed, but its socket lives on: off the epoll sets, as it would have been. */
void swap_forget(int fd);
/* What the program set on its socket, and a connection inherits, goes over to ours. */
void swap_options(int from, int to);

/* --- files.c -------------------------------------------------------------------------------- */

/* The UNIX listener whose file path is, below directory at; NULL. */
struct bind_listener *files_listener(int at, const char *path);

#endif
