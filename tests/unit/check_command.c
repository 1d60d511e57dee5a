/* command: who may ask for what, what is refused with which words, and what becomes of the rest. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fakecluster.h"
#include "ipc/msg.h"

static struct fake_cluster f;
static struct ctl_plan plan;
static json_t *request;

static void
setup(void)
{
	fake_cluster_init(&f);
	fake_cluster_add(&f, "web", 4);
	fake_cluster_add(&f, "api", 1);
	fake_cluster_add(&f, "none", 0);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
}

static void
forget(void)
{
	ctl_plan_done(&plan);
	json_decref(request);
	request = NULL;
}

static void
teardown(void)
{
	forget();
	fake_cluster_done(&f);
}

static void
ask_text(enum ctl_role role, const char *text)
{
	forget();
	request = json_loads(text, JSON_DECODE_ANY, NULL);
	ck_assert_msg(request != NULL, "%s", text);
	ctl_dispatch(&f.ctx, role, request, &plan);
}

static void
ask(const char *method, const char *params)
{
	struct str s = {0};

	str_addf(
	    &s, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
	ask_text(CTL_ROLE_ADMIN, str_text(&s));
	str_free(&s);
}

static void
assert_refused(int code, const char *message)
{
	ck_assert_int_eq(plan.outcome, CTL_REFUSE);
	ck_assert_str_eq(plan.message, message);
	ck_assert_int_eq(plan.code, code);
}

/* One row a method: its least role, and parameters that make it go through. */
static const struct verb {
	const char *name;
	enum ctl_role role;
	const char *params;
	enum ctl_outcome outcome;
} verbs[] = {
    {"hello", CTL_ROLE_OPERATOR, "{\"version\":1,\"client\":\"brood 0.1.0\"}", CTL_ANSWER},
    {"ping", CTL_ROLE_OPERATOR, "{}", CTL_ANSWER},
    {"version", CTL_ROLE_OPERATOR, "{}", CTL_ANSWER},
    {"help", CTL_ROLE_OPERATOR, "{}", CTL_ANSWER},
    {"status", CTL_ROLE_OPERATOR, "{}", CTL_ANSWER},
    {"describe", CTL_ROLE_OPERATOR, "{\"app\":\"web\"}", CTL_ANSWER},
    {"why", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"slot\":1}", CTL_ANSWER},
    {"reload", CTL_ROLE_OPERATOR, "{}", CTL_RELOAD},
    {"restart", CTL_ROLE_OPERATOR, "{\"app\":\"web\"}", CTL_RESTART},
    {"start", CTL_ROLE_OPERATOR, "{\"app\":\"web\"}", CTL_EVENT},
    {"stop", CTL_ROLE_OPERATOR, "{\"app\":\"web\"}", CTL_EVENT},
    {"shutdown", CTL_ROLE_OPERATOR, "{}", CTL_EVENT},
    {"scale", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"workers\":2}", CTL_EVENT},
    {"drain", CTL_ROLE_OPERATOR, "{\"app\":\"web\"}", CTL_EVENT},
    {"resume", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"slot\":3}", CTL_EVENT},
    {"probe", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"slot\":0}", CTL_PROBE},
    {"kill", CTL_ROLE_ADMIN, "{\"app\":\"web\",\"slot\":0}", CTL_EVENT},
    {"signal", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"signal\":\"USR1\"}", CTL_EVENT},
    {"send", CTL_ROLE_OPERATOR, "{\"app\":\"web\",\"data\":null}", CTL_SEND},
    {"env", CTL_ROLE_ADMIN, "{\"app\":\"web\",\"slot\":0}", CTL_ENV},
    {"logs", CTL_ROLE_OPERATOR, "{}", CTL_LOGS},
    {"events", CTL_ROLE_OPERATOR, "{}", CTL_EVENTS},
    {"reopen", CTL_ROLE_OPERATOR, "{}", CTL_REOPEN},
    {"config", CTL_ROLE_ADMIN, "{}", CTL_CONFIG},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

START_TEST(each_method_is_in_the_table_of_this_test)
{
	size_t n;
	const struct ctl_method *methods = ctl_methods(&n);

	ck_assert_uint_eq(n, VERBS);
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(methods[i].name, verbs[i].name);
		ck_assert_int_eq(methods[i].role, verbs[i].role);
		ck_assert_uint_gt(strlen(methods[i].help), 0);
	}
}
END_TEST

START_TEST(each_verb_is_open_to_its_roles_only)
{
	const struct verb *v = &verbs[_i];
	struct str s = {0};

	str_addf(&s, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s}", v->name, v->params);
	for (int role = CTL_ROLE_NONE; role <= CTL_ROLE_ADMIN; role++) {
		ask_text((enum ctl_role)role, str_text(&s));
		if ((enum ctl_role)role >= v->role) {
			ck_assert_msg(plan.outcome == v->outcome, "%s: %s", v->name, plan.message);
		} else {
			ck_assert_int_eq(plan.outcome, CTL_REFUSE);
			ck_assert_int_eq(plan.code, RPC_PERMISSION);
			ck_assert_ptr_null(plan.result);
		}
		ck_assert_ptr_nonnull(plan.method);
	}
	str_free(&s);
}
END_TEST

START_TEST(a_role_is_checked_before_parameters)
{
	ask_text(
	    CTL_ROLE_OPERATOR, "{\"jsonrpc\":\"2.0\",\"method\":\"kill\",\"params\":{\"app\":5}}");
	assert_refused(RPC_PERMISSION, "kill: needs the role admin; this connection has operator");
}
END_TEST

START_TEST(k3_what_is_no_request_is_refused)
{
	ask_text(CTL_ROLE_ADMIN, "[]");
	assert_refused(RPC_INVALID_REQUEST, "a request must be an object");
	ask_text(CTL_ROLE_ADMIN, "5");
	assert_refused(RPC_INVALID_REQUEST, "a request must be an object");
	ask_text(CTL_ROLE_ADMIN, "{\"method\":\"ping\"}");
	assert_refused(RPC_INVALID_REQUEST, "jsonrpc: must be \"2.0\"");
	ask_text(CTL_ROLE_ADMIN, "{\"jsonrpc\":\"2.0\",\"method\":1}");
	assert_refused(RPC_INVALID_REQUEST, "method: must be a string");
	ask_text(CTL_ROLE_ADMIN, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":[]}");
	assert_refused(RPC_INVALID_REQUEST, "id: must be a string or a whole number");
	ask_text(CTL_ROLE_ADMIN, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":[]}");
	assert_refused(RPC_INVALID_PARAMS, "params: must be an object");
}
END_TEST

START_TEST(k3_unknown_methods_name_the_nearest)
{
	ask("staus", "{}");
	assert_refused(RPC_METHOD_NOT_FOUND, "no method \"staus\": did you mean \"status\"?");
	ask("x\\u001b[31m", "{}");
	assert_refused(RPC_METHOD_NOT_FOUND, "no method \"x\\x1B[31m\": \"help\" lists them");
	ck_assert_ptr_null(plan.method);
}
END_TEST

START_TEST(unknown_apps_name_what_there_is)
{
	ask("stop", "{\"app\":\"wbe\"}");
	assert_refused(RPC_FAILED, "no app \"wbe\": did you mean \"web\"?");
	ask("stop", "{\"app\":\"backend\"}");
	assert_refused(RPC_FAILED, "no app \"backend\": there are web, api, none");
	ask("stop", "{}");
	assert_refused(RPC_INVALID_PARAMS, "app: is missing");
	ask("stop", "{\"app\":7}");
	assert_refused(RPC_INVALID_PARAMS, "app: must be a string");
}
END_TEST

START_TEST(w8_long_foreign_words_are_cut_in_messages)
{
	struct str s = {0};

	str_add(&s, "{\"app\":\"");
	for (int i = 0; i < 10000; i++)
		str_add(&s, "é");
	str_add(&s, "\"}");
	ask("stop", str_text(&s));
	str_free(&s);
	ck_assert_int_eq(plan.outcome, CTL_REFUSE);
	ck_assert_uint_lt(strlen(plan.message), 200);
	ck_assert_ptr_nonnull(strstr(plan.message, "é...\": there are web"));
}
END_TEST

START_TEST(unknown_slots_name_what_there_is)
{
	ask("why", "{\"app\":\"web\",\"slot\":4}");
	assert_refused(RPC_FAILED, "no slot 4 in \"web\": it has 0 to 3");
	ask("why", "{\"app\":\"api\",\"slot\":-1}");
	assert_refused(RPC_FAILED, "no slot -1 in \"api\": it has only 0");
	ask("why", "{\"app\":\"none\",\"slot\":0}");
	assert_refused(RPC_FAILED, "none: has no workers");
	ask("why", "{\"app\":\"web\",\"slot\":\"0\"}");
	assert_refused(RPC_INVALID_PARAMS, "slot: must be a whole number");
	ask("logs", "{\"slot\":0}");
	assert_refused(RPC_INVALID_PARAMS, "slot: needs app, too");
	ask("env", "{\"app\":\"web\"}");
	assert_refused(RPC_INVALID_PARAMS, "slot: is missing");
}
END_TEST

START_TEST(spares_go_by_their_numbers)
{
	struct event asked = {.kind = EVENT_ASKED};

	fake_cluster_done(&f);
	fake_cluster_init(&f);
	fake_cluster_add(&f, "web", 1);
	f.conf[0].spares = 1;
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	asked.worker = f.core->apps->spares[0]->current->id;
	fake_cluster_step(&f, &asked);
	ask("kill", "{\"app\":\"web\",\"slot\":1}");
	ck_assert_int_eq(plan.outcome, CTL_EVENT);
	ck_assert_uint_eq(plan.event.kill.slot, 1);
	ask("env", "{\"app\":\"web\",\"slot\":1}");
	ck_assert_int_eq(plan.outcome, CTL_ENV);
	ask("drain", "{\"app\":\"web\",\"slot\":1}");
	assert_refused(RPC_FAILED, "web.1 is no slot, but the number of a spare");
	ask("why", "{\"app\":\"web\",\"slot\":2}");
	assert_refused(RPC_FAILED, "no slot 2 in \"web\": it has only 0");
	/* Also when it serves a slot. */
	fake_cluster_exit(&f, "web", 0, 0, SIGKILL);
	ask("env", "{\"app\":\"web\",\"slot\":1}");
	ck_assert_int_eq(plan.outcome, CTL_ENV);
}
END_TEST

START_TEST(s11_a_slot_without_process_gets_no_signal)
{
	struct event stop = {.kind = EVENT_STOP, .app = "api"};

	fake_cluster_step(&f, &stop);
	ask("kill", "{\"app\":\"api\",\"slot\":0,\"signal\":\"KILL\"}");
	ck_assert_int_eq(plan.outcome, CTL_EVENT);
	ask("env", "{\"app\":\"api\",\"slot\":0}");
	ck_assert_int_eq(plan.outcome, CTL_REFUSE);
	ck_assert_ptr_nonnull(strstr(plan.message, "api.0 has no process: it is in state resting"));
}
END_TEST

START_TEST(signals_have_names_or_numbers)
{
	ask("kill", "{\"app\":\"web\",\"slot\":2}");
	ck_assert_int_eq(plan.event.kind, EVENT_KILL);
	ck_assert_uint_eq(plan.event.kill.slot, 2);
	ck_assert_int_eq(plan.event.kill.signal, SIGTERM);
	ck_assert_ptr_eq(plan.event.app, plan.app);
	ask("signal", "{\"app\":\"web\",\"signal\":9}");
	ck_assert_int_eq(plan.event.kind, EVENT_SIGNAL);
	ck_assert_int_eq(plan.event.signal.signal, SIGKILL);
	ask("signal", "{\"app\":\"web\",\"signal\":\"SIGHUP\"}");
	ck_assert_int_eq(plan.event.signal.signal, SIGHUP);
	ask("signal", "{\"app\":\"web\",\"signal\":\"FOO\"}");
	assert_refused(RPC_USAGE, "signal: no signal \"FOO\"");
	ask("signal", "{\"app\":\"web\",\"signal\":0}");
	assert_refused(RPC_USAGE, "signal: no signal \"0\"");
	ask("signal", "{\"app\":\"web\",\"signal\":-9}");
	assert_refused(RPC_USAGE, "signal: no signal \"-9\"");
	ask("signal", "{\"app\":\"web\"}");
	assert_refused(RPC_INVALID_PARAMS, "signal: is missing");
}
END_TEST

START_TEST(drain_and_resume_are_for_a_slot_or_for_all)
{
	ask("drain", "{\"app\":\"web\"}");
	ck_assert_int_eq(plan.event.kind, EVENT_DRAIN);
	ck_assert_int_eq(plan.event.drain.slot, -1);
	ck_assert_str_eq(plan.event.app, "web");
	ck_assert(plan.wait);
	ask("drain", "{\"app\":\"web\",\"slot\":3,\"wait\":false}");
	ck_assert_int_eq(plan.event.drain.slot, 3);
	ck_assert(!plan.wait);
	ask("resume", "{\"app\":\"web\",\"slot\":0}");
	ck_assert_int_eq(plan.event.kind, EVENT_RESUME);
	ck_assert_int_eq(plan.event.drain.slot, 0);
	ask("drain", "{\"app\":\"web\",\"slot\":4}");
	assert_refused(RPC_FAILED, "no slot 4 in \"web\": it has 0 to 3");
	ask("resume", "{}");
	assert_refused(RPC_INVALID_PARAMS, "app: is missing");
}
END_TEST

START_TEST(probe_asks_for_what_the_app_is_asked_for)
{
	struct conf_app *web = &f.conf[0];
	char ready[] = "/ready", health[] = "/healthz";

	ask("probe", "{\"app\":\"web\",\"slot\":2}");
	ck_assert_int_eq(plan.slot, 2);
	ck_assert_str_eq(plan.path, "/");
	web->probe_timeout_ms = 700;
	web->ready_path = ready;
	ask("probe", "{\"app\":\"web\",\"slot\":2}");
	ck_assert_str_eq(plan.path, "/ready");
	ck_assert_uint_eq(plan.timeout_ms, 700);
	web->probe_path = health;
	ask("probe", "{\"app\":\"web\",\"slot\":2}");
	ck_assert_str_eq(plan.path, "/healthz");
	ask("probe", "{\"app\":\"web\",\"slot\":2,\"path\":\"/x?y=%20\",\"timeout_ms\":20}");
	ck_assert_str_eq(plan.path, "/x?y=%20");
	ck_assert_uint_eq(plan.timeout_ms, 20);
	ask("probe", "{\"app\":\"web\"}");
	assert_refused(RPC_INVALID_PARAMS, "slot: is missing");
	ask("probe", "{\"app\":\"web\",\"slot\":2,\"timeout_ms\":0}");
	assert_refused(RPC_USAGE, "timeout_ms: must be 1 to 3600000");
	ask("probe", "{\"app\":\"web\",\"slot\":2,\"timeout_ms\":\"5s\"}");
	assert_refused(RPC_INVALID_PARAMS, "timeout_ms: must be a whole number");
	ask("probe", "{\"app\":\"web\",\"slot\":2,\"path\":7}");
	assert_refused(RPC_INVALID_PARAMS, "path: must be a string");
}
END_TEST

/* Each of these could become more than one request, or none. */
static const char *const bad_paths[] = {"", "x", "/a b", "/a\\r\\nHost: x", "/\\u007f", "/é"};

START_TEST(probe_takes_no_path_that_is_more_than_a_path)
{
	struct str s = {0};

	str_addf(&s, "{\"app\":\"web\",\"slot\":2,\"path\":\"%s\"}", bad_paths[_i]);
	ask("probe", str_text(&s));
	str_free(&s);
	assert_refused(RPC_USAGE,
	    "path: must begin with a slash, and hold printable ASCII without blanks only");
}
END_TEST

START_TEST(workers_are_counts_or_steps)
{
	static const struct {
		const char *workers;
		unsigned count;
	} rows[] = {{"2", 2}, {"\"2\"", 2}, {"\"+3\"", 7}, {"\"-4\"", 0}, {"0", 0}, {"4096", 4096}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str s = {0};

		str_addf(&s, "{\"app\":\"web\",\"workers\":%s}", rows[i].workers);
		ask("scale", str_text(&s));
		str_free(&s);
		ck_assert_int_eq(plan.outcome, CTL_EVENT);
		ck_assert_int_eq(plan.event.kind, EVENT_SCALE);
		ck_assert_uint_eq(plan.event.scale.workers, rows[i].count);
	}
	ask("scale", "{\"app\":\"web\",\"workers\":\"-5\"}");
	assert_refused(RPC_USAGE, "workers: -5 is more than the 4 that web has");
	ask("scale", "{\"app\":\"web\",\"workers\":\"+4093\"}");
	assert_refused(RPC_USAGE, "workers: 4+4093 is more than 4096");
	ask("scale", "{\"app\":\"web\",\"workers\":-1}");
	assert_refused(RPC_USAGE, "workers: must be 0 to 4096");
	ask("scale", "{\"app\":\"web\",\"workers\":\"four\"}");
	assert_refused(RPC_USAGE, "workers: \"four\" is not N, +N or -N with N up to 4096");
	ask("scale", "{\"app\":\"web\",\"workers\":1.5}");
	assert_refused(RPC_INVALID_PARAMS, "workers: must be N, \"+N\" or \"-N\"");
	ask("scale", "{\"app\":\"web\"}");
	assert_refused(RPC_INVALID_PARAMS, "workers: is missing");
}
END_TEST

START_TEST(operations_wait_unless_told_otherwise)
{
	ask("reload", "{\"x-unknown\":[1]}");
	ck_assert_int_eq(plan.outcome, CTL_RELOAD);
	ck_assert(plan.wait);
	ck_assert(!plan.update_env);
	ck_assert_str_eq(plan.app, "");
	ask("reload", "{\"app\":\"web\",\"wait\":false}");
	ck_assert(!plan.wait);
	ck_assert_str_eq(plan.app, "web");
	ask("reload", "{\"wait\":1}");
	assert_refused(RPC_INVALID_PARAMS, "wait: must be true or false");
	ask("shutdown", "{}");
	ck_assert_int_eq(plan.event.shutdown.mode, SHUTDOWN_GRACEFUL);
	ck_assert_ptr_null(plan.event.app);
}
END_TEST

START_TEST(the_environment_is_updated_only_where_it_was_taken)
{
	ask("reload", "{\"update_env\":true}");
	assert_refused(RPC_FAILED, "update_env: test takes its environment from test.conf");
	f.ctx.adhoc = true;
	ask("reload", "{\"update_env\":true}");
	ck_assert_int_eq(plan.outcome, CTL_RELOAD);
	ck_assert(plan.update_env);
}
END_TEST

START_TEST(logs_and_events_have_a_history)
{
	ask("logs", "{}");
	ck_assert_uint_eq(plan.lines, 100);
	ck_assert_int_eq(plan.slot, -1);
	ck_assert(!plan.follow);
	ask("logs", "{\"app\":\"web\",\"slot\":1,\"lines\":0,\"follow\":true}");
	ck_assert_uint_eq(plan.lines, 0);
	ck_assert_int_eq(plan.slot, 1);
	ck_assert(plan.follow);
	ask("events", "{\"lines\":-1}");
	assert_refused(RPC_INVALID_PARAMS, "lines: must be 0 to 1000000");
	ask("events", "{\"lines\":\"5\"}");
	assert_refused(RPC_INVALID_PARAMS, "lines: must be a whole number");
}
END_TEST

START_TEST(send_passes_data_on)
{
	ask("send", "{\"app\":\"web\",\"slot\":3,\"data\":{\"a\":1}}");
	ck_assert_int_eq(plan.slot, 3);
	ck_assert_int_eq(json_object_size(plan.data), 1);
	ask("send", "{\"app\":\"web\"}");
	assert_refused(RPC_INVALID_PARAMS, "data: is missing");
}
END_TEST

START_TEST(k8_hello_tells_both_sides)
{
	ask("hello", "{\"version\":7,\"client\":\"brood 9\",\"more\":{}}");
	ck_assert_int_eq(json_integer_value(json_object_get(plan.result, "protocol")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(plan.result, "role")), "admin");
	ck_assert_str_eq(json_string_value(json_object_get(plan.result, "name")), "test");
	ask("hello", "{\"version\":0}");
	assert_refused(RPC_INVALID_PARAMS, "version: must be a whole number from 1 on");
}
END_TEST

START_TEST(help_lists_the_table)
{
	ask("help", "{}");
	ck_assert_uint_eq(json_array_size(json_object_get(plan.result, "methods")), VERBS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("command");
	TCase *tc = tcase_create("command");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_method_is_in_the_table_of_this_test);
	tcase_add_loop_test(tc, each_verb_is_open_to_its_roles_only, 0, VERBS);
	tcase_add_test(tc, a_role_is_checked_before_parameters);
	tcase_add_test(tc, k3_what_is_no_request_is_refused);
	tcase_add_test(tc, k3_unknown_methods_name_the_nearest);
	tcase_add_test(tc, unknown_apps_name_what_there_is);
	tcase_add_test(tc, w8_long_foreign_words_are_cut_in_messages);
	tcase_add_test(tc, unknown_slots_name_what_there_is);
	tcase_add_test(tc, spares_go_by_their_numbers);
	tcase_add_test(tc, s11_a_slot_without_process_gets_no_signal);
	tcase_add_test(tc, signals_have_names_or_numbers);
	tcase_add_test(tc, drain_and_resume_are_for_a_slot_or_for_all);
	tcase_add_test(tc, probe_asks_for_what_the_app_is_asked_for);
	tcase_add_loop_test(tc, probe_takes_no_path_that_is_more_than_a_path, 0,
	    (int)(sizeof(bad_paths) / sizeof(bad_paths[0])));
	tcase_add_test(tc, workers_are_counts_or_steps);
	tcase_add_test(tc, operations_wait_unless_told_otherwise);
	tcase_add_test(tc, the_environment_is_updated_only_where_it_was_taken);
	tcase_add_test(tc, logs_and_events_have_a_history);
	tcase_add_test(tc, send_passes_data_on);
	tcase_add_test(tc, k8_hello_tells_both_sides);
	tcase_add_test(tc, help_lists_the_table);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
