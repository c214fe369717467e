/* SPDX-License-Identifier: (LGPL-2.1-only OR GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the kernel side and user space say to each other: maps, ring records, options.
 *
 * Ring records carry complete perf.data records, so that the recorder only copies: a prefix
 * (what it is, for which sessions), then the bytes as they go to the file. A sample that was walked at
 * once comes together with its callchain.
 */
#ifndef HW_BPF_ABI_H
#define HW_BPF_ABI_H

#include "walk/walk.h"

#define HW_KERNEL_FRAMES_MAX 127
#define HW_CPUS_MAX          4096
#define HW_TABLES_MAX        16384 /* table slots; slot 0 is never used, slot 1 is the vDSO */
#define HW_TABLE_VDSO        1
#define HW_FILES_MAX         65536
#define HW_TASKS_MAX         131072
#define HW_ROW_CACHE_SIZE    262144       /* entries, a power of two */
#define HW_VMA_CACHE_SIZE    16384        /* entries, a power of two */
#define HW_ASK_AGAIN_NS      200000000ull /* between two reports of one file's miss */
#define HW_STACK_COPY_MAX    (128 * 1024)

/* Two rings a CPU: an interrupt inside a reserve on its own ring would lose its record. */
#define HW_RING_INTERRUPT 0 /* ring 2 * cpu: samples, and walks made at once */
#define HW_RING_TASK      1 /* ring 2 * cpu + 1: what tasks emit on their way home */

enum hw_ring_kind {
	HW_RING_PERF = 1,          /* perf.data records follow the prefix */
	HW_RING_MISS = 2,          /* struct hw_miss */
	HW_RING_UNFINISHED = 3,    /* struct hw_unfinished, then ips, stack bytes and mappings */
	HW_RING_TRUTH = 4,         /* the same, of a finished walk: test only */
	HW_RING_LATE = 5,          /* struct hw_late */
	HW_RING_TRUTH_AT_ONCE = 6, /* as HW_RING_TRUTH, of a walk that was made in the interrupt */
};

struct hw_ring_prefix {
	hw_u32 kind; /* enum hw_ring_kind */
	hw_u32 zero;
	hw_u64 sessions; /* bit mask of those it is for */
};

#define HW_EVENTS_MAX 256 /* kernel events that sessions share; a power of two */
#define HW_EVENT_PERIOD_VARIES                                                                               \
	HW_EVENTS_MAX /* beside the index in its BPF cookie: samples say their period */

/* Code of the kernel; size 0: none. */
struct hw_code_range {
	hw_u64 start, size; /* bytes */
};
#define HW_SIGNAL_CODE_MAX 16

/* Who samples what: written by user space through a mapping. A mask has a bit for each session. */
struct hw_session_masks {
	hw_u64 active;  /* sessions that sample, by whatever event */
	hw_u64 limited; /* sessions whose viewer may see only what the map viewers allows */
	hw_u64 by_process, by_uid, by_cgroup; /* sessions with that filter; in none of them: all tasks */
	hw_u64 events[HW_EVENTS_MAX]; /* by the index in the event's cookie: sessions that get its samples */
	/* Where the kernel changes a task's user registers, one by one; the first is empty if it is not
	 * known. */
	struct hw_code_range signal_code[HW_SIGNAL_CODE_MAX];
};

/* A process in the map targets. One that is gone stays, so that its last records can be told apart. */
struct hw_target {
	hw_u64 live, gone; /* masks of sessions that asked for it */
};

/* Key of the map viewers: uids and gids that all are the same. */
struct hw_viewer {
	hw_u32 uid, gid;
};

/* A file as the kernel knows it behind vm_file. All zero: no file. */
struct hw_file_key {
	hw_u64 inode;
	hw_u64 size; /* bytes */
	hw_u64 mtime_sec;
	hw_u32 mtime_nsec;
	hw_u32 device;     /* kernel's dev_t */
	hw_u32 generation; /* i_generation */
	hw_u32 zero;
};

enum hw_file_state {
	HW_FILE_ASKED = 1, /* a miss was reported; nothing there yet */
	HW_FILE_LOADED = 2,
	HW_FILE_NO_TABLE = 3, /* looked at, and there is none to be had */
};

struct hw_file {
	hw_u32 state;  /* enum hw_file_state */
	hw_u32 ask;    /* number of the miss, from 1; 0: never asked */
	hw_u32 serial; /* of the table; never used twice */
	hw_u32 slot;   /* of the table */
	hw_u64 asked_ns;
};

struct hw_table_info {
	hw_u32 serial;     /* 0: the slot is empty */
	hw_u32 row_blocks; /* rules begin at this block */
	hw_u64 used_s;     /* when a walk used it last: CLOCK_MONOTONIC >> 30, about seconds */
};
#define HW_USED_SHIFT 30

struct hw_block {
	hw_u64 words[HW_BLOCK_WORDS];
};

struct hw_miss {
	struct hw_ring_prefix prefix;
	struct hw_file_key key;
	hw_u64 start, end; /* of the mapping */
	hw_u32 pid;
	hw_u32 ask;
};

/* A walk that met a missing table: user space finishes it. */
struct hw_unfinished {
	struct hw_ring_prefix prefix;
	hw_u64 cookie;
	hw_u64 time_ns;
	hw_u32 pid, tid;
	hw_u32 cpu;
	hw_u32 mapping_count; /* struct hw_mapping each, after the stack */
	hw_u64 stack_address; /* of the first byte: below rsp, with the red zone */
	hw_u32 stack_size;    /* bytes, after the ips; a multiple of 8 */
	hw_u32 ip_count;      /* the frames found so far, right after this struct */
	struct hw_walk walk;
};

/* A sample of sessions that were not served joined a walk that was handed over already. */
struct hw_late {
	struct hw_ring_prefix prefix;
	hw_u64 cookie;
	hw_u64 time_ns;
	hw_u32 pid, tid;
	hw_u32 cpu, zero;
};

/*
 * A perf.data sample record (linux/perf_event.h: PERF_RECORD_SAMPLE, ip|tid|time|cpu[|period]|callchain), in
 * eight words before nr: a head of seven, then the period; or where the file's attribute says the period, one
 * word unused, then the head.
 */
struct hw_sample_head {
	struct hw_ring_prefix prefix;
	hw_u32 type;
	hw_u16 misc;
	hw_u16 size;
	hw_u64 ip;
	hw_u32 pid, tid;
	hw_u64 time_ns;
	hw_u32 cpu, zero;
};

#define HW_SAMPLE_WORDS 8
struct hw_sample_record {
	hw_u64 head[HW_SAMPLE_WORDS];
	hw_u64 nr;
	hw_u64 ips[HW_KERNEL_FRAMES_MAX + 1 + 2]; /* marker, kernel frames, marker, cookie */
	hw_u64 unused; /* so that the longest one fits wherever the verifier thinks it begins */
};

/* A perf.data deferred callchain (kernel/events/core.c of 6.19: PERF_RECORD_CALLCHAIN_DEFERRED). */
struct hw_callchain_record {
	struct hw_ring_prefix prefix;
	hw_u32 type;
	hw_u16 misc;
	hw_u16 size;
	hw_u64 cookie;
	hw_u64 nr;
	hw_u64 ips[HW_FRAMES_MAX + 3]; /* then sample_id: pid and tid, time, cpu */
};
#define HW_SAMPLE_ID_BYTES 24

/* Set by user space before the programs are loaded. */
struct hw_bpf_config {
	hw_u64 wake_bytes;        /* wake the reader when a ring's fill crosses this */
	hw_u32 deferred_only;     /* never walk at once */
	hw_u32 stack_copy_bytes;  /* of an unfinished walk; at most HW_STACK_COPY_MAX */
	hw_u32 truth;             /* test only: send registers and stack of every finished walk */
	hw_u32 frames_max;        /* at most HW_FRAMES_MAX */
	hw_u32 have_vma_iterator; /* the good form of bpf_iter_task_vma */
};

/* Counted per CPU, each in cache lines of its own; user space sums. */
struct hw_counters {
	hw_u64 samples;         /* emitted */
	hw_u64 idle;            /* hits of the idle task, not emitted */
	hw_u64 filtered;        /* hits of processes nobody asked for */
	hw_u64 lost_samples;    /* no room in the ring */
	hw_u64 lost_callchains; /* no room in the ring: by the session's count, not the walk's */
	hw_u64 lost_misses;
	hw_u64 lost_truth;    /* test only */
	hw_u64 requests;      /* task work scheduled */
	hw_u64 shared;        /* samples that joined an open request */
	hw_u64 late;          /* samples right after their walk */
	hw_u64 at_once;       /* walks made in the interrupt */
	hw_u64 not_at_once;   /* tried in the interrupt, then deferred */
	hw_u64 found_at_once; /* mappings looked up in the interrupt */
	hw_u64 walks;         /* walks made by tasks */
	hw_u64 frames;
	hw_u64 faults;    /* pages faulted in */
	hw_u64 find_busy; /* bpf_find_vma refused */
	hw_u64 unfinished;
	hw_u64 refused_schedule;
	hw_u64 refused_slot;
	hw_u64 again;     /* walks handed out again, to a session that came late */
	hw_u64 forbidden; /* callchains that a limited session may not see any more */
} __attribute__((aligned(64)));

/* Per session and CPU: what did not fit the rings. */
struct hw_losses {
	hw_u64 samples, callchains;
};

/* Found by look_at_slots. */
struct hw_slot_look {
	hw_u64 ask;    /* count open requests of these sessions, */
	hw_u64 forget; /* and take these out of every slot */
	hw_u32 owed;
	hw_u32 taking; /* slots that are emitting for a forgotten session just now: look again */
};

/* What the program iter/task_vma writes for each executable file mapping. */
struct hw_iterated_mapping {
	struct hw_file_key key;
	hw_u64 start, end, offset;
	hw_u32 pid;
	hw_u32 executable;
};

#endif
