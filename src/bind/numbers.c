/*
 * numbers: descriptors closed, duplicated, and told to be otherwise. Ours are not there for the
 * program: to close one succeeds and does nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bind/bind.h"

int shim_close(int fd) SHIM(close);
int shim_close_range(unsigned first, unsigned last, int flags) SHIM(close_range);
void shim_closefrom(int first) SHIM(closefrom);
int shim_dup(int fd) SHIM(dup);
int shim_dup2(int fd, int to) SHIM(dup2);
int shim_dup3(int fd, int to, int flags) SHIM(dup3);
int shim_fcntl(int fd, int command, ...) SHIM(fcntl);
int shim_fcntl64(int fd, int command, ...) SHIM(fcntl64);
int shim_ioctl(int fd, unsigned long request, ...) SHIM(ioctl);

/* The socket lives on in other hands, and so would its places in epoll sets: a program that relies
 * on close() would hear of connections to a number that it has given away. A child that closes what
 * it inherited must not do that to its parent's sets. */
static void
leave(int fd)
{
	const struct bind_listener *l = hold_listener(fd);

	if (l && l->claimer == getpid())
		swap_forget(fd);
}

int
shim_close(int fd)
{
	if (shim.active && shim_hides(fd))
		return 0;
	if (hold_hinted(fd))
		leave(fd);
	return real()->close(fd);
}

/* The least of our numbers from first on, or -1. */
static int
next_hidden(unsigned first)
{
	int least = -1;

	for (size_t i = 0; i < shim.len; i++) {
		int fd = shim.l[i].fd;

		if (fd >= 0 && (unsigned)fd >= first && (least < 0 || fd < least))
			least = fd;
	}
	return least;
}

/* With the system's own call between our numbers. */
int
shim_close_range(unsigned first, unsigned last, int flags)
{
	const struct real *to = real();

	if (!to->close_range) {
		errno = ENOSYS;
		return -1;
	}
	while (shim.active && first <= last) {
		int ours = next_hidden(first);

		if (ours < 0 || (unsigned)ours > last)
			break;
		if ((unsigned)ours > first &&
		    to->close_range(first, (unsigned)ours - 1, flags) != 0)
			return -1;
		if ((unsigned)ours == last)
			return 0;
		first = (unsigned)ours + 1;
	}
	return to->close_range(first, last, flags);
}

void
shim_closefrom(int first)
{
	struct rlimit limit = {.rlim_cur = 1024};
	unsigned from = first < 0 ? 0 : (unsigned)first;
	int saved = errno;

	if (!real()->close_range || shim_close_range(from, UINT_MAX, 0) != 0) {
		(void)getrlimit(RLIMIT_NOFILE, &limit);
		if (limit.rlim_cur > BIND_FDS_MAX)
			limit.rlim_cur = BIND_FDS_MAX;
		for (; from < limit.rlim_cur; from++)
			(void)shim_close((int)from);
	}
	errno = saved;
}

int
shim_dup(int fd)
{
	int r = real()->dup(fd);

	hold_born(r, hold_hint(fd));
	return r;
}

static void
before_dup_to(int fd, int to)
{
	int saved = errno;

	if (fd == to || to < 0)
		return;
	if (shim.active && shim_hides(to))
		shim_make_room(to);
	if (hold_hinted(to))
		leave(to);
	errno = saved;
}

int
shim_dup2(int fd, int to)
{
	int r;

	before_dup_to(fd, to);
	r = real()->dup2(fd, to);
	if (fd != to)
		hold_born(r, hold_hint(fd));
	return r;
}

int
shim_dup3(int fd, int to, int flags)
{
	int r;

	before_dup_to(fd, to);
	r = real()->dup3(fd, to, flags);
	hold_born(r, hold_hint(fd));
	return r;
}

/* --- whether it waits ----------------------------------------------------------------------- */

static int
set_flags(struct bind_listener *l, int fd, int flags)
{
	bool blocks = (flags & O_NONBLOCK) == 0;
	int now = real()->fcntl(fd, F_GETFL);

	if (l->at.kind == BIND_UDP)
		return real()->fcntl(fd, F_SETFL, flags);
	l->undecided = blocks;
	l->blocks = blocks;
	/* Left as it is until accept() is called: see calls.c. */
	return real()->fcntl(fd, F_SETFL, blocks && now >= 0 ? flags | (now & O_NONBLOCK) : flags);
}

static int
get_flags(const struct bind_listener *l, int fd)
{
	int flags = real()->fcntl(fd, F_GETFL);

	if (flags < 0 || l->at.kind == BIND_UDP)
		return flags;
	return l->blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
}

static int
control(int fd, int command, void *argument)
{
	struct bind_listener *l;
	int r;

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		r = real()->fcntl(fd, command, argument);
		hold_born(r, hold_hint(fd));
		return r;
	case F_SETFD:
		if (shim.active && shim_hides(fd))
			return 0;
		break;
	case F_GETFL:
		l = hold_listener(fd);
		if (l)
			return get_flags(l, fd);
		break;
	case F_SETFL:
		l = hold_listener(fd);
		if (l)
			return set_flags(l, fd, (int)(intptr_t)argument);
		break;
	}
	return real()->fcntl(fd, command, argument);
}

/* Whatever the argument is, it comes and goes as a word. */
int
shim_fcntl(int fd, int command, ...)
{
	void *argument;
	va_list ap;

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	return control(fd, command, argument);
}

int
shim_fcntl64(int fd, int command, ...)
{
	void *argument;
	va_list ap;

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	return control(fd, command, argument);
}

int
shim_ioctl(int fd, unsigned long request, ...)
{
	struct bind_listener *l;
	void *argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (request == FIONBIO && argument && (l = hold_listener(fd))) {
		int flags = real()->fcntl(fd, F_GETFL);
		bool waits = *(const int *)argument == 0;

		return set_flags(l, fd, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
	}
	return real()->ioctl(fd, request, argument);
}
