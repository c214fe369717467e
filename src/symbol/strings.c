/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/strings.h"

#include <stdlib.h>
#include <string.h>

#include "symbol/hash.h"

struct hw_string {
	UT_hash_handle hh;
	char text[];
};

const char *hw_strings_keep(struct hw_strings *strings, const char *text, size_t length)
{
	struct hw_string *string;

	HASH_FIND(hh, strings->by_text, text, length, string);
	if (string)
		return string->text;
	string = calloc(1, sizeof(*string) + length + 1);
	if (!string)
		return NULL;
	memcpy(string->text, text, length);
	HASH_ADD_KEYPTR(hh, strings->by_text, string->text, length, string);
	if (!hash_added(string)) {
		free(string);
		return NULL;
	}
	return string->text;
}

void hw_strings_clear(struct hw_strings *strings)
{
	struct hw_string *string, *next;

	HASH_ITER (hh, strings->by_text, string, next) {
		HASH_DEL(strings->by_text, string);
		free(string);
	}
}
