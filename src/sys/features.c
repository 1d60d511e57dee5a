/*
 * features: see features.h. Each look does what the master would do, on objects of its own, and
 * puts everything back: sockets on loopback that nobody knows, an empty program, a child that
 * ends at once, an empty cgroup.
 */
#include "sys/features.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/units.h"
#include "sys/conns.h"
#include "sys/proc.h"
#include "sys/queue.h"
#include "sys/steer.h"

/* Younger than the headers that this may be built with. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static void say(struct feature *f, enum feature_answer answer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct feature *f, enum feature_answer answer, const char *fmt, ...)
{
	va_list ap;

	f->answer = answer;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* What was tried and how it failed. */
static void
say_error(struct feature *f, const char *what, int error)
{
	say(f, FEATURE_NO, "%s: %s", what, strerror(error));
}

/* The first line of a small file. 0 or a negative errno. */
static int
read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, size - 1);
	int error = got < 0 ? -errno : 0;

	fd_close(&fd);
	buf[got > 0 ? got : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return error;
}

static int
read_number(const char *path, uint64_t *ret)
{
	char text[32];
	int error = read_line(path, text, sizeof(text));

	return error < 0 ? error : units_parse_uint(text, UINT64_MAX, ret);
}

/* --- waiting and steering ------------------------------------------------------------------ */

/* Kernels that do not know the flag take it without a word; those that do refuse to change the
 * registration afterwards. */
static void
look_epoll_exclusive(struct feature *f)
{
	int set = epoll_create1(EPOLL_CLOEXEC), target = eventfd(0, EFD_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE};

	if (set < 0 || target < 0)
		say(f, FEATURE_UNKNOWN, "no descriptor to try it with: %s", strerror(errno));
	else if (epoll_ctl(set, EPOLL_CTL_ADD, target, &e) < 0)
		say_error(f, "EPOLLEXCLUSIVE", errno);
	else if (epoll_ctl(set, EPOLL_CTL_MOD, target, &e) == 0)
		say(f, FEATURE_NO, "the kernel ignores EPOLLEXCLUSIVE");
	else
		say(f, FEATURE_YES, "EPOLLEXCLUSIVE works");
	fd_close(&set);
	fd_close(&target);
}

static void
look_reuseport_cbpf(struct feature *f)
{
	const uint16_t first = 0;
	const struct steer_spec spec = {.targets = &first, .targets_len = 1, .sockets = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, error;

	if (fd < 0) {
		say(f, FEATURE_UNKNOWN, "no socket to try it with: %s", strerror(errno));
		return;
	}
	error = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ? -errno : 0;
	if (error == 0)
		error = steer_attach(fd, &spec);
	if (error < 0)
		say_error(f, "SO_ATTACH_REUSEPORT_CBPF", -error);
	else
		say(f, FEATURE_YES, "SO_ATTACH_REUSEPORT_CBPF works");
	fd_close(&fd);
}

static void
look_steer_swap(struct feature *f)
{
	int r = steer_swap_look();

	say(f, r < 0 ? FEATURE_UNKNOWN : r ? FEATURE_YES : FEATURE_NO, "%s", steer_swap_reason());
}

static void
look_ebpf_steer(struct feature *f)
{
	static const char license[] = "GPL";
	const struct bpf_insn code[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = sizeof(code) / sizeof(code[0]);
	attr.license = (uint64_t)(uintptr_t)license;
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd >= 0)
		say(f, FEATURE_YES, "an SK_REUSEPORT program can be loaded");
	else if (errno == EPERM)
		say(f, FEATURE_NO, "loading an SK_REUSEPORT program needs CAP_BPF");
	else
		say_error(f, "loading an SK_REUSEPORT program", errno);
	fd_close(&fd);
}

static void
look_probe_address(struct feature *f)
{
	const struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(STEER_NET | 1)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		say(f, FEATURE_YES, "127.98.0.1 can be bound");
	else
		say_error(f, "127.98.0.1", errno);
	fd_close(&fd);
}

/* --- settings of the network --------------------------------------------------------------- */

#define MIGRATE "/proc/sys/net/ipv4/tcp_migrate_req"

static void
look_tcp_migrate(struct feature *f)
{
	int error = read_number(MIGRATE, &f->value);

	if (error == 0 && f->value && !queue_can_migrate())
		say(f, FEATURE_NO,
		    "net.ipv4.tcp_migrate_req is 1, but SO_INCOMING_CPU, which says who "
		    "gets a queue, is not heeded");
	else if (error == 0)
		say(f, f->value ? FEATURE_YES : FEATURE_NO, "net.ipv4.tcp_migrate_req is %d",
		    f->value != 0);
	else if (error == -ENOENT && access("/proc/sys/net/ipv4", F_OK) == 0)
		say(f, FEATURE_NO, "the kernel has no net.ipv4.tcp_migrate_req");
	else
		say(f, FEATURE_UNKNOWN, MIGRATE ": %s", strerror(-error));
}

static void
look_sysctl_writable(struct feature *f)
{
	struct statvfs st;

	if (statvfs("/proc/sys", &st) < 0)
		say(f, FEATURE_UNKNOWN, "/proc/sys: %s", strerror(errno));
	else if (st.f_flag & ST_RDONLY)
		say(f, FEATURE_NO, "/proc/sys is mounted read-only");
	else if (access("/proc/sys/net/ipv4/ip_local_port_range", W_OK) == 0)
		say(f, FEATURE_YES, "we may write /proc/sys/net/ipv4");
	else
		say_error(f, "/proc/sys/net/ipv4", errno);
}

static void
look_somaxconn(struct feature *f)
{
	int error = read_number("/proc/sys/net/core/somaxconn", &f->value);

	if (error < 0)
		say(f, FEATURE_UNKNOWN, "/proc/sys/net/core/somaxconn: %s", strerror(-error));
	else
		say(f, FEATURE_YES, "net.core.somaxconn is %llu", (unsigned long long)f->value);
}

static void
look_inet_diag(struct feature *f)
{
	int error = conns_available();

	if (error < 0)
		say_error(f, "listing connections by inet_diag", -error);
	else if (access("/proc/self/fd", R_OK | X_OK) < 0)
		say_error(f, "/proc/self/fd", errno);
	else
		say(f, FEATURE_YES, "connections can be listed by inet_diag");
}

/* --- limits -------------------------------------------------------------------------------- */

static uint64_t
limit_value(rlim_t limit)
{
	return limit == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit;
}

static void
format_limit(uint64_t limit, char *buf, size_t size)
{
	if (limit == UINT64_MAX)
		(void)snprintf(buf, size, "unlimited");
	else
		(void)snprintf(buf, size, "%llu", (unsigned long long)limit);
}

static bool
look_limit(struct feature *f, int resource, char soft[24], char hard[24])
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0) {
		say(f, FEATURE_UNKNOWN, "getrlimit: %s", strerror(errno));
		return false;
	}
	f->value = limit_value(limit.rlim_cur);
	f->most = limit_value(limit.rlim_max);
	format_limit(f->value, soft, 24);
	format_limit(f->most, hard, 24);
	return true;
}

static void
look_nofile(struct feature *f)
{
	char soft[24], hard[24];

	if (look_limit(f, RLIMIT_NOFILE, soft, hard))
		say(f, FEATURE_YES, "open files: soft limit %s, hard limit %s", soft, hard);
}

static void
look_cpu_quota(struct feature *f)
{
	cpu_set_t set;

	f->value = f->most = proc_usable_cpus();
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		f->most = (uint64_t)CPU_COUNT(&set);
	if (f->value < f->most)
		say(f, FEATURE_YES, "a quota leaves %llu of %llu CPUs",
		    (unsigned long long)f->value, (unsigned long long)f->most);
	else
		say(f, FEATURE_NO, "no quota below our %llu CPUs", (unsigned long long)f->most);
}

/* A pattern that begins with | names a program, which gets the core whatever the limit of its
 * size; only 1, meant to stop the program's own crash from going round, stops it (core(5)). */
static void
look_core_dumps(struct feature *f)
{
	char pattern[160], soft[24], hard[24];
	struct str shown = {0};
	bool piped;
	int error;

	if (!look_limit(f, RLIMIT_CORE, soft, hard))
		return;
	error = read_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	if (error < 0) {
		say(f, FEATURE_UNKNOWN, "kernel.core_pattern: %s", strerror(-error));
		return;
	}
	str_add_escaped(&shown, pattern, strlen(pattern));
	piped = pattern[0] == '|';
	if (piped && f->value != 1)
		say(f, FEATURE_YES, "cores go to %.100s", str_text(&shown) + 1);
	else if (!piped && pattern[0] && f->value > 0)
		say(f, FEATURE_YES, "cores go to files named %.60s, size limit %s",
		    str_text(&shown), soft);
	else
		say(f, FEATURE_NO, "core size: soft limit %s, hard limit %s; pattern %.60s", soft,
		    hard, str_text(&shown));
	str_free(&shown);
}

/* --- processes ----------------------------------------------------------------------------- */

static int
open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void
look_pidfd_open(struct feature *f)
{
	int fd = open_pidfd(getpid());

	if (fd < 0)
		say_error(f, "pidfd_open", errno);
	else
		say(f, FEATURE_YES, "pidfd_open works");
	fd_close(&fd);
}

/* struct pidfd_info of <linux/pidfd.h>, as 6.15 has it. */
struct pidfd_exit_info {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define PIDFD_INFO      _IOWR(0xFF, 11, struct pidfd_exit_info)
#define PIDFD_WANT_EXIT (UINT64_C(1) << 3)

static void
look_pidfd_exit(struct feature *f)
{
	struct pidfd_exit_info info = {.mask = PIDFD_WANT_EXIT};
	pid_t pid = fork();
	int fd;

	if (pid == 0)
		_exit(7);
	if (pid < 0) {
		say(f, FEATURE_UNKNOWN, "no child to try it with: %s", strerror(errno));
		return;
	}
	fd = open_pidfd(pid);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (fd < 0)
		say(f, FEATURE_NO, "no pidfd to ask");
	else if (ioctl(fd, PIDFD_INFO, &info) < 0)
		say_error(f, "PIDFD_GET_INFO of a process that was reaped", errno);
	else if (!(info.mask & PIDFD_WANT_EXIT) || WEXITSTATUS(info.exit_code) != 7)
		say(f, FEATURE_NO, "PIDFD_GET_INFO does not tell the exit code");
	else
		say(f, FEATURE_YES, "PIDFD_GET_INFO tells the exit code");
	fd_close(&fd);
}

/* A child of ours, as a worker is: it may be another matter than our own. */
static void
look_pidfd_getfd(struct feature *f)
{
	int ends[2] = {-1, -1}, pidfd, copy = -1, error = 0;
	pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();

	if (pid < 0) {
		say(f, FEATURE_UNKNOWN, "no child to try it with: %s", strerror(errno));
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		return;
	}
	if (pid == 0) {
		char byte;

		(void)close(ends[1]); /* so that the end comes with ours */
		while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	pidfd = open_pidfd(pid);
	if (pidfd >= 0)
		copy = (int)syscall(SYS_pidfd_getfd, pidfd, ends[0], 0);
	error = errno;
	if (pidfd < 0)
		say_error(f, "no pidfd to ask", error);
	else if (copy < 0)
		say_error(f, "pidfd_getfd", error);
	else
		say(f, FEATURE_YES, "pidfd_getfd works");
	fd_close(&copy);
	fd_close(&pidfd);
	fd_close(&ends[1]);
	fd_close(&ends[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void
look_peer_pidfd(struct feature *f)
{
	int pair[2], pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		say(f, FEATURE_UNKNOWN, "no socket to try it with: %s", strerror(errno));
		return;
	}
	if (getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		say_error(f, "SO_PEERPIDFD", errno);
	else
		say(f, FEATURE_YES, "SO_PEERPIDFD works");
	fd_close(&pidfd);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

/* --- control groups ------------------------------------------------------------------------ */

/* Our directory in the hierarchy of version 2. */
static int
find_cgroup(char *ret, size_t size)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char line[PATH_MAX], path[PATH_MAX + 64], *own = NULL;
	FILE *file = fopen("/proc/self/cgroup", "re");

	if (!file)
		return -errno;
	while (!own && fgets(line, sizeof(line), file))
		if (strncmp(line, "0::/", 4) == 0)
			own = line + 3;
	(void)fclose(file);
	if (!own)
		return -ENOENT;
	own[strcspn(own, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		/* Only version 2 has this file, also in the root. */
		(void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", mounts[i], own);
		if (access(path, F_OK) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mounts[i]);
		if (access(path, F_OK) < 0)
			continue;
		return (size_t)snprintf(ret, size, "%s%s", mounts[i], own) < size ? 0
		                                                                  : -ENAMETOOLONG;
	}
	return -ENOENT;
}

/* A cgroup of our own below the one that we are in; removed by remove_cgroup(). */
static bool
make_cgroup(struct feature *f, char *path, size_t size)
{
	char own[PATH_MAX], what[128];

	if (find_cgroup(own, sizeof(own)) < 0) {
		say(f, FEATURE_NO, "no cgroup of version 2 is mounted for us");
		return false;
	}
	if ((size_t)snprintf(path, size, "%s/brood-doctor-%d", own, (int)getpid()) >= size) {
		say_error(f, "the cgroup's path", ENAMETOOLONG);
		return false;
	}
	if (mkdir(path, 0755) < 0) {
		int error = errno;

		(void)snprintf(what, sizeof(what), "a cgroup below %.80s", own);
		say_error(f, what, error);
		return false;
	}
	return true;
}

/* A process that ended stands in its cgroup for a moment more. */
static void
remove_cgroup(const char *path)
{
	for (int i = 0; i < 100 && rmdir(path) < 0 && errno == EBUSY; i++)
		(void)usleep(1000);
}

/* struct clone_args of <linux/sched.h>, as 5.7 has it. */
struct clone_into {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
	    set_tid_size, cgroup;
};

#define CLONE_FLAG_INTO_CGROUP UINT64_C(0x200000000)

static void
look_cgroup_spawn(struct feature *f)
{
	struct clone_into args = {.flags = CLONE_FLAG_INTO_CGROUP, .exit_signal = SIGCHLD};
	char path[PATH_MAX];
	pid_t pid;
	int fd;

	if (!make_cgroup(f, path, sizeof(path)))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	args.cgroup = (uint64_t)fd;
	pid = fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid < 0) {
		say_error(f, "clone3 into a cgroup of ours", errno);
	} else {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		say(f, FEATURE_YES, "clone3 starts children in a cgroup of ours");
	}
	fd_close(&fd);
	remove_cgroup(path);
}

static void
look_cgroup_kill(struct feature *f)
{
	char path[PATH_MAX], file[PATH_MAX + 16];
	int fd;

	if (!make_cgroup(f, path, sizeof(path)))
		return;
	(void)snprintf(file, sizeof(file), "%s/cgroup.kill", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		say_error(f, "cgroup.kill", errno);
	else
		say(f, FEATURE_YES, "cgroup.kill works");
	fd_close(&fd);
	remove_cgroup(path);
}

static void
look_systemd(struct feature *f)
{
	bool booted = access("/run/systemd/system", F_OK) == 0;
	bool notify = getenv("NOTIFY_SOCKET") != NULL;

	if (notify)
		say(f, FEATURE_YES, "NOTIFY_SOCKET is set: started by a service manager");
	else if (booted)
		say(f, FEATURE_YES, "systemd runs this machine; not started by it");
	else
		say(f, FEATURE_NO, "systemd does not run this machine");
}

/* --- the table ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*look)(struct feature *ret);
} features[FEATURE_MAX] = {
    [FEATURE_EPOLL_EXCLUSIVE] = {"epoll-exclusive", look_epoll_exclusive},
    [FEATURE_REUSEPORT_CBPF] = {"reuseport-cbpf", look_reuseport_cbpf},
    [FEATURE_STEER_SWAP] = {"steer-swap", look_steer_swap},
    [FEATURE_EBPF_STEER] = {"ebpf-steer", look_ebpf_steer},
    [FEATURE_PROBE_ADDRESS] = {"probe-address", look_probe_address},
    [FEATURE_TCP_MIGRATE] = {"tcp-migrate", look_tcp_migrate},
    [FEATURE_SYSCTL_WRITABLE] = {"sysctl-writable", look_sysctl_writable},
    [FEATURE_SOMAXCONN] = {"somaxconn", look_somaxconn},
    [FEATURE_INET_DIAG] = {"inet-diag", look_inet_diag},
    [FEATURE_NOFILE] = {"nofile", look_nofile},
    [FEATURE_PIDFD_OPEN] = {"pidfd-open", look_pidfd_open},
    [FEATURE_PIDFD_EXIT] = {"pidfd-exit", look_pidfd_exit},
    [FEATURE_PIDFD_GETFD] = {"pidfd-getfd", look_pidfd_getfd},
    [FEATURE_PEER_PIDFD] = {"peer-pidfd", look_peer_pidfd},
    [FEATURE_CGROUP_SPAWN] = {"cgroup-spawn", look_cgroup_spawn},
    [FEATURE_CGROUP_KILL] = {"cgroup-kill", look_cgroup_kill},
    [FEATURE_CPU_QUOTA] = {"cpu-quota", look_cpu_quota},
    [FEATURE_CORE_DUMPS] = {"core-dumps", look_core_dumps},
    [FEATURE_SYSTEMD] = {"systemd", look_systemd},
};

const char *
feature_name(enum feature_id id)
{
	return features[id].name;
}

void
feature_look(enum feature_id id, struct feature *ret)
{
	*ret = (struct feature){.answer = FEATURE_UNKNOWN};
	features[id].look(ret);
}
