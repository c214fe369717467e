/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Unwind tables in the kernel. Each is a BPF array of its own, written through a mapping before anyone can
 * see it and never again; the slot's serial is set last, so whoever finds the serial finds the table.
 * Serials are never used twice, which is why cached rules need no invalidation.
 *
 * When memory runs out the least recently used table leaves: first its file's entry, then the serial, then
 * the slot; walks that hold the array keep it alive until they are through.
 *
 * To change a slot takes a grace period of the kernel, tens of milliseconds in which each sample of a new
 * program has its stack copied. So all slots that change at a time do so in one call, and a few empty arrays
 * lie ready in theirs: a small table is copied into one of them, and can be used at once.
 */
#include "capture/internal.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SPARE_BLOCKS 16            /* 64 KiB: three of four libraries' tables */
#define SPARES_FROM  (16ull << 20) /* bytes: not where so little memory is allowed */

int hw_tables_init(struct hw_tables *tables, struct hw_kernel_side *side, uint64_t bytes_max,
                   struct hw_error *err)
{
	(void)err;
	memset(tables, 0, sizeof(*tables));
	tables->side = side;
	tables->bytes_max = bytes_max ? bytes_max : 256ull << 20;
	tables->next_serial = 1;
	return 0;
}

static uint64_t table_bytes(const struct hw_loaded *loaded)
{
	return (uint64_t)loaded->table.block_count * sizeof(struct hw_block);
}

static void release(struct hw_loaded *loaded)
{
	if (loaded->table.words)
		munmap(loaded->table.words, table_bytes(loaded));
	free(loaded);
}

void hw_tables_free(struct hw_tables *tables)
{
	array_for_each (&tables->loaded, it)
		release(*it);
	while (tables->spare_count)
		release(tables->spares[--tables->spare_count]);
	array_free(&tables->loaded);
	array_free(&tables->emptied);
}

static bool is_vdso(const struct hw_file_key *key)
{
	return !key->inode && !key->device;
}

static int evict(struct hw_tables *tables)
{
	uint64_t oldest = UINT64_MAX;
	size_t victim = SIZE_MAX;
	struct hw_loaded *loaded;

	for (size_t i = 0; i < tables->loaded.count; i++) {
		uint64_t used_s;

		loaded = tables->loaded.items[i];
		used_s = tables->side->infos[loaded->slot].used_s;
		if (loaded->published && !is_vdso(&loaded->key) && used_s < oldest) {
			oldest = used_s;
			victim = i;
		}
	}
	if (victim == SIZE_MAX)
		return -ENOSPC;
	loaded = tables->loaded.items[victim];
	bpf_map_delete_elem(tables->side->files, &loaded->key);
	__atomic_store_n(&tables->side->infos[loaded->slot].serial, 0, __ATOMIC_RELEASE);
	__atomic_add_fetch(tables->side->table_generation, 1, __ATOMIC_RELEASE);
	if (array_push(&tables->emptied, loaded->slot))
		bpf_map_delete_elem(tables->side->tables, &loaded->slot);
	tables->bytes -= table_bytes(loaded);
	tables->rows -= loaded->table.row_count;
	tables->by_slot[loaded->slot] = NULL;
	tables->loaded.items[victim] = tables->loaded.items[--tables->loaded.count];
	release(loaded);
	return 0;
}

static uint32_t free_slot(const struct hw_tables *tables)
{
	for (uint32_t slot = HW_TABLE_VDSO + 1; slot < HW_TABLES_MAX; slot++)
		if (!tables->by_slot[slot])
			return slot;
	return 0;
}

/* Make the BPF array of a table and fill it; its file descriptor. */
static int make_map(const struct hw_table *table, struct hw_loaded *loaded)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	size_t bytes = (size_t)table->block_count * sizeof(struct hw_block);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hw_table", 4, sizeof(struct hw_block),
	                        table->block_count, &opts);
	void *memory;

	if (fd < 0)
		return fd;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	memcpy(memory, table->words, bytes);
	loaded->table = *table;
	loaded->table.words = memory;
	return fd;
}

/* A spare array with the table in it, or NULL. */
static struct hw_loaded *take_spare(struct hw_tables *tables, const struct hw_table *table)
{
	struct hw_loaded *loaded;
	uint64_t *words;

	if (!tables->spare_count || table->block_count > SPARE_BLOCKS)
		return NULL;
	loaded = tables->spares[--tables->spare_count];
	words = loaded->table.words;
	memcpy(words, table->words, (size_t)table->block_count * sizeof(struct hw_block));
	loaded->table = *table;
	loaded->table.words = words;
	loaded->table.block_count = SPARE_BLOCKS;
	return loaded;
}

/* An array of its own, which is not in its slot before the caller puts it there: *fd. */
static int new_loaded(struct hw_tables *tables, const struct hw_table *table, uint32_t slot,
                      struct hw_loaded **result, int *fd)
{
	struct hw_loaded *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return -ENOMEM;
	loaded->slot = slot;
	*fd = slot ? make_map(table, loaded) : -ENOSPC;
	if (*fd < 0) {
		free(loaded);
		return *fd;
	}
	tables->by_slot[slot] = loaded;
	*result = loaded;
	return 0;
}

/* 0 with *fd, which goes to the slot of the last one loaded; -1 in *fd: it is there already. */
static int prepare(struct hw_tables *tables, const struct hw_file_key *key, const struct hw_table *table,
                   int *fd)
{
	uint64_t bytes = (uint64_t)table->block_count * sizeof(struct hw_block);
	struct hw_loaded *loaded = NULL;
	int r = bytes > tables->bytes_max ? -ENOSPC : 0; /* however many others went */

	while (tables->bytes + bytes > tables->bytes_max && !r)
		r = evict(tables);
	if (!r)
		r = array_reserve(&tables->loaded, tables->loaded.count + 1);
	if (r)
		return r;
	*fd = -1;
	if (!is_vdso(key))
		loaded = take_spare(tables, table);
	if (!loaded)
		r = new_loaded(tables, table, is_vdso(key) ? HW_TABLE_VDSO : free_slot(tables), &loaded, fd);
	if (r)
		return r;
	loaded->key = *key;
	loaded->serial = tables->next_serial++;
	array_push(&tables->loaded, loaded);
	tables->bytes += table_bytes(loaded);
	tables->rows += table->row_count;
	return 0;
}

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec) >> HW_USED_SHIFT;
}

static void publish(struct hw_tables *tables, struct hw_loaded *loaded)
{
	struct hw_file file = {0};

	loaded->published = true;
	tables->side->infos[loaded->slot].row_blocks = loaded->table.row_blocks;
	tables->side->infos[loaded->slot].used_s = now_s();
	__atomic_store_n(&tables->side->infos[loaded->slot].serial, loaded->serial, __ATOMIC_RELEASE);
	if (is_vdso(&loaded->key)) {
		__atomic_store_n(tables->side->vdso_serial, loaded->serial, __ATOMIC_RELEASE);
		return;
	}
	bpf_map_lookup_elem(tables->side->files, &loaded->key, &file);
	file.state = HW_FILE_LOADED;
	file.serial = loaded->serial;
	file.slot = loaded->slot;
	bpf_map_update_elem(tables->side->files, &loaded->key, &file, BPF_ANY);
}

/* What goes to the kernel in one call: slots and the arrays for them. */
struct change {
	array_of(uint32_t) slots;
	array_of(int) fds;
};

static int put(struct change *change, uint32_t slot, int fd)
{
	if (array_reserve(&change->fds, change->fds.count + 1) || array_push(&change->slots, slot))
		return -ENOMEM;
	return array_push(&change->fds, fd);
}

/* Slots that nothing new came to get the smallest array there is. */
static int put_emptied(struct hw_tables *tables, struct change *change)
{
	int nothing = bpf_object__find_map_fd_by_name(tables->side->object, "table_inner"), r = 0;

	array_for_each (&tables->emptied, slot)
		if (!tables->by_slot[*slot] && !r)
			r = put(change, *slot, nothing);
	tables->emptied.count = r ? tables->emptied.count : 0;
	return r;
}

static int put_spares(struct hw_tables *tables, struct change *change)
{
	struct hw_table empty = {.words = calloc(SPARE_BLOCKS, sizeof(struct hw_block)),
	                         .block_count = SPARE_BLOCKS};
	struct hw_loaded *spare;
	int fd, r = empty.words ? 0 : -ENOMEM;

	while (!r && tables->bytes_max >= SPARES_FROM && tables->spare_count < HW_SPARE_TABLES) {
		r = new_loaded(tables, &empty, free_slot(tables), &spare, &fd);
		if (r)
			break;
		r = put(change, spare->slot, fd);
		tables->spares[tables->spare_count++] = spare;
	}
	free(empty.words);
	return r;
}

/* Make the change; the arrays live on in their slots. */
static int commit(struct hw_tables *tables, struct change *change)
{
	int nothing = bpf_object__find_map_fd_by_name(tables->side->object, "table_inner"), r = 0;
	uint32_t count = (uint32_t)change->slots.count;
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (count)
		r = bpf_map_update_batch(tables->side->tables, change->slots.items, change->fds.items, &count,
		                         &opts);
	array_for_each (&change->fds, fd)
		if (*fd != nothing)
			close(*fd);
	array_free(&change->slots);
	array_free(&change->fds);
	return r;
}

bool hw_tables_want_spares(const struct hw_tables *tables)
{
	return tables->bytes_max >= SPARES_FROM && tables->spare_count < HW_SPARE_TABLES / 2;
}

int hw_tables_make_spares(struct hw_tables *tables)
{
	struct change change = {0};
	unsigned before = tables->spare_count;
	int r = put_spares(tables, &change), failed = commit(tables, &change);

	while (failed && tables->spare_count > before) { /* not in their slots */
		struct hw_loaded *spare = tables->spares[--tables->spare_count];

		tables->by_slot[spare->slot] = NULL;
		release(spare);
	}
	return r ? r : failed;
}

int hw_tables_load(struct hw_tables *tables, const struct hw_file_key *keys, const struct hw_table *table,
                   size_t count, struct hw_error *err)
{
	struct change change = {0};
	uint32_t *slots;
	size_t made;
	int r = 0, failed, fd;

	for (size_t i = 0; i < count && !r; i++) {
		failed = prepare(tables, &keys[i], &table[i], &fd);
		/* Of many at once, one that finds no room is asked for again when it is needed. */
		if (failed && (failed != -ENOSPC || count == 1)) {
			tables->failures++;
			hw_tables_refuse(tables, &keys[i]);
		}
		if (failed)
			continue;
		if (fd < 0)
			publish(tables, tables->loaded.items[tables->loaded.count - 1]);
		else
			r = put(&change, tables->loaded.items[tables->loaded.count - 1]->slot, fd);
	}
	made = change.slots.count;
	slots = calloc(made + 1, sizeof(*slots));
	if (!slots)
		r = -ENOMEM;
	else if (made)
		memcpy(slots, change.slots.items, made * sizeof(*slots));
	if (!r)
		r = put_emptied(tables, &change);
	if (!r && count != 1)
		r = put_spares(tables, &change);
	failed = commit(tables, &change);
	for (size_t i = 0; i < made && !r && !failed; i++)
		publish(tables, tables->by_slot[slots[i]]);
	free(slots);
	r = r ? r : failed;
	return r ? hw_fail(err, r, "cannot load unwind tables into the kernel: %s", strerror(-r)) : 0;
}

int hw_tables_refuse(struct hw_tables *tables, const struct hw_file_key *key)
{
	struct hw_file file = {0};

	bpf_map_lookup_elem(tables->side->files, key, &file);
	file.state = HW_FILE_NO_TABLE;
	return bpf_map_update_elem(tables->side->files, key, &file, BPF_ANY);
}

const struct hw_table *hw_tables_find(const struct hw_tables *tables, uint32_t slot, uint32_t serial)
{
	const struct hw_loaded *loaded = slot < HW_TABLES_MAX ? tables->by_slot[slot] : NULL;

	return loaded && loaded->serial == serial ? &loaded->table : NULL;
}
