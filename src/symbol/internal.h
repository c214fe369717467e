/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The parts of a symbolizer: symbolizer.c makes it and names frames, locate.c finds files and symbols,
 * places.c lines. */
#ifndef HW_SYMBOL_INTERNAL_H
#define HW_SYMBOL_INTERNAL_H

#include "base/array.h"
#include "symbol/frames.h"
#include "symbol/hash.h"
#include "symbol/kernel.h"
#include "symbol/processes.h"
#include "symbol/symbol_file.h"

struct file_entry {
	struct hw_symbol_file file;
	const char *key;
	UT_hash_handle hh;
};

struct address_key {
	uint64_t file; /* its number */
	uint64_t offset;
};

struct address_entry {
	struct address_key key;
	uint32_t id;
	UT_hash_handle hh;
};

#define FRESH_ADDRESSES 16384 /* a power of two */

/* The last answer for one of many addresses: most questions come again soon. */
struct fresh_address {
	uint64_t offset;
	uint32_t file; /* its number plus one; 0: free */
	uint32_t id;
};

struct lines_entry {
	struct address_key key;
	uint32_t first, count; /* in lines */
	UT_hash_handle hh;
};

struct hw_symbolizer {
	const struct hw_recording *recording;
	struct hw_symbolizer_options options;
	struct hw_search search;
	struct hw_processes *processes;
	const struct hw_process_event *events;
	size_t event_count, next_event;
	uint64_t now_ns, walked_ns;
	bool unsure; /* since asked last: an answer rests on a file that could not be read */
	struct hw_strings strings;
	struct file_entry *files;
	struct hw_symbol_file **file_of_event; /* of mappings, once asked */
	uint32_t file_count;
	struct hw_symbol_file kernel_file; /* its symtab stays empty: kernel has them */
	struct hw_kernel kernel;
	enum hw_kernel_match kernel_match;
	uint64_t kernel_moved_by;
	struct hw_symbol_file nowhere;
	struct hw_frames frames;
	struct address_entry *addresses;
	struct fresh_address fresh[FRESH_ADDRESSES];
	struct lines_entry *lines_by_address;
	array_of(struct hw_line) lines;
	char *demangled; /* HW_DEMANGLED_MAX + 1 bytes */
	char unknown_name[32];
};

/* What is known of one address. */
struct hw_found {
	struct hw_symbol_file *file;
	const char *path;     /* kept: of the file, or of the kernel's module */
	const char *function; /* raw, not kept; NULL: no symbol */
	uint64_t start;       /* of the function, as address */
	bool bounded;         /* it has no symbol, but start is known */
	uint64_t address;     /* as the symbols count */
	uint64_t offset;      /* in the file */
	const struct hw_process_event
	    *code; /* kernel code that came at run time, by the recording; or NULL */
};

/* Which file an address is in, and where there; then, which function. *map: NULL in the kernel, or unknown.
 */
void hw_symbolizer_locate(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                          struct hw_found *found, const struct hw_process_event **map);
void hw_symbolizer_look_up(struct hw_symbolizer *symbolizer, uint32_t pid, const struct hw_process_event *map,
                           struct hw_found *found);
/* The frame id of what was looked up. */
uint32_t hw_symbolizer_frame_of(struct hw_symbolizer *symbolizer, const struct hw_found *found);

#endif
