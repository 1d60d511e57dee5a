/*
 * doctor: what this machine allows, what it costs where it does not, and how to get it. What was
 * found is for sys/features, the configuration and a running master to say; what follows from it
 * is said here, once, in words that somebody can act on.
 *
 * brood goes without nearly everything that may be missing here, and then does something else.
 * Essential is only what makes it not do what it was told to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/member.h"
#include "cli/needs.h"
#include "sys/features.h"

#define LOCAL_CONF   "./brood.conf"
#define SYSTEM_CONF  SYSCONFDIR "/brood/brood.conf"
#define BACKLOG_LOW  1024
#define NAME_COLUMNS 17

enum verdict { VERDICT_OK, VERDICT_LIMITED, VERDICT_MISSING, VERDICT_MAX };

static const char *const verdicts[VERDICT_MAX] = {
    [VERDICT_OK] = "ok", [VERDICT_LIMITED] = "limited", [VERDICT_MISSING] = "missing"};

enum part { PART_MACHINE, PART_CONFIGURATION, PART_MASTER, PART_MAX };

static const char *const parts[PART_MAX] = {
    [PART_MACHINE] = "machine", [PART_CONFIGURATION] = "configuration", [PART_MASTER] = "master"};

/* One line, or with cost and remedy three. */
struct finding {
	enum part part;
	char name[64];
	enum verdict verdict;
	bool essential;
	struct str found, cost, remedy;
};

struct doctor {
	struct cli *cli;
	struct feature features[FEATURE_MAX];
	struct finding *items;
	size_t len;
	unsigned cpus;
};

/* --- findings ------------------------------------------------------------------------------ */

/* The text of found; the rest is added by those below. NULL without memory. */
static struct finding *add(struct doctor *d, enum part part, const char *name, enum verdict verdict,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static struct finding *
add(struct doctor *d, enum part part, const char *name, enum verdict verdict, const char *fmt, ...)
{
	struct finding *items = realloc(d->items, (d->len + 1) * sizeof(*items)), *f;
	va_list ap;

	if (!items)
		return NULL;
	d->items = items;
	f = &items[d->len++];
	*f = (struct finding){.part = part, .verdict = verdict};
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	va_start(ap, fmt);
	str_vaddf(&f->found, fmt, ap);
	va_end(ap);
	return f;
}

/* Of a finding that is not ok; f may be NULL. */
static void
advise(struct finding *f, bool essential, const char *cost, const char *remedy)
{
	if (!f || f->verdict == VERDICT_OK)
		return;
	f->essential = essential;
	str_add(&f->cost, cost);
	str_add(&f->remedy, remedy);
}

static void
done(struct doctor *d)
{
	for (size_t i = 0; i < d->len; i++) {
		str_free(&d->items[i].found);
		str_free(&d->items[i].cost);
		str_free(&d->items[i].remedy);
	}
	free(d->items);
}

/* --- the machine --------------------------------------------------------------------------- */

/* What a "no" means. */
static const struct advice {
	enum feature_id id;
	enum verdict verdict;
	bool essential;
	const char *cost, *remedy;
} advices[] = {
    {FEATURE_EPOLL_EXCLUSIVE, VERDICT_MISSING, true,
        "wait sets do not work: workers that ask for one get no connections",
        "Linux 4.5 or later; a sandbox such as gVisor may not have it"},
    {FEATURE_REUSEPORT_CBPF, VERDICT_MISSING, false,
        "balance = even, sticky and cpu are one shared socket, and no worker can be addressed: no "
        "brood probe; ready = tcp and http are a second of being alive; drain = quiet is self",
        "Linux 4.5 or later; a seccomp filter may forbid it"},
    {FEATURE_STEER_SWAP, VERDICT_LIMITED, false,
        "balance = even, sticky and cpu are one shared socket, and no worker can be addressed: no "
        "brood probe; ready = tcp and http are a second of being alive; drain = quiet is self",
        "a kernel with the fix of CVE-2026-52910, and no BROOD_STEER_SWAP=no"},
    {FEATURE_EBPF_STEER, VERDICT_MISSING, false,
        "nothing: connections are steered by classic BPF, which needs no privilege", "CAP_BPF"},
    {FEATURE_PROBE_ADDRESS, VERDICT_MISSING, false,
        "no worker can be addressed: no brood probe; ready = tcp and http are a second of being "
        "alive",
        "the loopback interface up, with 127.0.0.0/8 on it: ip link set lo up"},
    {FEATURE_TCP_MIGRATE, VERDICT_LIMITED, false,
        "connections that wait for a blocked worker of tier T0 are not given to others: they wait "
        "until it is back",
        NULL},
    {FEATURE_SYSCTL_WRITABLE, VERDICT_LIMITED, false,
        "nothing by itself: net.ipv4.tcp_migrate_req and net.core.somaxconn are set from outside "
        "only",
        "root and a writable /proc/sys; for a container, set them when it is made"},
    {FEATURE_INET_DIAG, VERDICT_MISSING, false,
        "a reload does not wait for handshakes that are under way; without pidfd-getfd drain = "
        "quiet is self: a program that dies at once of its stop signal loses the requests inside",
        "modprobe tcp_diag, or a kernel with CONFIG_INET_DIAG and CONFIG_INET_TCP_DIAG; a seccomp "
        "filter may forbid netlink sockets"},
    {FEATURE_PIDFD_OPEN, VERDICT_MISSING, false,
        "brood shutdown returns when the master has hung up, a moment before its process is gone",
        "Linux 5.3 or later"},
    {FEATURE_PIDFD_EXIT, VERDICT_MISSING, false, "nothing: the master reaps its children itself",
        "Linux 6.15 or later"},
    {FEATURE_PIDFD_GETFD, VERDICT_LIMITED, false,
        "drain = quiet lists all connections of the machine, some 100 us for each thousand, each "
        "time that it looks",
        "Linux 5.6 or later; a seccomp filter may forbid it, for a container: CAP_SYS_PTRACE"},
    {FEATURE_PEER_PIDFD, VERDICT_MISSING, false, "nothing: workers are known by their descriptors",
        "Linux 6.5 or later"},
    {FEATURE_CGROUP_SPAWN, VERDICT_MISSING, false,
        "what a worker leaves behind is found by its session and its environment, not by a control "
        "group of its own",
        "a delegated control group (v2): Delegate=yes in a unit of systemd"},
    {FEATURE_CGROUP_KILL, VERDICT_MISSING, false, "as above: it is killed process by process",
        "Linux 5.14 or later, and the same"},
    {FEATURE_CORE_DUMPS, VERDICT_LIMITED, false,
        "a worker that is aborted, by watchdog or after stop_timeout, leaves no core file",
        "limit_core = unlimited in brood.conf(5), below the hard limit (ulimit -Hc); where it goes "
        "says kernel.core_pattern"},
    {FEATURE_SYSTEMD, VERDICT_MISSING, false,
        "nothing starts the master with the machine, or again if it is killed",
        "another supervisor of services; contrib/ has a unit for systemd"},
};

static const struct advice *
find_advice(enum feature_id id)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].id == id)
			return &advices[i];
	return NULL;
}

static const char *
migrate_remedy(const struct doctor *d)
{
	if (d->features[FEATURE_TCP_MIGRATE].value == 1)
		return "a newer kernel, or workers of tier T1 or T2";
	if (d->features[FEATURE_SYSCTL_WRITABLE].answer == FEATURE_YES)
		return "sysctl -w net.ipv4.tcp_migrate_req=1 (Linux 5.14 or later)";
	return "as root, in this network namespace: sysctl -w net.ipv4.tcp_migrate_req=1; for a "
	       "container: --sysctl net.ipv4.tcp_migrate_req=1; or workers of tier T1 or T2";
}

/* A queue of the length that is asked for, or, where none is, one that takes a burst. */
static void
judge_somaxconn(struct doctor *d, const struct needs *needs)
{
	const struct feature *f = &d->features[FEATURE_SOMAXCONN];
	const char *name = feature_name(FEATURE_SOMAXCONN);

	if (f->answer != FEATURE_YES) {
		advise(add(d, PART_MACHINE, name, VERDICT_LIMITED, "%s", f->text), false,
		    "how many connections may wait is not known", "");
	} else if (needs && needs->backlog > f->value) {
		advise(add(d, PART_MACHINE, name, VERDICT_LIMITED,
		           "net.core.somaxconn is %" PRIu64 ", and a backlog of %" PRIu64
		           " is configured for %s",
		           f->value, needs->backlog, needs->backlog_app),
		    false, "the kernel cuts the queue to the lower of both",
		    "sysctl -w net.core.somaxconn=N, before the master starts");
	} else if (f->value < BACKLOG_LOW) {
		advise(add(d, PART_MACHINE, name, VERDICT_LIMITED, "net.core.somaxconn is %" PRIu64,
		           f->value),
		    false,
		    "a burst of more new connections than that finds the queue full: clients try "
		    "again after a second",
		    "sysctl -w net.core.somaxconn=4096, before the master starts");
	} else {
		(void)add(d, PART_MACHINE, name, VERDICT_OK, "%s", f->text);
	}
}

/* The master raises its own limit to the hard one. */
static void
judge_nofile(struct doctor *d, const struct needs *needs)
{
	const struct feature *f = &d->features[FEATURE_NOFILE];
	const char *name = feature_name(FEATURE_NOFILE);

	if (f->answer != FEATURE_YES) {
		advise(add(d, PART_MACHINE, name, VERDICT_LIMITED, "%s", f->text), false,
		    "whether it is enough is not known", "");
	} else if (needs && needs->descriptors - needs->steered > f->most) {
		advise(add(d, PART_MACHINE, name, VERDICT_MISSING,
		           "the hard limit is %" PRIu64 ", and the configuration needs %" PRIu64
		           " for %" PRIu64 " workers",
		           f->most, needs->descriptors, needs->workers),
		    true, "not all workers can be started",
		    "LimitNOFILE= of a unit, ulimit -n, or fewer workers");
	} else if (needs && (needs->sockets > f->most / 2 || needs->descriptors > f->most)) {
		advise(add(d, PART_MACHINE, name, VERDICT_LIMITED,
		           "the hard limit is %" PRIu64
		           ", and two sockets for each slot make %" PRIu64,
		           f->most, needs->descriptors),
		    false, "balance = even, sticky and cpu are one shared socket",
		    "LimitNOFILE= of a unit, ulimit -n, or fewer workers");
	} else if (needs) {
		(void)add(d, PART_MACHINE, name, VERDICT_OK,
		    "%s; the configuration needs about %" PRIu64, f->text, needs->descriptors);
	} else {
		(void)add(d, PART_MACHINE, name, VERDICT_OK, "%s", f->text);
	}
}

static void
judge_feature(struct doctor *d, enum feature_id id)
{
	const struct feature *f = &d->features[id];
	const struct advice *a = find_advice(id);
	const char *remedy = a ? a->remedy : "";

	if (id == FEATURE_TCP_MIGRATE)
		remedy = migrate_remedy(d);
	if (f->answer == FEATURE_YES || !a)
		(void)add(d, PART_MACHINE, feature_name(id), VERDICT_OK, "%s", f->text);
	else if (f->answer == FEATURE_NO)
		advise(add(d, PART_MACHINE, feature_name(id), a->verdict, "%s", f->text),
		    a->essential, a->cost, remedy);
	else
		/* What can't be found out is no proof that it is missing. */
		advise(add(d, PART_MACHINE, feature_name(id), VERDICT_LIMITED,
		           "could not be found out: %s", f->text),
		    false, a->cost, remedy);
}

static void
judge_machine(struct doctor *d, const struct needs *needs)
{
	for (int id = 0; id < FEATURE_MAX; id++) {
		if (id == FEATURE_SOMAXCONN)
			judge_somaxconn(d, needs);
		else if (id == FEATURE_NOFILE)
			judge_nofile(d, needs);
		else
			judge_feature(d, (enum feature_id)id);
	}
}

static void
look_at_machine(struct doctor *d)
{
	const struct feature *quota = &d->features[FEATURE_CPU_QUOTA];

	for (int id = 0; id < FEATURE_MAX; id++)
		feature_look((enum feature_id)id, &d->features[id]);
	d->cpus = (unsigned)(quota->value ? quota->value : quota->most);
	if (d->cpus == 0)
		d->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

/* --- the configuration --------------------------------------------------------------------- */

/* The first line of what broodd says is wrong. */
static void
add_bad_config(struct doctor *d, const char *path, const char *said)
{
	struct finding *f = add(d, PART_CONFIGURATION, "config", VERDICT_MISSING, "%.*s",
	    (int)strcspn(said, "\n"), said);

	advise(f, true, "broodd does not start with it", "");
	if (f)
		str_addf(&f->remedy, "brood check -c %s lists all that is wrong", path);
}

/* True: ret holds what the configuration at hand needs. */
static bool
look_at_config(struct doctor *d, struct needs *ret)
{
	const char *path = d->cli->config;
	const char *args[] = {"-T", "-c", NULL, NULL};
	struct str text = {0};
	bool good;

	if (!path && access(LOCAL_CONF, F_OK) == 0)
		path = LOCAL_CONF;
	if (!path && access(SYSTEM_CONF, F_OK) == 0)
		path = SYSTEM_CONF;
	if (!path)
		return false;
	args[2] = path;
	good = launch_capture_broodd(d->cli, args, &text) == CLI_OK;
	if (good) {
		needs_of_text(str_text(&text), d->cpus, ret);
		(void)add(d, PART_CONFIGURATION, "config", VERDICT_OK,
		    "%s: %u app%s, up to %" PRIu64 " workers", path, ret->apps,
		    ret->apps == 1 ? "" : "s", ret->workers);
	} else {
		add_bad_config(d, path, str_text(&text));
	}
	str_free(&text);
	return good;
}

static void
look_for_broodd(struct doctor *d)
{
	char *path = launch_find_broodd();

	if (path && access(path, X_OK) == 0)
		(void)add(d, PART_CONFIGURATION, "broodd", VERDICT_OK, "%s", path);
	else
		advise(add(d, PART_CONFIGURATION, "broodd", VERDICT_MISSING, "%s: %s",
		           path ? path : "broodd", strerror(errno)),
		    true, "no master can be started from here",
		    "install brood, or let BROOD_BROODD name the program");
	free(path);
}

/* --- a master that runs -------------------------------------------------------------------- */

/* What it was told to do against what it does. */
static void
look_at_listener(struct doctor *d, const json_t *app, const json_t *listener)
{
	static const char *const steered[] = {"even", "sticky", "cpu"};
	const char *balance = text_of(app, "balance");
	struct finding *f;

	if (strncmp(text_of(listener, "address"), "tcp:", 4) != 0 ||
	    strcmp(text_of(listener, "shape"), "shared") != 0)
		return;
	for (size_t i = 0; i < sizeof(steered) / sizeof(steered[0]); i++) {
		if (strcmp(balance, steered[i]) != 0)
			continue;
		f = add(d, PART_MASTER, text_of(app, "name"), VERDICT_LIMITED,
		    "balance = %s, but %s is one shared socket", balance,
		    text_of(listener, "address"));
		advise(f, false,
		    "whoever is fastest takes most connections, and no worker can be addressed",
		    "see steer-swap and nofile above, and the log: the master may have had less "
		    "than this shell; a socket of a service manager stays one");
	}
}

/* R27: a queue that runs full drops the last packet of handshakes. */
static void
look_at_queues(struct doctor *d, const json_t *app)
{
	json_int_t most = 0, limit = 0, at = 0;
	const json_t *slot;
	size_t i;

	json_array_foreach(json_object_get(app, "slots"), i, slot)
	{
		const json_t *queue = json_object_get(slot, "queue");

		if (number_of(queue, "most") <= most)
			continue;
		most = number_of(queue, "most");
		limit = number_of(queue, "limit");
		at = number_of(slot, "slot");
	}
	if (limit == 0 || most <= limit / 2)
		return;
	advise(add(d, PART_MASTER, text_of(app, "name"), VERDICT_LIMITED,
	           "%lld connections waited at slot %lld at a time, and %lld may", (long long)most,
	           (long long)at, (long long)limit),
	    false, "beyond that number new ones are dropped, and clients try again after a second",
	    "more workers, workers that block less, or a higher net.core.somaxconn and backlog");
}

static void
look_at_app(struct doctor *d, const json_t *app)
{
	const json_t *listener;
	size_t i;

	json_array_foreach(json_object_get(app, "listeners"), i, listener)
	{
		look_at_listener(d, app, listener);
	}
	look_at_queues(d, app);
	if (strcmp(text_of(app, "steering"), "hold") == 0)
		advise(add(d, PART_MASTER, text_of(app, "name"), VERDICT_LIMITED,
		           "no worker serves, and new clients are held off"),
		    false, "they try again, and get in when a worker is ready",
		    "brood why tells why none is");
}

static void
look_at_status(struct doctor *d, const json_t *status)
{
	const char *version = text_of(status, "version");
	struct finding *f;
	const json_t *app;
	size_t i;

	f = add(d, PART_MASTER, text_of(status, "name"),
	    strcmp(version, PACKAGE_VERSION) == 0 ? VERDICT_OK : VERDICT_LIMITED,
	    "pid %lld, brood %s", (long long)number_of(status, "pid"), version);
	advise(f, false,
	    "this brood is " PACKAGE_VERSION ": one of both is of another installation",
	    "start the master again, when it may be");
	json_array_foreach(json_object_get(status, "apps"), i, app)
	{
		look_at_app(d, app);
	}
}

/* Every master that can be asked, or the one of -i. That none runs is no finding. 0 or a code. */
static int
look_at_masters(struct doctor *d)
{
	struct cli *cli = d->cli;
	struct instance_list l;
	struct failure f = {0};
	int code;

	if (cli->instance_name) {
		if (instance_pick(cli, NULL, &cli->instance, &f) == 0 &&
		    instance_get_status(&cli->instance, 0, &f) == 0) {
			look_at_status(d, cli->instance.status);
			return CLI_OK;
		}
		code = cli_fail_with(cli, &f);
		failure_done(&f);
		return code;
	}
	if (instance_list_scan(cli->run_dir, &l, &f) < 0) {
		failure_done(&f);
		return CLI_OK;
	}
	for (size_t i = 0; i < l.len; i++)
		if (l.items[i].state == INSTANCE_RUNNING &&
		    instance_get_status(&l.items[i], 0, &f) == 0)
			look_at_status(d, l.items[i].status);
	failure_done(&f);
	instance_list_done(&l);
	return CLI_OK;
}

/* --- telling ------------------------------------------------------------------------------- */

/* label and text, broken between words, below the texts of what was found. */
static void
print_wrapped(const struct term *t, const char *label, const char *text)
{
	size_t indent = 9 + NAME_COLUMNS + 1, width = t->live ? t->width : 100, column, word;

	if (width > 100)
		width = 100;
	if (width < indent + 30)
		width = indent + 30;
	printf("%*s%s%s", (int)indent, "", term_on(t->color, TINT_DIM), label);
	column = indent + strlen(label);
	for (; *text; text += word + strspn(text + word, " ")) {
		word = strcspn(text, " ");
		if (column + 1 + word > width && column > indent + 2) {
			printf("\n%*s", (int)indent + 1, "");
			column = indent + 1;
		}
		(void)putchar(' ');
		term_put_n(stdout, text, word);
		column += word + 1;
	}
	printf("%s\n", term_off(t->color));
}

static void
print_finding(const struct term *t, const struct finding *f)
{
	const char *verdict = verdicts[f->verdict];

	printf(
	    "%s%-8s%s ", term_on(t->color, term_state_tint(verdict)), verdict, term_off(t->color));
	term_put(stdout, f->name);
	printf(
	    "%*s ", (int)(strlen(f->name) < NAME_COLUMNS ? NAME_COLUMNS - strlen(f->name) : 0), "");
	term_put(stdout, str_text(&f->found));
	printf("%s\n", f->essential ? " (essential)" : "");
	if (f->cost.len > 0)
		print_wrapped(t, "costs:", str_text(&f->cost));
	if (f->remedy.len > 0)
		print_wrapped(t, "remedy:", str_text(&f->remedy));
}

struct tally {
	unsigned of[VERDICT_MAX], essential;
};

static struct tally
count(const struct doctor *d)
{
	struct tally t = {0};

	for (size_t i = 0; i < d->len; i++) {
		t.of[d->items[i].verdict]++;
		t.essential += d->items[i].essential;
	}
	return t;
}

static bool
has_part(const struct doctor *d, enum part part)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].part == part)
			return true;
	return false;
}

static void
print_findings(const struct doctor *d, const struct tally *tally)
{
	const struct term *t = &d->cli->term;
	struct utsname u;

	if (uname(&u) == 0)
		printf("%s %s %s, %u CPU%s to use, as uid %u sees it in this shell\n", u.sysname,
		    u.release, u.machine, d->cpus, d->cpus == 1 ? "" : "s", (unsigned)geteuid());
	for (int part = 0; part < PART_MAX; part++) {
		printf("%s", has_part(d, (enum part)part) ? "\n" : "");
		for (size_t i = 0; i < d->len; i++)
			if (d->items[i].part == (enum part)part)
				print_finding(t, &d->items[i]);
	}
	printf("\n%u ok, %u limited, %u missing; ", tally->of[VERDICT_OK],
	    tally->of[VERDICT_LIMITED], tally->of[VERDICT_MISSING]);
	if (tally->essential)
		printf("%s%u of them essential%s\n", term_on(t->color, TINT_BAD), tally->essential,
		    term_off(t->color));
	else
		printf("nothing essential is missing\n");
}

/* A text, or null. */
static json_t *
text_or_null(const struct str *s)
{
	struct str safe = {0};
	json_t *v;

	if (s->len == 0)
		return json_null();
	str_add_escaped(&safe, str_text(s), s->len);
	v = json_string(str_text(&safe));
	str_free(&safe);
	return v;
}

static void
print_json(const struct doctor *d, const struct tally *tally)
{
	json_t *checks = json_array(), *doc;
	struct utsname u = {.release = ""};

	(void)uname(&u);
	for (size_t i = 0; i < d->len; i++) {
		const struct finding *f = &d->items[i];

		(void)json_array_append_new(
		    checks, json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "part", parts[f->part],
		                "name", f->name, "answer", verdicts[f->verdict], "essential",
		                f->essential, "found", text_or_null(&f->found), "cost",
		                text_or_null(&f->cost), "remedy", text_or_null(&f->remedy)));
	}
	doc = json_pack("{s:b, s:s, s:i, s:i, s:o, s:{s:i, s:i, s:i, s:i}}", "ok",
	    tally->essential == 0, "kernel", u.release, "uid", (int)geteuid(), "cpus", (int)d->cpus,
	    "checks", checks, "summary", verdicts[VERDICT_OK], (int)tally->of[VERDICT_OK],
	    verdicts[VERDICT_LIMITED], (int)tally->of[VERDICT_LIMITED], verdicts[VERDICT_MISSING],
	    (int)tally->of[VERDICT_MISSING], "essential", (int)tally->essential);
	(void)cli_print_json(d->cli, doc, false);
	json_decref(doc);
}

int
cmd_doctor(struct cli *cli)
{
	struct doctor d = {.cli = cli};
	struct needs needs;
	struct tally tally;
	bool has_needs;
	int code;

	look_at_machine(&d);
	look_for_broodd(&d);
	has_needs = look_at_config(&d, &needs);
	judge_machine(&d, has_needs ? &needs : NULL);
	code = look_at_masters(&d);
	if (code == CLI_OK) {
		tally = count(&d);
		if (cli->json)
			print_json(&d, &tally);
		else
			print_findings(&d, &tally);
		code = tally.essential > 0 ? CLI_FAILED : CLI_OK;
	}
	done(&d);
	return code;
}
