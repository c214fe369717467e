/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/store.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#define VDSO_BYTES 8192

static struct hw_stored *new_stored(struct hw_store *store)
{
	struct hw_stored *stored = calloc(1, sizeof(*stored));

	if (stored && array_push(&store->stored, stored)) {
		free(stored);
		return NULL;
	}
	return stored;
}

/* The image is two pages; its section headers, at the end, may be used but are not needed. */
static void load_vdso(struct hw_store *store)
{
	const struct hw_compile_limits limits = {.file_bytes = 1 << 20, .row_count = 1 << 16};
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct hw_stored *stored = image ? calloc(1, sizeof(*stored)) : NULL;

	if (stored && hw_table_compile_image(image, VDSO_BYTES, &limits, &stored->table, NULL)) {
		free(stored);
		stored = NULL;
	}
	store->vdso = stored;
}

int hw_store_open(struct hw_store *store, uint64_t bytes_max, const char *cache_directory,
                  struct hw_error *err)
{
	const struct hw_compiler_options options = {.cache_directory = cache_directory};
	int r;

	memset(store, 0, sizeof(*store));
	store->bytes_max = bytes_max ? bytes_max : 256ull << 20;
	r = hw_compiler_new(&options, &store->compiler, err);
	if (!r)
		load_vdso(store);
	return r;
}

void hw_store_close(struct hw_store *store)
{
	array_for_each (&store->stored, it) {
		hw_table_clear(&(*it)->table);
		free(*it);
	}
	array_free(&store->stored);
	if (store->vdso)
		hw_table_clear(&store->vdso->table);
	free(store->vdso);
	hw_compiler_free(store->compiler);
	memset(store, 0, sizeof(*store));
}

static uint64_t table_bytes(const struct hw_table *table)
{
	return (uint64_t)table->block_count * HW_BLOCK_WORDS * sizeof(uint64_t);
}

/* Let the least recently used tables go until there is room; what is newest stays even if it is too large. */
static void make_room(struct hw_store *store, const struct hw_stored *newest)
{
	while (store->bytes > store->bytes_max) {
		struct hw_stored *oldest = NULL;
		size_t at = 0;

		for (size_t i = 0; i < store->stored.count; i++) {
			struct hw_stored *each = store->stored.items[i];

			if (each != newest && each->table.words && (!oldest || each->used < oldest->used)) {
				oldest = each;
				at = i;
			}
		}
		if (!oldest)
			return;
		if (store->forget)
			store->forget(store->context, &oldest->table);
		store->bytes -= table_bytes(&oldest->table);
		store->rows -= oldest->table.row_count;
		store->stored.items[at] = store->stored.items[--store->stored.count];
		hw_table_clear(&oldest->table);
		free(oldest);
	}
}

static bool identify(int fd, struct hw_stored_file *file)
{
	struct stat found;

	memset(file, 0, sizeof(*file));
	if (fstat(fd, &found) || !S_ISREG(found.st_mode))
		return false;
	file->device = found.st_dev;
	file->inode = found.st_ino;
	file->size = (uint64_t)found.st_size;
	file->mtime_ns = found.st_mtim.tv_sec * 1000000000ll + found.st_mtim.tv_nsec;
	file->ctime_ns = found.st_ctim.tv_sec * 1000000000ll + found.st_ctim.tv_nsec;
	return true;
}

static struct hw_stored *compile(struct hw_store *store, int fd, const struct hw_stored_file *file)
{
	struct hw_stored *stored = new_stored(store);
	struct hw_stored_file after;

	if (!stored)
		return NULL;
	if (hw_compiler_table(store->compiler, fd, &stored->table, NULL)) {
		memset(&stored->table, 0, sizeof(stored->table));
		store->failures++;
	}
	/* Written to meanwhile: a key that no file has, so that it is compiled again next time. */
	if (identify(fd, &after) && !memcmp(&after, file, sizeof(after)))
		stored->file = *file;
	store->bytes += table_bytes(&stored->table);
	store->rows += stored->table.row_count;
	make_room(store, stored);
	return stored;
}

const struct hw_table *hw_store_table(struct hw_store *store, int fd)
{
	struct hw_stored *stored = NULL;
	struct hw_stored_file file;

	if (!identify(fd, &file))
		return NULL;
	array_for_each (&store->stored, it)
		if (!memcmp(&(*it)->file, &file, sizeof(file)))
			stored = *it;
	if (!stored)
		stored = compile(store, fd, &file);
	if (!stored)
		return NULL;
	stored->used = ++store->look_ups;
	return stored->table.words ? &stored->table : NULL;
}

const struct hw_table *hw_store_vdso(const struct hw_store *store)
{
	return store->vdso ? &store->vdso->table : NULL;
}
