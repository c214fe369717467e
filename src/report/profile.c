/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/profile.h"

#include <linux/perf_event.h>
#include <string.h>

#define FRESH_CONTEXTS 256
#define FRESH_ENTRIES  4096

/* The context of a thread as of a number of process events: most samples are of threads seen just before. */
struct fresh_context {
	uint32_t pid, tid, id;
	size_t moment; /* of the symbolizer, plus one; 0: free */
};

struct builder {
	struct hw_profile *profile;
	struct hw_filter *filter;
	unsigned details;
	struct hw_frame_list frames;
	array_of(uint8_t) verdicts; /* of the filter's patterns, by stack id: 0 not tried yet, 1 no, 2 yes */
	struct fresh_context fresh[FRESH_CONTEXTS];
	uint32_t fresh_entries[FRESH_ENTRIES]; /* positions of entries that were seen lately */
};

/* The id of the sample's thread under its present names; -ENOMEM, or -ENODATA if the filter is against it. */
static int name_context(struct builder *builder, const struct hw_sample *sample, uint32_t *id)
{
	struct hw_profile *profile = builder->profile;
	struct hw_context context = {.pid = sample->pid, .tid = sample->tid};
	const char *thread, *process;
	uint64_t hash;

	thread = hw_symbolizer_thread_name(profile->symbolizer, sample->pid, sample->tid);
	if (!hw_filter_wants_sample(builder->filter, sample, thread))
		return -ENODATA;
	if (hw_names_add(&profile->names, thread, &context.thread))
		return -ENOMEM;
	process = hw_symbolizer_process_name(profile->symbolizer, sample->pid);
	if (hw_names_add(&profile->names, process, &context.process))
		return -ENOMEM;
	hash = hw_index_hash(&context, sizeof(context));
	hw_index_for_each_candidate(&profile->by_context, hash, probe, position)
	{
		if (!memcmp(&profile->contexts.items[position], &context, sizeof(context))) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	*id = (uint32_t)profile->contexts.count;
	if (array_push(&profile->contexts, context))
		return -ENOMEM;
	return hw_index_add(&profile->by_context, hash, *id);
}

static int find_context(struct builder *builder, const struct hw_sample *sample, uint32_t *id)
{
	size_t moment = hw_symbolizer_moment(builder->profile->symbolizer) + 1;
	struct fresh_context *fresh = &builder->fresh[sample->tid % FRESH_CONTEXTS];
	int code;

	/* Of what the filter looks at, only the event differs between samples of a thread. */
	if (fresh->moment == moment && fresh->pid == sample->pid && fresh->tid == sample->tid &&
	    (builder->filter->any_event || sample->event == builder->filter->event)) {
		*id = fresh->id;
		return 0;
	}
	code = name_context(builder, sample, id);
	if (!code)
		*fresh = (struct fresh_context){sample->pid, sample->tid, *id, moment};
	return code;
}

static bool add_to(struct hw_profile *profile, uint32_t position, const struct hw_entry *entry)
{
	struct hw_entry *known = &profile->entries.items[position];

	if (position >= profile->entries.count || known->context != entry->context ||
	    known->stack != entry->stack)
		return false;
	hw_weight_add(&known->weight, entry->weight);
	return true;
}

static int find_entry(struct hw_profile *profile, struct hw_entry entry, uint32_t *id)
{
	uint64_t hash = hw_index_hash(&entry, offsetof(struct hw_entry, weight));

	hw_index_for_each_candidate(&profile->by_entry, hash, probe, position)
	{
		*id = (uint32_t)position;
		if (add_to(profile, *id, &entry))
			return 0;
	}
	*id = (uint32_t)profile->entries.count;
	if (array_push(&profile->entries, entry))
		return -ENOMEM;
	return hw_index_add(&profile->by_entry, hash, *id);
}

static int add_entry(struct builder *builder, struct hw_entry entry, uint32_t *id)
{
	uint32_t *fresh =
	    &builder->fresh_entries[(entry.stack * 0x9e3779b9u >> 16 ^ entry.context) % FRESH_ENTRIES];
	int code = 0;

	*id = *fresh;
	if (!add_to(builder->profile, *id, &entry))
		code = find_entry(builder->profile, entry, id);
	*fresh = *id;
	return code;
}

static int add_point(struct hw_profile *profile, const struct hw_sample *sample, uint32_t entry)
{
	struct hw_point point = {.time_ns = sample->time_ns, .period = sample->period, .entry = entry};

	return array_push(&profile->points, point);
}

/* Whether the filter's patterns want the stack: 1, 0 or -ENOMEM. */
static int wants_stack(struct builder *builder, uint32_t stack)
{
	struct hw_profile *profile = builder->profile;
	int wanted;

	if (!builder->filter->has_file && !builder->filter->has_function)
		return 1;
	while (builder->verdicts.count <= stack)
		if (array_push(&builder->verdicts, 0))
			return -ENOMEM;
	if (!builder->verdicts.items[stack]) {
		if (hw_stacks_frames(&profile->stacks, stack, &builder->frames))
			return -ENOMEM;
		wanted = hw_filter_wants_frames(builder->filter, profile->symbolizer, &builder->frames);
		if (wanted < 0)
			return wanted;
		builder->verdicts.items[stack] = wanted ? 2 : 1;
	}
	return builder->verdicts.items[stack] == 2;
}

/* 0 or -ENOMEM; -ENODATA: left out. */
static int add_sample(struct builder *builder, const struct hw_sample *sample)
{
	struct hw_profile *profile = builder->profile;
	struct hw_entry entry = {.weight = {.samples = 1, .period = sample->period}};
	uint32_t id;
	int code;

	if (!sample->pid && !builder->filter->idle &&
	    (builder->filter->any_event || sample->event == builder->filter->event)) {
		hw_weight_add(&profile->idle, entry.weight);
		return 0;
	}
	/* The stack first: it brings the symbolizer to the sample's time. */
	code = hw_stacks_resolve(&profile->stacks, sample, &entry.stack);
	if (!code)
		code = find_context(builder, sample, &entry.context);
	if (code)
		return code;
	code = wants_stack(builder, entry.stack);
	if (code <= 0)
		return code ? code : -ENODATA;
	if (!profile->total.samples)
		profile->period = sample->period;
	else if (profile->period != sample->period)
		profile->periods_differ = true;
	hw_weight_add(&profile->total, entry.weight);
	code = add_entry(builder, entry, &id);
	if (!code && builder->details & HW_PROFILE_POINTS)
		code = add_point(profile, sample, id);
	return code;
}

int hw_profile_build(struct hw_profile *profile, const struct hw_recording *recording,
                     struct hw_symbolizer *symbolizer, struct hw_filter *filter, struct hw_error *err)
{
	return hw_profile_build_with(profile, recording, symbolizer, filter, 0, err);
}

int hw_profile_build_with(struct hw_profile *profile, const struct hw_recording *recording,
                          struct hw_symbolizer *symbolizer, struct hw_filter *filter, unsigned details,
                          struct hw_error *err)
{
	struct builder builder = {.profile = profile, .filter = filter, .details = details};
	const struct hw_sample *samples;
	size_t count;
	int code;

	*profile = (struct hw_profile){.recording = recording, .symbolizer = symbolizer};
	code = hw_stacks_init(&profile->stacks, recording, symbolizer, filter->part);
	profile->stacks.with_locations = details & HW_PROFILE_LOCATIONS;
	samples = hw_recording_samples(recording, &count);
	for (size_t i = 0; i < count && !code; i++) {
		code = add_sample(&builder, &samples[i]);
		if (code == -ENODATA) {
			profile->filtered++;
			code = 0;
		}
	}
	array_free(&builder.frames);
	array_free(&builder.verdicts);
	return code ? hw_fail(err, code, "out of memory after %zu different stacks",
	                      profile->stacks.stacks.count)
	            : 0;
}

void hw_profile_free(struct hw_profile *profile)
{
	hw_stacks_free(&profile->stacks);
	hw_names_free(&profile->names);
	array_free(&profile->contexts);
	array_free(&profile->entries);
	array_free(&profile->points);
	hw_index_free(&profile->by_context);
	hw_index_free(&profile->by_entry);
	*profile = (struct hw_profile){0};
}

bool hw_event_is_clock(const struct hw_recording_event *event)
{
	return event->type == PERF_TYPE_SOFTWARE &&
	       (event->config == PERF_COUNT_SW_CPU_CLOCK || event->config == PERF_COUNT_SW_TASK_CLOCK);
}
