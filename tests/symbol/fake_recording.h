/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A recording made up in memory, in the place of merge/: what a symbolizer is asked about. */
#ifndef HW_TESTS_SYMBOL_FAKE_RECORDING_H
#define HW_TESTS_SYMBOL_FAKE_RECORDING_H

#include "symbol/symbol.h"

/* Forget everything. The recording's first sample is of now; times are ns after it. */
void fake_reset(void);
uint64_t fake_time(uint64_t after_ns);
struct hw_recording_info *fake_info(void);

/* The executable segment of the ELF file at path, mapped into pid at start under a name. */
struct hw_process_event fake_mapping(uint32_t pid, uint64_t start, const char *path, const char *name);
void fake_event(struct hw_process_event event);
void fake_exec(uint32_t pid, uint64_t after_ns);

struct hw_symbolizer *fake_symbolizer(const struct hw_symbolizer_options *options);

#endif
