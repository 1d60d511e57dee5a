/*
 * logwriter: see logwriter.h. One process, one file, one fixed buffer. It waits for the disk so
 * that nobody else has to, and it outlives the master by as long as it takes to write the last
 * words: no death signal, no reaction to TERM, the end is the end of its input.
 */
#include "sys/logwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"

#define EXIT_CANTCREAT 73
#define BUFFER_SIZE    65536
#define COMPLAINT_US   (60 * UINT64_C(1000000))

struct writer {
	const char *path;
	int fd; /* -1 = could not be opened yet */
	bool torn; /* the file ends in the middle of a line */
	uint64_t lost; /* lines since the disk last took one */
	int lost_error;
	uint64_t complained_us; /* of losses; 0 = never */
	size_t len;
	char buf[BUFFER_SIZE];
};

static volatile sig_atomic_t reopen_noted;

/* Root follows no path through a directory where somebody else could swap what lies there. */
static int
check_parent(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	const char *dir;
	struct stat st;

	if (strlen(path) >= sizeof(copy))
		return err_set(e, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
	memcpy(copy, path, strlen(path) + 1);
	dir = dirname(copy);
	if (stat(dir, &st) < 0) {
		int error = errno;

		return err_set(e, -error, "%s: %s: make the directory first", dir, strerror(error));
	}
	if (geteuid() != 0)
		return 0;
	if (st.st_uid != 0 || (st.st_mode & S_IWOTH) || ((st.st_mode & S_IWGRP) && st.st_gid != 0))
		return err_set(e, -EPERM,
		    "%s: others may write this directory, so root opens no log in it: "
		    "use one that only root may write",
		    dir);
	return 0;
}

static int
check_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: is not a regular file", path);
	if (st.st_nlink > 1)
		return err_set(e, -EPERM, "%s: has a second name (hard link): remove one", path);
	if (geteuid() != 0 && st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, -EPERM, "%s: belongs to uid %u", path, (unsigned)st.st_uid);
	return 0;
}

/* O_NONBLOCK is for what should not be there: opening a FIFO would wait for its reader. It means
 * nothing to a regular file. */
static int
open_log(const char *path, struct err *e)
{
	int error = check_parent(path, e), fd;

	if (error < 0)
		return error;
	fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0) {
		error = -errno;
		return err_set(e, error, "%s: %s", path,
		    error == -ELOOP ? "is a symbolic link, which logs do not follow"
		                    : strerror(-error));
	}
	error = check_file(fd, path, e);
	if (error < 0)
		fd_close(&fd);
	return error < 0 ? error : fd;
}

int
logwriter_check(const char *path, struct err *e)
{
	int fd = open_log(path, e);

	if (fd < 0)
		return fd;
	fd_close(&fd);
	return 0;
}

static void
complain(const struct err *e)
{
	char line[sizeof(e->text) + 32];
	int len = snprintf(line, sizeof(line), "log writer: %s\n", e->text);

	if (len > 0)
		(void)fd_write_all(STDERR_FILENO, line, (size_t)len);
}

/* Lack of room or a sick disk may pass; the rest needs a person, so it ends the start. */
static bool
may_heal(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EIO || error == -EROFS ||
	       error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* "-" stands for descriptor 1, which was opened by whoever started the master. */
static int
writer_open(const struct writer *w, struct err *e)
{
	return strcmp(w->path, "-") == 0 ? STDOUT_FILENO : open_log(w->path, e);
}

static void
writer_reopen(struct writer *w)
{
	struct err e;
	int fd = writer_open(w, &e);

	if (fd < 0) {
		complain(&e);
		return;
	}
	if (fd == w->fd)
		return;
	fd_close(&w->fd);
	w->fd = fd;
	w->torn = false;
}

/* 0 or a negative errno; *ret_done bytes are in the file either way. */
static int
write_bytes(struct writer *w, const char *bytes, size_t len, size_t *ret_done)
{
	*ret_done = 0;
	if (w->fd < 0) {
		w->fd = open_log(w->path, NULL);
		if (w->fd < 0)
			return w->fd;
	}
	while (*ret_done < len) {
		ssize_t got = write(w->fd, bytes + *ret_done, len - *ret_done);

		if (got > 0)
			*ret_done += (size_t)got;
		else if (got < 0 && errno == EAGAIN)
			(void)poll(&(struct pollfd){.fd = w->fd, .events = POLLOUT}, 1, -1);
		else if (got == 0 || errno != EINTR)
			return got == 0 ? -EIO : -errno;
	}
	return 0;
}

/* What was lost is said before the next line that fits, and a line that was cut short is ended
 * first, so that the file stays a file of lines. */
static int
say_lost(struct writer *w)
{
	char text[160], stamp[25];
	size_t done;
	int len, error;

	if (w->torn) {
		error = write_bytes(w, "\n", 1, &done);
		if (error < 0)
			return error;
		w->torn = false;
	}
	if (w->lost == 0)
		return 0;
	clock_format_wall(clock_wall_ms(), stamp);
	len = snprintf(text, sizeof(text), "%s warn log writer: %" PRIu64 " line%s lost: %s\n",
	    stamp, w->lost, w->lost == 1 ? "" : "s", strerror(w->lost_error));
	error = write_bytes(w, text, (size_t)len, &done);
	if (error == 0)
		w->lost = 0;
	else
		w->torn = done > 0;
	return error;
}

/* Length of the first line of bytes[0..len), newline included; len when there is no newline. */
static size_t
line_length(const char *bytes, size_t len)
{
	const char *end = memchr(bytes, '\n', len);

	return end ? (size_t)(end - bytes) + 1 : len;
}

/* The first loss is said where it can be read: what a full disk costs stands in no log. On one
 * that takes a line now and then it is not said each time. */
static void
count_lost(struct writer *w, int error)
{
	uint64_t now_us = clock_now_us();
	struct err e;

	w->lost_error = -error;
	if (w->lost++ > 0 || (w->complained_us > 0 && now_us - w->complained_us < COMPLAINT_US))
		return;
	w->complained_us = now_us;
	(void)err_set(&e, error,
	    "%s: %s: lines are lost until that is mended; workers go on. Make room, or let log "
	    "point elsewhere and reload",
	    w->path, strerror(-error));
	complain(&e);
}

/* All at once while the disk is well; line by line after it has refused something, so that each
 * line is a new attempt and each that fails is counted. */
static void
write_lines(struct writer *w, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t n = w->lost > 0 || w->torn ? line_length(bytes, len) : len, done = 0;
		int error = say_lost(w);

		if (error == 0)
			error = write_bytes(w, bytes, n, &done);
		if (error < 0) {
			size_t line = 0;

			/* The line in which it stopped is lost; those before it are written. */
			while (line + line_length(bytes + line, n - line) <= done)
				line += line_length(bytes + line, n - line);
			w->torn = w->torn || done > line;
			n = line + line_length(bytes + line, n - line);
			count_lost(w, error);
		}
		bytes += n;
		len -= n;
	}
}

/* Writes the whole lines in the buffer and keeps the rest; everything when the buffer is full of
 * one line, or at the end. */
static void
writer_flush(struct writer *w, bool all)
{
	const char *last = memrchr(w->buf, '\n', w->len);
	size_t n = last ? (size_t)(last - w->buf) + 1 : 0;

	if (all || (n == 0 && w->len == sizeof(w->buf)))
		n = w->len;
	write_lines(w, w->buf, n);
	w->len -= n;
	memmove(w->buf, w->buf + n, w->len);
}

static void
note_reopen(int sig)
{
	(void)sig;
	reopen_noted = 1;
}

/* USR1 stays blocked but for the wait in ppoll(), so that none falls between the look at the
 * flag and the sleep. XFSZ would kill where a limit of file size should only cost lines. */
static void
writer_signals(sigset_t *ret_waiting)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ, SIGUSR2};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t usr1;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &action, NULL);
	action.sa_handler = note_reopen;
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, ret_waiting);
	(void)sigdelset(ret_waiting, SIGUSR1);
}

/* Fills the buffer once. False at the end of the input. */
static bool
writer_read(struct writer *w, const sigset_t *waiting)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t got;

	if (ppoll(&input, 1, NULL, waiting) < 0)
		return true;
	got = read(STDIN_FILENO, w->buf + w->len, sizeof(w->buf) - w->len);
	if (got > 0)
		w->len += (size_t)got;
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

int
logwriter_main(const char *path)
{
	static struct writer w;
	sigset_t waiting;
	struct err e;
	bool unended;

	writer_signals(&waiting);
	w.path = path;
	w.fd = writer_open(&w, &e);
	if (w.fd < 0) {
		complain(&e);
		if (!may_heal(w.fd))
			return EXIT_CANTCREAT;
		w.fd = -1;
	}
	while (writer_read(&w, &waiting)) {
		if (reopen_noted) {
			reopen_noted = 0;
			writer_reopen(&w);
		}
		writer_flush(&w, false);
	}
	/* What is left has no newline; say_lost() adds it, and says what is missing, should the disk
	 * take it now. */
	unended = w.len > 0;
	writer_flush(&w, true);
	w.torn = w.torn || (unended && w.lost == 0);
	(void)say_lost(&w);
	fd_close(&w.fd);
	return 0;
}
