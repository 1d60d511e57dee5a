/*
 * Tests of sys/proc.c and sys/title.c. Quotas are played by a file system of our own over
 * /sys/fs/cgroup and a file over /proc/self/cgroup, in a mount namespace, where we may.
 */
#include "sys_support.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "base/fd.h"
#include "sys/proc.h"

static unsigned
affinity(void)
{
	cpu_set_t set;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	return (unsigned)CPU_COUNT(&set);
}

/* False where this may not be done. */
static bool
fake_cgroups(const char *self)
{
	char path[64];

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	write_file(in_dir("self"), self, 0644);
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)getpid());
	return mount(in_dir("self"), path, NULL, MS_BIND, NULL) == 0 &&
	       mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0;
}

static void
cgroup_file(const char *dir, const char *name, const char *text)
{
	char path[256] = "/sys/fs/cgroup";

	for (const char *at = dir; *at;) {
		size_t len = strcspn(at + 1, "/") + 1;

		(void)strncat(path, at, len);
		(void)mkdir(path, 0755);
		at += len;
	}
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
	write_file(path, text, 0644);
}

START_TEST(cpus_are_those_of_the_affinity)
{
	cpu_set_t set, one;
	int cpu = 0;

	ck_assert_uint_le(proc_usable_cpus(), affinity());
	ck_assert_uint_ge(proc_usable_cpus(), 1);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_uint_eq(proc_usable_cpus(), 1);
}
END_TEST

START_TEST(quota_is_rounded_up_and_searched_upwards)
{
	if (affinity() < 2 || !fake_cgroups("0::/a/b/c\n"))
		return;
	ck_assert_uint_eq(proc_usable_cpus(), affinity());
	cgroup_file("/a/b/c", "cpu.max", "max 100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), affinity());
	cgroup_file("/a/b/c", "cpu.max", "110000 100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), 2);
	cgroup_file("/a", "cpu.max", "1000 100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), 1);
	cgroup_file("/a", "cpu.max", "900000 100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), 2);
	cgroup_file("", "cpu.max", "100000 100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), 1);
	cgroup_file("", "cpu.max", "junk");
	cgroup_file("/a", "cpu.max", "0 0\n");
	ck_assert_uint_eq(proc_usable_cpus(), 2);
}
END_TEST

START_TEST(quota_of_version_1_counts)
{
	if (affinity() < 2 ||
	    !fake_cgroups("5:cpuset:/x\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/\n"))
		return;
	ck_assert_uint_eq(proc_usable_cpus(), affinity());
	cgroup_file("/cpu,cpuacct", "cpu.cfs_quota_us", "-1\n");
	cgroup_file("/cpu,cpuacct", "cpu.cfs_period_us", "100000\n");
	ck_assert_uint_eq(proc_usable_cpus(), affinity());
	/* The path in the container's view is not there; its cgroup is the root of the mount. */
	cgroup_file("/cpu,cpuacct", "cpu.cfs_quota_us", "50000\n");
	ck_assert_uint_eq(proc_usable_cpus(), 1);
}
END_TEST

static int
oom_kills(uint64_t *ret)
{
	int fd = proc_oom_open(), error = fd < 0 ? fd : proc_oom_kills(fd, ret);

	fd_close(&fd);
	return error;
}

START_TEST(f9_oom_kills_are_read_where_there_are_any)
{
	uint64_t kills = 77;
	int error = oom_kills(&kills);

	ck_assert(error == 0 || error == -ENOENT);
	if (!fake_cgroups("4:memory:/m\n0::/a\n"))
		return;
	ck_assert_int_eq(oom_kills(&kills), -ENOENT);
	cgroup_file(
	    "/memory/m", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	ck_assert_int_eq(oom_kills(&kills), 0);
	ck_assert_uint_eq(kills, 3);
	cgroup_file("/a", "memory.events", "low 1\noom 9\noom_kill 12\noom_group_kill 5\n");
	ck_assert_int_eq(oom_kills(&kills), 0);
	ck_assert_uint_eq(kills, 12);
}
END_TEST

static pid_t
start_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	return pid;
}

START_TEST(children_are_listed)
{
	pid_t mine[300], found[400];
	char path[64] = "";
	int n = _i ? 2 : 300;

	if (_i == 1 && geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		/* Without the list, as on kernels that do not have it: scan. */
		(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)getpid());
		ck_assert_int_eq(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	}
	for (int i = 0; i < n; i++)
		mine[i] = start_child();
	ck_assert_int_eq(proc_children(found, 400), n);
	for (int i = 0; i < n; i++) {
		int at = 0;

		while (at < n && found[at] != mine[i])
			at++;
		ck_assert_int_lt(at, n);
	}
	ck_assert_int_eq(proc_children(found, 1), 1);
	for (int i = 0; i < n; i++) {
		(void)kill(mine[i], SIGKILL);
		ck_assert_int_eq(waitpid(mine[i], NULL, 0), mine[i]);
	}
	ck_assert_int_eq(proc_children(found, 400), 0);
	if (path[0])
		(void)umount2(path, MNT_DETACH);
}
END_TEST

static bool
is_among(pid_t pid, const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* A chain of three below us, with a second child at each; as a list of the kernel's, and without
 * (see above). */
START_TEST(descendants_are_found_however_deep)
{
	pid_t pids[6], found[16];
	char path[64] = "";
	int n = 0, told[2];

	if (_i == 1 && geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)getpid());
		ck_assert_int_eq(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	}
	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int depth = 0; depth < 3; depth++) {
			pid_t mine[2] = {getpid(), start_child()};

			(void)!write(told[1], mine, sizeof(mine));
			if (depth < 2 && fork() != 0)
				break;
		}
		for (;;)
			(void)pause();
	}
	while (n < 6) {
		ck_assert_int_eq(read(told[0], pids + n, 2 * sizeof(pid_t)), 2 * sizeof(pid_t));
		n += 2;
	}
	ck_assert_int_eq(proc_descendants(getpid(), found, 16), 6);
	for (int i = 0; i < 6; i++)
		ck_assert(is_among(pids[i], found, 6));
	ck_assert_int_eq(proc_descendants(pids[0], found, 16), 5);
	ck_assert(!is_among(pids[0], found, 5));
	ck_assert_int_eq(proc_descendants(getpid(), found, 4), 4);
	ck_assert_int_eq(proc_descendants(pids[1], found, 16), 0);
	ck_assert_int_eq(proc_descendants(0x7ffffff0, found, 16), 0);
	for (int i = 5; i >= 0; i--)
		(void)kill(pids[i], SIGKILL);
	if (path[0])
		(void)umount2(path, MNT_DETACH);
}
END_TEST

/* A worker's child whose parent has gone comes to us. */
START_TEST(p11_subreaper_gets_orphans)
{
	int told[2];
	pid_t orphan, worker, found[4];

	ck_assert_int_eq(proc_become_subreaper(), 0);
	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	worker = fork();
	if (worker == 0) {
		orphan = start_child();
		(void)!write(told[1], &orphan, sizeof(orphan));
		_exit(0);
	}
	ck_assert_int_eq(read(told[0], &orphan, sizeof(orphan)), sizeof(orphan));
	ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
	ck_assert_int_eq(proc_children(found, 4), 1);
	ck_assert_int_eq(found[0], orphan);
	(void)kill(orphan, SIGKILL);
	ck_assert_int_eq(waitpid(orphan, NULL, 0), orphan);
}
END_TEST

START_TEST(a_zombie_has_ended)
{
	pid_t pid = start_child();

	ck_assert(!proc_has_ended(pid));
	ck_assert(!proc_has_ended(getpid()));
	(void)kill(pid, SIGKILL);
	wait_until(proc_has_ended(pid));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(proc_has_ended(pid));
}
END_TEST

START_TEST(environment_of_a_process_is_compared_exactly)
{
	char *argv[] = {"sleep", "60", NULL}, *envp[] = {"A=1", "BROOD_APP=web", "EMPTY=", NULL};
	char *bytes;
	size_t len;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execve("/bin/sleep", argv, envp);
		_exit(1);
	}
	wait_until(proc_environ_has(pid, "BROOD_APP", "web") == 1);
	ck_assert_int_eq(proc_environ_has(pid, "BROOD_APP", "we"), 0);
	ck_assert_int_eq(proc_environ_has(pid, "BROOD_APP", "web2"), 0);
	ck_assert_int_eq(proc_environ_has(pid, "ROOD_APP", "web"), 0);
	ck_assert_int_eq(proc_environ_has(pid, "EMPTY", ""), 1);
	ck_assert_int_eq(proc_environ(pid, &bytes, &len), 0);
	ck_assert_uint_eq(len, sizeof("A=1\0BROOD_APP=web\0EMPTY="));
	ck_assert_int_eq(memcmp(bytes, "A=1\0BROOD_APP=web\0EMPTY=", len), 0);
	mem_free(bytes);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	ck_assert_int_eq(proc_environ_has(pid, "A", "1"), -ENOENT);
}
END_TEST

START_TEST(memory_of_a_process_is_known)
{
	ck_assert_uint_gt(proc_rss_bytes(getpid()), 100000);
	ck_assert_uint_eq(proc_rss_bytes(0x7ffffff0), 0);
}
END_TEST

/* The last bytes of this program's own argv and environment are what the title lies in. */
static int main_argc;
static char **main_argv;

START_TEST(title_shows_and_environment_survives)
{
	char copy[256], *shown;

	(void)snprintf(copy, sizeof(copy), "%s", main_argv[0]);
	(void)setenv("BROOD_CHECK", "before", 1);
	proc_set_title("too early");
	proc_title_init(main_argc, main_argv);
	proc_title_init(main_argc, main_argv);
	proc_set_title("broodd: master web");
	shown = read_file("/proc/self/cmdline");
	ck_assert_str_eq(shown, "broodd: master web");
	ck_assert_str_eq(main_argv[0], copy);
	ck_assert_str_eq(getenv("BROOD_CHECK"), "before");
	ck_assert_ptr_nonnull(getenv("PATH"));
	proc_set_title("x");
	ck_assert_str_eq(read_file("/proc/self/cmdline"), "x");
	ck_assert_str_eq(read_file("/proc/self/comm"), "check_proc\n");
}
END_TEST

START_TEST(title_that_is_too_long_is_cut)
{
	static char big[300000];

	memset(big, 'y', sizeof(big) - 1);
	proc_title_init(main_argc, main_argv);
	proc_set_title(big);
	ck_assert_int_eq(read_file("/proc/self/cmdline")[0], 'y');
	ck_assert_ptr_nonnull(getenv("PATH"));
}
END_TEST

int
main(int argc, char **argv)
{
	TCase *t = tcase_create("proc");

	main_argc = argc;
	main_argv = argv;
	tcase_add_test(t, cpus_are_those_of_the_affinity);
	tcase_add_test(t, quota_is_rounded_up_and_searched_upwards);
	tcase_add_test(t, quota_of_version_1_counts);
	tcase_add_test(t, f9_oom_kills_are_read_where_there_are_any);
	tcase_add_loop_test(t, children_are_listed, 0, 2);
	tcase_add_loop_test(t, descendants_are_found_however_deep, 0, 2);
	tcase_add_test(t, p11_subreaper_gets_orphans);
	tcase_add_test(t, a_zombie_has_ended);
	tcase_add_test(t, environment_of_a_process_is_compared_exactly);
	tcase_add_test(t, memory_of_a_process_is_known);
	tcase_add_test(t, title_shows_and_environment_survives);
	tcase_add_test(t, title_that_is_too_long_is_cut);
	return support_main("proc", t);
}
