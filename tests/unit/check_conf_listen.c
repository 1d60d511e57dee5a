/* check_conf_listen: the language of `listen`: one row per form, accepted or refused. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/internal.h"

static const struct {
	const char *text, *key, *name;
	int backlog, mode;
	const char *owner, *group;
} good[] = {
    {"127.0.0.1:8080", "tcp:127.0.0.1:8080", "8080", -1, -1, NULL, NULL},
    {"tcp:127.0.0.1:8080", "tcp:127.0.0.1:8080", "8080", -1, -1, NULL, NULL},
    {"localhost:80", "tcp:127.0.0.1:80", "80", -1, -1, NULL, NULL},
    {"*:80", "tcp:*:80", "80", -1, -1, NULL, NULL},
    {"0.0.0.0:80", "tcp:0.0.0.0:80", "80", -1, -1, NULL, NULL},
    {"[::1]:80", "tcp:[::1]:80", "80", -1, -1, NULL, NULL},
    {"[0:0::0:1]:80", "tcp:[::1]:80", "80", -1, -1, NULL, NULL},
    {"[2001:DB8::A]:65535", "tcp:[2001:db8::a]:65535", "65535", -1, -1, NULL, NULL},
    {"[::]:0", "tcp:[::]:0", "0", -1, -1, NULL, NULL},
    {"udp:[::1]:53", "udp:[::1]:53", "53", -1, -1, NULL, NULL},
    {"udp:*:53?name=dns", "udp:*:53", "dns", -1, -1, NULL, NULL},
    {"*:80?backlog=511&name=http", "tcp:*:80", "http", 511, -1, NULL, NULL},
    {"unix:/run/web.sock", "unix:/run/web.sock", "web.sock", -1, -1, NULL, NULL},
    {"unix:/run/w?mode=0660&owner=u&group=100", "unix:/run/w", "w", -1, 0660, "u", "100"},
    {"unix:/run/a b:c", "unix:/run/a b:c", "a_b_c", -1, -1, NULL, NULL},
    {"unix:/x?mode=600", "unix:/x", "x", -1, 0600, NULL, NULL},
};

static void
assert_text(const char *is, const char *expected)
{
	if (expected)
		ck_assert_str_eq(is, expected);
	else
		ck_assert_ptr_null(is);
}

START_TEST(address_is_understood)
{
	struct conf_listen l;
	struct err e = {0};

	if (listen_parse(good[_i].text, &l, &e))
		ck_abort_msg("%s: %s", good[_i].text, e.text);
	ck_assert_str_eq(l.text, good[_i].text);
	ck_assert_str_eq(l.key, good[_i].key);
	ck_assert_str_eq(l.name, good[_i].name);
	ck_assert_int_eq(l.backlog, good[_i].backlog);
	ck_assert_int_eq(l.mode, good[_i].mode);
	assert_text(l.owner, good[_i].owner);
	assert_text(l.group, good[_i].group);
	ck_assert_int_eq(l.path == NULL, l.kind != LISTEN_UNIX);
	ck_assert_int_eq(l.host == NULL, l.kind == LISTEN_UNIX);
	listen_done(&l);
}
END_TEST

#define LONG                                                                                    \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text, *said;
} bad[] = {
    {"8080", "an address is missing: write *:8080 for all addresses or 127.0.0.1:8080 for this"},
    {":8080", "an address is missing: write *:8080 for all addresses or 127.0.0.1:8080 for this"},
    {"udp:53", "an address is missing: write *:53"},
    {"127.0.0.1", "a port is missing: write 127.0.0.1:8080"},
    {"[::1]", "a port is missing: write [::1]:8080"},
    {"*", "a port is missing: write *:8080"},
    {"::1:80", "an IPv6 address stands in brackets: write [::1]:8080"},
    {"127.0.0.1:", "\"\" is no port"},
    {"127.0.0.1:65536", "\"65536\" is no port; ports go from 0 to 65535"},
    {"127.0.0.1:080", "\"080\" is no port"},
    {"127.0.0.1:+80", "\"+80\" is no port"},
    {"127.0.0.1:http", "\"http\" is no port"},
    {"127.0.0.256:80", "\"127.0.0.256\" is no numeric address; names are not looked up"},
    {"127.1:80", "\"127.1\" is no numeric address"},
    {"example.org:80", "\"example.org\" is no numeric address"},
    {"[::g]:80", "\"[::g]\" is no numeric address"},
    {"[127.0.0.1]:80", "\"[127.0.0.1]\" is no numeric address"},
    {"[fe80::1%eth0]:80", "\"[fe80::1%eth0]\" is no numeric address"},
    {"[]:80", "\"[]\" is no numeric address"},
    {"[:80", "a port is missing"},
    {"]:80", "\"]\" is no numeric address"},
    {"http://*:80", "an address, not a URL: write *:80"},
    {"/run/x", "write unix:/run/x"},
    {"unix:", "the path must be absolute: write unix:/run/web.sock"},
    {"unix:x", "the path must be absolute: write unix:/run/x"},
    {"unix:@x", "abstract sockets have no permissions"},
    {"unix:/run/", "the path names a directory"},
    {"unix:" LONG, "the path has 108 bytes; a socket's may have 107"},
    {"*:80?", "\"\" is no option; write ?name=value&name=value"},
    {"*:80?backlog", "\"backlog\" is no option"},
    {"*:80?backlog=", "backlog has no value"},
    {"*:80?backlog=0", "backlog=0: write a number from 1 to 65535"},
    {"*:80?backlog=1x", "backlog=1x: write a number"},
    {"*:80?baklog=1", "unknown option baklog; did you mean backlog?"},
    {"*:80?at=3000", "unknown option at; there are backlog"},
    {"*:80?colour=red", "unknown option colour; there are backlog, name, as, mode, owner and group"},
    {"*:80?as=0", "as=0: write the port that the program asks for"},
    {"*:80?as=65536", "as=65536: write the port"},
    {"unix:/x?as=3000", "as is for ports; remove it"},
    {"*:80?mode=0660", "mode is for unix: only; remove it"},
    {"*:80?owner=x", "owner is for unix: only; remove it"},
    {"*:80?name=a:b", "name=a:b: use 1 to 48 of"},
    {"unix:/x?mode=9", "mode=9 is no file mode; write mode=0660"},
    {"unix:/x?mode=1777", "mode=1777 is no file mode"},
    {"unix:/x?mode=07777", "mode=07777 is no file mode"},
    {"", "a port is missing"},
};

START_TEST(c2_address_is_refused_with_a_remedy)
{
	struct conf_listen l = {.backlog = 77};
	struct err e = {0};

	ck_assert_int_eq(listen_parse(bad[_i].text, &l, &e), -EINVAL);
	if (strncmp(e.text, bad[_i].said, strlen(bad[_i].said)) != 0)
		ck_abort_msg("%s: %s", bad[_i].text, e.text);
	ck_assert_int_eq(l.backlog, 77);
}
END_TEST

static const struct {
	const char *a, *b;
	bool overlap;
} pairs[] = {
    {"*:80", "127.0.0.1:80", true},
    {"*:80", "[::1]:80", true},
    {"*:80", "0.0.0.0:80", true},
    {"0.0.0.0:80", "127.0.0.1:80", true},
    {"0.0.0.0:80", "[::1]:80", false},
    {"[::]:80", "[::1]:80", true},
    {"[::]:80", "127.0.0.1:80", false},
    {"127.0.0.1:80", "127.0.0.2:80", false},
    {"*:80", "*:81", false},
    {"*:80", "udp:*:80", false},
    {"unix:/a", "unix:/a?mode=600", true},
    {"unix:/a", "unix:/b", false},
    {"*:0", "127.0.0.1:0", false},
    {"*:0", "*:0", true},
};

START_TEST(n1_addresses_that_exclude_each_other_are_seen)
{
	struct conf_listen a, b;

	ck_assert_int_eq(listen_parse(pairs[_i].a, &a, NULL), 0);
	ck_assert_int_eq(listen_parse(pairs[_i].b, &b, NULL), 0);
	ck_assert_int_eq(listen_overlaps(&a, &b), pairs[_i].overlap);
	ck_assert_int_eq(listen_overlaps(&b, &a), pairs[_i].overlap);
	listen_done(&a);
	listen_done(&b);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *s = suite_create("conf_listen");
	TCase *t = tcase_create("conf_listen");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, address_is_understood, 0, ROWS(good));
	tcase_add_loop_test(t, c2_address_is_refused_with_a_remedy, 0, ROWS(bad));
	tcase_add_loop_test(t, n1_addresses_that_exclude_each_other_are_seen, 0, ROWS(pairs));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
