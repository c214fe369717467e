/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Building records as our own recordings carry them: samples of type HW_SAMPLE_TYPE, and side-band records
 * that end in the sample_id of that type (TID, TIME, CPU), as perf_event_attr.sample_id_all has it.
 *
 * Each function fills buffer (8-byte aligned, size bytes) with one whole record and returns its size in
 * bytes, or -E2BIG where it does not fit, or fits no record. Nothing is allocated, nothing is kept.
 */
#ifndef HW_PERFDATA_RECORDS_H
#define HW_PERFDATA_RECORDS_H

#include "perfdata/format.h"
#include "walk/reason.h"

/* Whose and when: the end of every side-band record. */
struct hw_record_id {
	uint32_t pid, tid;
	uint64_t time_ns;
	uint32_t cpu;
};

struct hw_record_sample {
	struct hw_record_id id;
	uint16_t cpumode; /* PERF_RECORD_MISC_KERNEL or PERF_RECORD_MISC_USER: where ip is */
	uint8_t refusal;  /* enum hw_refusal; not NONE only without cookie */
	uint64_t ip;
	uint64_t period;
	const uint64_t *kernel_ips; /* leaf first, without context markers */
	size_t kernel_count;        /* 0: no kernel part */
	uint64_t cookie;            /* 0: asked for no user stack */
	const uint64_t *user_ips;   /* a user part that came at once; only without cookie (merged exports) */
	size_t user_count;
};

/* The callchain is [KERNEL, ips…], then [USER_DEFERRED, cookie] or [USER, ips…] where there is such a part.
 */
int hw_build_sample(void *buffer, size_t size, const struct hw_record_sample *sample);

/* PERF_RECORD_CALLCHAIN_DEFERRED; end is enum hw_end_reason. */
int hw_build_deferred(void *buffer, size_t size, const struct hw_record_id *id, uint64_t cookie,
                      const uint64_t *ips, size_t count, uint8_t end);

struct hw_record_mmap {
	struct hw_record_id id;
	uint32_t pid, tid;              /* of the process; (uint32_t)-1 for the kernel's own */
	uint16_t cpumode;               /* PERF_RECORD_MISC_USER or _KERNEL */
	uint64_t start, length, offset; /* bytes */
	uint32_t major, minor;          /* these four only without a build ID */
	uint64_t inode, generation;
	const uint8_t *build_id;
	uint8_t build_id_size;      /* up to 20; 0: none */
	uint32_t protection, flags; /* PROT_*, MAP_* */
	const char *name;
};

/* PERF_RECORD_MMAP2, with PERF_RECORD_MISC_MMAP_BUILD_ID where it carries a build ID. */
int hw_build_mmap(void *buffer, size_t size, const struct hw_record_mmap *mmap);

/* PERF_RECORD_KSYMBOL: length bytes of kernel code from start on are the BPF program called name. */
int hw_build_ksymbol(void *buffer, size_t size, const struct hw_record_id *id, uint64_t start,
                     uint32_t length, const char *name);

/* PERF_RECORD_EVENT_UPDATE: what sampling cost, in words; perf takes it for the unit that the event counts
 * in. */
int hw_build_cost(void *buffer, size_t size, const char *cost);

/* PERF_RECORD_COMM: thread tid of pid is called name; exec: because of an execve. */
int hw_build_comm(void *buffer, size_t size, const struct hw_record_id *id, uint32_t pid, uint32_t tid,
                  const char *name, bool exec);

/* PERF_RECORD_FORK or PERF_RECORD_EXIT (type); the time is that of id. */
int hw_build_task(void *buffer, size_t size, const struct hw_record_id *id, uint32_t type, uint32_t pid,
                  uint32_t tid, uint32_t ppid, uint32_t ptid);

/* PERF_RECORD_LOST: count records are missing; what is HW_LOST_CALLCHAINS or HW_LOST_OTHER. */
int hw_build_lost(void *buffer, size_t size, const struct hw_record_id *id, uint64_t count,
                  unsigned int what);

/* PERF_RECORD_LOST_SAMPLES: count samples are missing. */
int hw_build_lost_samples(void *buffer, size_t size, const struct hw_record_id *id, uint64_t count);

#endif
