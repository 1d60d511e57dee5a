/*
 * supervisord_output: where output goes, and the socket of a FastCGI program.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/units.h"
#include "import/supervisord.h"

/* --- output -------------------------------------------------------------------------------- */

enum log_target
sup_log_target(struct sup *s, const char *key, struct str *path)
{
	bool slot = s->x.slot;
	bool found;

	/* There is one file for all workers. */
	s->x.slot = false;
	found = sup_get(s, key, path);
	s->x.slot = slot;
	if (!found || strcasecmp(path->data, "auto") == 0)
		return LOG_AUTO;
	if (strcasecmp(path->data, "none") == 0 || strcasecmp(path->data, "off") == 0 ||
	    strcmp(path->data, "/dev/null") == 0)
		return LOG_NONE;
	if (strncmp(path->data, "/dev/std", 8) == 0 || strncmp(path->data, "/dev/fd/", 8) == 0 ||
	    strncmp(path->data, "/proc/self/fd/", 14) == 0)
		return LOG_STANDARD;
	return LOG_FILE;
}

void
sup_log_to(struct sup *s, const char *key, const char *path)
{
	struct about at = sup_about(s, key);
	char *full = sup_full_path(s, key, path);

	s->im->draft.failed |= !full;
	if (full)
		import_log(s->im, &at, sup_from(s, key, NULL, NULL), full);
	if (s->x.slot && s->x.numprocs > 1 &&
	    strstr(str_text(&sup_option(s, key)->value), "%(process_num)"))
		NOTE(s, key, "lines are labelled by slot",
		    "is one file for all workers, that of the first");
	mem_free(full);
}

static void
note_rotation(struct sup *s)
{
	static const char *const keys[] = {"stdout_logfile_maxbytes", "stdout_logfile_backups",
	    "stderr_logfile_maxbytes", "stderr_logfile_backups"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!sup_is_positive(s, keys[i]))
			continue;
		NOTE(s, keys[i], SUP_ROTATE, "brood does not rotate files");
		return;
	}
}

void
sup_add_log(struct sup *s)
{
	bool joined = sup_get_bool(s, "redirect_stderr", false);
	struct str out = {0}, err = {0};
	enum log_target to = sup_log_target(s, "stdout_logfile", &out);
	enum log_target err_to = joined ? to : sup_log_target(s, "stderr_logfile", &err);

	if (to == LOG_FILE)
		sup_log_to(s, "stdout_logfile", out.data);
	else if (err_to == LOG_FILE)
		sup_log_to(s, "stderr_logfile", err.data);
	else if (to == LOG_NONE && err_to == LOG_NONE)
		KEY(s, sup_from(s, "stdout_logfile", "stderr_logfile", "redirect_stderr"), "log",
		    "none");
	else if (to == LOG_STANDARD || err_to == LOG_STANDARD)
		KEY(s, sup_from(s, "stdout_logfile", "stderr_logfile", NULL), "log", "inherit");
	if (!joined && err_to == LOG_FILE && to == LOG_FILE && strcmp(out.data, err.data) != 0)
		NOTE(s, "stderr_logfile",
		    "take standard error apart by its label, or let the program do so",
		    "brood writes both outputs to one file, labelled");
	if (to == LOG_FILE || err_to == LOG_FILE)
		note_rotation(s);
	str_free(&out);
	str_free(&err);
}

/* --- FastCGI sockets ----------------------------------------------------------------------- */

static void
add_owner(struct sup *s, const char *owner, struct str *address)
{
	size_t n = strcspn(owner, ":");

	if (n == 0 || strpbrk(owner, " \t\n?&=")) {
		NOTE(s, "socket_owner", "write ?owner=USER&group=GROUP behind the address",
		    "is no user, nor user:group");
		return;
	}
	str_addf(address, "&owner=%.*s", (int)n, owner);
	if (owner[n] && owner[n + 1])
		str_addf(address, "&group=%s", owner + n + 1);
}

static void
add_socket_options(struct sup *s, bool is_unix, struct str *address)
{
	struct str text = {0};
	char sign = '?';
	long backlog;

	if (is_unix) {
		long mode = 0700;

		if (sup_get_literal(s, "socket_mode", &text))
			mode = strtol(text.data, NULL, 8) & 07777;
		str_addf(address, "%cmode=%04lo", sign, (unsigned long)(mode & 0777));
		sign = '&';
		if (sup_get_literal(s, "socket_owner", &text) || sup_get_literal(s, "user", &text))
			add_owner(s, text.data, address);
	}
	backlog = sup_has(s, "socket_backlog") ? sup_get_number(s, "socket_backlog", 0, 65535) : 0;
	if (backlog > 0)
		str_addf(address, "%cbacklog=%ld", sign, backlog);
	str_free(&text);
}

/* The IPv4 address as brood writes it, or false. */
static bool
numeric_host(const char *host, size_t len, char ret[INET_ADDRSTRLEN])
{
	struct in_addr address;
	char buf[INET_ADDRSTRLEN];

	if (len == 9 && strncasecmp(host, "localhost", len) == 0) {
		host = "127.0.0.1";
		len = strlen(host);
	}
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, host, len);
	buf[len] = '\0';
	return inet_pton(AF_INET, buf, &address) == 1 &&
	       inet_ntop(AF_INET, &address, ret, INET_ADDRSTRLEN) != NULL;
}

/* tcp://host:port or unix:///path as brood writes it. false: it is neither. */
static bool
socket_address(struct sup *s, const char *text, struct str *address)
{
	char host[INET_ADDRSTRLEN];
	const char *colon;
	uint64_t port;

	if (strncmp(text, "unix://", 7) == 0) {
		if (text[7] != '/' || strpbrk(text, "?&") || strlen(text + 7) > 107 ||
		    text[strlen(text) - 1] == '/')
			return false;
		str_addf(address, "unix:%s", text + 7);
		add_socket_options(s, true, address);
		return true;
	}
	colon = strrchr(text, ':');
	if (strncmp(text, "tcp://", 6) != 0 || !colon || colon <= text + 6 ||
	    units_parse_uint(colon + 1, 65535, &port) < 0 || strpbrk(text, "?&"))
		return false;
	if (numeric_host(text + 6, (size_t)(colon - text - 6), host))
		str_add(address, host);
	else {
		str_add_char(address, '*');
		NOTE(s, "socket", "write the address itself",
		    "%.*s is a name, which brood does not look up; all addresses are served now",
		    (int)(colon - text - 6 < 80 ? colon - text - 6 : 80), text + 6);
	}
	str_addf(address, ":%llu", (unsigned long long)port);
	add_socket_options(s, false, address);
	return true;
}

void
sup_add_socket(struct sup *s)
{
	struct str text = {0}, address = {0};
	struct about at = sup_about(s, "socket");

	if (!sup_get_literal(s, "socket", &text) || !socket_address(s, str_text(&text), &address))
		NOTE(s, "socket", "write listen = ADDRESS and take = stdin",
		    "is no address that can be used; the app has none");
	else {
		s->im->draft.failed |= str_failed(&address);
		if (draft_listen(&s->im->draft, &at,
		        sup_from(s, "socket", "socket_owner", "socket_mode"), str_text(&address)))
			KEY(s, "a FastCGI program accepts on descriptor 0", "take", "stdin");
	}
	str_free(&text);
	str_free(&address);
}
