/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor that names path without opening it (open(2), O_PATH). */
static int name_in_root(const char *root, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char joined[PATH_MAX];
	long fd;
	int r;

	if (directory < 0)
		return -errno;
	fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
	r = fd < 0 ? -errno : (int)fd;
	close(directory);
	if (r != -ENOSYS && r != -EPERM) /* a seccomp filter that does not know the call says EPERM */
		return r;
	if ((size_t)snprintf(joined, sizeof(joined), "%s/%s", root, path) >= sizeof(joined))
		return -ENAMETOOLONG;
	r = open(joined, O_PATH | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int hw_open_regular(const char *root, const char *path, struct stat *st)
{
	int name = root ? name_in_root(root, path) : open(path, O_PATH | O_CLOEXEC), fd = -1;
	char link[32];

	if (name < 0)
		return root ? name : -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", name);
	errno = ENOEXEC;
	if (!fstat(name, st) && S_ISREG(st->st_mode))
		fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		fd = -errno;
	close(name);
	return fd;
}
