/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Files as bytes, to be altered. */
#ifndef HW_TESTS_WALK_FILE_BYTES_H
#define HW_TESTS_WALK_FILE_BYTES_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

struct file_bytes {
	uint8_t *bytes;
	size_t size;
};

/* Read a whole file; fails the test if it cannot. */
struct file_bytes read_file(const char *path);
void free_file(struct file_bytes *file);
/* A memfd with these bytes. */
int file_of_bytes(const uint8_t *bytes, size_t size);
/* The header of a section by name, within the bytes; fails the test if there is none. */
Elf64_Shdr *section_of(const struct file_bytes *file, const char *name);

#endif
