/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Processes as they were at one moment: their mappings and the names of their threads. */
#ifndef HW_SYMBOL_PROCESSES_H
#define HW_SYMBOL_PROCESSES_H

#include "merge/recording.h"

struct hw_processes;

struct hw_processes *hw_processes_new(void); /* NULL: out of memory */
void hw_processes_free(struct hw_processes *processes);
/* Apply one event; its strings must outlive the processes. 0 or -ENOMEM. */
int hw_processes_apply(struct hw_processes *processes, const struct hw_process_event *event);
/* The mapping of pid that covers address, as the event that made it; *start: where what is left begins. */
const struct hw_process_event *hw_processes_find(struct hw_processes *processes, uint32_t pid,
                                                 uint64_t address);
/*
 * The same for a stack that was walked at time_ns: before the last execve of pid, it is of the image that was
 * replaced. Just after it, it may be so, too: samples within execve share the walk made at its begin. So what
 * the new image does not have is looked for in the one before.
 */
const struct hw_process_event *hw_processes_find_then(struct hw_processes *processes, uint32_t pid,
                                                      uint64_t address, uint64_t time_ns);
/*
 * What hw_processes_find_then would say of all addresses of pid, as one number: moments and processes with
 * the same number get the same answers. Where a process has memory of its own, no other one has its number.
 */
uint64_t hw_processes_layout(struct hw_processes *processes, uint32_t pid, uint64_t time_ns);
/* Memory without a file, where a JIT compiler may put code; a file in memory, which may hold a program or
 * such code. */
bool hw_mapping_is_anonymous(const struct hw_process_event *map);
bool hw_mapping_is_memory_file(const struct hw_process_event *map);
/* The name of a thread, or NULL. */
const char *hw_processes_name(const struct hw_processes *processes, uint32_t pid, uint32_t tid);

#endif
