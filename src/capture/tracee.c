/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/tracee.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>
#include <xxhash.h>

#define RED_ZONE_BYTES  128u
#define MAPS_TRUSTED_NS 100000000ull /* as long as the size of the memory stays the same */

/* Up to size - 1 bytes of a small file of /proc, ended with a 0. Their number; 0: none. */
static size_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

static long number_after(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? strtol(found + strlen(name), NULL, 10) : 0;
}

bool hw_tracee_ids(pid_t tid, pid_t *pid, pid_t *parent)
{
	char path[48], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	*pid = (pid_t)number_after(text, "\nTgid:");
	*parent = (pid_t)number_after(text, "\nPPid:");
	return *pid > 0;
}

/* The first number of schedstat is what the scheduler charged, in ns; it may lag by a tick. */
bool hw_tracee_cpu_ns(pid_t pid, pid_t tid, uint64_t *ns)
{
	char path[64], text[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	*ns = strtoull(text, NULL, 10);
	return true;
}

bool hw_tracee_runs(pid_t pid, pid_t tid)
{
	char path[64], text[512];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	end = strrchr(text, ')');
	return end && end[1] && end[2] == 'R';
}

bool hw_tracee_registers(pid_t tid, struct hw_stack_copy *copy)
{
	struct user_regs_struct regs = {0};
	struct iovec vector = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &vector))
		return false;
	copy->user_part = true;
	copy->cpumode = PERF_RECORD_MISC_USER;
	if (vector.iov_len != sizeof(regs) || regs.cs == 0x23) { /* 32-bit code */
		copy->refusal = HW_REFUSE_COMPAT;
		return true;
	}
	copy->pc = regs.rip;
	copy->ip = regs.rip;
	memcpy(copy->regs,
	       (const uint64_t[16]){regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp,
	                            regs.rsp, regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13,
	                            regs.r14, regs.r15},
	       sizeof(copy->regs));
	return true;
}

/* process_vm_readv may be forbidden (seccomp) where /proc/PID/mem is not. */
static ssize_t read_mem(pid_t pid, uint64_t address, void *to, size_t size)
{
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = pread(fd, to, size, (off_t)address);
	close(fd);
	return got;
}

/* Read up to size bytes at address; how many there were. */
static size_t read_memory(pid_t pid, uint64_t address, void *to, size_t size)
{
	struct iovec here = {.iov_base = to, .iov_len = size};
	struct iovec there[64];
	uint64_t at = address, end = address + size;
	unsigned long count = 0;
	ssize_t got;

	/* A page each: what is read is a whole number of pieces, and ends at the first that is not there. */
	while (at < end && count < sizeof(there) / sizeof(there[0])) {
		uint64_t next = (at | 4095) + 1;

		there[count].iov_base = (void *)at;
		there[count++].iov_len = (next < end ? next : end) - at;
		at = next;
	}
	got = process_vm_readv(pid, &here, 1, there, count, 0);
	if (got < 0)
		got = read_mem(pid, address, to, size);
	return got > 0 ? (size_t)got : 0;
}

/*
 * The kernel's struct rt_sigframe of x86-64 (arch/x86/include/asm/sigframe.h), as far as it is needed: a
 * return address, then the struct ucontext.
 */
struct signal_frame {
	uint64_t return_address, flags, link;
	uint64_t stack_start, stack_flags, stack_size; /* the alternate stack, as sigaltstack set it */
	uint64_t regs[15];                             /* r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx */
	uint64_t rsp, rip;
};

/* Is this what the kernel put on an alternate stack when it left another one? */
static bool is_change_of_stacks(const struct signal_frame *frame, uint64_t address)
{
	return !(frame->flags & ~7ull) && !frame->link && frame->stack_size >= sizeof(*frame) &&
	       address - frame->stack_start < frame->stack_size &&
	       frame->rsp - frame->stack_start > frame->stack_size && frame->rip && !(frame->rip >> 47);
}

/*
 * The stack pointer of what an alternate stack interrupted; 0: no such signal frame is in the copy. From the
 * top down: there is the one of now, further down may be what is left of those before.
 */
static uint64_t find_interrupted(const struct hw_stack_copy *copy, const uint8_t *stack)
{
	struct signal_frame frame;
	uint64_t at;

	if (copy->stack_size < sizeof(frame))
		return 0;
	/* The kernel puts it 8 bytes below a multiple of 16. */
	at = (copy->stack_address + copy->stack_size - sizeof(frame) + 8) / 16 * 16 - 8;
	for (; at >= copy->stack_address && at < copy->stack_address + copy->stack_size; at -= 16) {
		memcpy(&frame, stack + (at - copy->stack_address), sizeof(frame));
		if (is_change_of_stacks(&frame, at))
			return frame.rsp;
	}
	return 0;
}

void hw_tracee_stacks(pid_t pid, struct hw_stack_copy *copy, uint8_t *stack, size_t size)
{
	uint64_t interrupted;

	copy->stack_address = copy->regs[HW_REG_RSP] - RED_ZONE_BYTES;
	copy->stack_size = (uint32_t)read_memory(pid, copy->stack_address, stack, size);
	interrupted = find_interrupted(copy, stack);
	if (!interrupted)
		return;
	copy->other_address = interrupted - RED_ZONE_BYTES;
	copy->other_size = (uint32_t)read_memory(pid, copy->other_address, stack + copy->stack_size, size);
}

static uint64_t hash_maps(pid_t pid)
{
	char path[32], text[4096];
	uint64_t hash = 1;
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (got = read(fd, text, sizeof(text))) > 0)
		hash = XXH64(text, (size_t)got, hash);
	if (fd >= 0)
		close(fd);
	return hash ? hash : 1;
}

bool hw_tracee_maps_changed(struct hw_traced_process *process, uint64_t now_ns)
{
	char path[32], text[128];
	uint64_t size, hash;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)process->pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	size = strtoull(text, NULL, 10);
	if (process->maps_hash && size == process->size_pages && now_ns - process->maps_ns < MAPS_TRUSTED_NS)
		return false;
	hash = hash_maps(process->pid);
	process->size_pages = size;
	process->maps_ns = now_ns;
	if (hash == process->maps_hash)
		return false;
	process->maps_hash = hash;
	return true;
}
