/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Pointers as .eh_frame and .eh_frame_hdr encode them (Linux Standard Base 5.0, core, section 10.5). */
#ifndef HW_WALK_ENCODED_H
#define HW_WALK_ENCODED_H

#include <stddef.h>
#include <stdint.h>

/* A piece of a section: what is left of it, and the virtual address of its first byte. */
struct hw_encoded {
	const uint8_t *at, *end;
	uint64_t address;
};

/*
 * Read one pointer with the given DW_EH_PE encoding and move on. data_address is what DW_EH_PE_datarel adds.
 * 0, or -EINVAL: past the end, or an encoding that never stands for a code address in a file on disk
 * (indirect, aligned, relative to a function).
 */
int hw_encoded_read(struct hw_encoded *in, uint8_t encoding, uint64_t data_address, uint64_t *value);

#endif
