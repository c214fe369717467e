/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Names of C++ and Rust functions as their authors wrote them, by libiberty. */
#ifndef HW_SYMBOL_DEMANGLE_H
#define HW_SYMBOL_DEMANGLE_H

#include <stddef.h>

#define HW_DEMANGLED_MAX 16384 /* bytes; what becomes longer is shown as it is */

/*
 * Demangle name into text, which has room for HW_DEMANGLED_MAX + 1 bytes: its length, or 0 if name is not
 * mangled, or is made to explode.
 */
size_t hw_demangle(const char *name, char *text);

#endif
