/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "session/peer.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif
#define GROUPS_MAX 65536 /* of one process: NGROUPS_MAX */

gid_t hw_group_called(const char *name)
{
	struct group *group = getgrnam(name);

	return group ? group->gr_gid : (gid_t)-1;
}

/* Field 22 of /proc/PID/stat (proc(5)); the name in field 2 may contain anything. */
static int start_time_of(pid_t pid, uint64_t *start_time)
{
	char path[40], text[2048], *at;
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	*start_time = at ? strtoull(at, NULL, 10) : 0;
	return *start_time ? 0 : -ESRCH;
}

static bool is_member(int socket, gid_t gid, gid_t group)
{
	socklen_t size = GROUPS_MAX * sizeof(gid_t);
	gid_t *groups;
	bool member = gid == group;

	if (group == (gid_t)-1 || member)
		return member && group != (gid_t)-1;
	groups = malloc(size);
	if (groups && !getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		for (size_t i = 0; i < size / sizeof(gid_t); i++)
			member = member || groups[i] == group;
	free(groups);
	return member;
}

int hw_peer_of(int socket, gid_t group, struct hw_peer *peer, struct hw_error *err)
{
	struct pollfd ended = {.fd = -1, .events = POLLIN};
	struct ucred credentials;
	socklen_t size = sizeof(credentials), fd_size = sizeof(ended.fd);
	int r;

	memset(peer, 0, sizeof(*peer));
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size))
		return hw_fail(err, -errno, "cannot tell who connects: %s", strerror(errno));
	if (credentials.pid <= 0)
		return hw_fail(err, -ESRCH, "the client is in a PID namespace that the daemon cannot see");
	/* while the pidfd says that the process lives, what /proc says is about it */
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &ended.fd, &fd_size))
		return hw_fail(err, -ESRCH, "the client is gone (%s)", strerror(errno));
	r = start_time_of(credentials.pid, &peer->owner.start_time);
	if (!r && poll(&ended, 1, 0))
		r = -ESRCH;
	close(ended.fd);
	if (r)
		return hw_fail(err, r, "the client is gone");
	peer->owner.pid = credentials.pid;
	peer->owner.uid = credentials.uid;
	peer->owner.gid = credentials.gid;
	peer->sees_all = !credentials.uid || is_member(socket, credentials.gid, group);
	return 0;
}
