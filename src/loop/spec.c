/*
 * spec: one worker out of a launch: its words, variables, descriptors and limits. What is handed
 * out lives until the next worker's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/dialect.h"
#include "loop/launch.h"
#include "loop/libexec.h"
#include "loop/loop.h"
#include "loop/prepared.h"

#define PID_ROOM    11 /* digits of a pid and the terminator */
#define WORKER_VARS 24 /* variables that tell workers of a generation apart */

void
scratch_reset(struct scratch *s)
{
	for (size_t i = 0; s->argv && s->argv[i]; i++)
		free(s->argv[i]);
	mem_free(s->argv);
	for (size_t i = 0; i < s->own_vars_len; i++)
		mem_free(s->own_vars[i]);
	mem_free(s->own_vars);
	mem_free(s->envp);
	mem_free(s->fds);
	*s = (struct scratch){0};
}

static int
fill_argv(struct scratch *s, const struct launch *la, unsigned slot, unsigned generation)
{
	size_t n = 0;

	while (la->argv[n])
		n++;
	s->argv = mem_calloc(n + 1, sizeof(*s->argv));
	if (!s->argv)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		s->argv[i] = conf_expand_worker(la->argv[i], la->app->name, slot, generation);
		if (!s->argv[i])
			return -ENOMEM;
	}
	return 0;
}

/* balance = dispatch: connections come over the channel, what has none comes as ever. Programs of
 * Node's ask for all. */
bool
launch_is_inherited(const struct launch *la, size_t listener)
{
	if (la->take == TAKE_NODE)
		return false;
	return la->app->balance != BALANCE_DISPATCH || la->listen[listener]->kind == LISTEN_UDP;
}

/* 0..2, the slot's listeners, the channel, the descriptor for readiness; a gap before the last
 * one is filled with /dev/null. Returns the number of the channel. */
static int
fill_fds(struct launch_table *t, const struct launch *la, const struct launch_worker *w, int *ret_len)
{
	size_t listeners = la->listeners_len;
	int wanted = w->ready_fd >= 0 ? la->app->ready_fd : -1;
	int channel, n = 3;
	int *fds;

	fds = t->scratch.fds =
	    mem_calloc(listeners + 5 + (wanted > 0 ? (size_t)wanted : 0), sizeof(int));
	if (!fds)
		return -ENOMEM;
	fds[0] = t->null_fd;
	if (la->take == TAKE_STDIN && listeners > 0)
		fds[0] = listener_fd(la->listeners[0], w->slot, w->seat);
	fds[1] = w->out_fd;
	fds[2] = w->err_fd;
	for (size_t i = 0; i < listeners; i++)
		if (launch_is_inherited(la, i))
			fds[n++] = listener_fd(la->listeners[i], w->slot, w->seat);
	/* Node closes a low descriptor at its own exec, and no other. */
	if (n == wanted && la->take != TAKE_NODE)
		fds[n++] = w->ready_fd;
	channel = n;
	fds[n++] = w->channel_fd;
	while (wanted >= n)
		fds[n] = n == wanted ? w->ready_fd : t->null_fd, n++;
	*ret_len = n;
	return channel;
}

static void add_var(struct scratch *s, size_t room, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* room: bytes to spare behind the text. A failure shows as a missing string. */
static void
add_var(struct scratch *s, size_t room, const char *fmt, ...)
{
	va_list ap;
	int len;
	char *text;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = mem_calloc(1, (size_t)len + 1 + room);
	if (text) {
		va_start(ap, fmt);
		vsnprintf(text, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	s->own_vars[s->own_vars_len++] = text;
}

/* The child writes its own pid there. NULL without memory, which fill_envp() finds, too. */
static char *
add_pid_var(struct scratch *s, const char *name)
{
	add_var(s, PID_ROOM, "%s=", name);
	return s->own_vars[s->own_vars_len - 1]
	           ? s->own_vars[s->own_vars_len - 1] + strlen(name) + 1
	           : NULL;
}

/* Programs of Node's ask, and what binds for itself shall do so. */
static bool
has_listen_vars(const struct launch *la)
{
	return la->take != TAKE_NODE && la->take != TAKE_BIND;
}

static void
add_listener_vars(struct scratch *s, const struct launch *la, struct spawn_spec *spec)
{
	struct str names = {0};
	uint16_t port = 0;
	size_t n = 0;

	for (size_t i = 0; i < la->listeners_len; i++) {
		if (launch_is_inherited(la, i))
			str_addf(&names, "%s%s", n++ > 0 ? ":" : "", la->listen[i]->name);
		if (port == 0 && la->listen[i]->kind == LISTEN_TCP)
			port = la->listeners[i]->port;
	}
	if (has_listen_vars(la)) {
		spec->listen_pid = add_pid_var(s, "LISTEN_PID");
		add_var(s, 0, "LISTEN_FDS=%zu", n);
		add_var(s, 0, "LISTEN_FDNAMES=%s", str_text(&names));
	}
	str_free(&names);
	if (port != 0 && !la->own_port)
		add_var(s, 0, "PORT=%u", (unsigned)port);
}

/* A variable of the configuration that may hold %(slot) and the like; NULL: pass it as it is. */
static const struct conf_env *
needs_expansion(const struct launch *la, const char *var)
{
	for (size_t i = 0; strchr(var, '%') && i < la->app->env_len; i++) {
		const struct conf_env *c = &la->app->env[i];
		size_t len = strlen(c->name);

		if (strncmp(var, c->name, len) == 0 && var[len] == '=')
			return strchr(c->value, '%') ? c : NULL;
	}
	return NULL;
}

static void
add_expanded_vars(struct scratch *s, const struct launch *la, unsigned slot, unsigned generation)
{
	for (size_t i = 0; i < la->env.len; i++) {
		const struct conf_env *c = needs_expansion(la, la->env.vars[i]);
		char *value;

		if (!c)
			continue;
		value = conf_expand_worker(c->value, la->app->name, slot, generation);
		if (value)
			add_var(s, 0, "%s=%s", c->name, value);
		else
			s->own_vars[s->own_vars_len++] = NULL;
		free(value);
	}
}

/* The variable of that name (as far as its =) that is made for the worker. */
static char **
find_own(const struct scratch *s, const char *var)
{
	size_t len = strcspn(var, "=");

	for (size_t i = 0; i < s->own_vars_len; i++)
		if (s->own_vars[i] && strncmp(s->own_vars[i], var, len) == 0 &&
		    s->own_vars[i][len] == '=')
			return &s->own_vars[i];
	return NULL;
}

/* A list of which the configuration may have a part: ours comes before or after that. */
static void
add_to_list(struct scratch *s, const struct launch *la, const char *name, const char *before,
    const char *separator, const char *after)
{
	char **own = find_own(s, name), *old = own ? *own : NULL;
	const char *theirs = old ? old + strlen(name) + 1 : environment_get(&la->env, name);

	add_var(s, 0, "%s=%s%s%s%s", name, before, theirs ? theirs : "",
	    theirs && theirs[0] ? separator : "", after);
	if (!own)
		return;
	*own = s->own_vars[--s->own_vars_len];
	mem_free(old);
}

/* What drains keep-alive connections: a word of NODE_OPTIONS, in the quotes that Node takes. Node does
 * not start with one that it can't read. */
static void
add_preload(struct scratch *s, const struct launch *la)
{
	struct str path = {0}, word = {0};
	const char *file;

	if (la->take != TAKE_NODE || !la->app->node_preload)
		return;
	file = launch_libexec("node-preload.cjs", &path);
	if (!str_failed(&path) && access(file, R_OK) != 0) {
		str_free(&path);
		return;
	}
	str_add(&word, "--require=\"");
	for (const char *c = file; *c; c++) {
		if (*c == '"' || *c == '\\')
			str_add_char(&word, '\\');
		str_add_char(&word, *c);
	}
	str_add_char(&word, '"');
	add_to_list(s, la, "NODE_OPTIONS", "", " ", str_text(&word));
	if (str_failed(&path) || str_failed(&word))
		s->own_vars[s->own_vars_len++] = NULL; /* shows as a failure */
	str_free(&path);
	str_free(&word);
}

static void
add_address(struct str *out, const struct conf_listen *c, uint16_t port)
{
	if (c->kind != LISTEN_UNIX) {
		str_addf(out, strchr(c->host, ':') ? "%s:[%s]:%u" : "%s:%s:%u",
		    c->kind == LISTEN_UDP ? "udp" : "tcp", c->host, (unsigned)port);
		if (c->as != 0)
			str_addf(out, "?as=%u", (unsigned)c->as);
		return;
	}
	str_add(out, "unix:");
	for (const char *at = c->path; *at != '\0'; at++) {
		if (strchr("%;", *at))
			str_addf(out, "%%%02X", (unsigned)(unsigned char)*at);
		else
			str_add_char(out, *at);
	}
}

/* What brood-bind.so gives to whoever binds it: see bind/bind.h. The numbers have the room that it
 * needs to write others. */
static void
add_binder(struct scratch *s, const struct launch *la, int channel)
{
	struct str text = {0}, module = {0};
	int fd = 3;

	if (la->take != TAKE_BIND)
		return;
	for (size_t i = 0; i < la->listeners_len; i++) {
		str_addf(&text, "%04d=", fd++);
		add_address(&text, la->listen[i], la->listeners[i]->port);
		str_add_char(&text, ';');
	}
	str_addf(&text, "%04d=channel", channel);
	add_var(s, 0, "BROOD_BIND=%s", str_text(&text));
	(void)launch_libexec("brood-bind.so", &module);
	str_add_char(&module, ':');
	add_to_list(s, la, "LD_PRELOAD", str_text(&module), "", "");
	if (str_failed(&text) || str_failed(&module))
		s->own_vars[s->own_vars_len++] = NULL; /* shows as a failure */
	str_free(&text);
	str_free(&module);
}

static int
fill_envp(struct scratch *s, const struct launch *la)
{
	size_t n = 0;

	s->envp = mem_calloc(la->env.len + s->own_vars_len + 1, sizeof(*s->envp));
	if (!s->envp)
		return -ENOMEM;
	for (size_t i = 0; i < s->own_vars_len; i++) {
		if (!s->own_vars[i])
			return -ENOMEM;
		s->envp[n++] = s->own_vars[i];
	}
	for (size_t i = 0; i < la->env.len; i++)
		if (!find_own(s, la->env.vars[i]))
			s->envp[n++] = la->env.vars[i];
	return 0;
}

static void
add_brood_vars(struct scratch *s, const struct launch *la, const struct launch_worker *w, int channel)
{
	add_var(s, 0, "BROOD_APP=%s", la->app->name);
	add_var(s, 0, "BROOD_SLOT=%u", w->slot);
	add_var(s, 0, "BROOD_WORKERS=%u", w->workers);
	add_var(s, 0, "BROOD_GENERATION=%u", w->generation);
	add_var(s, 0, "BROOD_CHANNEL_FD=%d", channel);
	if (la->app->balance == BALANCE_DISPATCH)
		add_var(s, 0, "BROOD_DISPATCH=1");
	if (!la->own_instance)
		add_var(s, 0, "NODE_APP_INSTANCE=%u", w->slot);
}

static void
add_notify_vars(struct scratch *s, const struct launch *la, const struct launch_worker *w,
    struct spawn_spec *spec)
{
	uint64_t watchdog_ms = la->app->watchdog_ms;

	if (!w->notify_path)
		return;
	add_var(s, 0, "NOTIFY_SOCKET=%s", w->notify_path);
	if (watchdog_ms == 0)
		return;
	add_var(s, 0, "WATCHDOG_USEC=%llu", (unsigned long long)watchdog_ms * 1000);
	spec->watchdog_pid = add_pid_var(s, "WATCHDOG_PID");
}

/* Node's own primary says it so. The id is never used again, as there. */
static void
add_node_vars(struct scratch *s, const struct launch *la, unsigned worker, int channel)
{
	if (la->take != TAKE_NODE)
		return;
	add_var(s, 0, "NODE_CHANNEL_FD=%d", channel);
	add_var(s, 0, "NODE_CHANNEL_SERIALIZATION_MODE=json");
	add_var(s, 0, "NODE_UNIQUE_ID=%u", worker);
}

static int
add_dialect_vars(struct loop *l, const struct launch *la, const struct launch_worker *w, int channel)
{
	struct scratch *s = &l->launches->scratch;
	struct environment vars = {0};
	struct dialect d = {.launch = la, .worker = w, .argv = s->argv, .channel = channel};
	int r = 0;

	if (la->app->compat == COMPAT_PM2)
		r = dialect_number(&l->launches->numbers, la->conf, l->ctl.cpus, la->app->name,
		    w->slot, &d.number);
	if (r == 0)
		r = dialect_vars(&d, &vars);
	for (size_t i = 0; r == 0 && i < vars.len; i++) {
		s->own_vars[s->own_vars_len++] = vars.vars[i];
		vars.vars[i] = NULL;
	}
	environment_done(&vars);
	return r;
}

static cpu_set_t
pick_cpus(const struct launch *la, unsigned slot)
{
	unsigned nth = slot % (unsigned)CPU_COUNT(&la->cpus);
	cpu_set_t one;

	if (strcmp(la->app->cpu_affinity, "auto") != 0)
		return la->cpus;
	CPU_ZERO(&one);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &la->cpus) || nth-- > 0)
			continue;
		CPU_SET(cpu, &one);
		break;
	}
	return one;
}

static void
fill_limits(const struct loop *l, const struct launch *la, unsigned slot, struct spawn_spec *spec)
{
	const struct conf_app *app = la->app;

	spec->change_user = la->change_user;
	if (la->change_user) {
		spec->uid = la->user.uid;
		spec->gid = la->user.gid;
		spec->groups = la->user.groups;
		spec->groups_len = la->user.groups_len;
	}
	/* Ours is for our own files; the program's is the launcher's, as without brood. */
	spec->umask = app->umask >= 0 ? app->umask : (int)l->options.umask;
	spec->limit_nofile = app->limit_nofile;
	spec->limit_core = app->limit_core;
	spec->nice = app->nice;
	spec->oom_score_adj = app->oom_score_adj;
	spec->no_new_privs = app->no_new_privs;
	spec->death_signal = app->stop_signal;
	spec->set_affinity = app->cpu_affinity != NULL;
	if (spec->set_affinity)
		spec->affinity = pick_cpus(la, slot);
}

int
launch_fill_spec(struct loop *l, struct launch *la, const struct launch_worker *w, struct spawn_spec *ret)
{
	struct scratch *s = &l->launches->scratch;
	struct spawn_spec spec = {0};
	int channel, r;

	scratch_reset(s);
	channel = fill_fds(l->launches, la, w, &spec.fds_len);
	if (channel < 0)
		return channel;
	r = fill_argv(s, la, w->slot, w->generation);
	if (r < 0)
		return r;
	s->own_vars = mem_calloc(WORKER_VARS + DIALECT_VARS_MAX + la->app->env_len, sizeof(*s->own_vars));
	if (!s->own_vars)
		return -ENOMEM;
	add_listener_vars(s, la, &spec);
	add_brood_vars(s, la, w, channel);
	add_notify_vars(s, la, w, &spec);
	add_node_vars(s, la, w->worker, channel);
	r = add_dialect_vars(l, la, w, channel);
	if (r < 0)
		return r;
	add_expanded_vars(s, la, w->slot, w->generation);
	add_preload(s, la);
	add_binder(s, la, channel);
	r = fill_envp(s, la);
	if (r < 0)
		return r;
	fill_limits(l, la, w->slot, &spec);
	spec.path = la->program;
	spec.argv = s->argv;
	spec.envp = s->envp;
	spec.directory = la->directory;
	spec.fds = s->fds;
	*ret = spec;
	return 0;
}
