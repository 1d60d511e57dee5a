/*
 * sendfds: a message with descriptors, as masters and programs send them.
 */
#ifndef BROOD_TESTS_SENDFDS_H
#define BROOD_TESTS_SENDFDS_H

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define SENDFDS_MAX 253 /* the kernel's SCM_MAX_FD */

/* What sendmsg() returns. With n = 0 it is a message like others. */
static inline ssize_t
send_fds(int sock, const void *data, size_t len, const int *fds, size_t n, int flags)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * SENDFDS_MAX)];
	} control;
	struct iovec part = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	assert(n <= SENDFDS_MAX);
	memset(&control, 0, sizeof(control));
	if (n > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * n);
	}
	return sendmsg(sock, &m, flags);
}

#endif
