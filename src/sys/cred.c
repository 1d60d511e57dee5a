/*
 * cred: see cred.h. Any doubt about who somebody is counts as "nobody": an error is never turned
 * into a uid or a yes.
 */
#include "sys/cred.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/units.h"

/* (uid_t)-1 means "unchanged" to the kernel and must never come out of a name. */
#define ID_MAX          ((uint64_t)UINT32_MAX - 1)
#define BUFFER_MAX      ((size_t)1 << 20)
#define PEER_GROUPS_MAX 65536

/* One entry of passwd by name or by number; *ret_buffer holds its strings (mem_free). 0 with
 * *ret_found NULL when there is none. */
static int
find_user(
    const char *name, uid_t uid, struct passwd *entry, struct passwd **ret_found, char **ret_buffer)
{
	char *buffer = NULL, *bigger;
	size_t size = 1024;
	int error;

	do {
		bigger = mem_realloc(buffer, size);
		if (!bigger) {
			mem_free(buffer);
			return -ENOMEM;
		}
		buffer = bigger;
		error = name ? getpwnam_r(name, entry, buffer, size, ret_found)
		             : getpwuid_r(uid, entry, buffer, size, ret_found);
		size *= 2;
	} while (error == ERANGE && size <= BUFFER_MAX);
	if (error != 0)
		*ret_found = NULL;
	*ret_buffer = buffer;
	return 0;
}

int
cred_lookup_group(const char *group, gid_t *ret)
{
	struct group entry, *found = NULL;
	char *buffer = NULL, *bigger;
	size_t size = 1024;
	uint64_t number;
	int error;

	do {
		bigger = mem_realloc(buffer, size);
		if (!bigger) {
			mem_free(buffer);
			return -ENOMEM;
		}
		buffer = bigger;
		error = getgrnam_r(group, &entry, buffer, size, &found);
		size *= 2;
	} while (error == ERANGE && size <= BUFFER_MAX);
	if (error == 0 && found)
		*ret = entry.gr_gid;
	mem_free(buffer);
	if (error == 0 && found)
		return 0;
	if (units_parse_uint(group, ID_MAX, &number) < 0)
		return -ESRCH;
	*ret = (gid_t)number;
	return 0;
}

/* The groups that a login would have, with the chosen main group in place of the user's own. */
static int
take_groups(struct cred_user *u)
{
	int room = 16;

	for (;;) {
		gid_t *bigger = mem_realloc(u->groups, (size_t)room * sizeof(gid_t));

		if (!bigger)
			return -ENOMEM;
		u->groups = bigger;
		u->groups_len = room;
		if (!u->name) {
			u->groups[0] = u->gid;
			u->groups_len = 1;
			return 0;
		}
		if (getgrouplist(u->name, u->gid, u->groups, &u->groups_len) >= 0)
			return 0;
		if (u->groups_len <= room)
			return -ENOMEM;
		room = u->groups_len;
	}
}

static int
take_entry(struct cred_user *u, const struct passwd *entry)
{
	u->uid = entry->pw_uid;
	u->gid = entry->pw_gid;
	u->name = mem_strdup(entry->pw_name);
	u->home = mem_strdup(entry->pw_dir);
	u->shell = mem_strdup(entry->pw_shell);
	return u->name && u->home && u->shell ? 0 : -ENOMEM;
}

/* A number without an entry is a user all the same (containers), but then the group must be
 * said: there is nothing to take it from. */
static int
fill_user(struct cred_user *u, const char *user, const char *group)
{
	struct passwd entry, *found = NULL;
	char *buffer = NULL;
	uint64_t number;
	int error;

	error = find_user(user, 0, &entry, &found, &buffer);
	if (error == 0 && !found && units_parse_uint(user, ID_MAX, &number) == 0) {
		mem_free(buffer);
		buffer = NULL;
		u->uid = (uid_t)number;
		error = find_user(NULL, u->uid, &entry, &found, &buffer);
		if (error == 0 && !found && !group)
			error = -ENOENT;
	} else if (error == 0 && !found) {
		error = -ENOENT;
	}
	if (error == 0 && found)
		error = take_entry(u, found);
	mem_free(buffer);
	if (error == 0 && group)
		error = cred_lookup_group(group, &u->gid);
	return error < 0 ? error : take_groups(u);
}

int
cred_lookup(const char *user, const char *group, struct cred_user *ret)
{
	struct cred_user u = {0};
	int error = fill_user(&u, user, group);

	if (error < 0)
		cred_user_free(&u);
	else
		*ret = u;
	return error;
}

void
cred_user_free(struct cred_user *u)
{
	mem_free(u->groups);
	mem_free(u->home);
	mem_free(u->shell);
	mem_free(u->name);
	*u = (struct cred_user){0};
}

int
cred_peer(int fd, struct cred_peer *ret)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (len != sizeof(peer) || peer.uid == (uid_t)-1 || peer.gid == (gid_t)-1)
		return -ENOTCONN;
	*ret = (struct cred_peer){.uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
	return 0;
}

static bool
groups_have(const gid_t *groups, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool
cred_peer_in_group(int fd, gid_t gid)
{
	struct cred_peer peer;
	gid_t some[32], *groups = some;
	socklen_t len = sizeof(some);
	bool member = false;

	if (gid == (gid_t)-1 || cred_peer(fd, &peer) < 0)
		return false;
	if (peer.gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, some, &len) < 0) {
		/* ERANGE: the kernel has put the length it needs into len. */
		if (errno != ERANGE || len > PEER_GROUPS_MAX * sizeof(gid_t))
			return false;
		groups = mem_alloc(len);
		if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
			len = 0;
	}
	if (groups)
		member = groups_have(groups, len / sizeof(gid_t), gid);
	if (groups != some)
		mem_free(groups);
	return member;
}
