/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Finishing: the user stack of a sample that brought its registers and a copy of its stack with it, as
 * "perf record --call-graph dwarf" takes them (our own dump backend walks while it records:
 * capture/finisher.h). The walk is walk/walker.h's, with the tables of the files that the process had mapped
 * then.
 *
 * A finisher follows processes: it is fed maps, forks and execs in order of time, and asked about samples in
 * the same order. Tables are compiled when a walk first needs them, in the compiler's process (it is made
 * with the finisher), and the least recently used go where they need too much memory. A file is only used if
 * it is the one of the recording: same build ID, or, where none is known, same device and inode.
 *
 * Not thread-safe: one owner.
 */
#ifndef HW_FINISH_FINISH_H
#define HW_FINISH_FINISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "walk/reason.h"
#include "walk/walk.h"

struct hw_finish;

struct hw_finish_options {
	bool this_boot;   /* recorded on this machine and kernel: the vDSO is ours, device and inode mean
	                     something */
	const char *root; /* prefix of paths; NULL: none */
	const char *cache_directory; /* of tables; NULL: none */
	uint64_t table_bytes;        /* cap on tables in memory; 0: 256 MiB */
};

/* One mapping, as PERF_RECORD_MMAP2 tells it. */
struct hw_finish_map {
	uint32_t pid;
	uint64_t start, length, offset; /* bytes */
	bool executable;
	uint32_t major, minor; /* these three 0: not known */
	uint64_t inode;
	const uint8_t *build_id;
	uint8_t build_id_size; /* 0: not known */
	const char *path;      /* or "[vdso]", "//anon" … */
};

/* PERF_SAMPLE_REGS_USER and PERF_SAMPLE_STACK_USER of x86-64 (arch/x86/include/uapi/asm/perf_regs.h). */
struct hw_finish_sample {
	uint32_t pid;
	uint64_t regs_mask;   /* perf_event_attr.sample_regs_user */
	const uint64_t *regs; /* one for each bit, lowest first */
	const uint8_t *stack; /* from the stack pointer upwards */
	size_t stack_size;    /* bytes that were really copied (dyn_size) */
};

struct hw_finish_status {
	uint64_t tables, table_bytes;
	uint64_t files_missing;  /* that were needed and not there, not the right ones, or not readable */
	uint64_t walks_missing;  /* that ended in one of them */
	struct hw_error problem; /* why tables could not be compiled at all; code 0: they could */
};

/* A file that was needed and not to be had. */
struct hw_finish_missing {
	const char *path; /* in the recording; owned by the finisher */
	const char *why;  /* words for it */
	uint64_t walks;   /* that ended there */
};

/* options may be NULL. 0, -ENOMEM, or what hw_compiler_new returns. */
int hw_finish_new(const struct hw_finish_options *options, struct hw_finish **finisher, struct hw_error *err);
void hw_finish_free(struct hw_finish *finisher);

/* Process events. Strings are copied. 0 or -ENOMEM. */
int hw_finish_map(struct hw_finish *finisher, const struct hw_finish_map *map);
int hw_finish_fork(struct hw_finish *finisher, uint32_t pid, uint32_t parent);
void hw_finish_exec(struct hw_finish *finisher, uint32_t pid); /* its old mappings are gone */
void hw_finish_exit(struct hw_finish *finisher, uint32_t pid); /* nothing of it will be asked any more */

/*
 * Walk: up to HW_FRAMES_MAX ips, leaf first, and why it ended. *count is 0 only where the registers do not
 * hold ip and sp.
 */
enum hw_end_reason hw_finish_walk(struct hw_finish *finisher, const struct hw_finish_sample *sample,
                                  uint64_t ips[HW_FRAMES_MAX], size_t *count);

void hw_finish_status(const struct hw_finish *finisher, struct hw_finish_status *status);
/* The files that were missing and ended the most walks, those first: how many, at most max. */
size_t hw_finish_missing(const struct hw_finish *finisher, struct hw_finish_missing *list, size_t max);

#endif
