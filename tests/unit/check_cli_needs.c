/*
 * What `brood doctor` reckons a configuration to need: read from what the master's own printer
 * says, with every balance and every way to write a number of workers.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/needs.h"
#include "conf/conf.h"

/* text as broodd -T would print it. */
static void
needs_of(const char *text, unsigned cpus, struct needs *ret)
{
	struct conf_source source = {.label = "test"};
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	struct str printed = {0};
	int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[32];

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	source.path = path;
	if (conf_load(&source, &c, &errs))
		ck_abort_msg("%s", errs.len ? errs.text[0] : "no memory");
	conf_print(c, true, false, &printed);
	needs_of_text(str_text(&printed), cpus, ret);
	str_free(&printed);
	conf_unref(c);
	conf_errors_free(&errs);
	(void)close(fd);
}

START_TEST(steered_apps_have_twins_for_twice_the_cpus)
{
	struct needs n;

	needs_of("[app:web]\nlisten = *:1\nlisten = *:2\nworkers = 3\n", 4, &n);
	ck_assert_uint_eq(n.apps, 1);
	ck_assert_uint_eq(n.workers, 4); /* one more during a rollout */
	ck_assert_uint_eq(n.steered, 2 * (2 * 8 + 2));
	ck_assert_uint_eq(n.sockets, n.steered);
	ck_assert_uint_gt(n.descriptors, n.sockets + 128);
	needs_of("[app:web]\nlisten = *:1\nworkers = 100\nmax_surge = 10\n", 4, &n);
	ck_assert_uint_eq(n.workers, 110);
	ck_assert_uint_eq(n.steered, 2 * 100 + 2);
}
END_TEST

static const struct {
	const char *text;
	uint64_t sockets, steered;
} rows[] = {
    {"balance = sticky\nlisten = *:1\n", 18, 18},
    {"balance = cpu\nlisten = *:1\nlisten = unix:/x\n", 19, 18},
    {"listen = unix:/x\nlisten = udp:*:53\n", 2, 0},
    {"balance = kernel\nlisten = *:1\nlisten = unix:/x\n", 4 + 1, 0},
    {"balance = shared\nlisten = *:1\nlisten = *:2\n", 2, 0},
    {"balance = dispatch\nlisten = *:1\n", 1, 0},
    {"", 0, 0},
};

START_TEST(each_balance_has_its_sockets)
{
	struct str text = {0};
	struct needs n;

	str_addf(&text, "[app:web]\nworkers = 3\n%s[env:web]\nbalance = even\nlisten = *:9\n",
	    rows[_i].text);
	needs_of(text.data, 4, &n);
	ck_assert_uint_eq(n.sockets, rows[_i].sockets);
	ck_assert_uint_eq(n.steered, rows[_i].steered);
	str_free(&text);
}
END_TEST

START_TEST(workers_are_counted_as_the_master_counts)
{
	static const char *const written[] = {
	    "auto", "auto*2", "auto-1", "auto+3", "auto*2-1", "auto-9", "0", "17"};
	struct conf_app app = {0};
	struct needs n;
	char text[64];

	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
		(void)snprintf(text, sizeof(text),
		    "[app:a]\nworkers = %s\nmax_surge = 0\nmax_unavailable = 1\n", written[i]);
		needs_of(text, 4, &n);
		app.workers_auto = strncmp(written[i], "auto", 4) == 0;
		app.workers_mul = strchr(written[i], '*') ? 2 : 1;
		app.workers_add = (int)strtol(
		    strpbrk(written[i], "+-") ? strpbrk(written[i], "+-") : "0", NULL, 10);
		app.workers_n = (unsigned)strtoul(written[i], NULL, 10);
		ck_assert_msg(n.workers == conf_app_workers(&app, 4), "%s: %llu", written[i],
		    (unsigned long long)n.workers);
	}
}
END_TEST

START_TEST(apps_add_up_and_the_longest_backlog_is_found)
{
	struct needs n;

	needs_of("[master]\nname = x\n[app:a]\nworkers = 1\nlisten = *:1?backlog=300\n[app:b]\n"
	         "workers = 2\nlisten = *:2?name=x&backlog=9000\nlisten = unix:/x?backlog=5\n",
	    1, &n);
	ck_assert_uint_eq(n.apps, 2);
	ck_assert_uint_eq(n.workers, 5);
	ck_assert_uint_eq(n.backlog, 9000);
	ck_assert_str_eq(n.backlog_app, "b");
	ck_assert_uint_eq(n.steered, 6 + 6);
	ck_assert_uint_eq(n.sockets, 13);
	needs_of_text("", 4, &n);
	ck_assert_uint_eq(n.apps, 0);
	ck_assert_uint_eq(n.backlog, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cli_needs");
	TCase *t = tcase_create("cli_needs");
	SRunner *r;
	int failed;

	tcase_add_test(t, steered_apps_have_twins_for_twice_the_cpus);
	tcase_add_loop_test(
	    t, each_balance_has_its_sockets, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, workers_are_counted_as_the_master_counts);
	tcase_add_test(t, apps_add_up_and_the_longest_backlog_is_found);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
