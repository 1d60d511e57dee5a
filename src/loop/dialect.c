/*
 * dialect: see the header. Each of these masters passes numbers of descriptors in variables of its
 * own; what they mean is in brood.conf(5), compat.
 */
#include "loop/dialect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"
#include "loop/launch.h"
#include "loop/prepared.h"

/* --- numbers ------------------------------------------------------------------------------- */

static int
number_add(struct dialect_numbers *t, const char *app, unsigned slot)
{
	char *name = mem_strdup(app);
	struct dialect_slot *items = t->items;
	size_t cap = t->cap ? 2 * t->cap : 16;

	if (name && t->len == t->cap) {
		items = mem_realloc(items, cap * sizeof(*items));
		if (items) {
			t->items = items;
			t->cap = cap;
		}
	}
	if (!name || !items) {
		mem_free(name);
		return -ENOMEM;
	}
	t->items[t->len++] = (struct dialect_slot){.app = name, .slot = slot};
	return 0;
}

static int
number_find(struct dialect_numbers *t, const char *app, unsigned slot, unsigned *ret)
{
	for (size_t i = 0; i < t->len; i++) {
		if (t->items[i].slot != slot || strcmp(t->items[i].app, app) != 0)
			continue;
		*ret = (unsigned)i;
		return 0;
	}
	return -ENOENT;
}

int
dialect_number(struct dialect_numbers *t, const struct conf *conf, unsigned cpus, const char *app,
    unsigned slot, unsigned *ret)
{
	int r = number_find(t, app, slot, ret);

	for (size_t i = 0; r == -ENOENT && i < conf->apps_len; i++) {
		const struct conf_app *a = conf->apps[i];
		unsigned number;

		for (unsigned k = 0; k < conf_app_workers(a, cpus); k++)
			if (number_find(t, a->name, k, &number) != 0 &&
			    number_add(t, a->name, k) != 0)
				return -ENOMEM;
	}
	if (r == -ENOENT)
		r = number_find(t, app, slot, ret);
	if (r == -ENOENT && (r = number_add(t, app, slot)) == 0)
		*ret = (unsigned)t->len - 1;
	return r;
}

void
dialect_numbers_done(struct dialect_numbers *t)
{
	for (size_t i = 0; i < t->len; i++)
		mem_free(t->items[i].app);
	mem_free(t->items);
	*t = (struct dialect_numbers){0};
}

/* --- what all have in common --------------------------------------------------------------- */

static bool
is_named(const struct conf_app *app, const char *name)
{
	for (size_t i = 0; i < app->env_len; i++)
		if (strcmp(app->env[i].name, name) == 0)
			return true;
	return false;
}

static void set(const struct dialect *d, struct environment *ret, const char *name, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

static void
set(const struct dialect *d, struct environment *ret, const char *name, const char *fmt, ...)
{
	struct str value = {0};
	va_list ap;

	if (is_named(d->launch->app, name))
		return;
	va_start(ap, fmt);
	str_vaddf(&value, fmt, ap);
	va_end(ap);
	environment_set(ret, name, str_text(&value));
	ret->failed |= str_failed(&value);
	str_free(&value);
}

/* The next listener that the worker inherits, from *at on; its number goes up from 3. False: none. */
static bool
next_listener(const struct launch *la, size_t *at)
{
	while (*at < la->listeners_len && !launch_is_inherited(la, *at))
		++*at;
	return *at < la->listeners_len;
}

/* --- Einhorn ------------------------------------------------------------------------------- */

static const char *
family_of(int fd)
{
	int domain = AF_INET;
	socklen_t len = sizeof(domain);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain == AF_UNIX ? "AF_UNIX" : domain == AF_INET6 ? "AF_INET6" : "AF_INET";
}

static void
set_einhorn(const struct dialect *d, struct environment *ret)
{
	const struct launch *la = d->launch;
	struct str all = {0};
	char name[32];
	unsigned n = 0;

	for (size_t i = 0; next_listener(la, &i); i++, n++) {
		int fd = listener_fd(la->listeners[i], d->worker->slot, d->worker->seat);

		(void)snprintf(name, sizeof(name), "EINHORN_FD_%u", n);
		set(d, ret, name, "%u", n + 3);
		(void)snprintf(name, sizeof(name), "EINHORN_FD_FAMILY_%u", n);
		set(d, ret, name, "%s", family_of(fd));
		str_addf(&all, "%s%u", n > 0 ? " " : "", n + 3);
	}
	set(d, ret, "EINHORN_FD_COUNT", "%u", n);
	set(d, ret, "EINHORN_FDS", "%s", str_text(&all));
	set(d, ret, "EINHORN_CHILD_INDEX", "%u", d->worker->slot);
	set(d, ret, "EINHORN_MASTER_PID", "%d", (int)getpid());
	set(d, ret, "EINHORN_SOCK_FD", "%d", d->channel);
	if (d->worker->einhorn_path)
		set(d, ret, "EINHORN_SOCK_PATH", "%s", d->worker->einhorn_path);
	ret->failed |= str_failed(&all);
	str_free(&all);
}

/* --- Server::Starter ----------------------------------------------------------------------- */

static void
add_port(struct str *out, const struct conf_listen *c, uint16_t port)
{
	if (c->kind == LISTEN_UNIX)
		str_add(out, c->path);
	else if (strcmp(c->host, "*") == 0)
		str_addf(out, "%u", (unsigned)port);
	else
		str_addf(out, strchr(c->host, ':') ? "[%s]:%u" : "%s:%u", c->host, (unsigned)port);
}

static void
set_server_starter(const struct dialect *d, struct environment *ret)
{
	const struct launch *la = d->launch;
	struct str ports = {0};
	unsigned n = 0;

	for (size_t i = 0; next_listener(la, &i); i++, n++) {
		str_add(&ports, n > 0 ? ";" : "");
		add_port(&ports, la->listen[i], la->listeners[i]->port);
		str_addf(&ports, "=%u", n + 3);
	}
	set(d, ret, "SERVER_STARTER_PORT", "%s", str_text(&ports));
	set(d, ret, "SERVER_STARTER_GENERATION", "%u", d->worker->generation);
	ret->failed |= str_failed(&ports);
	str_free(&ports);
}

/* --- PM2 ----------------------------------------------------------------------------------- */

/* What PM2 calls the script: of a command that names an interpreter its first argument that is no
 * option, else the program. */
static const char *
script_of(const struct dialect *d)
{
	static const char *const interpreters[] = {"node", "nodejs", "bun", "python", "python3",
	    "ruby", "perl", "php", "bash", "sh", NULL};
	static const char *const with_value[] = {"-r", "--require", "--import", "--loader",
	    "--experimental-loader", "-C", "--conditions", "--title", "--env-file", NULL};

	if (!word_is(path_base(d->argv[0]), interpreters))
		return d->launch->program;
	for (char *const *word = d->argv + 1; *word; word++) {
		if ((*word)[0] != '-')
			return *word;
		if (word_is(*word, with_value) && word[1])
			word++;
	}
	return d->launch->program;
}

/* As Node's path.resolve(): by its text alone. */
static void
add_resolved(struct str *out, const char *directory, const char *path)
{
	struct str all = {0};
	const char *at;

	str_addf(&all, "%s/%s", path[0] == '/' ? "" : directory, path);
	for (at = str_text(&all); *at != '\0';) {
		size_t len = strcspn(at, "/");

		if (len == 2 && memcmp(at, "..", 2) == 0) {
			while (out->len > 0 && out->data[--out->len] != '/')
				;
		} else if (len > 0 && !(len == 1 && at[0] == '.')) {
			str_add_char(out, '/');
			str_add_n(out, at, len);
		}
		at += len + (at[len] == '/');
	}
	out->failed |= str_failed(&all);
	str_free(&all);
}

/* A random UUID. Before the kernel has enough randomness, which is moments after the machine was
 * started, it is only unique here. */
static void
make_uuid(unsigned worker, char ret[37])
{
	uint8_t b[16] = {0};
	uint64_t now = clock_now_us();
	pid_t pid = getpid();

	if (getrandom(b, sizeof(b), GRND_NONBLOCK) != (ssize_t)sizeof(b)) {
		memcpy(b, &now, sizeof(now));
		memcpy(b + 8, &pid, 4);
		memcpy(b + 12, &worker, 4);
	}
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, 37,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
	    b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
}

static void
set_pm2(const struct dialect *d, struct environment *ret)
{
	const struct launch_worker *w = d->worker;
	struct str script = {0};
	char uuid[37];

	add_resolved(&script, d->launch->directory, script_of(d));
	make_uuid(w->worker, uuid);
	set(d, ret, "pm_id", "%u", d->number);
	set(d, ret, "name", "%s", d->launch->app->name);
	set(d, ret, "namespace", "default");
	set(d, ret, "exec_mode", "%s", d->launch->take == TAKE_NODE ? "cluster_mode" : "fork_mode");
	set(d, ret, "instances", "%u", w->workers);
	set(d, ret, "pm_exec_path", "%s", str_text(&script));
	set(d, ret, "pm_cwd", "%s", d->launch->directory);
	set(d, ret, "unique_id", "%s", uuid);
	set(d, ret, "restart_time", "%u", w->restarts);
	ret->failed |= str_failed(&script);
	str_free(&script);
}

int
dialect_vars(const struct dialect *d, struct environment *ret)
{
	switch (d->launch->app->compat) {
	case COMPAT_PM2:
		set_pm2(d, ret);
		break;
	case COMPAT_EINHORN:
		set_einhorn(d, ret);
		break;
	case COMPAT_SERVER_STARTER:
		set_server_starter(d, ret);
		break;
	case COMPAT_NONE:
	case COMPAT_MAX:
		break;
	}
	return ret->failed ? -ENOMEM : 0;
}
