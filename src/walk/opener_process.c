/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/opener_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "walk/fd_passing.h"
#include "walk/sandbox.h"

#define COPY_BYTES_MAX (256ll << 20)

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

/* include/uapi/linux/magic.h, and for AFS, Ceph, Coda, SMB and Lustre their own headers in the kernel */
static const uint32_t slow[] = {
    0x65735546, /* FUSE */ 0x6969,     /* NFS */ 0x517b,      /* SMB */ 0xff534d42,  /* CIFS */
    0xfe534d42, /* SMB2 */ 0x01021997, /* 9P */ 0x00c36400,   /* Ceph */ 0x5346414f, /* AFS */
    0x6b414653, /* kAFS */ 0x73757245, /* Coda */ 0x0bd00bd0,                        /* Lustre */
};

int hw_opener_look(int name, uint64_t *mount)
{
	struct statx found = {0};

	if (syscall(SYS_statx, name, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID_UNIQUE,
	            &found))
		return -errno;
	*mount = found.stx_mask & STATX_MNT_ID_UNIQUE ? found.stx_mnt_id : 0;
	return S_ISREG(found.stx_mode) ? 0 : -ENOEXEC;
}

int hw_opener_reopen(int name)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static bool is_slow(int fd)
{
	struct statfs found;

	for (size_t i = 0; !fstatfs(fd, &found) && i < sizeof(slow) / sizeof(slow[0]); i++)
		if ((uint32_t)found.f_type == slow[i])
			return true;
	return false;
}

/* The whole file in memory, or -errno. */
static int copy(int fd, int64_t size)
{
	static char piece[1 << 16];
	int memory;
	int64_t at = 0;
	ssize_t got;

	if (size > COPY_BYTES_MAX)
		return -EFBIG;
	memory = memfd_create("copy", MFD_CLOEXEC);
	if (memory < 0)
		return -errno;
	while ((got = pread(fd, piece, sizeof(piece), at)) > 0 && at < COPY_BYTES_MAX &&
	       write(memory, piece, (size_t)got) == got)
		at += got;
	if (!got)
		return memory;
	got = got < 0 ? -errno : -EFBIG;
	close(memory);
	return (int)got;
}

static void *page_of(int fd)
{
	static void *page;

	if (page)
		munmap(page, 1);
	page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		page = NULL;
	return page;
}

/* The file at fd, or its copy. 0 or -errno. */
static int hand_over(int control, int fd, struct hw_opener_answer *answer)
{
	int memory;

	if (fstat(fd, &answer->st))
		return -errno;
	if (!is_slow(fd)) {
		hw_send_fds(control, answer, sizeof(*answer), &fd, 1);
		return 0;
	}
	answer->copying = 1;
	hw_send_fds(control, answer, sizeof(*answer), NULL, 0);
	answer->copying = 0;
	answer->copied = 1;
	memory = copy(fd, answer->st.st_size);
	if (memory < 0)
		return memory;
	answer->page = (uintptr_t)page_of(fd);
	hw_send_fds(control, answer, sizeof(*answer), &memory, 1);
	close(memory);
	return 0;
}

/* name: a descriptor (O_PATH), or -errno. */
static void serve(int control, const struct hw_opener_request *request, int name)
{
	struct hw_opener_answer answer = {.serial = request->serial};
	int fd = -1, code = name < 0 ? name : hw_opener_look(name, &answer.mount);

	if (!code)
		fd = hw_opener_reopen(name);
	if (!code)
		code = fd < 0 ? fd : hand_over(control, fd, &answer);
	answer.code = code;
	if (code)
		hw_send_fds(control, &answer, sizeof(answer), NULL, 0);
	if (fd >= 0)
		close(fd);
}

_Noreturn void hw_opener_serve(int control, pid_t parent)
{
	static struct hw_opener_request request;
	sigset_t all;
	int name, r;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL); /* what ends the recorder's work is none of ours */
	control = hw_sandbox_keep_only(control);
	hw_sandbox_keep_reading();
	setsid();
	prctl(PR_SET_NAME, "hw-opener", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	while ((r = hw_receive_fds(control, &request, sizeof(request), &name, 1, -1)) >= 0) {
		request.path[sizeof(request.path) - 1] = '\0';
		if (!r)
			name = open(request.path, O_PATH | O_CLOEXEC);
		if (name < 0)
			name = -errno;
		serve(control, &request, name);
		if (name >= 0)
			close(name);
	}
	_exit(0);
}
