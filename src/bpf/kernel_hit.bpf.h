/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hits in kernel mode that may be walked at once: the user part does not change while a task stays in the
 * kernel, so it can be walked at any time, if its saved registers are whole.
 *
 * They are whole where interrupts are on (so the entry code is done), but for the few functions of the kernel
 * that change them, one after the other: for signal handlers, on their return, for uprobes and emulated
 * vsyscalls. User space says where these are (masks.signal_code); a stack that leads through one of them, or
 * that cannot be told, is deferred. So is execve, which changes more than registers.
 *
 * A walk at once is cheaper than a request, but a request is shared by all samples of a stay. So only the
 * first hit of a stay is walked at once, unless the task's last stay was a long one. A stay is told by the
 * registers: where they differ it is another one; where they are equal it may be the same.
 */
#ifndef HW_BPF_KERNEL_HIT_H
#define HW_BPF_KERNEL_HIT_H

#include "bpf/maps.bpf.h"

/* arch/x86/include/asm/processor-flags.h, arch/x86/entry/syscalls/syscall_64.tbl */
#define EFLAGS_IF       0x200ull
#define NR_RT_SIGRETURN 15
#define NR_EXECVE       59
#define NR_EXECVEAT     322
#define NR_URETPROBE    335 /* and sys_uprobe behind it */

#define OUTERMOST_FRAMES 10

/*
 * Does the kernel stack of nr words in the sample's scratch lead through code that changes user registers?
 * All of that is called by the entry code or little behind it, so the outermost frames tell.
 */
__noinline int changes_registers(hw_u32 nr)
{
	struct hw_sample_record *record;
	hw_u32 zero = 0, found = 0, at;

	record = bpf_map_lookup_elem(&sample_scratch, &zero);
	if (!record)
		return 1;
	for (hw_u32 i = 1; i <= OUTERMOST_FRAMES && i < nr; i++) {
		at = nr - i;
		if (at >= HW_KERNEL_FRAMES_MAX)
			return 1;
		for (hw_u32 j = 0; j < HW_SIGNAL_CODE_MAX && masks.signal_code[j].size; j++)
			found |= record->ips[at] - masks.signal_code[j].start < masks.signal_code[j].size;
	}
	return (int)found;
}

/* Are the task's saved user registers whole? nr: words of the kernel's callchain, its marker included. */
static __always_inline int registers_are_whole(const struct bpf_perf_event_data *ctx, hw_u64 orig_ax,
                                               hw_u32 nr)
{
	if (!masks.signal_code[0].size || !(ctx->regs.flags & EFLAGS_IF) || nr <= 2 ||
	    nr > HW_KERNEL_FRAMES_MAX)
		return 0;
	if (orig_ax != ~0ull && orig_ax >= NR_URETPROBE)
		return 0;
	if (orig_ax == NR_RT_SIGRETURN || orig_ax == NR_EXECVE || orig_ax == NR_EXECVEAT)
		return 0;
	return !changes_registers(nr);
}

static __always_inline hw_u64 hash_registers(const struct hw_walk *w, hw_u64 orig_ax)
{
	hw_u64 hash = (w->pc ^ orig_ax) * 0x9e3779b97f4a7c15ull;

	for (int i = 0; i < 16; i++)
		hash = ((hash ^ w->reg[i]) * 0x9e3779b97f4a7c15ull) ^ hash >> 32;
	return hash;
}

/* Is it likely that no other sample will hit this stay, nor has hit it before? */
static __always_inline int stay_seems_short(struct task_struct *task, hw_u64 registers)
{
	hw_u32 index = (hw_u32)task->pid & (HW_STAYS - 1);
	struct hw_stay *stay = bpf_map_lookup_elem(&stays, &index);
	hw_u64 was_long;

	if (!stay)
		return 0;
	if (stay->task != (hw_u64)task || stay->start != task->start_boottime) {
		stay->task = (hw_u64)task;
		stay->start = task->start_boottime;
		stay->registers = registers;
		stay->is_long = 0;
		return 1;
	}
	if (stay->registers == registers) {
		stay->is_long = 1;
		return 0;
	}
	was_long = stay->is_long;
	stay->registers = registers;
	stay->is_long = 0;
	return !was_long;
}

#endif
