/*
 * pm2_value: what an ecosystem file says under a key, and which keys there are. A key has
 * several names in PM2, and a value that JavaScript takes for false gives way to another name's.
 */
#include "import/pm2.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DUMP_MAX 160

#define NOT_NEEDED "PM2's own monitoring has no counterpart"
#define USE_STATUS "`brood status`, `brood describe` and `brood events` tell how it goes"
#define NO_WATCH   "brood does not watch files"
#define USE_RELOAD "run `brood reload` when they have changed, as from a script that deploys"

static const struct pm2_key keys[] = {
    {"script", {"cmd", "command", "exec"}, HOW_READ, NULL, NULL},
    {"name", {0}, HOW_READ, NULL, NULL},
    {"name_prefix", {0}, HOW_SILENT, NULL, NULL}, /* of the command line only */
    {"namespace", {0}, HOW_READ, NULL, NULL},
    {"cwd", {0}, HOW_READ, NULL, NULL},
    {"args", {0}, HOW_READ, NULL, NULL},
    {"exec_interpreter", {"interpreter"}, HOW_READ, NULL, NULL},
    {"node_args", {"interpreter_args", "interpreterArgs"}, HOW_READ, NULL, NULL},
    {"exec_mode", {0}, HOW_READ, NULL, NULL},
    {"execute_command", {0}, HOW_READ, NULL, NULL},
    {"instances", {0}, HOW_READ, NULL, NULL},
    {"instance_var", {0}, HOW_READ, NULL, NULL},
    {"increment_var", {0}, HOW_READ, NULL, NULL},
    {"env", {0}, HOW_READ, NULL, NULL},
    {"filter_env", {0}, HOW_READ, NULL, NULL},
    {"append_env_to_name", {0}, HOW_READ, NULL, NULL},
    {"port", {0}, HOW_READ, NULL, NULL},
    {"uid", {"user"}, HOW_READ, NULL, NULL},
    {"gid", {0}, HOW_READ, NULL, NULL},
    {"wait_ready", {0}, HOW_READ, NULL, NULL},
    {"listen_timeout", {0}, HOW_READ, NULL, NULL},
    {"kill_timeout", {0}, HOW_READ, NULL, NULL},
    {"shutdown_with_message", {0}, HOW_READ, NULL, NULL},
    {"autorestart", {0}, HOW_READ, NULL, NULL},
    {"autostart", {0}, HOW_READ, NULL, NULL},
    {"stop_exit_codes", {0}, HOW_READ, NULL, NULL},
    {"max_restarts", {0}, HOW_READ, NULL, NULL},
    {"min_uptime", {0}, HOW_READ, NULL, NULL},
    {"restart_delay", {0}, HOW_READ, NULL, NULL},
    {"exp_backoff_restart_delay", {0}, HOW_READ, NULL, NULL},
    {"out_file", {"out_log", "output", "out"}, HOW_READ, NULL, NULL},
    {"error_file", {"err_log", "err_file", "err", "error"}, HOW_READ, NULL, NULL},
    {"log_file", {"log"}, HOW_READ, NULL, NULL},
    {"disable_logs", {0}, HOW_READ, NULL, NULL},
    {"source_map_support", {0}, HOW_READ, NULL, NULL},
    {"treekill", {0}, HOW_READ, NULL, NULL},
    /* One file, labelled by slot, is what brood writes anyway. */
    {"merge_logs", {"combine_logs"}, HOW_SILENT, NULL, NULL},
    {"disable_source_map_support", {0}, HOW_SILENT, NULL, NULL},
    {"vizion", {0}, HOW_SILENT, NULL, NULL},
    {"automation", {0}, HOW_SILENT, NULL, NULL},
    {"pmx", {0}, HOW_SILENT, NULL, NULL},
    {"disable_trace", {0}, HOW_SILENT, NULL, NULL},
    {"force", {0}, HOW_SILENT, NULL, NULL},
    {"username", {0}, HOW_SILENT, NULL, NULL},
    {"windowsHide", {0}, HOW_SILENT, NULL, NULL},
    {"kill_retry_time", {0}, HOW_SILENT, NULL, NULL},
    {"write", {0}, HOW_SILENT, NULL, NULL},
    {"install_url", {0}, HOW_SILENT, NULL, NULL},
    {"v8", {0}, HOW_NOTE, NOT_NEEDED, USE_STATUS},
    {"event_loop_inspector", {0}, HOW_NOTE, NOT_NEEDED, USE_STATUS},
    {"deep_monitoring", {0}, HOW_NOTE, NOT_NEEDED, USE_STATUS},
    {"trace", {0}, HOW_NOTE, NOT_NEEDED, USE_STATUS},
    {"io", {0}, HOW_NOTE, NOT_NEEDED, USE_STATUS},
    {"watch", {0}, HOW_NOTE, NO_WATCH, USE_RELOAD},
    {"watch_delay", {0}, HOW_NOTE, NO_WATCH, USE_RELOAD},
    {"watch_options", {0}, HOW_NOTE, NO_WATCH, USE_RELOAD},
    {"ignore_watch", {0}, HOW_NOTE, NO_WATCH, USE_RELOAD},
    {"cron_restart", {"cron"}, HOW_NOTE, "brood has no clock of its own",
        "a line of crontab(5) or a timer of systemd that runs `brood reload`"},
    {"max_memory_restart", {0}, HOW_NOTE, "brood does not measure memory",
        "--max-old-space-size in the command makes Node end at a limit, and brood replaces it; "
        "for all workers together MemoryMax= of the service"},
    {"pid_file", {"pid"}, HOW_NOTE, "brood writes no pid files",
        "`brood status --json` has the process of each slot"},
    {"log_date_format", {0}, HOW_NOTE, "lines of output get no time of their own",
        "leave log = inherit under systemd, whose journal notes it, or let the program write it"},
    {"time", {0}, HOW_NOTE, "lines of output get no time of their own",
        "leave log = inherit under systemd, whose journal notes it, or let the program write it"},
    {"log_type", {0}, HOW_NOTE, "output is passed on as the program writes it",
        "let the program write JSON"},
    {"post_update", {0}, HOW_NOTE, "brood fetches no updates",
        "run these commands, then `brood reload`"},
    {"env_file", {0}, HOW_NOTE, "PM2 passes over this key",
        "to have its variables after all, write env_file = /PATH into the app's section"},
};
#define KEYS_LEN (sizeof(keys) / sizeof(keys[0]))

/* --- values -------------------------------------------------------------------------------- */

/* As JavaScript sees it. */
bool
pm2_is_true(const json_t *v)
{
	if (json_is_string(v))
		return *json_string_value(v) && strcmp(json_string_value(v), "false") != 0;
	if (json_is_number(v))
		return json_number_value(v) != 0;
	return json_is_true(v) || json_is_object(v) || json_is_array(v);
}

bool
pm2_is_given(const json_t *v)
{
	return v && !json_is_null(v);
}

/* kill_timeout is also killTimeout. */
static bool
is_camel_of(const char *snake, const char *name)
{
	bool any = false;

	for (; *snake; snake++, name++) {
		if (*snake == '_' && snake[1] >= 'a' && snake[1] <= 'z') {
			snake++;
			if (*name != *snake - 'a' + 'A')
				return false;
			any = true;
		} else if (*snake != *name)
			return false;
	}
	return any && !*name;
}

static bool
is_called(const struct pm2_key *k, const char *name)
{
	if (strcmp(k->name, name) == 0 || is_camel_of(k->name, name))
		return true;
	for (size_t i = 0; i < 4 && k->aliases[i]; i++)
		if (strcmp(k->aliases[i], name) == 0)
			return true;
	return false;
}

const struct pm2_key *
pm2_find_key(const char *name)
{
	for (size_t i = 0; i < KEYS_LEN; i++)
		if (is_called(&keys[i], name))
			return &keys[i];
	return NULL;
}

/* The value that counts, and the name under which it stands. */
const json_t *
pm2_get_named(const struct pm2 *p, const char *name, const char **ret_name)
{
	const struct pm2_key *k = pm2_find_key(name);
	const json_t *v = json_object_get(p->app, name), *other;
	const char *member;
	json_t *any;

	*ret_name = name;
	if (!k || pm2_is_true(v))
		return v;
	json_object_foreach((json_t *)p->app, member, any)
	{
		other = any;
		if (is_called(k, member) && (pm2_is_true(other) || !pm2_is_given(v))) {
			*ret_name = member;
			v = other;
			if (pm2_is_true(v))
				break;
		}
	}
	return v;
}

const json_t *
pm2_get(const struct pm2 *p, const char *name)
{
	const char *as;

	return pm2_get_named(p, name, &as);
}

/* A number, or the one that a string begins with; fallback for anything else. */
long long
pm2_whole(const json_t *v, long long fallback)
{
	double d;

	if (json_is_string(v))
		d = strtod(json_string_value(v), NULL);
	else if (json_is_number(v))
		d = json_number_value(v);
	else
		return fallback;
	return d > -1e15 && d < 1e15 ? (long long)d : fallback;
}

/* The whole number that PM2 understands, where there is one; a string is fine for it. */
bool
pm2_get_number(const struct pm2 *p, const char *name, long long *ret)
{
	const json_t *v = pm2_get(p, name);
	const char *text = json_string_value(v);
	char *end = NULL;

	if (text && ((void)strtod(text, &end), end == text || *end))
		return false;
	if (!text && !json_is_number(v))
		return false;
	*ret = pm2_whole(v, -1);
	return true;
}

/* As JavaScript's String(). */
void
pm2_add_scalar(struct str *out, const json_t *v)
{
	char *dump;

	if (json_is_string(v)) {
		str_add_n(out, json_string_value(v), json_string_length(v));
		return;
	}
	if (json_is_real(v)) {
		str_addf(out, "%.15g", json_real_value(v));
		return;
	}
	dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	str_add(out, dump ? dump : "");
	out->failed |= !dump;
	free(dump);
}

/* --- where a value comes from -------------------------------------------------------------- */

static void
add_from(struct pm2 *p, const char *name)
{
	const char *as;
	const json_t *v = pm2_get_named(p, name, &as);
	struct str dump = {0};

	if (!pm2_is_given(v))
		return;
	if (json_is_string(v))
		str_addf(&dump, "\"%s\"", json_string_value(v));
	else
		pm2_add_scalar(&dump, v);
	str_addf(&p->from, "%s%s: %.*s%s", p->from.len ? ", " : "", as, DUMP_MAX, str_text(&dump),
	    dump.len > DUMP_MAX ? "..." : "");
	p->im->draft.failed |= str_failed(&dump);
	str_free(&dump);
}

/* "kill_timeout: 3000", of up to three keys. */
const char *
pm2_from(struct pm2 *p, const char *a, const char *b, const char *c)
{
	str_reset(&p->from);
	add_from(p, a);
	if (b)
		add_from(p, b);
	if (c)
		add_from(p, c);
	return str_text(&p->from);
}

struct about
pm2_about(const struct pm2 *p, const char *key)
{
	struct about at = p->at;

	at.key = key;
	return at;
}

/* The string, or NULL: none, or (noted) one that cannot be used. */
const char *
pm2_get_text(const struct pm2 *p, const char *name)
{
	const char *as;
	const json_t *v = pm2_get_named(p, name, &as);

	if (!pm2_is_given(v) || !pm2_is_true(v))
		return NULL;
	if (json_is_string(v) && draft_is_text(json_string_value(v), json_string_length(v)))
		return json_string_value(v);
	NOTE(p, as, "write the key of brood.conf(5) by hand", "is no text that can be used");
	return NULL;
}

void
pm2_add_duration(struct pm2 *p, const char *from_text, const char *key, long long ms)
{
	char buf[32];

	if (ms > PM2_DAY_MS)
		ms = PM2_DAY_MS;
	KEY(p, from_text, key, "%s", import_duration((unsigned long long)ms, buf));
}
