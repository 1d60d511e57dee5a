/*
 * Tests of ipc/einhorn.c: each way in which a client of Einhorn's is known to write its commands.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/einhorn.h"

static enum einhorn_command
decode(const char *line)
{
	/* Of its exact length, so that a sanitizer sees a byte too many. */
	size_t len = strlen(line);
	char *copy = malloc(len > 0 ? len : 1);
	enum einhorn_command command;

	memcpy(copy, line, len);
	command = einhorn_decode(copy, len);
	free(copy);
	return command;
}

START_TEST(clients_acknowledge_in_json_and_in_escaped_yaml)
{
	/* the manual's; Go's and Python's libraries; PHP's */
	ck_assert_int_eq(decode("{\"command\":\"worker:ack\", \"pid\":12}"), EINHORN_ACK);
	ck_assert_int_eq(decode("{\"command\": \"worker:ack\", \"pid\": 12}"), EINHORN_ACK);
	ck_assert_int_eq(decode("{\"pid\":12,\"command\":\"worker:ack\"}\r"), EINHORN_ACK);
	/* Ruby's, of several ages */
	ck_assert_int_eq(decode("---%0Acommand: worker:ack%0Apid: 12%0A"), EINHORN_ACK);
	ck_assert_int_eq(decode("--- %0Apid: 12%0Acommand: worker:ack%0A"), EINHORN_ACK);
	ck_assert_int_eq(decode("---%0Acommand: \"worker:ack\"%0Apid: 12%0A"), EINHORN_ACK);
	/* another one of Go's; Node's, escaped as in URLs */
	ck_assert_int_eq(decode("command: worker:ack%0Apid: 12%0A"), EINHORN_ACK);
	ck_assert_int_eq(decode("---%0Acommand:%20worker:ack%0Apid:%2012"), EINHORN_ACK);
}
END_TEST

START_TEST(pings_are_told_from_acks)
{
	ck_assert_int_eq(
	    decode("---%0Acommand: worker:ping%0Apid: 12%0Arequest_id: a%25b%0A"), EINHORN_PING);
	ck_assert_int_eq(decode("{\"command\":\"worker:ping\",\"pid\":1}"), EINHORN_PING);
}
END_TEST

START_TEST(everything_else_is_nothing)
{
	static const char *const lines[] = {"", " ", "%", "%0", "%zz", "{", "{}", "[]", "null",
	    "\"worker:ack\"", "worker:ack", "command",
	    "command:", "command: ", "command:worker:ack", "x%0A command: worker:ack",
	    "command: worker:acknowledge", "command: worker", "command: 'worker:ack\"",
	    "commands: worker:ack", "{\"command\":\"worker:ack\"", "{\"command\":worker:ack}",
	    "{\"command\":[\"worker:ack\"]}", "{\"command\":\"\"}",
	    "{\"a\":{\"command\":\"worker:ack\"}}", "{\"command\":\"ehlo\"}", "command: upgrade",
	    "{\"brood\":\"ready\"}"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_msg(
		    decode(lines[i]) == EINHORN_OTHER, "taken for a command: %s", lines[i]);
}
END_TEST

START_TEST(over_long_lines_are_nothing)
{
	char line[EINHORN_LINE_MAX + 2];
	static const char head[] = "command: worker:ack%0A";

	memset(line, 'x', sizeof(line));
	memcpy(line, head, strlen(head));
	ck_assert_int_eq(einhorn_decode(line, EINHORN_LINE_MAX), EINHORN_ACK);
	ck_assert_int_eq(einhorn_decode(line, EINHORN_LINE_MAX + 1), EINHORN_OTHER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("einhorn");
	TCase *tcase = tcase_create("einhorn");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, clients_acknowledge_in_json_and_in_escaped_yaml);
	tcase_add_test(tcase, pings_are_told_from_acks);
	tcase_add_test(tcase, everything_else_is_nothing);
	tcase_add_test(tcase, over_long_lines_are_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
