/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Opening files on file systems that may never answer: FUSE, whose server may hang, NFS and others over a
 * network. There each call can wait for ever and cannot always be killed: open(2), fstat(2), read(2), even
 * close(2). So a process of its own makes them, and hands over a copy in memory; if it does not answer in
 * time it is left behind, and nothing more is asked of that mount until it is gone. Files elsewhere are
 * opened as usual.
 *
 * Not seen: a network file system below an overlay, and a mapping whose pages are read from the mapping
 * process.
 */
#ifndef HW_WALK_OPENER_H
#define HW_WALK_OPENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

struct hw_opener;

struct hw_opened {
	int fd;         /* for reading; the caller closes it */
	struct stat st; /* of the file itself */
	bool copied;    /* fd is a copy in memory */
	pid_t holder;   /* copied: this process has the first page of the file itself mapped, here, until the
	                   next */
	uint64_t page;  /* file is opened; 0: no page */
};

/* Starts a process: make it early, see walk/compiler.h. 0, -ENOMEM, or -errno of fork(2). */
int hw_opener_new(struct hw_opener **opener, struct hw_error *err);
void hw_opener_free(struct hw_opener *opener); /* may be NULL */

/*
 * Open path, if it is a regular file. 0 with *opened, or -errno: -ENOEXEC no regular file, -ETIMEDOUT its
 * file system does not answer, -EFBIG too large to copy. One thread. hw_opener_open_link: of a link that
 * names the file itself
 * (/proc/PID/map_files/…), so that following it asks no file system.
 */
int hw_opener_open(struct hw_opener *opener, const char *path, struct hw_opened *opened);
int hw_opener_open_link(struct hw_opener *opener, const char *path, struct hw_opened *opened);

/*
 * The same where it is known that the mount does not make anybody wait, from any thread; -EAGAIN: not known,
 * or there is none like it yet.
 */
int hw_opener_open_at_once(struct hw_opener *opener, const char *link, struct hw_opened *opened);

#endif
