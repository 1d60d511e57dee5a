/*
 * sockaddr: see the header. The slot's socket for *:8080 is one of IPv6 that takes IPv4, too; a
 * program that opened an IPv4 socket and asked for 0.0.0.0:8080 shall go on seeing IPv4 addresses.
 * The other way round it is the same: IPv4 addresses in an IPv6 program are mapped ones.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "bind/bind.h"

/* A client that has an IPv6 address only is 0.0.0.0: programs that opened a socket of IPv4 have no
 * room for more, or close what they do not expect. */
static socklen_t
to_v4(struct sockaddr_storage *sa)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four = {.sin_family = AF_INET};

	memcpy(&six, sa, sizeof(six));
	four.sin_port = six.sin6_port;
	if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
	memcpy(sa, &four, sizeof(four));
	return sizeof(four);
}

static socklen_t
to_v6(struct sockaddr_storage *sa)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	memcpy(&four, sa, sizeof(four));
	six.sin6_port = four.sin_port;
	if (four.sin_addr.s_addr != 0) {
		six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
		memcpy(six.sin6_addr.s6_addr + 12, &four.sin_addr, 4);
	}
	memcpy(sa, &six, sizeof(six));
	return sizeof(six);
}

socklen_t
sockaddr_translate(enum bind_mind mind, struct sockaddr_storage *sa, socklen_t len)
{
	if (mind == MIND_V4 && sa->ss_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
		return to_v4(sa);
	if (mind == MIND_V6 && sa->ss_family == AF_INET && len >= sizeof(struct sockaddr_in))
		return to_v6(sa);
	return len;
}

void
sockaddr_give(
    const struct sockaddr_storage *from, socklen_t from_len, struct sockaddr *to, socklen_t *len)
{
	memcpy(to, from, *len < from_len ? *len : from_len);
	*len = from_len;
}

static bool
inet_to_address(const struct sockaddr *sa, socklen_t len, bool v6only, struct bind_address *ret)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	if (sa->sa_family == AF_INET && len >= sizeof(four)) {
		memcpy(&four, sa, sizeof(four));
		ret->families = BIND_V4;
		ret->any = four.sin_addr.s_addr == 0;
		memcpy(ret->host, &four.sin_addr, 4);
		ret->port = ntohs(four.sin_port);
		return true;
	}
	/* Older programs leave the scope off. */
	if (sa->sa_family != AF_INET6 || len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memset(&six, 0, sizeof(six));
	memcpy(&six, sa, len < sizeof(six) ? len : sizeof(six));
	ret->port = ntohs(six.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
		ret->families = BIND_V4;
		memcpy(ret->host, six.sin6_addr.s6_addr + 12, 4);
		ret->any = memcmp(ret->host, "\0\0\0\0", 4) == 0;
		return true;
	}
	ret->any = IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr);
	ret->families = ret->any && !v6only ? BIND_V4 | BIND_V6 : BIND_V6;
	memcpy(ret->host, six.sin6_addr.s6_addr, 16);
	return true;
}

bool
sockaddr_to_address(const struct sockaddr *sa, socklen_t len, enum bind_kind kind, bool v6only,
    struct bind_address *ret)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)sa;
	size_t at = offsetof(struct sockaddr_un, sun_path);

	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	if (kind != BIND_UNIX)
		return inet_to_address(sa, len, v6only, ret);
	/* Neither abstract nor unnamed; the terminator may be missing. */
	if (len <= at || len > sizeof(*un) || un->sun_path[0] == '\0')
		return false;
	if (len - at >= sizeof(ret->path) && strnlen(un->sun_path, len - at) >= sizeof(ret->path))
		return false;
	memcpy(ret->path, un->sun_path, strnlen(un->sun_path, len - at));
	return true;
}

void
sockaddr_set_port(struct sockaddr_storage *sa, uint16_t port)
{
	/* The port is at the same place in both. */
	if (sa->ss_family == AF_INET || sa->ss_family == AF_INET6)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
}
