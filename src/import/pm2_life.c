/*
 * pm2_life: how long a start may take, how an app is stopped and started again, where its
 * output goes and what it finds in its environment.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "import/pm2.h"

#define MIN_UPTIME_MS  1000 /* PM2's defaults */
#define BACKOFF_MAX_MS 15000
#define READY_MS       60000 /* brood's */
#define DELAY_MS       100
#define DELAY_MAX_MS   60000

/* --- readiness, stopping, restarting ------------------------------------------------------- */

/* 500, "500", "10s", "5m", "1h" -> milliseconds. */
long long
pm2_get_uptime(const struct pm2 *p)
{
	const char *text = json_string_value(pm2_get(p, "min_uptime"));
	long long ms = MIN_UPTIME_MS;
	uint64_t parsed;

	if (pm2_get_number(p, "min_uptime", &ms))
		return ms > 0 ? ms : MIN_UPTIME_MS;
	if (text && units_parse_duration_ms(text, &parsed) == 0 && parsed > 0)
		return parsed < (uint64_t)PM2_DAY_MS ? (long long)parsed : PM2_DAY_MS;
	return MIN_UPTIME_MS;
}

void
pm2_add_ready(struct pm2 *p)
{
	bool waits = pm2_is_true(pm2_get(p, "wait_ready"));
	long long ms = 0;
	char buf[32];

	if (waits && (p->is_node || p->cluster))
		KEY(p, pm2_from(p, "wait_ready", NULL, NULL), "ready", "channel");
	else if (waits)
		NOTE(p, "wait_ready", "see ready in brood.conf(5): notify or fd:N",
		    "process.send() is Node's; this app counts as ready when it has lived for a "
		    "while");
	if (!draft_has_key(p->at.app, "ready") && !p->cluster) {
		const char *source = pm2_from(p, "min_uptime", NULL, NULL);

		if (p->min_uptime_ms > PM2_DAY_MS / 2)
			p->min_uptime_ms = PM2_DAY_MS / 2;
		KEY(p, *source ? source : "min_uptime: 1000 is PM2's default", "ready", "delay:%s",
		    import_duration((unsigned long long)p->min_uptime_ms, buf));
		if (p->min_uptime_ms >= READY_MS)
			pm2_add_duration(p, source, "ready_timeout", p->min_uptime_ms + READY_MS);
	}
	if (!pm2_get_number(p, "listen_timeout", &ms) || ms <= 0)
		return;
	if (ms > READY_MS && p->min_uptime_ms < READY_MS)
		pm2_add_duration(p, pm2_from(p, "listen_timeout", NULL, NULL), "ready_timeout", ms);
	else
		NOTE(p, "listen_timeout", "set ready_timeout to the longest start that is right",
		    "PM2 then takes an app for ready that is not; brood waits for %s and stops the "
		    "rollout if it is not ready by then",
		    draft_has_key(p->at.app, "ready_timeout") ? "ready_timeout" : "a minute");
}

void
pm2_add_stop(struct pm2 *p)
{
	long long ms;

	if (pm2_get_number(p, "kill_timeout", &ms) && ms > 0)
		pm2_add_duration(p, pm2_from(p, "kill_timeout", NULL, NULL), "stop_timeout", ms);
	if (pm2_is_true(pm2_get(p, "shutdown_with_message")) && !p->is_node && !p->cluster)
		NOTE(p, "shutdown_with_message", "handle SIGINT, or read the channel",
		    "messages are for Node; this app gets only the signal");
	if (pm2_is_given(pm2_get(p, "treekill")) && !pm2_is_true(pm2_get(p, "treekill")))
		NOTE(p, "treekill", "start what has to survive as an app of its own",
		    "at the end brood kills what is left of a worker's processes");
}

static void
add_exit_codes(struct pm2 *p)
{
	const json_t *v = pm2_get(p, "stop_exit_codes"), *item;
	struct str list = {0};
	size_t n = json_is_array(v) ? json_array_size(v) : pm2_is_given(v);

	for (size_t i = 0; i < n; i++) {
		long long code;

		item = json_is_array(v) ? json_array_get(v, i) : v;
		code = pm2_whole(item, -1);
		if (code >= 0 && code <= 255)
			str_addf(&list, "%s%lld", list.len ? "," : "", code);
		else
			NOTE(p, "stop_exit_codes", "write codes from 0 to 255",
			    "has something that is no exit code");
	}
	if (list.len > 0)
		KEY(p, pm2_from(p, "stop_exit_codes", NULL, NULL), "no_restart_codes", "%s",
		    str_text(&list));
	p->im->draft.failed |= str_failed(&list);
	str_free(&list);
}

void
pm2_add_restart(struct pm2 *p)
{
	long long delay = DELAY_MS, delay_max = DELAY_MAX_MS, ms, n;

	if (pm2_is_given(pm2_get(p, "autorestart")) && !pm2_is_true(pm2_get(p, "autorestart")))
		KEY(p, pm2_from(p, "autorestart", NULL, NULL), "restart", "never");
	add_exit_codes(p);
	if (pm2_get_number(p, "exp_backoff_restart_delay", &ms) && ms > 0) {
		const char *source = pm2_from(p, "exp_backoff_restart_delay", NULL, NULL);

		delay = ms < PM2_DAY_MS ? ms : PM2_DAY_MS;
		delay_max = delay > BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
		pm2_add_duration(p, source, "restart_delay", delay);
		pm2_add_duration(p, source, "restart_delay_max", delay_max);
	} else if (pm2_get_number(p, "restart_delay", &ms) && ms > 0) {
		const char *source = pm2_from(p, "restart_delay", NULL, NULL);

		delay = delay_max = ms < PM2_DAY_MS ? ms : PM2_DAY_MS;
		pm2_add_duration(p, source, "restart_delay", delay);
		pm2_add_duration(p, source, "restart_delay_max", delay);
	}
	if (pm2_get_number(p, "max_restarts", &n) && n > 0)
		import_restart_limit(p->im, p->at.app,
		    pm2_from(p, "max_restarts", "min_uptime", NULL), n > 1000 ? 1000 : (unsigned)n,
		    (unsigned long long)p->min_uptime_ms, (unsigned long long)delay,
		    (unsigned long long)delay_max);
	else if (p->cluster && pm2_is_true(pm2_get(p, "min_uptime")))
		NOTE(p, "min_uptime", "see restart_limit in brood.conf(5)",
		    "brood counts the deaths before an app was ready, however soon they come");
}

/* --- output -------------------------------------------------------------------------------- */

static bool
is_nowhere(const char *path)
{
	return path && (strcmp(path, "/dev/null") == 0 || strcmp(path, "NULL") == 0);
}

static bool
is_standard(const char *path)
{
	return strncmp(path, "/dev/std", 8) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
	       strncmp(path, "/proc/self/fd/", 14) == 0;
}

static void
log_to(struct pm2 *p, const char *name, const char *path)
{
	const char *home = import_variable(p->im, "HOME");
	struct about at = pm2_about(p, name);
	char *full;

	if (is_standard(path))
		return; /* inherit */
	full = *path == '~' && home ? import_path(home, path + 1 + (path[1] == '/'))
	                            : import_path(p->directory, path);
	if (full)
		import_log(p->im, &at, pm2_from(p, name, NULL, NULL), full);
	p->im->draft.failed |= !full;
	mem_free(full);
}

void
pm2_add_log(struct pm2 *p)
{
	const char *both =
	    json_is_string(pm2_get(p, "log_file")) ? pm2_get_text(p, "log_file") : NULL;
	const char *out = pm2_get_text(p, "out_file"), *err = pm2_get_text(p, "error_file");

	if (pm2_is_true(pm2_get(p, "disable_logs"))) {
		KEY(p, pm2_from(p, "disable_logs", NULL, NULL), "log", "none");
		return;
	}
	if (is_nowhere(out) && is_nowhere(err) && !both) {
		KEY(p, pm2_from(p, "out_file", "error_file", NULL), "log", "none");
		return;
	}
	out = is_nowhere(out) ? NULL : out;
	err = is_nowhere(err) ? NULL : err;
	if (both && !is_nowhere(both))
		log_to(p, "log_file", both);
	else if (out)
		log_to(p, "out_file", out);
	else if (err)
		log_to(p, "error_file", err);
	if (err && out && strcmp(err, out) != 0)
		NOTE(p, "error_file",
		    "take standard error apart by its label, or let the program do so",
		    "brood writes both outputs of all workers to one file, labelled by slot");
}

/* --- environment --------------------------------------------------------------------------- */

static void
add_variables(struct pm2 *p, const char *member, const json_t *object)
{
	struct about at = pm2_about(p, member);
	struct str text = {0};
	const char *name;
	json_t *v;

	if (pm2_is_given(object) && !json_is_object(object)) {
		NOTE(p, member, "write the variables into [env:NAME]", "is no object");
		return;
	}
	json_object_foreach((json_t *)object, name, v)
	{
		if (!pm2_is_given(v))
			continue;
		str_reset(&text);
		str_add(&text, "");
		pm2_add_scalar(&text, v);
		if (draft_is_text(str_text(&text), text.len) && draft_is_text(name, strlen(name)))
			draft_env(&p->im->draft, &at, name, str_text(&text));
		else
			NOTE(p, member, "set it in the program",
			    "a variable has characters that cannot be used, and is left out");
	}
	p->im->draft.failed |= str_failed(&text);
	str_free(&text);
}

/* The value that a variable has by now, as a number; 0 where it has none. */
static long long
number_of_variable(const struct pm2 *p, const char *name)
{
	const json_t *v = json_object_get(pm2_get(p, "env"), name);

	if (strcmp(name, "PORT") == 0 && pm2_is_true(pm2_get(p, "port")))
		v = pm2_get(p, "port");
	if (p->im->environment) {
		struct str member = {0};
		const json_t *other;

		str_addf(&member, "env_%s", p->im->environment);
		other = json_object_get(json_object_get(p->app, str_text(&member)), name);
		v = other ? other : v;
		str_free(&member);
	}
	return pm2_whole(v, 0);
}

/* base + slot can be written where the last digit is the slot. */
static void
add_increment(struct pm2 *p)
{
	const char *name = pm2_get_text(p, "increment_var");
	long long base = name ? number_of_variable(p, name) : 0;
	struct about at = pm2_about(p, "increment_var");
	struct str text = {0};

	if (!name)
		return;
	if (base == 0)
		draft_add_slot(&text);
	else if (base > 0 && base % 10 == 0 && p->instances >= 1 && p->instances <= 10) {
		str_addf(&text, "%lld", base / 10);
		draft_add_slot(&text);
	} else {
		draft_note(&p->im->draft, &at,
		    "let the program add BROOD_SLOT to it, or have one address for all workers",
		    "%.60s is the same for all workers: %lld; brood.conf cannot add a slot to a "
		    "number that does not end in 0, nor for more than ten workers or auto",
		    name, base);
		return;
	}
	draft_env(&p->im->draft, &at, name, str_text(&text));
	p->im->draft.failed |= str_failed(&text);
	str_free(&text);
}

static void
add_instance_var(struct pm2 *p)
{
	const char *name = pm2_get_text(p, "instance_var");
	struct about at = pm2_about(p, "instance_var");
	struct str text = {0};

	if (!name || strcmp(name, "NODE_APP_INSTANCE") == 0)
		return;
	draft_add_slot(&text);
	draft_env(&p->im->draft, &at, name, str_text(&text));
	/* Whoever renames it does so because of programs that it disturbs. */
	draft_env(&p->im->draft, &at, "NODE_APP_INSTANCE", "");
	p->im->draft.failed |= str_failed(&text);
	str_free(&text);
}

static void
add_inheritance(struct pm2 *p)
{
	const json_t *filter = pm2_get(p, "filter_env");

	if (!pm2_is_true(filter)) {
		KEY(p,
		    "PM2 passes the environment of its shell on; \"no\" is safer, once [env] has "
		    "all "
		    "that is needed",
		    "inherit_env", "yes");
		return;
	}
	KEY(p, pm2_from(p, "filter_env", NULL, NULL), "inherit_env", "no");
	if (!json_is_true(filter))
		NOTE(p, "filter_env", "name what is missing as NAME = ${NAME} in [env]",
		    "single variables cannot be kept out; only PATH, HOME, LANG and the like pass");
}

void
pm2_add_environment(struct pm2 *p)
{
	const char *member;
	struct str chosen = {0};
	long long port;
	json_t *v;

	add_inheritance(p);
	if (p->im->environment)
		str_addf(&chosen, "env_%s", p->im->environment);
	add_variables(p, "deploy", p->deploy_env);
	add_variables(p, "env", pm2_get(p, "env"));
	if (pm2_get_number(p, "port", &port) && port > 0) {
		struct about at = pm2_about(p, "port");
		char buf[32];

		(void)snprintf(buf, sizeof(buf), "%lld", port);
		draft_env(&p->im->draft, &at, "PORT", buf);
	}
	json_object_foreach((json_t *)p->app, member, v)
	{
		if (strncmp(member, "env_", 4) != 0 || pm2_find_key(member))
			continue;
		if (chosen.len && strcmp(member, chosen.data) == 0)
			add_variables(p, member, v);
		else
			NOTE(p, member, "import again with --env and its name to have them",
			    "these variables are not taken");
	}
	add_instance_var(p);
	add_increment(p);
	p->im->draft.failed |= str_failed(&chosen);
	str_free(&chosen);
}
