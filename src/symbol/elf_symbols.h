/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The functions that an ELF file names: .symtab, .dynsym, .gnu_debugdata, and the stubs of its PLT. */
#ifndef HW_SYMBOL_ELF_SYMBOLS_H
#define HW_SYMBOL_ELF_SYMBOLS_H

#include <stdbool.h>

#include "symbol/elf_file.h"
#include "symbol/symtab.h"

/*
 * Give the collector every function of .symtab and .dynsym, and those of the file within .gnu_debugdata;
 * *full tells whether there are more than what the dynamic linker needs (else a debug file is worth looking
 * for). A part that is corrupt or too large is left out. 0, -ENOMEM or -E2BIG.
 */
int hw_elf_symbols_collect(const struct hw_elf_file *file, struct hw_collector *collector, bool *full);
/* The stubs of .plt, .plt.sec and .plt.got of an x86-64 file, as "NAME@plt"; call it last. As above. */
int hw_elf_plt_collect(const struct hw_elf_file *file, struct hw_collector *collector);

#endif
