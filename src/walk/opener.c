/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which mounts make nobody wait is learned: the process opens the first file of each and says what kind of
 * file system it is. A mount is known by the number that statx(2) gives it (Linux 6.8; never used again),
 * which it tells without asking the file system (AT_STATX_DONT_SYNC).
 */
#include "walk/opener.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/array.h"
#include "walk/fd_passing.h"
#include "walk/opener_process.h"

#define OPEN_MS   3000
#define COPY_MS   10000
#define STUCK_MAX 16
#define LOCAL_MAX 256 /* mounts; the oldest is forgotten first */

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

struct stuck {
	uint64_t place; /* a mount, or the hash of a directory's name */
	pid_t child;
};

struct hw_opener {
	pid_t child; /* 0: none */
	int control;
	uint32_t serial;
	array_of(struct stuck) stuck;
	pthread_mutex_t lock; /* of the mounts */
	uint64_t local[LOCAL_MAX];
	size_t local_count;
};

/* ---- the process ---- */

static int start_child(struct hw_opener *opener)
{
	pid_t self = getpid();
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	opener->child = fork();
	if (!opener->child)
		hw_opener_serve(pair[1], self);
	r = opener->child < 0 ? -errno : 0;
	close(pair[1]);
	opener->control = pair[0];
	if (r) {
		close(pair[0]);
		opener->child = 0;
	}
	return r;
}

/* Without waiting for it: it may be in a call that cannot be killed. */
static void leave_child(struct hw_opener *opener, uint64_t place)
{
	struct stuck stuck = {.place = place, .child = opener->child};

	close(opener->control);
	kill(opener->child, SIGKILL);
	array_push(&opener->stuck, stuck);
	opener->child = 0;
}

/* Does nobody who was left behind still wait there? */
static bool may_ask(struct hw_opener *opener, uint64_t place)
{
	for (size_t i = opener->stuck.count; i-- > 0;)
		if (waitpid(opener->stuck.items[i].child, NULL, WNOHANG))
			opener->stuck.items[i] = opener->stuck.items[--opener->stuck.count];
	array_for_each (&opener->stuck, it)
		if (it->place == place)
			return false;
	return opener->stuck.count < STUCK_MAX;
}

int hw_opener_new(struct hw_opener **result, struct hw_error *err)
{
	struct hw_opener *opener = calloc(1, sizeof(*opener));
	int r;

	if (!opener)
		return hw_fail(err, -ENOMEM, "out of memory");
	r = start_child(opener);
	if (r) {
		free(opener);
		return hw_fail(err, r, "cannot start the process that opens files: %s", strerror(-r));
	}
	pthread_mutex_init(&opener->lock, NULL);
	*result = opener;
	return 0;
}

void hw_opener_free(struct hw_opener *opener)
{
	if (!opener)
		return;
	if (opener->child) {
		close(opener->control);
		kill(opener->child, SIGKILL);
		/* between files it waits for nothing but us; closing the last one may take a file system's
		 * time */
		for (int ms = 0; ms < 100 && !waitpid(opener->child, NULL, WNOHANG); ms++)
			usleep(1000);
	}
	array_free(&opener->stuck);
	pthread_mutex_destroy(&opener->lock);
	free(opener);
}

/* One exchange. 0 with *opened and *mount, or -errno. */
static int ask(struct hw_opener *opener, const struct hw_opener_request *request, int name,
               struct hw_opened *opened, uint64_t *mount)
{
	struct hw_opener_answer answer = {0};
	int r = hw_send_fds(opener->control, request, sizeof(*request), &name, name >= 0), wait_ms = OPEN_MS;

	do {
		if (!r)
			r = hw_receive_fds(opener->control, &answer, sizeof(answer), &opened->fd, 1, wait_ms);
		wait_ms = COPY_MS;
	} while (!r && answer.copying);
	if (r < 0)
		return r;
	if (answer.serial != request->serial || !r == !answer.code) {
		if (r)
			close(opened->fd);
		return -EPROTO;
	}
	if (answer.code)
		return answer.code;
	opened->st = answer.st;
	opened->copied = answer.copied;
	opened->page = answer.page;
	opened->holder = opener->child;
	*mount = answer.copied ? 0 : answer.mount;
	return 0;
}

static int ask_child(struct hw_opener *opener, struct hw_opener_request *request, int name, uint64_t place,
                     struct hw_opened *opened, uint64_t *mount)
{
	int r = -EPIPE;

	if (!may_ask(opener, place))
		return -ETIMEDOUT;
	for (int tries = 0; tries < 2 && (r == -EPIPE || r == -ECONNRESET); tries++) {
		r = opener->child ? 0 : start_child(opener);
		request->serial = ++opener->serial;
		if (r)
			break;
		r = ask(opener, request, name, opened, mount);
		if (r == -ETIMEDOUT || r == -EPROTO || r == -EPIPE || r == -ECONNRESET)
			leave_child(opener, r == -ETIMEDOUT ? place : 0);
	}
	return r;
}

/* ---- mounts ---- */

static bool is_local(struct hw_opener *opener, uint64_t mount)
{
	bool found = false;

	pthread_mutex_lock(&opener->lock);
	for (size_t i = 0; mount && i < LOCAL_MAX && i < opener->local_count; i++)
		found = found || opener->local[i] == mount;
	pthread_mutex_unlock(&opener->lock);
	return found;
}

static void learn_local(struct hw_opener *opener, uint64_t mount)
{
	if (!mount || is_local(opener, mount))
		return;
	pthread_mutex_lock(&opener->lock);
	opener->local[opener->local_count++ % LOCAL_MAX] = mount;
	pthread_mutex_unlock(&opener->lock);
}

/* ---- opening ---- */

/* name: a descriptor that names the file (O_PATH), on a mount where nobody waits. */
static int open_local(int name, struct hw_opened *opened)
{
	memset(opened, 0, sizeof(*opened));
	opened->fd = hw_opener_reopen(name);
	if (opened->fd >= 0 && fstat(opened->fd, &opened->st)) {
		close(opened->fd);
		opened->fd = -errno;
	}
	return opened->fd < 0 ? opened->fd : 0;
}

static int open_name(const char *link, uint64_t *mount)
{
	int name = open(link, O_PATH | O_CLOEXEC), r;

	if (name < 0)
		return -errno;
	r = hw_opener_look(name, mount);
	if (r) {
		close(name);
		return r;
	}
	return name;
}

int hw_opener_open_at_once(struct hw_opener *opener, const char *link, struct hw_opened *opened)
{
	uint64_t mount;
	int name = open_name(link, &mount), r;

	if (name < 0)
		return name;
	r = is_local(opener, mount) ? open_local(name, opened) : -EAGAIN;
	close(name);
	return r;
}

int hw_opener_open_link(struct hw_opener *opener, const char *path, struct hw_opened *opened)
{
	struct hw_opener_request request = {0};
	uint64_t mount, learned = 0;
	int name = open_name(path, &mount), r;

	if (name < 0)
		return name;
	if (is_local(opener, mount)) {
		r = open_local(name, opened);
	} else {
		r = ask_child(opener, &request, name, mount, opened, &learned);
		if (!r)
			learn_local(opener, learned);
	}
	close(name);
	return r;
}

/* Even looking a name up may wait: one that did stands for all in its directory. */
int hw_opener_open(struct hw_opener *opener, const char *path, struct hw_opened *opened)
{
	const char *slash = strrchr(path, '/');
	struct hw_opener_request request = {0};
	uint64_t learned;

	if ((size_t)snprintf(request.path, sizeof(request.path), "%s", path) >= sizeof(request.path))
		return -ENAMETOOLONG;
	return ask_child(opener, &request, -1,
	                 XXH3_64bits(path, slash ? (size_t)(slash - path) : 0) | 1ull << 63, opened,
	                 &learned);
}
