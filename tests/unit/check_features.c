/*
 * Tests of sys/features.c: what is there is found, what is taken away is missed, and nothing is
 * left behind. What can't be changed for a process is played by a filter of system calls, or by
 * files in a mount namespace of the test's own.
 */
#include "sys_support.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "net_support.h"
#include "sys/features.h"
#include "sys/proc.h"

static struct feature f;

static enum feature_answer
look(enum feature_id id)
{
	memset(&f, 0x55, sizeof(f));
	feature_look(id, &f);
	ck_assert_ptr_nonnull(memchr(f.text, '\0', sizeof(f.text)));
	ck_assert_uint_gt(strlen(f.text), 4);
	ck_assert_int_ne(f.text[strlen(f.text) - 1], '.');
	return f.answer;
}

#define has(word) ck_assert_msg(strstr(f.text, word) != NULL, "%s", f.text)

START_TEST(each_feature_has_an_answer_and_leaves_nothing)
{
	int before = fd_count_open();
	pid_t children[4];

	for (int id = 0; id < FEATURE_MAX; id++) {
		ck_assert_ptr_nonnull(feature_name((enum feature_id)id));
		for (int other = 0; other < id; other++)
			ck_assert_str_ne(feature_name((enum feature_id)id),
			    feature_name((enum feature_id)other));
		ck_assert_int_le(look((enum feature_id)id), FEATURE_UNKNOWN);
	}
	ck_assert_int_eq(fd_count_open(), before);
	ck_assert_int_eq(proc_children(children, 4), 0);
}
END_TEST

/* Without any privilege, too; and what a process is told about is said by nobody. */
START_TEST(nobody_gets_answers)
{
	if (geteuid() == 0)
		become_nobody();
	for (int id = 0; id < FEATURE_MAX; id++)
		(void)look((enum feature_id)id);
	ck_assert_int_eq(look(FEATURE_EPOLL_EXCLUSIVE), FEATURE_YES);
	ck_assert_int_eq(look(FEATURE_REUSEPORT_CBPF), FEATURE_YES);
	ck_assert_int_eq(look(FEATURE_PROBE_ADDRESS), FEATURE_YES);
	ck_assert_int_eq(look(FEATURE_INET_DIAG), FEATURE_YES);
	ck_assert_int_eq(look(FEATURE_SYSCTL_WRITABLE), FEATURE_NO);
}
END_TEST

/* Call, first argument (-1: any), errno; the feature that it takes away, and a word of the text. */
static const struct {
	int call, first, error;
	enum feature_id id;
	enum feature_answer answer;
	const char *word;
} filters[] = {
    {SYS_bpf, -1, EPERM, FEATURE_EBPF_STEER, FEATURE_NO, "CAP_BPF"},
    {SYS_bpf, -1, ENOSYS, FEATURE_EBPF_STEER, FEATURE_NO, "not implemented"},
    {SYS_pidfd_open, -1, ENOSYS, FEATURE_PIDFD_OPEN, FEATURE_NO, "pidfd_open"},
    {SYS_pidfd_open, -1, ENOSYS, FEATURE_PIDFD_EXIT, FEATURE_NO, "pidfd"},
    {SYS_pidfd_open, -1, ENOSYS, FEATURE_PIDFD_GETFD, FEATURE_NO, "pidfd"},
    {SYS_pidfd_getfd, -1, EPERM, FEATURE_PIDFD_GETFD, FEATURE_NO, "not permitted"},
    {SYS_epoll_ctl, -1, EINVAL, FEATURE_EPOLL_EXCLUSIVE, FEATURE_NO, "EPOLLEXCLUSIVE"},
    {SYS_epoll_create1, -1, EMFILE, FEATURE_EPOLL_EXCLUSIVE, FEATURE_UNKNOWN, "descriptor"},
    {SYS_setsockopt, -1, ENOPROTOOPT, FEATURE_REUSEPORT_CBPF, FEATURE_NO, "REUSEPORT"},
    {SYS_getsockopt, -1, ENOPROTOOPT, FEATURE_PEER_PIDFD, FEATURE_NO, "SO_PEERPIDFD"},
    {SYS_socket, AF_NETLINK, EPROTONOSUPPORT, FEATURE_INET_DIAG, FEATURE_NO, "inet_diag"},
    {SYS_socket, AF_INET, EAFNOSUPPORT, FEATURE_PROBE_ADDRESS, FEATURE_NO, "127.98"},
    {SYS_mkdir, -1, EROFS, FEATURE_CGROUP_SPAWN, FEATURE_NO, "cgroup"},
    {SYS_mkdir, -1, EROFS, FEATURE_CGROUP_KILL, FEATURE_NO, "cgroup"},
    {SYS_clone3, -1, ENOSYS, FEATURE_CGROUP_SPAWN, FEATURE_NO, "cgroup"},
};

START_TEST(what_a_filter_forbids_is_missed)
{
	int before = fd_count_open();

	forbid_call(filters[_i].call, filters[_i].first, filters[_i].error);
	ck_assert_int_eq(look(filters[_i].id), filters[_i].answer);
	has(filters[_i].word);
	ck_assert_int_eq(fd_count_open(), before);
}
END_TEST

START_TEST(limits_are_those_of_the_process)
{
	struct rlimit limit = {.rlim_cur = 123, .rlim_max = 456};

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(look(FEATURE_NOFILE), FEATURE_YES);
	ck_assert_uint_eq(f.value, 123);
	ck_assert_uint_eq(f.most, 456);
	has("123");
	has("456");
}
END_TEST

START_TEST(somaxconn_is_that_of_the_network)
{
	ck_assert_int_eq(look(FEATURE_SOMAXCONN), FEATURE_YES);
	if (!own_network())
		return;
	write_sysctl("/proc/sys/net/core/somaxconn", "77");
	ck_assert_int_eq(look(FEATURE_SOMAXCONN), FEATURE_YES);
	ck_assert_uint_eq(f.value, 77);
}
END_TEST

START_TEST(migration_is_that_of_the_network)
{
	if (!own_network())
		return;
	ck_assert_int_eq(look(FEATURE_TCP_MIGRATE), FEATURE_NO);
	ck_assert_uint_eq(f.value, 0);
	has("is 0");
	write_sysctl(MIGRATE_SYSCTL, "1");
	ck_assert_int_eq(look(FEATURE_TCP_MIGRATE) == FEATURE_YES, queue_can_migrate());
	ck_assert_uint_eq(f.value, 1);
	has("is 1");
}
END_TEST

START_TEST(swaps_are_as_the_environment_says)
{
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "no", 1), 0);
	ck_assert_int_eq(look(FEATURE_STEER_SWAP), FEATURE_NO);
	has("BROOD_STEER_SWAP");
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_int_eq(look(FEATURE_STEER_SWAP), FEATURE_YES);
}
END_TEST

START_TEST(a_service_manager_is_noticed)
{
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/run/x", 1), 0);
	ck_assert_int_eq(look(FEATURE_SYSTEMD), FEATURE_YES);
	has("NOTIFY_SOCKET");
	ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
	ck_assert_int_eq(
	    look(FEATURE_SYSTEMD) == FEATURE_YES, access("/run/systemd/system", F_OK) == 0);
}
END_TEST

/* Mounts that nobody else sees. */
static bool
own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return !skip("a mount namespace needs root");
	return true;
}

static void
cover(const char *path, const char *text)
{
	write_file(in_dir("cover"), text, 0644);
	ck_assert_int_eq(mount(in_dir("cover"), path, NULL, MS_BIND, NULL), 0);
}

/* Pattern, soft limit; where a core would go. */
static const struct {
	const char *pattern;
	rlim_t soft;
	enum feature_answer answer;
	const char *word;
} cores[] = {
    {"core\n", 0, FEATURE_NO, "soft limit 0"},
    {"core\n", RLIM_INFINITY, FEATURE_YES, "named core, size limit unlimited"},
    {"/var/x/%p\n", 4096, FEATURE_YES, "named /var/x/%p, size limit 4096"},
    {"|/usr/lib/catch %P\n", 0, FEATURE_YES, "/usr/lib/catch %P"},
    {"|/usr/lib/catch %P\n", 1, FEATURE_NO, "soft limit 1"},
    {"\n", RLIM_INFINITY, FEATURE_NO, "pattern"},
    {"\033[31m\n", RLIM_INFINITY, FEATURE_YES, "\\x1B[31m"},
};

START_TEST(cores_go_where_pattern_and_limit_say)
{
	struct rlimit limit = {.rlim_cur = cores[_i].soft, .rlim_max = RLIM_INFINITY};

	if (!own_mounts())
		return;
	cover("/proc/sys/kernel/core_pattern", cores[_i].pattern);
	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &limit), 0);
	ck_assert_int_eq(look(FEATURE_CORE_DUMPS), cores[_i].answer);
	has(cores[_i].word);
	ck_assert_uint_eq(
	    f.value, cores[_i].soft == RLIM_INFINITY ? UINT64_MAX : (uint64_t)cores[_i].soft);
	ck_assert_uint_eq(f.most, UINT64_MAX);
	(void)umount2("/proc/sys/kernel/core_pattern", MNT_DETACH);
}
END_TEST

START_TEST(settings_of_a_container_are_read_only)
{
	if (!own_mounts())
		return;
	ck_assert_int_eq(look(FEATURE_SYSCTL_WRITABLE), FEATURE_YES);
	ck_assert_int_eq(mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL), 0);
	ck_assert_int_eq(
	    mount("none", "/proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	ck_assert_int_eq(look(FEATURE_SYSCTL_WRITABLE), FEATURE_NO);
	has("read-only");
	ck_assert_int_eq(look(FEATURE_SOMAXCONN), FEATURE_YES);
}
END_TEST

/* As in a container that shows none of it. */
START_TEST(what_is_hidden_is_unknown)
{
	if (!own_mounts())
		return;
	ck_assert_int_eq(mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(look(FEATURE_CGROUP_SPAWN), FEATURE_NO);
	has("no cgroup of version 2");
	ck_assert_int_eq(look(FEATURE_CGROUP_KILL), FEATURE_NO);
	if (access("/sys/kernel/btf", F_OK) == 0)
		ck_assert_int_eq(mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL), 0);
	cover("/proc/kallsyms", "");
	ck_assert_int_eq(look(FEATURE_STEER_SWAP), FEATURE_UNKNOWN);
	has("neither");
	ck_assert_int_eq(mount("none", "/proc/sys/net", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(look(FEATURE_TCP_MIGRATE), FEATURE_UNKNOWN);
	ck_assert_int_eq(look(FEATURE_SOMAXCONN), FEATURE_UNKNOWN);
}
END_TEST

START_TEST(a_list_of_symbols_is_searched_for_the_whole_name)
{
	static const struct {
		const char *text;
		enum feature_answer answer;
	} lists[] = {
	    {"00 t __pfx_sk_reuseport_prog_free_rcu\n00 T sk_reuseport_prog_free\n", FEATURE_NO},
	    {"00 t sk_reuseport_prog_free_rcu2\n", FEATURE_NO},
	    {"00 t sk_reuseport_prog_free_rcu\n00 t x\n", FEATURE_YES},
	    {"00 t sk_reuseport_prog_free_rcu\t[livepatch]\n", FEATURE_YES},
	};
	static char text[70000];
	size_t at;

	if (!own_mounts())
		return;
	if (access("/sys/kernel/btf", F_OK) == 0)
		ck_assert_int_eq(mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL), 0);
	/* Across the border of what is read at once, at each of its bytes. */
	at = 65536 - 10 - (size_t)_i * 5;
	memset(text, 'x', at);
	text[at - 1] = '\n';
	(void)snprintf(text + at, sizeof(text) - at, "%s", lists[_i % 4].text);
	cover("/proc/kallsyms", text);
	ck_assert_int_eq(look(FEATURE_STEER_SWAP), lists[_i % 4].answer);
}
END_TEST

START_TEST(a_quota_is_told_where_there_is_one)
{
	cpu_set_t set;

	(void)look(FEATURE_CPU_QUOTA);
	ck_assert_uint_eq(f.value, proc_usable_cpus());
	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	ck_assert_uint_eq(f.most, (unsigned)CPU_COUNT(&set));
	ck_assert_int_eq(f.answer == FEATURE_YES, f.value < f.most);
	if (f.most < 2 || !own_mounts())
		return;
	cover("/proc/self/cgroup", "0::/\n");
	ck_assert_int_eq(mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
	write_file("/sys/fs/cgroup/cpu.max", "70000 100000\n", 0644);
	ck_assert_int_eq(look(FEATURE_CPU_QUOTA), FEATURE_YES);
	ck_assert_uint_eq(f.value, 1);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("features");

	tcase_add_test(t, each_feature_has_an_answer_and_leaves_nothing);
	tcase_add_test(t, nobody_gets_answers);
	tcase_add_loop_test(
	    t, what_a_filter_forbids_is_missed, 0, (int)(sizeof(filters) / sizeof(filters[0])));
	tcase_add_test(t, limits_are_those_of_the_process);
	tcase_add_test(t, somaxconn_is_that_of_the_network);
	tcase_add_test(t, migration_is_that_of_the_network);
	tcase_add_test(t, swaps_are_as_the_environment_says);
	tcase_add_test(t, a_service_manager_is_noticed);
	tcase_add_loop_test(
	    t, cores_go_where_pattern_and_limit_say, 0, (int)(sizeof(cores) / sizeof(cores[0])));
	tcase_add_test(t, settings_of_a_container_are_read_only);
	tcase_add_test(t, what_is_hidden_is_unknown);
	tcase_add_loop_test(t, a_list_of_symbols_is_searched_for_the_whole_name, 0, 12);
	tcase_add_test(t, a_quota_is_told_where_there_is_one);
	return support_main("features", t);
}
