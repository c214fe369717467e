/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/symtab.h"

#include <string.h>

#define NEST_MAX 64 /* how many overlapping symbols a search looks through */

uint32_t hw_symtab_find(const struct hw_symtab *symtab, uint64_t address)
{
	size_t low = 0, high = symtab->count;
	uint32_t found;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symtab->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	found = low ? (uint32_t)low - 1 : HW_NO_SYMBOL;
	for (int i = 0; found != HW_NO_SYMBOL && i < NEST_MAX; i++) {
		const struct hw_symbol *symbol = &symtab->symbols[found];

		if (address - symbol->start < symbol->size)
			return found;
		found = symtab->around[found];
	}
	return HW_NO_SYMBOL;
}

const char *hw_symtab_name(const struct hw_symtab *symtab, uint32_t symbol)
{
	return symtab->names + symtab->symbols[symbol].name;
}

void hw_symtab_clear(struct hw_symtab *symtab)
{
	free(symtab->symbols);
	free(symtab->around);
	free(symtab->names);
	memset(symtab, 0, sizeof(*symtab));
}
