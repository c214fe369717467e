/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The entries (FDEs) of call frame information, and libdw's handle on it. */
#ifndef HW_WALK_CFI_H
#define HW_WALK_CFI_H

#include <elfutils/libdw.h>
#include <stdint.h>

#include "base/array.h"
#include "walk/elf_input.h"

/* A piece of code that an unwind entry covers, by file offset. */
struct hw_fde {
	uint32_t start, end; /* file offsets, end exclusive */
	uint64_t address;    /* virtual address of start */
	uint16_t source;     /* HW_EH_FRAME, HW_DEBUG_FRAME */
	bool undefines_rbx;
};

typedef array_of(struct hw_fde) hw_fde_array;

struct hw_cfi {
	Dwarf_CFI *handle; /* NULL: no such section */
	Elf *elf;
	Dwarf *dwarf; /* owns handle, if there is one */
};

/* 0, or -errno; *cfi needs hw_cfi_close in either case. An image that is absent gives an empty *cfi. */
int hw_cfi_open(struct hw_cfi *cfi, const struct hw_frame_image *image);
void hw_cfi_close(struct hw_cfi *cfi);

/*
 * Append the entries of input->frames[source] that cover code in the file, in the order of the section.
 * An entry that cannot be read is left out, and where the section itself cannot be followed the list ends.
 * 0, -ENOMEM, -E2BIG with more than count_max in all, or -EINVAL: libdw must not be asked about this section.
 */
int hw_cfi_list(const struct hw_elf_input *input, uint16_t source, size_t count_max, hw_fde_array *fdes);

#endif
