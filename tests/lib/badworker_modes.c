/*
 * badworker's misdeeds. Those before ready happen one after the other and may block, as a real
 * program's start does; those after ready are done in turns of the loop, a piece at a time.
 */
#include "badworker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BEAT "{\"brood\":\"beat\",\"busy\":0.5,\"conns\":1,\"requests\":1}"

static uint64_t end_due; /* exit or crash after ready */
static uint64_t send_due;

void
nap_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			(void)poll(&p, 1, 1000);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

void
send_bytes(const char *bytes, size_t len)
{
	write_all(channel_fd, bytes, len);
}

void
send_frame(const char *frame, size_t len)
{
	if (channel_fd < 0)
		return;
	write_all(channel_fd, frame, len);
	write_all(channel_fd, "\n", 1);
}

static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if (len == 0 || len > sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		fprintf(stderr, "badworker: NOTIFY_SOCKET: %s\n", strerror(errno));
	close(fd);
}

void
say_ready(void)
{
	const char *how = opt.ready != NULL ? opt.ready : "notify";

	if (strcmp(how, "notify") == 0)
		notify("READY=1");
	else if (strcmp(how, "channel") == 0)
		send_frame("{\"brood\":\"ready\"}", 17);
	else if (strcmp(how, "string") == 0)
		send_frame("\"ready\"", 7);
	else if (strncmp(how, "fd:", 3) == 0) {
		write_all(atoi(how + 3), "\n", 1);
		close(atoi(how + 3));
	}
}

/* Core files of deaths that were asked for only fill the disk. */
void
crash_now(void)
{
	int signo = opt.signal > 0 ? (int)opt.signal : SIGABRT;

	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
	_exit(1);
}

static void
ignore_signals(const char *names)
{
	static const struct {
		const char *name;
		int signo;
	} known[] = {{"TERM", SIGTERM}, {"ABRT", SIGABRT}, {"INT", SIGINT}, {"QUIT", SIGQUIT},
	    {"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strstr(names, known[i].name) != NULL)
			(void)signal(known[i].signo, SIG_IGN);
	}
}

/* The sleepers hold descriptors 1 and 2 and nothing else, so that only output is kept open. */
static void
fork_grandchildren(long n)
{
	for (long i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		if (opt.grandchild_session)
			(void)setsid();
		(void)signal(SIGTERM, opt.grandchild_ignore_term ? SIG_IGN : SIG_DFL);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		for (;;)
			pause();
	}
}

static void
become_daemon(void)
{
	pid_t pid = fork();

	if (pid > 0)
		_exit(0);
	(void)setsid();
}

static void
write_big_line(long bytes)
{
	char block[4096];

	memset(block, 'x', sizeof block);
	for (; bytes > 0; bytes -= (long)sizeof block)
		write_all(1, block, bytes < (long)sizeof block ? (size_t)bytes : sizeof block);
	write_all(1, "\n", 1);
}

static void
write_binary(void)
{
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	write_all(1, all, sizeof all);
	write_all(1, "\n\033[2J\033]0;owned\007\033[31mred\n\xff\xfe\xc0\x80\n", 29);
}

static void
speak(void)
{
	for (size_t i = 0; i < opt.say.n; i++)
		dprintf(1, "%s\n", opt.say.at[i]);
	for (size_t i = 0; i < opt.say_err.n; i++)
		dprintf(2, "%s\n", opt.say_err.at[i]);
	if (opt.big_line >= 0)
		write_big_line(opt.big_line);
	if (opt.binary)
		write_binary();
	if (opt.no_newline != NULL)
		write_all(1, opt.no_newline, strlen(opt.no_newline));
}

static void
send_nested(long depth)
{
	char *text = malloc((size_t)depth * 2 + 64);
	size_t n;

	if (text == NULL)
		return;
	n = (size_t)sprintf(text, "{\"brood\":\"status\",\"text\":");
	memset(text + n, '[', (size_t)depth);
	memset(text + n + depth, ']', (size_t)depth);
	n += 2 * (size_t)depth;
	text[n++] = '}';
	send_frame(text, n);
	free(text);
}

static void
send_large(long bytes)
{
	static const char head[] = "{\"brood\":\"status\",\"text\":\"";
	char *text = malloc((size_t)bytes + sizeof head + 2);

	if (text == NULL)
		return;
	memcpy(text, head, sizeof head - 1);
	memset(text + sizeof head - 1, 'x', (size_t)bytes);
	memcpy(text + sizeof head - 1 + bytes, "\"}", 2);
	send_frame(text, sizeof head + 1 + (size_t)bytes);
	free(text);
}

static void
send_file(const char *path)
{
	char block[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && channel_fd >= 0 && (n = read(fd, block, sizeof block)) > 0)
		write_all(channel_fd, block, (size_t)n);
	if (fd >= 0)
		close(fd);
}

static void
send_given(void)
{
	for (size_t i = 0; i < opt.send.n; i++)
		send_frame(opt.send.at[i], strlen(opt.send.at[i]));
}

static void
spin_for_ever(void)
{
	for (volatile unsigned long i = 0;; i = i + 1)
		;
}

static void
use_memory(long megabytes)
{
	size_t len = (size_t)megabytes << 20;
	char *p = malloc(len);

	for (size_t i = 0; p != NULL && i < len; i += 4096)
		((volatile char *)p)[i] = 1;
}

void
modes_at_start(void)
{
	if (opt.daemonise)
		become_daemon();
	if (opt.ignore != NULL)
		ignore_signals(opt.ignore);
	speak();
	for (long i = 0; i < opt.leak_fds; i++)
		(void)!open("/dev/null", O_RDONLY);
	if (opt.memory > 0)
		use_memory(opt.memory);
	if (opt.grandchildren > 0)
		fork_grandchildren(opt.grandchildren);
	if (opt.start_delay > 0)
		nap_ms(opt.start_delay);
	send_given();
	if (opt.send_file != NULL)
		send_file(opt.send_file);
	if (opt.send_oversize >= 0)
		send_large(opt.send_oversize);
	if (opt.send_deep >= 0)
		send_nested(opt.send_deep);
	if (opt.crash_before_ready >= 0) {
		nap_ms(opt.crash_before_ready);
		crash_now();
	}
	if (opt.exit_before_ready >= 0)
		exit((int)opt.exit_before_ready);
	if (opt.spin)
		spin_for_ever();
	while (opt.hang)
		nap_ms(1000);
}

void
modes_after_ready(void)
{
	uint64_t after = opt.after > 0 ? (uint64_t)opt.after : 0;

	if (opt.ready_twice)
		say_ready();
	if (opt.exit_after_ready >= 0 || opt.crash_after_ready)
		end_due = now_ms() + after + 1;
	if (opt.close_channel && channel_fd >= 0) {
		close(channel_fd);
		channel_fd = -1;
	}
	if (opt.close_stdout)
		close(1);
	if (opt.close_stderr)
		close(2);
	if (opt.spin_after_ready)
		spin_for_ever();
	if (opt.stop_self)
		(void)raise(SIGSTOP);
}

/* At most a hundredth of a second's share, so that the worker goes on serving. */
static int
flood(int fd, long per_second, uint64_t *due)
{
	static unsigned long n;
	uint64_t now = now_ms();
	long share = per_second > 0 ? (per_second + 99) / 100 : 100;
	char text[16384];
	size_t len = 0;

	if (per_second < 0)
		return 1000;
	if (per_second > 0 && now < *due)
		return (int)(*due - now);
	for (long i = 0; i < share; i++) {
		len +=
		    (size_t)sprintf(text + len, "flood line %lu of pid %d\n", ++n, (int)getpid());
		if (len > sizeof text - 64 || i == share - 1) {
			write_all(fd, text, len);
			len = 0;
		}
	}
	*due = now + 10;
	return per_second > 0 ? 10 : 0;
}

/* Whole frames only: what the channel does not take now goes on where it stopped. */
static void
flood_channel(void)
{
	static char block[65536];
	static size_t len, done;
	const char *frame = opt.send.n > 0 ? opt.send.at[0] : BEAT;
	size_t size = strlen(frame);
	ssize_t n;

	while (len + size + 1 < sizeof block && size + 1 < sizeof block) {
		memcpy(block + len, frame, size);
		block[len + size] = '\n';
		len += size + 1;
	}
	n = channel_fd >= 0
	        ? send(channel_fd, block + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL)
	        : 0;
	if (n > 0)
		done = (done + (size_t)n) % len;
}

int
modes_in_turn(void)
{
	static uint64_t out_due, err_due;
	uint64_t now = now_ms();
	int wait = 1000, w;

	if (end_due > 0 && now >= end_due) {
		if (opt.crash_after_ready)
			crash_now();
		exit((int)opt.exit_after_ready);
	}
	if (end_due > 0)
		wait = (int)(end_due - now);
	if (opt.send_every > 0 && now >= send_due) {
		send_given();
		send_due = now + (uint64_t)opt.send_every;
	}
	if (opt.send_every > 0 && opt.send_every < wait)
		wait = (int)opt.send_every;
	w = flood(1, opt.flood_out, &out_due);
	wait = w < wait ? w : wait;
	w = flood(2, opt.flood_err, &err_due);
	wait = w < wait ? w : wait;
	if (!opt.flood_channel)
		return wait;
	flood_channel();
	return 0;
}
