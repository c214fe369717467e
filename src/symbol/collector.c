/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Building a symbol table. The rules are those of perf (tools/perf/util/symbol.c, choose_best_symbol and
 * symbols__fixup_end), so that both name a function alike: of several names of one address, one with a size
 * before one without, a function before a label, strong before weak, global before local, fewer leading
 * underscores, the longer name. A symbol without a size reaches to the next one; inside of another symbol
 * it is only a label and is left out.
 */
#include "symbol/symtab.h"

#include <string.h>

#define CANDIDATES_MAX (16u << 20)
#define NAMES_MAX      ((size_t)UINT32_MAX)

int hw_collector_take_text(struct hw_collector *collector, char *bytes, size_t size, uint16_t *text)
{
	struct hw_text taken = {.bytes = bytes, .size = size};

	if (collector->texts.count == UINT16_MAX || size > NAMES_MAX)
		return -E2BIG;
	if (array_push(&collector->texts, taken))
		return -ENOMEM;
	bytes[size] = '\0';
	*text = (uint16_t)collector->texts.count; /* from 1 on */
	return 0;
}

static int add(struct hw_collector *collector, struct hw_candidate candidate)
{
	if (collector->candidates.count >= CANDIDATES_MAX)
		return -E2BIG;
	return array_push(&collector->candidates, candidate);
}

int hw_collector_add(struct hw_collector *collector, uint64_t start, uint64_t size, uint16_t text,
                     uint32_t name, uint8_t quality)
{
	const struct hw_text *from = &collector->texts.items[text - 1];
	struct hw_candidate candidate = {
	    .start = start, .size = size, .text = text, .name = name, .quality = quality};

	if (name >= from->size || !from->bytes[name])
		return 0;
	return add(collector, candidate);
}

int hw_collector_add_name(struct hw_collector *collector, uint64_t start, uint64_t size, const char *name,
                          size_t length, uint8_t quality)
{
	struct hw_candidate candidate = {.start = start, .size = size, .quality = quality};
	size_t at = collector->names.count;

	if (length > HW_SYMBOL_NAME_MAX)
		length = HW_SYMBOL_NAME_MAX;
	if (!length)
		return 0;
	if (at + length + 1 > NAMES_MAX)
		return -E2BIG;
	if (array_reserve(&collector->names, at + length + 1))
		return -ENOMEM;
	memcpy(collector->names.items + at, name, length);
	collector->names.items[at + length] = '\0';
	collector->names.count += length + 1;
	candidate.name = (uint32_t)at;
	return add(collector, candidate);
}

int hw_collector_add_end(struct hw_collector *collector, uint64_t address)
{
	return add(collector, (struct hw_candidate){.start = address, .end = true});
}

void hw_collector_clear(struct hw_collector *collector)
{
	array_for_each (&collector->texts, text)
		free(text->bytes);
	array_free(&collector->texts);
	array_free(&collector->candidates);
	array_free(&collector->names);
}

static const char *name_of(const struct hw_collector *collector, const struct hw_candidate *candidate)
{
	if (candidate->text)
		return collector->texts.items[candidate->text - 1].bytes + candidate->name;
	return collector->names.items + candidate->name;
}

/* Without the version that static linking and debug files leave on names, as in "memcpy@@GLIBC_2.14". */
static size_t name_length(const struct hw_collector *collector, const struct hw_candidate *candidate)
{
	const char *name = name_of(collector, candidate);
	size_t length = strnlen(name, HW_SYMBOL_NAME_MAX);
	const char *at = candidate->text ? memchr(name, '@', length) : NULL;

	return at && at > name ? (size_t)(at - name) : length;
}

static bool is_better(const struct hw_collector *collector, const struct hw_candidate *a,
                      const struct hw_candidate *b)
{
	size_t underscores_a = strspn(name_of(collector, a), "_");
	size_t underscores_b = strspn(name_of(collector, b), "_");

	if (collector->latest_wins)
		return a->name > b->name;
	if (!a->size != !b->size)
		return a->size != 0;
	if (a->quality != b->quality)
		return a->quality > b->quality;
	if (underscores_a != underscores_b)
		return underscores_a < underscores_b;
	return name_length(collector, a) > name_length(collector, b);
}

static int by_start(const void *a, const void *b)
{
	const struct hw_candidate *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Leave one candidate an address, with its size, at the front of the array; *bytes: of all their names. */
static size_t choose(struct hw_collector *collector, size_t *bytes)
{
	struct hw_candidate *items = collector->candidates.items;
	size_t count = collector->candidates.count, kept = 0, next;
	uint64_t covered = 0;

	*bytes = 0;
	for (size_t i = 0; i < count; i = next) {
		struct hw_candidate best = items[i];
		uint64_t reach;

		for (next = i + 1; next < count && items[next].start == items[i].start; next++)
			if (best.end || (!items[next].end && is_better(collector, &items[next], &best)))
				best = items[next];
		if (best.end || (!best.size && best.start < covered))
			continue;
		if (!best.size) {
			reach = next < count ? items[next].start - best.start : 4096;
			if (collector->reach_max && reach > collector->reach_max)
				reach = collector->reach_max;
			best.size = reach;
		}
		if (best.size > UINT32_MAX)
			best.size = UINT32_MAX;
		if (best.size > UINT64_MAX - best.start)
			best.size = UINT64_MAX - best.start;
		if (best.start + best.size > covered)
			covered = best.start + best.size;
		*bytes += name_length(collector, &best) + 1;
		items[kept++] = best;
	}
	return kept;
}

static void link_around(struct hw_symtab *symtab)
{
	uint32_t outer = HW_NO_SYMBOL;

	for (uint32_t i = 0; i < symtab->count; i++) {
		uint64_t end = symtab->symbols[i].start + symtab->symbols[i].size;

		while (outer != HW_NO_SYMBOL &&
		       symtab->symbols[outer].start + symtab->symbols[outer].size <= end)
			outer = symtab->around[outer];
		symtab->around[i] = outer;
		outer = i;
	}
}

static int fill(const struct hw_collector *collector, size_t count, size_t bytes, struct hw_symtab *symtab)
{
	size_t at = 0;

	symtab->symbols = malloc(count * sizeof(*symtab->symbols));
	symtab->around = malloc(count * sizeof(*symtab->around));
	symtab->names = malloc(bytes);
	if (!symtab->symbols || !symtab->around || !symtab->names) {
		hw_symtab_clear(symtab);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		const struct hw_candidate *candidate = &collector->candidates.items[i];
		size_t length = name_length(collector, candidate);

		symtab->symbols[i].start = candidate->start;
		symtab->symbols[i].size = (uint32_t)candidate->size;
		symtab->symbols[i].name = (uint32_t)at;
		memcpy(symtab->names + at, name_of(collector, candidate), length);
		symtab->names[at + length] = '\0';
		at += length + 1;
	}
	symtab->count = (uint32_t)count;
	link_around(symtab);
	return 0;
}

int hw_collector_build(struct hw_collector *collector, struct hw_symtab *symtab)
{
	size_t count = 0, bytes = 0;
	int r = 0;

	memset(symtab, 0, sizeof(*symtab));
	if (collector->candidates.count) {
		qsort(collector->candidates.items, collector->candidates.count, sizeof(struct hw_candidate),
		      by_start);
		count = choose(collector, &bytes);
	}
	if (bytes > NAMES_MAX)
		r = -E2BIG;
	else if (count)
		r = fill(collector, count, bytes, symtab);
	hw_collector_clear(collector);
	return r;
}
