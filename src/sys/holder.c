/*
 * holder: see holder.h. Two tables of the kernel are joined: /proc/net/tcp gives the inode of the
 * socket, /proc/PID/fd the process that has it open. Runs only when a bind has failed.
 */
#include "sys/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define SEARCH_MAX_US 50000
#define INODES_MAX    64

struct search {
	unsigned long inodes[INODES_MAX];
	size_t n;
	uint64_t give_up_us;
};

/* Lines are "sl local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode ...", in hex
 * up to the state; 0A is LISTEN, 07 is what a bound UDP socket shows. */
static void
add_inodes(struct search *search, const char *table, uint16_t port, unsigned wanted_state)
{
	FILE *f = fopen(table, "re");
	char line[512];

	if (!f)
		return;
	while (search->n < INODES_MAX && fgets(line, sizeof(line), f)) {
		unsigned local, state;
		unsigned long inode;

		if (sscanf(line,
		        " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*d "
		        "%lu",
		        &local, &state, &inode) == 3 &&
		    local == port && state == wanted_state && inode != 0)
			search->inodes[search->n++] = inode;
	}
	(void)fclose(f);
}

static bool
link_is_wanted(const struct search *search, const char *target)
{
	unsigned long inode;

	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < search->n; i++)
		if (search->inodes[i] == inode)
			return true;
	return false;
}

static bool
process_has(const struct search *search, const char *pid)
{
	char path[64], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) && clock_now_us() < search->give_up_us) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		found = link_is_wanted(search, target);
	}
	(void)closedir(dir);
	return found;
}

/* A process chooses its own name, so it is escaped like any foreign text. */
static void
read_name(pid_t pid, char name[64])
{
	char path[64], comm[32] = "";
	struct str escaped = {0};
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		if (fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		(void)fclose(f);
	}
	str_add_escaped(&escaped, comm, strlen(comm));
	(void)snprintf(name, 64, "%.63s", str_text(&escaped));
	str_free(&escaped);
}

int
holder_find(uint16_t port, bool udp, pid_t *ret_pid, char name[64])
{
	struct search search = {.give_up_us = clock_now_us() + SEARCH_MAX_US};
	int result = -ENOENT;
	struct dirent *entry;
	DIR *proc;

	add_inodes(&search, udp ? "/proc/net/udp" : "/proc/net/tcp", port, udp ? 0x07 : 0x0a);
	add_inodes(&search, udp ? "/proc/net/udp6" : "/proc/net/tcp6", port, udp ? 0x07 : 0x0a);
	proc = search.n > 0 ? opendir("/proc") : NULL;
	if (!proc)
		return -ENOENT;
	while (result < 0 && (entry = readdir(proc)) && clock_now_us() < search.give_up_us) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !process_has(&search, entry->d_name))
			continue;
		*ret_pid = (pid_t)strtol(entry->d_name, NULL, 10);
		read_name(*ret_pid, name);
		result = 0;
	}
	(void)closedir(proc);
	return result;
}
