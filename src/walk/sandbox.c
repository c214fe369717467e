/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * No step here is relied on alone, and none may be available (a container may forbid it), so each is tried
 * and only the last, the filter of system calls, is reported. What is left to a process that a file has
 * taken over: to answer with a wrong table for that one file.
 */
#include "walk/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "walk/landlock.h"

#define NOBODY          65534
#define CAPABILITY_MAX  63
#define KEPT            3
#define DESCRIPTORS_MAX 65536 /* closed one by one where close_range is missing (before Linux 5.9) */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

int hw_sandbox_keep_only(int keep)
{
	int null;

	if (keep != KEPT)
		dup2(keep, KEPT);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < KEPT; fd++) {
		if (null < 0)
			close(fd);
		else if (null != fd)
			dup2(null, fd);
	}
	if (syscall(SYS_close_range, KEPT + 1u, ~0u, 0)) {
		for (int fd = KEPT + 1; fd < DESCRIPTORS_MAX; fd++)
			close(fd);
	}
	return KEPT;
}

void hw_sandbox_keep_reading(void)
{
	static const uint32_t kept[2] = {1u << CAP_DAC_READ_SEARCH | 1u << CAP_SYS_PTRACE,
	                                 1u << (CAP_CHECKPOINT_RESTORE - 32)}; /* of the last: map_files */
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[2] = {{0}, {0}};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &header, now))
		return;
	for (int i = 0; i < 2; i++) {
		now[i].permitted &= kept[i];
		now[i].effective &= kept[i];
		now[i].inheritable = 0;
	}
	syscall(SYS_capset, &header, now);
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}, {0}};

	syscall(SYS_capset, &header, none);
}

int hw_sandbox_drop_rights(int keep)
{
	struct rlimit zero = {0, 0};

	keep = hw_sandbox_keep_only(keep);
	setsid();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	hw_landlock_forbid_all();
	setrlimit(RLIMIT_CORE, &zero);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned long capability = 0; capability <= CAPABILITY_MAX; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	if (!geteuid() &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		errno = 0; /* a user namespace without nobody: the capabilities go all the same */
	drop_capabilities();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return keep;
}

uint64_t hw_sandbox_address_space(void)
{
	unsigned long pages = 0;
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) > 0)
			pages = strtoul(text, NULL, 10);
		close(fd);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

#ifndef SANITIZED
static const unsigned int allowed[] = {
    /* memory */
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
    /* the ELF file, the table, the answer */
    SYS_read, SYS_pread64, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_memfd_create, SYS_write, SYS_fcntl,
    SYS_close, SYS_sendmsg, SYS_recvmsg,
    /* what the C library does in passing */
    SYS_sysinfo, SYS_futex, SYS_getrandom, SYS_clock_gettime, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_restart_syscall, SYS_exit, SYS_exit_group};

/* libdw asks for the path of what it reads, to look for more files beside it: refused, and it goes on
 * without. */
static const unsigned int refused[] = {SYS_readlink, SYS_readlinkat, SYS_open,  SYS_openat,
                                       SYS_access,   SYS_faccessat,  SYS_getcwd};

#define ALLOWED_COUNT (sizeof(allowed) / sizeof(allowed[0]))
#define REFUSED_COUNT (sizeof(refused) / sizeof(refused[0]))
#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what)  BPF_STMT(BPF_RET | BPF_K, (what))

static int filter_system_calls(void)
{
	struct sock_filter program[4 + ALLOWED_COUNT + REFUSED_COUNT + 3] = {
	    LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	    RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr)};
	struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
	size_t at = 4;

	for (size_t i = 0; i < ALLOWED_COUNT; i++) {
		program[at++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
		                                 (uint8_t)(ALLOWED_COUNT - i + REFUSED_COUNT + 1), 0);
	}
	for (size_t i = 0; i < REFUSED_COUNT; i++) {
		program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i],
		                                             (uint8_t)(REFUSED_COUNT - i), 0);
	}
	program[at++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	program[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
	program[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter))
		return -errno;
	return 0;
}
#else
/* Sanitizers reserve terabytes and ask the system for much. */
static int filter_system_calls(void)
{
	return 0;
}
#endif

static void limit(__rlimit_resource_t resource, uint64_t value)
{
	struct rlimit rlimit = {value, value}, now;

	if (!getrlimit(resource, &now) && now.rlim_max < value)
		rlimit.rlim_cur = rlimit.rlim_max = now.rlim_max;
	setrlimit(resource, &rlimit);
}

int hw_sandbox_enter(const struct hw_sandbox_limits *limits)
{
#ifndef SANITIZED
	limit(RLIMIT_AS, limits->memory_bytes);
#endif
	limit(RLIMIT_CPU, limits->cpu_seconds);
	limit(RLIMIT_FSIZE, limits->file_bytes);
	limit(RLIMIT_NOFILE, limits->open_files);
	return filter_system_calls();
}
