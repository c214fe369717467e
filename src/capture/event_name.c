/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/event_name.h"

#include <stdio.h>
#include <string.h>

struct named {
	const char *name, *alias;
	uint32_t type;
	uint64_t config;
	bool clock;
};

static const struct named events[] = {
    {"cpu-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, true},
    {"task-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, true},
    {"page-faults", "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
    {"minor-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, false},
    {"major-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ, false},
    {"context-switches", "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false},
    {"cpu-migrations", "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, false},
    {"alignment-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS, false},
    {"emulation-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS, false},
    {"cycles", "cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false},
    {"instructions", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, false},
    {"cache-references", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, false},
    {"cache-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, false},
    {"branches", "branch-instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, false},
    {"branch-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, false},
    {"bus-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES, false},
    {"stalled-cycles-frontend", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, false},
    {"stalled-cycles-backend", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, false},
    {"ref-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, false},
};
#define EVENT_COUNT (sizeof(events) / sizeof(events[0]))

const char *hw_event_name(size_t index)
{
	return index < EVENT_COUNT ? events[index].name : NULL;
}

static bool find_breakpoint(const char *name, struct hw_event_kind *kind)
{
	unsigned long long address, length;
	int end = 0;

	if (sscanf(name, "breakpoint:%llx:%llx%n", &address, &length, &end) != 2 || name[end] ||
	    (length != 1 && length != 2 && length != 4 && length != 8))
		return false;
	*kind = (struct hw_event_kind){
	    .name = "breakpoint", .type = PERF_TYPE_BREAKPOINT, .address = address, .length = length};
	return true;
}

int hw_event_find(const char *name, struct hw_event_kind *kind, struct hw_error *err)
{
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		const struct named *each = &events[i];

		if (strcmp(name, each->name) && (!each->alias || strcmp(name, each->alias)))
			continue;
		*kind = (struct hw_event_kind){
		    .name = each->name, .type = each->type, .config = each->config, .clock = each->clock};
		return 0;
	}
	if (find_breakpoint(name, kind))
		return 0;
	return hw_fail(err, -ENOENT,
	               "no event is called '%.60s': cpu-clock, task-clock, page-faults, context-switches, "
	               "cycles, instructions and others are known (man homeward-record)",
	               name);
}
