/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tables on disk, one file per build ID, so that the second start is fast.
 *
 * An entry is believed only if it and the directory belong to us and are writable by nobody else, and the ELF
 * file's size and digest agree. The build ID alone would not do: any user can make a file with the build ID
 * of the C library. Nor could one who knows the hash make a file with its digest, because it is keyed with a
 * secret that lies in the directory.
 */
#ifndef HW_WALK_TABLE_CACHE_H
#define HW_WALK_TABLE_CACHE_H

#include "walk/table_file.h"

struct hw_table_cache {
	int directory; /* -1: no cache */
	uint8_t key[HW_DIGEST_KEY_BYTES];
};

/*
 * Open the directory, making it (mode 0700, with its parents) and the secret if they are missing. On failure
 * cache->directory is -1, the key is random all the same, and err says why.
 */
int hw_table_cache_open(struct hw_table_cache *cache, const char *path, struct hw_error *err);
void hw_table_cache_close(struct hw_table_cache *cache);

/* 0, -ENOENT, or what hw_table_read returns. */
int hw_table_cache_load(const struct hw_table_cache *cache, const struct hw_table_identity *identity,
                        uint32_t row_count_max, struct hw_table *table);
/* Replace the entry, at once or not at all. */
int hw_table_cache_store(const struct hw_table_cache *cache, const struct hw_table_identity *identity,
                         const struct hw_table *table);

#endif
