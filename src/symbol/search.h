/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Finding the file that was mapped when a recording was made, and no other: by its build ID wherever it
 * may be now; without a build ID only where it was, and only if it is still the same inode, unchanged since.
 */
#ifndef HW_SYMBOL_SEARCH_H
#define HW_SYMBOL_SEARCH_H

#include "merge/recording.h"
#include "symbol/elf_file.h"

struct hw_search {
	const char *root;              /* prefix of all recorded paths, NULL: none */
	const char *debug_directories; /* with ":" between */
	bool this_boot;                /* recorded since this machine booted: /proc is worth a look */
	uint64_t begin_ns;             /* time of the recording's begin */
};

/* Whether /proc/PID is still the process that had this number at a time (CLOCK_MONOTONIC, of this boot). */
bool hw_search_is_alive(const struct hw_search *search, uint32_t pid, uint64_t time_ns);

/*
 * Open the file of a mapping. pid is a process that has it; alive as hw_search_is_alive says. *symbols_only:
 * it is a debug file, which has no code. 0, -ENOENT, -ESTALE: what is there is another file, -EACCES, or
 * -ENOEXEC.
 */
int hw_search_program(const struct hw_search *search, const struct hw_process_event *map, uint32_t pid,
                      bool alive, struct hw_elf_file *file, bool *symbols_only);

/* Open the separate debug file of a program found for the mapping. 0 or -ENOENT. */
int hw_search_debug(const struct hw_search *search, const struct hw_process_event *map, uint32_t pid,
                    bool alive, const struct hw_elf_file *program, struct hw_elf_file *debug);

#endif
