/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Strings kept once each: equal strings have one address, which stays valid until the end. */
#ifndef HW_SYMBOL_STRINGS_H
#define HW_SYMBOL_STRINGS_H

#include <stddef.h>

struct hw_string; /* private */

struct hw_strings {
	struct hw_string *by_text;
};

/* The kept copy of the first length bytes of text, which hold no NUL. NULL: out of memory. */
const char *hw_strings_keep(struct hw_strings *strings, const char *text, size_t length);
void hw_strings_clear(struct hw_strings *strings);

#endif
