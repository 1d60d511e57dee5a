/*
 * freeport: says whether nobody listens on a TCP port. Exit code 0: free.
 *
 * It binds with SO_REUSEADDR, so that what is left of closed connections does not count, and
 * without SO_REUSEPORT, so that it never joins a group of listeners.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
try_port(int family, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const struct sockaddr *sa = (const struct sockaddr *)&in4;
	socklen_t len = sizeof(in4);
	int on = 1, fd, rc;

	if (family == AF_INET6) {
		sa = (const struct sockaddr *)&in6;
		len = sizeof(in6);
	}
	fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0)
		return 0; /* a machine without that family has nobody listening on it */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	rc = bind(fd, sa, len);
	if (rc == 0)
		rc = listen(fd, 1);
	close(fd);
	return rc;
}

int
main(int argc, char **argv)
{
	long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;

	if (port < 1 || port > 65535) {
		fprintf(stderr, "usage: freeport PORT\n");
		return 64;
	}
	return try_port(AF_INET, (uint16_t)port) == 0 && try_port(AF_INET6, (uint16_t)port) == 0
	    ? 0
	    : 1;
}
