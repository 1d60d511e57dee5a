/*
 * addr: the language of `listen`. Must not resolve names and must not open anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

#define BACKLOG_MAX 65535

void
listen_done(struct conf_listen *l)
{
	mem_free(l->text);
	mem_free(l->key);
	mem_free(l->host);
	mem_free(l->path);
	mem_free(l->owner);
	mem_free(l->group);
	mem_free(l->name);
	memset(l, 0, sizeof(*l));
}

static int
take_host(const char *host, struct conf_listen *l, struct err *e)
{
	char buf[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	size_t len = strlen(host);

	/* The one name that needs no resolver. */
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (strcmp(host, "*") == 0)
		return set_text(&l->host, host);
	if (host[0] == '[' && host[len - 1] == ']' && len - 2 < sizeof(buf)) {
		memcpy(buf, host + 1, len - 2);
		buf[len - 2] = '\0';
		if (inet_pton(AF_INET6, buf, bytes) == 1) {
			(void)inet_ntop(AF_INET6, bytes, buf, sizeof(buf)); /* It fits. */
			return set_text(&l->host, buf);
		}
	} else if (inet_pton(AF_INET, host, bytes) == 1) {
		(void)inet_ntop(AF_INET, bytes, buf, sizeof(buf));
		return set_text(&l->host, buf);
	}
	if (inet_pton(AF_INET6, host, bytes) == 1)
		return err_set(
		    e, -EINVAL, "an IPv6 address stands in brackets: write [%s]:PORT", host);
	return err_set(e, -EINVAL,
	    "\"%s\" is no numeric address; names are not looked up: write "
	    "127.0.0.1:PORT, [::1]:PORT or *:PORT",
	    host);
}

static int
take_inet(char *text, struct conf_listen *l, struct err *e)
{
	char *colon = strrchr(text, ':');
	struct str key = {0};
	uint64_t port;
	int r;

	if (colon == text || (!colon && units_parse_uint(text, UINT16_MAX, &port) == 0))
		return err_set(e, -EINVAL,
		    "an address is missing: write *:%s for all addresses or "
		    "127.0.0.1:%s for this machine only",
		    text + (colon == text), text + (colon == text));
	if (!colon || (text[0] == '[' && colon[-1] != ']'))
		return err_set(e, -EINVAL, "a port is missing: write %s:8080", text);
	if (text[0] != '[' && strchr(text, ':') != colon)
		return err_set(e, -EINVAL, "an IPv6 address stands in brackets: write [::1]:8080");
	if (units_parse_uint(colon + 1, UINT16_MAX, &port))
		return err_set(
		    e, -EINVAL, "\"%s\" is no port; ports go from 0 to 65535", colon + 1);
	*colon = '\0';
	r = take_host(text, l, e);
	if (r)
		return r;
	l->port = (uint16_t)port;
	str_addf(&key, strchr(l->host, ':') ? "%s:[%s]:%u" : "%s:%s:%u",
	    l->kind == LISTEN_UDP ? "udp" : "tcp", l->host, l->port);
	l->key = key.data;
	return str_failed(&key) ? -ENOMEM : 0;
}

static int
take_unix(const char *path, struct conf_listen *l, struct err *e)
{
	struct str key = {0};
	size_t len = strlen(path);

	if (path[0] == '@')
		return err_set(e, -EINVAL,
		    "abstract sockets have no permissions and are not "
		    "supported; write unix:/path");
	if (path[0] != '/')
		return err_set(e, -EINVAL, "the path must be absolute: write unix:/run/%s",
		    path[0] ? path : "web.sock");
	if (path[len - 1] == '/')
		return err_set(
		    e, -EINVAL, "the path names a directory; write unix:%sweb.sock", path);
	if (len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(e, -EINVAL, "the path has %zu bytes; a socket's may have 107", len);
	str_addf(&key, "unix:%s", path);
	l->key = key.data;
	return str_failed(&key) ? -ENOMEM : set_text(&l->path, path);
}

static int
take_mode(const char *value, struct conf_listen *l, struct err *e)
{
	size_t digits = strspn(value, "01234567");

	if (value[digits] != '\0' || digits < 3 || digits > 4 || (digits == 4 && value[0] != '0'))
		return err_set(e, -EINVAL, "mode=%s is no file mode; write mode=0660", value);
	l->mode = 0;
	for (; *value != '\0'; value++)
		l->mode = l->mode * 8 + (*value - '0');
	return 0;
}

static int
take_as(const char *value, struct conf_listen *l, struct err *e)
{
	uint64_t port;

	if (l->kind == LISTEN_UNIX)
		return err_set(e, -EINVAL, "as is for ports; remove it");
	if (units_parse_uint(value, UINT16_MAX, &port) || port == 0)
		return err_set(e, -EINVAL,
		    "as=%s: write the port that the program asks for, such as as=3000", value);
	l->as = (uint16_t)port;
	return 0;
}

static int
take_option(const char *name, const char *value, struct conf_listen *l, struct err *e)
{
	static const char *const known[] = {"backlog", "name", "as", "mode", "owner", "group"};
	const char *near = str_nearest(name, known, 6);
	uint64_t number;

	if (*value == '\0')
		return err_set(e, -EINVAL, "%s has no value; write ?%s=VALUE", name, name);
	if (strcmp(name, "backlog") == 0) {
		if (units_parse_uint(value, BACKLOG_MAX, &number) || number == 0)
			return err_set(e, -EINVAL, "backlog=%s: write a number from 1 to %d", value,
			    BACKLOG_MAX);
		l->backlog = (int)number;
		return 0;
	}
	if (strcmp(name, "name") == 0)
		return name_is_valid(value)
		           ? set_text(&l->name, value)
		           : err_set(
		                 e, -EINVAL, "name=%s: use 1 to 48 of A-Z a-z 0-9 _ . -", value);
	if (strcmp(name, "as") == 0)
		return take_as(value, l, e);
	if (strcmp(name, "mode") && strcmp(name, "owner") && strcmp(name, "group"))
		return err_set(e, -EINVAL, "unknown option %s%s%s%s", name,
		    near ? "; did you mean " : "; there are backlog, name, as, mode, owner and group",
		    near ? near : "", near ? "?" : "");
	if (l->kind != LISTEN_UNIX)
		return err_set(e, -EINVAL, "%s is for unix: only; remove it", name);
	if (strcmp(name, "mode") == 0)
		return take_mode(value, l, e);
	return set_text(strcmp(name, "owner") == 0 ? &l->owner : &l->group, value);
}

static int
take_options(char *options, struct conf_listen *l, struct err *e)
{
	char *at, *equals;
	int r;

	while ((at = strsep(&options, "&"))) {
		equals = strchr(at, '=');
		if (!equals)
			return err_set(
			    e, -EINVAL, "\"%s\" is no option; write ?name=value&name=value", at);
		*equals = '\0';
		r = take_option(at, equals + 1, l, e);
		if (r)
			return r;
	}
	return 0;
}

/* The port, or the file's base name with what LISTEN_FDNAMES can't carry made plain. */
static int
default_name(struct conf_listen *l)
{
	char buf[49];

	if (l->name)
		return 0;
	if (l->kind != LISTEN_UNIX) {
		(void)snprintf(buf, sizeof(buf), "%u", l->port);
		return set_text(&l->name, buf);
	}
	(void)snprintf(buf, sizeof(buf), "%s", strrchr(l->path, '/') + 1);
	for (char *c = buf; *c != '\0'; c++) {
		if (*c != '.' && !name_is_valid((char[2]){*c, '\0'}))
			*c = '_';
	}
	return set_text(&l->name, name_is_valid(buf) ? buf : "unix");
}

static int
parse_copy(char *text, struct conf_listen *l, struct err *e)
{
	char *options = strchr(text, '?');
	int r;

	if (options)
		*options++ = '\0';
	if (strncmp(text, "unix:", 5) == 0) {
		l->kind = LISTEN_UNIX;
		r = take_unix(text + 5, l, e);
	} else if (strncmp(text, "udp:", 4) == 0) {
		l->kind = LISTEN_UDP;
		r = take_inet(text + 4, l, e);
	} else if (text[0] == '/') {
		r = err_set(e, -EINVAL, "write unix:%s", text);
	} else if (strstr(text, "://")) {
		r = err_set(e, -EINVAL, "an address, not a URL: write %s", strstr(text, "://") + 3);
	} else {
		l->kind = LISTEN_TCP;
		r = take_inet(strncmp(text, "tcp:", 4) == 0 ? text + 4 : text, l, e);
	}
	if (r == 0 && options)
		r = take_options(options, l, e);
	return r ? r : default_name(l);
}

int
listen_parse(const char *text, struct conf_listen *ret, struct err *e)
{
	struct conf_listen l = {.mode = -1, .backlog = -1};
	char *copy = mem_strdup(text);
	int r = copy ? set_text(&l.text, text) : -ENOMEM;

	if (r == 0)
		r = parse_copy(copy, &l, e);
	mem_free(copy);
	if (r)
		listen_done(&l);
	else
		*ret = l;
	return r;
}

static bool
covers(const char *wide, const char *host)
{
	bool is_v6 = strchr(host, ':') != NULL;

	return strcmp(wide, "*") == 0 || (strcmp(wide, "0.0.0.0") == 0 && !is_v6) ||
	       (strcmp(wide, "::") == 0 && is_v6) || strcmp(wide, host) == 0;
}

bool
listen_overlaps(const struct conf_listen *a, const struct conf_listen *b)
{
	if (strcmp(a->key, b->key) == 0)
		return true;
	if (a->kind != b->kind || a->kind == LISTEN_UNIX || a->port != b->port || a->port == 0)
		return false;
	return covers(a->host, b->host) || covers(b->host, a->host);
}

struct conf_listen *
conf_listen_new(const char *text, struct err *e)
{
	struct conf_listen *l = mem_calloc(1, sizeof(*l));

	if (!l) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	if (listen_parse(text, l, e) == 0)
		return l;
	mem_free(l);
	return NULL;
}

struct conf_listen *
conf_listen_copy(const struct conf_listen *from)
{
	struct conf_listen *l = mem_calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (!l)
		return NULL;
	l->kind = from->kind;
	l->port = from->port;
	l->mode = from->mode;
	l->backlog = from->backlog;
	l->as = from->as;
	r |= set_text(&l->text, from->text) | set_text(&l->key, from->key);
	r |= set_text(&l->name, from->name);
	r |= from->host ? set_text(&l->host, from->host) : 0;
	r |= from->path ? set_text(&l->path, from->path) : 0;
	r |= from->owner ? set_text(&l->owner, from->owner) : 0;
	r |= from->group ? set_text(&l->group, from->group) : 0;
	if (r == 0)
		return l;
	conf_listen_free(l);
	return NULL;
}

void
conf_listen_free(struct conf_listen *l)
{
	if (!l)
		return;
	listen_done(l);
	mem_free(l);
}
