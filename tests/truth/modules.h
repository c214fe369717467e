/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The files that were mapped, as they are on disk: an executable mapping's path, its load bias, its own
 * table. A file whose build ID is not the recorded one is not used.
 */
#ifndef HW_TESTS_TRUTH_MODULES_H
#define HW_TESTS_TRUTH_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "merge/recording.h"
#include "walk/table.h"

struct module_segment {
	uint64_t address, offset, size;
};

struct module {
	char *path; /* where it can be opened: of the vDSO, a copy of our own */
	uint8_t build_id[20];
	uint8_t build_id_size;
	struct module_segment segments[16]; /* PT_LOAD, executable */
	int segment_count;
	int is_fixed; /* ET_EXEC: can only be where it says */
	int fd;
	struct hw_table table;
	int has_table;
};

/*
 * Where copies of programs are that cannot be opened by the path of their mapping: deleted ones, those of
 * other mount namespaces. They are told by build ID. NULL: nowhere.
 */
void modules_kept_in(const char *directory);
/* The module of a mapping, the same one for the same file; NULL: no file, another one by now, or none
 * readable. */
const struct module *module_of(const struct hw_process_event *mapping);
/* What to add to the addresses of the file where its byte at offset is mapped at start. */
uint64_t module_bias(const struct module *module, uint64_t start, uint64_t offset);
/* Is the whole file mapped around this mapping? V8 maps a part of its own program a second time. */
bool module_is_whole(const struct module *module, uint64_t start, uint64_t offset);

#endif
