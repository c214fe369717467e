/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * uthash as this floor uses it: hashing by xxhash, and lack of memory is told instead of ending the
 * program. After HASH_ADD of any kind, hash_added(item) says whether the item is in.
 */
#ifndef HW_SYMBOL_HASH_H
#define HW_SYMBOL_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM                1
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits(key, length))
#include <uthash.h>

#define hash_added(item) ((item)->hh.tbl != NULL)

#endif
