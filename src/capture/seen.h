/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Executable mappings seen of late in the side band: where a file is, should its process be gone when its
 * table is asked for. A path is only a hint; whether it is the same file, its key has to tell.
 */
#ifndef HW_CAPTURE_SEEN_H
#define HW_CAPTURE_SEEN_H

#include <linux/perf_event.h>
#include <stdint.h>

#include "bpf/abi.h"

struct hw_seen;

struct hw_seen *hw_seen_new(void);
void hw_seen_free(struct hw_seen *seen); /* may be NULL */
/* Any record of the side band: PERF_RECORD_MMAP2 of files are remembered, the last few thousand. */
void hw_seen_record(struct hw_seen *seen, const struct perf_event_header *record);
/*
 * Open the regular file of this key that was mapped there, for reading; by a forebear, if not by pid. -1:
 * none is known. It may be another file: an overlay shows other inodes than the kernel knows.
 */
int hw_seen_open(const struct hw_seen *seen, uint32_t pid, uint64_t start, uint64_t end,
                 const struct hw_file_key *key);

#endif
