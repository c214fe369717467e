/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Unwind tables in the kernel. Each is a BPF array of its own, written through a mapping before anyone can
 * see it and never again; the slot's serial is set last, so whoever finds the serial finds the table.
 * Serials are never used twice, which is why cached rules need no invalidation.
 *
 * When memory runs out the least recently used table leaves: first its file's entry, then the serial, then
 * the slot; walks that hold the array keep it alive until they are through.
 */
#include "capture/internal.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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
	array_free(&tables->loaded);
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
	bpf_map_delete_elem(tables->side->tables, &loaded->slot);
	__atomic_add_fetch(tables->side->table_generation, 1, __ATOMIC_RELEASE);
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

static int prepare(struct hw_tables *tables, const struct hw_file_key *key, const struct hw_table *table,
                   int *fd)
{
	uint64_t bytes = (uint64_t)table->block_count * sizeof(struct hw_block);
	struct hw_loaded *loaded;
	int r = bytes > tables->bytes_max ? -ENOSPC : 0; /* however many others went */

	while (tables->bytes + bytes > tables->bytes_max && !r)
		r = evict(tables);
	loaded = r ? NULL : calloc(1, sizeof(*loaded));
	if (!loaded)
		return r ? r : -ENOMEM;
	loaded->key = *key;
	loaded->slot = is_vdso(key) ? HW_TABLE_VDSO : free_slot(tables);
	loaded->serial = tables->next_serial++;
	*fd = loaded->slot ? make_map(table, loaded) : -ENOSPC;
	r = *fd < 0 ? *fd : array_push(&tables->loaded, loaded);
	if (r) {
		release(loaded);
		return r;
	}
	tables->by_slot[loaded->slot] = loaded;
	tables->bytes += bytes;
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

int hw_tables_load(struct hw_tables *tables, const struct hw_file_key *keys, const struct hw_table *table,
                   size_t count, struct hw_error *err)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t *slots = calloc(count + 1, sizeof(*slots));
	int *fds = calloc(count + 1, sizeof(*fds));
	uint32_t made = 0, done;
	int r = slots && fds ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !r; i++) {
		int failed = prepare(tables, &keys[i], &table[i], &fds[made]);

		/* Of many at once, one that finds no room is asked for again when it is needed. */
		if (failed && (failed != -ENOSPC || count == 1)) {
			tables->failures++;
			hw_tables_refuse(tables, &keys[i]);
		}
		if (failed)
			continue;
		slots[made++] = tables->loaded.items[tables->loaded.count - 1]->slot;
	}
	done = made;
	if (!r && made)
		r = bpf_map_update_batch(tables->side->tables, slots, fds, &done, &opts);
	for (uint32_t i = 0; i < made; i++) {
		if (!r)
			publish(tables, tables->by_slot[slots[i]]);
		close(fds[i]);
	}
	free(slots);
	free(fds);
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
