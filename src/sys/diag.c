/*
 * diag: see diag.h.
 */
#include "sys/diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#define CHUNK 32768 /* the kernel makes none that is longer */

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

int
diag_open(int *ret_fd)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? -EOPNOTSUPP : -errno;
	*ret_fd = fd;
	return 0;
}

static struct request
request_for(int family)
{
	return (struct request){
	    .header =
	        {
	            .nlmsg_len = sizeof(struct request),
	            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	            .nlmsg_flags = NLM_F_REQUEST,
	        },
	    .body =
	        {
	            .sdiag_family = (uint8_t)family,
	            .sdiag_protocol = IPPROTO_TCP,
	        },
	};
}

static int
send_request(int fd, const struct request *r)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, r, sizeof(*r), MSG_DONTWAIT, (const struct sockaddr *)&kernel,
	        sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

int
diag_ask_all(int fd, int family, uint32_t states, in_port_t port, bool with_tcp_info)
{
	struct request r = request_for(family);

	r.header.nlmsg_flags |= NLM_F_DUMP;
	r.body.idiag_states = states;
	r.body.id.idiag_sport = port;
	if (with_tcp_info)
		r.body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	return send_request(fd, &r);
}

int
diag_ask_one(int fd, int family, const struct inet_diag_sockid *id)
{
	struct request r = request_for(family);

	r.body.idiag_states = STATES_ALL;
	r.body.id = *id;
	return send_request(fd, &r);
}

/* What an error message, or the end of a list, carries. A handler that the kernel does not have,
 * and cannot load, is -ENOENT. */
static int
error_of(const struct nlmsghdr *h)
{
	int error = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(h), sizeof(error));
	return error == -ENOENT ? -EOPNOTSUPP : error;
}

/* What is left is signed: padding that is not there takes it below zero. */
static int
take_messages(const struct nlmsghdr *h, int64_t left, diag_fn fn, void *arg)
{
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		int error = 0;

		switch (h->nlmsg_type) {
		case NLMSG_DONE:
			return error_of(h);
		case NLMSG_ERROR:
			error = error_of(h);
			return error < 0 ? error : -EIO;
		case SOCK_DIAG_BY_FAMILY:
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
				error = fn(arg, NLMSG_DATA(h), NLMSG_PAYLOAD(h, 0));
			break;
		}
		if (error < 0)
			return error;
	}
	return 1;
}

int
diag_receive(int fd, diag_fn fn, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[CHUNK];
	struct sockaddr_nl from = {0};
	struct iovec io = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(fd, &msg, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno != EAGAIN ? -errno : -EIO;
	if (msg.msg_flags & MSG_TRUNC)
		return -ENOBUFS;
	if (from.nl_pid != 0)
		return 1;
	return take_messages((const struct nlmsghdr *)buf, got, fn, arg);
}
