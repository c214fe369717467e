/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What has no name, by cause. */
#include <stdlib.h>
#include <string.h>

#include "symbol/internal.h"

typedef const struct hw_symbol_file *example_list[HW_GAP_COUNT][HW_GAP_EXAMPLES];

/* examples: the files with most addresses, by cause. */
static void add_gap(struct hw_gap *gaps, example_list examples, const struct hw_symbol_file *file,
                    bool is_file)
{
	struct hw_gap *gap = &gaps[file->cause];

	if (!file->unnamed)
		return;
	gap->addresses += file->unnamed;
	if (!is_file)
		return;
	gap->files++;
	for (size_t i = 0; i < HW_GAP_EXAMPLES; i++) {
		const struct hw_symbol_file *other = examples[file->cause][i];

		if (other && other->unnamed >= file->unnamed)
			continue;
		examples[file->cause][i] = file; /* and those with less one further */
		file = other;
		if (!file)
			break;
	}
}

static int by_addresses(const void *a, const void *b)
{
	const struct hw_gap *x = a, *y = b;

	return x->addresses > y->addresses ? -1 : x->addresses < y->addresses;
}

size_t hw_symbolizer_gaps(const struct hw_symbolizer *symbolizer, struct hw_gap gaps[HW_GAP_COUNT])
{
#define X(constant, text) [constant] = text,
	static const char *const words[] = {HW_GAPS(X)};
#undef X
	const struct file_entry *entry;
	example_list examples = {{NULL}};
	size_t count = 0;

	memset(gaps, 0, HW_GAP_COUNT * sizeof(*gaps));
	for (size_t i = 0; i < HW_GAP_COUNT; i++)
		gaps[i].words = words[i];
	add_gap(gaps, examples, &symbolizer->kernel_file, false);
	add_gap(gaps, examples, &symbolizer->nowhere, false);
	for (entry = symbolizer->files; entry; entry = entry->hh.next)
		add_gap(gaps, examples, &entry->file, entry->file.kind == HW_FRAME_USER);
	for (size_t i = 0; i < HW_GAP_COUNT; i++)
		for (size_t j = 0; j < HW_GAP_EXAMPLES && examples[i][j]; j++)
			gaps[i].examples[j] = examples[i][j]->path;
	qsort(gaps, HW_GAP_COUNT, sizeof(*gaps), by_addresses);
	while (count < HW_GAP_COUNT && gaps[count].addresses)
		count++;
	return count;
}
