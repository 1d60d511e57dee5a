/*
 * badworker's dump: what this process found at its start, as JSON, so that a test can compare it
 * with what the manual promises. It reads; it changes nothing.
 *
 *	pid ppid sid pgid cwd umask nice argv environment
 *	fds		{"3":{"link":"socket:[123]","cloexec":false,"nonblocking":true,"listening":true}}
 *	signals		{"ignored":"0000000000001000","blocked":"…"} as in /proc/self/status
 *	limits		{"nofile":[SOFT,HARD],…}, -1 for unlimited
 *	ids		{"uid":[REAL,EFFECTIVE,SAVED],"gid":[…],"groups":[…]}
 *	no_new_privs pdeathsig oom_score_adj cpus
 */
#include "badworker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DUMP_MAX 262144

extern char **environ;

static char *out;
static size_t out_size, out_len;

static void __attribute__((format(printf, 1, 2))) put(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out + out_len, out_size - out_len, fmt, ap);
	va_end(ap);
	if (n > 0)
		out_len += (size_t)n;
	if (out_len >= out_size)
		out_len = out_size - 1;
}

static void
put_string(const char *s, size_t len)
{
	put("\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f)
			put("\\u%04x", c);
		else
			put("%c", c);
	}
	put("\"");
}

static void
put_environment(void)
{
	put(",\"environment\":{");
	for (char **e = environ; *e != NULL; e++) {
		size_t name = strcspn(*e, "=");

		put(e == environ ? "" : ",");
		put_string(*e, name);
		put(":");
		put_string(*e + name + 1, (*e)[name] == '=' ? strlen(*e + name + 1) : 0);
	}
	put("}");
}

static void
put_arguments(void)
{
	char text[8192];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

	put(",\"argv\":[");
	for (char *s = text; n > 0 && s < text + n; s += strlen(s) + 1) {
		text[n] = '\0';
		put(s == text ? "" : ",");
		put_string(s, strlen(s));
	}
	put("]");
	if (fd >= 0)
		close(fd);
}

static void
put_descriptor(int fd, const char *link, size_t len)
{
	int listening = 0, flags = fcntl(fd, F_GETFL);
	socklen_t size = sizeof listening;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
		listening = 0;
	put("\"%d\":{\"link\":", fd);
	put_string(link, len);
	put(",\"cloexec\":%s,\"nonblocking\":%s,\"access\":%d,\"listening\":%s}",
	    (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? "true" : "false",
	    (flags & O_NONBLOCK) != 0 ? "true" : "false", flags & O_ACCMODE,
	    listening != 0 ? "true" : "false");
}

static void
put_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	bool is_first = true;

	put(",\"fds\":{");
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char link[4096];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link);
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || n < 0 || fd == dirfd(dir))
			continue;
		put(is_first ? "" : ",");
		is_first = false;
		put_descriptor(fd, link, (size_t)n);
	}
	put("}");
	if (dir != NULL)
		closedir(dir);
}

/* The value of one line of /proc/self/status. */
static const char *
status_line(const char *name, char buf[128])
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(name);

	buf[0] = '\0';
	while (f != NULL && fgets(buf, 128, f) != NULL) {
		if (strncmp(buf, name, len) == 0 && buf[len] == ':') {
			fclose(f);
			buf[strcspn(buf, "\n")] = '\0';
			return buf + len + 1 + strspn(buf + len + 1, " \t");
		}
	}
	if (f != NULL)
		fclose(f);
	return "";
}

static void
put_limits(void)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {
	    {"nofile", RLIMIT_NOFILE},
	    {"core", RLIMIT_CORE},
	    {"nproc", RLIMIT_NPROC},
	    {"as", RLIMIT_AS},
	    {"fsize", RLIMIT_FSIZE},
	    {"stack", RLIMIT_STACK},
	    {"memlock", RLIMIT_MEMLOCK},
	    {"cpu", RLIMIT_CPU},
	};

	put(",\"limits\":{");
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct rlimit r = {0, 0};

		(void)getrlimit((__rlimit_resource_t)limits[i].resource, &r);
		put("%s\"%s\":[%lld,%lld]", i == 0 ? "" : ",", limits[i].name,
		    r.rlim_cur == RLIM_INFINITY ? -1LL : (long long)r.rlim_cur,
		    r.rlim_max == RLIM_INFINITY ? -1LL : (long long)r.rlim_max);
	}
	put("}");
}

static void
put_ids(void)
{
	uid_t u[3] = {0};
	gid_t g[3] = {0}, groups[256];
	int n = getgroups(256, groups);

	(void)getresuid(&u[0], &u[1], &u[2]);
	(void)getresgid(&g[0], &g[1], &g[2]);
	put(",\"ids\":{\"uid\":[%u,%u,%u],\"gid\":[%u,%u,%u],\"groups\":[", u[0], u[1], u[2], g[0],
	    g[1], g[2]);
	for (int i = 0; i < n; i++)
		put("%s%u", i == 0 ? "" : ",", groups[i]);
	put("]}");
}

static void
put_signals(void)
{
	char line[128];

	put(",\"signals\":{\"ignored\":\"%s\"", status_line("SigIgn", line));
	put(",\"blocked\":\"%s\"", status_line("SigBlk", line));
	put(",\"caught\":\"%s\"}", status_line("SigCgt", line));
}

static void
put_scheduling(void)
{
	char line[128];
	cpu_set_t cpus;
	int pdeathsig = 0, oom = 0;
	FILE *f = fopen("/proc/self/oom_score_adj", "re");

	if (f != NULL && fscanf(f, "%d", &oom) != 1)
		oom = 0;
	if (f != NULL)
		fclose(f);
	(void)prctl(PR_GET_PDEATHSIG, &pdeathsig);
	put(",\"nice\":%d,\"oom_score_adj\":%d,\"pdeathsig\":%d,\"no_new_privs\":%d",
	    getpriority(PRIO_PROCESS, 0), oom, pdeathsig, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	put(",\"capabilities\":\"%s\"", status_line("CapEff", line));
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof cpus, &cpus);
	put(",\"cpus\":[");
	for (int i = 0, n = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &cpus))
			put("%s%d", n++ == 0 ? "" : ",", i);
	}
	put("]");
}

size_t
dump_to_text(char *buf, size_t size)
{
	char cwd[4096];
	mode_t mask = umask(0);

	(void)umask(mask);
	out = buf;
	out_size = size;
	out_len = 0;
	put("{\"pid\":%d,\"ppid\":%d,\"sid\":%d,\"pgid\":%d,\"umask\":%u,\"cwd\":", (int)getpid(),
	    (int)getppid(), (int)getsid(0), (int)getpgrp(), (unsigned)mask);
	if (getcwd(cwd, sizeof cwd) == NULL)
		cwd[0] = '\0';
	put_string(cwd, strlen(cwd));
	put_arguments();
	put_environment();
	put_descriptors();
	put_signals();
	put_limits();
	put_ids();
	put_scheduling();
	put("}\n");
	return out_len;
}

void
expand_path(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 24 < size; from++) {
		if (from[0] == '%' && strchr("psg", from[1]) != NULL && from[1] != '\0') {
			long v = from[1] == 'p'   ? getpid()
			         : from[1] == 's' ? my_slot
			                          : my_generation;

			n += (size_t)snprintf(to + n, size - n, "%ld", v);
			from++;
		} else {
			to[n++] = *from;
		}
	}
	to[n] = '\0';
}

/* By a rename, so that a test that waits for the file finds it whole. */
void
dump_to_file(const char *path)
{
	static char text[DUMP_MAX];
	char name[4096], temporary[4200];
	size_t len = dump_to_text(text, sizeof text);
	FILE *f;

	expand_path(path, name, sizeof name);
	snprintf(temporary, sizeof temporary, "%s.%d", name, (int)getpid());
	f = fopen(temporary, "we");
	if (f == NULL || fwrite(text, 1, len, f) != len || fclose(f) != 0 ||
	    rename(temporary, name) < 0)
		fprintf(stderr, "badworker: %s: %s\n", name, strerror(errno));
}
