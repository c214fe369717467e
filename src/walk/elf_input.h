/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a table is made from, taken out of an ELF file: which addresses stand where in the file, the call
 * frame information, the code at the entry point, the build ID. Everything else in the file is left unread.
 */
#ifndef HW_WALK_ELF_INPUT_H
#define HW_WALK_ELF_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "walk/frame_image.h"
#include "walk/go_code.h"
#include "walk/start_code.h"

#define HW_SEGMENTS_MAX     256
#define HW_ENTRY_STUB_BYTES 256

/* The part of a PT_LOAD segment that is in the file. */
struct hw_segment {
	uint64_t address; /* virtual */
	uint64_t size;    /* bytes */
	uint64_t offset;  /* in the file */
	bool executable;
};

enum { HW_EH_FRAME, HW_DEBUG_FRAME, HW_FRAME_IMAGES };

struct hw_elf_input {
	struct hw_segment segments[HW_SEGMENTS_MAX];
	size_t segment_count;
	struct hw_frame_image frames[HW_FRAME_IMAGES]; /* each may be absent, one is there */
	uint64_t entry;                                /* virtual address; 0: none */
	uint8_t stub[HW_ENTRY_STUB_BYTES];             /* the code at entry */
	size_t stub_size;
	struct hw_start_code start_code;
	struct hw_go_code go_code;
	uint64_t file_size;
	uint8_t build_id[20];
	uint8_t build_id_size; /* 0: none */
};

/*
 * Read from the file open at fd, or, if fd is -1, from the image in memory. 0, or as hw_table_compile.
 * The caller clears *input, whatever is returned.
 */
int hw_elf_input_read(struct hw_elf_input *input, int fd, const void *image, size_t image_size,
                      uint64_t file_bytes_max, struct hw_error *err);
void hw_elf_input_clear(struct hw_elf_input *input);

/* The executable segment that holds a virtual address, or NULL. */
const struct hw_segment *hw_elf_input_code(const struct hw_elf_input *input, uint64_t address);

/*
 * A 128-bit hash of everything the table depends on. With another key, other hashes: a file cannot be made
 * to collide with one by somebody who does not know the key (key_size at least 136 bytes). 0 or -ENOMEM.
 */
int hw_elf_input_digest(const struct hw_elf_input *input, const void *key, size_t key_size,
                        uint8_t digest[16]);

#endif
