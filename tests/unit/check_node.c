/* node: Node's messages are read and written as Node itself has them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/node.h"

static struct node_msg m;
static char *frame; /* of its exact size, so that a sanitizer sees a read beyond it */

static void
forget(void)
{
	free(frame);
	frame = NULL;
}

static void
decode_n(const char *text, size_t len, bool cut)
{
	forget();
	frame = malloc(len + 1);
	ck_assert_ptr_nonnull(frame);
	memmove(frame + 1, text, len);
	node_decode(frame + 1, len, cut, &m);
}

static void
decode(const char *text)
{
	decode_n(text, strlen(text), false);
}

static const char *
text_of(void)
{
	static char buf[512];

	if (!m.text)
		return "-";
	snprintf(buf, sizeof(buf), "%.*s", (int)m.len, m.text);
	return buf;
}

START_TEST(messages_are_told_apart)
{
	static const struct {
		const char *frame;
		enum node_kind kind;
	} rows[] = {
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\",\"seq\":0}", NODE_ONLINE},
	    {" {\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\",\"seq\":0} \r", NODE_ONLINE},
	    {"{\"seq\":0,\"act\":\"online\",\"cmd\":\"NODE_CLUSTER\"}", NODE_ONLINE},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\"}", NODE_QUERY},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"listening\"}", NODE_LISTENING},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"close\",\"key\":\"k\",\"seq\":3}", NODE_CLOSE},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"exitedAfterDisconnect\",\"seq\":3}", NODE_LEAVES},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"ack\":0,\"accepted\":true,\"seq\":1}", NODE_REPLY},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"tomorrow\",\"seq\":3}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"NODE_HANDLE_ACK\"}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"reply\"}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_CLUSTER\"}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_TOMORROW\"}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_X\"}", NODE_IGNORED},
	    {"{\"cmd\":\"NODE_HANDLE_ACK\"}", NODE_HANDLE_ACK},
	    {"{\"cmd\":\"NODE_HANDLE_NACK\"}", NODE_HANDLE_NACK},
	    {"{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":1}", NODE_HANDLE},
	    {"{\"cmd\":\"NODE_SOCKET_GET_COUNT\",\"key\":\"4::0\"}", NODE_SOCKET_GET_COUNT},
	    {"{\"cmd\":\"NODE_SOCKET_NOTIFY_CLOSE\",\"key\":\"4::0\"}", NODE_SOCKET_NOTIFY_CLOSE},
	    {"{\"cmd\":\"NODE_\"}", NODE_USER},
	    {"{\"cmd\":\"NODE\"}", NODE_USER},
	    {"{\"cmd\":\"XNODE_CLUSTER\"}", NODE_USER},
	    {"{\"cmd\":1}", NODE_USER},
	    {"{\"a\":{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}}", NODE_USER},
	    {"[{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}]", NODE_USER},
	    {"null", NODE_USER},
	    {"1", NODE_USER},
	    {"\"ready\"", NODE_USER},
	    {"", NODE_USER},
	    {"not JSON", NODE_USER},
	    {"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"", NODE_USER},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		decode(rows[i].frame);
		ck_assert_msg(
		    m.kind == rows[i].kind, "%s: %s", rows[i].frame, node_kind_to_string(m.kind));
	}
}
END_TEST

START_TEST(a_users_message_is_handed_on_as_it_came)
{
	decode(" {\"x\":[1, 2]}\r");
	ck_assert_int_eq(m.kind, NODE_USER);
	ck_assert(m.well_formed);
	ck_assert_str_eq(text_of(), " {\"x\":[1, 2]}\r");
	decode("{\"x\":");
	ck_assert_int_eq(m.kind, NODE_USER);
	ck_assert(!m.well_formed);
}
END_TEST

START_TEST(bun_marks_what_is_internal)
{
	decode("\x02{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}");
	ck_assert_int_eq(m.kind, NODE_ONLINE);
	ck_assert(m.prefixed);
	ck_assert(!m.has_seq);
	decode("\x02{\"cmd\":");
	ck_assert_int_eq(m.kind, NODE_IGNORED);
	decode("\x02");
	ck_assert_int_eq(m.kind, NODE_IGNORED);
}
END_TEST

START_TEST(a_query_is_read)
{
	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"index\":0,\"data\":null,"
	       "\"address\":null,\"port\":3000,\"addressType\":4,\"backlog\":0,\"seq\":1}");
	ck_assert_int_eq(m.kind, NODE_QUERY);
	ck_assert(m.has_seq);
	ck_assert_uint_eq(m.seq, 1);
	ck_assert_str_eq(m.query.address, "");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_TCP);
	ck_assert_int_eq(m.query.port, 3000);
	ck_assert_int_eq(m.query.fd, -1);
	ck_assert_uint_eq(m.query.index, 0);
	ck_assert_int_eq(m.query.backlog, 511);
	ck_assert(!m.query.v6only);
	ck_assert_uint_eq(m.query.data_len, 4);
	ck_assert_str_eq(m.query.key, "null:3000:4:undefined:0");

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"index\":1,\"flags\":1,"
	       "\"data\":{\"ticketKeys\":\"00ff\"},\"address\":\"::\",\"port\":0,\"addressType\":6,"
	       "\"backlog\":9,\"seq\":7}");
	ck_assert_str_eq(m.query.key, ":::0:6:undefined:1");
	ck_assert_int_eq(m.query.backlog, 9);
	ck_assert(m.query.v6only);
	ck_assert_int_eq(m.query.port, 0);
	ck_assert_uint_eq(m.query.index, 1);
	ck_assert_uint_eq(m.query.data_len, strlen("{\"ticketKeys\":\"00ff\"}"));
	ck_assert_int_eq(memcmp(m.query.data, "{\"ticketKeys\":\"00ff\"}", 21), 0);
}
END_TEST

START_TEST(forms_of_a_query)
{
	decode(
	    "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"/run/a\\u00e9.sock\","
	    "\"port\":-1,\"addressType\":-1,\"backlog\":false,\"readableAll\":true,\"seq\":2}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_PATH);
	ck_assert_str_eq(m.query.address, "/run/a\xc3\xa9.sock");
	ck_assert_str_eq(m.query.key, "/run/a\xc3\xa9.sock:-1:-1:undefined:0");
	ck_assert_int_eq(m.query.backlog, 511);
	ck_assert(m.query.readable_all);
	ck_assert(!m.query.writable_all);
	ck_assert_ptr_null(m.query.data);

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"/srv/\\u0000name\","
	       "\"port\":-1,\"addressType\":-1,\"seq\":2}");
	ck_assert(m.query.abstract);
	ck_assert(!m.query.too_long);
	ck_assert_str_eq(m.query.address, "name");
	ck_assert_str_eq(m.query.key, "@name:-1:-1:undefined:0");

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":null,\"port\":null,"
	       "\"addressType\":null,\"fd\":4,\"seq\":2}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_NONE);
	ck_assert_int_eq(m.query.port, -1);
	ck_assert_int_eq(m.query.fd, 4);
	ck_assert_str_eq(m.query.key, "null:null:null:4:0");

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"0.0.0.0\","
	       "\"addressType\":\"udp4\",\"fd\":-1,\"flags\":4,\"seq\":2}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_UDP4);
	ck_assert_int_eq(m.query.port, -1);
	ck_assert(!m.query.v6only);
	ck_assert_str_eq(m.query.key, "0.0.0.0:undefined:udp4:-1:0");

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"addressType\":\"udp6\"}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_UDP6);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"addressType\":\"udp7\"}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_UNKNOWN);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"addressType\":5}");
	ck_assert_int_eq(m.query.type, NODE_ADDRESS_UNKNOWN);
}
END_TEST

START_TEST(what_a_worker_says_is_clamped)
{
	struct str s = {0};

	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"index\":1e300,\"port\":-7e99,"
	       "\"fd\":1e99,\"backlog\":-5,\"flags\":\"x\",\"seq\":1e300,\"addressType\":[4]}");
	ck_assert_uint_eq(m.query.index, NODE_INDEX_MAX);
	ck_assert_int_eq(m.query.port, -1);
	ck_assert_int_eq(m.query.fd, INT32_MAX);
	ck_assert_int_eq(m.query.backlog, 511);
	ck_assert_uint_eq(m.seq, UINT64_C(1) << 53);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"index\":-1,"
	       "\"port\":1234567890123456789012345678901234567890,\"fd\":{},\"seq\":\"1\"}");
	ck_assert_uint_eq(m.query.index, 0);
	ck_assert_int_eq(m.query.port, -1);
	ck_assert(!m.has_seq);

	for (size_t n = 100; n < 6000; n += 4200 / 100) {
		str_reset(&s);
		str_add(&s, "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"");
		for (size_t i = 0; i < n; i++)
			str_add_char(&s, 'a');
		str_add(&s, "\",\"addressType\":-1}");
		decode(str_text(&s));
		ck_assert_int_eq(m.kind, NODE_QUERY);
		ck_assert_int_eq(m.query.too_long, n >= NODE_ADDRESS_MAX);
		ck_assert_uint_eq(
		    strlen(m.query.address), n < NODE_ADDRESS_MAX ? n : NODE_ADDRESS_MAX - 1);
	}
	str_free(&s);
	/* Two NULs name nothing that could be bound; a broken escape is no address. */
	decode(
	    "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"\\u0000a\\u0000\"}");
	ck_assert(m.query.too_long);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"\\ud800\"}");
	ck_assert_str_eq(m.query.address, "");
}
END_TEST

START_TEST(handles_are_unwrapped)
{
	decode("{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":{\"a\":[1]},"
	       "\"key\":\"4:127.0.0.1:0\"}");
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(m.type, "net.Socket");
	ck_assert_str_eq(m.key, "4:127.0.0.1:0");
	ck_assert_str_eq(text_of(), "{\"a\":[1]}");

	decode("{\"cmd\":\"NODE_HANDLE\",\"type\":\"dgram.Socket\",\"msg\":\"x\","
	       "\"dgramType\":\"udp4\"}");
	ck_assert_str_eq(m.type, "dgram.Socket");
	ck_assert_str_eq(m.dgram_type, "udp4");
	ck_assert_str_eq(text_of(), "\"x\"");

	/* Sent again after a NACK, it is wrapped again. */
	decode("{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_HANDLE\","
	       "\"type\":\"net.Socket\",\"msg\":{\"a\":1},\"key\":\"k\"}}");
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(m.type, "net.Socket");
	ck_assert_str_eq(m.key, "k");
	ck_assert_str_eq(text_of(), "{\"a\":1}");

	/* Nobody sends these with a handle; it is acknowledged, and that is all. */
	decode("{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","
	       "\"act\":\"queryServer\",\"seq\":1}}");
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(text_of(), "-");
	decode("{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\"}");
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(text_of(), "-");
}
END_TEST

START_TEST(a_handle_is_known_by_its_beginning)
{
	const char *head = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":\"aaaa";
	const char *user = "{\"cmd\":\"NODE_HANDLES\",\"type\":\"net.Socket\",\"msg\":\"aaaa";
	struct str s = {0};

	decode_n(head, strlen(head), true);
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(text_of(), "-");
	decode_n(user, strlen(user), true);
	ck_assert_int_eq(m.kind, NODE_USER);
	decode_n(head, 10, true);
	ck_assert_int_eq(m.kind, NODE_USER);
	/* Nested more deeply than is looked at. */
	str_add(&s, "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":");
	for (int i = 0; i < 2000; i++)
		str_add_char(&s, '[');
	for (int i = 0; i < 2000; i++)
		str_add_char(&s, ']');
	str_add(&s, "}");
	decode(str_text(&s));
	ck_assert_int_eq(m.kind, NODE_HANDLE);
	ck_assert_str_eq(text_of(), "-");
	str_free(&s);
}
END_TEST

START_TEST(replies_are_read)
{
	decode("{\"cmd\":\"NODE_CLUSTER\",\"ack\":0,\"accepted\":true,\"seq\":9}");
	ck_assert_int_eq(m.kind, NODE_REPLY);
	ck_assert_uint_eq(m.ack, 0);
	ck_assert(m.accepted);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"ack\":12,\"accepted\":false,\"seq\":9}");
	ck_assert_uint_eq(m.ack, 12);
	ck_assert(!m.accepted);
	decode("{\"cmd\":\"NODE_CLUSTER\",\"ack\":12,\"seq\":9}");
	ck_assert(!m.accepted);
	decode(
	    "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"close\",\"key\":\"127.0.0.1:1:4:undefined:0\"}");
	ck_assert_str_eq(m.key, "127.0.0.1:1:4:undefined:0");
}
END_TEST

static struct str out;

static const char *
written(void)
{
	static char buf[1024];
	const char *end = memchr(str_text(&out), '\n', out.len);

	ck_assert_ptr_nonnull(end);
	ck_assert_uint_eq((size_t)(end - out.data), out.len - 1);
	snprintf(buf, sizeof(buf), "%.*s", (int)out.len - 1, out.data);
	str_free(&out);
	return buf;
}

START_TEST(answers_are_nodes_own_bytes)
{
	struct node_answer a = {.key = "127.0.0.1:3911:4:undefined:0", .ack = 1};

	node_add_answer_shared(&out, false, &a);
	ck_assert_uint_eq(out.len, 146);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","
	    "\"errno\":0,\"key\":\"127.0.0.1:3911:4:undefined:0\",\"ack\":1,\"data\":null,"
	    "\"seq\":0}}");
	a.any_port = a.dgram = true;
	a.data = "{\"ticketKeys\":\"00\"},";
	a.data_len = 19;
	node_add_answer_shared(&out, false, &a);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"dgram.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","
	    "\"errno\":null,\"key\":\"127.0.0.1:3911:4:undefined:0\",\"ack\":1,"
	    "\"data\":{\"ticketKeys\":\"00\"},\"seq\":0}}");
	a.data = NULL;
	a.address = "127.0.0.1";
	a.family = "IPv4";
	a.port = 3911;
	node_add_answer_plain(&out, false, &a);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_CLUSTER\",\"errno\":null,\"key\":\"127.0.0.1:3911:4:undefined:0\","
	    "\"ack\":1,\"data\":null,\"sockname\":{\"address\":\"127.0.0.1\",\"family\":\"IPv4\","
	    "\"port\":3911},\"seq\":0}");
	a.address = NULL;
	node_add_answer_plain(&out, false, &a);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_CLUSTER\",\"errno\":null,\"key\":\"127.0.0.1:3911:4:undefined:0\","
	    "\"ack\":1,\"data\":null,\"seq\":0}");
	a.error = -98;
	a.seq = 4;
	a.key = "/a\"b:-1:-1:undefined:0";
	node_add_answer_error(&out, false, &a);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_CLUSTER\",\"errno\":-98,\"key\":\"/a\\\"b:-1:-1:undefined:0\","
	    "\"ack\":1,\"data\":null,\"seq\":4}");
}
END_TEST

START_TEST(other_lines_are_nodes_own_bytes)
{
	struct node_msg h = {.type = "net.Socket", .key = "4:127.0.0.1:0"};

	node_add_connection(&out, false, "k", 3);
	ck_assert(node_is_connection(out.data, out.len));
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","
	    "\"act\":\"newconn\",\"key\":\"k\",\"seq\":3}}");
	node_add_connection(&out, true, "k", 3);
	ck_assert(node_is_connection(out.data, out.len));
	ck_assert_int_eq(written()[0], 2);
	node_add_disconnect(&out, false, 5);
	ck_assert(!node_is_connection(out.data, out.len));
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\",\"seq\":5}");
	node_add_disconnect(&out, true, 5);
	ck_assert_str_eq(
	    written(), "\x02{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\",\"seq\":5}");
	node_add_ack(&out, false, 0, 6);
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_CLUSTER\",\"ack\":0,\"seq\":6}");
	node_add_handle_ack(&out, false, true);
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_HANDLE_ACK\"}");
	node_add_handle_ack(&out, false, false);
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_HANDLE_NACK\"}");
	node_add_socket_count(&out, false, "k");
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_SOCKET_COUNT\",\"key\":\"k\",\"count\":0}");
	node_add_all_closed(&out, false, "k");
	ck_assert_str_eq(written(), "{\"cmd\":\"NODE_SOCKET_ALL_CLOSED\",\"key\":\"k\"}");
	node_add_user(&out, "\"shutdown\"", 10);
	ck_assert_str_eq(written(), "\"shutdown\"");
	node_add_user_handle(&out, false, &h, "{\"a\":1}", 7);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":{\"a\":1},"
	    "\"key\":\"4:127.0.0.1:0\"}");
	h = (struct node_msg){.type = "dgram.Socket", .dgram_type = "udp4"};
	node_add_user_handle(&out, false, &h, "1", 1);
	ck_assert_str_eq(written(),
	    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"dgram.Socket\",\"msg\":1,\"dgramType\":\"udp4\"}");
	node_add_ping(&out, false);
	decode_n(out.data, out.len - 1, false);
	ck_assert_int_eq(m.kind, NODE_IGNORED);
	str_free(&out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("node");
	TCase *tc = tcase_create("node");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, NULL, forget);
	tcase_add_test(tc, messages_are_told_apart);
	tcase_add_test(tc, a_users_message_is_handed_on_as_it_came);
	tcase_add_test(tc, bun_marks_what_is_internal);
	tcase_add_test(tc, a_query_is_read);
	tcase_add_test(tc, forms_of_a_query);
	tcase_add_test(tc, what_a_worker_says_is_clamped);
	tcase_add_test(tc, handles_are_unwrapped);
	tcase_add_test(tc, a_handle_is_known_by_its_beginning);
	tcase_add_test(tc, replies_are_read);
	tcase_add_test(tc, answers_are_nodes_own_bytes);
	tcase_add_test(tc, other_lines_are_nodes_own_bytes);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
