/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tables in user space, one for each file, compiled when they are first asked for. For backends that walk
 * here and not in the kernel. One thread.
 */
#ifndef HW_CAPTURE_STORE_H
#define HW_CAPTURE_STORE_H

#include <stdbool.h>

#include "base/array.h"
#include "walk/compiler.h"
#include "walk/opener.h"

/* A file as stat sees it. */
struct hw_stored_file {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
};

struct hw_stored {
	struct hw_stored_file file;
	struct hw_table table; /* words NULL: the file has none */
	uint64_t used;         /* a count that grows with each look-up */
};

struct hw_store {
	struct hw_compiler *compiler;
	struct hw_opener *opener;
	array_of(struct hw_stored *) stored;
	struct hw_stored *vdso; /* NULL: none */
	uint64_t bytes, bytes_max, rows, failures, look_ups;
	/* Told before a table goes: whoever points at it must forget it. */
	void (*forget)(void *context, const struct hw_table *table);
	void *context;
};

/* bytes_max 0: 256 MiB. Make it early: see walk/compiler.h. */
int hw_store_open(struct hw_store *store, uint64_t bytes_max, const char *cache_directory,
                  struct hw_error *err);
void hw_store_close(struct hw_store *store);

/* The table of an open file; it stays until forget is told. NULL: the file has none. */
const struct hw_table *hw_store_table(struct hw_store *store, const struct hw_opened *opened);

/* The table of this machine's vDSO; NULL: none. */
const struct hw_table *hw_store_vdso(const struct hw_store *store);

#endif
