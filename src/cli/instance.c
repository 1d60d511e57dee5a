/*
 * instance: finds masters by their sockets. Nothing is removed here, stale or not: that is for
 * the next master of that name, which holds the lock.
 */
#include "cli/instance.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/target.h"

#define HELLO_MS 5000
#define QUERY_MS 10000

static const char *const state_names[INSTANCE_STATE_MAX] = {
    [INSTANCE_RUNNING] = "running",
    [INSTANCE_STALE] = "stale",
    [INSTANCE_DENIED] = "denied",
    [INSTANCE_SILENT] = "silent",
};

const char *
instance_state_to_string(enum instance_state s)
{
	return state_names[s];
}

void
instance_done(struct instance *in)
{
	client_close(in->client);
	json_decref(in->status);
	failure_done(&in->why);
	free(in->name);
	free(in->socket);
	*in = (struct instance){0};
}

void
instance_list_done(struct instance_list *l)
{
	for (size_t i = 0; i < l->len; i++)
		instance_done(&l->items[i]);
	free(l->items);
	*l = (struct instance_list){0};
}

/* 0, or -ENOMEM. Whether it runs is in the state. */
static int
instance_connect(const char *run_dir, const char *name, struct instance *ret)
{
	struct instance in = {.name = strdup(name)};
	struct str path = {0};
	int err = 0;

	str_addf(&path, "%s/%s.sock", run_dir, name);
	if (str_failed(&path) || !in.name) {
		str_free(&path);
		free(in.name);
		return -ENOMEM;
	}
	in.socket = path.data;
	if (client_open(in.socket, clock_now_us() + HELLO_MS * 1000, &in.client, &err, &in.why) ==
	    0)
		in.state = INSTANCE_RUNNING;
	else if (err == ECONNREFUSED || err == ENOENT)
		in.state = INSTANCE_STALE;
	else if (err == EACCES || in.why.exit_code == CLI_PERMISSION)
		in.state = INSTANCE_DENIED;
	else
		in.state = INSTANCE_SILENT;
	*ret = in;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}

/* "web.sock" -> "web" in buf. */
static bool
socket_name(const char *file, char *buf, size_t size)
{
	size_t len = strlen(file);

	if (len <= 5 || len - 5 >= size || strcmp(file + len - 5, ".sock") != 0)
		return false;
	memcpy(buf, file, len - 5);
	buf[len - 5] = '\0';
	return name_is_valid(buf);
}

static int
list_add(struct instance_list *l, const char *run_dir, const char *name)
{
	struct instance *items = realloc(l->items, (l->len + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	l->items = items;
	if (instance_connect(run_dir, name, &items[l->len]) < 0)
		return -ENOMEM;
	l->len++;
	return 0;
}

int
instance_list_scan(const char *run_dir, struct instance_list *ret, struct failure *f)
{
	struct instance_list l = {0};
	DIR *dir = run_dir ? opendir(run_dir) : NULL;
	struct dirent *entry;
	char name[64];
	int r = 0;

	*ret = l;
	if (!dir && (!run_dir || errno == ENOENT))
		return 0;
	/* Others than its owner may pass through it, but not look around. */
	if (!dir && errno == EACCES)
		return failure_set(f, CLI_PERMISSION,
		    "%s may not be listed: say which instance with -i NAME", run_dir);
	if (!dir)
		return failure_set(f, CLI_SYSTEM, "%s: %s", run_dir, strerror(errno));
	while (r == 0 && (entry = readdir(dir)))
		if (socket_name(entry->d_name, name, sizeof(name)))
			r = list_add(&l, run_dir, name);
	closedir(dir);
	if (r < 0) {
		instance_list_done(&l);
		return failure_set(f, CLI_SYSTEM, "out of memory");
	}
	if (l.len > 1)
		qsort(l.items, l.len, sizeof(*l.items), by_name);
	*ret = l;
	return 0;
}

int
instance_get_status(struct instance *in, uint64_t deadline_us, struct failure *f)
{
	uint64_t limit = clock_now_us() + QUERY_MS * 1000;

	if (in->status)
		return 0;
	in->status =
	    client_call(in->client, "status", json_object(), deadline_us ? deadline_us : limit, f);
	if (in->status && !json_is_array(json_object_get(in->status, "apps"))) {
		json_decref(in->status);
		in->status = NULL;
		return failure_set(f, CLI_NO_MASTER, "the master of %s answers nonsense", in->name);
	}
	return in->status ? 0 : -1;
}

static int
pick_by_name(const struct cli *cli, struct instance *ret, struct failure *f)
{
	const char *name = cli->instance_name;
	struct instance in;

	if (!name_is_valid(name))
		return failure_set(f, CLI_USAGE, "\"%s\" cannot be the name of an instance", name);
	if (instance_connect(cli->run_dir ? cli->run_dir : "", name, &in) < 0)
		return failure_set(f, CLI_SYSTEM, "out of memory");
	if (in.state == INSTANCE_RUNNING) {
		*ret = in;
		return 0;
	}
	if (in.state == INSTANCE_STALE)
		failure_set(
		    f, CLI_NO_MASTER, "no master named %s is running: `brood ls` lists them", name);
	else
		failure_set(f, in.why.exit_code, "%s", str_text(&in.why.text));
	instance_done(&in);
	return -1;
}

/* Nobody can be asked: says the most useful reason. */
static int
none_running(const struct instance_list *l, struct failure *f)
{
	for (size_t i = 0; i < l->len; i++)
		if (l->items[i].state != INSTANCE_STALE)
			return failure_set(f, l->items[i].why.exit_code, "%s: %s", l->items[i].name,
			    str_text(&l->items[i].why.text));
	return failure_set(f, CLI_NO_MASTER,
	    "no master is running: start one with `brood start -c FILE` or `brood start -- "
	    "COMMAND`");
}

static void
add_names(struct str *out, const struct instance_list *l, const size_t *which, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_addf(out, "%s%s", i ? ", " : "", l->items[which[i]].name);
}

/* Keeps in which[0..*n) those that have the app that target names. */
static int
keep_those_with(
    struct instance_list *l, const char *target, size_t *which, size_t *n, struct failure *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		struct instance *in = &l->items[which[i]];
		if (instance_get_status(in, 0, f) < 0)
			return -1;
		if (target_find_app(in->status, target, NULL))
			which[kept++] = which[i];
	}
	*n = kept;
	return 0;
}

static int
pick_among(struct instance_list *l, const char *target, size_t *which, size_t n,
    struct instance *ret, struct failure *f)
{
	struct str names = {0};
	size_t all = n;

	add_names(&names, l, which, n);
	if (n > 1 && target && keep_those_with(l, target, which, &n, f) < 0)
		goto fail;
	if (n == 1) {
		*ret = l->items[which[0]];
		l->items[which[0]] = (struct instance){0};
		str_free(&names);
		return 0;
	}
	if (n == 0 && all > 1)
		failure_set(f, CLI_USAGE, "no running instance has an app \"%s\" (instances: %s)",
		    target, str_text(&names));
	else {
		str_reset(&names);
		add_names(&names, l, which, n);
		failure_set(f, CLI_USAGE,
		    "several instances could be meant: %s; say which with -i NAME",
		    str_text(&names));
	}
fail:
	str_free(&names);
	return -1;
}

int
instance_pick(const struct cli *cli, const char *target, struct instance *ret, struct failure *f)
{
	struct instance_list l;
	size_t *which, n = 0;
	int r;

	if (cli->instance_name)
		return pick_by_name(cli, ret, f);
	if (instance_list_scan(cli->run_dir, &l, f) < 0)
		return -1;
	which = calloc(l.len + 1, sizeof(*which));
	for (size_t i = 0; which && i < l.len; i++)
		if (l.items[i].state == INSTANCE_RUNNING)
			which[n++] = i;
	if (!which)
		r = failure_set(f, CLI_SYSTEM, "out of memory");
	else if (n == 0)
		r = none_running(&l, f);
	else
		r = pick_among(&l, target, which, n, ret, f);
	free(which);
	instance_list_done(&l);
	return r;
}
