/*
 * Tests of sys/cred.c against the users that every Debian has: root, daemon, nobody.
 */
#include "sys_support.h"

#include <grp.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sys/cred.h"

static bool
has_group(const struct cred_user *u, gid_t gid)
{
	for (int i = 0; i < u->groups_len; i++)
		if (u->groups[i] == gid)
			return true;
	return false;
}

START_TEST(user_by_name_brings_its_group_and_home)
{
	struct cred_user u;

	ck_assert_int_eq(cred_lookup("root", NULL, &u), 0);
	ck_assert_uint_eq(u.uid, 0);
	ck_assert_uint_eq(u.gid, 0);
	ck_assert_str_eq(u.name, "root");
	ck_assert_str_eq(u.home, "/root");
	ck_assert_ptr_nonnull(u.shell);
	ck_assert(has_group(&u, 0));
	cred_user_free(&u);
	cred_user_free(&u);
}
END_TEST

START_TEST(user_by_number_is_the_same)
{
	struct cred_user u;

	ck_assert_int_eq(cred_lookup("65534", NULL, &u), 0);
	ck_assert_uint_eq(u.uid, NOBODY);
	ck_assert_str_eq(u.name, "nobody");
	cred_user_free(&u);
}
END_TEST

START_TEST(group_replaces_the_users_own)
{
	struct cred_user u;

	ck_assert_int_eq(cred_lookup("nobody", "daemon", &u), 0);
	ck_assert_uint_eq(u.gid, 1);
	ck_assert(has_group(&u, 1));
	cred_user_free(&u);
	ck_assert_int_eq(cred_lookup("nobody", "4711", &u), 0);
	ck_assert_uint_eq(u.gid, 4711);
	ck_assert(has_group(&u, 4711));
	cred_user_free(&u);
}
END_TEST

START_TEST(number_without_an_entry_needs_a_group)
{
	struct cred_user u;

	ck_assert_int_eq(cred_lookup("3999999", NULL, &u), -ENOENT);
	ck_assert_int_eq(cred_lookup("3999999", "4000000", &u), 0);
	ck_assert_uint_eq(u.uid, 3999999);
	ck_assert_uint_eq(u.gid, 4000000);
	ck_assert_int_eq(u.groups_len, 1);
	ck_assert_uint_eq(u.groups[0], 4000000);
	ck_assert_ptr_null(u.name);
	cred_user_free(&u);
}
END_TEST

START_TEST(unknown_names_and_reserved_numbers_are_errors)
{
	static const char *const users[] = {
	    "no-such-user", "", "-1", "4294967295", "4294967296", "0x0", "00", " 0"};
	struct cred_user u;
	gid_t gid;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		ck_assert_msg(
		    cred_lookup(users[i], "daemon", &u) == -ENOENT, "user \"%s\"", users[i]);
		ck_assert_msg(
		    cred_lookup_group(users[i], &gid) == -ESRCH, "group \"%s\"", users[i]);
	}
	ck_assert_int_eq(cred_lookup("root", "no-such-group", &u), -ESRCH);
	ck_assert_int_eq(cred_lookup_group("daemon", &gid), 0);
	ck_assert_uint_eq(gid, 1);
}
END_TEST

START_TEST(f6_every_failing_allocation_is_an_error)
{
	struct cred_user u;
	int error = -ENOMEM;

	for (unsigned long n = 1; error != 0 && n < 50; n++) {
		mem_fail_at(n, 1);
		error = cred_lookup("root", "daemon", &u);
		mem_fail_at(0, 0);
		ck_assert(error == 0 || error == -ENOMEM);
	}
	ck_assert_int_eq(error, 0);
	cred_user_free(&u);
}
END_TEST

START_TEST(peer_is_who_made_the_socket)
{
	struct cred_peer peer;
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int alone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(cred_peer(pair[0], &peer), 0);
	ck_assert_uint_eq(peer.uid, geteuid());
	ck_assert_uint_eq(peer.gid, getegid());
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert(cred_peer_in_group(pair[0], getegid()));
	ck_assert(!cred_peer_in_group(pair[0], 4242));
	ck_assert(!cred_peer_in_group(pair[0], (gid_t)-1));
	ck_assert_int_eq(cred_peer(null, &peer), -ENOTSOCK);
	ck_assert_int_eq(cred_peer(alone, &peer), -ENOTCONN);
	ck_assert(!cred_peer_in_group(null, getegid()));
	ck_assert(!cred_peer_in_group(alone, getegid()));
}
END_TEST

START_TEST(peer_has_its_supplementary_groups)
{
	static gid_t groups[1000];
	int pair[2], n = _i ? 1000 : 3;

	if (geteuid() != 0)
		return;
	for (int i = 0; i < n; i++)
		groups[i] = (gid_t)(5000 + i);
	ck_assert_int_eq(setgroups((size_t)n, groups), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert(cred_peer_in_group(pair[0], (gid_t)(5000 + n - 1)));
	ck_assert(!cred_peer_in_group(pair[0], 4999));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("cred");

	tcase_add_test(t, user_by_name_brings_its_group_and_home);
	tcase_add_test(t, user_by_number_is_the_same);
	tcase_add_test(t, group_replaces_the_users_own);
	tcase_add_test(t, number_without_an_entry_needs_a_group);
	tcase_add_test(t, unknown_names_and_reserved_numbers_are_errors);
	tcase_add_test(t, f6_every_failing_allocation_is_an_error);
	tcase_add_test(t, peer_is_who_made_the_socket);
	tcase_add_loop_test(t, peer_has_its_supplementary_groups, 0, 2);
	return support_main("cred", t);
}
