/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Whose samples a session gets, as the kernel side is told: masks of bits, by what is looked up in them. */
#ifndef HW_CAPTURE_SESSION_FILTER_H
#define HW_CAPTURE_SESSION_FILTER_H

#include "capture/internal.h"

/* Set or clear it, for readers that do not wait. */
void hw_set_bit(uint64_t *mask, unsigned bit, bool on);
/* Put the filter and the limit of a session into force, or take them out again. 0 or -errno. */
int hw_session_filter_set(struct hw_kernel_side *side, unsigned bit, const struct hw_session_options *options,
                          bool on);

#endif
