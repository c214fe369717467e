/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Strings told apart by number: equal strings get one id, ids are dense and begin at 0, in order of
 * appearance. Ids stay valid for ever, the pointers of hw_names_text until the next hw_names_add.
 */
#ifndef HW_REPORT_NAMES_H
#define HW_REPORT_NAMES_H

#include "base/array.h"
#include "report/index.h"

struct hw_names {
	struct hw_index index;
	array_of(char) text;
	array_of(size_t) starts; /* into text */
};

/* *id of text, which is copied when it is new. 0 or -ENOMEM. */
int hw_names_add(struct hw_names *names, const char *text, uint32_t *id);
const char *hw_names_text(const struct hw_names *names, uint32_t id);
void hw_names_free(struct hw_names *names);

#endif
