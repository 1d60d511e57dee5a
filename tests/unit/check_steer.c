/*
 * Tests of sys/steer.c and sys/swap.c. What a program says is tried on packets of our own by a
 * small interpreter, against a model that searches lists; that the kernel takes the programs and
 * does what they say is tried on groups of real sockets.
 */
#include "sys_support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "net_support.h"

/* --- programs ------------------------------------------------------------------------------ */

struct packet {
	uint8_t header[60];
	uint32_t random, cpu;
};

static uint32_t
load_from(const struct packet *p, const struct sock_filter *f)
{
	uint32_t value = 0;
	size_t at, size = BPF_SIZE(f->code) == BPF_W ? 4 : BPF_SIZE(f->code) == BPF_H ? 2 : 1;

	if (f->k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
		return p->random;
	if (f->k == (uint32_t)(SKF_AD_OFF + SKF_AD_CPU))
		return p->cpu;
	at = f->k - (uint32_t)SKF_NET_OFF;
	ck_assert_uint_le(at + size, sizeof(p->header));
	for (size_t i = 0; i < size; i++)
		value = value << 8 | p->header[at + i];
	return value;
}

static uint32_t
compute(uint32_t a, uint16_t op, uint32_t operand)
{
	switch (op) {
	case BPF_ADD:
		return a + operand;
	case BPF_SUB:
		return a - operand;
	case BPF_MUL:
		return a * operand;
	case BPF_MOD:
		ck_assert_uint_ne(operand, 0);
		return a % operand;
	case BPF_AND:
		return a & operand;
	case BPF_XOR:
		return a ^ operand;
	case BPF_RSH:
		return a >> operand;
	default:
		ck_abort_msg("operation %x", op);
	}
}

static uint32_t
run(const struct sock_filter *code, int len, const struct packet *p)
{
	uint32_t a = 0, x = 0;

	for (int at = 0; at < len; at++) {
		const struct sock_filter *f = &code[at];
		uint32_t operand = f->code & BPF_X ? x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			a = load_from(p, f);
			break;
		case BPF_ALU:
			a = compute(a, BPF_OP(f->code), operand);
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				at += (int)f->k;
			else if (BPF_OP(f->code) == BPF_JEQ)
				at += a == f->k ? f->jt : f->jf;
			else
				at += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_MISC:
			x = a;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			ck_abort_msg("instruction %x", f->code);
		}
	}
	ck_abort_msg("the program ran past its end");
}

static struct packet
packet_v4(uint32_t source)
{
	struct packet p = {.header = {0x45}};

	source = htonl(source);
	memcpy(p.header + 12, &source, 4);
	p.header[20] = STEER_PORT >> 8; /* a reserved port means nothing here */
	p.header[21] = STEER_PORT & 0xff;
	return p;
}

static struct packet
packet_v6(const char *source, uint16_t port)
{
	struct packet p = {.header = {0x60}};

	ck_assert_int_eq(inet_pton(AF_INET6, source, p.header + 8), 1);
	p.header[40] = (uint8_t)(port >> 8);
	p.header[41] = (uint8_t)port;
	return p;
}

static struct sock_filter code[STEER_PROGRAM_MAX];

static int
must_compile(const struct steer_spec *spec)
{
	int len = steer_compile(spec, code);

	ck_assert_int_gt(len, 0);
	ck_assert_int_le(len, STEER_PROGRAM_MAX);
	return len;
}

/* Lists of which no two successive entries are a run. */
static uint16_t scattered[4096];

static void
scatter(void)
{
	for (unsigned i = 0; i < 4096; i++)
		scattered[i] = (uint16_t)(4095 - i);
}

START_TEST(r6_what_is_not_in_the_group_is_refused)
{
	const uint16_t good[] = {0, 1, 2}, bad[] = {0, 3, 1};
	struct steer_spec spec = {.targets = good, .targets_len = 3, .sockets = 3};

	(void)must_compile(&spec);
	spec.slots = bad;
	spec.slots_len = 3;
	ck_assert_int_eq(steer_compile(&spec, code), -EINVAL);
	spec.slots = good;
	spec.targets = bad;
	ck_assert_int_eq(steer_compile(&spec, code), -EINVAL);
	spec.targets = good;
	spec.targets_len = 0;
	ck_assert_int_eq(steer_compile(&spec, code), -EINVAL);
	spec.targets_len = 3;
	spec.sockets = 2;
	ck_assert_int_eq(steer_compile(&spec, code), -EINVAL);
	spec.sockets = 0;
	ck_assert_int_eq(steer_compile(&spec, code), -EINVAL);
}
END_TEST

START_TEST(runs_cost_three_instructions)
{
	uint16_t run_of[1000];
	struct steer_spec spec = {.targets = run_of, .targets_len = 1, .sockets = 3000};
	int one, len;

	for (unsigned i = 0; i < 1000; i++)
		run_of[i] = (uint16_t)(1000 + i);
	one = must_compile(&spec);
	spec.targets_len = 1000;
	len = must_compile(&spec);
	ck_assert_int_le(len - one, 3 + 1); /* a word is loaded, and divided */
	for (unsigned i = 500; i < 1000; i++)
		run_of[i] = (uint16_t)(2000 + i);
	ck_assert_int_le(must_compile(&spec) - len, 3);
	spec.slots = run_of;
	spec.slots_len = 1000;
	ck_assert_int_le(must_compile(&spec) - len, 3 + 6 + 2);
}
END_TEST

/* The longest list that fits, to the entry; and what fits is a program that the kernel takes. */
START_TEST(what_is_too_long_is_refused_exactly)
{
	struct steer_spec spec = {
	    .targets = scattered, .sockets = 4096, .by = _i % 3, .v6only = _i / 3};
	int fds[2], error;
	unsigned n;

	scatter();
	for (n = 4095; n > 0; n--) {
		spec.targets_len = n;
		error = steer_compile(&spec, code);
		if (error > 0)
			break;
		ck_assert_int_eq(error, -E2BIG);
	}
	ck_assert_int_ge(error, STEER_PROGRAM_MAX - 1);
	ck_assert_uint_ge(n, 2000);
	(void)open_group("127.0.0.1", 2, fds);
	error = steer_attach(fds[0], &spec);
	ck_assert_msg(error == 0 || error == -ENOMEM, "%s", strerror(-error)); /* optmem_max */
	spec.targets_len = n + 1;
	ck_assert_int_eq(steer_attach(fds[0], &spec), -E2BIG);
	close_fds(fds, 2);
	/* As the header promises. */
	spec.slots = scattered;
	spec.targets_len = spec.slots_len = 1000;
	(void)must_compile(&spec);
	spec.targets_len = 1;
	spec.slots_len = 2100;
	ck_assert_int_eq(steer_compile(&spec, code), -E2BIG);
}
END_TEST

static uint64_t seed;

static uint32_t
dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

/* With runs of all lengths. */
static void
random_list(uint16_t *list, unsigned len, unsigned sockets)
{
	for (unsigned i = 0; i < len; i++)
		list[i] = i > 0 && dice(4) && list[i - 1] + 1u < sockets
		              ? (uint16_t)(list[i - 1] + 1)
		              : (uint16_t)dice(sockets);
}

static struct packet
random_packet(const struct steer_spec *spec)
{
	static const char *const sources_v6[] = {"::1", "::1", "::2", "1::1", "2001:db8::1",
	    "0:0:1::1", "::1:0:0:1", "::ffff:127.98.0.1", "::7f62:1:0:1", "0:7f62:1::1",
	    "0:0:7f62:1::1"};
	struct packet p;

	if (spec->v6only || dice(3) == 0)
		p = packet_v6(sources_v6[dice(11)], (uint16_t)(60900 + dice(4636)));
	else
		p = packet_v4(dice(3) ? STEER_NET | (dice(2) * STEER_RAW + dice(2 * spec->sockets))
		              : dice(2) ? 0x7f610000u + dice(0x30000)
		                        : dice(UINT32_MAX));
	p.random = dice(UINT32_MAX) * 2 + dice(2);
	p.cpu = dice(512);
	return p;
}

/* What the header says, by searching. -1: the table. */
static int
name_by_model(const struct steer_spec *spec, const struct packet *p)
{
	uint32_t name, raw = STEER_RAW;
	uint8_t loopback[16] = {[15] = 1};

	if (spec->v6only) {
		name = (uint32_t)(p->header[40] << 8 | p->header[41]) - STEER_PORT;
		if (memcmp(p->header + 8, loopback, 16) != 0 || name > STEER_PORT_MAX)
			return -1;
		raw = STEER_PORT_RAW;
	} else {
		if (p->header[0] != 0x45 || p->header[12] != 127 || p->header[13] != 98)
			return -1;
		name = (uint32_t)(p->header[14] << 8 | p->header[15]);
	}
	if (name >= raw)
		return name - raw < spec->sockets ? (int)(name - raw) : -1;
	return name < spec->slots_len ? spec->slots[name] : -1;
}

START_TEST(r6_every_source_leads_where_the_table_says)
{
	uint16_t targets[300], slots[300];

	for (int round = 0; round < 100; round++) {
		struct steer_spec spec = {.targets = targets, .slots = slots, .by = dice(3)};
		int len;

		seed += 4711;
		spec.sockets = 1 + dice(600);
		spec.targets_len = 1 + dice(dice(2) ? 300 : 8);
		spec.slots_len = dice(300);
		spec.v6only = dice(2);
		random_list(targets, spec.targets_len, spec.sockets);
		random_list(slots, spec.slots_len, spec.sockets);
		len = must_compile(&spec);
		for (int i = 0; i < 200; i++) {
			struct packet p = random_packet(&spec);
			uint32_t got = run(code, len, &p);
			int name = name_by_model(&spec, &p);

			ck_assert_uint_lt(got, spec.sockets);
			if (name >= 0)
				ck_assert_uint_eq(got, (unsigned)name);
			else if (spec.by == STEER_BY_RANDOM)
				ck_assert_uint_eq(got, targets[p.random % spec.targets_len]);
			else if (spec.by == STEER_BY_CPU)
				ck_assert_uint_eq(got, targets[p.cpu % spec.targets_len]);
			p.random++, p.cpu++;
			if (spec.by == STEER_BY_SOURCE) /* nothing but the source counts */
				ck_assert_uint_eq(run(code, len, &p), got);
		}
	}
}
END_TEST

/* Sum of (seen - expected)^2 / expected. With 7 classes less one, 40 comes up once in a million. */
static double
chi_square(const unsigned *seen, unsigned classes, unsigned total)
{
	double expected = (double)total / classes, sum = 0;

	for (unsigned i = 0; i < classes; i++)
		sum += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
	return sum;
}

/* Neighbours in a network, networks that are neighbours, and IPv6 in each of its words. */
START_TEST(sources_are_spread_by_their_hash)
{
	static const uint16_t targets[] = {0, 1, 2, 3, 4, 5, 6};
	const struct steer_spec spec = {
	    .by = STEER_BY_SOURCE, .targets = targets, .targets_len = 7, .sockets = 7};
	unsigned seen[7] = {0};
	int len = must_compile(&spec);

	for (uint32_t i = 0; i < 7000; i++) {
		struct packet p;

		if (_i < 4) {
			p = packet_v4(0xc0000200u + i * (1u << (3 * _i)));
		} else {
			p = packet_v6("2001:db8::", 4000);
			p.header[8 + 4 * (_i - 4) + 2] ^= (uint8_t)(i >> 8);
			p.header[8 + 4 * (_i - 4) + 3] ^= (uint8_t)i;
		}
		seen[run(code, len, &p)]++;
	}
	ck_assert_msg(chi_square(seen, 7, 7000) < 40, "%u %u %u %u %u %u %u", seen[0], seen[1],
	    seen[2], seen[3], seen[4], seen[5], seen[6]);
}
END_TEST

/* --- groups -------------------------------------------------------------------------------- */

START_TEST(r6_random_is_even_over_the_targets_and_nowhere_else)
{
	const uint16_t targets[] = {1, 3, 5, 6};
	const struct steer_spec spec = {.targets = targets, .targets_len = 4, .sockets = 8};
	unsigned seen[8] = {0}, chosen[4];
	int fds[8];
	uint16_t port = open_group("127.0.0.1", 8, fds);

	must_attach(fds[2], &spec);
	for (int i = 0; i < 2000; i++)
		seen[hit(NULL, "127.0.0.1", port, fds, 8)]++;
	for (int i = 0; i < 4; i++)
		chosen[i] = seen[targets[i]];
	ck_assert_uint_eq(chosen[0] + chosen[1] + chosen[2] + chosen[3], 2000);
	ck_assert_msg(chi_square(chosen, 4, 2000) < 30, "%u %u %u %u", chosen[0], chosen[1],
	    chosen[2], chosen[3]);
	close_fds(fds, 8);
}
END_TEST

/* IPv4, both, IPv6 alone; then the same as nobody. */
static const struct reach kinds[] = {
    {"127.0.0.1", "127.0.0.1"},
    {"*", "127.0.0.1"},
    {"0.0.0.0", "127.0.0.1"},
    {"[::]", "::1"},
    {"[::1]", "::1"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Sixteen slots with two sockets each, of which the even slots use the second. */
#define SLOTS 16u

static struct steer_spec
twins(uint16_t slots[SLOTS])
{
	for (unsigned i = 0; i < SLOTS; i++)
		slots[i] = (uint16_t)(i % 2 ? i : SLOTS + i);
	return (struct steer_spec){.slots = slots,
	    .slots_len = SLOTS,
	    .targets = slots,
	    .targets_len = SLOTS,
	    .sockets = 2 * SLOTS};
}

START_TEST(r3_names_reach_their_sockets_80_of_80)
{
	int kind = _i % (int)KINDS, fds[2 * SLOTS];
	uint16_t slots[SLOTS];
	struct steer_spec spec = twins(slots);

	if (!can_try(&kinds[kind]))
		return;
	if (_i >= (int)KINDS) {
		if (geteuid() != 0)
			return;
		become_nobody();
	}
	spec.v6only = is_v6only(&kinds[kind]);
	(void)open_group(kinds[kind].host, 2 * SLOTS, fds);
	must_attach(fds[0], &spec);
	for (unsigned i = 0; i < 3 * SLOTS; i++)
		ck_assert_int_eq(hit_name(i % SLOTS, fds, 2 * SLOTS), slots[i % SLOTS]);
	for (unsigned i = 0; i < 2 * SLOTS; i++)
		ck_assert_int_eq(hit_name(STEER_RAW + i, fds, 2 * SLOTS), (int)i);
	close_fds(fds, 2 * SLOTS);
}
END_TEST

START_TEST(names_that_do_not_exist_follow_the_table)
{
	const uint16_t target = 2, slot = 1;
	struct steer_spec spec = {.targets = &target,
	    .targets_len = 1,
	    .slots = &slot,
	    .slots_len = 1,
	    .sockets = 3,
	    .v6only = is_v6only(&kinds[_i])};
	int fds[3];

	if (!can_try(&kinds[_i]))
		return;
	(void)open_group(kinds[_i].host, 3, fds);
	must_attach(fds[0], &spec);
	ck_assert_int_eq(hit_name(0, fds, 3), 1);
	ck_assert_int_eq(hit_name(1, fds, 3), 2);
	ck_assert_int_eq(hit_name(STEER_PORT_RAW - 1, fds, 3), 2);
	ck_assert_int_eq(hit_name(STEER_RAW, fds, 3), 0);
	ck_assert_int_eq(hit_name(STEER_RAW + 3, fds, 3), 2);
	ck_assert_int_eq(hit_name(STEER_RAW + 2000, fds, 3), 2);
	spec.slots_len = 0;
	must_attach(fds[0], &spec);
	ck_assert_int_eq(hit_name(0, fds, 3), 2);
	ck_assert_int_eq(steer_connect(fds[0], 0x10000), -ERANGE);
	if (spec.v6only) {
		ck_assert_int_eq(steer_connect(fds[0], STEER_PORT_RAW), -ERANGE);
		ck_assert_int_eq(steer_connect(fds[0], STEER_RAW + 2488), -ERANGE);
		ck_assert_int_eq(hit_name(STEER_RAW + 2487, fds, 3), 2);
	}
	close_fds(fds, 3);
}
END_TEST

/* Neighbours of the addresses, and reserved ports of others. */
START_TEST(only_the_reserved_addresses_are_names)
{
	const uint16_t target = 2, slots[] = {0, 1};
	struct steer_spec spec = {
	    .targets = &target, .targets_len = 1, .slots = slots, .slots_len = 2, .sockets = 3};
	int fds[3], conn, at;
	uint16_t port = open_group("*", 3, fds);

	must_attach(fds[0], &spec);
	ck_assert_int_eq(hit("127.98.0.1", "127.0.0.1", port, fds, 3), 1);
	ck_assert_int_eq(hit("127.97.0.1", "127.0.0.1", port, fds, 3), 2);
	ck_assert_int_eq(hit("127.99.0.1", "127.0.0.1", port, fds, 3), 2);
	close_fds(fds, 3);
	if (!has_v6() || !own_network())
		return;
	add_address_v6("fd00::1");
	port = open_group("[::]", 3, fds);
	spec.v6only = true;
	must_attach(fds[0], &spec);
	conn = steer_connect(fds[0], 1);
	ck_assert_int_ge(conn, 0);
	at = whose(fds, 3);
	(void)close(conn);
	ck_assert_int_eq(at, 1);
	ck_assert_int_eq(hit("fd00::1", "::1", port, fds, 3), 2);
	close_fds(fds, 3);
}
END_TEST

/* By a specific address of the machine, which is not one of the loopback's own. */
START_TEST(names_work_on_specific_addresses)
{
	int fds[4];
	const uint16_t targets[] = {0, 1}, slots[] = {2, 3};
	struct steer_spec spec = {
	    .targets = targets, .targets_len = 2, .slots = slots, .slots_len = 2, .sockets = 4};

	if (!own_network())
		return;
	add_address_v4("10.11.12.13");
	(void)open_group("10.11.12.13", 4, fds);
	must_attach(fds[0], &spec);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(hit_name(STEER_RAW + i, fds, 4), (int)i);
	ck_assert_int_eq(hit_name(1, fds, 4), 3);
	close_fds(fds, 4);
	if (!has_v6())
		return;
	add_address_v6("fd00::2");
	(void)open_group("[fd00::2]", 4, fds);
	spec.v6only = true;
	must_attach(fds[0], &spec);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(hit_name(STEER_RAW + i, fds, 4), (int)i);
	ck_assert_int_eq(hit_name(1, fds, 4), 3);
	close_fds(fds, 4);
}
END_TEST

/* The same client, the same member: by IPv4 alone, by IPv4 and by IPv6 with a listener of both. */
START_TEST(sticky_sources_stay)
{
	const uint16_t targets[] = {4, 0, 2};
	const struct steer_spec spec = {
	    .by = STEER_BY_SOURCE, .targets = targets, .targets_len = 3, .sockets = 5};
	unsigned seen[5] = {0};
	char from[64];
	int fds[5];
	bool v6 = _i == 2;
	uint16_t port;

	if (v6 && (!has_v6() || !own_network()))
		return;
	port = open_group(_i == 0 ? "127.0.0.1" : "*", 5, fds);
	must_attach(fds[0], &spec);
	for (int i = 1; i <= 60; i++) {
		const char *to = v6 ? "::1" : "127.0.0.1";
		int first;

		(void)snprintf(from, sizeof(from), v6 ? "fd00::%d" : "127.0.0.%d", i);
		if (v6)
			add_address_v6(from);
		first = hit(from, to, port, fds, 5);
		seen[first]++;
		for (int again = 0; again < 3; again++)
			ck_assert_int_eq(hit(from, to, port, fds, 5), first);
	}
	ck_assert_uint_eq(seen[1] + seen[3], 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_gt(seen[targets[i]], 5);
	close_fds(fds, 5);
}
END_TEST

START_TEST(connections_follow_the_cpu)
{
	const uint16_t targets[] = {3, 1};
	const struct steer_spec spec = {
	    .by = STEER_BY_CPU, .targets = targets, .targets_len = 2, .sockets = 4};
	int fds[4];
	uint16_t port = open_group("127.0.0.1", 4, fds);
	cpu_set_t all, one;

	must_attach(fds[0], &spec);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(hit(NULL, "127.0.0.1", port, fds, 4), targets[cpu % 2]);
	}
	close_fds(fds, 4);
}
END_TEST

/* --- swaps --------------------------------------------------------------------------------- */

static _Atomic bool over;
static int swapped_fd;
static _Atomic unsigned swaps;

static void *
swap_on(void *unused)
{
	const uint16_t targets[] = {0, 1, 2, 3};
	struct steer_spec spec = {.targets_len = 2, .sockets = 5};

	while (!over) {
		spec.targets = targets + swaps % 3;
		must_attach(swapped_fd, &spec);
		swaps++;
		(void)poll(NULL, 0, swaps % 64 == 0);
	}
	return unused;
}

START_TEST(r5_swaps_under_load_lose_nothing)
{
	int fds[5];
	uint16_t port;
	pthread_t swapper;

	if (!steer_swap_is_safe(NULL)) {
		(void)skip("programs may not be swapped on this kernel");
		return;
	}
	port = open_group("127.0.0.1", 5, fds);
	swapped_fd = fds[0];
	must_attach(fds[0], &(const struct steer_spec){
	                        .targets = (const uint16_t[]){0}, .targets_len = 1, .sockets = 5});
	ck_assert_int_eq(pthread_create(&swapper, NULL, swap_on, NULL), 0);
	for (int i = 0; i < 1000 || swaps < 1000; i++)
		ck_assert_int_ne(hit(NULL, "127.0.0.1", port, fds, 5), 4);
	over = true;
	ck_assert_int_eq(pthread_join(swapper, NULL), 0);
	close_fds(fds, 5);
}
END_TEST

START_TEST(r5_the_environment_answers)
{
	const char *name = in_dir("swap");

	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "no", 1), 0);
	ck_assert(!steer_swap_is_safe(name));
	ck_assert_int_eq(steer_swap_look(), 0);
	ck_assert_str_eq(steer_swap_reason(), "BROOD_STEER_SWAP=no says so");
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert(steer_swap_is_safe(name));
	ck_assert_int_eq(steer_swap_look(), 1);
	ck_assert_str_eq(steer_swap_reason(), "BROOD_STEER_SWAP=yes says so");
	/* What was said is no verdict on the kernel. */
	ck_assert_int_eq(access(name, F_OK), -1);
}
END_TEST

/* In a process of its own, because what was found is kept. 1, 0, or -1: the kernel does not tell. */
static int
answer_in_child(const char *cache, bool as_nobody)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (as_nobody)
			become_nobody();
		if (steer_swap_is_safe(cache))
			_exit(4);
		_exit(steer_swap_look() < 0 ? 2 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) >= 2);
	return WEXITSTATUS(status) - 3;
}

static void
boot_id(char ret[64])
{
	(void)snprintf(ret, 64, "%.36s", read_file("/proc/sys/kernel/random/boot_id"));
}

START_TEST(r5_the_kernel_answers_the_same_to_everybody)
{
	int answer = answer_in_child(NULL, false);

	ck_assert_int_eq(steer_swap_is_safe(NULL), answer == 1);
	ck_assert_int_eq(steer_swap_look() < 0 ? -1 : steer_swap_look(), answer);
	ck_assert_ptr_nonnull(strstr(steer_swap_reason(), "kernel"));
	if (geteuid() == 0 && answer >= 0)
		ck_assert_int_eq(answer_in_child(NULL, true), answer);
}
END_TEST

START_TEST(r5_the_verdict_of_a_boot_is_kept)
{
	char expected[128], id[64];
	const char *name = in_dir("swap");
	int answer = answer_in_child(NULL, false);
	struct stat st;

	if (answer < 0) {
		(void)skip("this kernel shows no symbols");
		return;
	}
	boot_id(id);
	(void)umask(0);
	ck_assert_int_eq(answer_in_child(name, false), answer);
	(void)snprintf(expected, sizeof(expected), "%s %s\n", id, answer ? "safe" : "unsafe");
	ck_assert_str_eq(read_file(name), expected);
	ck_assert_int_eq(stat(name, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	/* It is read: what it says wins over the kernel. */
	(void)snprintf(expected, sizeof(expected), "%s %s\n", id, answer ? "unsafe" : "safe");
	write_file(name, expected, 0600);
	ck_assert_int_eq(answer_in_child(name, false), !answer);
	ck_assert_str_eq(read_file(name), expected);
}
END_TEST

/* A file of another boot, cut short, readable or writable by others, of another owner, with a
 * second name, behind a link, or no file at all: each is passed over. */
START_TEST(r5_a_file_that_is_not_ours_decides_nothing)
{
	char opposite[128], id[64];
	const char *name = in_dir("swap"), *other = in_dir("other");
	int answer = answer_in_child(NULL, false);

	if (answer < 0) {
		(void)skip("this kernel shows no symbols");
		return;
	}
	boot_id(id);
	(void)snprintf(opposite, sizeof(opposite), "%s %s\n", id, answer ? "unsafe" : "safe");
	write_file(name, opposite, 0600);
	ck_assert_int_eq(answer_in_child(name, false), !answer); /* so it would decide */
	switch (_i) {
	case 0:
		opposite[3] = opposite[3] == '0' ? '1' : '0';
		write_file(name, opposite, 0600);
		break;
	case 1:
		opposite[strlen(opposite) - 1] = '\0';
		write_file(name, opposite, 0600);
		break;
	case 2:
		ck_assert_int_eq(chmod(name, 0640), 0);
		break;
	case 3:
		ck_assert_int_eq(chmod(name, 0602), 0);
		break;
	case 4:
		if (geteuid() != 0)
			return;
		ck_assert_int_eq(chown(name, NOBODY, NOBODY), 0);
		break;
	case 5:
		ck_assert_int_eq(link(name, other), 0);
		break;
	case 6:
		ck_assert_int_eq(rename(name, other), 0);
		ck_assert_int_eq(symlink(other, name), 0);
		break;
	case 7:
		ck_assert_int_eq(unlink(name), 0);
		ck_assert_int_eq(mkfifo(name, 0600), 0);
		break;
	case 8:
		ck_assert_int_eq(unlink(name), 0);
		ck_assert_int_eq(mkdir(name, 0700), 0);
		break;
	case 9:
		name = in_dir("nowhere/swap");
		break;
	}
	ck_assert_int_eq(answer_in_child(name, false), answer);
	if (_i == 5 || _i == 6)
		ck_assert_str_eq(read_file(other), opposite); /* and is not written through */
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("steer");

	tcase_add_test(t, r6_what_is_not_in_the_group_is_refused);
	tcase_add_test(t, runs_cost_three_instructions);
	tcase_add_loop_test(t, what_is_too_long_is_refused_exactly, 0, 6);
	tcase_add_test(t, r6_every_source_leads_where_the_table_says);
	tcase_add_loop_test(t, sources_are_spread_by_their_hash, 0, 8);
	tcase_add_test(t, r6_random_is_even_over_the_targets_and_nowhere_else);
	tcase_add_loop_test(t, r3_names_reach_their_sockets_80_of_80, 0, 2 * (int)KINDS);
	tcase_add_loop_test(t, names_that_do_not_exist_follow_the_table, 0, (int)KINDS);
	tcase_add_test(t, only_the_reserved_addresses_are_names);
	tcase_add_test(t, names_work_on_specific_addresses);
	tcase_add_loop_test(t, sticky_sources_stay, 0, 3);
	tcase_add_test(t, connections_follow_the_cpu);
	tcase_add_test(t, r5_swaps_under_load_lose_nothing);
	tcase_add_test(t, r5_the_environment_answers);
	tcase_add_test(t, r5_the_kernel_answers_the_same_to_everybody);
	tcase_add_test(t, r5_the_verdict_of_a_boot_is_kept);
	tcase_add_loop_test(t, r5_a_file_that_is_not_ours_decides_nothing, 0, 10);
	return support_main("steer", t);
}
