/*
 * params: see the header. Refusing costs nothing that lasts; nothing else is done here.
 */
#include "ctl/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/units.h"
#include "core/cluster.h"
#include "ipc/msg.h"

#define LINES_DEFAULT 100
#define LINES_MAX     1000000
#define PATH_LEN_MAX  1024
#define TIMEOUT_MAX   (3600 * 1000)

/* Copies whole characters only, so that a cut text is still one: JSON takes no other. */
static bool
copy_characters(char *buf, size_t size, const char *text)
{
	size_t left = strlen(text), used = 0;

	while (left > 0) {
		size_t n = utf8_sequence(text, left);

		if (used + (n > 0 ? n : 1) >= size)
			break;
		if (n > 0) {
			memcpy(buf + used, text, n);
		} else {
			buf[used] = '?';
			n = 1;
		}
		used += n;
		text += n;
		left -= n;
	}
	buf[used] = '\0';
	return left == 0;
}

bool
call_refuse(struct call *call, int code, const char *fmt, ...)
{
	struct str text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	call->plan->outcome = CTL_REFUSE;
	call->plan->code = code;
	(void)copy_characters(call->plan->message, sizeof(call->plan->message), str_text(&text));
	str_free(&text);
	return false;
}

/* A word that a client chose, fit to be shown in a message. */
const char *
call_shown(const char *word, char buf[SHOWN_MAX + 4])
{
	struct str s = {0};

	str_add_escaped(&s, word, strnlen(word, SHOWN_MAX + 4));
	if (!copy_characters(buf, SHOWN_MAX + 1, str_text(&s)))
		(void)strcat(buf, "...");
	str_free(&s);
	return buf;
}

const json_t *
call_param(const struct call *call, const char *name)
{
	const json_t *v = json_object_get(call->params, name);

	return json_is_null(v) ? NULL : v;
}

bool
call_take_bool(struct call *call, const char *name, bool standard, bool *ret)
{
	const json_t *v = call_param(call, name);

	if (v != NULL && !json_is_boolean(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "%s: must be true or false", name);
	*ret = v != NULL ? json_is_true(v) : standard;
	return true;
}

bool
call_take_lines(struct call *call)
{
	const json_t *v = call_param(call, "lines");
	json_int_t n = LINES_DEFAULT;

	if (v != NULL && !json_is_integer(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "lines: must be a whole number");
	if (v != NULL)
		n = json_integer_value(v);
	if (n < 0 || n > LINES_MAX)
		return call_refuse(call, RPC_INVALID_PARAMS, "lines: must be 0 to %d", LINES_MAX);
	call->plan->lines = (uint64_t)n;
	return true;
}

/* `no app "wbe": did you mean "web"?`, or which apps there are. */
static bool
refuse_app(struct call *call, const char *word)
{
	const char *names[64] = {NULL}, *nearest;
	char buf[SHOWN_MAX + 4];
	struct str all = {0};
	size_t n = 0;

	for (const struct app *a = call->ctx->core->apps; a != NULL && n < 64; a = a->next) {
		names[n++] = a->name;
		str_addf(&all, "%s%s", all.len > 0 ? ", " : "", a->name);
	}
	nearest = str_nearest(word, names, n);
	if (nearest != NULL)
		call_refuse(call, RPC_FAILED, "no app \"%s\": did you mean \"%s\"?",
		    call_shown(word, buf), nearest);
	else if (n > 0)
		call_refuse(call, RPC_FAILED, "no app \"%s\": there %s %s", call_shown(word, buf),
		    n == 1 ? "is only" : "are", str_text(&all));
	else
		call_refuse(
		    call, RPC_FAILED, "no app \"%s\": there are no apps", call_shown(word, buf));
	str_free(&all);
	return false;
}

/* The parameter app. Without it, and not required: plan->app stays empty, call->app NULL. */
bool
call_take_app(struct call *call, bool required)
{
	const json_t *v = call_param(call, "app");

	if (v == NULL && required)
		return call_refuse(call, RPC_INVALID_PARAMS, "app: is missing");
	if (v == NULL)
		return true;
	if (!json_is_string(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "app: must be a string");
	call->app = core_find_app(call->ctx->core, json_string_value(v));
	if (call->app == NULL)
		return refuse_app(call, json_string_value(v));
	(void)snprintf(call->plan->app, sizeof(call->plan->app), "%s", call->app->name);
	return true;
}

/* An app that can be told something: not one that leaves with its configuration. */
bool
call_take_living_app(struct call *call, bool required)
{
	if (!call_take_app(call, required))
		return false;
	if (call->app != NULL && call->app->wanted == APP_GO)
		return call_refuse(call, RPC_FAILED, "%s: is being removed", call->app->name);
	return true;
}

/* The parameter slot of call->app, or the number of a worker that has one beyond the slots; -1 when it
 * is left out. */
bool
call_take_slot(struct call *call, bool required)
{
	const json_t *v = call_param(call, "slot");
	const struct app *a = call->app;

	if (v == NULL && required)
		return call_refuse(call, RPC_INVALID_PARAMS, "slot: is missing");
	if (v == NULL)
		return true;
	if (a == NULL)
		return call_refuse(call, RPC_INVALID_PARAMS, "slot: needs app, too");
	if (!json_is_integer(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "slot: must be a whole number");
	if (a->slots_len == 0)
		return call_refuse(call, RPC_FAILED, "%s: has no workers", a->name);
	if (json_integer_value(v) < 0 || json_integer_value(v) > CONF_WORKERS_MAX ||
	    app_find_place(a, (unsigned)json_integer_value(v)) == NULL)
		return call_refuse(call, RPC_FAILED, "no slot %lld in \"%s\": it has %s%u",
		    (long long)json_integer_value(v), a->name,
		    a->slots_len == 1 ? "only " : "0 to ", a->slots_len - 1);
	call->plan->slot = (int)json_integer_value(v);
	return true;
}

bool
call_take_signal(struct call *call, const char *standard, int *ret)
{
	const json_t *v = call_param(call, "signal");
	char number[24], buf[SHOWN_MAX + 4];
	const char *text = standard;

	if (json_is_integer(v)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		text = number;
	} else if (v != NULL) {
		if (!json_is_string(v))
			return call_refuse(
			    call, RPC_INVALID_PARAMS, "signal: must be a name or a number");
		text = json_string_value(v);
	}
	if (text == NULL)
		return call_refuse(call, RPC_INVALID_PARAMS, "signal: is missing");
	*ret = signal_from_string(text);
	if (*ret <= 0)
		return call_refuse(
		    call, RPC_USAGE, "signal: no signal \"%s\"", call_shown(text, buf));
	return true;
}

/* "4", "+1", "-2" or 4 of an app that wants `present`. */
bool
call_take_workers(struct call *call, unsigned present, unsigned *ret)
{
	const json_t *v = call_param(call, "workers");
	char buf[SHOWN_MAX + 4];
	const char *text;
	uint64_t n;

	if (v == NULL)
		return call_refuse(call, RPC_INVALID_PARAMS, "workers: is missing");
	if (json_is_integer(v)) {
		json_int_t count = json_integer_value(v);

		if (count < 0 || count > CONF_WORKERS_MAX)
			return call_refuse(
			    call, RPC_USAGE, "workers: must be 0 to %d", CONF_WORKERS_MAX);
		*ret = (unsigned)count;
		return true;
	}
	if (!json_is_string(v))
		return call_refuse(
		    call, RPC_INVALID_PARAMS, "workers: must be N, \"+N\" or \"-N\"");
	text = json_string_value(v);
	if (units_parse_uint(text + (*text == '+' || *text == '-'), CONF_WORKERS_MAX, &n) < 0)
		return call_refuse(call, RPC_USAGE,
		    "workers: \"%s\" is not N, +N or -N with N up to %d", call_shown(text, buf),
		    CONF_WORKERS_MAX);
	if (*text == '-' && n > present)
		return call_refuse(call, RPC_USAGE, "workers: %s is more than the %u that %s has",
		    text, present, call->app->name);
	if (*text == '+' && n + present > CONF_WORKERS_MAX)
		return call_refuse(call, RPC_USAGE, "workers: %u%s is more than %d", present, text,
		    CONF_WORKERS_MAX);
	*ret = *text == '+'   ? present + (unsigned)n
	       : *text == '-' ? present - (unsigned)n
	                      : (unsigned)n;
	return true;
}

bool
call_take_path(struct call *call, const char *standard)
{
	const json_t *v = call_param(call, "path");
	const char *path = standard != NULL ? standard : "/";
	size_t n = 0;

	if (v != NULL && !json_is_string(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "path: must be a string");
	if (v != NULL)
		path = json_string_value(v);
	while (path[n] > ' ' && path[n] < 0x7f)
		n++;
	if (path[0] != '/' || path[n] != '\0')
		return call_refuse(call, RPC_USAGE,
		    "path: must begin with a slash, and hold printable ASCII without blanks only");
	if (n > PATH_LEN_MAX)
		return call_refuse(
		    call, RPC_USAGE, "path: is longer than %d characters", PATH_LEN_MAX);
	call->plan->path = path;
	return true;
}

bool
call_take_timeout(struct call *call, uint64_t standard_ms)
{
	const json_t *v = call_param(call, "timeout_ms");

	if (v != NULL && !json_is_integer(v))
		return call_refuse(call, RPC_INVALID_PARAMS, "timeout_ms: must be a whole number");
	if (v != NULL && (json_integer_value(v) < 1 || json_integer_value(v) > TIMEOUT_MAX))
		return call_refuse(call, RPC_USAGE, "timeout_ms: must be 1 to %d", TIMEOUT_MAX);
	call->plan->timeout_ms = v != NULL ? (uint64_t)json_integer_value(v) : standard_ms;
	return true;
}
