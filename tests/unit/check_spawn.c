/*
 * Tests of sys/spawn.c: what a worker finds after exec, asked from the inside by /bin/sh and
 * /bin/cat, and what the parent hears when exec does not happen.
 */
#include "sys_support.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "sys/spawn.h"

static char *const no_env[] = {NULL};

/* What came of one run. */
struct outcome {
	int spawned; /* of spawn_process() */
	int exec; /* of spawn_read_status() */
	struct spawn_failure failure;
	int status; /* of waitpid() */
	char out[16384];
};

static struct outcome result;

static struct spawn_spec
spec_of(const char *path, char *const *argv)
{
	return (struct spawn_spec){
	    .path = path,
	    .argv = argv,
	    .envp = no_env,
	    .umask = -1,
	    .limit_nofile = UINT64_MAX,
	    .limit_core = UINT64_MAX,
	    .nice = INT_MIN,
	    .oom_score_adj = INT_MIN,
	};
}

static int
wait_for_exec(int status_fd, struct spawn_failure *failure)
{
	struct pollfd p = {.fd = status_fd, .events = POLLIN};
	int got;

	while ((got = spawn_read_status(status_fd, failure)) == 0)
		ck_assert_int_eq(poll(&p, 1, 10000), 1);
	return got;
}

/* Runs spec with descriptor 1 caught; spec->fds, when given, must have room for it at [1]. */
static struct outcome *
run(struct spawn_spec spec)
{
	struct spawn_result r;
	int pipe_fds[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[16] = {null, -1, null}, len = 0;
	ssize_t got;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	if (spec.fds)
		memcpy(fds, spec.fds, (size_t)spec.fds_len * sizeof(int));
	else
		spec.fds_len = 3;
	fds[1] = pipe_fds[1];
	spec.fds = fds;
	result = (struct outcome){.spawned = spawn_process(&spec, &r)};
	fd_close(&pipe_fds[1]);
	fd_close(&null);
	if (result.spawned == 0) {
		result.exec = wait_for_exec(r.status_fd, &result.failure);
		while ((got = read(pipe_fds[0], result.out + len,
		            sizeof(result.out) - 1 - (size_t)len)) > 0)
			len += (int)got;
		ck_assert_int_eq(waitpid(r.pid, &result.status, 0), r.pid);
		fd_close(&r.status_fd);
	}
	fd_close(&pipe_fds[0]);
	return &result;
}

static struct outcome *
run_sh(const char *script)
{
	char *argv[] = {"sh", "-c", (char *)script, NULL};

	return run(spec_of("/bin/sh", argv));
}

static void
assert_failed(const struct outcome *o, int stage, int error, int code)
{
	ck_assert_int_eq(o->spawned, 0);
	ck_assert_int_eq(o->exec, -1);
	ck_assert_str_eq(spawn_stage_to_string(o->failure.stage), spawn_stage_to_string(stage));
	ck_assert_int_eq(o->failure.error, error);
	ck_assert_int_eq(spawn_failure_exit_code(&o->failure), code);
	ck_assert_msg(
	    WIFEXITED(o->status) && WEXITSTATUS(o->status) == code, "status %#x", o->status);
}

static void
assert_exec_fails(const char *path, int error, int code)
{
	char *argv[] = {"x", NULL};

	assert_failed(run(spec_of(path, argv)), SPAWN_STAGE_EXEC, error, code);
}

/* Value of a line of /proc/self/status, e.g. "SigIgn:". */
static const char *
status_value(const char *text, const char *name)
{
	static char value[512];
	const char *line = strstr(text, name);

	ck_assert_ptr_nonnull(line);
	line += strlen(name) + strspn(line + strlen(name), "\t ");
	(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\n"), line);
	return value;
}

static char *const cat_status[] = {"cat", "/proc/self/status", NULL};

START_TEST(exec_runs_with_its_arguments_and_environment)
{
	char *argv[] = {"sh", "-c", "echo \"$A:$1:$#\"", "name", "one two", NULL};
	char *envp[] = {"A=b", NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	struct outcome *o;

	spec.envp = envp;
	o = run(spec);
	ck_assert_int_eq(o->exec, 1);
	ck_assert_int_eq(o->status, 0);
	ck_assert_str_eq(o->out, "b:one two:1\n");
}
END_TEST

START_TEST(p5_exec_enoent_reports_stage_and_errno)
{
	assert_exec_fails(in_dir("none"), ENOENT, 127);
	write_file(in_dir("script"), "#!/no/such/interpreter\n", 0755);
	assert_exec_fails(in_dir("script"), ENOENT, 127);
}
END_TEST

START_TEST(p5_exec_eacces_reports_stage_and_errno)
{
	write_file(in_dir("plain"), "x", 0644);
	assert_exec_fails(in_dir("plain"), EACCES, 126);
	assert_exec_fails(test_dir, EACCES, 126);
}
END_TEST

START_TEST(p5_exec_enoexec_has_no_shell_fallback)
{
	write_file(in_dir("text"), "echo ran\n", 0755);
	assert_exec_fails(in_dir("text"), ENOEXEC, 126);
	ck_assert_str_eq(result.out, "");
}
END_TEST

START_TEST(p5_exec_etxtbsy_reports_stage_and_errno)
{
	int fd;

	write_file(in_dir("busy"), "#!/bin/sh\n", 0755);
	fd = open(in_dir("busy"), O_WRONLY | O_CLOEXEC);
	if (spawn_errno_is_transient(ETXTBSY) || fd < 0)
		ck_abort();
	assert_exec_fails(in_dir("busy"), ETXTBSY, 126);
	fd_close(&fd);
}
END_TEST

START_TEST(p5_exec_eloop_reports_stage_and_errno)
{
	ck_assert_int_eq(symlink("loop", in_dir("loop")), 0);
	assert_exec_fails(in_dir("loop"), ELOOP, 126);
}
END_TEST

START_TEST(p5_exec_e2big_reports_stage_and_errno)
{
	static char big[300000];
	char *argv[] = {"true", big, NULL};

	memset(big, 'x', sizeof(big) - 1);
	assert_failed(run(spec_of("/bin/true", argv)), SPAWN_STAGE_EXEC, E2BIG, 126);
}
END_TEST

START_TEST(missing_directory_ends_child_with_125)
{
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	spec.directory = in_dir("none");
	assert_failed(run(spec), SPAWN_STAGE_DIRECTORY, ENOENT, 125);
}
END_TEST

START_TEST(directory_and_umask_are_set)
{
	char *argv[] = {"sh", "-c", "pwd -P; umask", NULL}, expected[128];
	struct spawn_spec spec = spec_of("/bin/sh", argv);

	spec.directory = test_dir;
	spec.umask = 027;
	(void)snprintf(expected, sizeof(expected), "%s\n0027\n", test_dir);
	ck_assert_str_eq(run(spec)->out, expected);
}
END_TEST

/* rt_sigaction by hand, because glibc keeps 32 and 33 for itself. */
static void
ignore_raw(int sig)
{
	unsigned long action[16] = {(unsigned long)SIG_IGN};

	ck_assert_int_eq(syscall(SYS_rt_sigaction, sig, action, NULL, (size_t)8), 0);
}

START_TEST(s10_ignored_signals_are_reset)
{
	struct outcome *o;
	sigset_t all;

	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGCHLD)
			ignore_raw(sig);
	(void)signal(SIGRTMIN + 3, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	o = run(spec_of("/bin/cat", cat_status));
	ck_assert_int_eq(o->exec, 1);
	ck_assert_str_eq(status_value(o->out, "SigIgn:"), "0000000000000000");
	ck_assert_str_eq(status_value(o->out, "SigBlk:"), "0000000000000000");
	(void)sigprocmask(SIG_BLOCK, NULL, &all);
	ck_assert_msg(sigismember(&all, SIGTERM), "the parent's own mask is back");
}
END_TEST

static int handler_fd;
static pid_t handler_owner;

static void
tell_if_foreign(int sig)
{
	(void)sig;
	if (getpid() != handler_owner && write(handler_fd, "!", 1) < 0)
		_exit(99);
}

/* A pest hammers the whole group; the child is in it until its setsid(). */
START_TEST(s1_no_handler_of_the_parent_runs_in_the_child)
{
	char *argv[] = {"true", NULL};
	int seen[2], bytes;
	pid_t pest;

	ck_assert_int_eq(pipe2(seen, O_CLOEXEC | O_NONBLOCK), 0);
	handler_fd = seen[1];
	handler_owner = getpid();
	(void)setpgid(0, 0);
	pest = fork();
	if (pest == 0) {
		(void)signal(SIGWINCH, SIG_IGN);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)kill(0, SIGWINCH);
	}
	ck_assert_ptr_ne(signal(SIGWINCH, tell_if_foreign), SIG_ERR);
	for (int i = 0; i < 100; i++) {
		struct spawn_spec spec = spec_of("/bin/true", argv);
		struct spawn_result r;
		struct spawn_failure f;

		ck_assert_int_eq(spawn_process(&spec, &r), 0);
		while (poll(&(struct pollfd){.fd = r.status_fd, .events = POLLIN}, 1, 10000) < 0)
			;
		ck_assert_int_eq(spawn_read_status(r.status_fd, &f), 1);
		while (waitpid(r.pid, NULL, 0) < 0 && errno == EINTR)
			;
		fd_close(&r.status_fd);
	}
	(void)kill(pest, SIGKILL);
	while (waitpid(pest, NULL, 0) < 0 && errno == EINTR)
		;
	bytes = (int)read(seen[0], result.out, sizeof(result.out));
	ck_assert_int_eq(bytes, -1);
}
END_TEST

START_TEST(worker_has_its_own_session_and_group)
{
	struct outcome *o =
	    run_sh("read -r pid name state ppid pgrp sid rest </proc/self/stat;"
	           "[ $pid = $pgrp ] && [ $pid = $sid ] && [ $pid = $$ ] && echo own");

	ck_assert_str_eq(o->out, "own\n");
}
END_TEST

#define LIST_FDS "for f in /proc/$$/fd/*; do [ -e $f ] && echo ${f##*/}; done; true"

/* Descriptors that a careless library of the master left open over exec. */
static void
leak_descriptors(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_ge(open("/dev/null", O_RDONLY), 0);
}

START_TEST(f5_worker_sees_exactly_its_descriptors)
{
	char *argv[] = {"sh", "-c", LIST_FDS, NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, -1, null, null, null};

	leak_descriptors(50);
	spec.fds = fds;
	spec.fds_len = 5;
	ck_assert_str_eq(run(spec)->out, "0\n1\n2\n3\n4\n");
	ck_assert_int_eq(result.status, 0);
}
END_TEST

START_TEST(x7_f5_holds_without_close_range)
{
	char *argv[] = {"sh", "-c", LIST_FDS, NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);

	leak_descriptors(300);
	forbid_syscall(SYS_close_range, _i ? ENOSYS : EPERM);
	if (_i == 2)
		forbid_syscall(SYS_getdents64, EPERM);
	/* dash needs getdents64 for its pattern; the marks are looked at from outside then. */
	if (_i == 2) {
		char *probe[] = {"sh", "-c",
		    "for i in 0 1 2 3 4 20 200 300; do"
		    " [ -e /proc/$$/fd/$i ] && echo $i; done",
		    NULL};
		spec = spec_of("/bin/sh", probe);
		run(spec);
	} else {
		run(spec);
	}
	ck_assert_str_eq(result.out, "0\n1\n2\n");
	ck_assert_int_eq(result.exec, 1);
}
END_TEST

START_TEST(failure_is_told_with_many_descriptors_and_without_close_range)
{
	leak_descriptors(300);
	forbid_syscall(SYS_close_range, ENOSYS);
	assert_exec_fails(in_dir("none"), ENOENT, 127);
}
END_TEST

/* Each source is another's target, so a plain row of dup2() would lose half of them. */
START_TEST(descriptors_may_overlap_their_targets)
{
	char script[256] = "", *argv[] = {"sh", "-c", script, NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	int fds[16], low[4];

	for (int i = 0; i < 4; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		low[i] = memfd_create(name, MFD_CLOEXEC);
		ck_assert_int_lt(low[i], 16);
		ck_assert_int_eq(write(low[i], name, 1), 1);
		(void)snprintf(script + strlen(script), sizeof(script) - strlen(script),
		    "cat /proc/self/fd/%d;", low[i]);
	}
	for (int i = 0; i < 16; i++)
		fds[i] = -1;
	fds[0] = fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 4; i++)
		fds[low[i]] = low[3 - i];
	spec.fds = fds;
	spec.fds_len = low[3] + 1;
	ck_assert_str_eq(run(spec)->out, "dcba");
}
END_TEST

START_TEST(minus_one_keeps_a_number_closed)
{
	char *argv[] = {"sh", "-c", LIST_FDS, NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, -1, null, -1, null};

	leak_descriptors(10);
	spec.fds = fds;
	spec.fds_len = 5;
	ck_assert_str_eq(run(spec)->out, "0\n1\n2\n4\n");
}
END_TEST

START_TEST(nonblocking_flag_of_a_descriptor_is_left_alone)
{
	char *argv[] = {"sh", "-c", "grep flags /proc/self/fdinfo/3", NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = {null, -1, null, -1}, pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
	fds[3] = pair[0];
	spec.fds = fds;
	spec.fds_len = 4;
	ck_assert_int_eq(
	    strtol(status_value(run(spec)->out, "flags:"), NULL, 8) & O_NONBLOCK, O_NONBLOCK);
}
END_TEST

START_TEST(worker_gets_the_soft_limit_of_before)
{
	struct rlimit limit = {.rlim_cur = 512, .rlim_max = 4096};

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spawn_raise_nofile();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, 4096);
	leak_descriptors(1000);
	ck_assert_str_eq(run_sh("ulimit -Sn; ulimit -Hn")->out, "512\n4096\n");
}
END_TEST

START_TEST(limits_may_be_lower_than_what_the_master_uses)
{
	char *argv[] = {"sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c", NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);

	spawn_raise_nofile();
	leak_descriptors(200);
	spec.limit_nofile = 64;
	spec.limit_core = 0;
	ck_assert_str_eq(run(spec)->out, "64\n64\n0\n");
}
END_TEST

START_TEST(limit_beyond_the_hard_one_needs_privilege)
{
	char *argv[] = {"sh", "-c", "ulimit -n", NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	struct rlimit limit = {.rlim_cur = 256, .rlim_max = 256}, more = {300, 300};
	bool privileged;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	privileged = setrlimit(RLIMIT_NOFILE, &more) == 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spec.limit_nofile = 300;
	if (privileged)
		ck_assert_str_eq(run(spec)->out, "300\n");
	else
		assert_failed(run(spec), SPAWN_STAGE_LIMITS, EPERM, 125);
}
END_TEST

START_TEST(nice_oom_score_and_affinity_are_set)
{
	char *argv[] = {"sh", "-c",
	    "cat /proc/self/oom_score_adj; read -r p n s a b c d e f g h i j k l m o q nice r "
	    "</proc/self/stat;"
	    "echo $nice; grep Cpus_allowed_list /proc/self/status",
	    NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);
	char expected[64];
	cpu_set_t mine;
	int cpu = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
	while (!CPU_ISSET(cpu, &mine))
		cpu++;
	CPU_ZERO(&spec.affinity);
	CPU_SET(cpu, &spec.affinity);
	spec.set_affinity = true;
	spec.nice = 5;
	spec.oom_score_adj = 777;
	(void)snprintf(expected, sizeof(expected), "777\n5\nCpus_allowed_list:\t%d\n", cpu);
	ck_assert_str_eq(run(spec)->out, expected);
}
END_TEST

START_TEST(impossible_settings_name_their_stage)
{
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	spec.oom_score_adj = 4000;
	assert_failed(run(spec), SPAWN_STAGE_OOM_SCORE, EINVAL, 125);
	spec = spec_of("/bin/cat", cat_status);
	spec.set_affinity = true;
	CPU_ZERO(&spec.affinity);
	assert_failed(run(spec), SPAWN_STAGE_AFFINITY, EINVAL, 125);
}
END_TEST

START_TEST(pids_in_the_environment_are_the_workers_own)
{
	char variable[] = "LISTEN_PID=0000000000", other[] = "WATCHDOG_PID=\0\0\0\0\0\0\0\0\0\0";
	char *envp[] = {variable, other, NULL};
	char *argv[] = {
	    "sh", "-c", "[ \"$LISTEN_PID,$WATCHDOG_PID\" = $$,$$ ] && echo same", NULL};
	struct spawn_spec spec = spec_of("/bin/sh", argv);

	spec.envp = envp;
	spec.listen_pid = variable + strlen("LISTEN_PID=");
	spec.watchdog_pid = other + strlen("WATCHDOG_PID=");
	ck_assert_str_eq(run(spec)->out, "same\n");
	ck_assert_str_eq(variable, "LISTEN_PID=0000000000");
}
END_TEST

START_TEST(no_new_privs_is_set_when_asked)
{
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	spec.no_new_privs = true;
	ck_assert_str_eq(status_value(run(spec)->out, "NoNewPrivs:"), "1");
}
END_TEST

START_TEST(x3_user_and_groups_are_changed_for_good)
{
	static const gid_t groups[] = {NOBODY, 12345};
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	if (geteuid() != 0)
		return;
	spec.change_user = true;
	spec.uid = spec.gid = NOBODY;
	spec.groups = groups;
	spec.groups_len = 2;
	run(spec);
	ck_assert_int_eq(result.exec, 1);
	ck_assert_str_eq(status_value(result.out, "Uid:"), "65534\t65534\t65534\t65534");
	ck_assert_str_eq(status_value(result.out, "Gid:"), "65534\t65534\t65534\t65534");
	ck_assert_ptr_nonnull(strstr(status_value(result.out, "Groups:"), "12345 65534"));
	ck_assert_str_eq(status_value(result.out, "CapEff:"), "0000000000000000");
	ck_assert_str_eq(status_value(result.out, "CapPrm:"), "0000000000000000");
}
END_TEST

/* More groups than the kernel takes, so that root fails, too. */
START_TEST(x3_setgroups_failure_ends_child)
{
	static gid_t many[70000];
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	spec.change_user = true;
	spec.uid = spec.gid = NOBODY;
	spec.groups = many;
	spec.groups_len = 70000;
	assert_failed(run(spec), SPAWN_STAGE_GROUPS, geteuid() == 0 ? EINVAL : EPERM, 125);
	ck_assert_str_eq(result.out, "");
}
END_TEST

START_TEST(x3_setuid_failure_ends_child)
{
	static const gid_t group = NOBODY;
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	if (geteuid() != 0)
		return;
	spec.change_user = true;
	spec.uid = NOBODY;
	spec.gid = NOBODY;
	spec.groups = &group;
	spec.groups_len = 1;
	forbid_syscall(SYS_setresuid, EAGAIN);
	assert_failed(run(spec), SPAWN_STAGE_USER, EAGAIN, 125);
}
END_TEST

/* A kernel or filter that only says it has changed the user. */
START_TEST(x3_setuid_that_did_nothing_is_noticed)
{
	static const gid_t group = NOBODY;
	struct spawn_spec spec = spec_of("/bin/cat", cat_status);

	if (geteuid() != 0)
		return;
	spec.change_user = true;
	spec.uid = NOBODY;
	spec.gid = NOBODY;
	spec.groups = &group;
	spec.groups_len = 1;
	forbid_syscall(_i ? SYS_setresuid : SYS_setresgid, 0);
	assert_failed(run(spec), _i ? SPAWN_STAGE_USER : SPAWN_STAGE_GROUPS, EPERM, 125);
}
END_TEST

static pid_t
spawn_sleeper(int death_signal)
{
	char *argv[] = {"sleep", "60", NULL};
	struct spawn_spec spec = spec_of("/bin/sleep", argv);
	struct spawn_result r;
	struct spawn_failure f;

	spec.death_signal = death_signal;
	if (spawn_process(&spec, &r) < 0 || wait_for_exec(r.status_fd, &f) != 1)
		return -1;
	fd_close(&r.status_fd);
	return r.pid;
}

/* Runs a master that starts a worker and is gone at once; the worker comes back to us. */
static int
status_after_master_died(uid_t uid)
{
	int pids[2], status;
	pid_t master, worker = -1;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe2(pids, O_CLOEXEC), 0);
	master = fork();
	if (master == 0) {
		char *argv[] = {"sleep", "60", NULL};
		struct spawn_spec spec = spec_of("/bin/sleep", argv);
		const gid_t group = NOBODY;
		struct spawn_result r;
		struct spawn_failure f;

		spec.death_signal = SIGTERM;
		spec.change_user = uid != 0;
		spec.uid = spec.gid = uid;
		spec.groups = &group;
		spec.groups_len = 1;
		if (spawn_process(&spec, &r) == 0 && wait_for_exec(r.status_fd, &f) == 1 &&
		    write(pids[1], &r.pid, sizeof(r.pid)) > 0)
			_exit(0);
		_exit(1);
	}
	ck_assert_int_eq(read(pids[0], &worker, sizeof(worker)), sizeof(worker));
	ck_assert_int_eq(waitpid(master, &status, 0), master);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	return status;
}

START_TEST(m1_worker_gets_the_death_signal)
{
	int status = status_after_master_died(0);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

START_TEST(m3_death_signal_survives_the_change_of_user)
{
	int status = geteuid() == 0 ? status_after_master_died(NOBODY) : SIGTERM;

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

/* In a process of its own: nothing can be forked after the first child of the namespace has
 * gone, which leak checkers want to do at exit. */
START_TEST(m3_parent_check_holds_as_pid_1)
{
	pid_t outer = fork();
	int status;

	if (outer == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(0);
		outer = fork();
		if (outer == 0)
			_exit(getpid() == 1 && spawn_sleeper(SIGTERM) > 0 ? 0 : 1);
		_exit(waitpid(outer, &status, 0) == outer && status == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(outer, &status, 0), outer);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(f2_no_descriptor_for_the_pipe_leaves_nothing_behind)
{
	char *argv[] = {"true", NULL};
	struct spawn_spec spec = spec_of("/bin/true", argv);
	struct rlimit limit = {.rlim_cur = 0, .rlim_max = 4096};
	struct spawn_result r;
	int before = fd_count_open();

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(spawn_process(&spec, &r), -EMFILE);
	ck_assert(spawn_errno_is_transient(EMFILE));
	limit.rlim_cur = 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(fd_count_open(), before);
}
END_TEST

START_TEST(f1_failed_fork_leaves_nothing_behind)
{
	char *argv[] = {"true", NULL};
	struct spawn_spec spec = spec_of("/bin/true", argv);
	struct spawn_result r;
	pid_t child = fork();
	int status;

	if (child == 0) {
		int before = fd_count_open();

		forbid_syscall(SYS_clone, EAGAIN);
		_exit(spawn_process(&spec, &r) == -EAGAIN && fd_count_open() == before ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert(spawn_errno_is_transient(-EAGAIN));
}
END_TEST

START_TEST(f4_no_descriptor_is_left_after_many_spawns)
{
	int before = fd_count_open();

	for (int i = 0; i < 30; i++)
		assert_exec_fails(in_dir("none"), ENOENT, 127);
	ck_assert_int_eq(fd_count_open(), before);
}
END_TEST

START_TEST(every_stage_has_a_name)
{
	for (int stage = 0; stage < SPAWN_STAGE_MAX; stage++)
		ck_assert_ptr_nonnull(spawn_stage_to_string(stage));
	ck_assert_ptr_nonnull(spawn_stage_to_string(-1));
	ck_assert_ptr_nonnull(spawn_stage_to_string(SPAWN_STAGE_MAX));
}
END_TEST

static void
assert_resolves(const char *command, const char *directory, const char *list, const char *expected)
{
	char *path = NULL, *real = realpath(expected, NULL);

	ck_assert_int_eq(spawn_resolve(command, directory, list, &path), 0);
	ck_assert_str_eq(path, real);
	free(path);
	free(real);
}

START_TEST(resolve_follows_path_and_directory)
{
	char list[256], *path;

	ck_assert_int_eq(mkdir(in_dir("bin"), 0755), 0);
	ck_assert_int_eq(mkdir(in_dir("tool"), 0755), 0);
	write_file(in_dir("bin/tool"), "#!/bin/sh\n", 0755);
	ck_assert_int_eq(symlink("bin/tool", in_dir("link")), 0);
	(void)snprintf(list, sizeof(list), "/no/such:%s:%s/bin:/bin", test_dir, test_dir);
	assert_resolves("tool", NULL, list, in_dir("bin/tool"));
	assert_resolves("tool", test_dir, "bin", in_dir("bin/tool"));
	assert_resolves("link", test_dir, "", in_dir("bin/tool"));
	assert_resolves("./link", test_dir, "/bin", in_dir("bin/tool"));
	assert_resolves("bin/tool", test_dir, NULL, in_dir("bin/tool"));
	assert_resolves(in_dir("link"), "/", NULL, in_dir("bin/tool"));
	assert_resolves("sh", NULL, NULL, "/bin/sh");
	ck_assert_int_eq(spawn_resolve("tool", test_dir, "/bin", &path), -ENOENT);
	ck_assert_int_eq(spawn_resolve("", NULL, "/bin", &path), -ENOENT);
}
END_TEST

START_TEST(resolve_says_why_a_file_does_not_do)
{
	char *path;

	write_file(in_dir("plain"), "x", 0644);
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0755), 0);
	ck_assert_int_eq(symlink("loop", in_dir("loop")), 0);
	ck_assert_int_eq(spawn_resolve("./plain", test_dir, NULL, &path), -EACCES);
	ck_assert_int_eq(spawn_resolve("plain", NULL, test_dir, &path), -EACCES);
	ck_assert_int_eq(spawn_resolve("./fifo", test_dir, NULL, &path), -EACCES);
	ck_assert_int_eq(spawn_resolve("./loop", test_dir, NULL, &path), -ELOOP);
	ck_assert_int_eq(spawn_resolve("./none", test_dir, NULL, &path), -ENOENT);
	ck_assert_int_eq(spawn_resolve(test_dir, NULL, NULL, &path), -EISDIR);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("spawn");

	tcase_add_test(t, exec_runs_with_its_arguments_and_environment);
	tcase_add_test(t, p5_exec_enoent_reports_stage_and_errno);
	tcase_add_test(t, p5_exec_eacces_reports_stage_and_errno);
	tcase_add_test(t, p5_exec_enoexec_has_no_shell_fallback);
	tcase_add_test(t, p5_exec_etxtbsy_reports_stage_and_errno);
	tcase_add_test(t, p5_exec_eloop_reports_stage_and_errno);
	tcase_add_test(t, p5_exec_e2big_reports_stage_and_errno);
	tcase_add_test(t, missing_directory_ends_child_with_125);
	tcase_add_test(t, directory_and_umask_are_set);
	tcase_add_test(t, s10_ignored_signals_are_reset);
	tcase_add_test(t, s1_no_handler_of_the_parent_runs_in_the_child);
	tcase_add_test(t, worker_has_its_own_session_and_group);
	tcase_add_test(t, f5_worker_sees_exactly_its_descriptors);
	tcase_add_loop_test(t, x7_f5_holds_without_close_range, 0, 3);
	tcase_add_test(t, failure_is_told_with_many_descriptors_and_without_close_range);
	tcase_add_test(t, descriptors_may_overlap_their_targets);
	tcase_add_test(t, minus_one_keeps_a_number_closed);
	tcase_add_test(t, nonblocking_flag_of_a_descriptor_is_left_alone);
	tcase_add_test(t, worker_gets_the_soft_limit_of_before);
	tcase_add_test(t, limits_may_be_lower_than_what_the_master_uses);
	tcase_add_test(t, limit_beyond_the_hard_one_needs_privilege);
	tcase_add_test(t, nice_oom_score_and_affinity_are_set);
	tcase_add_test(t, impossible_settings_name_their_stage);
	tcase_add_test(t, pids_in_the_environment_are_the_workers_own);
	tcase_add_test(t, no_new_privs_is_set_when_asked);
	tcase_add_test(t, x3_user_and_groups_are_changed_for_good);
	tcase_add_test(t, x3_setgroups_failure_ends_child);
	tcase_add_test(t, x3_setuid_failure_ends_child);
	tcase_add_loop_test(t, x3_setuid_that_did_nothing_is_noticed, 0, 2);
	tcase_add_test(t, m1_worker_gets_the_death_signal);
	tcase_add_test(t, m3_death_signal_survives_the_change_of_user);
	tcase_add_test(t, m3_parent_check_holds_as_pid_1);
	tcase_add_test(t, f2_no_descriptor_for_the_pipe_leaves_nothing_behind);
	tcase_add_test(t, f1_failed_fork_leaves_nothing_behind);
	tcase_add_test(t, f4_no_descriptor_is_left_after_many_spawns);
	tcase_add_test(t, every_stage_has_a_name);
	tcase_add_test(t, resolve_follows_path_and_directory);
	tcase_add_test(t, resolve_says_why_a_file_does_not_do);
	return support_main("spawn", t);
}
