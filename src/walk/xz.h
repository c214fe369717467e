/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Decompress .gnu_debugdata, which is an ELF file packed with xz, without falling for a bomb. */
#ifndef HW_WALK_XZ_H
#define HW_WALK_XZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * Unpack an xz stream of size bytes into *out (owned by the caller, free()). 0; -E2BIG: more than limit
 * bytes, or a dictionary beyond what xz -9 makes; -EINVAL: corrupt; -ENOMEM.
 */
int hw_xz_unpack(const uint8_t *in, size_t size, size_t limit, uint8_t **out, size_t *out_size);

#endif
