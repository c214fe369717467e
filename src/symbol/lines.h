/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Source lines and inlined functions, from DWARF by libdw. */
#ifndef HW_SYMBOL_LINES_H
#define HW_SYMBOL_LINES_H

#include "symbol/elf_file.h"
#include "symbol/strings.h"
#include "symbol/symbol.h"

struct hw_lines; /* the debug information of one file */

/* Whether the file has debug information. */
bool hw_lines_are_in(const struct hw_elf_file *file);
/* Take over a file. NULL: no debug information, or more than is reasonable. */
struct hw_lines *hw_lines_open(struct hw_elf_file *file);
void hw_lines_free(struct hw_lines *lines);

/* As hw_symbolizer_lines, at most HW_LINES_MAX; 0 where nothing is known. strings keeps names. */
size_t hw_lines_at(struct hw_lines *lines, uint64_t address, struct hw_strings *strings,
                   struct hw_line *found);

#endif
