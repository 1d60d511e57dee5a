/*
 * out: see out.h.
 */
#include "http/out.h"

#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

struct out {
	size_t at, len;
	char data[];
};

bool
out_keep(struct out **out, const struct iovec *parts, int n, size_t sent)
{
	size_t len = *out != NULL ? (*out)->len : 0, more = 0;
	struct out *grown;

	for (int i = 0; i < n; i++)
		more += parts[i].iov_len;
	if (more == sent)
		return true;
	grown = mem_realloc(*out, sizeof *grown + len + more - sent);
	if (grown == NULL)
		return false;
	if (*out == NULL)
		grown->at = 0;
	for (int i = 0; i < n; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		size_t kept = parts[i].iov_len - skip;

		sent -= skip;
		if (kept > 0)
			memcpy(grown->data + len, (const char *)parts[i].iov_base + skip, kept);
		len += kept;
	}
	grown->len = len;
	*out = grown;
	return true;
}

ssize_t
out_send(struct out *out, int fd)
{
	ssize_t n = send(fd, out->data + out->at, out->len - out->at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		out->at += (size_t)n;
	return n;
}

bool
out_is_empty(const struct out *out)
{
	return out->at == out->len;
}
