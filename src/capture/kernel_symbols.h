/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What /proc/kallsyms says of the kernel and of BPF programs. It has hundreds of thousands of lines, a tenth
 * of a second and more of work, so it is read in steps, once for all who want to know at the same time.
 */
#ifndef HW_CAPTURE_KERNEL_SYMBOLS_H
#define HW_CAPTURE_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "perfdata/format.h"

struct hw_bpf_symbol {
	uint64_t start;
	char name[256];
};

struct hw_kernel_symbols;
struct hw_session_masks;

/* Begin to read, with one user; NULL: no memory. */
struct hw_kernel_symbols *hw_kernel_symbols_new(void);
/* Another user of the same. */
struct hw_kernel_symbols *hw_kernel_symbols_share(struct hw_kernel_symbols *symbols);
/* One user less; the last one frees it. May be NULL. */
void hw_kernel_symbols_release(struct hw_kernel_symbols *symbols);

/* Tell this kernel side, on the way, what the kernel's symbols say: see kernel_code.h. */
void hw_kernel_symbols_publish(struct hw_kernel_symbols *symbols, struct hw_session_masks *masks);
/* Has whoever began to read gone before the end, so that nobody reads on? Asked by the only other user. */
bool hw_kernel_symbols_abandoned(const struct hw_kernel_symbols *symbols);
/* Read for a millisecond; whichever of the users comes by. False: all has been read. */
bool hw_kernel_symbols_read(struct hw_kernel_symbols *symbols);

/*
 * The kernel tells of a BPF program that comes or goes (PERF_RECORD_KSYMBOL): keep up with it. False: it has
 * to be read anew, because somebody is reading or telling just now.
 */
bool hw_kernel_symbols_follow(struct hw_kernel_symbols *symbols, const struct perf_event_header *record);

/* When all has been read. The kernel's own code: false, if its addresses are hidden. */
bool hw_kernel_symbols_text(const struct hw_kernel_symbols *symbols, uint64_t *start, uint64_t *end);
/* BPF programs by address; NULL: there are not so many. */
const struct hw_bpf_symbol *hw_kernel_symbols_bpf(const struct hw_kernel_symbols *symbols, size_t number);

#endif
