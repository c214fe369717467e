/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A recording, read whole: samples merged with their deferred callchains, and the process events beside
 * them, both sorted by time. This is what symbol/ and report/ work on.
 *
 * Samples that brought registers and a copy of their stack (perf record --call-graph dwarf) are walked here.
 *
 * The merge key is (tid, cookie), never time: a callchain may come long after its samples, or just before
 * the last one of its stay. So the whole file is read first and samples are joined afterwards. Stacks are
 * kept once however often they occur (stack ids), so memory follows the number of samples and of different
 * stacks, not the size of the file.
 */
#ifndef HW_MERGE_RECORDING_H
#define HW_MERGE_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "walk/reason.h"

#define HW_NO_STACK 0u /* the id of the empty stack */

enum hw_sample_state {
	HW_SAMPLE_KERNEL_ONLY, /* the task has no user part (kernel thread, idle) */
	HW_SAMPLE_REFUSED,     /* has a user part, did not ask: see refusal */
	HW_SAMPLE_UNANSWERED,  /* asked, no callchain came: see unanswered */
	HW_SAMPLE_ANSWERED,    /* merged: see end */
	HW_SAMPLE_DIRECT,      /* the user stack came with the sample (others' recordings) */
	HW_SAMPLE_CALLCHAIN,   /* no sample but a deferred callchain; only where they are not merged */
};

struct hw_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC unless the recording says otherwise */
	uint64_t ip;
	uint64_t period;
	uint64_t cookie; /* 0: none */
	uint32_t pid, tid, cpu;
	uint32_t kernel_stack; /* stack ids; leaf first */
	uint32_t user_stack;
	uint16_t event;     /* index into hw_recording.events */
	uint8_t state;      /* enum hw_sample_state */
	uint8_t refusal;    /* enum hw_refusal, for REFUSED */
	uint8_t end;        /* enum hw_end_reason, for ANSWERED */
	uint8_t unanswered; /* enum hw_unanswered, for UNANSWERED */
	uint8_t cpumode;    /* PERF_RECORD_MISC_KERNEL or _USER …: where ip is */
	/*
	 * How long before this sample its user stack was walked, microseconds, rounded down; 0: then or
	 * later. Samples within execve have the stack of the image before.
	 */
	uint32_t walked_before_us;
};

enum hw_process_event_type {
	HW_PROCESS_MMAP, /* a file or memory mapped (executable ones at least) */
	HW_PROCESS_COMM, /* a thread's name; exec tells whether it came from execve */
	HW_PROCESS_FORK,
	HW_PROCESS_EXIT,
};

struct hw_process_event {
	uint64_t time_ns;  /* 0 for what was there before the recording began */
	uint32_t type;     /* enum hw_process_event_type */
	uint32_t pid, tid; /* pid is (uint32_t)-1 for the kernel's own mappings */
	uint32_t ppid, ptid;
	bool exec;                      /* COMM */
	bool kernel;                    /* MMAP: of the kernel or a module */
	uint64_t start, length, offset; /* MMAP; bytes */
	uint32_t major, minor;          /* MMAP: 0 if the record carried a build ID instead */
	uint64_t inode;
	uint32_t protection;   /* MMAP: PROT_* */
	uint8_t build_id[20];  /* MMAP */
	uint8_t build_id_size; /* 0: none */
	const char *name;      /* MMAP: path, "[vdso]", "//anon", "[kernel.kallsyms]_text", a
	                        * BPF program's, as "bpf_prog_0123456789abcdef_name"; COMM: the name */
};

struct hw_recording_event {
	char name[64];  /* "cpu-clock" */
	bool frequency; /* rate is in Hz, else a period in events (ns for clocks) */
	uint64_t rate;
	uint32_t type; /* PERF_TYPE_* and its config, as perf_event_open(2) has them */
	uint64_t config;
	uint64_t samples;
};

/* What the recording says about itself: strings are NULL where it does not say. */
struct hw_recording_info {
	const char *hostname, *os_release, *arch, *cpu_description, *tool_version, *backend;
	const char *cost;           /* what sampling cost, in words */
	const char *const *command; /* argv of the recorder */
	size_t command_count;
	uint32_t cpus_online, cpus_available;
	uint64_t memory_bytes;
};

struct hw_lost_on_cpu {
	uint32_t cpu;
	uint64_t samples, callchains;
};

#define HW_MISSING_FILES_MAX 8

struct hw_missing_file {
	const char *path, *why; /* words */
	uint64_t walks;         /* that ended there */
};

/* Accounts of the whole recording; see "homeward stats". The arrays sum up as their names promise. */
struct hw_account {
	uint64_t bytes, duration_ns;
	uint64_t samples, user_samples, asked, answered, callchains, complete;
	uint64_t repeated;                   /* callchains that came twice and were ignored */
	uint64_t ended[HW_END_REASON_COUNT]; /* of answered */
	uint64_t refused[HW_REFUSAL_COUNT];  /* sums to user_samples - asked (direct ones left out) */
	uint64_t unanswered[HW_UNANSWERED_COUNT];
	uint64_t direct; /* user samples that brought their stack with them */
	uint64_t lost_samples, lost_callchains, lost_other;
	const struct hw_lost_on_cpu
	    *lost_on; /* the first two, CPU by CPU as they came; owned by the recording */
	size_t lost_on_count;
	uint64_t unread_bytes; /* what a truncated or corrupt file kept from us */
	bool ended_cleanly;    /* the recorder closed the file */
	char damage[160];      /* what was wrong, one line; empty: nothing */
	/* files that walks of stack copies needed, and that are not there or not the right ones */
	uint64_t files_missing, walks_missing; /* how many; walks that ended in them */
	const struct hw_missing_file *missing; /* those that ended the most; owned by the recording */
	size_t missing_count;
};

struct hw_recording; /* opaque; owned by the caller of hw_recording_load */

struct hw_load_options {
	/* called now and then on long files; may be NULL */
	void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total);
	void *context;
	/* For samples that brought a copy of their stack: where to find files and to keep tables; NULL: none
	 */
	const char *root, *cache_directory;
	bool unmerged; /* deferred callchains stand among the samples, which go without */
};

/*
 * Read path ("-": standard input). A damaged file gives what is readable, with
 * account.damage saying what is not; a file that is no recording at all is -EINVAL. The caller frees the
 * result with hw_recording_free.
 */
int hw_recording_load(const char *path, const struct hw_load_options *options,
                      struct hw_recording **recording, struct hw_error *err);
void hw_recording_free(struct hw_recording *recording);

const struct hw_sample *hw_recording_samples(const struct hw_recording *recording, size_t *count);
const struct hw_process_event *hw_recording_process_events(const struct hw_recording *recording,
                                                           size_t *count);
const struct hw_recording_event *hw_recording_events(const struct hw_recording *recording, size_t *count);
const struct hw_recording_info *hw_recording_info(const struct hw_recording *recording);
const struct hw_account *hw_recording_account(const struct hw_recording *recording);

/* The ips of a stack, leaf first; owned by the recording. Id HW_NO_STACK has count 0. */
const uint64_t *hw_recording_stack(const struct hw_recording *recording, uint32_t stack, size_t *count);
/* How many stack ids there are; ids run from 0 to one less. */
size_t hw_recording_stack_count(const struct hw_recording *recording);

#endif
