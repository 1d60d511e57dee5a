/*
 * procfile: Procfiles as of Heroku, read as foreman reads them: lines "name: command", all
 * others passed over. A shell ran each command; here as few as can be are given to one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "import/import.h"

#define PORT_DEFAULT "8080"

struct procfile {
	struct import *im;
	char *env_file; /* .env beside it, or NULL */
	unsigned long long port; /* PORT of that, or 0 */
};

/* What a line is: name and command are parts of it. */
struct process {
	char *name;
	char *command;
	unsigned line;
};

static size_t
name_length(const char *line)
{
	size_t n = 0;

	while ((line[n] >= 'a' && line[n] <= 'z') || (line[n] >= 'A' && line[n] <= 'Z') ||
	       (line[n] >= '0' && line[n] <= '9') || line[n] == '_' || line[n] == '-')
		n++;
	return line[n] == ':' ? n : 0;
}

/* --- .env ---------------------------------------------------------------------------------- */

/* Whether brood takes it for a line of an env_file. */
static bool
is_env_line(const char *line)
{
	const char *equals;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return true;
	if (strncmp(line, "export ", 7) == 0)
		line += 7 + strspn(line + 7, " \t");
	equals = strchr(line, '=');
	if (!equals || equals == line || strcspn(line, " \t") < (size_t)(equals - line))
		return false;
	if (equals[1] == '"' || equals[1] == '\'') {
		const char *close = strrchr(equals + 2, equals[1]);

		return close && close[1] == '\0' && strchr(equals + 2, equals[1]) == close &&
		       !strchr(equals, '\\');
	}
	return true;
}

static void
take_port(struct procfile *pf, const char *line)
{
	uint64_t port;

	if (strncmp(line, "PORT=", 5) == 0 && units_parse_uint(line + 5, 65535, &port) == 0 &&
	    port > 0)
		pf->port = port;
}

/* The number of the first line that brood does not read as foreman does; 0 for none. */
static unsigned
check_env(struct procfile *pf, char *text)
{
	unsigned line = 0, bad = 0;
	char *at;

	while ((at = strsep(&text, "\n"))) {
		size_t len = strlen(at);

		line++;
		while (len > 0 && strchr(" \t\r", at[len - 1]))
			at[--len] = '\0';
		if (!bad && !is_env_line(at))
			bad = line;
		take_port(pf, at);
	}
	return bad;
}

static void
find_env(struct procfile *pf)
{
	char *path = import_path(pf->im->directory, ".env");
	const struct world *world = pf->im->world;
	struct about at = {.file = path};
	struct str text = {0};

	if (path && world->read && world->read(world->arg, path, &text) == 0) {
		at.line =
		    strlen(str_text(&text)) == text.len && text.data ? check_env(pf, text.data) : 1;
		if (at.line)
			draft_note(&pf->im->draft, &at,
			    "make it NAME=VALUE, quotes around all of the value or none, and "
			    "import again",
			    "the file is left out: brood does not read this line as foreman does");
		else {
			pf->env_file = path;
			path = NULL;
		}
	}
	pf->im->draft.failed |= str_failed(&text);
	str_free(&text);
	mem_free(path);
}

/* --- processes ----------------------------------------------------------------------------- */

/* Programs that take their socket from LISTEN_FDS as they are. */
static bool
takes_fds(const char *program)
{
	static const char *const names[] = {"gunicorn", "brood-hello"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(program, names[i]) == 0)
			return true;
	return false;
}

/* What stands behind launchers such as "bundle exec". */
static const char *
real_program(const struct program *program, const char *command)
{
	static const char *const servers[] = {"gunicorn", "uvicorn", "hypercorn"};

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		const char *at = strstr(command, servers[i]);
		size_t len = strlen(servers[i]);

		if (at && (at == command || strchr(" /", at[-1])) &&
		    (at[len] == '\0' || at[len] == ' '))
			return servers[i];
	}
	return program->name;
}

static void
add_take(
    struct import *im, const struct about *at, const struct program *program, const char *command)
{
	const char *name = real_program(program, command);
	struct about mine = *at;

	mine.key = "listen";
	if (program->is_node) {
		draft_key(&im->draft, at->app, "Node: its own listen() asks brood", "take", "node");
		return;
	}
	if (takes_fds(name)) {
		draft_key(
		    &im->draft, at->app, "it takes its socket from LISTEN_FDS", "take", "fds");
		return;
	}
	draft_key(&im->draft, at->app,
	    "for a program that opens PORT by itself, on the address above", "take", "bind");
	if (strcmp(name, "uvicorn") == 0 || strcmp(name, "hypercorn") == 0)
		draft_note(&im->draft, &mine,
		    strcmp(name, "uvicorn") == 0
		        ? "with --fd 3 in command, take = fds is better"
		        : "with --bind fd://3 in command, take = fds is better",
		    "%s opens its port by itself, and take = bind gives it brood's socket", name);
	else
		draft_note(&im->draft, &mine,
		    "a program that takes LISTEN_FDS wants take = fds; a static one has to learn "
		    "it",
		    "PORT is opened by brood and has to reach the program: take = bind does that "
		    "for "
		    "one that is linked dynamically");
}

/* What the program will see as PORT: of the line itself, of .env, or of the master. */
static void
add_port(const struct procfile *pf, const struct draft_app *app, struct str *out)
{
	const char *own = draft_get_env(app, "PORT");
	uint64_t port;

	if (own && units_parse_uint(own, 65535, &port) == 0 && port > 0)
		str_addf(out, "%llu", (unsigned long long)port);
	else if (pf->port > 0)
		str_addf(out, "%llu", pf->port);
	else
		draft_add_variable(out, "PORT", PORT_DEFAULT);
}

/* The one process type that gets traffic. */
static void
add_web(
    struct procfile *pf, const struct about *at, const struct program *program, const char *command)
{
	struct import *im = pf->im;
	struct about mine = *at;
	struct str address = {0};

	mine.key = "listen";
	str_add(&address, "127.0.0.1:");
	add_port(pf, at->app, &address);
	im->draft.failed |= str_failed(&address);
	draft_remark(&im->draft, at->app,
	    "As many workers as there are CPUs, or WEB_CONCURRENCY; `workers = N` sets another "
	    "number. A server that starts workers of its own should start one.");
	if (!im->draft.failed && draft_listen(&im->draft, &mine,
	                             "PORT, which the program finds in its environment; *: in "
	                             "place of 127.0.0.1: serves "
	                             "other machines, too",
	                             address.data))
		add_take(im, at, program, command);
	str_free(&address);
}

static void
add_other(
    struct import *im, const struct about *at, const struct program *program, const char *command)
{
	const char *alone = "one of each, as foreman starts; the old one leaves before the new one "
	                    "starts";
	struct about mine = *at;

	mine.key = "command";
	draft_key(&im->draft, at->app, alone, "workers", "1");
	draft_key(&im->draft, at->app, alone, "max_surge", "0");
	draft_key(&im->draft, at->app, alone, "max_unavailable", "1");
	draft_key(&im->draft, at->app, "it serves nobody who could tell that it is ready", "ready",
	    "delay:1s");
	/* As Node it would otherwise be a worker of a cluster. */
	if (program->is_node)
		draft_key(&im->draft, at->app, "a process of its own", "take", "fds");
	if (strstr(command, "$PORT") || strstr(command, "${PORT"))
		draft_note(&im->draft, &mine, "write listen = 127.0.0.1:PORT and take = bind",
		    "uses PORT, which brood sets where there is a listen");
}

static void
take_process(struct procfile *pf, const struct process *process)
{
	struct import *im = pf->im;
	struct about at = {.name = process->name, .line = process->line};
	char *directory = mem_strdup(im->directory);
	struct program program;
	char from[64];

	(void)snprintf(from, sizeof(from), "line %u", process->line);
	im->draft.failed |= !directory;
	at.app = directory ? draft_add_app(&im->draft, &at) : NULL;
	if (at.app) {
		at.key = "command";
		draft_text(&im->draft, &at, "where the Procfile is", "directory", directory);
		if (import_shell_line(im, &at, from, &directory, process->command, &program) < 0)
			draft_key(&im->draft, at.app, from, "command", "/bin/false");
		if (pf->env_file)
			draft_text(
			    &im->draft, &at, ".env beside the Procfile", "env_file", pf->env_file);
		draft_key(&im->draft, at.app,
		    "foreman passes its own on; \"no\" is safer, once [env] or env_file has all "
		    "that is "
		    "needed",
		    "inherit_env", "yes");
		if (strcmp(process->name, "web") == 0)
			add_web(pf, &at, &program, process->command);
		else
			add_other(im, &at, &program, process->command);
	}
	mem_free(directory);
}

static void
take_line(struct procfile *pf, char *line, unsigned number)
{
	struct process process = {.line = number};
	struct about at = {.line = number};
	size_t n = name_length(line);

	if (n > 0) {
		process.name = line;
		line[n] = '\0';
		at.name = line;
		process.command = line + n + 1;
		process.command += strspn(process.command, " \t");
	}
	if (n > 0 && strcmp(process.name, "release") == 0)
		draft_note(&pf->im->draft, &at,
		    "run it in the script that deploys, before `brood reload`",
		    "left out: release runs once for each release, and is no process to keep");
	else if (n > 0 && *process.command)
		take_process(pf, &process);
	else if (line[strspn(line, " \t")] && line[strspn(line, " \t")] != '#')
		draft_note(&pf->im->draft, &at, "write NAME: COMMAND",
		    "passed over, as foreman does: the line is no \"name: command\"");
}

int
import_procfile(struct import *im, const char *text, size_t len, struct err *e)
{
	struct procfile pf = {.im = im};
	struct str all = {0};
	unsigned number = 0;
	char *rest, *line;

	if (!draft_is_text(text, len))
		return err_set(e, -EINVAL, "%s: is no text in UTF-8", im->draft.file);
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		text += 3;
		len -= 3;
	}
	str_add(&all, "");
	str_add_n(&all, text, len);
	im->draft.failed |= str_failed(&all);
	find_env(&pf);
	for (rest = all.data; !im->draft.failed && (line = strsep(&rest, "\n"));) {
		size_t n = strlen(line);

		number++;
		while (n > 0 && strchr(" \t\r", line[n - 1]))
			line[--n] = '\0';
		take_line(&pf, line, number);
	}
	str_free(&all);
	mem_free(pf.env_file);
	if (im->draft.failed)
		return -ENOMEM;
	if (im->draft.apps_len > 0)
		return 0;
	return err_set(e, -EINVAL, "%s: has no line \"name: command\" to run: is it a Procfile?",
	    im->draft.file);
}
