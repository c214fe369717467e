/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "tracee.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

int tracee_read(const struct tracee *tracee, uint64_t address, void *to, size_t size)
{
	struct iovec local = {.iov_base = to, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)address, .iov_len = size};

	return process_vm_readv(tracee->pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -1;
}

int tracee_start(struct tracee *tracee, char *const *command)
{
	int status;

	memset(tracee, 0, sizeof(*tracee));
	tracee->pid = fork();
	if (!tracee->pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(command[0], command);
		_exit(127);
	}
	if (tracee->pid < 0 || waitpid(tracee->pid, &status, 0) != tracee->pid || !WIFSTOPPED(status))
		return -1;
	ptrace(PTRACE_SETOPTIONS, tracee->pid, NULL, (void *)PTRACE_O_EXITKILL);
	tracee->mappings_changed = true;
	return ptrace(PTRACE_GETREGS, tracee->pid, NULL, &tracee->regs) ? -1 : 0;
}

static uint64_t entry_of(const struct tracee *tracee)
{
	uint64_t pair[2], entry = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)tracee->pid);
	file = fopen(path, "re");
	while (file && fread(pair, sizeof(pair), 1, file) == 1)
		if (pair[0] == AT_ENTRY)
			entry = pair[1];
	if (file)
		fclose(file);
	return entry;
}

int tracee_run_to_entry(struct tracee *tracee)
{
	uint64_t entry = entry_of(tracee), word;
	int status;

	if (!entry || tracee_read(tracee, entry, &word, sizeof(word)))
		return -1;
	/* int3 in place of the first byte */
	ptrace(PTRACE_POKETEXT, tracee->pid, (void *)entry, (void *)((word & ~0xffull) | 0xcc));
	ptrace(PTRACE_CONT, tracee->pid, NULL, NULL);
	if (waitpid(tracee->pid, &status, 0) != tracee->pid || !WIFSTOPPED(status))
		return -1;
	ptrace(PTRACE_POKETEXT, tracee->pid, (void *)entry, (void *)word);
	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &tracee->regs) || tracee->regs.rip != entry + 1)
		return -1;
	tracee->regs.rip = entry;
	tracee->mappings_changed = true;
	return ptrace(PTRACE_SETREGS, tracee->pid, NULL, &tracee->regs) ? -1 : 0;
}

/* Intel SDM vol. 2: E8 and FF /2, behind prefixes. */
static bool is_call(const uint8_t *code)
{
	while (*code == 0x3e || *code == 0xf2 || *code == 0x66 || (*code & 0xf0) == 0x40)
		code++;
	return code[0] == 0xe8 || (code[0] == 0xff && (code[1] & 0x38) == 0x10);
}

static bool changes_mappings(const struct tracee *tracee, const uint8_t *code)
{
	uint64_t number = tracee->regs.rax;

	return code[0] == 0x0f && code[1] == 0x05 &&
	       (number == SYS_mmap || number == SYS_mprotect || number == SYS_munmap || number == SYS_mremap);
}

static void push(struct tracee *tracee, uint64_t slot, uint64_t address)
{
	if (tracee->depth == SHADOW_MAX)
		abort();
	tracee->shadow[tracee->depth++] = (struct shadow_entry){.slot = slot, .address = address};
}

/* The kernel built a frame: the handler returns to what it put there, and that goes back to where it was. */
static void push_signal(struct tracee *tracee, uint64_t interrupted)
{
	uint64_t restorer = 0;

	tracee_read(tracee, tracee->regs.rsp, &restorer, sizeof(restorer));
	push(tracee, tracee->regs.rsp + 8, interrupted);
	push(tracee, tracee->regs.rsp, restorer);
}

static void follow(struct tracee *tracee, const struct user_regs_struct *before, const uint8_t *code,
                   int delivered)
{
	uint64_t rsp = tracee->regs.rsp, address;

	while (tracee->depth && tracee->shadow[tracee->depth - 1].slot < rsp)
		tracee->depth--;
	if (delivered)
		push_signal(tracee, before->rip);
	else if (is_call(code) && rsp == before->rsp - 8 &&
	         !tracee_read(tracee, rsp, &address, sizeof(address)))
		push(tracee, rsp, address);
}

int tracee_step(struct tracee *tracee)
{
	struct user_regs_struct before = tracee->regs;
	int status, delivered = tracee->signal;
	uint8_t code[16] = {0};

	if (tracee_read(tracee, before.rip, code, sizeof(code)))
		tracee_read(tracee, before.rip, code, 1); /* the last bytes of a mapping */
	tracee->mappings_changed = changes_mappings(tracee, code);
	ptrace(PTRACE_SINGLESTEP, tracee->pid, NULL, (void *)(intptr_t)delivered);
	tracee->signal = 0;
	if (waitpid(tracee->pid, &status, 0) != tracee->pid || !WIFSTOPPED(status)) {
		tracee->exit_status = status;
		return 1;
	}
	if (WSTOPSIG(status) != SIGTRAP)
		tracee->signal = WSTOPSIG(status);
	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &tracee->regs))
		return 1;
	follow(tracee, &before, code, delivered);
	return 0;
}
