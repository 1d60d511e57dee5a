/*
 * Tests of loop/dialect.c: what programs find that were written for another master.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "loop/dialect.h"
#include "loop/launch.h"
#include "loop/prepared.h"

static struct conf_listen listens[] = {
    {.kind = LISTEN_TCP, .host = (char *)"127.0.0.1"},
    {.kind = LISTEN_TCP, .host = (char *)"*"},
    {.kind = LISTEN_UNIX, .path = (char *)"/run/web.sock"},
    {.kind = LISTEN_TCP, .host = (char *)"::1"},
    {.kind = LISTEN_UDP, .host = (char *)"0.0.0.0"},
};
static int fds[5];
static struct listener sockets[5];
static struct listener *listeners[5];
static const struct conf_listen *pointers[5];
static struct conf_app app;
static struct launch la;
static struct launch_worker worker;
static struct environment vars;

static void
setup(void)
{
	static const int domains[] = {AF_INET, AF_INET6, AF_UNIX, AF_INET6, AF_INET};
	static const uint16_t ports[] = {8080, 8081, 0, 8082, 53};

	for (int i = 0; i < 5; i++) {
		fds[i] = socket(domains[i], i == 4 ? SOCK_DGRAM : SOCK_STREAM, 0);
		sockets[i] = (struct listener){
		    .kind = listens[i].kind, .fds = &fds[i], .len = 1, .port = ports[i]};
		listeners[i] = &sockets[i];
		pointers[i] = &listens[i];
	}
	app = (struct conf_app){.name = (char *)"web"};
	la = (struct launch){.app = &app,
	    .take = TAKE_FDS,
	    .program = (char *)"/usr/bin/node",
	    .directory = (char *)"/srv/app",
	    .listen = pointers,
	    .listeners = listeners,
	    .listeners_len = 5};
	worker = (struct launch_worker){
	    .worker = 12, .slot = 2, .generation = 7, .workers = 4, .restarts = 9};
	vars = (struct environment){0};
}

static void
teardown(void)
{
	environment_done(&vars);
	for (int i = 0; i < 5; i++)
		fd_close(&fds[i]);
}

static void
make(const char *const *argv)
{
	const struct dialect d = {.launch = &la,
	    .worker = &worker,
	    .argv = (char *const *)argv,
	    .channel = 8,
	    .number = 6};

	environment_done(&vars);
	ck_assert_int_eq(dialect_vars(&d, &vars), 0);
}

static const char *
get(const char *name)
{
	const char *value = environment_get(&vars, name);

	return value ? value : "(not set)";
}

static const char *const node[] = {"node", "server.js", NULL};

START_TEST(without_a_dialect_there_is_nothing)
{
	make(node);
	ck_assert_uint_eq(vars.len, 0);
}
END_TEST

START_TEST(einhorn_names_each_descriptor)
{
	char pid[16];

	app.compat = COMPAT_EINHORN;
	worker.einhorn_path = "/run/brood/n/web.e";
	make(node);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	ck_assert_str_eq(get("EINHORN_FD_0"), "3");
	ck_assert_str_eq(get("EINHORN_FD_4"), "7");
	ck_assert_str_eq(get("EINHORN_FD_5"), "(not set)");
	ck_assert_str_eq(get("EINHORN_FD_FAMILY_0"), "AF_INET");
	ck_assert_str_eq(get("EINHORN_FD_FAMILY_1"), "AF_INET6");
	ck_assert_str_eq(get("EINHORN_FD_FAMILY_2"), "AF_UNIX");
	ck_assert_str_eq(get("EINHORN_FD_COUNT"), "5");
	ck_assert_str_eq(get("EINHORN_FDS"), "3 4 5 6 7");
	ck_assert_str_eq(get("EINHORN_CHILD_INDEX"), "2");
	ck_assert_str_eq(get("EINHORN_MASTER_PID"), pid);
	ck_assert_str_eq(get("EINHORN_SOCK_FD"), "8");
	ck_assert_str_eq(get("EINHORN_SOCK_PATH"), "/run/brood/n/web.e");
	worker.einhorn_path = NULL;
	make(node);
	ck_assert_str_eq(get("EINHORN_SOCK_PATH"), "(not set)");
}
END_TEST

/* Of the master that accepts itself a worker inherits datagram sockets only. */
START_TEST(what_is_not_inherited_is_not_named)
{
	app.balance = BALANCE_DISPATCH;
	app.compat = COMPAT_EINHORN;
	make(node);
	ck_assert_str_eq(get("EINHORN_FD_COUNT"), "1");
	ck_assert_str_eq(get("EINHORN_FDS"), "3");
	app.compat = COMPAT_SERVER_STARTER;
	make(node);
	ck_assert_str_eq(get("SERVER_STARTER_PORT"), "0.0.0.0:53=3");
	la.listeners_len = 0;
	make(node);
	ck_assert_str_eq(get("SERVER_STARTER_PORT"), "");
	app.compat = COMPAT_EINHORN;
	make(node);
	ck_assert_str_eq(get("EINHORN_FD_COUNT"), "0");
	ck_assert_str_eq(get("EINHORN_FDS"), "");
}
END_TEST

START_TEST(server_starter_names_addresses_as_they_were_given)
{
	app.compat = COMPAT_SERVER_STARTER;
	make(node);
	ck_assert_str_eq(get("SERVER_STARTER_PORT"),
	    "127.0.0.1:8080=3;8081=4;/run/web.sock=5;[::1]:8082=6;0.0.0.0:53=7");
	ck_assert_str_eq(get("SERVER_STARTER_GENERATION"), "7");
	ck_assert_uint_eq(vars.len, 2);
}
END_TEST

static bool
is_uuid(const char *text)
{
	if (strlen(text) != 36 || text[14] != '4' || !strchr("89ab", text[19]))
		return false;
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-'
		                                            : !strchr("0123456789abcdef", text[i]))
			return false;
	return true;
}

START_TEST(pm2_tells_who_and_what)
{
	char first[37];

	app.compat = COMPAT_PM2;
	make(node);
	ck_assert_str_eq(get("pm_id"), "6");
	ck_assert_str_eq(get("name"), "web");
	ck_assert_str_eq(get("namespace"), "default");
	ck_assert_str_eq(get("exec_mode"), "fork_mode");
	ck_assert_str_eq(get("instances"), "4");
	ck_assert_str_eq(get("pm_exec_path"), "/srv/app/server.js");
	ck_assert_str_eq(get("pm_cwd"), "/srv/app");
	ck_assert_str_eq(get("restart_time"), "9");
	ck_assert_msg(is_uuid(get("unique_id")), "%s", get("unique_id"));
	snprintf(first, sizeof(first), "%s", get("unique_id"));
	la.take = TAKE_NODE;
	make(node);
	ck_assert_str_eq(get("exec_mode"), "cluster_mode");
	ck_assert_str_ne(get("unique_id"), first);
}
END_TEST

START_TEST(pm2_finds_the_script_in_the_command)
{
	static const char *const commands[][6] = {
	    {"/srv/app/server.js", "/usr/bin/node"}, /* the program itself, as it was found */
	    {"/srv/app/a.js", "node", "a.js", "b.js"},
	    {"/srv/app/a.js", "/opt/bin/nodejs", "--inspect", "./a.js"},
	    {"/srv/app/a.js", "node", "-r", "./first.js", "lib/../a.js"},
	    {"/srv/app/a.js", "node", "--require=./first.js", "a.js"},
	    {"/opt/a.js", "node", "../../opt//./a.js"},
	    {"/a.js", "node", "/../a.js"},
	    {"/srv/app/app.py", "python3", "-u", "app.py"},
	    {"/usr/bin/node", "node", "-e"},
	    {"/usr/bin/node", "node", "-r"},
	};

	app.compat = COMPAT_PM2;
	for (size_t i = 1; i < sizeof(commands) / sizeof(*commands); i++) {
		make(commands[i] + 1);
		ck_assert_str_eq(get("pm_exec_path"), commands[i][0]);
	}
	la.program = (char *)commands[0][0];
	make((const char *[]){"./server", "x", NULL});
	ck_assert_str_eq(get("pm_exec_path"), commands[0][0]);
}
END_TEST

START_TEST(configuration_wins)
{
	struct conf_env env[] = {{"name", "mine"}, {"EINHORN_FD_0", "0"}};

	app.env = env;
	app.env_len = 2;
	app.compat = COMPAT_PM2;
	make(node);
	ck_assert_str_eq(get("name"), "(not set)"); /* by us */
	ck_assert_str_eq(get("pm_id"), "6");
	app.compat = COMPAT_EINHORN;
	make(node);
	ck_assert_str_eq(get("EINHORN_FD_0"), "(not set)");
	ck_assert_str_eq(get("EINHORN_FD_1"), "4");
}
END_TEST

static unsigned
number_of(struct dialect_numbers *t, const struct conf *conf, const char *name, unsigned slot)
{
	unsigned n = 0;

	ck_assert_int_eq(dialect_number(t, conf, 2, name, slot, &n), 0);
	return n;
}

START_TEST(numbers_are_unique_and_stay)
{
	struct conf_app a = {.name = (char *)"a", .workers_n = 2};
	struct conf_app b = {.name = (char *)"b", .workers_n = 3};
	struct conf_app *apps[] = {&a, &b};
	struct conf conf = {.apps = apps, .apps_len = 2};
	struct dialect_numbers t = {0};

	ck_assert_uint_eq(number_of(&t, &conf, "b", 1), 3);
	ck_assert_uint_eq(number_of(&t, &conf, "a", 1), 1);
	ck_assert_uint_eq(number_of(&t, &conf, "a", 2), 5); /* scaled up */
	a.workers_n = 4;
	ck_assert_uint_eq(number_of(&t, &conf, "a", 3), 6);
	ck_assert_uint_eq(number_of(&t, &conf, "b", 0), 2);
	ck_assert_uint_eq(number_of(&t, &conf, "b", 1), 3);
	apps[0] = &b;
	conf.apps_len = 1; /* a was removed, and comes back later */
	ck_assert_uint_eq(number_of(&t, &conf, "b", 3), 7);
	ck_assert_uint_eq(number_of(&t, &conf, "a", 0), 0);
	dialect_numbers_done(&t);
}
END_TEST

START_TEST(memory_ends)
{
	const struct dialect d = {
	    .launch = &la, .worker = &worker, .argv = (char *const *)node, .channel = 8};
	struct conf_app *apps[] = {&app};
	struct conf conf = {.apps = apps, .apps_len = 1};
	struct dialect_numbers t = {0};
	int failures = 0, r;
	unsigned n;

	app.workers_n = 40;
	for (enum conf_compat compat = COMPAT_PM2; compat <= COMPAT_SERVER_STARTER; compat++) {
		app.compat = compat;
		for (unsigned at = 1;; at++, failures++) {
			mem_fail_at(at, 1);
			r = dialect_vars(&d, &vars);
			mem_fail_at(0, 0);
			environment_done(&vars);
			if (r == 0)
				break;
			ck_assert_int_eq(r, -ENOMEM);
		}
	}
	ck_assert_int_gt(failures, 20);
	mem_fail_at(3, 1000);
	ck_assert_int_eq(dialect_number(&t, &conf, 1, "web", 39, &n), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_int_eq(dialect_number(&t, &conf, 1, "web", 39, &n), 0);
	ck_assert_uint_eq(n, 39);
	dialect_numbers_done(&t);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dialect");
	TCase *tcase = tcase_create("dialect");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_a_dialect_there_is_nothing);
	tcase_add_test(tcase, einhorn_names_each_descriptor);
	tcase_add_test(tcase, what_is_not_inherited_is_not_named);
	tcase_add_test(tcase, server_starter_names_addresses_as_they_were_given);
	tcase_add_test(tcase, pm2_tells_who_and_what);
	tcase_add_test(tcase, pm2_finds_the_script_in_the_command);
	tcase_add_test(tcase, configuration_wins);
	tcase_add_test(tcase, numbers_are_unique_and_stay);
	tcase_add_test(tcase, memory_ends);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
