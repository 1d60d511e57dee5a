/*
 * configure: from a configuration file to an event for the core. Everything that can be wrong is
 * found before the core hears of it; then what runs is untouched.
 */
#include "loop/configure.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cluster.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/manager.h"
#include "loop/output.h"
#include "loop/step.h"
#include "loop/tell.h"
#include "sys/proc.h"

#define FDS_OF_MASTER 128
#define FDS_OF_WORKER 6

/* All that is wrong, cut to what e holds; each line is also told by itself. */
static int
config_refused(struct loop *l, int r, const struct conf_errors *errs, struct err *e)
{
	struct str all = {0};

	for (size_t i = 0; i < errs->len; i++) {
		tell(l, LOG_LEVEL_ERROR, "config_refused", NULL, "%s", errs->text[i]);
		str_addf(&all, "%s%s", i > 0 ? "; " : "", errs->text[i]);
	}
	err_set(e, r, "%s", errs->len > 0 ? str_text(&all) : strerror(-r));
	str_free(&all);
	return r;
}

static enum conf_exit_when
exit_when_of(const struct loop *l, const struct conf *conf)
{
	/* Who runs one program in the foreground, or in a container, wants to learn of its end. */
	bool alone = (l->options.adhoc && !l->options.background) || getpid() == 1;

	if (!conf->master.exit_when_set && alone)
		return EXIT_WHEN_ALL_FAILED;
	return conf->master.exit_when;
}

/* Twin sockets for every slot that the app may have without growing. */
static uint64_t
sockets_of(const struct loop *l, const struct core_target *t)
{
	uint64_t slots = t->workers > 2 * l->ctl.cpus ? t->workers : 2 * l->ctl.cpus, n = 0;

	for (size_t i = 0; i < t->conf->listen_len; i++)
		n += t->steered && t->conf->listen[i].kind == LISTEN_TCP ? 2 * slots : 1;
	return n;
}

/* F2: better said now than found out by the thousandth worker. */
static void
check_descriptors(struct loop *l, const struct core_target *targets, size_t len)
{
	struct rlimit limit;
	uint64_t need = FDS_OF_MASTER;

	for (size_t i = 0; i < len; i++) {
		need += (uint64_t)(targets[i].workers + targets[i].conf->max_surge) * FDS_OF_WORKER +
		        sockets_of(l, &targets[i]);
		need += launch_sockets(targets[i].launch);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < need)
		tell(l, LOG_LEVEL_WARN, "descriptors_short", NULL,
		    "about %llu descriptors are needed, the hard limit is %llu: some workers will "
		    "have to wait",
		    (unsigned long long)need, (unsigned long long)limit.rlim_cur);
}

static void
free_targets(struct loop *l, struct core_target *targets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		launch_free(l, targets[i].launch);
	mem_free(targets);
}

static int
make_target(struct loop *l, struct conf *conf, const struct conf_app *app, struct core_target *ret,
    struct err *e)
{
	const struct app *running = core_find_app(l->core, app->name);
	unsigned workers = conf_app_workers(app, l->ctl.cpus), sockets = workers;
	struct launch *launch;
	int r;

	/* Slots that an operator added, or that still leave, need their sockets, too. */
	if (running && running->slots_len > sockets)
		sockets = running->slots_len;
	r = launch_prepare(l, conf, app, sockets, &launch, e);
	if (r < 0)
		return r;
	*ret = (struct core_target){
	    .conf = app,
	    .launch = launch,
	    .workers = workers,
	    .steered = launch_is_steered(launch),
	    .node = launch_is_node(launch),
	};
	return 0;
}

int
configure_all(struct loop *l, struct conf *conf, request_id request, struct err *e)
{
	struct core_target *targets = mem_calloc(conf->apps_len + 1, sizeof(*targets));
	struct event ev = {.kind = EVENT_CONFIGURE, .request = request};
	size_t n = 0;
	int r = 0;

	if (!targets)
		return err_set(e, -ENOMEM, "out of memory");
	while (n < conf->apps_len && r == 0) {
		r = make_target(l, conf, conf->apps[n], &targets[n], e);
		if (r == 0)
			n++;
	}
	if (r < 0) {
		free_targets(l, targets, n);
		return r;
	}
	check_descriptors(l, targets, n);
	core_set_exit_when(l->core, exit_when_of(l, conf));
	ev.configure.targets = targets;
	ev.configure.len = n;
	r = step_now(l, &ev);
	if (r < 0) {
		free_targets(l, targets, n);
		return err_set(e, r, "out of memory");
	}
	mem_free(targets);
	if (l->conf != conf)
		conf_unref(l->conf);
	l->conf = conf;
	return 0;
}

/* Whether conf differs from what is in force in that app alone. */
static bool
others_are_the_same(const struct loop *l, const struct conf *conf, const char *app)
{
	struct str names = {0};
	size_t differ = conf->apps_len == l->conf->apps_len ? 0 : 1;

	for (size_t i = 0; i < conf->apps_len && differ == 0; i++) {
		const struct conf_app *old = conf_find_app(l->conf, conf->apps[i]->name);

		if (!old)
			differ = 1;
		else if (strcmp(old->name, app) != 0)
			differ = conf_app_diff(old, conf->apps[i], &names);
	}
	str_free(&names);
	return differ == 0;
}

/* One app of a configuration that was just read. */
static int
configure_one(struct loop *l, struct conf *conf, const char *name, bool restart, request_id request,
    struct err *e)
{
	const struct conf_app *app = conf_find_app(conf, name);
	struct event ev = {
	    .kind = restart ? EVENT_RESTART : EVENT_RELOAD,
	    .request = request,
	    .app = name,
	};
	int r;

	if (!app)
		return err_set(e, -EINVAL,
		    "%s: no [app:%s] any more; a reload of everything removes it", conf->path,
		    name);
	if (!core_find_app(l->core, name))
		return err_set(e, -EINVAL, "%s: app %s is new; a reload of everything starts it",
		    conf->path, name);
	r = make_target(l, conf, app, &ev.target, e);
	if (r < 0)
		return r;
	r = step_now(l, &ev);
	if (r < 0) {
		launch_free(l, ev.target.launch);
		return err_set(e, r, "out of memory");
	}
	if (others_are_the_same(l, conf, name)) {
		conf_unref(l->conf);
		l->conf = conf_ref(conf);
	}
	return 0;
}

/* What a running master can't change. */
static void
warn_unchangeable(struct loop *l, const struct conf *now)
{
	const struct conf_master *a = &l->conf->master, *b = &now->master;
	const struct {
		const char *key, *from, *to;
	} fixed[] = {
	    {"name", a->name, b->name},
	    {"run_dir", a->run_dir, b->run_dir},
	    {"control_group", a->control_group, b->control_group},
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (strcmp(fixed[i].from ? fixed[i].from : "", fixed[i].to ? fixed[i].to : "") != 0)
			tell(l, LOG_LEVEL_WARN, "config_ignored", NULL,
			    "[master] %s takes effect when broodd is started again", fixed[i].key);
}

/* What a start would end with 78, 126 or 127 for is, for whoever asked for a reload, a
 * configuration that is not usable. */
static int
as_refusal(const struct loop *l, int r)
{
	int code = launch_exit_code(l);

	return r != -ENOMEM && (code == 78 || code == 126 || code == 127) ? -EINVAL : r;
}

static int
read_and_configure(struct loop *l, const char *app, bool restart, request_id request, struct err *e)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	int r = conf_load(&l->options.source, &conf, &errs);

	if (r < 0) {
		r = config_refused(l, r, &errs, e);
		conf_errors_free(&errs);
		return r == -ENOMEM ? r : -EINVAL;
	}
	conf_errors_free(&errs);
	l->ctl.cpus = proc_usable_cpus();
	if (app) {
		r = configure_one(l, conf, app, restart, request, e);
		conf_unref(conf);
	} else {
		warn_unchangeable(l, conf);
		r = configure_all(l, conf, request, e);
		if (r == 0)
			output_reconfigure(l, conf);
		else
			conf_unref(conf);
	}
	if (r == 0)
		return 0;
	tell(l, LOG_LEVEL_ERROR, "config_refused", NULL, "%s", e->text);
	return as_refusal(l, r);
}

int
loop_reconfigure(struct loop *l, const char *app, bool restart, request_id request, struct err *e)
{
	struct err own;
	int r;

	if (!e)
		e = &own;
	err_clear(e);
	if (l->core->shutdown != SHUTDOWN_NONE)
		return err_set(e, -ECANCELED, "the master is stopping");
	if (request == 0)
		request = loop_next_request(l);
	manager_reloading(l, request);
	r = read_and_configure(l, app, restart, request, e);
	if (r < 0)
		manager_reload_failed(l, request, e->text);
	return r;
}

int
loop_prepare_scale(struct loop *l, const char *app, unsigned workers, struct err *e)
{
	const struct app *a = core_find_app(l->core, app);

	if (!a || !a->generation)
		return err_set(e, -ENOENT, "no app %s", app);
	return launch_open_slots(l, a->generation->launch, workers, e);
}
