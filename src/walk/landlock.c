/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Landlock by its system calls (Documentation/userspace-api/landlock.rst): the C library has no wrappers, and
 * the headers of the build machine may be older than the kernel that runs.
 */
#include "walk/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VERSION_ONLY 1u /* LANDLOCK_CREATE_RULESET_VERSION */

/* linux/landlock.h, as of ABI 6; older kernels take its beginning. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* All that a kernel of this ABI can forbid. */
static struct ruleset everything(long abi)
{
	struct ruleset all = {.fs = (1ull << 13) - 1};

	if (abi >= 2)
		all.fs |= 1ull << 13; /* REFER */
	if (abi >= 3)
		all.fs |= 1ull << 14; /* TRUNCATE */
	if (abi >= 4)
		all.net = 3; /* BIND_TCP, CONNECT_TCP */
	if (abi >= 5)
		all.fs |= 1ull << 15; /* IOCTL_DEV */
	if (abi >= 6)
		all.scoped = 3; /* ABSTRACT_UNIX_SOCKET, SIGNAL */
	return all;
}

static size_t size_of_ruleset(long abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

int hw_landlock_forbid_all(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_ONLY);
	struct ruleset all;
	int fd, r;

	if (abi < 1)
		return abi ? -errno : -EOPNOTSUPP;
	all = everything(abi);
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, size_of_ruleset(abi), 0);
	if (fd < 0)
		return -errno;
	r = syscall(SYS_landlock_restrict_self, fd, 0) ? -errno : 0;
	close(fd);
	return r;
}
