/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The functions of one file, sorted by address: 20 bytes and the name each, found by binary search.
 *
 * A table is collected first, from as many sources as there are, and built once. Building decides which of
 * several names of one address is shown, and how far a symbol without a size reaches.
 */
#ifndef HW_SYMBOL_SYMTAB_H
#define HW_SYMBOL_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

#define HW_NO_SYMBOL       UINT32_MAX
#define HW_SYMBOL_NAME_MAX 16384u /* bytes; longer names are cut */

struct hw_symbol {
	uint64_t start;
	uint32_t size; /* bytes */
	uint32_t name; /* where it begins in names */
};

struct hw_symtab {
	struct hw_symbol *symbols; /* by start, no two equal */
	uint32_t *around;          /* of each: the nearest one before it that ends behind it */
	char *names;
	uint32_t count;
};

/* The symbol that covers address, the innermost if several do, or HW_NO_SYMBOL. */
uint32_t hw_symtab_find(const struct hw_symtab *symtab, uint64_t address);
const char *hw_symtab_name(const struct hw_symtab *symtab, uint32_t symbol);
void hw_symtab_clear(struct hw_symtab *symtab);

/* What speaks for a name where several have one address; more is better, PLT entries have nothing. */
#define HW_QUALITY_FUNCTION 4u
#define HW_QUALITY_STRONG   2u
#define HW_QUALITY_GLOBAL   1u

struct hw_candidate {
	uint64_t start, size;
	uint32_t name; /* where it begins in its text */
	uint16_t text; /* 0: the collector's own */
	uint8_t quality;
	bool end; /* no symbol: symbols without size reach no further than this */
};

struct hw_text {
	char *bytes;
	size_t size;
};

struct hw_collector {
	array_of(struct hw_candidate) candidates;
	array_of(struct hw_text) texts; /* string tables taken over */
	array_of(char) names;           /* of candidates without a string table */
	uint64_t reach_max;             /* of a symbol without size, bytes; 0: no limit */
	bool latest_wins;               /* of several names of one address; else the best by quality */
};

/*
 * Take over a string table of size bytes, allocated one byte larger than that. 0 with its number, or
 * -errno, and then the caller still owns it.
 */
int hw_collector_take_text(struct hw_collector *collector, char *bytes, size_t size, uint16_t *text);
/* A symbol whose name begins at byte name of a string table. 0, -ENOMEM, or -E2BIG: too many. */
int hw_collector_add(struct hw_collector *collector, uint64_t start, uint64_t size, uint16_t text,
                     uint32_t name, uint8_t quality);
/* The same with a name of its own; without a name it only ends symbols that have no size. */
int hw_collector_add_name(struct hw_collector *collector, uint64_t start, uint64_t size, const char *name,
                          size_t length, uint8_t quality);
int hw_collector_add_end(struct hw_collector *collector, uint64_t address);
/* 0, -ENOMEM or -E2BIG. The collector is used up. */
int hw_collector_build(struct hw_collector *collector, struct hw_symtab *symtab);
void hw_collector_clear(struct hw_collector *collector);

#endif
