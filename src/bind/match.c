/*
 * match: see the header. The rules, first that fits best:
 *
 *   UNIX     the same path (files.c adds: the same file)
 *   6        the same host and port
 *   5        the same host, and the port of ?as=
 *   4        the same port, and hosts of which one contains the other: the system would refuse it
 *   3        as 4, by the port of ?as=
 *   2        the port of ?as=, whatever the host: so the configuration has it
 *
 * Another host on the same port is another address, and so is IPv6 only beside IPv4 only.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* All of text[0..len), or it is no number. */
static bool
take_number(const char *text, size_t len, unsigned long max, unsigned long *ret)
{
	unsigned long n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || n > max)
			return false;
		n = n * 10 + (unsigned long)(text[i] - '0');
	}
	*ret = n;
	return len > 0 && n <= max;
}

static bool
take_path(const char *text, size_t len, struct bind_address *at)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (n + 1 >= sizeof(at->path))
			return false;
		if (c == '%') {
			int high = i + 2 < len ? nibble(text[i + 1]) : -1;
			int low = high >= 0 ? nibble(text[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		at->path[n++] = c;
	}
	at->path[n] = '\0';
	return at->path[0] == '/';
}

static bool
take_host(const char *text, size_t len, struct bind_address *at)
{
	static const unsigned char nothing[16];
	char buf[INET6_ADDRSTRLEN];
	bool bracket = len > 2 && text[0] == '[' && text[len - 1] == ']';

	at->families = BIND_V4 | BIND_V6;
	at->any = true;
	if (len == 1 && text[0] == '*')
		return true;
	text += bracket;
	len -= bracket ? 2 : 0;
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	at->families = bracket ? BIND_V6 : BIND_V4;
	if (inet_pton(bracket ? AF_INET6 : AF_INET, buf, at->host) != 1)
		return false;
	at->any = memcmp(at->host, nothing, sizeof(nothing)) == 0;
	if (bracket && memcmp(at->host, mapped, sizeof(mapped)) == 0) {
		memmove(at->host, at->host + 12, 4);
		memset(at->host + 4, 0, 12);
		at->families = BIND_V4;
	}
	return true;
}

static bool
take_inet(const char *text, size_t len, struct bind_listener *l)
{
	const char *as = memchr(text, '?', len);
	size_t host, as_len = as ? (size_t)(text + len - as) : 0;
	unsigned long n;

	if (as) {
		if (as_len <= 4 || memcmp(as, "?as=", 4) != 0 ||
		    !take_number(as + 4, as_len - 4, UINT16_MAX, &n))
			return false;
		l->as = (uint16_t)n;
		len -= as_len;
	}
	for (host = len; host > 0 && text[host - 1] != ':';)
		host--;
	if (host == 0 || !take_number(text + host, len - host, UINT16_MAX, &n))
		return false;
	l->at.port = (uint16_t)n;
	return take_host(text, host - 1, &l->at);
}

static bool
take_entry(const char *text, size_t len, struct bind_listener *l)
{
	static const struct {
		const char *word;
		enum bind_kind kind;
	} kinds[] = {{"tcp:", BIND_TCP}, {"udp:", BIND_UDP}, {"unix:", BIND_UNIX},
	    {"channel", BIND_CHANNEL}};
	size_t digits = strspn(text, "0123456789");
	unsigned long fd;

	memset(l, 0, sizeof(*l));
	if (digits >= len || !take_number(text, digits, BIND_FDS_MAX, &fd) ||
	    (text[digits] != '=' && text[digits] != '+'))
		return false;
	l->fd = (int)fd;
	l->claimed = text[digits] == '+';
	text += digits + 1;
	len -= digits + 1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t word = strlen(kinds[i].word);

		if (len < word || memcmp(text, kinds[i].word, word) != 0)
			continue;
		l->at.kind = kinds[i].kind;
		if (l->at.kind == BIND_CHANNEL)
			return len == word;
		return l->at.kind == BIND_UNIX ? take_path(text + word, len - word, &l->at)
		                               : take_inet(text + word, len - word, l);
	}
	return false;
}

int
bind_parse(const char *text, struct bind_listener *ret, size_t max)
{
	size_t n = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, ";");

		if (n == max || !take_entry(text, len, &ret[n]))
			return -1;
		n++;
		text += len;
		text += *text == ';';
	}
	return (int)n;
}

static bool
same_host(const struct bind_address *a, const struct bind_address *b)
{
	return a->families == b->families && a->any == b->any &&
	       memcmp(a->host, b->host, sizeof(a->host)) == 0;
}

static bool
hosts_overlap(const struct bind_address *a, const struct bind_address *b)
{
	return (a->families & b->families) != 0 && (a->any || b->any || same_host(a, b));
}

bool
bind_overlap(const struct bind_address *a, const struct bind_address *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == BIND_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->port == b->port && hosts_overlap(a, b);
}

unsigned
bind_score(const struct bind_listener *l, const struct bind_address *asked)
{
	const struct bind_address *at = &l->at;

	if (at->kind != asked->kind)
		return 0;
	if (at->kind == BIND_UNIX)
		return strcmp(at->path, asked->path) == 0 ? 6 : 0;
	if (asked->port == 0)
		return 0;
	if (asked->port == at->port && hosts_overlap(at, asked))
		return same_host(at, asked) ? 6 : 4;
	if (asked->port != l->as)
		return 0;
	if (same_host(at, asked))
		return 5;
	return hosts_overlap(at, asked) ? 3 : 2;
}

bool
bind_plain_path(const char *path, const char *cwd, char ret[BIND_PATH_MAX])
{
	const char *parts[2] = {path[0] == '/' ? "" : cwd, path};
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		const char *at = parts[i];

		while (*(at += strspn(at, "/")) != '\0') {
			size_t len = strcspn(at, "/");

			if (len == 1 && at[0] == '.') {
				at += len;
				continue;
			}
			if (n + 1 + len + 1 > BIND_PATH_MAX)
				return false;
			ret[n++] = '/';
			memcpy(ret + n, at, len);
			n += len;
			at += len;
		}
	}
	ret[n] = '\0';
	return n > 0;
}
