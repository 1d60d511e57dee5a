/*
 * features: what this kernel, its limits and our privileges allow, found out by trying and never
 * by comparing versions. For brood(1)'s doctor: each look says what is so for the process that
 * looks, here and now; some fork a child for a moment, so the master, whose children are counted
 * by its one reaper, does not call them.
 *
 * A look only tells what was found. What a missing feature costs and how to get it is for the
 * doctor to say.
 */
#ifndef BROOD_SYS_FEATURES_H
#define BROOD_SYS_FEATURES_H

#include <stdint.h>

enum feature_id {
	FEATURE_EPOLL_EXCLUSIVE,	/* one waiter woken a connection: wait sets */
	FEATURE_REUSEPORT_CBPF,		/* classic BPF on a SO_REUSEPORT group: steering */
	FEATURE_STEER_SWAP,		/* ... which may be replaced under load */
	FEATURE_EBPF_STEER,		/* loading an eBPF SK_REUSEPORT program (CAP_BPF) */
	FEATURE_PROBE_ADDRESS,		/* 127.98.0.0/16 is ours to connect from */
	FEATURE_TCP_MIGRATE,		/* net.ipv4.tcp_migrate_req is on. value: 0 or 1 */
	FEATURE_SYSCTL_WRITABLE,	/* we may set net.ipv4.* of this network namespace */
	FEATURE_SOMAXCONN,		/* could be read. value: net.core.somaxconn */
	FEATURE_INET_DIAG,		/* connections can be listed: handshakes, quiet stop */
	FEATURE_NOFILE,			/* could be read. value: soft limit, most: hard limit of open
					 * files (UINT64_MAX = none) */
	FEATURE_PIDFD_OPEN,
	FEATURE_PIDFD_EXIT,		/* a pidfd tells the exit code after the reaping */
	FEATURE_PIDFD_GETFD,		/* a worker's connections can be asked themselves: quiet stop at
					 * a fraction of what listing all connections costs */
	FEATURE_PEER_PIDFD,		/* SO_PEERPIDFD */
	FEATURE_CGROUP_SPAWN,		/* children started in a cgroup of ours (v2, delegated) */
	FEATURE_CGROUP_KILL,		/* ... and killed all at once */
	FEATURE_CPU_QUOTA,		/* a quota limits us. value: CPUs to use, most: CPUs of our
					 * affinity */
	FEATURE_CORE_DUMPS,		/* a worker's core would be kept. value: soft, most: hard limit
					 * of a core's size (UINT64_MAX = none) */
	FEATURE_SYSTEMD,		/* booted by systemd, or NOTIFY_SOCKET is set */
	FEATURE_MAX,
};

enum feature_answer {
	FEATURE_NO,
	FEATURE_YES,
	FEATURE_UNKNOWN,		/* could not be found out; the text says why */
};

struct feature {
	enum feature_answer answer;
	uint64_t value, most;		/* where the list above says so, else 0 */
	char text[160];			/* what was found: a phrase without a full stop */
};

/* Short name for tables and JSON: "epoll-exclusive". */
const char *feature_name(enum feature_id id);
/* Looks. Never fails, leaves nothing open and nothing running. */
void feature_look(enum feature_id id, struct feature *ret);

#endif
