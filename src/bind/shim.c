/*
 * shim: start, the real functions, and the descriptors that are ours.
 *
 * The master hands the slot's sockets over from descriptor 3 on, without close-on-exec: the program
 * that binds may be the child of a shell. Where the program would stumble over them, or close them
 * with all that it does not know (daemons do), they must not be; so they move up to numbers that
 * nobody uses, and BROOD_BIND is corrected in place, for whoever is executed next. From there on
 * close() and its kin pass them over. What this cannot see, a system call made without libc or
 * posix_spawn()'s own closing, loses them: then the child's bind() is its own, and fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bind/bind.h"

#define VARIABLE      "BROOD_BIND"
#define NUMBERS_BELOW 1024 /* a table of descriptors is as long as its highest number */
#define NUMBERS_ROOM  64 /* what we take of these: from the top */
#define NUMBERS_LEAST 64 /* fewer, and we stay where we are */

struct shim shim;
static struct real calls;
static bool calls_known;

/* What is not there in this libc is not called: nobody could have linked it. */
static void
find_calls(void)
{
#define FIND(name) *(void **)(void *)&calls.name = dlsym(RTLD_NEXT, #name)
	FIND(socket);
	FIND(bind);
	FIND(connect);
	FIND(listen);
	FIND(accept);
	FIND(accept4);
	FIND(getsockname);
	FIND(getpeername);
	FIND(getsockopt);
	FIND(setsockopt);
	FIND(shutdown);
	FIND(close);
	FIND(close_range);
	FIND(dup);
	FIND(dup2);
	FIND(dup3);
	FIND(fcntl);
	FIND(ioctl);
	FIND(recvfrom);
	FIND(recvmsg);
	FIND(recvmmsg);
	FIND(unlink);
	FIND(unlinkat);
	FIND(remove);
	FIND(chmod);
	FIND(fchmodat);
	FIND(chown);
	FIND(lchown);
	FIND(fchownat);
#undef FIND
	__atomic_store_n(&calls_known, true, __ATOMIC_RELEASE);
}

/* Other libraries' constructors may run, and close things, before ours. */
const struct real *
real(void)
{
	if (!__atomic_load_n(&calls_known, __ATOMIC_ACQUIRE))
		find_calls();
	return &calls;
}

/* The digits of listener i in the environment as it is now: programs move it. */
static char *
find_digits(size_t i, size_t *ret_len)
{
	char *at = getenv(VARIABLE);

	while (at && i-- > 0) {
		at = strchr(at, ';');
		at += at != NULL;
	}
	*ret_len = at ? strspn(at, "0123456789") : 0;
	return *ret_len > 0 ? at : NULL;
}

static bool
write_number(size_t i, int fd)
{
	size_t len;
	char *digits = find_digits(i, &len);
	char text[12];

	if (!digits || len >= sizeof(text))
		return false;
	for (size_t k = len; k-- > 0; fd /= 10)
		text[k] = (char)('0' + fd % 10);
	if (fd > 0)
		return false;
	memcpy(digits, text, len);
	return true;
}

/* Without place for it, or for its number, it stays. */
static void
move(size_t i, int least)
{
	struct bind_listener *l = &shim.l[i];
	int fd = real()->fcntl(l->fd, F_DUPFD, least);

	if (fd < 0)
		return;
	if (!write_number(i, fd)) {
		(void)real()->close(fd);
		return;
	}
	/* The program may speak on the channel that it was told of. */
	if (l->at.kind != BIND_CHANNEL)
		(void)real()->close(l->fd);
	l->fd = fd;
}

static int
least_number(void)
{
	struct rlimit limit;
	int top = NUMBERS_BELOW;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < NUMBERS_BELOW)
		top = (int)limit.rlim_cur;
	return top - NUMBERS_ROOM < NUMBERS_LEAST ? -1 : top - NUMBERS_ROOM;
}

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

__attribute__((constructor)) static void
start(void)
{
	const char *text = getenv(VARIABLE);
	int saved = errno, least, n;

	if (!text || shim.active)
		return;
	n = bind_parse(text, shim.l, BIND_LISTENERS_MAX + 1);
	if (n <= 0)
		return;
	(void)real();
	least = least_number();
	shim.len = (size_t)n;
	for (size_t i = 0; i < shim.len; i++) {
		struct bind_listener *l = &shim.l[i];

		if (!is_socket(l->fd))
			l->fd = -1;
		else if (least > 0 && l->fd < least)
			move(i, least);
		shim.has_unix |= l->at.kind == BIND_UNIX;
	}
	shim.active = true;
	errno = saved;
}

bool
shim_hides(int fd)
{
	for (size_t i = 0; i < shim.len; i++)
		if (shim.l[i].fd == fd && fd >= 0)
			return true;
	return false;
}

void
shim_make_room(int fd)
{
	for (size_t i = 0; i < shim.len; i++) {
		int other;

		if (shim.l[i].fd != fd)
			continue;
		other = real()->fcntl(fd, F_DUPFD, fd + 1);
		if (other < 0)
			other = real()->fcntl(fd, F_DUPFD, 3);
		(void)write_number(i, other < 0 ? fd : other);
		shim.l[i].fd = other;
	}
}

void
shim_claim(struct bind_listener *l)
{
	size_t len;
	char *digits;

	if (l->claimed)
		return;
	l->claimed = true;
	digits = find_digits((size_t)(l - shim.l), &len);
	if (digits && digits[len] == '=')
		digits[len] = '+';
}

void
shim_tell_ready(void)
{
	static const char line[] = "\"ready\"\n";
	static bool told;

	if (__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		return;
	for (size_t i = 0; i < shim.len; i++)
		if (shim.l[i].at.kind == BIND_CHANNEL && shim.l[i].fd >= 0)
			(void)send(
			    shim.l[i].fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
shim_say(const char *where, const char *what, const char *why)
{
	char line[320] = "brood-bind: ";
	const char *parts[] = {where, " ", what, ": ", why, "\n"};
	size_t n = strlen(line);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]);

		if (n + len > sizeof(line))
			len = sizeof(line) - n;
		memcpy(line + n, parts[i], len);
		n += len;
	}
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody listens */
}

const char *
shim_port_text(uint16_t port, char out[SHIM_PORT_TEXT])
{
	char *at = out + SHIM_PORT_TEXT - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + port % 10);
	} while ((port = (uint16_t)(port / 10)) > 0);
	return at;
}
