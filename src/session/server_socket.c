/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The daemon's socket. A lock beside it tells whether a daemon is there, so that a socket left over by one
 * that died can be taken away without taking away a living one's.
 */
#include "session/server_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

/* The usual directory, should it be missing; one that somebody named is theirs to make. */
static void make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || strcmp(path, HW_DEFAULT_SOCKET) != 0)
		return;
	*slash = '\0';
	mkdir(directory, 0755);
}

static int lock(struct hw_server *server, const char *path, struct hw_error *err)
{
	char name[160];

	snprintf(name, sizeof(name), "%s.lock", path);
	server->lock_file = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (server->lock_file < 0)
		return hw_fail(err, -errno, "cannot make %s (%s): run as root, or name a place with --socket",
		               name, strerror(errno));
	if (!flock(server->lock_file, LOCK_EX | LOCK_NB))
		return 0;
	close(server->lock_file);
	server->lock_file = -1;
	return hw_fail(err, -EADDRINUSE, "a daemon is at %s already", path);
}

/* What stands at the place, if we may take it away. */
static int clear_place(const char *path, struct hw_error *err)
{
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return hw_fail(
		    err, -EADDRINUSE,
		    "%s is there and is no socket: move it away, or name another place with --socket", path);
	return unlink(path)
	           ? hw_fail(err, -errno, "cannot remove the old socket %s: %s", path, strerror(errno))
	           : 0;
}

int hw_server_listen(struct hw_server *server, struct hw_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = server->options.socket_path;
	int r;

	if (server->options.socket >= 0) {
		server->listener = server->options.socket;
		fcntl(server->listener, F_SETFL, O_NONBLOCK);
		return 0;
	}
	if (strlen(path) >= sizeof(address.sun_path))
		return hw_fail(err, -ENAMETOOLONG, "%s is too long for a socket: at most %zu bytes", path,
		               sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	make_directory(path);
	r = lock(server, path, err);
	if (!r)
		r = clear_place(path, err);
	if (r)
		return r;
	server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof(address)))
		return hw_fail(err, -errno, "cannot make the socket %s: %s", path, strerror(errno));
	server->close_socket_path = true;
	if (chmod(path, 0666) || listen(server->listener, BACKLOG))
		return hw_fail(err, -errno, "cannot listen at %s: %s", path, strerror(errno));
	return 0;
}

void hw_server_unlisten(struct hw_server *server)
{
	char name[160];

	if (server->close_socket_path) {
		unlink(server->options.socket_path);
		snprintf(name, sizeof(name), "%s.lock", server->options.socket_path);
		unlink(name);
	}
	if (server->listener >= 0)
		close(server->listener);
	if (server->lock_file >= 0)
		close(server->lock_file);
}
