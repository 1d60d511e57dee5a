/*
 * hold: what the descriptors of this process are to us. See the header for why they are hints.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "bind/bind.h"

#define ASIDE_MAX 16

static unsigned char hints[BIND_FDS_MAX]; /* pages that nobody writes cost nothing */
static int highest = -1; /* descriptor that ever had a hint */

static struct {
	struct stat st;
	struct bind_address asked;
	struct sockaddr_storage name;
	socklen_t name_len;
} aside[ASIDE_MAX];
static unsigned aside_len;

void
hold_born(int fd, unsigned hint)
{
	if (fd < 0 || fd >= BIND_FDS_MAX || hints[fd] == hint)
		return;
	hints[fd] = (unsigned char)hint;
	if (hint != HINT_NONE && fd > highest)
		highest = fd;
}

unsigned
hold_hint(int fd)
{
	return fd < 0 || fd >= BIND_FDS_MAX ? HINT_NONE : hints[fd];
}

enum bind_mind
hold_mind(int fd)
{
	return (enum bind_mind)(hold_hint(fd) >> 6);
}

struct bind_listener *
hold_hinted(int fd)
{
	unsigned i = hold_hint(fd) & HINT_INDEX;

	return i > 0 && i <= shim.len ? &shim.l[i - 1] : NULL;
}

static bool
same_file(int fd, int other)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

struct bind_listener *
hold_listener(int fd)
{
	struct bind_listener *l = hold_hinted(fd);
	int saved = errno;

	if (l && !same_file(fd, l->fd))
		l = NULL;
	errno = saved;
	return l;
}

bool
hold_is_held(const struct bind_listener *l, int fd)
{
	for (int i = 0; i <= highest; i++)
		if (i != fd && hold_hinted(i) == l && hold_listener(i))
			return true;
	return false;
}

/* Binds fd where no client comes: its own loopback address, any port, and none of the packets that
 * ordinary hosts send is accepted. A datagram socket may speak for itself from anywhere. */
static int
bind_nowhere(int fd, const struct sockaddr *sa, socklen_t len, bool stream)
{
	struct sockaddr_storage where;
	int hops = 255;

	memset(&where, 0, sizeof(where));
	memcpy(&where, sa, len < sizeof(where) ? len : sizeof(where));
	sockaddr_set_port(&where, 0);
	if (!stream)
		return real()->bind(fd, (struct sockaddr *)&where, len);
	if (where.ss_family == AF_INET) {
		((struct sockaddr_in *)&where)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		(void)real()->setsockopt(fd, IPPROTO_IP, IP_MINTTL, &hops, sizeof(hops));
	} else {
		((struct sockaddr_in6 *)&where)->sin6_addr = in6addr_loopback;
		(void)real()->setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &hops, sizeof(hops));
	}
	return real()->bind(fd, (struct sockaddr *)&where, len);
}

/* Which of those left aside fd is, or -1. */
static int
find_aside(int fd)
{
	struct stat st;
	int saved = errno, found = -1;

	if ((hold_hint(fd) & HINT_INDEX) != HINT_ASIDE)
		return -1;
	if (fstat(fd, &st) == 0)
		for (unsigned i = 0; i < aside_len; i++)
			if (aside[i].st.st_ino == st.st_ino && aside[i].st.st_dev == st.st_dev)
				found = (int)i;
	errno = saved;
	return found;
}

/* A place that no descriptor refers to any more, or a new one. */
static unsigned
free_place(void)
{
	bool used[ASIDE_MAX] = {false};
	unsigned i = 0;

	for (int fd = 0; fd <= highest; fd++) {
		int at = find_aside(fd);

		if (at >= 0)
			used[at] = true;
	}
	while (i < aside_len && used[i])
		i++;
	return i;
}

bool
hold_aside(int fd, const struct bind_address *asked, const struct sockaddr *sa, socklen_t len)
{
	unsigned i = free_place();

	if (i == ASIDE_MAX || asked->kind == BIND_UNIX || len > sizeof(aside[i].name) ||
	    bind_nowhere(fd, sa, len, asked->kind == BIND_TCP) != 0 || fstat(fd, &aside[i].st) != 0)
		return false;
	aside[i].asked = *asked;
	memset(&aside[i].name, 0, sizeof(aside[i].name));
	memcpy(&aside[i].name, sa, len);
	aside[i].name_len = len;
	if (i == aside_len)
		aside_len++;
	hold_born(fd, HINT_ASIDE);
	return true;
}

bool
hold_aside_overlaps(const struct bind_address *asked, int fd)
{
	for (int i = 0; i <= highest; i++) {
		int at = i != fd ? find_aside(i) : -1;

		if (at >= 0 && bind_overlap(&aside[at].asked, asked))
			return true;
	}
	return false;
}

bool
hold_aside_name(int fd, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	int i = find_aside(fd);

	if (i < 0)
		return false;
	*ret = aside[i].name;
	*ret_len = aside[i].name_len;
	return true;
}
