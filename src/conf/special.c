/*
 * special: the types of the schema that fill several fields or have a language of their own.
 * Must not look at the system: whether a CPU, a program or a file exists is found out when a
 * generation is prepared.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

#define READY_FD_MAX       255
#define READY_DELAY_MAX_MS (24 * 3600 * UINT64_C(1000))
#define RESTARTS_MAX       1000
#define HTTP_PATH_MAX      1024

/* words holds argc terminated texts, one behind the other. */
static char **
argv_build(const struct str *words, size_t argc)
{
	char **argv = mem_alloc((argc + 1) * sizeof(*argv) + words->len), *at;

	if (!argv)
		return NULL;
	at = (char *)(argv + argc + 1);
	memcpy(at, words->data, words->len);
	for (size_t i = 0; i < argc; i++) {
		argv[i] = at;
		at += strlen(at) + 1;
	}
	argv[argc] = NULL;
	return argv;
}

/* Words first, variables second: what a variable holds is never split. */
static int
parse_argv(const struct value *v)
{
	struct conf_app *app = v->base;
	char **split = NULL, **argv;
	struct str words = {0};
	struct err e = {0};
	size_t argc = 0, at = 0;
	int r;

	r = quote_split(v->text, &split, &argc, &at);
	if (r == -EINVAL)
		return value_error(v,
		    "at character %zu: a quote that does not end, or an escape that "
		    "is not one of \\\" \\\\ \\n \\t \\r \\xNN",
		    at + 1);
	for (size_t i = 0; r == 0 && i < argc; i++) {
		r = expand_variables(split[i], v->load->src->environ, &words, &at, &e);
		if (r == -EINVAL)
			(void)value_error(v, "%s", e.text);
		str_add_n(&words, "", 1);
	}
	mem_free(split);
	if (r == 0 && (argc == 0 || words.len == 0 || words.data[0] == '\0'))
		r = str_failed(&words) ? -ENOMEM : value_error(v, "the program's name is empty");
	if (r == 0) {
		argv = str_failed(&words) ? NULL : argv_build(&words, argc);
		if (argv) {
			mem_free(app->argv);
			app->argv = argv;
		}
		r = argv ? 0 : -ENOMEM;
	}
	str_free(&words);
	return r;
}

static void
print_argv(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;
	struct str word = {0};

	(void)key;
	for (size_t i = 0; app->argv && app->argv[i]; i++) {
		str_reset(&word);
		add_dollar_escaped(&word, app->argv[i]);
		if (str_failed(&word))
			out->failed = true;
		if (i > 0)
			str_add_char(out, ' ');
		quote_add_word(out, str_text(&word));
	}
	str_free(&word);
}

static int
workers_error(const struct value *v)
{
	return value_error(
	    v, "write auto, auto*2, auto-1, auto+1 or a number from 0 to %d", CONF_WORKERS_MAX);
}

/* auto, auto*2, auto-1, auto*2+1, or a number. */
static int
parse_workers(const struct value *v)
{
	struct conf_app *app = v->base;
	const char *text = v->text;
	uint64_t mul = 1, add = 0, n = 0;
	size_t digits;
	char number[8];
	char sign = '+';

	if (strncmp(text, "auto", 4) != 0) {
		if (units_parse_uint(text, CONF_WORKERS_MAX, &n))
			return workers_error(v);
		app->workers_auto = false;
		app->workers_n = (unsigned)n;
		app->workers_mul = 1;
		app->workers_add = 0;
		return 0;
	}
	text += 4;
	if (*text == '*') {
		digits = strspn(++text, "0123456789");
		if (digits == 0 || digits >= sizeof(number))
			return workers_error(v);
		memcpy(number, text, digits);
		number[digits] = '\0';
		if (units_parse_uint(number, CONF_WORKERS_MAX, &mul) || mul == 0)
			return workers_error(v);
		text += digits;
	}
	if (*text == '+' || *text == '-') {
		sign = *text++;
		if (units_parse_uint(text, CONF_WORKERS_MAX, &add))
			return workers_error(v);
	} else if (*text != '\0') {
		return workers_error(v);
	}
	app->workers_auto = true;
	app->workers_n = 0;
	app->workers_mul = (unsigned)mul;
	app->workers_add = sign == '-' ? -(int)add : (int)add;
	return 0;
}

static void
print_workers(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;

	(void)key;
	if (!app->workers_auto) {
		str_addf(out, "%u", app->workers_n);
		return;
	}
	str_add(out, "auto");
	if (app->workers_mul != 1)
		str_addf(out, "*%u", app->workers_mul);
	if (app->workers_add != 0)
		str_addf(out, "%+d", app->workers_add);
}

/* Who else has the address, in this app or another. */
static int
check_overlap(const struct value *v, const struct conf_listen *new)
{
	const struct conf *conf = v->load->conf;
	const struct conf_app *app;

	for (size_t i = 0; i < conf->apps_len; i++) {
		app = conf->apps[i];
		for (size_t j = 0; j < app->listen_len; j++) {
			if (!listen_overlaps(&app->listen[j], new))
				continue;
			return value_error(v,
			    "taken already by listen = %s of [app:%s]; give one of the "
			    "two another address",
			    app->listen[j].text, app->name);
		}
	}
	return 0;
}

static int
parse_listen(const struct value *v)
{
	struct conf_app *app = v->base;
	struct conf_listen one, *grown;
	struct err e = {0};
	int r;

	if (app->listen_len >= CONF_LISTENERS_MAX)
		return value_error(v, "more than %d addresses for one app", CONF_LISTENERS_MAX);
	r = listen_parse(v->text, &one, &e);
	if (r == -EINVAL)
		return value_error(v, "%s", e.text);
	if (r)
		return r;
	r = check_overlap(v, &one);
	if (r == 0) {
		grown = mem_realloc(app->listen, (app->listen_len + 1) * sizeof(*grown));
		if (grown) {
			app->listen = grown;
			app->listen[app->listen_len++] = one;
			return 0;
		}
		r = -ENOMEM;
	}
	listen_done(&one);
	return r;
}

static void
print_listen(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;

	(void)key;
	for (size_t i = 0; i < app->listen_len; i++)
		str_addf(out, "%s%s", i > 0 ? "\n" : "", app->listen[i].text);
}

/* http:/PATH: what stands in a request line, as it is. */
static int
parse_http_path(const struct value *v, char **ret_path)
{
	const char *path = v->text + strlen("http:");
	size_t n = 0;

	while (path[n] > ' ' && path[n] < 0x7f)
		n++;
	if (path[0] != '/' || path[1] == '/')
		return value_error(v,
		    "write http: and a path, such as http:/healthz; the address is the app's own");
	if (path[n] != '\0')
		return value_error(v, "at character %zu: not allowed in a path; write it as %%XX",
		    strlen("http:") + n + 1);
	if (n > HTTP_PATH_MAX)
		return value_error(v, "the path is longer than %d characters", HTTP_PATH_MAX);
	return set_text(ret_path, path);
}

static int
parse_ready(const struct value *v)
{
	struct conf_app *app = v->base;
	uint64_t value;

	if (strncmp(v->text, "fd:", 3) == 0) {
		if (units_parse_uint(v->text + 3, READY_FD_MAX, &value))
			return value_error(v, "write fd:N with N up to %d", READY_FD_MAX);
		app->ready = READY_FD;
		app->ready_fd = (int)value;
		return 0;
	}
	if (strncmp(v->text, "delay:", 6) == 0) {
		if (units_parse_duration_ms(v->text + 6, &value) || value > READY_DELAY_MAX_MS)
			return value_error(
			    v, "write delay:DURATION, such as delay:2s; at most 24h");
		app->ready = READY_DELAY;
		app->ready_delay_ms = value;
		return 0;
	}
	if (strncmp(v->text, "http:", 5) == 0) {
		app->ready = READY_HTTP;
		return parse_http_path(v, &app->ready_path);
	}
	for (int i = READY_AUTO; i < READY_MAX; i++) {
		if (i == READY_FD || i == READY_DELAY || i == READY_HTTP)
			continue;
		if (strcmp(v->text, conf_ready_to_string((enum conf_ready)i)) == 0) {
			app->ready = (enum conf_ready)i;
			return 0;
		}
	}
	return value_error(
	    v, "write auto, notify, channel, fd:N, delay:DURATION, tcp, http:/PATH or listening");
}

static void
print_ready(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;
	char buf[32];

	(void)key;
	str_add(out, conf_ready_to_string(app->ready));
	if (app->ready == READY_FD)
		str_addf(out, ":%d", app->ready_fd);
	if (app->ready == READY_DELAY) {
		units_format_duration_ms(app->ready_delay_ms, buf, sizeof(buf));
		str_addf(out, ":%s", buf);
	}
	if (app->ready == READY_HTTP)
		str_addf(out, ":%s", app->ready_path);
}

static int
parse_probe(const struct value *v)
{
	struct conf_app *app = v->base;

	if (strncmp(v->text, "http:", 5) == 0)
		return parse_http_path(v, &app->probe_path);
	if (strcmp(v->text, "none") != 0)
		return value_error(v, "write none, or http:/PATH such as http:/healthz");
	mem_free(app->probe_path);
	app->probe_path = NULL;
	return 0;
}

static void
print_probe(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;

	(void)key;
	if (app->probe_path)
		str_addf(out, "http:%s", app->probe_path);
	else
		str_add(out, "none");
}

static int
parse_rate(const struct value *v)
{
	struct conf_app *app = v->base;
	const char *slash = strchr(v->text, '/');
	uint64_t limit, window;
	char number[8];

	if (strcmp(v->text, "none") == 0) {
		app->restart_limit = 0;
		app->restart_window_ms = 0;
		return 0;
	}
	if (!slash || (size_t)(slash - v->text) >= sizeof(number))
		return value_error(v, "write none, or N/DURATION such as 10/60s");
	memcpy(number, v->text, (size_t)(slash - v->text));
	number[slash - v->text] = '\0';
	if (units_parse_uint(number, RESTARTS_MAX, &limit) || limit == 0 ||
	    units_parse_duration_ms(slash + 1, &window) || window == 0 ||
	    window > READY_DELAY_MAX_MS)
		return value_error(v,
		    "write none, or N/DURATION such as 10/60s: N from 1 to %d, at most "
		    "24h",
		    RESTARTS_MAX);
	app->restart_limit = (unsigned)limit;
	app->restart_window_ms = window;
	return 0;
}

static void
print_rate(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;
	char buf[32];

	(void)key;
	units_format_duration_ms(app->restart_window_ms, buf, sizeof(buf));
	if (app->restart_limit == 0)
		str_add(out, "none");
	else
		str_addf(out, "%u/%s", app->restart_limit, buf);
}

/* The key stands in [master] and in [app:NAME]; the fields are not at the same place. */
static void
log_fields(const struct key *key, const void *base, enum conf_log_kind **ret_kind, char ***ret_path)
{
	struct conf_app *app = (struct conf_app *)base;
	struct conf_master *master = (struct conf_master *)base;

	*ret_kind = key->section == SECTION_APP ? &app->log : &master->log;
	*ret_path = key->section == SECTION_APP ? &app->log_path : &master->log_path;
}

static const char *const log_kinds[] = {[LOG_TO_INHERIT] = "inherit",
    [LOG_TO_PASS] = "pass",
    [LOG_TO_NONE] = "none",
    [LOG_TO_FILE] = "file:"};

static int
parse_log(const struct value *v)
{
	bool is_app = v->key->section == SECTION_APP;
	enum conf_log_kind *kind;
	char **path;
	int r;

	log_fields(v->key, v->base, &kind, &path);
	if (strncmp(v->text, "file:", 5) == 0) {
		if (v->text[5] == '\0')
			return value_error(v, "write file:PATH");
		r = set_text(path, v->text + 5);
		if (r == 0)
			*kind = LOG_TO_FILE;
		return r;
	}
	for (int i = 0; i < LOG_TO_FILE; i++) {
		if (strcmp(v->text, log_kinds[i]) == 0 && (is_app || i != LOG_TO_PASS)) {
			*kind = (enum conf_log_kind)i;
			return 0;
		}
	}
	return value_error(v,
	    is_app ? "write inherit, pass, none or file:PATH" : "write inherit, none or file:PATH");
}

static void
print_log(const struct key *key, const void *base, struct str *out)
{
	enum conf_log_kind *kind;
	char **path;

	log_fields(key, base, &kind, &path);
	str_add(out, log_kinds[*kind]);
	if (*kind == LOG_TO_FILE)
		str_add(out, *path);
}

static int
parse_env_file(const struct value *v)
{
	return env_load_file(v, v->text);
}

/* What the file held is part of the environment by now; an include's of the whole. */
static void
print_nothing(const struct key *key, const void *base, struct str *out)
{
	(void)key;
	(void)base;
	(void)out;
}

/* Followed when it was read. */
static int
parse_include(const struct value *v)
{
	(void)v;
	return 0;
}

const struct key_type type_argv = {"command", parse_argv, print_argv};
const struct key_type type_workers = {"workers", parse_workers, print_workers};
const struct key_type type_listen = {"address", parse_listen, print_listen};
const struct key_type type_ready = {"readiness", parse_ready, print_ready};
const struct key_type type_probe = {"probe", parse_probe, print_probe};
const struct key_type type_rate = {"rate", parse_rate, print_rate};
const struct key_type type_log = {"log", parse_log, print_log};
const struct key_type type_env_file = {"path", parse_env_file, print_nothing};
const struct key_type type_include = {"pattern", parse_include, print_nothing};
