/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A table as a file: a header, then the table's words. So tables come from the compiler process and lie in
 * the disk cache. The format is for this machine and this version only: what does not match is not converted.
 */
#ifndef HW_WALK_TABLE_FILE_H
#define HW_WALK_TABLE_FILE_H

#include "walk/table.h"

#define HW_DIGEST_KEY_BYTES 192 /* XXH3's default for a secret */

/* Which ELF file a table was made from. */
struct hw_table_identity {
	uint64_t file_size;
	uint8_t digest[16]; /* of what the table depends on: hw_elf_input_digest */
	uint8_t build_id[20];
	uint8_t build_id_size; /* 0: none */
	uint8_t zero[3];
};

/* Write to the empty file open at fd. 0 or -errno. */
int hw_table_write(int fd, const struct hw_table *table, const struct hw_table_identity *identity);

/*
 * Read a table that must have been made from this identity; the caller clears *table. -EINVAL: not so, or not
 * sound, or with more than row_count_max rows, or the checksum differs; or -errno. Nothing in the file is
 * believed.
 */
int hw_table_read(int fd, const struct hw_table_identity *identity, uint32_t row_count_max,
                  struct hw_table *table);

#endif
