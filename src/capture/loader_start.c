/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tables of what runs when the loader starts. */
#include "capture/loader.h"

#include <malloc.h>
#include <string.h>

static int load_vdso(struct hw_loader *loader)
{
	struct hw_file_key none = {0};
	struct hw_table table;
	int r = hw_table_compile_vdso(&table);

	if (r)
		return r;
	r = hw_tables_load(loader->tables, &none, &table, 1, NULL);
	hw_table_clear(&table);
	return r;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct hw_iterated_mapping *)a)->key,
	              &((const struct hw_iterated_mapping *)b)->key, sizeof(struct hw_file_key));
}

static void remember_build_id(struct hw_loader *loader, const struct hw_iterated_mapping *m,
                              const struct hw_table *table)
{
	struct known_build_id known = {.pid = m->pid, .start = m->start, .size = table->build_id_size};

	memcpy(known.build_id, table->build_id, sizeof(known.build_id));
	if (known.size)
		array_push(&loader->build_ids, known);
}

static int by_place(const void *a, const void *b)
{
	const struct known_build_id *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

int hw_loader_load_running(struct hw_loader *loader, struct hw_error *err)
{
	array_of(struct hw_file_key) keys = {0};
	array_of(struct hw_table) tables = {0};
	hw_mapping_list list = {0};
	struct hw_opened file;
	struct hw_table table;
	size_t i = 0;
	int r = hw_kernel_side_mappings(loader->side, 0, &list, err), failed;

	load_vdso(loader);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_key);
	while (!r && i < list.count) {
		size_t end = i;

		failed = -ESTALE;
		memset(&table, 0, sizeof(table));
		for (; end < list.count && !by_key(&list.items[i], &list.items[end]); end++)
			if (list.items[end].executable && failed == -ESTALE) {
				hw_loader_open_mapped(loader, list.items[end].pid, list.items[end].start,
				                      list.items[end].end, false, &file);
				failed = hw_loader_compile(loader, &list.items[end].key, &file, &table);
			}
		for (size_t at = i; at < end && !failed; at++)
			remember_build_id(loader, &list.items[at], &table);
		if (failed && failed != -ESTALE)
			hw_tables_refuse(loader->tables, &list.items[i].key);
		if (!failed)
			r = array_push(&keys, list.items[i].key) || array_push(&tables, table) ? -ENOMEM : 0;
		i = end;
	}
	if (loader->build_ids.count)
		qsort(loader->build_ids.items, loader->build_ids.count, sizeof(*loader->build_ids.items),
		      by_place);
	if (!r)
		r = hw_tables_load(loader->tables, keys.items, tables.items, keys.count, err);
	array_for_each (&tables, it)
		hw_table_clear(it);
	array_free(&tables);
	array_free(&keys);
	array_free(&list);
	malloc_trim(0); /* tables of large programs leave tens of MiB, which the heap would keep */
	return r;
}

uint8_t hw_loader_build_id(const struct hw_loader *loader, pid_t pid, uint64_t start, uint8_t build_id[20])
{
	const struct known_build_id wanted = {.pid = (uint32_t)pid, .start = start}, *known = NULL;

	if (loader->build_ids.count)
		known = bsearch(&wanted, loader->build_ids.items, loader->build_ids.count, sizeof(wanted),
		                by_place);
	if (!known)
		return 0;
	memcpy(build_id, known->build_id, 20);
	return known->size;
}
