/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What code belongs to: a mapped file, the vDSO, the run-time code of a process. With its symbols, once read.
 */
#ifndef HW_SYMBOL_SYMBOL_FILE_H
#define HW_SYMBOL_SYMBOL_FILE_H

#include "symbol/bounds.h"
#include "symbol/lines.h"
#include "symbol/search.h"
#include "symbol/symbol.h"
#include "symbol/symtab.h"

struct hw_symbol_file {
	const char *path;  /* as it is shown */
	uint32_t number;   /* dense, from 0 on */
	uint8_t kind;      /* enum hw_frame_kind */
	uint8_t cause;     /* enum hw_gap_cause: why an address without a symbol has none */
	uint8_t tries;     /* how often it was looked for in vain */
	bool read;         /* there is no use in looking for it again */
	uint32_t last_pid; /* where it was looked for last */
	uint64_t unnamed;  /* different addresses without a symbol */
	struct hw_symtab symtab;
	struct hw_elf_load *loads; /* by which offsets become addresses; without any they are the same */
	size_t load_count;
	struct hw_lines *lines; /* NULL: not asked for, or none */
	bool lines_tried;
	struct hw_bounds bounds; /* of functions, for those without a symbol */
	bool bounds_tried;
};

/*
 * Read the symbols of the file behind a mapping of process pid; alive as hw_search_is_alive says. Failure
 * is told by file->cause, and by file->read being false.
 */
void hw_symbol_file_read(struct hw_symbol_file *file, const struct hw_search *search,
                         const struct hw_process_event *map, uint32_t pid, bool alive);
/* The same for the vDSO, for a recording of this boot, and for a perf map. */
void hw_symbol_file_read_vdso(struct hw_symbol_file *file, const struct hw_process_event *map,
                              bool this_boot);
void hw_symbol_file_read_perf_map(struct hw_symbol_file *file, const struct hw_search *search, uint32_t pid,
                                  bool alive);
/*
 * The functions and lines of an address, innermost first, from the file's debug information, wherever that
 * is; at most HW_LINES_MAX. 0: none is known.
 */
size_t hw_symbol_file_lines(struct hw_symbol_file *file, const struct hw_search *search,
                            const struct hw_process_event *map, uint32_t pid, bool alive, uint64_t address,
                            struct hw_strings *strings, struct hw_line *lines);
/* Where the function without a symbol that an address is in begins and ends, or NULL. */
const struct hw_bound *hw_symbol_file_bound(struct hw_symbol_file *file, const struct hw_search *search,
                                            const struct hw_process_event *map, uint32_t pid, bool alive,
                                            uint64_t address);
void hw_symbol_file_clear(struct hw_symbol_file *file);

/* The address, in terms of the symbols, of an offset in the file. 0 or -ENOENT. */
int hw_symbol_file_address(const struct hw_symbol_file *file, uint64_t offset, uint64_t *address);

#endif
