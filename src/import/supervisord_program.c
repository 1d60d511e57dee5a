/*
 * supervisord_program: a [program:x] or [fcgi-program:x] becomes an app, or, where its
 * processes differ in more than a slot can say, as many apps as it has processes.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/units.h"
#include "base/words.h"
#include "import/supervisord.h"
#include "import/words.h"

#define SPLIT_MAX    64 /* processes that become apps of their own */
#define WORKERS_MAX  4096
#define DAY_S        86400
#define READY_S      60 /* brood's ready_timeout */
#define DELAY_MS     100
#define DELAY_MAX_MS 60000

/* --- the keys of a program ----------------------------------------------------------------- */

static void
add_command(struct sup *s)
{
	struct about at = sup_about(s, "command");
	struct program program;
	struct words w = {0};
	struct str text = {0};

	(void)sup_get(s, "command", &text);
	if (sup_option(s, "command")->cut)
		NOTE(s, "command", "write the whole of it into the line below",
		    "is cut at a \";\" or \"#\" within quotes, as supervisord cuts it");
	if (words_split_shlex(str_text(&text), &w) < 0) {
		NOTE(s, "command", "correct it",
		    "a quote in it does not end; /bin/false stands for it");
		KEY(s, sup_from(s, "command", NULL, NULL), "command", "/bin/false");
	} else {
		char *directory = NULL;

		if (sup_has(s, "directory")) {
			struct str path = {0};

			(void)sup_get_literal(s, "directory", &path);
			directory = import_path(s->im->directory, str_text(&path));
			str_free(&path);
		}
		import_command(s->im, &at, sup_from(s, "command", NULL, NULL),
		    directory ? directory : s->im->directory, &w, &program);
		s->is_node = program.is_node;
		mem_free(directory);
	}
	words_free(&w);
	str_free(&text);
}

static void
add_directory(struct sup *s)
{
	const struct ini_section *own = s->section, *global = ini_find(&s->ini, "supervisord");
	struct about at = sup_about(s, "directory");
	struct str text = {0};
	char *path;

	if (!sup_option(s, "directory"))
		s->section = global;
	if (s->section && sup_get(s, "directory", &text)) {
		path = sup_full_path(s, "directory", str_text(&text));
		if (path)
			draft_text(&s->im->draft, &at, sup_from(s, "directory", NULL, NULL),
			    "directory", path);
		s->im->draft.failed |= !path;
		mem_free(path);
	}
	s->section = own;
	str_free(&text);
}

static void
add_workers(struct sup *s, bool split)
{
	const char *source = sup_from(s, "numprocs", NULL, NULL);
	const char *fallback = "supervisord's default";

	if (!sup_get_bool(s, "autostart", true)) {
		KEY(s, sup_from(s, "autostart", NULL, NULL), "workers", "0");
		NOTE(s, "autostart", "`brood scale` starts its workers",
		    "the app is paused: workers = 0");
	} else if (split)
		KEY(s, "one of several processes", "workers", "1");
	else
		KEY(s, *source ? source : fallback, "workers", "%ld", s->x.numprocs);
	if (s->is_node)
		KEY(s, "Node: its own listen() asks brood", "take", "node");
	if (s->fcgi || s->is_node)
		return;
	fallback =
	    "the old one has to leave its port before the new one starts. A server needs neither "
	    "line once brood has its port: listen = ..., and take = bind or what it understands";
	KEY(s, fallback, "max_surge", "0");
	KEY(s, fallback, "max_unavailable", "1");
}

static void
add_ready(struct sup *s)
{
	long secs = sup_get_number(s, "startsecs", 1, DAY_S / 2), retries;
	const char *source = sup_from(s, "startsecs", NULL, NULL);

	/* Node's says so when it listens. */
	if (!s->is_node || sup_has(s, "startsecs"))
		KEY(s, *source ? source : "startsecs=1 is supervisord's default", "ready",
		    "delay:%lds", secs);
	if (secs >= READY_S)
		KEY(s, source, "ready_timeout", "%lds", secs + READY_S);
	if (!sup_has(s, "startretries"))
		return;
	retries = sup_get_number(s, "startretries", 3, 999);
	import_restart_limit(s->im, s->at.app, sup_from(s, "startretries", NULL, NULL),
	    (unsigned)retries + 1, (unsigned long long)secs * 1000, DELAY_MS, DELAY_MAX_MS);
}

/* 0,2 as brood writes it, checked. false: something else is there. */
static bool
read_codes(struct sup *s, struct str *out)
{
	struct str text = {0};
	char *at, *rest, *end;
	bool ok = true;

	str_add(out, "");
	if (!sup_get_literal(s, "exitcodes", &text))
		str_add(&text, "0");
	s->im->draft.failed |= str_failed(&text);
	rest = text.data;
	while (rest && (at = strsep(&rest, ","))) {
		long code = strtol(at, &end, 10);

		end += strspn(end, " \t\n");
		if (end == at || *end || code < 0 || code > 255)
			ok = false;
		else
			str_addf(out, "%s%ld", out->len ? "," : "", code);
	}
	str_free(&text);
	s->im->draft.failed |= str_failed(out);
	return ok;
}

static void
add_restart(struct sup *s)
{
	struct str how = {0}, codes = {0};
	const char *source;

	(void)sup_get_literal(s, "autorestart", &how);
	if (!read_codes(s, &codes))
		NOTE(s, "exitcodes", "write codes from 0 to 255",
		    "has something that is no exit code");
	source = sup_from(s, "autorestart", "exitcodes", NULL);
	if (!*source)
		source = "autorestart=unexpected is supervisord's default";
	if (how.len > 0 && !sup_get_bool(s, "autorestart", true))
		KEY(s, source, "restart", "never");
	else if (how.len > 0 && strcasecmp(how.data, "unexpected") != 0)
		KEY(s, source, "restart", "always");
	else if (strcmp(str_text(&codes), "0") == 0)
		KEY(s, source, "restart", "on-failure");
	else {
		KEY(s, source, "restart", "always");
		if (codes.len > 0)
			KEY(s, source, "no_restart_codes", "%s", codes.data);
	}
	str_free(&how);
	str_free(&codes);
}

static void
add_stop(struct sup *s)
{
	struct str text = {0};
	char buf[16];

	if (sup_get_literal(s, "stopsignal", &text)) {
		int sig = signal_from_string(str_text(&text));

		if (sig > 0)
			KEY(s, sup_from(s, "stopsignal", NULL, NULL), "stop_signal", "%s",
			    signal_to_string(sig, buf));
		else
			NOTE(s, "stopsignal", "write stop_signal by hand",
			    "is no signal; TERM is sent");
	}
	if (sup_has(s, "stopwaitsecs"))
		KEY(s, sup_from(s, "stopwaitsecs", NULL, NULL), "stop_timeout", "%lds",
		    sup_get_number(s, "stopwaitsecs", 10, DAY_S));
	if (sup_get_bool(s, "stopasgroup", false))
		NOTE(s, "stopasgroup",
		    "let the program end its children; command = sh -c 'exec ...' where a shell is "
		    "between",
		    "the stop signal goes to the program alone; what is left of its group is "
		    "killed "
		    "at the end");
	str_free(&text);
}

static void
add_environment(struct sup *s)
{
	struct about at = sup_about(s, "environment");

	KEY(s, "supervisord passes its own on; \"no\" is safer, once [env] has all that is needed",
	    "inherit_env", "yes");
	for (size_t i = 0; i < s->names.len && i < s->values.len; i++)
		draft_env(&s->im->draft, &at, s->names.items[i], s->values.items[i]);
	for (size_t i = 0; i < s->x.names.len && i < s->x.values.len; i++)
		draft_env(&s->im->draft, &at, s->x.names.items[i], s->x.values.items[i]);
}

/* --- the rest ------------------------------------------------------------------------------ */

static void
add_umask(struct sup *s)
{
	const struct ini_section *own = s->section;
	struct str text = {0};
	char *end;
	long mask;

	if (!sup_option(s, "umask"))
		s->section = ini_find(&s->ini, "supervisord");
	if (s->section && sup_get_literal(s, "umask", &text)) {
		mask = strtol(text.data, &end, 8);
		if (*end || end == text.data || mask < 0 || mask > 0777)
			NOTE(s, "umask", "write umask by hand", "is no octal number");
		else
			KEY(s, sup_from(s, "umask", NULL, NULL), "umask", "%04lo",
			    (unsigned long)mask);
	}
	s->section = own;
	str_free(&text);
}

static void
add_limit(struct sup *s)
{
	const struct ini_section *own = s->section;

	s->section = ini_find(&s->ini, "supervisord");
	if (s->section && sup_has(s, "minfds")) {
		long n = sup_get_number(s, "minfds", 1024, 1 << 30);

		if (n >= 16)
			KEY(s, sup_from(s, "minfds", NULL, NULL), "limit_nofile", "%ld", n);
	}
	s->section = own;
}

static void
note_key(struct sup *s, const char *key)
{
	static const char *const read[] = {"command", "process_name", "numprocs", "numprocs_start",
	    "directory", "umask", "autostart", "autorestart", "startsecs", "startretries",
	    "exitcodes", "stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup", "user",
	    "redirect_stderr", "environment", "stdout_logfile", "stderr_logfile",
	    "stdout_logfile_maxbytes", "stdout_logfile_backups", "stderr_logfile_maxbytes",
	    "stderr_logfile_backups", "socket", "socket_backlog", "socket_owner", "socket_mode",
	    "priority", "serverurl", NULL};
	static const char *const events[] = {"stdout_capture_maxbytes", "stderr_capture_maxbytes",
	    "stdout_events_enabled", "stderr_events_enabled", NULL};
	static const char *const syslogs[] = {"stdout_syslog", "stderr_syslog", NULL};

	if (word_is(key, read))
		return;
	if (word_is(key, events)) {
		if (sup_get_bool(s, key, sup_is_positive(s, key)))
			NOTE(s, key, "`brood logs -f` and `brood events -f` tell what happens",
			    "there are no event listeners");
	} else if (word_is(key, syslogs)) {
		if (sup_get_bool(s, key, false))
			NOTE(s, key, "leave log = inherit under systemd, whose journal has it",
			    "brood does not write to syslog");
	} else
		NOTE(s, key, "look for a spelling mistake",
		    "supervisord does not know this key either");
}

static void
note_rest(struct sup *s)
{
	if (sup_has(s, "priority") && strcmp(sup_option(s, "priority")->value.data, "999") != 0)
		NOTE(s, "priority",
		    "let programs that need another one try again until it is there",
		    "brood starts all apps at the same time");
	if (sup_has(s, "serverurl"))
		NOTE(s, "serverurl",
		    "the channel of brood-protocol(7) is a worker's way to the master",
		    "there is no XML-RPC server");
	for (size_t i = 0; i < s->section->options_len; i++)
		note_key(s, s->section->options[i].key);
}

/* --- programs ------------------------------------------------------------------------------ */

static const char *
group_of(const struct sup *s, const char *program)
{
	for (size_t i = 0; i < s->ini.sections_len; i++) {
		const struct ini_section *g = s->ini.sections[i];
		const struct ini_option *o = ini_option(g, "programs");
		const char *at = o && strncmp(g->name, "group:", 6) == 0 ? str_text(&o->value) : "";

		while (*at) {
			size_t len = strcspn(at, ", \t\n");

			if (len == strlen(program) && strncmp(at, program, len) == 0)
				return g->name + 6;
			at += len;
			at += strspn(at, ", \t\n");
		}
	}
	return program;
}

static void
reset_expansions(struct sup *s)
{
	words_free(&s->x.names);
	words_free(&s->x.values);
}

/* Whether one app with as many workers can stand for all processes. */
static bool
fits_one_app(struct sup *s)
{
	struct str text = {0};
	bool uses_num;

	s->no_slot = false;
	s->quiet = true;
	sup_read_environment(s, &s->x.names, &s->x.values);
	(void)sup_get(s, "command", &text);
	uses_num = memchr(str_text(&text), '\001', text.len) != NULL;
	for (size_t i = 0; i < s->x.values.len; i++)
		uses_num |= strchr(s->x.values.items[i], '\001') != NULL;
	(void)sup_get(s, "directory", &text);
	if (strchr(str_text(&text), '\001'))
		s->no_slot = true;
	if (uses_num && s->x.process_num != 0)
		s->no_slot = true;
	str_free(&text);
	reset_expansions(s);
	s->quiet = false;
	return !s->no_slot;
}

static void
fill_app(struct sup *s, bool split)
{
	sup_read_environment(s, &s->x.names, &s->x.values);
	add_command(s);
	add_directory(s);
	add_workers(s, split);
	if (s->fcgi)
		sup_add_socket(s);
	add_ready(s);
	add_stop(s);
	add_restart(s);
	sup_copy_text(s, "user", "user");
	add_umask(s);
	add_limit(s);
	sup_add_log(s);
	add_environment(s);
	note_rest(s);
	reset_expansions(s);
}

/* One app, of all processes or of one. */
static void
add_app(struct sup *s, const char *name, bool split)
{
	s->at.name = name;
	s->at.app = draft_add_app(&s->im->draft, &s->at);
	if (s->at.app)
		fill_app(s, split);
	s->at.app = NULL;
}

/* Processes that differ in more than a slot: each is an app. */
static void
add_split(struct sup *s)
{
	long first = s->x.process_num, n = s->x.numprocs;

	NOTE(s, "numprocs", "one app with %(slot) in its command is shorter, where that will do",
	    "is %ld apps: the number of each process is used in a way that %%(slot) cannot stand "
	    "for",
	    n);
	s->x.slot = false;
	for (long i = 0; i < n; i++) {
		struct str name = {0};

		s->x.process_num = first + i;
		str_addf(&name, "%s-%ld", s->x.program, first + i);
		s->im->draft.failed |= str_failed(&name);
		add_app(s, str_text(&name), true);
		str_free(&name);
	}
}

void
sup_take_program(struct sup *s, const struct ini_section *section, bool fcgi)
{
	const char *name = strchr(section->name, ':') + 1;
	bool one;

	s->section = section;
	s->fcgi = fcgi;
	s->is_node = false;
	s->at = (struct about){.file = section->file, .line = section->line, .name = name};
	s->x = (struct expansions){.section = section, .program = name, .group = group_of(s, name)};
	if (!sup_has(s, "command")) {
		NOTE(s, "command", "write one", "left out: it has no command");
		return;
	}
	s->x.numprocs = sup_get_number(s, "numprocs", 1, WORKERS_MAX);
	s->x.process_num = sup_get_number(s, "numprocs_start", 0, INT_MAX);
	s->x.slot = s->x.numprocs > 1;
	one = s->x.numprocs <= 1 || fits_one_app(s);
	if (!one && s->x.numprocs <= SPLIT_MAX) {
		add_split(s);
		return;
	}
	if (!one)
		NOTE(s, "numprocs",
		    "give each worker what it needs by %(slot), which counts from 0",
		    "the number of each process is used in a way that %%(slot) cannot stand for, "
		    "and "
		    "%ld apps would be too many",
		    s->x.numprocs);
	add_app(s, name, false);
}
