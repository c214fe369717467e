/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The VMA of an address, found in an interrupt, where no lock can be waited for: the tree of a process's
 * VMAs (lib/maple_tree.c of Linux, mtree_lookup_walk) is read as it stands.
 *
 * Nodes and VMAs stay readable: BPF programs of perf events run under RCU, which both are freed by. What was
 * read holds if nobody held the mmap lock for writing meanwhile: its sequence count is even before and
 * the same afterwards. uprobes look up the VMA of a breakpoint in the same way
 * (mmap_lock_speculate_try_begin and _retry in include/linux/mmap_lock.h).
 */
#ifndef HW_BPF_VMA_TREE_H
#define HW_BPF_VMA_TREE_H

#include "bpf/maps.bpf.h"

extern void *bpf_rdonly_cast(void *obj, __u32 btf_id) __ksym;

#define AS_KERNEL(type, address)                                                                             \
	((struct type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(struct type)))

/*
 * Reads through an untrusted copy of the pointer: for each pointer that a trusted one leads to, the verifier
 * of 6.18 searches all of the kernel's BTF by name (btf_nested_type_is_trusted), half a millisecond at every
 * load.
 */
static __always_inline void read_vma(struct vm_area_struct *trusted, struct hw_vma_copy *copy)
{
	struct vm_area_struct *vma = AS_KERNEL(vm_area_struct, trusted);
	struct file *file = vma->vm_file;
	struct super_block *sb;
	struct inode *inode;

	copy->start = vma->vm_start;
	copy->end = vma->vm_end;
	copy->offset = vma->vm_pgoff << 12;
	copy->flags = vma->vm_flags;
	copy->file = (hw_u64)file;
	copy->inode = 0;
	__builtin_memset(&copy->key, 0, sizeof(copy->key));
	if (!file)
		return;
	inode = file->f_inode;
	copy->inode = (hw_u64)inode;
	copy->key.inode = inode->i_ino;
	copy->key.size = (hw_u64)inode->i_size;
	copy->key.mtime_sec = (hw_u64)inode->i_mtime_sec;
	copy->key.mtime_nsec = inode->i_mtime_nsec;
	copy->key.generation = inode->i_generation;
	sb = inode->i_sb;
	copy->key.device = sb->s_dev;
}

#define MT_FLAGS_USE_RCU 2u /* include/linux/maple_tree.h */
#define NODE_MASK        255ull
#define NODE_TYPE(node)  ((hw_u32)((node) >> 3) & 15)
#define TREE_LEVELS_MAX  8
#define PIVOTS_MAX       15

static __always_inline hw_u64 kernel_word(hw_u64 address)
{
	return (hw_u64)AS_KERNEL(timespec64, address)->tv_sec;
}

/* The slot that covers address: the first whose pivot is not below it. */
__noinline int vma_tree_slot(hw_u64 pivots, hw_u32 count, hw_u64 address)
{
	hw_u32 i;

	for (i = 0; i < PIVOTS_MAX && i < count; i++)
		if (kernel_word(pivots + 8 * i) >= address)
			break;
	return (int)i;
}

#define MM_ROOT             bpf_core_field_offset(((struct mm_struct *)0)->mm_mt.ma_root)
#define PIVOTS(type)        bpf_core_field_offset(((struct type *)0)->pivot)
#define SLOTS(type)         bpf_core_field_offset(((struct type *)0)->slot)
#define PIVOT_COUNT(type)   ((hw_u32)bpf_core_field_size(((struct type *)0)->pivot) / 8)
#define IS_TYPE(node, type) (NODE_TYPE(node) == bpf_core_enum_value(enum maple_type, type))

/* What the tree holds for address: a VMA, 0 or something that is none. */
__noinline hw_u64 vma_tree_entry(hw_u64 root, hw_u64 address)
{
	hw_u64 at, entry = root;
	hw_u32 slot, leaf;

	if ((root & 3) != 2 || root <= 4096) /* xa_is_node */
		return 0;
	for (int level = 0; level < TREE_LEVELS_MAX; level++) {
		at = entry & ~NODE_MASK;
		leaf = IS_TYPE(entry, maple_leaf_64);
		if (leaf) {
			slot = (hw_u32)vma_tree_slot(at + PIVOTS(maple_range_64), PIVOT_COUNT(maple_range_64),
			                             address);
			entry = kernel_word(at + SLOTS(maple_range_64) + 8 * slot);
		} else if (IS_TYPE(entry, maple_arange_64)) {
			slot = (hw_u32)vma_tree_slot(at + PIVOTS(maple_arange_64),
			                             PIVOT_COUNT(maple_arange_64), address);
			entry = kernel_word(at + SLOTS(maple_arange_64) + 8 * slot);
		} else {
			return 0;
		}
		if (kernel_word(at) == at) /* the parent of a dead node is itself */
			return 0;
		if (leaf)
			return entry;
	}
	return 0;
}

/* Copy the VMA that covers address. 0, or -1: there is none, or its mm is being changed. */
static __always_inline int vma_tree_find(hw_u64 mm_address, hw_u64 address, struct hw_vma_copy *copy)
{
	struct mm_struct *mm = AS_KERNEL(mm_struct, mm_address);
	hw_u32 sequence;

	if (!bpf_core_field_exists(mm->mm_lock_seq.sequence) || !bpf_core_field_exists(mm->mm_mt.ma_root))
		return -1;
	sequence = mm->mm_lock_seq.sequence;
	if (sequence & 1 || !(mm->mm_mt.ma_flags & MT_FLAGS_USE_RCU))
		return -1;
	barrier();
	copy->vma = vma_tree_entry(kernel_word(mm_address + MM_ROOT), address);
	if (!copy->vma || copy->vma & 3)
		return -1;
	read_vma((struct vm_area_struct *)copy->vma, copy);
	barrier();
	mm = AS_KERNEL(mm_struct, mm_address);
	if (mm->mm_lock_seq.sequence != sequence || address < copy->start || address >= copy->end)
		return -1;
	return 0;
}

#endif
