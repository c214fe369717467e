/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/store.h"

#include <string.h>
#include <sys/stat.h>

static struct hw_stored *new_stored(struct hw_store *store)
{
	struct hw_stored *stored = calloc(1, sizeof(*stored));

	if (stored && array_push(&store->stored, stored)) {
		free(stored);
		return NULL;
	}
	return stored;
}

static void load_vdso(struct hw_store *store)
{
	struct hw_stored *stored = calloc(1, sizeof(*stored));

	if (stored && hw_table_compile_vdso(&stored->table)) {
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
		r = hw_opener_new(&store->opener, err);
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
	hw_opener_free(store->opener);
	memset(store, 0, sizeof(*store));
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
		store->bytes -= hw_table_bytes(&oldest->table);
		store->rows -= oldest->table.row_count;
		store->stored.items[at] = store->stored.items[--store->stored.count];
		hw_table_clear(&oldest->table);
		free(oldest);
	}
}

static void identify(const struct stat *found, struct hw_stored_file *file)
{
	memset(file, 0, sizeof(*file));
	file->device = found->st_dev;
	file->inode = found->st_ino;
	file->size = (uint64_t)found->st_size;
	file->mtime_ns = found->st_mtim.tv_sec * 1000000000ll + found->st_mtim.tv_nsec;
	file->ctime_ns = found->st_ctim.tv_sec * 1000000000ll + found->st_ctim.tv_nsec;
}

/* Was the file written to since it was opened? Of a copy nobody can tell. */
static bool is_unchanged(const struct hw_opened *opened, const struct hw_stored_file *file)
{
	struct hw_stored_file after;
	struct stat found;

	if (opened->copied)
		return true;
	if (fstat(opened->fd, &found))
		return false;
	identify(&found, &after);
	return !memcmp(&after, file, sizeof(after));
}

static struct hw_stored *compile(struct hw_store *store, const struct hw_opened *opened,
                                 const struct hw_stored_file *file)
{
	struct hw_stored *stored = new_stored(store);

	if (!stored)
		return NULL;
	if (hw_compiler_table(store->compiler, opened->fd, &stored->table, NULL)) {
		memset(&stored->table, 0, sizeof(stored->table));
		store->failures++;
	}
	/* Written to meanwhile: a key that no file has, so that it is compiled again next time. */
	if (is_unchanged(opened, file))
		stored->file = *file;
	store->bytes += hw_table_bytes(&stored->table);
	store->rows += stored->table.row_count;
	make_room(store, stored);
	return stored;
}

const struct hw_table *hw_store_table(struct hw_store *store, const struct hw_opened *opened)
{
	struct hw_stored *stored = NULL;
	struct hw_stored_file file;

	identify(&opened->st, &file);
	array_for_each (&store->stored, it)
		if (!memcmp(&(*it)->file, &file, sizeof(file)))
			stored = *it;
	if (!stored)
		stored = compile(store, opened, &file);
	if (!stored)
		return NULL;
	stored->used = ++store->look_ups;
	return stored->table.words ? &stored->table : NULL;
}

const struct hw_table *hw_store_vdso(const struct hw_store *store)
{
	return store->vdso ? &store->vdso->table : NULL;
}
