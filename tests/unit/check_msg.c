/* msg: what a worker says is understood, clamped, or refused; never more. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/msg.h"

static struct msg m;

static void
decode(const char *frame)
{
	msg_done(&m);
	msg_decode(frame, strlen(frame), &m);
}

static void
forget(void)
{
	msg_done(&m);
}

START_TEST(frames_are_told_apart)
{
	static const struct {
		const char *frame;
		enum msg_kind kind;
	} rows[] = {
	    {"{\"brood\":\"ready\"}", MSG_READY},
	    {" {\"x\":[1,{\"brood\":2}],\"brood\":\"ready\"}\r", MSG_READY},
	    {"\"ready\"", MSG_READY_BARE},
	    {" \"ready\" \r", MSG_READY_BARE},
	    {"\"ready\",", MSG_APPLICATION},
	    {"{\"brood\":\"beat\"}", MSG_BEAT},
	    {"{\"brood\":\"stopping\"}", MSG_STOPPING},
	    {"{\"brood\":\"replace\"}", MSG_REPLACE},
	    {"{\"brood\":\"pong\"}", MSG_PONG},
	    {"{\"brood\":\"ring\"}", MSG_RING},
	    {"{\"brood\":\"take\"}", MSG_TAKE},
	    {"{\"brood\":\"rings\"}", MSG_UNKNOWN},
	    {"{\"brood\":\"fault\"}", MSG_UNKNOWN},
	    {"{\"brood\":\"application\"}", MSG_UNKNOWN},
	    {"{\"brood\":1}", MSG_FAULT},
	    {"{\"brood\":\"ready\"", MSG_FAULT},
	    {"{\"brood\"", MSG_FAULT},
	    {"{\"brood\":\"ready\"} x", MSG_FAULT},
	    {"{\"brood\":\"ready\",\"brood\":\"stopping\"}", MSG_FAULT},
	    {"{\"brood\":\"status\",\"text\":\"\\u0000\"}", MSG_FAULT},
	    {"{\"brood\":\"status\",\"text\":\"\xff\"}", MSG_FAULT},
	    {"", MSG_APPLICATION},
	    {"{}", MSG_APPLICATION},
	    {"[{\"brood\":\"ready\"}]", MSG_APPLICATION},
	    {"{\"a\":{\"brood\":\"ready\"}}", MSG_APPLICATION},
	    {"{\"a\":\"brood\"}", MSG_APPLICATION},
	    {"{\"a\":\"{\\\"brood\\\":1\"}", MSG_APPLICATION},
	    {"not json at all", MSG_APPLICATION},
	    {"{not json", MSG_APPLICATION},
	    {"{\"a\":\"", MSG_APPLICATION},
	    {"{\"a\":\"\\", MSG_APPLICATION},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		decode(rows[i].frame);
		ck_assert_msg(m.kind == rows[i].kind, "%s is %s, not %s", rows[i].frame,
		    msg_kind_to_string(rows[i].kind), msg_kind_to_string(m.kind));
		if (m.kind == MSG_FAULT)
			ck_assert_int_ne(m.text[0], '\0');
	}
}
END_TEST

START_TEST(a_beat_is_read)
{
	decode("{\"brood\":\"beat\",\"lag_us\":120,\"busy\":0.31,\"conns\":17,\"requests\":9120,"
	       "\"stolen\":12}");
	ck_assert_int_eq(m.kind, MSG_BEAT);
	ck_assert(m.has_lag && m.has_busy && m.has_conns && m.has_requests && m.has_stolen);
	ck_assert_uint_eq(m.stolen, 12);
	ck_assert_uint_eq(m.lag_us, 120);
	ck_assert_double_eq_tol(m.busy, 0.31, 1e-9);
	ck_assert_uint_eq(m.conns, 17);
	ck_assert_uint_eq(m.requests, 9120);
	decode("{\"brood\":\"beat\",\"conns\":1}");
	ck_assert(!m.has_lag && !m.has_busy && m.has_conns && !m.has_requests && !m.has_stolen);
}
END_TEST

START_TEST(w6_numbers_are_clamped)
{
	decode("{\"brood\":\"beat\",\"lag_us\":-1,\"busy\":-0.5,\"conns\":-1e308,\"requests\":-5}");
	ck_assert_int_eq(m.kind, MSG_BEAT);
	ck_assert_uint_eq(m.lag_us, 0);
	ck_assert_double_eq(m.busy, 0);
	ck_assert_uint_eq(m.conns, 0);
	ck_assert_uint_eq(m.requests, 0);
	decode("{\"brood\":\"beat\",\"lag_us\":1e308,\"busy\":1e308,\"conns\":1e308,"
	       "\"requests\":9223372036854775807}");
	ck_assert_int_eq(m.kind, MSG_BEAT);
	ck_assert_uint_eq(m.lag_us, 1000000000);
	ck_assert_double_eq(m.busy, 1);
	ck_assert_uint_eq(m.conns, UINT64_C(1) << 53);
	ck_assert_uint_eq(m.requests, UINT64_C(1) << 53);
	decode("{\"brood\":\"beat\",\"lag_us\":1.9,\"stolen\":1e300}");
	ck_assert_uint_eq(m.lag_us, 1);
	ck_assert_uint_eq(m.stolen, UINT64_C(1) << 53);
}
END_TEST

START_TEST(w6_what_is_no_number_is_a_fault)
{
	static const char *const rows[] = {"{\"brood\":\"beat\",\"busy\":NaN}",
	    "{\"brood\":\"beat\",\"busy\":Infinity}", "{\"brood\":\"beat\",\"busy\":1e999}",
	    "{\"brood\":\"beat\",\"conns\":99999999999999999999}",
	    "{\"brood\":\"beat\",\"conns\":\"17\"}", "{\"brood\":\"beat\",\"busy\":null}",
	    "{\"brood\":\"beat\",\"lag_us\":[]}", "{\"brood\":\"beat\",\"stolen\":\"x\"}",
	    "{\"brood\":\"ring\",\"neighbours\":\"all\"}", "{\"brood\":\"pong\",\"id\":\"x\"}",
	    "{\"brood\":\"metric\",\"name\":\"a\",\"type\":\"gauge\",\"value\":\"1\"}"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		decode(rows[i]);
		ck_assert_msg(m.kind == MSG_FAULT, "%s", rows[i]);
	}
	decode("{\"brood\":\"beat\",\"conns\":\"17\"}");
	ck_assert_str_eq(m.text, "beat: conns is not a number");
}
END_TEST

START_TEST(neighbours_of_a_ring_are_clamped)
{
	static const struct {
		const char *said;
		unsigned meant;
	} rows[] = {
	    {"3", 3}, {"1", 1}, {"0", 1}, {"-7", 1}, {"2.9", 2}, {"4096", 4096}, {"1e300", 4096}};

	decode("{\"brood\":\"ring\"}");
	ck_assert_uint_eq(m.neighbours, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str s = {0};

		str_addf(&s, "{\"brood\":\"ring\",\"neighbours\":%s}", rows[i].said);
		decode(str_text(&s));
		ck_assert_int_eq(m.kind, MSG_RING);
		ck_assert_uint_eq(m.neighbours, rows[i].meant);
		str_free(&s);
	}
}
END_TEST

START_TEST(w6_identity_and_unknown_members_are_ignored)
{
	decode("{\"brood\":\"ready\",\"pid\":1,\"slot\":99,\"app\":\"other\",\"x\":{\"y\":[]}}");
	ck_assert_int_eq(m.kind, MSG_READY);
}
END_TEST

START_TEST(w3_depth_is_checked_before_parsing)
{
	struct str s = {0};

	str_add(&s, "{\"brood\":\"send\",\"to\":\"a\",\"data\":");
	for (int i = 0; i < 30000; i++)
		str_add_char(&s, '[');
	for (int i = 0; i < 30000; i++)
		str_add_char(&s, ']');
	str_add_char(&s, '}');
	decode(str_text(&s));
	ck_assert_int_eq(m.kind, MSG_FAULT);
	ck_assert_str_eq(m.text, "nested too deeply");
	str_free(&s);
	decode("{\"brood\":\"send\",\"to\":\"a\",\"data\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}");
	ck_assert_int_eq(m.kind, MSG_SEND);
	decode("{\"brood\":\"send\",\"to\":\"a\",\"data\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}");
	ck_assert_int_eq(m.kind, MSG_FAULT);
}
END_TEST

START_TEST(w3_number_of_values_is_checked_before_parsing)
{
	struct str s = {0};

	str_add(&s, "{\"brood\":\"send\",\"to\":\"a\",\"data\":[{}");
	for (int i = 0; i < 70000; i++)
		str_add(&s, ",{}");
	str_add(&s, "]}");
	decode(str_text(&s));
	ck_assert_int_eq(m.kind, MSG_FAULT);
	ck_assert_str_eq(m.text, "too many values");
	str_free(&s);
}
END_TEST

START_TEST(w8_texts_are_short_and_escaped)
{
	struct str s = {0};

	decode("{\"brood\":\"status\",\"text\":\"a\\u001b[31m\\nb\"}");
	ck_assert_int_eq(m.kind, MSG_STATUS);
	ck_assert_str_eq(m.text, "a\\x1B[31m\\x0Ab");
	str_add(&s, "{\"brood\":\"status\",\"text\":\"");
	for (int i = 0; i < 500000; i++)
		str_add(&s, "é");
	str_add(&s, "\"}");
	decode(str_text(&s));
	ck_assert_int_eq(m.kind, MSG_STATUS);
	ck_assert_uint_eq(strlen(m.text), MSG_TEXT_MAX - 2);
	ck_assert_uint_eq(utf8_sequence(m.text + strlen(m.text) - 2, 2), 2);
	str_free(&s);
	decode("{\"brood\":\"\\u0007bell\"}");
	ck_assert_int_eq(m.kind, MSG_UNKNOWN);
	ck_assert_str_eq(m.text, "\\x07bell");
	decode("{\"brood\":\"status\"}");
	ck_assert_str_eq(m.text, "status: text is missing");
}
END_TEST

START_TEST(a_send_gives_its_data_on)
{
	decode("{\"brood\":\"send\",\"to\":\"web.*\",\"data\":{\"a\":[1,null]}}");
	ck_assert_int_eq(m.kind, MSG_SEND);
	ck_assert_str_eq(m.to, "web.*");
	ck_assert_int_eq(json_object_size(m.data), 1);
	decode("{\"brood\":\"send\",\"to\":\"leader\",\"data\":null}");
	ck_assert_int_eq(m.kind, MSG_SEND);
	ck_assert(json_is_null(m.data));
	decode("{\"brood\":\"send\",\"to\":\"leader\"}");
	ck_assert_str_eq(m.text, "send: data is missing");
	decode("{\"brood\":\"send\",\"data\":1}");
	ck_assert_str_eq(m.text, "send: to is missing");
	decode("{\"brood\":\"send\",\"data\":1,\"to\":"
	       "\"0123456789012345678901234567890123456789012345678901234567890123\"}");
	ck_assert_int_eq(m.kind, MSG_UNKNOWN);
}
END_TEST

START_TEST(labels_are_sorted_and_quoted)
{
	decode("{\"brood\":\"metric\",\"name\":\"jobs_total\",\"type\":\"counter\",\"value\":2,"
	       "\"labels\":{\"z\":\"1\",\"a\":\"q\\\"\\\\\\n\\u0001é\"}}");
	ck_assert_int_eq(m.kind, MSG_METRIC);
	ck_assert_str_eq(m.metric_name, "jobs_total");
	ck_assert_str_eq(m.metric_type, "counter");
	ck_assert_double_eq(m.metric_value, 2);
	ck_assert_str_eq(m.metric_labels, "a=\"q\\\"\\\\\\n\\\\x01é\",z=\"1\"");
	decode("{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"gauge\",\"value\":-1.5}");
	ck_assert_str_eq(m.metric_labels, "");
	ck_assert_double_eq(m.metric_value, -1.5);
}
END_TEST

START_TEST(metrics_that_brood_cannot_keep_are_no_fault)
{
	struct str s = {0};

	decode("{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"histogram\",\"value\":1}");
	ck_assert_int_eq(m.kind, MSG_UNKNOWN);
	decode("{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"gauge\",\"value\":1,"
	       "\"labels\":{\"a-b\":\"1\"}}");
	ck_assert_int_eq(m.kind, MSG_UNKNOWN);
	decode("{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"gauge\",\"value\":1,"
	       "\"labels\":{\"a\":1}}");
	ck_assert_int_eq(m.kind, MSG_FAULT);
	str_add(&s, "{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"gauge\",\"value\":1,"
	            "\"labels\":{\"a\":\"");
	for (int i = 0; i < 300; i++)
		str_add_char(&s, 'x');
	str_add(&s, "\"}}");
	decode(str_text(&s));
	ck_assert_int_eq(m.kind, MSG_UNKNOWN);
	ck_assert_str_eq(m.text, "metric: labels are too long");
	str_free(&s);
	str_add(
	    &s, "{\"brood\":\"metric\",\"name\":\"x\",\"type\":\"gauge\",\"value\":1,\"labels\":{");
	for (int i = 0; i < 40; i++)
		str_addf(&s, "%s\"l%d\":\"\"", i > 0 ? "," : "", i);
	str_add(&s, "}}");
	decode(str_text(&s));
	ck_assert_str_eq(m.text, "metric: labels are too many");
	str_free(&s);
}
END_TEST

START_TEST(encoders_write_one_line_each)
{
	struct str s = {0};
	json_t *data = json_pack("{s:s}", "text", "a\nb");
	static const char *const names[] = {"8080", "8080", "\\"};
	static const unsigned own[] = {0, 4};

	msg_add_hello(&s, "web", 2, 7, false);
	msg_add_drain(&s, 30000);
	msg_add_message(&s, "web.0", data);
	msg_add_leader(&s, true);
	msg_add_ping(&s, 5);
	msg_add_ring(&s, names, 2, NULL, 0, true);
	msg_add_ring(&s, names, 3, own, 2, false);
	msg_add_ring(&s, NULL, 0, NULL, 0, false);
	msg_add_connection(&s, "a\"b");
	msg_add_ready(&s);
	msg_add_stopping(&s);
	ck_assert_str_eq(str_text(&s),
	    "{\"brood\":\"hello\",\"version\":1,\"app\":\"web\",\"slot\":2,\"generation\":7,"
	    "\"leader\":false}\n"
	    "{\"brood\":\"drain\",\"deadline_ms\":30000}\n"
	    "{\"brood\":\"message\",\"from\":\"web.0\",\"data\":{\"text\":\"a\\nb\"}}\n"
	    "{\"brood\":\"leader\",\"value\":true}\n"
	    "{\"brood\":\"ping\",\"id\":5}\n"
	    "{\"brood\":\"ring\",\"more\":true,\"listeners\":[\"8080\",\"8080\"],\"own\":[]}\n"
	    "{\"brood\":\"ring\",\"listeners\":[\"8080\",\"8080\",\"\\\\\"],\"own\":[0,4]}\n"
	    "{\"brood\":\"ring\",\"listeners\":[],\"own\":[]}\n"
	    "{\"brood\":\"connection\",\"listener\":\"a\\\"b\"}\n"
	    "{\"brood\":\"ready\"}\n"
	    "{\"brood\":\"stopping\"}\n");
	json_decref(data);
	str_free(&s);
}
END_TEST

START_TEST(rpc_encoders_write_one_line_each)
{
	struct str s = {0};
	json_t *id = json_string("x"), *number = json_integer(3);

	rpc_add_request(&s, 1, "status", NULL);
	rpc_add_request(&s, 2, "stop", json_pack("{s:s}", "app", "web"));
	rpc_add_result(&s, number, json_true());
	rpc_add_result(&s, id, NULL);
	rpc_add_error(&s, NULL, RPC_PARSE_ERROR, "no JSON", NULL);
	rpc_add_error(&s, number, RPC_FAILED, "no", json_pack("{s:s}", "last_words", "w"));
	rpc_add_notification(&s, "event", json_object());
	ck_assert_str_eq(str_text(&s),
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"stop\",\"params\":{\"app\":\"web\"}}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":true}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":null}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"no "
	    "JSON\"}}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32001,\"message\":\"no\","
	    "\"data\":{\"last_words\":\"w\"}}}\n"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n");
	json_decref(id);
	json_decref(number);
	str_free(&s);
}
END_TEST

START_TEST(trees_are_written_as_jansson_writes_them)
{
	static const char *const rows[] = {"{}", "[]", "{\"a\":{\"b\":[1,-2,[],{}]},\"c\":null}",
	    "[true,false,null,0.5,-1e300,9223372036854775807,-9223372036854775808,1.0,0,-7]",
	    "[\"\",\"q\\\"b\\\\/n\\n\\u0001\\u001f\\u007f\u00e9\xf0\x9f\x98\x80\"]"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *v = json_loads(rows[i], 0, NULL), *line, *back;
		struct str s = {0};

		ck_assert_ptr_nonnull(v);
		rpc_add_result(&s, NULL, json_incref(v));
		line = json_loads(str_text(&s), JSON_REJECT_DUPLICATES, NULL);
		back = json_object_get(line, "result");
		ck_assert_msg(json_equal(back, v), "%s became %s", rows[i], str_text(&s));
		ck_assert_ptr_eq(strchr(str_text(&s), '\n'), str_text(&s) + s.len - 1);
		json_decref(v);
		json_decref(line);
		str_free(&s);
	}
}
END_TEST

START_TEST(a_line_that_fails_leaves_nothing_behind)
{
	struct str s = {0};

	str_add(&s, "before\n");
	rpc_add_error(&s, NULL, RPC_FAILED, "bad \xff text", NULL);
	ck_assert(str_failed(&s));
	ck_assert_str_eq(str_text(&s), "before\n");
	str_free(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("msg");
	TCase *tc = tcase_create("msg");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, NULL, forget);
	tcase_add_test(tc, frames_are_told_apart);
	tcase_add_test(tc, a_beat_is_read);
	tcase_add_test(tc, w6_numbers_are_clamped);
	tcase_add_test(tc, w6_what_is_no_number_is_a_fault);
	tcase_add_test(tc, neighbours_of_a_ring_are_clamped);
	tcase_add_test(tc, w6_identity_and_unknown_members_are_ignored);
	tcase_add_test(tc, w3_depth_is_checked_before_parsing);
	tcase_add_test(tc, w3_number_of_values_is_checked_before_parsing);
	tcase_add_test(tc, w8_texts_are_short_and_escaped);
	tcase_add_test(tc, a_send_gives_its_data_on);
	tcase_add_test(tc, labels_are_sorted_and_quoted);
	tcase_add_test(tc, metrics_that_brood_cannot_keep_are_no_fault);
	tcase_add_test(tc, encoders_write_one_line_each);
	tcase_add_test(tc, rpc_encoders_write_one_line_each);
	tcase_add_test(tc, trees_are_written_as_jansson_writes_them);
	tcase_add_test(tc, a_line_that_fails_leaves_nothing_behind);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
