/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/timeline.h"

void hw_timeline_init(struct hw_timeline *timeline, const struct hw_recording *recording,
                      struct hw_symbolizer *symbolizer)
{
	*timeline = (struct hw_timeline){.recording = recording, .symbolizer = symbolizer};
}

void hw_timeline_free(struct hw_timeline *timeline)
{
	array_free(&timeline->generations);
	hw_index_free(&timeline->by_pid);
}

/* Where the generation of pid is kept, or HW_INDEX_NONE. */
static uint32_t find(const struct hw_timeline *timeline, uint32_t pid, uint64_t hash)
{
	hw_index_for_each_candidate(&timeline->by_pid, hash, probe,
	                            position) if (timeline->generations.items[position].pid ==
	                                          pid) return (uint32_t)position;
	return HW_INDEX_NONE;
}

static int count_change(struct hw_timeline *timeline, uint32_t pid)
{
	uint64_t hash = hw_index_hash(&pid, sizeof(pid));
	uint32_t position = find(timeline, pid, hash);
	struct hw_generation first = {.pid = pid, .value = 1};

	if (position != HW_INDEX_NONE) {
		timeline->generations.items[position].value++;
		return 0;
	}
	if (array_push(&timeline->generations, first))
		return -ENOMEM;
	return hw_index_add(&timeline->by_pid, hash, (uint32_t)timeline->generations.count - 1);
}

/* Whether addresses of the event's process may mean something else after it. */
static bool changes_mappings(const struct hw_process_event *event)
{
	switch (event->type) {
	case HW_PROCESS_MMAP:
		return true;
	case HW_PROCESS_COMM:
		return event->exec;
	case HW_PROCESS_FORK:
		return event->pid != event->ppid; /* else it is a thread */
	default:
		return event->pid == event->tid;
	}
}

int hw_timeline_advance(struct hw_timeline *timeline, uint64_t time_ns)
{
	size_t count, *next = &timeline->next_event;
	const struct hw_process_event *events = hw_recording_process_events(timeline->recording, &count);

	for (; *next < count && events[*next].time_ns <= time_ns; ++*next) {
		const struct hw_process_event *event = &events[*next];

		if (event->type == HW_PROCESS_MMAP && event->kernel)
			timeline->kernel_generation++;
		else if (changes_mappings(event) && count_change(timeline, event->pid))
			return -ENOMEM;
	}
	hw_symbolizer_advance(timeline->symbolizer, time_ns);
	return 0;
}

uint32_t hw_timeline_generation(struct hw_timeline *timeline, uint32_t pid, bool kernel)
{
	uint32_t position = timeline->last;

	if (kernel)
		return timeline->kernel_generation;
	if (position >= timeline->generations.count || timeline->generations.items[position].pid != pid)
		position = find(timeline, pid, hw_index_hash(&pid, sizeof(pid)));
	if (position == HW_INDEX_NONE)
		return 0;
	timeline->last = position;
	return timeline->generations.items[position].value;
}
