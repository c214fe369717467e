/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/kernel_symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/kernel_code.h"

#define LINES_AT_ONCE 1000 /* a millisecond */
#define NAME_AT       24   /* in a KSYMBOL record: after header, address, length, type, flags */

struct hw_kernel_symbols {
	unsigned users;
	FILE *file; /* NULL: there is none, or it has been read */
	uint64_t text, end;
	array_of(struct hw_bpf_symbol) bpf;
	struct hw_kernel_code code;
	struct hw_session_masks *masks; /* to publish code to; may be NULL */
};

struct hw_kernel_symbols *hw_kernel_symbols_new(void)
{
	struct hw_kernel_symbols *symbols = calloc(1, sizeof(*symbols));

	if (symbols) {
		symbols->users = 1;
		symbols->file = fopen("/proc/kallsyms", "re");
	}
	return symbols;
}

struct hw_kernel_symbols *hw_kernel_symbols_share(struct hw_kernel_symbols *symbols)
{
	symbols->users++;
	return symbols;
}

void hw_kernel_symbols_release(struct hw_kernel_symbols *symbols)
{
	if (!symbols || --symbols->users)
		return;
	if (symbols->file)
		fclose(symbols->file);
	array_free(&symbols->bpf);
	free(symbols);
}

void hw_kernel_symbols_publish(struct hw_kernel_symbols *symbols, struct hw_session_masks *masks)
{
	symbols->masks = masks;
}

static bool ends_with(const char *line, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length >= size && !memcmp(line + length - size, end, size);
}

static void take_line(struct hw_kernel_symbols *symbols, const char *line)
{
	size_t length = strlen(line);
	struct hw_bpf_symbol symbol;

	if (ends_with(line, length, " _text\n"))
		symbols->text = strtoull(line, NULL, 16);
	else if (ends_with(line, length, " _etext\n"))
		symbols->end = strtoull(line, NULL, 16);
	else if (ends_with(line, length, "\t[bpf]\n") &&
	         sscanf(line, "%" SCNx64 " %*c %255s", &symbol.start, symbol.name) == 2)
		array_push(&symbols->bpf, symbol);
	if (symbols->masks)
		hw_kernel_code_take(&symbols->code, line);
}

static int by_start(const void *a, const void *b)
{
	const struct hw_bpf_symbol *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void end_reading(struct hw_kernel_symbols *symbols)
{
	fclose(symbols->file);
	symbols->file = NULL;
	if (symbols->bpf.count)
		qsort(symbols->bpf.items, symbols->bpf.count, sizeof(struct hw_bpf_symbol), by_start);
	if (symbols->masks)
		hw_kernel_code_publish(&symbols->code, symbols->masks);
}

bool hw_kernel_symbols_read(struct hw_kernel_symbols *symbols)
{
	char line[1024];

	for (int i = 0; symbols->file && i < LINES_AT_ONCE; i++) {
		if (fgets(line, sizeof(line), symbols->file))
			take_line(symbols, line);
		else
			end_reading(symbols);
	}
	return symbols->file;
}

bool hw_kernel_symbols_abandoned(const struct hw_kernel_symbols *symbols)
{
	return symbols->file && symbols->users == 1;
}

/* Where a program that begins there stands, or should. */
static size_t place_of(const struct hw_kernel_symbols *symbols, uint64_t start)
{
	size_t i = symbols->bpf.count;

	while (i && symbols->bpf.items[i - 1].start >= start)
		i--;
	return i;
}

static void remove_at(struct hw_kernel_symbols *symbols, size_t at)
{
	struct hw_bpf_symbol *items = symbols->bpf.items;

	memmove(items + at, items + at + 1, (--symbols->bpf.count - at) * sizeof(*items));
}

bool hw_kernel_symbols_follow(struct hw_kernel_symbols *symbols, const struct perf_event_header *record)
{
	const char *bytes = (const char *)record, *name = bytes + NAME_AT;
	struct hw_bpf_symbol symbol = {0};
	uint16_t type, flags;
	size_t at, size;

	if (symbols->file || symbols->users > 1 || record->size <= NAME_AT)
		return false;
	memcpy(&symbol.start, bytes + 8, sizeof(symbol.start));
	memcpy(&type, bytes + 20, sizeof(type));
	memcpy(&flags, bytes + 22, sizeof(flags));
	if (type != PERF_RECORD_KSYMBOL_TYPE_BPF)
		return true;
	at = place_of(symbols, symbol.start);
	if (at < symbols->bpf.count && symbols->bpf.items[at].start == symbol.start)
		remove_at(symbols, at);
	if (flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER)
		return true;
	size = strnlen(name, record->size - NAME_AT);
	memcpy(symbol.name, name, size < sizeof(symbol.name) ? size : sizeof(symbol.name) - 1);
	if (array_push(&symbols->bpf, symbol))
		return false;
	memmove(symbols->bpf.items + at + 1, symbols->bpf.items + at,
	        (symbols->bpf.count - 1 - at) * sizeof(symbol));
	symbols->bpf.items[at] = symbol;
	return true;
}

bool hw_kernel_symbols_text(const struct hw_kernel_symbols *symbols, uint64_t *start, uint64_t *end)
{
	*start = symbols->text;
	*end = symbols->end;
	return symbols->text && symbols->end > symbols->text;
}

const struct hw_bpf_symbol *hw_kernel_symbols_bpf(const struct hw_kernel_symbols *symbols, size_t number)
{
	return number < symbols->bpf.count ? &symbols->bpf.items[number] : NULL;
}
