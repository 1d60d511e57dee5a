/*
 * slowlink: runs a command in a network of its own in which packets take their time and get lost.
 *
 *   slowlink [-d MS] [-j MS] [-l PERCENT] [-s SEED] -- COMMAND [ARG...]
 *
 * What "tc qdisc add dev lo root netem delay 100ms 50ms loss 1%" does, for kernels without netem,
 * and without any tool: it makes a network namespace, raises lo and a TUN device with the address
 * 10.77.0.1, and mirrors each packet that is sent to 10.77.0.2 (to .254) back to 10.77.0.1 with the
 * two addresses swapped (which changes no checksum). So a server on 10.77.0.1:PORT is reached
 * slowly at 10.77.0.2:PORT, and fast at 127.0.0.1:PORT. Each packet is held for d ± j ms, evenly spread,
 * so packets overtake each other as with netem; l per cent are thrown away. One passage is one
 * direction: a round trip is 2 d.
 *
 * Exits with the command's status; 77 when this machine does not allow it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define QUEUE_MAX  65536
#define EXIT_SKIP  77

struct packet {
	uint64_t due_us;
	size_t len;
	unsigned char *bytes;
};

/* A binary heap, the next due packet first. */
static struct packet queue[QUEUE_MAX];
static size_t n_queued;
static long delay_ms = 100, jitter_ms = 50;
static double loss_percent = 1;
static unsigned short seed[3] = {1, 2, 3};

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
swap_packets(size_t a, size_t b)
{
	struct packet p = queue[a];

	queue[a] = queue[b];
	queue[b] = p;
}

static void
queue_push(struct packet p)
{
	size_t i = n_queued++;

	queue[i] = p;
	for (; i > 0 && queue[i].due_us < queue[(i - 1) / 2].due_us; i = (i - 1) / 2)
		swap_packets(i, (i - 1) / 2);
}

static struct packet
queue_pop(void)
{
	struct packet top = queue[0];
	size_t i = 0, child;

	queue[0] = queue[--n_queued];
	while ((child = 2 * i + 1) < n_queued) {
		if (child + 1 < n_queued && queue[child + 1].due_us < queue[child].due_us)
			child++;
		if (queue[i].due_us <= queue[child].due_us)
			break;
		swap_packets(i, child);
		i = child;
	}
	return top;
}

static void
skip(const char *what)
{
	fprintf(stderr, "slowlink: %s: %s\n", what, strerror(errno));
	exit(EXIT_SKIP);
}

static void
configure_interface(int s, const char *name, const char *address)
{
	struct ifreq r;
	struct sockaddr_in a = {.sin_family = AF_INET};

	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (address != NULL) {
		inet_pton(AF_INET, address, &a.sin_addr);
		memcpy(&r.ifr_addr, &a, sizeof a);
		if (ioctl(s, SIOCSIFADDR, &r) < 0)
			skip("SIOCSIFADDR");
		inet_pton(AF_INET, "255.255.255.0", &a.sin_addr);
		memcpy(&r.ifr_netmask, &a, sizeof a);
		if (ioctl(s, SIOCSIFNETMASK, &r) < 0)
			skip("SIOCSIFNETMASK");
	}
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		skip("SIOCSIFFLAGS");
}

static int
open_network(void)
{
	struct ifreq r;
	int tun, s;

	if (unshare(CLONE_NEWNET) < 0)
		skip("a network namespace");
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun < 0)
		skip("/dev/net/tun");
	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "slow0");
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(tun, TUNSETIFF, &r) < 0)
		skip("TUNSETIFF");
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		skip("socket");
	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "slow0");
	r.ifr_qlen = 10000;
	(void)ioctl(s, SIOCSIFTXQLEN, &r);
	configure_interface(s, "lo", NULL);
	configure_interface(s, "slow0", "10.77.0.1");
	close(s);
	return tun;
}

static void
take_packet(const unsigned char *bytes, size_t len)
{
	struct packet p = {.len = len};
	long hold_us = delay_ms * 1000;

	/* IPv4 only; a full queue is a lost packet, as in any router. */
	if (len < 20 || bytes[0] >> 4 != 4 || n_queued == QUEUE_MAX)
		return;
	if (erand48(seed) * 100 < loss_percent)
		return;
	p.bytes = malloc(len);
	if (p.bytes == NULL)
		return;
	hold_us += (long)((erand48(seed) * 2 - 1) * (double)jitter_ms * 1000);
	p.due_us = now_us() + (uint64_t)(hold_us > 0 ? hold_us : 0);
	memcpy(p.bytes, bytes, len);
	memcpy(p.bytes + 12, bytes + 16, 4);
	memcpy(p.bytes + 16, bytes + 12, 4);
	queue_push(p);
}

static void
mirror(int tun, pid_t child, int *ret_status)
{
	unsigned char bytes[PACKET_MAX];

	while (waitpid(child, ret_status, WNOHANG) == 0) {
		struct pollfd p = {.fd = tun, .events = POLLIN};
		struct timespec wait = {0, 50 * 1000000};
		uint64_t now = now_us();
		ssize_t n;

		if (n_queued > 0 && queue[0].due_us < now + 50000)
			wait.tv_nsec =
			    queue[0].due_us > now ? (long)(queue[0].due_us - now) * 1000 : 0;
		(void)ppoll(&p, 1, &wait, NULL);
		while ((n = read(tun, bytes, sizeof bytes)) > 0)
			take_packet(bytes, (size_t)n);
		for (now = now_us(); n_queued > 0 && queue[0].due_us <= now;) {
			struct packet due = queue_pop();

			(void)!write(tun, due.bytes, due.len);
			free(due.bytes);
		}
	}
}

int
main(int argc, char **argv)
{
	int o, tun, status = 0;
	pid_t child;

	while ((o = getopt(argc, argv, "+d:j:l:s:")) != -1) {
		switch (o) {
		case 'd':
			delay_ms = atol(optarg);
			break;
		case 'j':
			jitter_ms = atol(optarg);
			break;
		case 'l':
			loss_percent = atof(optarg);
			break;
		case 's':
			seed[0] = (unsigned short)atoi(optarg);
			break;
		default:
			return 64;
		}
	}
	if (optind == argc) {
		fputs(
		    "usage: slowlink [-d MS] [-j MS] [-l PERCENT] [-s SEED] -- COMMAND\n", stderr);
		return 64;
	}
	tun = open_network();
	child = fork();
	if (child < 0)
		skip("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[optind], argv + optind);
		perror(argv[optind]);
		_exit(127);
	}
	mirror(tun, child, &status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
