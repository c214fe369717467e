/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of the kernel side, and the state of one task. */
#ifndef HW_BPF_MAPS_H
#define HW_BPF_MAPS_H

#include "bpf/abi.h"

const volatile struct hw_bpf_config config = {};

/* Raised by user space with every table that it takes away: cached mappings of before are not believed. */
hw_u32 table_generation = 1;
/* Numbers of misses, from 1. */
hw_u32 last_ask = 0;
/* Who samples what. */
struct hw_session_masks masks = {};
/* What look_at_slots is asked, and finds. */
struct hw_slot_look look = {};
/* The mapping of the vDSO is told by its address; its table by this serial. */
hw_u32 vdso_serial = 0;

/* What is copied out of a vma, before anything is done about it. */
struct hw_vma_copy {
	hw_u64 vma, start, end, offset, file, inode, flags;
	struct hw_file_key key;
};

/* Direct-mapped, for all tasks, by mm and address: only what still holds of the vma itself is believed. */
struct hw_vma_entry {
	hw_u64 check; /* of all words below */
	hw_u64 mm;
	hw_u64 vma;
	hw_u64 start, end, offset;
	hw_u64 file, inode;
	hw_u64 inode_number;
	hw_u64 table; /* serial << 32 | slot << 16 | kind */
	hw_u64 generation;
};

/* For whom and until when the mappings that a walk has met hold for the next one, too. */
struct hw_kept {
	hw_u64 task, start; /* struct task_struct *, as a number; start_boottime */
	hw_u64 mm;
	hw_u64 now_s;
	hw_u32 exec_id, sequence, generation, zero;
};

/* What one walk works on. Never per CPU where a walk may sleep. */
struct hw_scratch {
	struct hw_walk walk;
	hw_u64 window_start; /* address of window[0] */
	hw_u32 window_bytes; /* how much of it is filled */
	int result;          /* of the frame that stopped walk_run */
	hw_u64 mm;           /* struct mm_struct *, as a number */
	hw_u64 now_s;        /* of table_infos.used_s */
	hw_u64 vdso;
	hw_u64 walked_ns; /* of the record; 0: now */
	hw_u64 window[HW_WINDOW_WORDS];
	hw_u64 sample[HW_SAMPLE_WORDS + 1]; /* of a walk at once: ends in the prefix of record */
	struct hw_callchain_record record;
	/* too large for a program's stack */
	struct hw_vma_copy copy;
	struct hw_vma_entry entry;
	struct hw_miss miss;
	struct hw_unfinished unfinished;
	hw_u32 mapping_room; /* at most so many mappings go into it */
	hw_u32 vma_count;    /* gone through for them */
	hw_u32 at_once;      /* the walk is made in an interrupt */
	struct hw_kept kept; /* of walks in interrupts */
};

/*
 * A task that was asked. state is one atomic word: its top bit says that a request is open, the next that the
 * word more has something, the others which sessions it is owed to; the two sessions for which no bit is left
 * there stand in more. The slot belongs to the task, not to its tid: task and start are compared at every
 * use.
 */
#define HW_OPEN        (1ull << 63)
#define HW_MORE        (1ull << 62)
#define HW_IN_STATE    (HW_MORE - 1) /* sessions whose bit stands in state */
#define HW_HANDED_OVER 0x100         /* of ended */
struct hw_slot {
	struct bpf_task_work work;
	hw_u64 state;
	hw_u64 more;   /* of those not in HW_IN_STATE, the sessions that it is owed to */
	hw_u64 served; /* sessions that have this stay's callchain */
	hw_u64 taking; /* sessions taken from state whose records are not in a ring yet */
	hw_u64 cookie;
	hw_u64 task;    /* struct task_struct *, as a number */
	hw_u64 start;   /* start_boottime */
	hw_u32 tid;     /* the slot's key */
	hw_u32 exec_id; /* self_exec_id when asked */
	hw_u32 in_exec; /* between sched_prepare_exec and sched_process_exec */
	hw_u32 ended;   /* end reason of the walk in scratch, or HW_HANDED_OVER */
	struct hw_scratch scratch;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HW_TASKS_MAX);
	__type(key, hw_u32);
	__type(value, struct hw_slot);
} slots SEC(".maps");

/*
 * Test only, by tid: a walk made at once, until its task comes home and can copy the stack. Its frames stand
 * in ips; size is their count, misc the end reason, prefix.sessions pc, nr rsp, cookie that of the slot.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HW_TASKS_MAX);
	__type(key, hw_u32);
	__type(value, struct hw_callchain_record);
} truth_at_once SEC(".maps");

/* What a new slot is made from: a value with a task work must not be written as a global. */
struct hw_zero {
	char bytes[sizeof(struct hw_slot)];
};
const struct hw_zero zero_slot = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, hw_u32);
	__type(value, struct hw_scratch);
} interrupt_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, hw_u32);
	__type(value, struct hw_sample_record);
} sample_scratch SEC(".maps");

/* By CPU. Read through a mapping: while bpf() looks into a map, samples of that CPU are dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the real size is set by user space */
	__type(key, hw_u32);
	__type(value, struct hw_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, hw_u32);
	__type(value, hw_u32);
} cookie_counter SEC(".maps");

/* Processes asked for, by tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HW_TASKS_MAX);
	__type(key, hw_u32);
	__type(value, struct hw_target);
} targets SEC(".maps");

#define MASKS_BY(name, key_type)                                                                             \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_HASH);                                                             \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                        \
		__uint(max_entries, 64);                                                                     \
		__type(key, key_type);                                                                       \
		__type(value, hw_u64);                                                                       \
	} name SEC(".maps")
MASKS_BY(uids, hw_u32);
MASKS_BY(cgroups, hw_u64);
MASKS_BY(viewers, struct hw_viewer);

/* Threads other than the leader inside execve, by task: the tid that they had, and their slot has. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HW_TASKS_MAX);
	__type(key, hw_u64);
	__type(value, hw_u32);
} thread_execs SEC(".maps");
hw_u32 threads_exec = 0; /* there has ever been one: seldom */

/* By 64 * cpu + session. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64); /* the real size is set by user space */
	__type(key, hw_u32);
	__type(value, struct hw_losses);
} losses SEC(".maps");

struct hw_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the real size is set by user space */
};
struct hw_ring ring_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, hw_u32);
	__array(values, struct hw_ring);
} rings SEC(".maps") = {.values = {[0] = &ring_inner}};

struct hw_table_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, hw_u32);
	__type(value, struct hw_block);
};
struct hw_table_map table_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HW_TABLES_MAX);
	__type(key, hw_u32);
	__array(values, struct hw_table_map);
} tables SEC(".maps") = {.values = {[0] = &table_inner}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HW_TABLES_MAX);
	__type(key, hw_u32);
	__type(value, struct hw_table_info);
} table_infos SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HW_FILES_MAX);
	__type(key, struct hw_file_key);
	__type(value, struct hw_file);
} files SEC(".maps");

/* Direct-mapped, for all CPUs, without a lock: a torn or foreign entry fails the check. */
struct hw_row_entry {
	hw_u64 check; /* key ^ rule */
	hw_u64 rule;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HW_ROW_CACHE_SIZE);
	__type(key, hw_u32);
	__type(value, struct hw_row_entry);
} row_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HW_VMA_CACHE_SIZE);
	__type(key, hw_u32);
	__type(value, struct hw_vma_entry);
} vma_cache SEC(".maps");

/* Direct-mapped, by tid: the task's stay in the kernel that a sample hit last (kernel_hit.bpf.h). */
#define HW_STAYS 8192 /* a power of two */
struct hw_stay {
	hw_u64 task, start; /* struct task_struct *, as a number; start_boottime */
	hw_u64 registers;   /* a hash of what the task came with */
	hw_u64 is_long;     /* several samples hit it, or so it seems */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HW_STAYS);
	__type(key, hw_u32);
	__type(value, struct hw_stay);
} stays SEC(".maps");

static __always_inline struct hw_counters *counter(void)
{
	hw_u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &cpu);
}
#define COUNT(field, n)                                                                                      \
	do {                                                                                                 \
		struct hw_counters *c_ = counter();                                                          \
		if (c_)                                                                                      \
			c_->field += (n);                                                                    \
	} while (0)

#endif
