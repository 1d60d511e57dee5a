/*
 * supervisord: the configuration of supervisord 4: its files, and what is in them beside
 * programs. Defaults and the meaning of values follow its own reader; what becomes of them follows
 * brood.conf(5).
 */
#include "import/supervisord.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"

static void
take_master(struct sup *s)
{
	static const char *const levels[][2] = {{"critical", "error"}, {"crit", "error"},
	    {"error", "error"}, {"erro", "error"}, {"warn", "warn"}, {"info", "info"},
	    {"debug", "debug"}, {"debg", "debug"}, {"trace", "debug"}, {"trac", "debug"},
	    {"blather", "debug"}, {"blat", "debug"}};
	struct str text = {0};
	enum log_target to;

	s->at.app = s->im->draft.master;
	to = sup_log_target(s, "logfile", &text);
	if (to == LOG_FILE && strcasecmp(text.data, "syslog") != 0)
		sup_log_to(s, "logfile", text.data);
	else if (to == LOG_NONE)
		KEY(s, sup_from(s, "logfile", NULL, NULL), "log", "none");
	if (sup_get_literal(s, "loglevel", &text))
		for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
			if (strcasecmp(text.data, levels[i][0]) == 0)
				KEY(s, sup_from(s, "loglevel", NULL, NULL), "log_level", "%s",
				    levels[i][1]);
	if (sup_get_literal(s, "identifier", &text) && name_is_valid(text.data) &&
	    strcmp(text.data, "supervisor") != 0)
		KEY(s, sup_from(s, "identifier", NULL, NULL), "name", "%s", text.data);
	s->at.app = NULL;
	if (sup_get_literal(s, "user", &text) && strcmp(text.data, "root") != 0)
		NOTE(s, "user", "start broodd as that user, or write user into each app",
		    "brood stays the user that it is started as");
	if (sup_has(s, "pidfile"))
		NOTE(s, "pidfile", "let the service manager run broodd in the foreground",
		    "brood writes no pid file");
	if (sup_has(s, "minprocs"))
		NOTE(s, "minprocs", "set the limit where broodd is started",
		    "brood sets no such limit");
	if (to == LOG_FILE && sup_is_positive(s, "logfile_maxbytes"))
		NOTE(s, "logfile_maxbytes", SUP_ROTATE, "brood does not rotate files");
	str_free(&text);
}

/* chown=root:adm, chmod=0770: who may operate it. */
static void
take_control(struct sup *s)
{
	struct str owner = {0}, mode = {0};
	const char *colon;

	if (sup_get_literal(s, "chown", &owner) && sup_get_literal(s, "chmod", &mode) &&
	    (strtol(mode.data, NULL, 8) & 0020)) {
		struct about at = sup_about(s, "chown");

		colon = strchr(owner.data, ':');
		at.app = s->im->draft.master;
		if (colon && colon[1])
			draft_text(&s->im->draft, &at, sup_from(s, "chown", "chmod", NULL),
			    "control_group", colon + 1);
	}
	if (sup_has(s, "username") || sup_has(s, "password"))
		NOTE(s, "username", "control_group in [master]",
		    "brood asks the kernel who is calling, and knows no passwords");
	str_free(&owner);
	str_free(&mode);
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void
take_other(struct sup *s, const struct ini_section *section)
{
	const char *name = section->name;

	s->section = section;
	s->at = (struct about){.file = section->file, .line = section->line, .name = name};
	s->x = (struct expansions){.section = section, .program = "", .group = ""};
	if (strcmp(name, "supervisord") == 0)
		take_master(s);
	else if (begins(name, "unix_http_server"))
		take_control(s);
	else if (begins(name, "inet_http_server"))
		NOTE(s, NULL, "`brood` over ssh, or `brood status --json` in a script",
		    "left out: brood can be controlled by its UNIX socket only");
	else if (begins(name, "eventlistener:"))
		NOTE(s, NULL, "`brood events -f --json` in a program of your own",
		    "left out: brood has no event listeners");
	else if (begins(name, "group:"))
		NOTE(s, NULL, "name each app, or run a master for the group",
		    "brood has no groups; its programs are apps like any others");
	else if (begins(name, "rpcinterface:") && strcmp(name, "rpcinterface:supervisor") != 0)
		NOTE(s, NULL, "see brood-protocol(7) for what can be asked",
		    "left out: brood has no plug-ins");
	else if (begins(name, "ctlplugin:"))
		NOTE(s, NULL, "see brood(1) for what it can do", "left out: brood has no plug-ins");
	else if (!begins(name, "rpcinterface:") && !begins(name, "supervisorctl") &&
	         strcmp(name, "include") != 0 && strcmp(name, "DEFAULT") != 0)
		NOTE(s, NULL, "look for a spelling mistake",
		    "supervisord does not know this section either");
}

static int
read_included(struct sup *s, const char *path, struct err *e)
{
	const struct world *world = s->im->world;
	struct str text = {0};
	char *here = NULL;
	int r = world->read(world->arg, path, &text);

	if (r == 0) {
		const char *slash = strrchr(path, '/');
		struct str directory = {0};

		str_add_n(&directory, path, slash && slash > path ? (size_t)(slash - path) : 1);
		here = directory.data;
		r = str_failed(&directory)
		        ? -ENOMEM
		        : ini_add(&s->ini, path, here, str_text(&text), text.len, e);
		mem_free(here);
	} else if (r != -ENOMEM) {
		struct about at = {.file = path};

		draft_note(&s->im->draft, &at, "look at it, and import again",
		    "this included file cannot be read: %s", strerror(-r));
		r = 0;
	}
	str_free(&text);
	return r;
}

/* Patterns are relative to the file; what is included includes nothing. */
static int
read_includes(struct sup *s, struct err *e)
{
	const struct ini_section *include = ini_find(&s->ini, "include");
	const struct world *world = s->im->world;
	struct str files = {0};
	char *rest, *one;
	int r = 0;

	if (!include)
		return 0;
	s->section = include;
	s->at = (struct about){.file = include->file, .line = include->line};
	s->x = (struct expansions){.section = include, .program = "", .group = ""};
	(void)sup_get_literal(s, "files", &files);
	rest = files.data;
	while (r == 0 && rest && (one = strsep(&rest, " \t\r\n"))) {
		char *pattern = *one ? import_path(include->here, one) : NULL;
		struct words names = {0};

		if (pattern && world->glob && world->read)
			world->glob(world->arg, pattern, &names);
		if (pattern && names.len == 0)
			NOTE(s, "files", "import where these files are",
			    "nothing matches %.200s here", pattern);
		for (size_t i = 0; r == 0 && i < names.len; i++)
			r = read_included(s, names.items[i], e);
		words_free(&names);
		mem_free(pattern);
	}
	str_free(&files);
	return r;
}

static void
take_all(struct sup *s)
{
	const struct ini_section *global = ini_find(&s->ini, "supervisord");

	if (global) {
		s->section = global;
		s->at = (struct about){
		    .file = global->file, .line = global->line, .name = "supervisord"};
		s->x = (struct expansions){.section = global, .program = "", .group = ""};
		sup_read_environment(s, &s->names, &s->values);
	}
	for (size_t i = 0; i < s->ini.sections_len; i++) {
		const struct ini_section *section = s->ini.sections[i];

		if (begins(section->name, "program:") || begins(section->name, "fcgi-program:"))
			sup_take_program(s, section, section->name[0] == 'f');
		else
			take_other(s, section);
	}
}

int
import_supervisord(struct import *im, const char *text, size_t len, struct err *e)
{
	struct sup s = {.im = im};
	int r = ini_add(&s.ini, im->draft.file, im->directory, text, len, e);

	if (r == 0)
		r = read_includes(&s, e);
	if (r == 0)
		take_all(&s);
	ini_free(&s.ini);
	words_free(&s.names);
	words_free(&s.values);
	str_free(&s.from);
	if (r < 0)
		return r;
	if (im->draft.failed)
		return -ENOMEM;
	if (im->draft.apps_len > 0)
		return 0;
	return err_set(e, -EINVAL,
	    "%s: has no [program:NAME] to run: is it a configuration of supervisord?",
	    im->draft.file);
}
