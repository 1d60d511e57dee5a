/*
 * Tests of what is pure in src/bind: which listener an address means, and addresses of one family
 * told in the other. How programs fare is in tests/system/bind_cases.c.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "bind/bind.h"

START_TEST(the_variable_is_read)
{
	struct bind_listener l[8];

	ck_assert_int_eq(
	    bind_parse("0003=tcp:*:8080?as=3000;0004+udp:[::1]:53;5=unix:/run/a%3Bb.sock;"
	               "0006=tcp:0.0.0.0:1;7=tcp:[::ffff:1.2.3.4]:2;0008=channel",
	        l, 8),
	    6);
	ck_assert_int_eq(l[0].fd, 3);
	ck_assert(l[0].at.kind == BIND_TCP && l[0].at.any && l[0].at.families == 3);
	ck_assert(l[0].at.port == 8080 && l[0].as == 3000 && !l[0].claimed);
	ck_assert(l[1].at.kind == BIND_UDP && !l[1].at.any && l[1].at.families == BIND_V6);
	ck_assert(l[1].claimed && l[1].at.host[15] == 1);
	ck_assert(l[2].at.kind == BIND_UNIX && l[2].fd == 5);
	ck_assert_str_eq(l[2].at.path, "/run/a;b.sock");
	ck_assert(l[3].at.any && l[3].at.families == BIND_V4);
	ck_assert(l[4].at.families == BIND_V4 && memcmp(l[4].at.host, "\1\2\3\4\0\0", 6) == 0);
	ck_assert(l[5].at.kind == BIND_CHANNEL && l[5].fd == 8);
}
END_TEST

static const char *const wrong[] = {
    "x",
    "3",
    "3=",
    "=tcp:*:1",
    "3=tcp",
    "3=tcp:",
    "3=tcp:*",
    "3=tcp:*:",
    "3=tcp:*:x",
    "3=tcp:*:65536",
    "3=tcp:*:99999999999999999999999",
    "3=tcp:*:1?",
    "3=tcp:*:1?as=",
    "3=tcp:*:1?as=70000",
    "3=tcp:*:1?is=7",
    "3=tcp:localhost:1",
    "3=tcp:[::1:1",
    "3=tcp:::1:1",
    "3=tcp:[1.2.3.4]:1",
    "3=tcp:1111111111111111111111111111111111111111111111111111:1",
    "3=unix:",
    "3=unix:relative",
    "3=unix:/a%",
    "3=unix:/a%4",
    "3=unix:/a%zz",
    "3=channels",
    "3=sctp:*:1",
    "3=tcp:*:1;;4=channel",
    "99999999=channel",
    "1=channel;2=channel;3=channel;4=channel;5=channel;6=channel;7=channel;8=channel;9=channel",
};

START_TEST(what_is_wrong_is_not_ours)
{
	struct bind_listener l[8];
	char text[300] = "3=unix:/";

	ck_assert_msg(bind_parse(wrong[_i], l, 8) == -1, "%s", wrong[_i]);
	memset(text + 8, 'a', BIND_PATH_MAX - 1);
	ck_assert_int_eq(bind_parse(text, l, 8), -1);
	text[8 + BIND_PATH_MAX - 2] = '\0';
	ck_assert_int_eq(bind_parse(text, l, 8), 1);
}
END_TEST

/* As a program's bind() would ask; "6:" is IPV6_V6ONLY. */
static struct bind_address
asked(const char *host, uint16_t port)
{
	bool v6only = strncmp(host, "6:", 2) == 0;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct bind_address at;

	host += v6only ? 2 : 0;
	if (inet_pton(AF_INET, host, &four.sin_addr) == 1) {
		ck_assert(sockaddr_to_address(
		    (struct sockaddr *)&four, sizeof(four), BIND_TCP, false, &at));
		return at;
	}
	ck_assert_int_eq(inet_pton(AF_INET6, host, &six.sin6_addr), 1);
	ck_assert(sockaddr_to_address((struct sockaddr *)&six, sizeof(six), BIND_TCP, v6only, &at));
	return at;
}

static const struct {
	const char *listener, *host;
	uint16_t port;
	unsigned score;
} scores[] = {
    {"3=tcp:*:80", "::", 80, 6},
    {"3=tcp:*:80", "0.0.0.0", 80, 4},
    {"3=tcp:*:80", "6:::", 80, 4},
    {"3=tcp:*:80", "127.0.0.1", 80, 4},
    {"3=tcp:*:80", "::1", 80, 4},
    {"3=tcp:*:80", "0.0.0.0", 81, 0},
    {"3=tcp:*:80", "0.0.0.0", 0, 0},
    {"3=tcp:0.0.0.0:80", "0.0.0.0", 80, 6},
    {"3=tcp:0.0.0.0:80", "::", 80, 4},
    {"3=tcp:0.0.0.0:80", "6:::", 80, 0},
    {"3=tcp:0.0.0.0:80", "::1", 80, 0},
    {"3=tcp:0.0.0.0:80", "::ffff:1.2.3.4", 80, 4},
    {"3=tcp:[::]:80", "6:::", 80, 6},
    {"3=tcp:[::]:80", "::", 80, 4},
    {"3=tcp:[::]:80", "0.0.0.0", 80, 0},
    {"3=tcp:1.2.3.4:80", "1.2.3.4", 80, 6},
    {"3=tcp:1.2.3.4:80", "::ffff:1.2.3.4", 80, 6},
    {"3=tcp:1.2.3.4:80", "1.2.3.5", 80, 0},
    {"3=tcp:1.2.3.4:80", "0.0.0.0", 80, 4},
    {"3=tcp:1.2.3.4:80?as=3000", "1.2.3.4", 3000, 5},
    {"3=tcp:1.2.3.4:80?as=3000", "0.0.0.0", 3000, 3},
    {"3=tcp:1.2.3.4:80?as=3000", "127.0.0.1", 3000, 2},
    {"3=tcp:1.2.3.4:80?as=3000", "::1", 3000, 2},
    {"3=tcp:1.2.3.4:80?as=3000", "1.2.3.4", 80, 6},
    {"3=tcp:1.2.3.4:80?as=3000", "127.0.0.1", 80, 0},
    {"3=tcp:1.2.3.4:80?as=80", "127.0.0.1", 80, 2},
    {"3=udp:*:80", "0.0.0.0", 80, 0},
    {"3=unix:/a", "0.0.0.0", 80, 0},
    {"3=channel", "0.0.0.0", 80, 0},
};

START_TEST(listeners_are_chosen_by_the_rules)
{
	struct bind_address at = asked(scores[_i].host, scores[_i].port);
	struct bind_listener l;

	ck_assert_int_eq(bind_parse(scores[_i].listener, &l, 1), 1);
	ck_assert_msg(bind_score(&l, &at) == scores[_i].score, "%s: %s port %d: %u",
	    scores[_i].listener, scores[_i].host, scores[_i].port, bind_score(&l, &at));
}
END_TEST

START_TEST(paths_are_made_plain)
{
	char out[BIND_PATH_MAX], name[BIND_PATH_MAX + 2];

	ck_assert(bind_plain_path("/a//./b/", "/x", out));
	ck_assert_str_eq(out, "/a/b");
	ck_assert(bind_plain_path("./b", "/x/y/", out));
	ck_assert_str_eq(out, "/x/y/b");
	ck_assert(bind_plain_path("../b", "/x", out));
	ck_assert_str_eq(out, "/x/../b");
	ck_assert(bind_plain_path(".a", "/", out));
	ck_assert_str_eq(out, "/.a");
	ck_assert(!bind_plain_path("/", "/x", out));
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[BIND_PATH_MAX] = '\0';
	ck_assert(!bind_plain_path(name, "/", out));
	name[BIND_PATH_MAX - 1] = '\0';
	ck_assert(bind_plain_path(name, "/", out));
	ck_assert_str_eq(out, name);
}
END_TEST

START_TEST(unix_names_need_no_terminator)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct sockaddr *sa = (const struct sockaddr *)&un;
	size_t at = offsetof(struct sockaddr_un, sun_path);
	struct bind_address a;

	memset(un.sun_path, 'a', sizeof(un.sun_path));
	ck_assert(sockaddr_to_address(sa, (socklen_t)at + 5, BIND_UNIX, false, &a));
	ck_assert_str_eq(a.path, "aaaaa");
	/* 108 bytes and no terminator: longer than any that is configured */
	ck_assert(!sockaddr_to_address(sa, sizeof(un), BIND_UNIX, false, &a));
	un.sun_path[107] = '\0';
	ck_assert(sockaddr_to_address(sa, sizeof(un), BIND_UNIX, false, &a));
	ck_assert(!sockaddr_to_address(sa, (socklen_t)at, BIND_UNIX, false, &a));
	un.sun_path[0] = '\0';
	ck_assert(!sockaddr_to_address(sa, (socklen_t)at + 5, BIND_UNIX, false, &a));
}
END_TEST

static struct sockaddr_storage
six(const char *host)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(99);
	ck_assert_int_eq(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
	return sa;
}

START_TEST(addresses_are_told_in_the_other_family)
{
	static const struct {
		const char *six, *four;
	} pairs[] = {{"::ffff:1.2.3.4", "1.2.3.4"}, {"::", "0.0.0.0"}, {"fe80::1", "0.0.0.0"}};
	struct sockaddr_storage sa, back;
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;
	char text[INET_ADDRSTRLEN];
	socklen_t len;

	for (size_t i = 0; i < 3; i++) {
		sa = six(pairs[i].six);
		len = sockaddr_translate(MIND_V4, &sa, sizeof(struct sockaddr_in6));
		ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
		ck_assert_int_eq(sa.ss_family, AF_INET);
		ck_assert_uint_eq(ntohs(in->sin_port), 99);
		ck_assert_str_eq(
		    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), pairs[i].four);
		len = sockaddr_translate(MIND_V6, &sa, len);
		ck_assert_uint_eq(len, sizeof(struct sockaddr_in6));
		back = six(i == 2 ? "::" : pairs[i].six);
		ck_assert_mem_eq(&sa, &back, len);
	}
	/* what needs nothing stays, and so does what is cut off */
	ck_assert_uint_eq(sockaddr_translate(MIND_SAME, &sa, 28), 28);
	ck_assert_uint_eq(sockaddr_translate(MIND_V4, &sa, 10), 10);
	ck_assert_int_eq(sa.ss_family, AF_INET6);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *s = suite_create("bind");
	TCase *t = tcase_create("bind");
	SRunner *r;
	int failed;

	tcase_add_test(t, the_variable_is_read);
	tcase_add_loop_test(t, what_is_wrong_is_not_ours, 0, ROWS(wrong));
	tcase_add_loop_test(t, listeners_are_chosen_by_the_rules, 0, ROWS(scores));
	tcase_add_test(t, paths_are_made_plain);
	tcase_add_test(t, unix_names_need_no_terminator);
	tcase_add_test(t, addresses_are_told_in_the_other_family);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
