/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/create.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int keep_old(const char *path, struct hw_error *err)
{
	char *old;
	int r = 0;

	if (asprintf(&old, "%s.old", path) < 0)
		return hw_fail(err, -ENOMEM, "out of memory opening %s", path);
	if (rename(path, old)) {
		r = -errno;
		hw_fail(err, r, "cannot keep the older %s as %s: %s; choose another file with -o", path, old,
		        strerror(-r));
	}
	free(old);
	return r;
}

static int open_device(const char *path, struct hw_error *err)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

	if (fd < 0 || fstat(fd, &st)) {
		r = -errno;
		hw_fail(err, r, "cannot write to %s: %s", path, strerror(-r));
	} else if (!S_ISCHR(st.st_mode)) {
		r = hw_fail(err, -EINVAL, "%s changed while it was opened; try again", path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

int hw_create_recording(const char *path, mode_t mode, uid_t uid, gid_t gid, struct hw_error *err)
{
	struct stat st;
	int fd, r;

	if (!lstat(path, &st)) {
		if (S_ISLNK(st.st_mode))
			return hw_fail(err, -ELOOP, "%s is a symbolic link; name the file itself with -o",
			               path);
		if (S_ISCHR(st.st_mode))
			return open_device(path, err);
		if (!S_ISREG(st.st_mode))
			return hw_fail(err, -EINVAL, "%s is not a regular file; choose another with -o",
			               path);
		r = keep_old(path, err);
		if (r)
			return r;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = -errno;
		return hw_fail(err, r, "cannot create %s: %s; choose another file with -o", path,
		               strerror(-r));
	}
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid))
		goto fail;
	if (fchmod(fd, mode & 07777))
		goto fail;
	return fd;
fail:
	r = -errno;
	hw_fail(err, r, "cannot give %s its owner and mode: %s", path, strerror(-r));
	close(fd);
	unlink(path);
	return r;
}
