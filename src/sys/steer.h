/*
 * steer: which socket of a SO_REUSEPORT group gets a new connection. A classic BPF program, which
 * needs no privilege; this is all that knows its instructions.
 *
 * Indices are positions in the group, in the order of listen(2). A program that returned one that
 * does not exist would hand the connection to the kernel's hash over all members (R6): tables are
 * checked against the group's size here.
 */
#ifndef BROOD_SYS_STEER_H
#define BROOD_SYS_STEER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum steer_by {
	STEER_BY_RANDOM,
	STEER_BY_SOURCE, /* hash of the source address: the same client, the same entry */
	STEER_BY_CPU, /* of the CPU that got the packet */
};

/*
 * Connections from 127.98.H.L do not follow the table: the low 16 bits of the address name a slot,
 * or from STEER_RAW on a group index. On groups that IPv4 does not reach (v6only), source ports
 * from STEER_PORT on, from ::1, mean the same (STEER_PORT + slot; raw ones from STEER_PORT +
 * STEER_PORT_RAW on). Such a name that does not exist follows the table.
 */
#define STEER_NET      0x7f620000u /* 127.98.0.0/16 */
#define STEER_RAW      0x8000u
#define STEER_PORT     61000
#define STEER_PORT_RAW 2048
#define STEER_PORT_MAX 65535

struct steer_spec {
	enum steer_by by;
	const uint16_t *targets; /* indices that new connections go to, at least one */
	unsigned targets_len;
	const uint16_t *slots; /* slot -> index in use, for connections to one slot */
	unsigned slots_len;
	unsigned sockets; /* in the group */
	bool v6only;
};

#define STEER_PROGRAM_MAX 4096

/* Writes the program into prog[STEER_PROGRAM_MAX]; returns its length, -EINVAL for an empty table
 * or an index that is not in the group, -E2BIG when the table needs more instructions than the
 * kernel takes. A run of successive indices costs three instructions at most, any other entry two:
 * 2,000 slots and targets together always fit. */
int steer_compile(const struct steer_spec *spec, struct sock_filter *prog);
/* Compiles and attaches to the group of fd, replacing what is attached. 0 or negative errno;
 * -ENOMEM also where net.core.optmem_max has no room for so long a program. */
int steer_attach(int fd, const struct steer_spec *spec);

/* Begins a connection to one member of the group that fd listens in: a close-on-exec, non-blocking
 * socket bound to the source that `name` means (a slot, or STEER_RAW + index, on IPv6-only groups
 * as well). By port there is one source for each name, so there closing resets (SO_LINGER), or the
 * next one could not use it. Returns the descriptor or a negative errno: -ERANGE when the name has
 * no source, -EADDRINUSE, -EADDRNOTAVAIL while another has it. */
int steer_connect(int fd, unsigned name);

/* Whether an attached program may be replaced under load (R5): kernels without the fix of
 * CVE-2026-52910 free the old one while it runs. Looks for the fix's symbol in the kernel's BTF,
 * then in /proc/kallsyms; takes 2 to 40 ms the first time, nothing after. BROOD_STEER_SWAP in the
 * environment answers instead: no for tests and for the cautious, yes for who knows that the
 * kernel has the fix and hides its symbols. cache (may be NULL) names a file that remembers the
 * verdict of this boot (mode 0600, keyed by the boot id). */
bool steer_swap_is_safe(const char *cache);
/* The same look without a cache. 1 = safe, 0 = not, -ENOENT = the kernel shows neither list of its
 * symbols, which counts as not safe. */
int steer_swap_look(void);
/* How the answer was found, in words. */
const char *steer_swap_reason(void);

#endif
