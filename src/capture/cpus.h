/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * CPUs that come and go. The kernel takes its per-CPU events out of a CPU that goes offline and does not put
 * them back: who samples looks here now and then, and opens them again.
 */
#ifndef HW_CAPTURE_CPUS_H
#define HW_CAPTURE_CPUS_H

#include <stdbool.h>
#include <stdint.h>

struct hw_cpus;

/* What is online now, of CPUs 0 to count - 1. NULL: out of memory. */
struct hw_cpus *hw_cpus_new(uint32_t count);
void hw_cpus_free(struct hw_cpus *cpus);
/* Look again, if the last look is a tenth of a second ago: came(context, cpu) for each that is back. */
void hw_cpus_look(struct hw_cpus *cpus, void (*came)(void *context, uint32_t cpu), void *context);
/* Mark the CPUs of a list like "0-3,5" in online[count]; false: not such a list. */
bool hw_cpus_parse(const char *list, bool *online, uint32_t count);

#endif
