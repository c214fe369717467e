/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/record_whose.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CGROUP2_MAGIC 0x63677270 /* linux/magic.h: CGROUP2_SUPER_MAGIC */

static int take(enum hw_session_filter filter, struct hw_capture_options *options, struct hw_error *err)
{
	if (options->filter != HW_SESSION_ALL)
		return hw_fail(err, -EINVAL,
		               "one user or one cgroup, not two of them; see homeward record --help");
	options->filter = filter;
	return 0;
}

int hw_whose_uid(const char *text, struct hw_capture_options *options, struct hw_error *err)
{
	const struct passwd *user;
	unsigned long number;
	char *end;

	if (text[strspn(text, "0123456789")]) {
		user = getpwnam(text);
		if (!user)
			return hw_fail(err, -EINVAL, "there is no user '%s'", text);
		options->uid = user->pw_uid;
		return take(HW_SESSION_UID, options, err);
	}
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || number >= (uid_t)-1)
		return hw_fail(err, -EINVAL, "no user has the number '%s'", text);
	options->uid = (uid_t)number;
	return take(HW_SESSION_UID, options, err);
}

/* The id of a cgroup is the inode number of its directory. */
int hw_whose_cgroup(const char *path, struct hw_capture_options *options, struct hw_error *err)
{
	struct statfs system;
	struct stat found;

	if (statfs(path, &system) || stat(path, &found))
		return hw_fail(err, -EINVAL, "cannot look at the cgroup %s: %s", path, strerror(errno));
	if (system.f_type != CGROUP2_MAGIC || !S_ISDIR(found.st_mode))
		return hw_fail(
		    err, -EINVAL,
		    "%s is no cgroup of version 2: name a directory below /sys/fs/cgroup, or where "
		    "cgroup2 is mounted",
		    path);
	options->cgroup = found.st_ino;
	return take(HW_SESSION_CGROUP, options, err);
}
