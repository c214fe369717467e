/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of libhomeward share: see include/homeward for what it offers. */
#ifndef HW_API_INTERNAL_H
#define HW_API_INTERNAL_H

#include <homeward/recording.h>

#include "base/error.h"
#include "merge/recording.h"

struct homeward_recording {
	struct hw_recording *recording;
	size_t next;                    /* index of the sample that comes next */
	struct homeward_sample sample;  /* that was given last */
	const struct hw_sample *origin; /* of it; NULL: none yet */
};

/* Keep the line for homeward_error() and return code unchanged. */
int hw_api_fail(int code, const char *text);

/* Bytes of a struct that both sides know; 0 where size is none. */
size_t hw_api_known(size_t size, size_t ours);

/* Take over what both sides know of options (NULL: none), which begin with their size; the rest stays as it
 * is. */
void hw_api_take_options(void *known, size_t ours, const void *options);

/* The reason of a sample in the words of stats, or "". */
const char *hw_api_reason(uint8_t state, uint8_t refusal, uint8_t end, uint8_t unanswered);

#endif
