/*
 * proc: see proc.h. Everything is read in small pieces through stack buffers; whatever cannot be
 * read is "not known", never an error that stops the master (X7).
 */
#include "sys/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define ENVIRON_MAX ((size_t)8 << 20)
#define CPUS_MAX    8192

extern char **environ;

/* The first size-1 bytes of a small file, terminated. The length or a negative errno. */
static ssize_t
read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (got = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)got;
	if (got < 0)
		len = 0;
	got = got < 0 ? -errno : (ssize_t)len;
	fd_close(&fd);
	buf[len] = '\0';
	return got;
}

static unsigned
affinity_cpus(void)
{
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = mem_alloc(size);
	unsigned n = 1;

	if (!set)
		return 1;
	if (sched_getaffinity(0, size, set) == 0)
		n = (unsigned)CPU_COUNT_S(size, set);
	mem_free(set);
	return n > 0 ? n : 1;
}

/* Whether a comma-separated list of controllers has this one. */
static bool
list_has(const char *list, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; at < len;) {
		const char *comma = memchr(list + at, ',', len - at);
		size_t word = comma ? (size_t)(comma - list) - at : len - at;

		if (word == n && memcmp(list + at, name, n) == 0)
			return true;
		at += word + 1;
	}
	return false;
}

/* Path of our own cgroup: of version 2 when controller is NULL, else in that hierarchy of
 * version 1. Lines of /proc/self/cgroup are "ID:CONTROLLERS:PATH". */
static int
own_cgroup(const char *controller, char *ret, size_t size)
{
	char text[8192], *line, *rest = NULL;

	if (read_small("/proc/self/cgroup", text, sizeof(text)) < 0)
		return -ENOENT;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		list++;
		if (controller ? !list_has(list, (size_t)(path - list), controller) : list != path)
			continue;
		if ((size_t)snprintf(ret, size, "%s", path + 1) >= size)
			return -ENAMETOOLONG;
		return 0;
	}
	return -ENOENT;
}

/* CPUs by quota and period, rounded up; 0 = no limit. */
static unsigned
quota_cpus(long long quota, long long period)
{
	long long cpus;

	if (quota <= 0 || period <= 0)
		return 0;
	cpus = quota / period + (quota % period != 0);
	return cpus > CPUS_MAX ? CPUS_MAX : (unsigned)cpus;
}

static unsigned
quota_v2(const char *dir)
{
	char path[PATH_MAX], text[64];
	long long quota, period;

	(void)snprintf(path, sizeof(path), "%.4000s/cpu.max", dir);
	if (read_small(path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return 0;
	return quota_cpus(quota, period);
}

static unsigned
quota_v1(const char *dir)
{
	char path[PATH_MAX], text[64];
	long long quota;

	(void)snprintf(path, sizeof(path), "%.4000s/cpu.cfs_quota_us", dir);
	if (read_small(path, text, sizeof(text)) <= 0)
		return 0;
	quota = strtoll(text, NULL, 10);
	(void)snprintf(path, sizeof(path), "%.4000s/cpu.cfs_period_us", dir);
	if (read_small(path, text, sizeof(text)) <= 0)
		return 0;
	return quota_cpus(quota, strtoll(text, NULL, 10));
}

/* The tightest quota between our cgroup and the root of the hierarchy. In a container without a
 * cgroup namespace the path may name directories that are not there; they are passed over, and
 * the root of the mount, which is then the container's own cgroup, is looked at in the end. */
static unsigned
least_quota(const char *mount, const char *cgroup, unsigned (*read_quota)(const char *), unsigned n)
{
	char dir[PATH_MAX];
	size_t root = strlen(mount);

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", mount, cgroup) >= sizeof(dir))
		dir[root] = '\0';
	for (;;) {
		unsigned quota = read_quota(dir);
		char *slash = strrchr(dir, '/');

		if (quota > 0 && quota < n)
			n = quota;
		if (strlen(dir) <= root || !slash)
			return n;
		*slash = '\0';
	}
}

unsigned
proc_usable_cpus(void)
{
	static const char *const mounts_v2[] = {CGROUP_ROOT, CGROUP_ROOT "/unified"};
	static const char *const mounts_v1[] = {
	    CGROUP_ROOT "/cpu", CGROUP_ROOT "/cpu,cpuacct", CGROUP_ROOT "/cpuacct,cpu"};
	unsigned n = affinity_cpus();
	char cgroup[PATH_MAX / 2];

	if (own_cgroup(NULL, cgroup, sizeof(cgroup)) == 0)
		for (size_t i = 0; i < sizeof(mounts_v2) / sizeof(mounts_v2[0]); i++)
			n = least_quota(mounts_v2[i], cgroup, quota_v2, n);
	if (own_cgroup("cpu", cgroup, sizeof(cgroup)) == 0)
		for (size_t i = 0; i < sizeof(mounts_v1) / sizeof(mounts_v1[0]); i++)
			n = least_quota(mounts_v1[i], cgroup, quota_v1, n);
	return n;
}

/* Without /proc by the name that we were executed by; a new file of that name is then taken. */
const char *
proc_self_path(void)
{
	static const char self[] = "/proc/self/exe";
	const char *name = (const char *)getauxval(AT_EXECFN);

	return access(self, X_OK) < 0 && name ? name : self;
}

int
proc_become_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

/* Numbers separated by blanks, however the reads cut them. */
static int
read_pids(const char *path, pid_t *pids, size_t max)
{
	char buf[1024];
	size_t n = 0;
	pid_t pid = 0;
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (isdigit((unsigned char)buf[i])) {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 0 && n < max)
				pids[n++] = pid;
			pid = 0;
		}
	}
	if (got < 0)
		n = 0;
	got = got < 0 ? -errno : (ssize_t)n;
	fd_close(&fd);
	return (int)got;
}

static int
children_by_list(pid_t *pids, size_t max)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/task/%ld/children", syscall(SYS_gettid));
	return read_pids(path, pids, max);
}

/* State and parent of a process by /proc/PID/stat. The name in parentheses is chosen by the process
 * and may hold anything, so the fields are counted from its last ')'. */
static bool
read_stat(const char *pid, char *ret_state, pid_t *ret_parent)
{
	char path[64], text[512];
	const char *after;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	if (read_small(path, text, sizeof(text)) <= 0)
		return false;
	after = strrchr(text, ')');
	return after && sscanf(after + 1, " %c %d", ret_state, ret_parent) == 2;
}

static pid_t
parent_of(const char *pid)
{
	pid_t parent;
	char state;

	return read_stat(pid, &state, &parent) ? parent : -1;
}

bool
proc_has_ended(pid_t pid)
{
	char name[24], state;
	pid_t parent;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	return !read_stat(name, &state, &parent) || state == 'Z' || state == 'X';
}

static int
children_by_scan(pid_t *pids, size_t max)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool any = false;
	size_t n = 0;

	if (!dir)
		return -errno;
	while (n < max && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		any = true;
		if (parent_of(entry->d_name) == getpid())
			pids[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	(void)closedir(dir);
	return any ? (int)n : -ENOENT; /* an empty directory where not even we are */
}

int
proc_children(pid_t *pids, size_t max)
{
	int n = children_by_list(pids, max);

	return n == -ENOENT ? children_by_scan(pids, max) : n;
}

/* Children of all threads of a process; none of one that has gone. */
static size_t
children_of(pid_t pid, pid_t *pids, size_t max)
{
	char path[64], list[128];
	struct dirent *entry;
	size_t n = 0;
	DIR *tasks;
	int got;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while (n < max && (entry = readdir(tasks))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(list, sizeof(list), "%s/%.20s/children", path, entry->d_name);
		got = read_pids(list, pids + n, max - n);
		if (got > 0)
			n += (size_t)got;
	}
	(void)closedir(tasks);
	return n;
}

struct kinship {
	pid_t pid, parent;
};

/* All processes and their parents (malloc). The count, or a negative errno. */
static ssize_t
list_all(struct kinship **ret)
{
	struct kinship *all = NULL, *bigger;
	size_t n = 0, cap = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 256;
			bigger = mem_realloc(all, cap * sizeof(*all));
			if (!bigger) {
				mem_free(all);
				(void)closedir(dir);
				return -ENOMEM;
			}
			all = bigger;
		}
		all[n].pid = (pid_t)strtol(entry->d_name, NULL, 10);
		all[n++].parent = parent_of(entry->d_name);
	}
	(void)closedir(dir);
	*ret = all;
	return (ssize_t)n;
}

/* A generation at a time: pids is also the list of those whose children are still to be found. */
static int
descendants_by_scan(pid_t pid, pid_t *pids, size_t max)
{
	struct kinship *all = NULL;
	ssize_t len = list_all(&all);
	size_t n = 0;

	if (len < 0)
		return (int)len;
	for (size_t at = 0;; at++) {
		for (ssize_t i = 0; i < len && n < max; i++)
			if (all[i].parent == pid)
				pids[n++] = all[i].pid;
		if (at == n)
			break;
		pid = pids[at];
	}
	mem_free(all);
	return (int)n;
}

int
proc_descendants(pid_t pid, pid_t *pids, size_t max)
{
	char path[64];
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%ld/children", syscall(SYS_gettid));
	if (access(path, F_OK) < 0)
		return descendants_by_scan(pid, pids, max);
	n = children_of(pid, pids, max);
	for (size_t i = 0; i < n; i++)
		n += children_of(pids[i], pids + n, max - n);
	return (int)n;
}

int
proc_environ(pid_t pid, char **ret_bytes, size_t *ret_len)
{
	char path[64], *bytes = NULL;
	size_t len = 0, size = 4096;
	ssize_t got;
	int fd, error = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		char *bigger = size > ENVIRON_MAX ? NULL : mem_realloc(bytes, size);

		if (!bigger) {
			error = -ENOMEM;
			break;
		}
		bytes = bigger;
		got = read(fd, bytes + len, size - len);
		if (got <= 0) {
			error = got < 0 ? -errno : 0;
			break;
		}
		len += (size_t)got;
		if (len == size)
			size *= 2;
	}
	fd_close(&fd);
	if (error < 0) {
		mem_free(bytes);
		return error;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int
proc_environ_has(pid_t pid, const char *name, const char *value)
{
	size_t len, name_len = strlen(name), value_len = strlen(value);
	char *bytes;
	int found = 0, error;

	error = proc_environ(pid, &bytes, &len);
	if (error < 0)
		return error;
	for (size_t at = 0; at < len && !found;) {
		size_t n = strnlen(bytes + at, len - at);

		found = n == name_len + 1 + value_len && memcmp(bytes + at, name, name_len) == 0 &&
		        bytes[at + name_len] == '=' &&
		        memcmp(bytes + at + name_len + 1, value, value_len) == 0;
		at += n + 1;
	}
	mem_free(bytes);
	return found;
}

uint64_t
proc_rss_bytes(pid_t pid)
{
	char path[64], text[128];
	uint64_t pages;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (read_small(path, text, sizeof(text)) <= 0 || sscanf(text, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The number behind "oom_kill " at the start of a line. */
int
proc_oom_kills(int fd, uint64_t *ret)
{
	char text[1024], *line, *rest = NULL;
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "oom_kill %" SCNu64, ret) == 1)
			return 0;
	return -ENOENT;
}

static int
open_oom_file(const char *dir, const char *cgroup, const char *file)
{
	char path[PATH_MAX];
	uint64_t kills;
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s/%s", dir, cgroup, file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && proc_oom_kills(fd, &kills) != 0)
		fd_close(&fd);
	return fd;
}

int
proc_oom_open(void)
{
	static const struct {
		const char *controller, *mount, *file;
	} places[] = {
	    {NULL, CGROUP_ROOT, "memory.events"},
	    {NULL, CGROUP_ROOT "/unified", "memory.events"},
	    {"memory", CGROUP_ROOT "/memory", "memory.oom_control"},
	};
	char cgroup[PATH_MAX / 2];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd;

		if (own_cgroup(places[i].controller, cgroup, sizeof(cgroup)) < 0)
			continue;
		fd = open_oom_file(places[i].mount, cgroup, places[i].file);
		/* In a container the root of the mount may be our cgroup. */
		if (fd < 0)
			fd = open_oom_file(places[i].mount, "", places[i].file);
		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}
