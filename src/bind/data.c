/*
 * data: datagrams come with their sender's address, which is told as the program's socket would
 * have it; and descriptors come with messages, which are new ones then.
 */
#include <string.h>

#include "bind/bind.h"

#define MESSAGES_MAX 16

ssize_t shim_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *sa,
    socklen_t *sa_len) SHIM(recvfrom);
ssize_t shim_recvfrom_chk(int fd, void *buf, size_t len, size_t buf_len, int flags,
    struct sockaddr *sa, socklen_t *sa_len) SHIM(__recvfrom_chk);
ssize_t shim_recvmsg(int fd, struct msghdr *m, int flags) SHIM(recvmsg);
int shim_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
    SHIM(recvmmsg);
void __chk_fail(void) __attribute__((noreturn));

ssize_t
shim_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *sa, socklen_t *sa_len)
{
	enum bind_mind mind = hold_mind(fd);
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t r;

	if (mind == MIND_SAME || !sa || !sa_len)
		return real()->recvfrom(fd, buf, len, flags, sa, sa_len);
	r = real()->recvfrom(fd, buf, len, flags, (struct sockaddr *)&from, &from_len);
	if (r >= 0)
		sockaddr_give(&from, sockaddr_translate(mind, &from, from_len), sa, sa_len);
	return r;
}

/* Programs built with _FORTIFY_SOURCE call this one. */
ssize_t
shim_recvfrom_chk(int fd, void *buf, size_t len, size_t buf_len, int flags, struct sockaddr *sa,
    socklen_t *sa_len)
{
	if (len > buf_len)
		__chk_fail();
	return shim_recvfrom(fd, buf, len, flags, sa, sa_len);
}

/* Numbers that come this way were not seen at their birth. */
static void
note_descriptors(struct msghdr *m)
{
	if (!shim.active || !m->msg_control)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			hold_born(fd, HINT_NONE);
		}
	}
}

ssize_t
shim_recvmsg(int fd, struct msghdr *m, int flags)
{
	enum bind_mind mind = hold_mind(fd);
	struct sockaddr_storage from;
	struct msghdr ours;
	ssize_t r;

	if (mind == MIND_SAME || !m || !m->msg_name) {
		r = real()->recvmsg(fd, m, flags);
		if (r >= 0 && m)
			note_descriptors(m);
		return r;
	}
	ours = *m;
	ours.msg_name = &from;
	ours.msg_namelen = sizeof(from);
	r = real()->recvmsg(fd, &ours, flags);
	if (r < 0)
		return r;
	m->msg_controllen = ours.msg_controllen;
	m->msg_flags = ours.msg_flags;
	sockaddr_give(
	    &from, sockaddr_translate(mind, &from, ours.msg_namelen), m->msg_name, &m->msg_namelen);
	return r;
}

/* Fewer than the program asked for is an answer that it must know. */
int
shim_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
	enum bind_mind mind = hold_mind(fd);
	struct sockaddr_storage from[MESSAGES_MAX];
	struct mmsghdr ours[MESSAGES_MAX];
	int r;

	if (mind == MIND_SAME || !m)
		return real()->recvmmsg(fd, m, n, flags, timeout);
	if (n > MESSAGES_MAX)
		n = MESSAGES_MAX;
	for (unsigned i = 0; i < n; i++) {
		ours[i] = m[i];
		ours[i].msg_hdr.msg_name = m[i].msg_hdr.msg_name ? &from[i] : NULL;
		ours[i].msg_hdr.msg_namelen = m[i].msg_hdr.msg_name ? sizeof(from[i]) : 0;
	}
	r = real()->recvmmsg(fd, ours, n, flags, timeout);
	for (int i = 0; i < r; i++) {
		struct msghdr *to = &m[i].msg_hdr;

		m[i].msg_len = ours[i].msg_len;
		to->msg_controllen = ours[i].msg_hdr.msg_controllen;
		to->msg_flags = ours[i].msg_hdr.msg_flags;
		if (to->msg_name)
			sockaddr_give(&from[i],
			    sockaddr_translate(mind, &from[i], ours[i].msg_hdr.msg_namelen),
			    to->msg_name, &to->msg_namelen);
	}
	return r;
}
