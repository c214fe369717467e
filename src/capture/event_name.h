/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Events by the names that perf gives them. */
#ifndef HW_CAPTURE_EVENT_NAME_H
#define HW_CAPTURE_EVENT_NAME_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hw_event_kind {
	const char *name; /* as it is written into a file; a constant */
	uint32_t type;    /* enum perf_type_id */
	uint64_t config;
	bool clock;       /* its period is in ns */
	uint64_t address; /* PERF_TYPE_BREAKPOINT */
	uint64_t length;
};

/*
 * Find an event by name or alias. For tests there is "breakpoint:ADDRESS:LENGTH" (hexadecimal, 1 to 8): reads
 * and writes of user memory, which hit in NMI context. -ENOENT if there is no such event.
 */
int hw_event_find(const char *name, struct hw_event_kind *kind, struct hw_error *err);

/* Names in the order of the help text; NULL past the last. */
const char *hw_event_name(size_t index);

#endif
