/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The functions of one file (or of the kernel), by address. */
#ifndef HW_SYMBOL_SYMTAB_H
#define HW_SYMBOL_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

struct hw_symbol {
	uint64_t start, end; /* addresses as the file's own symbol table has them; end exclusive */
	size_t name;         /* offset in names */
};

struct hw_segment {
	uint64_t offset, size, address;
};

struct hw_symtab {
	array_of(struct hw_symbol) symbols; /* sorted by start */
	array_of(char) names;
	array_of(struct hw_segment) segments; /* PT_LOAD: from file offsets to addresses */
	uint8_t build_id[20];
	uint8_t build_id_size;
};

/*
 * Read the symbols of the ELF file at path (regular files only, never mapped), with those of its separate
 * debug file. Where want_size is not 0 the file must have that build ID, else -ESTALE. -errno otherwise.
 */
int hw_symtab_read_elf(struct hw_symtab *table, const char *path, const uint8_t *want, size_t want_size,
                       const char *debug_directory);
/* /proc/kallsyms or a copy: text symbols. -ENODATA where the addresses are hidden. */
int hw_symtab_read_kallsyms(struct hw_symtab *table, const char *path);
/* "START SIZE NAME" lines, hexadecimal; the file must belong to owner or root (owner (uid)-1: anyone). */
int hw_symtab_read_perf_map(struct hw_symtab *table, const char *path);
void hw_symtab_clear(struct hw_symtab *table);

/* The symbol that covers address, or NULL. */
const struct hw_symbol *hw_symtab_find(const struct hw_symtab *table, uint64_t address);
const char *hw_symtab_name(const struct hw_symtab *table, const struct hw_symbol *symbol);
/* 0 with *address for a file offset, or -1. */
int hw_symtab_address(const struct hw_symtab *table, uint64_t offset, uint64_t *address);

#endif
