/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Call frame information (.eh_frame or .debug_frame) alone, in an ELF file of our own making.
 *
 * libdw wants an ELF file to find call frame information in. Given the original one it would, depending on
 * what it finds, read the whole file (no section headers), read and decompress all debug sections
 * (.debug_frame), or trust a search table of the file's (.eh_frame_hdr). So it is given a small file in
 * memory that holds the one section and the headers that name it, and nothing else.
 */
#ifndef HW_WALK_FRAME_IMAGE_H
#define HW_WALK_FRAME_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_frame_image {
	uint8_t *image;  /* the ELF file; owned. NULL: there is no such section */
	size_t size;     /* of the ELF file, bytes */
	uint8_t *frames; /* the section's contents, within image */
	size_t frames_size;
	uint64_t address; /* virtual address of the section */
	bool debug;       /* .debug_frame, else .eh_frame */
};

/* Make an image with room for frames_size bytes at image->frames, which the caller fills. 0, -ENOMEM or
 * -E2BIG. */
int hw_frame_image_new(struct hw_frame_image *image, size_t frames_size, uint64_t address, bool debug);
void hw_frame_image_clear(struct hw_frame_image *image);

#endif
