/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The kernel's functions, from /proc/kallsyms or a copy of it, and whether the kernel of a recording is the
 * one that runs now, in this boot or another (address space layout randomization moves it at each boot).
 */
#ifndef HW_SYMBOL_KERNEL_H
#define HW_SYMBOL_KERNEL_H

#include "merge/recording.h"
#include "symbol/strings.h"
#include "symbol/symtab.h"

struct hw_module {
	uint64_t start;   /* of its first symbol */
	const char *file; /* "[NAME]" */
};

struct hw_kernel {
	struct hw_symtab symtab;
	array_of(struct hw_module) modules; /* by start; each reaches to the next one */
	uint64_t text, stext, text_end;     /* addresses of the kernel's own _text, _stext and _etext */
	bool shown;                         /* addresses are not all 0 */
};

/*
 * Read the text symbols. 0, -ENODATA where the addresses are hidden (kptr_restrict), -ENOMEM or -errno.
 * strings keeps the modules' names.
 */
int hw_kernel_read(struct hw_kernel *kernel, const char *path, struct hw_strings *strings);
void hw_kernel_clear(struct hw_kernel *kernel);
#define HW_KALLSYMS "/proc/kallsyms"
/* The same of what was read ahead (symbol.h), which is used up; what is in strings before is not freed. */
struct hw_kernel_ahead;
int hw_kernel_ahead_take(struct hw_kernel_ahead *ahead, struct hw_kernel *kernel, struct hw_strings *strings);
/* The module that holds address, or "[kernel.kallsyms]". */
const char *hw_kernel_file(const struct hw_kernel *kernel, uint64_t address);

/* The build ID of the running kernel: its size, or 0. */
size_t hw_kernel_build_id(uint8_t build_id[20]);

enum hw_kernel_match {
	HW_KERNEL_SAME,  /* this kernel, and where it stands now */
	HW_KERNEL_MOVED, /* this kernel in another boot: its own functions moved by *moved_by */
	HW_KERNEL_OTHER,
	HW_KERNEL_UNKNOWN, /* the recording does not say where its kernel stood */
};

/* Compare the kernel of a recording with the running one, of which kernel was read. */
enum hw_kernel_match hw_kernel_match(const struct hw_kernel *kernel, const struct hw_recording *recording,
                                     uint64_t *moved_by);

#endif
