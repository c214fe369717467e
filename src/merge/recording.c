/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Loading a recording: every record once, in the order of the file, into samples, callchains and process
 * events (records.c); then each sample finds its callchain (join.c), and those that brought a stack copy are
 * walked (stacks.c); then all is sorted by time.
 */
#include "merge/recording.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "merge/internal.h"

void hw_recording_damage(struct hw_recording *recording, const char *format, ...)
{
	va_list arguments;

	if (recording->account.damage[0])
		return;
	va_start(arguments, format);
	vsnprintf(recording->account.damage, sizeof(recording->account.damage), format, arguments);
	va_end(arguments);
}

static void count(struct hw_recording *recording)
{
	struct hw_account *a = &recording->account;
	uint64_t first = UINT64_MAX, last = 0;

	a->samples = recording->samples.count;
	array_for_each (&recording->samples, s) {
		first = s->time_ns < first ? s->time_ns : first;
		last = s->time_ns > last ? s->time_ns : last;
		if (s->event < recording->events.count)
			recording->events.items[s->event].samples++;
		if (s->state == HW_SAMPLE_CALLCHAIN) {
			a->samples--;
			a->callchains++;
		}
		if (s->state == HW_SAMPLE_KERNEL_ONLY || s->state == HW_SAMPLE_CALLCHAIN)
			continue;
		a->user_samples++;
		if (s->state == HW_SAMPLE_DIRECT) {
			a->direct++;
		} else if (s->state == HW_SAMPLE_REFUSED) {
			a->refused[s->refusal]++;
		} else {
			a->asked++;
			if (s->state == HW_SAMPLE_ANSWERED) {
				a->answered++;
				a->ended[s->end]++;
				a->complete += s->end == HW_END_COMPLETE;
			} else {
				a->unanswered[s->unanswered]++;
			}
		}
	}
	a->duration_ns = last > first ? last - first : 0;
}

/* ---- all together ---- */

static void tell_info(struct hw_recording *recording)
{
	const struct hw_reader_info *from = hw_reader_info(recording->reader);
	struct hw_recording_info *info = &recording->info;
	const char *open = from->version ? strchr(from->version, '(') : NULL;

	info->hostname = from->hostname;
	info->os_release = from->os_release;
	info->arch = from->arch;
	info->cpu_description = from->cpu_description;
	info->tool_version = from->version;
	info->command = (const char *const *)from->command;
	info->command_count = from->command_count;
	info->cpus_online = from->cpus_online;
	info->cpus_available = from->cpus_available;
	info->memory_bytes = from->memory_bytes;
	if (open && !strncmp(from->version, "homeward", 8)) {
		snprintf(recording->backend, sizeof(recording->backend), "%.*s", (int)strcspn(open + 1, ")"),
		         open + 1);
		info->backend = recording->backend;
		info->cost = hw_reader_cost(recording->reader);
	}
	recording->account.ended_cleanly = from->ended_cleanly;
}

/*
 * A clock at so many Hz has a period that stays as it is: then the attribute says the period, as the kernel
 * has it, and samples do not repeat it.
 */
static void say_rate_of_clock(struct hw_recording_event *event)
{
	bool clock = event->type == PERF_TYPE_SOFTWARE &&
	             (event->config == PERF_COUNT_SW_CPU_CLOCK || event->config == PERF_COUNT_SW_TASK_CLOCK);
	uint64_t hertz = event->rate ? 1000000000ull / event->rate : 0;

	if (!clock || event->frequency || !hertz || 1000000000ull / hertz != event->rate)
		return;
	event->frequency = true;
	event->rate = hertz;
}

static int add_events(struct hw_recording *recording)
{
	size_t events;
	const struct hw_reader_event *from = hw_reader_events(recording->reader, &events);

	for (size_t i = 0; i < events; i++) {
		struct hw_recording_event event = {.frequency = from[i].attr.freq,
		                                   .rate = from[i].attr.sample_freq,
		                                   .type = from[i].attr.type,
		                                   .config = from[i].attr.config};

		memcpy(event.name, from[i].name, sizeof(event.name));
		say_rate_of_clock(&event);
		if (array_push(&recording->events, event))
			return -ENOMEM;
	}
	return 0;
}

static int read_records(struct hw_recording *recording, const struct hw_load_options *options)
{
	const struct perf_event_header *record;
	uint64_t read = 0;
	int r;

	while ((r = hw_reader_next(recording->reader, &record)) > 0) {
		r = hw_recording_add(recording, record);
		if (r == -ENOMEM)
			return r;
		if (r) {
			recording->account.unread_bytes += record->size;
			hw_recording_damage(recording, "a record of type %u makes no sense before byte %llu",
			                    record->type,
			                    (unsigned long long)hw_reader_position(recording->reader));
		}
		if (options && options->progress && !(++read & 0xffff))
			options->progress(options->context, hw_reader_position(recording->reader),
			                  hw_reader_file_bytes(recording->reader));
	}
	return r;
}

/* Mappings that came without a build ID get that of the recording's table, by path. */
static void add_build_ids(struct hw_recording *recording)
{
	static const char kernel[] = "[kernel.kallsyms]";

	array_for_each (&recording->process_events, event) {
		const char *path = event->name;

		if (event->type != HW_PROCESS_MMAP || event->build_id_size)
			continue;
		if (event->kernel && !strncmp(path, kernel, sizeof(kernel) - 1))
			path = kernel;
		event->build_id_size = hw_reader_build_id(recording->reader, path, event->build_id);
	}
}

static int order_events(struct hw_recording *recording)
{
	return hw_order_by_time(recording->process_events.items, recording->process_events.count,
	                        sizeof(struct hw_process_event));
}

static int load(struct hw_recording *recording, const struct hw_load_options *options)
{
	uint64_t unread;
	const char *damage;
	int r = read_records(recording, options);

	if (!r)
		r = add_events(recording);
	if (r)
		return r;
	tell_info(recording);
	add_build_ids(recording);
	r = order_events(recording);
	if (!r)
		r = hw_recording_join(recording);
	recording->account.callchains = recording->callchains.count + recording->joined_nearby;
	array_free(&recording->callchains);
	array_free(&recording->exits);
	if (!r)
		r = hw_recording_walk_stacks(recording, options);
	if (!r)
		r = hw_order_by_time(recording->samples.items, recording->samples.count,
		                     sizeof(struct hw_sample));
	count(recording);
	recording->account.bytes = hw_reader_file_bytes(recording->reader);
	damage = hw_reader_damage(recording->reader, &unread);
	recording->account.unread_bytes += unread;
	if (damage[0])
		hw_recording_damage(recording, "%s", damage);
	return r;
}

int hw_recording_load(const char *path, const struct hw_load_options *options, struct hw_recording **result,
                      struct hw_error *err)
{
	struct hw_recording *recording = calloc(1, sizeof(*recording));
	int r;

	if (!recording)
		return hw_fail(err, -ENOMEM, "out of memory");
	recording->spool = -1;
	recording->unmerged = options && options->unmerged;
	if (hw_intern_init(&recording->stacks)) {
		hw_recording_free(recording);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	r = hw_reader_open(path, &recording->reader, err);
	if (r) {
		hw_recording_free(recording);
		return r;
	}
	r = load(recording, options);
	if (r) {
		hw_recording_free(recording);
		return hw_fail(err, r, "cannot read %s: %s", path,
		               r == -ENOMEM ? "out of memory" : strerror(-r));
	}
	*result = recording;
	return 0;
}

void hw_recording_free(struct hw_recording *recording)
{
	if (!recording)
		return;
	array_for_each (&recording->names, name)
		free(*name);
	array_free(&recording->names);
	array_free(&recording->lost_on);
	array_free(&recording->samples);
	array_free(&recording->process_events);
	array_free(&recording->events);
	array_free(&recording->callchains);
	array_free(&recording->exits);
	array_free(&recording->stack_copies);
	if (recording->spool >= 0)
		close(recording->spool);
	hw_intern_free(&recording->stacks);
	hw_reader_close(recording->reader);
	free(recording);
}

const struct hw_sample *hw_recording_samples(const struct hw_recording *recording, size_t *n)
{
	*n = recording->samples.count;
	return recording->samples.items;
}

const struct hw_process_event *hw_recording_process_events(const struct hw_recording *recording, size_t *n)
{
	*n = recording->process_events.count;
	return recording->process_events.items;
}

const struct hw_recording_event *hw_recording_events(const struct hw_recording *recording, size_t *n)
{
	*n = recording->events.count;
	return recording->events.items;
}

const struct hw_recording_info *hw_recording_info(const struct hw_recording *recording)
{
	return &recording->info;
}

const struct hw_account *hw_recording_account(const struct hw_recording *recording)
{
	return &recording->account;
}

const uint64_t *hw_recording_stack(const struct hw_recording *recording, uint32_t stack, size_t *n)
{
	if (!stack || stack + 1ull >= recording->stacks.starts.count) {
		*n = 0;
		return NULL;
	}
	*n = recording->stacks.starts.items[stack + 1] - recording->stacks.starts.items[stack];
	return recording->stacks.ips.items + recording->stacks.starts.items[stack];
}

size_t hw_recording_stack_count(const struct hw_recording *recording)
{
	return recording->stacks.starts.count - 1;
}
