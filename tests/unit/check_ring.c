/*
 * ring: the wait sets of an app's workers, with real epoll sets, real sockets and real sleepers.
 * Each seat's socket has a port of its own here: to connect to it is to be steered to it. Workers
 * are children that inherited what others get by SCM_RIGHTS.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/channel.h"
#include "loop/listeners.h"
#include "loop/waitset.h"

#define WORKERS_MAX 200
#define PLACES_MAX  600
#define WAIT_MS     20000

/* What a worker was told, and the process that it is. */
struct told {
	int set;
	int fds[PLACES_MAX];
	char names[PLACES_MAX][8];
	size_t len, messages;
	bool own[PLACES_MAX];
	bool more;
	pid_t pid;
};

static struct told told[WORKERS_MAX]; /* by worker id */
static struct waitset_group *group;
static int send_result;

static int
take_message(void *arg, worker_id worker, const struct channel_ring *m)
{
	struct told *t = &told[worker];
	size_t first = t->messages == 0 ? 1 : 0;

	(void)arg;
	if (send_result < 0)
		return send_result;
	ck_assert_uint_le(m->fds_len, CHANNEL_PARCEL_MAX);
	ck_assert_uint_eq(m->fds_len, m->names_len + first);
	if (first)
		t->set = fcntl(m->fds[0], F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < m->names_len; i++) {
		t->fds[t->len] = m->fds[i + first];
		snprintf(t->names[t->len++], sizeof(t->names[0]), "%s", m->names[i]);
	}
	for (size_t i = 0; i < m->own_len; i++) {
		ck_assert_uint_ge(m->own[i], t->len - m->names_len);
		ck_assert_uint_lt(m->own[i], t->len);
		t->own[m->own[i]] = true;
	}
	t->more = m->more;
	t->messages++;
	return 0;
}

static void
begin(void)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		told[i] = (struct told){.set = -1};
	send_result = 0;
	group = waitset_group_new(take_message, NULL);
}

/* A worker that is gone as the master sees it: reaped, then forgotten. */
static void
bury(worker_id id)
{
	if (told[id].pid > 0) {
		(void)kill(told[id].pid, SIGKILL);
		(void)waitpid(told[id].pid, NULL, 0);
		told[id].pid = 0;
	}
}

static void
end(void)
{
	for (worker_id i = 0; i < WORKERS_MAX; i++) {
		bury(i);
		if (told[i].set >= 0)
			close(told[i].set);
	}
	waitset_group_free(group);
}

/* --- sockets --------------------------------------------------------------------------------- */

static int
open_socket(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

static struct listener
make_listener(enum listener_shape shape, unsigned slots)
{
	struct listener ls = {.shape = shape, .kind = LISTEN_TCP, .base = slots};

	ls.len = shape == LISTENER_ONE ? 1 : shape == LISTENER_STEERED ? slots * 2 : slots;
	ls.fds = calloc(ls.len, sizeof(int));
	for (unsigned i = 0; i < ls.len; i++)
		ls.fds[i] = open_socket();
	return ls;
}

static void
grow(struct listener *ls, unsigned slots)
{
	ls->fds = realloc(ls->fds, slots * 2 * sizeof(int));
	while (ls->len < slots * 2)
		ls->fds[ls->len++] = open_socket();
}

static void
free_listener(struct listener *ls)
{
	for (unsigned i = 0; i < ls->len; i++)
		close(ls->fds[i]);
	free(ls->fds);
}

/* --- workers --------------------------------------------------------------------------------- */

static int
give(worker_id id, unsigned slot, unsigned seat, unsigned neighbours, unsigned width,
    const struct listener *ls)
{
	const struct waitset_source source = {ls, "a"};
	const struct waitset_worker who = {
	    .id = id,
	    .slot = slot,
	    .seat = seat,
	    .neighbours = neighbours,
	    .sources = &source,
	    .sources_len = 1,
	};

	return waitset_give(group, &who, width);
}

static void
give_and_join(worker_id id, unsigned slot, unsigned seat, unsigned neighbours, unsigned width,
    const struct listener *ls)
{
	ck_assert_int_eq(give(id, slot, seat, neighbours, width, ls), 0);
	ck_assert_int_eq(waitset_join(group, id, width), 0);
}

/* How a worker behaves that got an event. */
enum habit { SERVES, DIES, STOPS };

static void
live(const struct told *t, worker_id id, enum habit habit)
{
	char answer = (char)('A' + id);

	for (;;) {
		struct epoll_event ev;
		int c, n = epoll_wait(t->set, &ev, 1, -1);

		if (n != 1)
			continue;
		if (habit == DIES)
			_exit(0);
		if (habit == STOPS)
			raise(SIGSTOP);
		c = accept4(t->fds[ev.data.u64], NULL, NULL, SOCK_CLOEXEC);
		if (c < 0)
			continue;
		(void)!write(c, &answer, 1);
		close(c);
	}
}

static char
state_of(pid_t pid)
{
	char path[32], text[256];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return '?';
	text[n] = '\0';
	at = strrchr(text, ')');
	return at && at[1] ? at[2] : '?';
}

/* Nothing else in its life sleeps: then it sits in epoll_wait(). */
static void
await_state(worker_id id, char state)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (state_of(told[id].pid) == state)
			return;
		usleep(1000);
	}
	ck_abort_msg("worker %u does not become %c", id, state);
}

static void
start(worker_id id, enum habit habit)
{
	told[id].pid = fork();
	ck_assert_int_ge(told[id].pid, 0);
	if (told[id].pid == 0)
		live(&told[id], id, habit);
	await_state(id, 'S');
}

static int
connect_to(int listener)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static char
answer_of(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c = '?';

	if (poll(&p, 1, WAIT_MS) == 1)
		(void)!read(fd, &c, 1);
	close(fd);
	return c;
}

/* Who answers n connections, one after the other, while all of ids sleep in between. */
static void
expect_served_by(int listener, unsigned n, const char *who, const char *sleepers)
{
	for (unsigned i = 0; i < n; i++) {
		char c;

		for (const char *s = sleepers; *s; s++)
			await_state((worker_id)(*s - 'A'), 'S');
		c = answer_of(connect_to(listener));
		ck_assert_msg(strchr(who, c) != NULL, "served by %c, not by one of %s", c, who);
	}
}

static bool
waits(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* --- what is registered ---------------------------------------------------------------------- */

/* Registered descriptors of a set, from the kernel's own words. */
static unsigned
registered(int set, int *fds, unsigned max)
{
	char path[48], line[256];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", set);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		int fd;

		if (sscanf(line, "tfd: %d", &fd) != 1)
			continue;
		ck_assert_uint_lt(n, max);
		fds[n++] = fd;
	}
	fclose(f);
	return n;
}

static bool
holds(worker_id id, int listener)
{
	int fds[PLACES_MAX];
	unsigned n = registered(told[id].set, fds, PLACES_MAX);

	for (unsigned i = 0; i < n; i++)
		if (fds[i] == listener)
			return true;
	return false;
}

static unsigned
count_registered(worker_id id)
{
	int fds[PLACES_MAX];

	return registered(told[id].set, fds, PLACES_MAX);
}

/* The slots whose sockets, both of each, the worker's set holds: "0 2 3". */
static const char *
slots_of(worker_id id, const struct listener *ls)
{
	static char text[64];
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < listener_slots(ls); i++) {
		bool first = holds(id, listener_fd(ls, i, 0));

		ck_assert_int_eq(first, holds(id, listener_fd(ls, i, 1)));
		if (first)
			at += (size_t)snprintf(
			    text + at, sizeof(text) - at, "%s%u", at ? " " : "", i);
	}
	return text;
}

/* --- tests ----------------------------------------------------------------------------------- */

START_TEST(a_set_is_empty_until_its_worker_is_ready)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	ck_assert_int_eq(give(0, 0, 0, 0, 2, &ls), 0);
	ck_assert_uint_eq(told[0].messages, 1);
	ck_assert_uint_eq(told[0].len, 4);
	ck_assert_str_eq(told[0].names[3], "a");
	ck_assert(told[0].own[0] && told[0].own[1] && !told[0].own[2] && !told[0].own[3]);
	ck_assert_int_eq(told[0].fds[0], listener_fd(&ls, 0, 0));
	ck_assert_uint_eq(count_registered(0), 0);
	ck_assert_int_eq(waitset_join(group, 0, 2), 0);
	ck_assert_uint_eq(count_registered(0), 4);
	ck_assert_int_eq(give(0, 0, 0, 0, 2, &ls), -EEXIST);
	/* Never asked: nothing is done for it, and nothing breaks. */
	ck_assert_int_eq(waitset_join(group, 9, 2), 0);
	ck_assert_int_eq(waitset_kick(group, 9, 0, 0), 0);
	waitset_cut(group, 9);
	ck_assert_int_eq(waitset_forget(group, 9), 0);
	free_listener(&ls);
}
END_TEST

START_TEST(the_owner_is_first_and_a_neighbour_takes_over_when_it_stands)
{
	struct listener ls = make_listener(LISTENER_STEERED, 3);

	for (worker_id id = 0; id < 3; id++)
		give_and_join(id, id, 0, 0, 3, &ls);
	for (worker_id id = 0; id < 3; id++)
		start(id, SERVES);
	expect_served_by(listener_fd(&ls, 0, 0), 15, "A", "ABC");
	expect_served_by(listener_fd(&ls, 1, 0), 15, "B", "ABC");
	expect_served_by(listener_fd(&ls, 2, 0), 15, "C", "ABC");
	(void)kill(told[1].pid, SIGSTOP);
	await_state(1, 'T');
	expect_served_by(listener_fd(&ls, 1, 0), 15, "AC", "AC");
	(void)kill(told[0].pid, SIGSTOP);
	await_state(0, 'T');
	expect_served_by(listener_fd(&ls, 0, 0), 15, "C", "C");
	expect_served_by(listener_fd(&ls, 1, 0), 15, "C", "C");
	(void)kill(told[0].pid, SIGCONT);
	(void)kill(told[1].pid, SIGCONT);
	expect_served_by(listener_fd(&ls, 1, 0), 15, "B", "ABC");
	/* Dead: no gap before anybody heard of it. */
	bury(2);
	expect_served_by(listener_fd(&ls, 2, 0), 15, "AB", "AB");
	free_listener(&ls);
}
END_TEST

START_TEST(r10_a_restarted_owner_is_first_again)
{
	struct listener ls = make_listener(LISTENER_STEERED, 3);

	for (worker_id id = 0; id < 3; id++)
		give_and_join(id, id, 0, 0, 3, &ls);
	for (worker_id id = 0; id < 3; id++)
		start(id, SERVES);
	/* A, B, C are followed by D, E, F, the last first. */
	for (worker_id id = 3; id < 6; id++) {
		bury(5 - id);
		ck_assert_int_eq(waitset_forget(group, 5 - id), 0);
		give_and_join(id, 5 - id, 0, 0, 3, &ls);
		start(id, SERVES);
	}
	expect_served_by(listener_fd(&ls, 2, 0), 15, "D", "DEF");
	expect_served_by(listener_fd(&ls, 1, 0), 15, "E", "DEF");
	expect_served_by(listener_fd(&ls, 0, 0), 15, "F", "DEF");
	free_listener(&ls);
}
END_TEST

START_TEST(r10_what_waits_while_they_line_up_is_served)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int fd, fds[8];

	give_and_join(0, 0, 0, 0, 2, &ls);
	fd = listener_fd(&ls, 1, 0);
	/* Nobody sleeps yet: it waits at a socket whose owner comes only now. */
	for (int i = 0; i < 8; i++)
		fds[i] = connect_to(fd);
	give_and_join(1, 1, 0, 0, 2, &ls);
	start(0, SERVES);
	start(1, SERVES);
	for (int i = 0; i < 8; i++)
		ck_assert_int_ne(answer_of(fds[i]), '?');
	free_listener(&ls);
}
END_TEST

/* The kernel refuses to change such a registration, which is why nothing here tries. */
START_TEST(r11_an_exclusive_registration_is_only_taken_out_and_put_in)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0};

	give_and_join(0, 0, 0, 0, 2, &ls);
	errno = 0;
	ck_assert_int_eq(epoll_ctl(told[0].set, EPOLL_CTL_MOD, listener_fd(&ls, 0, 0), &ev), -1);
	ck_assert_int_eq(errno, EINVAL);
	for (worker_id id = 1; id < 5; id++)
		give_and_join(id, id % 2, id / 2 % 2, 0, 2, &ls);
	for (worker_id id = 0; id < 5; id++) {
		ck_assert_uint_eq(count_registered(id), 4);
		for (unsigned seat = 0; seat < 4; seat++)
			ck_assert_int_eq(waitset_kick(group, id, seat / 2, seat % 2), 0);
		ck_assert_uint_eq(count_registered(id), 4);
	}
	free_listener(&ls);
}
END_TEST

START_TEST(r12_no_registration_outlives_its_worker)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	give_and_join(0, 0, 0, 0, 2, &ls);
	give_and_join(1, 1, 0, 0, 2, &ls);
	/* told[0].set stands for a copy in a process that outlives the worker: its child. */
	ck_assert_uint_eq(count_registered(0), 4);
	ck_assert_int_eq(waitset_forget(group, 0), 0);
	ck_assert_uint_eq(count_registered(0), 0);
	ck_assert_uint_eq(count_registered(1), 4);
	ck_assert_int_eq(waitset_forget(group, 1), 0);
	ck_assert(waitset_group_is_idle(group));
	free_listener(&ls);
}
END_TEST

START_TEST(r13_a_seat_of_any_program_is_in_nobody_elses_set)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int twin = listener_fd(&ls, 1, 1);

	give_and_join(0, 0, 0, 0, 2, &ls);
	give_and_join(1, 1, 0, 0, 2, &ls);
	ck_assert(holds(0, twin) && holds(1, twin));
	ck_assert_int_eq(waitset_leave_alone(group, 5, 1, 1), 0);
	ck_assert(!holds(0, twin) && !holds(1, twin));
	ck_assert_uint_eq(count_registered(0), 3);
	/* Also not by what comes later. */
	ck_assert_int_eq(waitset_kick(group, 0, 1, 1), 0);
	ck_assert_int_eq(waitset_settle(group, 2), 0);
	give_and_join(2, 0, 1, 0, 2, &ls);
	ck_assert(!holds(0, twin) && !holds(1, twin) && !holds(2, twin));
	/* The one before it died meanwhile: that changes nothing. */
	ck_assert_int_eq(waitset_leave_alone(group, 6, 1, 1), 0);
	ck_assert_int_eq(waitset_forget(group, 5), 0);
	ck_assert(!holds(0, twin));
	ck_assert_int_eq(waitset_forget(group, 6), 0);
	ck_assert(holds(0, twin) && holds(1, twin) && holds(2, twin));
	free_listener(&ls);
}
END_TEST

START_TEST(r13_a_worker_that_asked_shares_its_seat_once_it_is_ready)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	for (worker_id id = 0; id < 2; id++)
		ck_assert_int_eq(waitset_leave_alone(group, id, id, 0), 0);
	give_and_join(0, 0, 0, 0, 2, &ls);
	ck_assert_int_eq(give(1, 1, 0, 0, 2, &ls), 0);
	ck_assert(!holds(0, listener_fd(&ls, 1, 0)) && holds(0, listener_fd(&ls, 1, 1)));
	ck_assert_int_eq(waitset_join(group, 1, 2), 0);
	ck_assert(holds(0, listener_fd(&ls, 1, 0)) && holds(1, listener_fd(&ls, 0, 0)));
	/* All of it was known before: nobody had to be told again. */
	ck_assert_uint_eq(told[0].messages, 1);
	free_listener(&ls);
}
END_TEST

START_TEST(r13_what_several_read_does_not_block)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int fd = listener_fd(&ls, 1, 0);

	give_and_join(0, 0, 0, 0, 2, &ls);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
	give_and_join(1, 1, 0, 0, 2, &ls);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	free_listener(&ls);
}
END_TEST

START_TEST(r21_after_its_cut_a_worker_accepts_nothing)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	give_and_join(0, 0, 0, 0, 2, &ls);
	give_and_join(1, 1, 0, 0, 2, &ls);
	start(0, SERVES);
	start(1, SERVES);
	/* The new one of slot 0 has its twin; between join and cut either may accept. */
	give_and_join(2, 0, 1, 0, 2, &ls);
	start(2, SERVES);
	expect_served_by(listener_fd(&ls, 0, 1), 5, "C", "ABC");
	waitset_cut(group, 0);
	ck_assert_uint_eq(count_registered(0), 0);
	expect_served_by(listener_fd(&ls, 0, 0), 15, "BC", "ABC");
	expect_served_by(listener_fd(&ls, 0, 1), 15, "C", "ABC");
	/* Nothing fills it again. */
	ck_assert_int_eq(waitset_settle(group, 2), 0);
	ck_assert_int_eq(waitset_kick(group, 0, 0, 0), 0);
	ck_assert_uint_eq(count_registered(0), 0);
	free_listener(&ls);
}
END_TEST

/* Worker 0 was woken and did not follow; worker 1 sleeps, and what came waits. */
static int
strand(const struct listener *ls, enum habit habit)
{
	int fd;

	give_and_join(0, 0, 0, 0, 2, ls);
	give_and_join(1, 1, 0, 0, 2, ls);
	start(0, habit);
	start(1, SERVES);
	fd = connect_to(listener_fd(ls, 0, 0));
	if (habit == DIES)
		bury(0);
	else
		await_state(0, 'T');
	await_state(1, 'S');
	ck_assert(waits(listener_fd(ls, 0, 0)));
	return fd;
}

START_TEST(r9_what_a_dead_worker_was_woken_for_is_offered_again)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int fd = strand(&ls, DIES);

	ck_assert_int_eq(waitset_forget(group, 0), 0);
	ck_assert_int_eq(answer_of(fd), 'B');
	free_listener(&ls);
}
END_TEST

START_TEST(r9_what_a_cut_worker_was_woken_for_is_offered_again)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int fd = strand(&ls, STOPS);

	waitset_cut(group, 0);
	ck_assert_int_eq(answer_of(fd), 'B');
	free_listener(&ls);
}
END_TEST

START_TEST(r9_a_kick_wakes_a_worker_for_what_is_stranded)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int fd = strand(&ls, STOPS);

	ck_assert_int_eq(waitset_kick(group, 1, 0, 0), 0);
	ck_assert_int_eq(answer_of(fd), 'B');
	free_listener(&ls);
}
END_TEST

START_TEST(a_kicked_owner_stays_first)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	give_and_join(0, 0, 0, 0, 2, &ls);
	give_and_join(1, 1, 0, 0, 2, &ls);
	start(0, SERVES);
	start(1, SERVES);
	ck_assert_int_eq(waitset_kick(group, 0, 0, 0), 0);
	expect_served_by(listener_fd(&ls, 0, 0), 15, "A", "AB");
	free_listener(&ls);
}
END_TEST

START_TEST(a_kick_reaches_beyond_the_neighbours)
{
	struct listener ls = make_listener(LISTENER_STEERED, 4);
	int fd = listener_fd(&ls, 3, 1);

	for (worker_id id = 0; id < 4; id++)
		give_and_join(id, id, 0, 1, 4, &ls);
	ck_assert(!holds(0, fd));
	ck_assert_int_eq(waitset_kick(group, 0, 3, 1), 0);
	ck_assert(holds(0, fd));
	ck_assert_uint_eq(told[0].messages, 2);
	ck_assert_int_eq(told[0].fds[told[0].len - 1], fd);
	ck_assert(!told[0].own[told[0].len - 1]);
	free_listener(&ls);
}
END_TEST

START_TEST(neighbours_are_the_next_slots_round_the_ring)
{
	struct listener ls = make_listener(LISTENER_STEERED, 4);

	for (worker_id id = 0; id < 4; id++)
		give_and_join(id, id, 0, 1, 4, &ls);
	ck_assert_str_eq(slots_of(0, &ls), "0 1");
	ck_assert_str_eq(slots_of(2, &ls), "2 3");
	ck_assert_str_eq(slots_of(3, &ls), "0 3");
	ck_assert_uint_eq(told[3].len, 4);
	free_listener(&ls);
}
END_TEST

START_TEST(parked_slots_are_read_by_those_that_are_left)
{
	struct listener ls = make_listener(LISTENER_STEERED, 8);

	for (worker_id id = 0; id < 8; id++)
		give_and_join(id, id, 0, 1, 8, &ls);
	/* 8 -> 3: slot t is read where t mod 3 is. */
	ck_assert_int_eq(waitset_settle(group, 3), 0);
	for (worker_id id = 3; id < 8; id++)
		waitset_cut(group, id);
	ck_assert_str_eq(slots_of(0, &ls), "0 1 3 4 6 7");
	ck_assert_str_eq(slots_of(1, &ls), "1 2 4 5 7");
	ck_assert_str_eq(slots_of(2, &ls), "0 2 3 5 6");
	/* And back: new workers at the same seats. */
	for (worker_id id = 3; id < 8; id++)
		ck_assert_int_eq(waitset_forget(group, id), 0);
	for (worker_id id = 13; id < 18; id++)
		give_and_join(id, id - 10, 0, 1, 8, &ls);
	ck_assert_str_eq(slots_of(0, &ls), "0 1");
	ck_assert_str_eq(slots_of(17, &ls), "0 7");
	free_listener(&ls);
}
END_TEST

START_TEST(slots_that_were_never_used_are_nobodys)
{
	struct listener ls = make_listener(LISTENER_STEERED, 8);

	give_and_join(0, 0, 0, 0, 2, &ls);
	ck_assert_str_eq(slots_of(0, &ls), "0 1");
	ck_assert_uint_eq(told[0].len, 4);
	free_listener(&ls);
}
END_TEST

START_TEST(slots_that_come_later_are_told_in_a_further_line)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	give_and_join(0, 0, 0, 0, 2, &ls);
	grow(&ls, 3);
	ck_assert_int_eq(waitset_settle(group, 3), 0);
	ck_assert_uint_eq(told[0].messages, 2);
	ck_assert_uint_eq(told[0].len, 6);
	ck_assert_int_eq(told[0].fds[4], listener_fd(&ls, 2, 0));
	ck_assert_str_eq(slots_of(0, &ls), "0 1 2");
	/* One that can't be told does not get what it would not know. */
	grow(&ls, 4);
	send_result = -ENOBUFS;
	ck_assert_int_eq(waitset_settle(group, 4), -ENOBUFS);
	ck_assert_str_eq(slots_of(0, &ls), "0 1 2");
	send_result = 0;
	ck_assert_int_eq(waitset_settle(group, 4), 0);
	ck_assert_str_eq(slots_of(0, &ls), "0 1 2 3");
	free_listener(&ls);
}
END_TEST

START_TEST(above_64_slots_seven_neighbours)
{
	struct listener ls = make_listener(LISTENER_STEERED, 70);

	give_and_join(0, 0, 0, 0, 70, &ls);
	give_and_join(1, 68, 0, 0, 70, &ls);
	ck_assert_str_eq(slots_of(0, &ls), "0 1 2 3 4 5 6 7");
	ck_assert_str_eq(slots_of(1, &ls), "0 1 2 3 4 5 68 69");
	ck_assert_uint_eq(told[0].len, 16);
	free_listener(&ls);
}
END_TEST

START_TEST(what_one_message_cannot_hold_goes_on_in_the_next)
{
	struct listener a = make_listener(LISTENER_STEERED, 64);
	struct listener b = make_listener(LISTENER_STEERED, 64);
	const struct waitset_source sources[] = {{&a, "a"}, {&b, "b"}};
	const struct waitset_worker who = {
	    .id = 1, .slot = 2, .seat = 1, .sources = sources, .sources_len = 2};

	ck_assert_int_eq(waitset_give(group, &who, 64), 0);
	ck_assert_uint_eq(told[1].messages, 2);
	ck_assert(!told[1].more);
	ck_assert_uint_eq(told[1].len, 256);
	ck_assert_int_eq(told[1].fds[0], listener_fd(&a, 2, 1));
	ck_assert_int_eq(told[1].fds[128], listener_fd(&b, 2, 1));
	ck_assert_str_eq(told[1].names[127], "a");
	ck_assert_str_eq(told[1].names[255], "b");
	ck_assert(told[1].own[0] && told[1].own[1] && told[1].own[128] && !told[1].own[2]);
	ck_assert_int_eq(waitset_join(group, 1, 64), 0);
	ck_assert_uint_eq(count_registered(1), 256);
	free_listener(&a);
	free_listener(&b);
}
END_TEST

START_TEST(a_set_that_cannot_be_handed_over_does_not_exist)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);

	send_result = -ENOTCONN;
	ck_assert_int_eq(give(0, 0, 0, 0, 2, &ls), -ENOTCONN);
	ck_assert(waitset_group_is_idle(group));
	ck_assert(!waitset_uses(group, &ls));
	ck_assert_int_eq(waitset_join(group, 0, 2), 0);
	send_result = 0;
	give_and_join(0, 0, 0, 0, 2, &ls);
	ck_assert(waitset_uses(group, &ls));
	free_listener(&ls);
}
END_TEST

START_TEST(shared_and_per_slot_listeners_are_not_stolen_from)
{
	struct listener one = make_listener(LISTENER_ONE, 1);
	struct listener many = make_listener(LISTENER_PER_SLOT, 3);
	const struct waitset_source sources[] = {{&one, "one"}, {&many, "many"}};
	struct waitset_worker who = {.sources = sources, .sources_len = 2};

	for (who.id = 0; who.id < 3; who.id++) {
		who.slot = who.id;
		ck_assert_int_eq(waitset_give(group, &who, 3), 0);
		ck_assert_int_eq(waitset_join(group, who.id, 3), 0);
		ck_assert_uint_eq(count_registered(who.id), 2);
		ck_assert(holds(who.id, one.fds[0]) && holds(who.id, many.fds[who.id]));
		ck_assert(told[who.id].own[0] && told[who.id].own[1]);
	}
	/* Nothing of it is any worker's seat. */
	ck_assert_int_eq(waitset_leave_alone(group, 9, 1, 0), 0);
	ck_assert_uint_eq(count_registered(0), 2);
	free_listener(&one);
	free_listener(&many);
}
END_TEST

START_TEST(sticky_workers_read_their_own_slot_only)
{
	struct listener ls = make_listener(LISTENER_STEERED, 3);
	const struct waitset_source source = {&ls, "a"};
	struct waitset_worker who = {.own_slot_only = true, .sources = &source, .sources_len = 1};

	for (who.id = 0; who.id < 3; who.id++) {
		who.slot = who.id;
		ck_assert_int_eq(waitset_give(group, &who, 3), 0);
		ck_assert_int_eq(waitset_join(group, who.id, 3), 0);
		ck_assert_uint_eq(told[who.id].len, 2);
	}
	ck_assert_str_eq(slots_of(0, &ls), "0");
	ck_assert_str_eq(slots_of(2, &ls), "2");
	free_listener(&ls);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	struct listener ls = make_listener(LISTENER_STEERED, 2);
	int before, after;

	before = open("/dev/null", O_RDONLY);
	close(before);
	for (worker_id id = 0; id < 40; id++) {
		give_and_join(id, id % 2, id / 2 % 2, 0, 2, &ls);
		if (id >= 2) {
			waitset_cut(group, id - 2);
			ck_assert_int_eq(waitset_forget(group, id - 2), 0);
		}
		close(told[id].set);
		told[id].set = -1;
	}
	for (worker_id id = 38; id < 40; id++)
		ck_assert_int_eq(waitset_forget(group, id), 0);
	after = open("/dev/null", O_RDONLY);
	close(after);
	ck_assert_int_eq(before, after);
	free_listener(&ls);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *tc = tcase_create("ring");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, a_set_is_empty_until_its_worker_is_ready);
	tcase_add_test(tc, the_owner_is_first_and_a_neighbour_takes_over_when_it_stands);
	tcase_add_test(tc, r9_what_a_dead_worker_was_woken_for_is_offered_again);
	tcase_add_test(tc, r9_what_a_cut_worker_was_woken_for_is_offered_again);
	tcase_add_test(tc, r9_a_kick_wakes_a_worker_for_what_is_stranded);
	tcase_add_test(tc, r10_a_restarted_owner_is_first_again);
	tcase_add_test(tc, r10_what_waits_while_they_line_up_is_served);
	tcase_add_test(tc, r11_an_exclusive_registration_is_only_taken_out_and_put_in);
	tcase_add_test(tc, r12_no_registration_outlives_its_worker);
	tcase_add_test(tc, r13_a_seat_of_any_program_is_in_nobody_elses_set);
	tcase_add_test(tc, r13_a_worker_that_asked_shares_its_seat_once_it_is_ready);
	tcase_add_test(tc, r13_what_several_read_does_not_block);
	tcase_add_test(tc, r21_after_its_cut_a_worker_accepts_nothing);
	tcase_add_test(tc, a_kicked_owner_stays_first);
	tcase_add_test(tc, a_kick_reaches_beyond_the_neighbours);
	tcase_add_test(tc, neighbours_are_the_next_slots_round_the_ring);
	tcase_add_test(tc, parked_slots_are_read_by_those_that_are_left);
	tcase_add_test(tc, slots_that_were_never_used_are_nobodys);
	tcase_add_test(tc, slots_that_come_later_are_told_in_a_further_line);
	tcase_add_test(tc, above_64_slots_seven_neighbours);
	tcase_add_test(tc, what_one_message_cannot_hold_goes_on_in_the_next);
	tcase_add_test(tc, a_set_that_cannot_be_handed_over_does_not_exist);
	tcase_add_test(tc, shared_and_per_slot_listeners_are_not_stolen_from);
	tcase_add_test(tc, sticky_workers_read_their_own_slot_only);
	tcase_add_test(tc, no_descriptor_is_left);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
