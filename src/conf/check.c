/*
 * check: what single values can't tell: which of them go together. Must not look at the system;
 * users, programs and ports are looked at when a generation is prepared.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/words.h"
#include "conf/internal.h"

/* Where a key was set, or its section where it was not. */
static const struct place *
place_of(const struct load *l, const struct raw_section *s, const char *key)
{
	size_t entry = s->seen[schema_find(s->kind, key)];

	return entry ? &l->raw.entries[entry - 1].value_at : &s->at;
}

static void
check_rollout(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;

	if (app->max_surge + app->max_unavailable == 0)
		load_error(l, place_of(l, s, "max_surge"),
		    "max_surge = 0 and max_unavailable = 0: no "
		    "rollout could take its first step; set one of them to 1");
	if (app->restart_delay_ms > app->restart_delay_max_ms)
		load_error(l, place_of(l, s, "restart_delay"),
		    "restart_delay is longer than "
		    "restart_delay_max; lower it or raise the other");
}

/* What it listens on is known when it asks. Whether a script is one of Node's shows when it is
 * prepared; here its name has to do. */
static bool
may_ask_itself(const struct conf_app *app)
{
	static const char *const ends[] = {"node", "nodejs", ".js", ".mjs", ".cjs", ".ts"};
	const char *name = app->argv && app->argv[0] ? app->argv[0] : "";
	size_t len;

	if (app->take != TAKE_AUTO || app->compat == COMPAT_EINHORN ||
	    app->compat == COMPAT_SERVER_STARTER)
		return app->take == TAKE_NODE;
	name = path_base(name);
	len = strlen(name);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = strlen(ends[i]);

		if (ends[i][0] == '.' ? len > n && strcmp(name + len - n, ends[i]) == 0
		                      : strcmp(name, ends[i]) == 0)
			return true;
	}
	return false;
}

/* Descriptors of a worker: 0 to 2, its listeners from 3 on, then what is left: the channel, and
 * the one for readiness. */
static void
check_ready(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;
	int first = 3 + (may_ask_itself(app) ? 1 : (int)app->listen_len);

	if (app->ready == READY_DELAY && app->ready_delay_ms > app->ready_timeout_ms)
		load_error(l, place_of(l, s, "ready"),
		    "ready = delay is longer than ready_timeout; "
		    "raise ready_timeout");
	if (app->ready != READY_FD)
		return;
	if (app->ready_fd < 3)
		load_error(l, place_of(l, s, "ready"),
		    "ready = fd:%d: 0, 1 and 2 are the standard "
		    "descriptors; write fd:%d",
		    app->ready_fd, first);
	else if (app->ready_fd < first)
		load_error(l, place_of(l, s, "ready"),
		    "ready = fd:%d: %s of the worker has that number; write fd:%d",
		    app->ready_fd, may_ask_itself(app) ? "the channel" : "a listener", first);
}

static size_t
count_listeners(const struct conf_app *app, enum conf_listen_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < app->listen_len; i++)
		n += app->listen[i].kind == kind;
	return n;
}

/* even is the default, and so says nothing about what there is to listen on. */
static void
check_listeners(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;
	size_t tcp = count_listeners(app, LISTEN_TCP);

	if ((app->balance == BALANCE_KERNEL || app->balance == BALANCE_STICKY ||
	        app->balance == BALANCE_CPU) &&
	    tcp == 0 && !may_ask_itself(app))
		load_error(l, place_of(l, s, "balance"),
		    "balance = %s is for TCP, and [%s] has no "
		    "TCP address; write balance = shared",
		    conf_balance_to_string(app->balance), s->text);
	if (app->balance == BALANCE_DISPATCH && tcp + count_listeners(app, LISTEN_UNIX) == 0 &&
	    !may_ask_itself(app))
		load_error(l, place_of(l, s, "balance"),
		    "balance = dispatch hands over connections, and [%s] has no address that "
		    "takes any; add a listen, TCP or UNIX",
		    s->text);
	if (app->take == TAKE_STDIN && app->listen_len == 0)
		load_error(l, place_of(l, s, "take"),
		    "take = stdin, but [%s] has no listen; add one", s->text);
	else if (app->take == TAKE_STDIN && app->balance == BALANCE_DISPATCH)
		load_error(l, place_of(l, s, "take"),
		    "take = stdin, but with balance = dispatch workers get connections over their "
		    "channel, and no listener; write take = fds");
	if (app->take == TAKE_BIND && app->listen_len == 0)
		load_error(l, place_of(l, s, "take"),
		    "take = bind gives the program the sockets of listen, and [%s] has none; add the "
		    "address that the program binds",
		    s->text);
	else if (app->take == TAKE_BIND && app->balance == BALANCE_DISPATCH)
		load_error(l, place_of(l, s, "take"),
		    "take = bind is for programs that accept for themselves, and with balance = "
		    "dispatch the master does; write balance = even");
}

/* What needs a connection of the master's own to one given worker. */
static void
check_addressable(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;
	bool steered = app->balance == BALANCE_EVEN || app->balance == BALANCE_STICKY ||
	               app->balance == BALANCE_CPU;
	const struct {
		bool wanted;
		const char *key, *value;
	} users[] = {{app->ready == READY_TCP, "ready", "tcp"},
	    {app->ready == READY_HTTP, "ready", "http:/path"},
	    {app->probe_path != NULL, "probe", "http:/path"},
	    {app->drain == DRAIN_QUIET, "drain", "quiet"}};

	if (steered && (count_listeners(app, LISTEN_TCP) > 0 || may_ask_itself(app)))
		return;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		if (users[i].wanted)
			load_error(l, place_of(l, s, users[i].key),
			    "%s = %s needs a worker that can be addressed: balance = even, sticky "
			    "or cpu and a TCP listen",
			    users[i].key, users[i].value);
	}
}

/* Keys that are for programs of one kind. */
static void
check_kind(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;

	if (app->spares > 0 && app->take != TAKE_AUTO && app->take != TAKE_NODE)
		load_error(l, place_of(l, s, "spares"),
		    "spares are for take = node, whose workers ask before they listen; remove it");
	if (app->compat == COMPAT_PM2 && app->take != TAKE_AUTO && app->take != TAKE_NODE &&
	    app->take != TAKE_FDS)
		load_error(l, place_of(l, s, "compat"),
		    "compat = pm2 is for take = node or fds; remove one of the two");
	if (app->take != TAKE_AUTO && app->take != TAKE_FDS && app->take != TAKE_STDIN &&
	    (app->compat == COMPAT_EINHORN || app->compat == COMPAT_SERVER_STARTER))
		load_error(l, place_of(l, s, "compat"),
		    "compat = %s is for take = fds or stdin; remove one of the two",
		    app->compat == COMPAT_EINHORN ? "einhorn" : "server-starter");
}

static void
check_stall(struct load *l, const struct raw_section *s)
{
	const struct conf_app *app = s->app;

	if (app->watchdog_ms > 0 && app->watchdog_ms <= app->stall_after_ms)
		load_error(l, place_of(l, s, "watchdog"),
		    "watchdog is no longer than stall_after; raise it, 10s for instance");
}

/* "web.2" is slot 2 of web on the command line. */
static void
check_name(struct load *l, const struct raw_section *s)
{
	const char *name = s->app->name, *dot = strrchr(name, '.');
	uint64_t slot;

	if (!dot || units_parse_uint(dot + 1, CONF_WORKERS_MAX, &slot))
		return;
	for (size_t i = 0; i < l->conf->apps_len; i++) {
		const char *other = l->conf->apps[i]->name;

		if (strlen(other) == (size_t)(dot - name) &&
		    strncmp(other, name, (size_t)(dot - name)) == 0)
			load_error(l, &s->at,
			    "[%s] could be taken for slot %s of [app:%s]; give it another "
			    "name",
			    s->text, dot + 1, other);
	}
}

void
check_conf(struct load *l)
{
	const struct place whole = {.file = l->raw.files[0]};
	size_t apps = 0;

	for (size_t i = 0; i < l->raw.sections_len; i++) {
		const struct raw_section *s = &l->raw.sections[i];

		/* A section that could not be read was complained of, and meant to be one. */
		apps += s->kind == SECTION_APP || s->kind == SECTION_BAD;
		if (s->kind != SECTION_APP)
			continue;
		check_name(l, s);
		check_listeners(l, s);
		check_addressable(l, s);
		check_kind(l, s);
		check_stall(l, s);
		check_ready(l, s);
		check_rollout(l, s);
	}
	if (apps == 0)
		load_error(
		    l, &whole, "has no [app:NAME] section, so there is nothing to run; add one");
}
