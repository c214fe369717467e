/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The files that processes had mapped, with their unwind tables. */
#ifndef HW_FINISH_FILES_H
#define HW_FINISH_FILES_H

#include <uthash.h>

#include "finish/finish.h"
#include "walk/compiler.h"
#include "walk/table.h"

enum hw_finish_file_state {
	HW_FINISH_UNTRIED, /* or let go since */
	HW_FINISH_LOADED,
	HW_FINISH_REFUSED, /* there is no table to be had */
};

struct hw_finish_file {
	char *key;
	char *path; /* in the recording */
	uint32_t major, minor;
	uint64_t inode;
	uint8_t build_id[20];
	uint8_t build_id_size;
	bool vdso;
	bool found;          /* the right file is there, as far as can be told */
	const char *missing; /* why it is not, in words; NULL: it was found, or not looked for */
	uint64_t ended;      /* walks that ended because it is missing */
	int place;           /* where it was found */
	uint8_t state;       /* enum hw_finish_file_state */
	struct hw_table table;
	uint64_t used; /* the walk that used it last */
	UT_hash_handle hh;
};

struct hw_finish_files {
	struct hw_finish_options options;
	char *root, *cache_directory;
	struct hw_compiler *compiler;
	struct hw_finish_file *by_key;
	struct hw_finish_status status;
	uint64_t bytes_max;
	const struct hw_finish_file *open; /* whose descriptor fd is; NULL: none */
	int fd;
};

int hw_finish_files_init(struct hw_finish_files *files, const struct hw_finish_options *options,
                         struct hw_error *err);
void hw_finish_files_free(struct hw_finish_files *files);
/* The file of a mapping, made if it is new; *file NULL for memory without a file. 0 or -ENOMEM. */
int hw_finish_files_get(struct hw_finish_files *files, const struct hw_finish_map *map,
                        struct hw_finish_file **file);
/* Try to load the table; its state tells how that went. now: the number of the walk, for who leaves first. */
void hw_finish_files_load(struct hw_finish_files *files, struct hw_finish_file *file, uint64_t now);
/* See hw_finish_missing. */
size_t hw_finish_files_missing(const struct hw_finish_files *files, struct hw_finish_missing *list,
                               size_t max);
/* Read 8 bytes of the file at offset: 0 or -1. */
int hw_finish_files_read(struct hw_finish_files *files, const struct hw_finish_file *file, uint64_t offset,
                         uint64_t *eight_bytes);

#endif
