/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk in the kernel: the shared frame (walk/frame.h) over live memory.
 *
 * walk_run goes on with what is at hand and stops where something is not, so the same verified function
 * serves interrupts (where that is the end) and tasks on their way home (where drive() supplies what is
 * missing and runs it again). Stack words come from a window that is copied at once; reads below never
 * fault. The registers live in the scratch, in memory: kept in the program's own registers, a loop that
 * walks does not converge in the verifier.
 */
#ifndef HW_BPF_WALK_H
#define HW_BPF_WALK_H

#include "bpf/mapping.bpf.h"
#include "bpf/rows.bpf.h"
#include "walk/frame.h"

/* Copy stack memory around address into the window. 0, or -1: not readable without a fault. */
static __always_inline int refill_window(struct hw_scratch *s, hw_u64 address)
{
	hw_u64 start = (address & ~7ull) - 128;

	s->window_start = start;
	s->window_bytes = HW_WINDOW_BYTES;
	if (!bpf_probe_read_user(s->window, HW_WINDOW_BYTES, (void *)start))
		return 0;
	start += 128;
	s->window_start = start;
	s->window_bytes = 512;
	if (!bpf_probe_read_user(s->window, 512, (void *)start))
		return 0;
	s->window_bytes = 8;
	if (!bpf_probe_read_user(s->window, 8, (void *)start))
		return 0;
	s->window_bytes = 0;
	return -1;
}

/* A word that is not in the window, or not whole. */
__noinline int read_stack_anew(struct hw_scratch *s, hw_u64 address, hw_u64 *value)
{
	if (!s || !value)
		return -1;
	if (address & 7)
		return bpf_probe_read_user(value, 8, (void *)address) ? -1 : 0;
	if (refill_window(s, address))
		return -1;
	*value = s->window[((address - s->window_start) >> 3) & (HW_WINDOW_WORDS - 1)];
	return 0;
}

static __always_inline int hw_read_stack(struct hw_walk *w, hw_u64 address, hw_u64 *value)
{
	struct hw_scratch *s = (struct hw_scratch *)w;
	hw_u64 offset = address - s->window_start;

	if (address & 7 || offset >= s->window_bytes)
		return read_stack_anew(s, address, value);
	*value = s->window[(offset >> 3) & (HW_WINDOW_WORDS - 1)];
	return 0;
}

static __always_inline int hw_read_code(struct hw_walk *w, hw_u64 address, hw_u64 *eight_bytes)
{
	return bpf_probe_read_user(eight_bytes, 8, (void *)address) ? -1 : 0;
}

static __always_inline void hw_put_ip(struct hw_walk *w, hw_u64 ip)
{
	struct hw_scratch *s = (struct hw_scratch *)w;
	hw_u32 depth = w->depth;

	if (depth < HW_FRAMES_MAX)
		s->record.ips[depth] = ip;
}

/* A mapping other than that of the last frame. */
static __noinline int find_other_mapping(struct hw_scratch *s, hw_u64 address)
{
	struct hw_walk *w = &s->walk;

	for (hw_u32 i = 0; i < HW_MAPPINGS_KEPT; i++) {
		if (address >= w->mappings[i].start && address < w->mappings[i].end) {
			w->mapping = i;
			return 0;
		}
	}
	if (!find_cached_vma(s, address))
		return 0;
	return s->at_once ? find_vma_at_once(s, address) : -1;
}

static __always_inline int hw_find_mapping(struct hw_walk *w, hw_u64 address)
{
	struct hw_mapping *m = &w->mappings[w->mapping & (HW_MAPPINGS_KEPT - 1)];

	return address >= m->start && address < m->end ? 0
	                                               : find_other_mapping((struct hw_scratch *)w, address);
}

static __always_inline int hw_find_rule(struct hw_walk *w, const struct hw_mapping *m, hw_u32 offset,
                                        hw_u64 *rule)
{
	return find_rule_cached(m->slot, m->serial, offset, rule);
}

struct walk_context {
	struct hw_scratch *scratch;
};

#define FRAMES_A_TURN 4 /* a turn of bpf_loop is a call */

static long walk_some(hw_u32 index, struct walk_context *context)
{
	struct hw_scratch *s = context->scratch;
	int r = HW_FRAME_NEXT;

	for (int i = 0; i < FRAMES_A_TURN && r == HW_FRAME_NEXT; i++)
		r = hw_walk_frame(&s->walk);
	s->result = r;
	return r != HW_FRAME_NEXT;
}

/* Walk on from where the scratch stands. Returns an enum hw_frame_result other than NEXT. */
__noinline int walk_run(struct hw_scratch *s)
{
	struct walk_context context = {.scratch = s};

	if (!s)
		return HW_FRAME_DONE;
	bpf_loop(HW_FRAMES_MAX / FRAMES_A_TURN + 1, walk_some, &context, 0);
	return s->result;
}

static __always_inline void forget_mappings(struct hw_walk *w)
{
	w->mapping = 0;
	w->next_mapping = 0;
	for (int i = 0; i < HW_MAPPINGS_KEPT; i++)
		w->mappings[i].end = 0;
}

/* All but the registers and the mappings. */
static __always_inline void walk_begin(struct hw_scratch *s, struct task_struct *task, hw_u64 time_ns)
{
	struct hw_walk *w = &s->walk;
	struct mm_struct *mm;

	w->known = 0xffff;
	w->saved = 0;
	w->flags = HW_WALK_EXACT;
	w->guess_reason = 0;
	w->need = 0;
	w->depth = 0;
	w->depth_max = config.frames_max;
	s->window_bytes = 0;
	mm = AS_KERNEL(task_struct, task)->mm;
	s->mm = (hw_u64)mm;
	w->fs_base = AS_KERNEL(task_struct, task)->thread.fsbase;
	s->now_s = time_ns >> HW_USED_SHIFT;
	s->vdso = (hw_u64)mm->context.vdso;
}

/*
 * In an interrupt, a mapping holds as long as nobody locked the process's mappings for writing since before
 * it was looked up. So the task that was walked last on this CPU often needs no look-up at all. Once a second
 * all are looked up, which marks their tables as used.
 */
static __always_inline void keep_mappings(struct hw_scratch *s, struct task_struct *task)
{
	struct mm_struct *mm = AS_KERNEL(mm_struct, s->mm);
	struct hw_kept *kept = &s->kept;
	hw_u32 generation = *(volatile hw_u32 *)&table_generation, sequence = 1;

	if (bpf_core_field_exists(mm->mm_lock_seq.sequence))
		sequence = mm->mm_lock_seq.sequence;
	if (!(sequence & 1) && kept->sequence == sequence && kept->task == (hw_u64)task &&
	    kept->start == task->start_boottime && kept->exec_id == task->self_exec_id && kept->mm == s->mm &&
	    kept->generation == generation && kept->now_s == s->now_s)
		return;
	forget_mappings(&s->walk);
	kept->task = (hw_u64)task;
	kept->start = task->start_boottime;
	kept->exec_id = task->self_exec_id;
	kept->mm = s->mm;
	kept->sequence = sequence;
	kept->generation = generation;
	kept->now_s = s->now_s;
	barrier();
}

/* Registers of user mode, from whatever has the fields of struct pt_regs. */
#define TAKE_REGISTERS(w, regs)                                                                              \
	do {                                                                                                 \
		(w)->pc = (regs)->ip;                                                                        \
		(w)->reg[HW_REG_RAX] = (regs)->ax;                                                           \
		(w)->reg[HW_REG_RDX] = (regs)->dx;                                                           \
		(w)->reg[HW_REG_RCX] = (regs)->cx;                                                           \
		(w)->reg[HW_REG_RBX] = (regs)->bx;                                                           \
		(w)->reg[HW_REG_RSI] = (regs)->si;                                                           \
		(w)->reg[HW_REG_RDI] = (regs)->di;                                                           \
		(w)->reg[HW_REG_RBP] = (regs)->bp;                                                           \
		(w)->reg[HW_REG_RSP] = (regs)->sp;                                                           \
		(w)->reg[8] = (regs)->r8;                                                                    \
		(w)->reg[9] = (regs)->r9;                                                                    \
		(w)->reg[10] = (regs)->r10;                                                                  \
		(w)->reg[11] = (regs)->r11;                                                                  \
		(w)->reg[12] = (regs)->r12;                                                                  \
		(w)->reg[13] = (regs)->r13;                                                                  \
		(w)->reg[14] = (regs)->r14;                                                                  \
		(w)->reg[15] = (regs)->r15;                                                                  \
	} while (0)

#endif
