/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The drivers of a walk in a task's own context: they supply what walk_run asks for.
 *
 * On the way home (the task work, which may sleep) a page that is not resident is faulted in, but only
 * where that ends soon: anonymous memory without userfaultfd, shmem, files of disk file systems. A fault on
 * FUSE or NFS could last for ever and hold up every BPF program's release with it. At exit and exec (which
 * may not sleep) nothing is faulted in.
 *
 * Between the look at the mapping and the read, some hundred nanoseconds, another thread of the same process
 * can put another mapping there. No wrong frame comes of that which the program did not put on its own stack;
 * but the read may then wait on FUSE. No helper of the kernel reads with a limit, so this much is left to a
 * process that wants to hold BPF up, and that has to win the race against its own walk.
 */
#ifndef HW_BPF_DRIVE_H
#define HW_BPF_DRIVE_H

#include "bpf/walk.bpf.h"

#define SUPPLIES_MAX 192

struct drive_context {
	struct hw_scratch *scratch;
	struct task_struct *task;
	int result; /* HW_FRAME_DONE + reason, or HW_FRAME_NEED_TABLE */
};

static __always_inline int fault_ends_soon(struct vm_area_struct *trusted)
{
	struct vm_area_struct *vma = AS_KERNEL(vm_area_struct, trusted);
	struct super_block *sb;
	struct file *file;
	hw_u64 flags = vma->vm_flags;

	if (flags & (VM_UFFD_MISSING | VM_UFFD_WP))
		return 0;
	file = vma->vm_file;
	if (!file)
		return 1;
	sb = file->f_inode->i_sb;
	if (sb->s_magic == TMPFS_MAGIC)
		return 1;
	return sb->s_bdev && sb->s_magic != FUSE_SUPER_MAGIC;
}

/* 1: may be faulted in, 0: may block, -1: nothing mapped there, -16: could not be looked up. */
static __always_inline int may_fault(struct task_struct *task, hw_u64 address)
{
	struct vm_area_struct *vma;
	struct bpf_iter_task_vma it;
	hw_u32 sequence;
	int r;

	if (!config.have_vma_iterator)
		return 0;
	sequence = lock_sequence(task);
	r = bpf_iter_task_vma_new(&it, task, address);
	if (r) {
		r = -16;
	} else {
		r = -1;
		vma = bpf_iter_task_vma_next(&it);
		if (vma && vma->vm_start <= address)
			r = fault_ends_soon(vma);
	}
	bpf_iter_task_vma_destroy(&it);
	return r == -1 && may_have_missed(task, sequence) ? -16 : r;
}

/* The walk ends at a frame whose ip is known (walk_run has put it there), and whose caller is not. */
static __always_inline int end_at(struct hw_scratch *s, int reason)
{
	if (s->walk.depth < s->walk.depth_max)
		s->walk.depth++;
	return HW_FRAME_DONE + reason;
}

static __always_inline int unreadable(struct hw_scratch *s, int may)
{
	if (may == 0)
		return end_at(s, HW_END_MAY_BLOCK);
	return end_at(s, (int)s->walk.unreadable_reason);
}

/*
 * Serve one need. 0: go on; else the result of the drive. Where mappings cannot be looked up just now, going
 * on is trying again: whoever has them locked, in fork or munmap, often has finished soon.
 */
static __always_inline int supply(struct drive_context *c, int need, int sleepable)
{
	struct hw_scratch *s = c->scratch;
	int may;

	if (need == HW_FRAME_NEED_MAPPING) {
		supply_mapping(s, c->task, s->walk.need);
		return 0;
	}
	if (need != HW_FRAME_NEED_STACK)
		return need;
	if (!sleepable)
		return end_at(s, HW_END_NO_FAULT);
	may = may_fault(c->task, s->walk.need);
	if (may == -16)
		return 0;
	if (may != 1)
		return unreadable(s, may);
	return 1;
}

static long drive_asleep_one(hw_u32 index, struct drive_context *c)
{
	struct hw_scratch *s = c->scratch;
	int need = walk_run(s);
	hw_u64 word;
	int r;

	r = supply(c, need, 1);
	if (r == 1) {
		COUNT(faults, 1);
		r = bpf_copy_from_user(&word, 8, (void *)s->walk.need) ? unreadable(s, -1) : 0;
	}
	if (!r)
		return 0;
	c->result = r;
	return 1;
}

static long drive_awake_one(hw_u32 index, struct drive_context *c)
{
	int r = supply(c, walk_run(c->scratch), 0);

	if (!r)
		return 0;
	c->result = r;
	return 1;
}

/* The walk of *task (current) from its saved registers; HW_FRAME_DONE + reason, or HW_FRAME_NEED_TABLE. */
#define DRIVE(name, step)                                                                                    \
	static __always_inline int name(struct hw_scratch *s, struct task_struct *task)                      \
	{                                                                                                    \
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);                             \
		struct drive_context c = {                                                                   \
		    .scratch = s,                                                                            \
		    .task = task,                                                                            \
		    .result = HW_FRAME_DONE + HW_END_BUSY,                                                   \
		};                                                                                           \
                                                                                                             \
		TAKE_REGISTERS(&s->walk, regs);                                                              \
		walk_begin(s, task, bpf_ktime_get_ns());                                                     \
		forget_mappings(&s->walk);                                                                   \
		bpf_loop(SUPPLIES_MAX, step, &c, 0);                                                         \
		if (c.result == HW_FRAME_DONE + HW_END_BUSY && s->result == HW_FRAME_NEED_STACK)             \
			return end_at(s, HW_END_BUSY);                                                       \
		return c.result;                                                                             \
	}
DRIVE(drive_asleep, drive_asleep_one)
DRIVE(drive_awake, drive_awake_one)

#endif
