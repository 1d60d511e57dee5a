/*
 * cred: users and groups by name, and who is at the other end of a UNIX socket. Names are looked
 * up when a configuration is prepared, never later: NSS may block.
 */
#ifndef BROOD_SYS_CRED_H
#define BROOD_SYS_CRED_H

#include <stdbool.h>
#include <sys/types.h>

struct cred_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;			/* malloc; all supplementary groups, gid included */
	int groups_len;
	char *home, *shell, *name;	/* malloc or NULL */
};

/* user: name or number; group: name or number or NULL (the user's own). 0, -ENOENT (no such
 * user), -ESRCH (no such group), -ENOMEM. Free with cred_user_free(). */
int cred_lookup(const char *user, const char *group, struct cred_user *ret);
int cred_lookup_group(const char *group, gid_t *ret);
void cred_user_free(struct cred_user *u);

struct cred_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;			/* for logs only */
};
int cred_peer(int fd, struct cred_peer *ret);
/* Whether the process of that peer is in group gid: its egid, or a supplementary group by
 * SO_PEERGROUPS. Any error counts as no. */
bool cred_peer_in_group(int fd, gid_t gid);

#endif
