/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From (task, address) to a mapping: which file and table cover an address.
 *
 * Three places, cheapest first: what this walk has met already; a cache for all tasks, whose entries name
 * the vma they came from and count only while that vma still says the same; and the task's mappings
 * themselves. In a task's own context these are asked by bpf_find_vma, or where that is refused by the vma
 * iterator (supply_mapping); in an interrupt, they are read without a lock (vma_tree.bpf.h).
 */
#ifndef HW_BPF_MAPPING_H
#define HW_BPF_MAPPING_H

#include "bpf/maps.bpf.h"
#include "bpf/ring.bpf.h"
#include "bpf/vma_tree.bpf.h"

extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
                                 __u64 addr) __ksym __weak;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym __weak;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym __weak;
static __always_inline hw_u32 vma_hash(hw_u64 mm, hw_u64 address)
{
	return (hw_u32)(((mm ^ (address >> 14)) * 0x9e3779b97f4a7c15ull) >> 40) & (HW_VMA_CACHE_SIZE - 1);
}

/*
 * A sum of products, which the CPU can make all at a time. The factors are odd and at random (splitmix64 from
 * 0), so that parts of two entries do not add up to the sum of one.
 */
static __always_inline hw_u64 vma_check(const struct hw_vma_entry *entry)
{
	return entry->mm * 0xe220a8397b1dcdafull + entry->vma * 0x6e789e6aa1b965f5ull +
	       entry->start * 0x06c45d188009454full + entry->end * 0xf88bb8a8724c81edull +
	       entry->offset * 0x1b39896a51a8749bull + entry->file * 0x53cb9f0c747ea2ebull +
	       entry->inode * 0x2c829abe1f4532e1ull + entry->inode_number * 0xc584133ac916ab3dull +
	       entry->table * 0x3ee5789041c98ac3ull + entry->generation * 0xf3b8488c368cb0a7ull;
}

/* Take a place among the mappings of this walk. */
static __always_inline struct hw_mapping *new_mapping(struct hw_walk *w)
{
	hw_u32 index = w->next_mapping & (HW_MAPPINGS_KEPT - 1);

	w->next_mapping = index + 1;
	w->mapping = index;
	return &w->mappings[index];
}

static __always_inline void set_mapping(struct hw_mapping *m, hw_u64 start, hw_u64 end, hw_u64 offset,
                                        hw_u64 table)
{
	m->start = start;
	m->end = end;
	m->offset = offset;
	m->serial = (hw_u32)(table >> 32);
	m->slot = (hw_u16)(table >> 16);
	m->kind = (hw_u16)table;
}

/* The table is in use, so that another one is thrown out. */
static __always_inline void mark_used(const struct hw_scratch *s, hw_u64 table)
{
	hw_u32 slot = table >> 16 & 0xffff;
	struct hw_table_info *info;

	if ((table & 0xffff) != HW_MAPPING_TABLE)
		return;
	info = bpf_map_lookup_elem(&table_infos, &slot);
	if (info && info->used_s < s->now_s)
		info->used_s = s->now_s;
}

static __always_inline int still_holds(const struct hw_vma_entry *entry)
{
	struct vm_area_struct *vma = AS_KERNEL(vm_area_struct, entry->vma);
	struct inode *inode;
	struct file *file;

	if (vma->vm_start != entry->start || vma->vm_end != entry->end || (hw_u64)vma->vm_mm != entry->mm ||
	    vma->vm_pgoff << 12 != entry->offset || !(vma->vm_flags & VM_EXEC))
		return 0;
	if (bpf_core_field_exists(vma->vm_refcnt) && vma->vm_refcnt.refs.counter <= 0)
		return 0;
	file = vma->vm_file;
	if ((hw_u64)file != entry->file)
		return 0;
	if (!file)
		return 1;
	inode = file->f_inode;
	return (hw_u64)inode == entry->inode && inode->i_ino == entry->inode_number;
}

/* A mapping that this walk has not met yet, from the cache for all tasks. 0 with w->mapping set, or -1. */
__noinline int find_cached_vma(struct hw_scratch *s, hw_u64 address)
{
	struct hw_vma_entry *cached, *entry;
	hw_u32 index;

	if (!s)
		return -1;
	index = vma_hash(s->mm, address);
	cached = bpf_map_lookup_elem(&vma_cache, &index);
	if (!cached)
		return -1;
	entry = &s->entry;
	*entry = *cached;
	barrier();
	if (entry->mm != s->mm || address < entry->start || address >= entry->end ||
	    entry->generation != *(volatile hw_u32 *)&table_generation || entry->check != vma_check(entry) ||
	    !still_holds(entry))
		return -1;
	set_mapping(new_mapping(&s->walk), entry->start, entry->end, entry->offset, entry->table);
	mark_used(s, entry->table);
	return 0;
}

static __always_inline void cache_vma(struct hw_scratch *s, hw_u64 address, const struct hw_vma_copy *copy,
                                      hw_u64 table, hw_u32 generation)
{
	hw_u32 index = vma_hash(s->mm, address);
	struct hw_vma_entry *entry = &s->entry;

	entry->mm = s->mm;
	entry->vma = copy->vma;
	entry->start = copy->start;
	entry->end = copy->end;
	entry->offset = copy->offset;
	entry->file = copy->file;
	entry->inode = copy->inode;
	entry->inode_number = copy->key.inode;
	entry->table = table;
	entry->generation = generation;
	entry->check = vma_check(entry);
	bpf_map_update_elem(&vma_cache, &index, entry, BPF_ANY);
}

static __always_inline void report_miss(struct hw_scratch *s, const struct hw_vma_copy *copy, hw_u32 ask)
{
	struct hw_miss *miss = &s->miss;

	miss->prefix.kind = HW_RING_MISS;
	miss->prefix.zero = 0;
	miss->prefix.sessions = 0;
	miss->key = copy->key;
	miss->start = copy->start;
	miss->end = copy->end;
	miss->pid = (hw_u32)(bpf_get_current_pid_tgid() >> 32);
	miss->ask = ask;
	if (ring_output_now(HW_RING_TASK, miss, sizeof(*miss)))
		COUNT(lost_misses, 1);
}

/* Which table a mapping has, serial << 32 | slot << 16 | kind, if that is known; HW_MAPPING_NONE if not. */
static __always_inline hw_u64 known_table(const struct hw_scratch *s, const struct hw_vma_copy *copy)
{
	struct hw_file *file;

	if (!(copy->flags & VM_EXEC))
		return HW_MAPPING_NOT_CODE;
	if (!copy->file)
		return copy->start == s->vdso && vdso_serial
		           ? (hw_u64)vdso_serial << 32 | HW_TABLE_VDSO << 16 | HW_MAPPING_TABLE
		           : HW_MAPPING_ANONYMOUS;
	file = bpf_map_lookup_elem(&files, &copy->key);
	switch (file ? *(volatile hw_u32 *)&file->state : HW_FILE_ASKED) {
	case HW_FILE_LOADED:
		return (hw_u64)file->serial << 32 | (hw_u64)(file->slot & 0xffff) << 16 | HW_MAPPING_TABLE;
	case HW_FILE_NO_TABLE:
		return HW_MAPPING_NO_TABLE;
	default:
		return HW_MAPPING_NONE;
	}
}

/* Ask for the table of a file that nobody knows, or again for one that has not come. */
static __always_inline hw_u64 ask_for_table(struct hw_scratch *s, const struct hw_vma_copy *copy)
{
	struct hw_file *file = bpf_map_lookup_elem(&files, &copy->key);
	hw_u64 now = bpf_ktime_get_ns();
	struct hw_file asked;

	if (!file) {
		__builtin_memset(&asked, 0, sizeof(asked));
		asked.state = HW_FILE_ASKED;
		asked.ask = __sync_fetch_and_add(&last_ask, 1) + 1;
		asked.asked_ns = now;
		if (bpf_map_update_elem(&files, &copy->key, &asked, BPF_NOEXIST))
			return HW_MAPPING_NO_TABLE;
		report_miss(s, copy, asked.ask);
		return (hw_u64)asked.ask << 32 | HW_MAPPING_MISS;
	}
	if (!file->ask)
		file->ask = __sync_fetch_and_add(&last_ask, 1) + 1;
	if (now - file->asked_ns > HW_ASK_AGAIN_NS) {
		file->asked_ns = now;
		report_miss(s, copy, file->ask);
	}
	return (hw_u64)file->ask << 32 | HW_MAPPING_MISS;
}

static __always_inline hw_u64 table_of(struct hw_scratch *s, const struct hw_vma_copy *copy)
{
	hw_u64 table = known_table(s, copy);

	return table == HW_MAPPING_NONE ? ask_for_table(s, copy) : table;
}

/* Put a vma with its table into the walk, and into the cache if that may be. */
static __always_inline void take_vma(struct hw_scratch *s, hw_u64 address, const struct hw_vma_copy *copy,
                                     hw_u64 table, hw_u32 generation)
{
	mark_used(s, table);
	set_mapping(new_mapping(&s->walk), copy->start, copy->end, copy->offset, table);
	if (copy->vma && (table & 0xffff) != HW_MAPPING_MISS && (table & 0xffff) != HW_MAPPING_NOT_CODE)
		cache_vma(s, address, copy, table, generation);
}

/* In an interrupt: a mapping that no walk has met yet. 0 with w->mapping set, or -1. */
__noinline int find_vma_at_once(struct hw_scratch *s, hw_u64 address)
{
	hw_u32 generation = *(volatile hw_u32 *)&table_generation;
	hw_u64 table;

	if (!s || vma_tree_find(s->mm, address, &s->copy))
		return -1;
	table = known_table(s, &s->copy);
	if (table == HW_MAPPING_NONE)
		return -1;
	COUNT(found_at_once, 1);
	take_vma(s, address, &s->copy, table, generation);
	return 0;
}

struct found_context {
	struct hw_vma_copy *copy;
};

static long copy_found_vma(struct task_struct *task, struct vm_area_struct *vma, struct found_context *found)
{
	read_vma(vma, found->copy);
	found->copy->vma = (hw_u64)vma;
	return 0;
}

/* Changes whenever somebody takes the mmap lock of a task for writing, and is odd while it is held so. */
static __always_inline hw_u32 lock_sequence(struct task_struct *task)
{
	struct mm_struct *mm = AS_KERNEL(task_struct, task)->mm;

	mm = AS_KERNEL(mm_struct, mm);
	return bpf_core_field_exists(mm->mm_lock_seq.sequence) ? mm->mm_lock_seq.sequence : 0;
}

static __always_inline hw_u32 vmas_of(struct task_struct *task)
{
	struct mm_struct *mm = AS_KERNEL(task_struct, task)->mm;

	return (hw_u32)AS_KERNEL(mm_struct, mm)->map_count;
}

/*
 * The iterator passes over every vma that is locked for writing (bpf_iter_task_vma_find_next in
 * kernel/bpf/task_iter.c), as all are while a thread forks. So what it has not found may be there, unless
 * nobody had the lock meanwhile.
 */
static __always_inline int may_have_missed(struct task_struct *task, hw_u32 sequence)
{
	return sequence & 1 || lock_sequence(task) != sequence;
}

/* Iterate to the vma that covers address; copy->end stays 0 if there is none. 0, or negative: not known. */
static __always_inline int iterate_to_vma(struct task_struct *task, hw_u64 address, struct hw_vma_copy *copy)
{
	struct vm_area_struct *vma;
	struct bpf_iter_task_vma it;
	hw_u32 sequence;
	int r;

	if (!config.have_vma_iterator)
		return -16;
	sequence = lock_sequence(task);
	r = bpf_iter_task_vma_new(&it, task, address);
	vma = r ? NULL : bpf_iter_task_vma_next(&it);
	if (vma && vma->vm_start <= address)
		read_vma(vma, copy);
	bpf_iter_task_vma_destroy(&it);
	return !r && !copy->end && may_have_missed(task, sequence) ? -16 : r;
}

/* 0 with *copy filled (end is 0 where nothing is mapped), or -EBUSY. */
static __always_inline int find_vma_copy(struct hw_scratch *s, struct task_struct *task, hw_u64 address,
                                         struct hw_vma_copy *copy)
{
	struct found_context found = {.copy = copy};
	long r;

	__builtin_memset(copy, 0, sizeof(*copy));
	r = bpf_find_vma(task, address, copy_found_vma, &found, 0);
	if (!r || r == -2 /* ENOENT */)
		return 0;
	COUNT(find_busy, 1);
	return iterate_to_vma(task, address, copy) ? -16 : 0;
}

/* In the task's own context: put the mapping of address into the walk. 0, or -EBUSY. */
static __always_inline int supply_mapping(struct hw_scratch *s, struct task_struct *task, hw_u64 address)
{
	hw_u32 generation = *(volatile hw_u32 *)&table_generation;
	struct hw_vma_copy *copy = &s->copy;
	hw_u64 table;

	if (find_vma_copy(s, task, address, copy))
		return -16;
	if (!copy->end) {
		set_mapping(new_mapping(&s->walk), address, address + 1, 0, HW_MAPPING_NOT_CODE);
		return 0;
	}
	table = table_of(s, copy);
	take_vma(s, address, copy, table, generation);
	return 0;
}

#endif
