/*
 * needs: see the header. Numbers are those of the master: twin sockets for twice as many slots as
 * there are CPUs, and so on (src/loop/listeners.c, configure.c).
 */
#include "cli/needs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FDS_OF_MASTER   128
#define FDS_OF_WORKER   8 /* channel, output, errors, readiness, wait set */
#define SOCKETS_OF_PLUG 2

struct app {
	char name[64];
	unsigned workers, surge;
	unsigned tcp, others; /* listeners */
	char balance[16];
};

/* auto, auto*2-1 or a number. */
static unsigned
count_workers(const char *text, unsigned cpus)
{
	unsigned long mul = 1;
	char *end;
	long n;

	if (strncmp(text, "auto", 4) != 0)
		return (unsigned)strtoul(text, NULL, 10);
	text += 4;
	if (*text == '*') {
		mul = strtoul(text + 1, &end, 10);
		text = end;
	}
	n = (long)(cpus * mul) + strtol(text, NULL, 10);
	return n < 1 ? 1 : (unsigned)n;
}

static void
add_listen(struct needs *needs, struct app *app, const char *text)
{
	const char *backlog = strstr(text, "backlog=");
	uint64_t n = backlog ? strtoull(backlog + strlen("backlog="), NULL, 10) : 0;

	if (strncmp(text, "unix:", 5) == 0 || strncmp(text, "udp:", 4) == 0)
		app->others++;
	else
		app->tcp++;
	if (n <= needs->backlog)
		return;
	needs->backlog = n;
	(void)snprintf(needs->backlog_app, sizeof(needs->backlog_app), "%s", app->name);
}

static void
add_app(struct needs *needs, const struct app *app, unsigned cpus)
{
	uint64_t slots = app->workers > 2 * cpus ? app->workers : 2 * (uint64_t)cpus;
	uint64_t workers = (uint64_t)app->workers + app->surge;

	if (app->name[0] == '\0')
		return;
	needs->apps++;
	needs->workers += workers;
	needs->descriptors += workers * FDS_OF_WORKER;
	if (strcmp(app->balance, "even") == 0 || strcmp(app->balance, "sticky") == 0 ||
	    strcmp(app->balance, "cpu") == 0)
		needs->steered += app->tcp * (2 * slots + SOCKETS_OF_PLUG);
	else if (strcmp(app->balance, "kernel") == 0)
		needs->sockets += app->tcp * workers;
	else
		needs->sockets += app->tcp;
	needs->sockets += app->others;
}

static void
take_line(struct needs *needs, struct app *app, const char *line, unsigned cpus)
{
	const char *value = strstr(line, " = ");
	size_t len = value ? (size_t)(value - line) : 0;

#define IS(key) (len == strlen(key) && strncmp(line, key, len) == 0)
	value += value ? 3 : 0;
	if (IS("workers"))
		app->workers = count_workers(value, cpus);
	else if (IS("max_surge"))
		app->surge = (unsigned)strtoul(value, NULL, 10);
	else if (IS("listen"))
		add_listen(needs, app, value);
	else if (IS("balance"))
		(void)snprintf(app->balance, sizeof(app->balance), "%s", value);
#undef IS
}

void
needs_of_text(const char *text, unsigned cpus, struct needs *ret)
{
	char *copy = strdup(text), *rest = copy, *line;
	struct app app = {0};
	bool in_app = false;

	*ret = (struct needs){0};
	while (rest && (line = strsep(&rest, "\n"))) {
		if (line[0] == '[') {
			add_app(ret, &app, cpus);
			app = (struct app){0};
			in_app = strncmp(line, "[app:", 5) == 0;
			if (in_app)
				(void)snprintf(app.name, sizeof(app.name), "%.*s",
				    (int)strcspn(line + 5, "]"), line + 5);
		} else if (in_app) {
			take_line(ret, &app, line, cpus);
		}
	}
	add_app(ret, &app, cpus);
	ret->sockets += ret->steered;
	ret->descriptors += ret->sockets + FDS_OF_MASTER;
	free(copy);
}
