/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/export_perf.h"

#include <time.h>

#include "perfdata/records.h"
#include "perfdata/writer.h"

#define ATTR_SIZE     120  /* PERF_ATTR_SIZE_VER6, Linux 5.5: as much as we set */
#define RECORDS_ROUND 4096 /* records between two PERF_RECORD_FINISHED_ROUND */
#define EVENTS_MAX    256

struct exporter {
	const struct hw_recording *recording;
	struct hw_symbolizer *symbolizer;
	const struct hw_filter *filter;
	struct hw_writer *writer;
	struct hw_export_perf_result result;
	struct hw_error *err;
	bool identify; /* several events: records say which one by an id */
	size_t since_round;
	struct hw_writer_event events[EVENTS_MAX];
	uint64_t ids[EVENTS_MAX]; /* of events: position + 1 */
	size_t event_count;
	uint64_t buffer[HW_RECORD_SIZE_MAX / 8];
};

static int append(struct exporter *exporter)
{
	int code = hw_writer_append(exporter->writer, (const struct perf_event_header *)exporter->buffer,
	                            exporter->err);

	if (!code && ++exporter->since_round == RECORDS_ROUND) {
		exporter->since_round = 0;
		code = hw_writer_round(exporter->writer, exporter->err);
	}
	return code;
}

/*
 * Append the record of size bytes that a hw_build_* function left in the buffer. With several events,
 * PERF_SAMPLE_IDENTIFIER is part of the sample type: first in samples, last in all others.
 */
static int append_built(struct exporter *exporter, int size, size_t event)
{
	struct perf_event_header *header = (struct perf_event_header *)exporter->buffer;
	size_t words = (size_t)size / 8;

	if (size < 0)
		return hw_fail(exporter->err, size, "a record does not fit into a perf.data file");
	if (exporter->identify) {
		if (header->type == PERF_RECORD_SAMPLE) {
			memmove(exporter->buffer + 2, exporter->buffer + 1, (words - 1) * 8);
			exporter->buffer[1] = exporter->ids[event];
		} else {
			exporter->buffer[words] = exporter->ids[event];
		}
		header->size = (uint16_t)(header->size + 8);
	}
	return append(exporter);
}

static size_t room(const struct exporter *exporter)
{
	return sizeof(exporter->buffer) - (exporter->identify ? 8 : 0);
}

static int write_sample(struct exporter *exporter, const struct hw_sample *sample)
{
	struct hw_record_sample record = {
	    .id = {.pid = sample->pid, .tid = sample->tid, .time_ns = sample->time_ns, .cpu = sample->cpu},
	    .cpumode = sample->cpumode,
	    .ip = sample->ip,
	    .period = sample->period,
	};
	const char *name = hw_symbolizer_thread_name(exporter->symbolizer, sample->pid, sample->tid);
	int size;

	if (!hw_filter_wants_sample(exporter->filter, sample, name) ||
	    (!sample->pid && !exporter->filter->idle)) {
		exporter->result.filtered++;
		return 0;
	}
	if (exporter->filter->part != HW_STACK_USER)
		record.kernel_ips =
		    hw_recording_stack(exporter->recording, sample->kernel_stack, &record.kernel_count);
	if (exporter->filter->part != HW_STACK_KERNEL)
		record.user_ips =
		    hw_recording_stack(exporter->recording, sample->user_stack, &record.user_count);
	size = hw_build_sample(exporter->buffer, room(exporter), &record);
	if (size == -E2BIG) {
		exporter->result.cut++;
		while (size == -E2BIG && (record.user_count || record.kernel_count)) {
			record.user_count /= 2;
			if (!record.user_count)
				record.kernel_count /= 2;
			size = hw_build_sample(exporter->buffer, room(exporter), &record);
		}
	}
	exporter->result.samples++;
	return append_built(exporter, size, sample->event < exporter->event_count ? sample->event : 0);
}

static int build_mmap(struct exporter *exporter, const struct hw_process_event *event,
                      const struct hw_record_id *id)
{
	struct hw_record_mmap mmap = {
	    .id = *id,
	    .pid = event->pid,
	    .tid = event->tid,
	    .cpumode = event->kernel ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER,
	    .start = event->start,
	    .length = event->length,
	    .offset = event->offset,
	    .major = event->major,
	    .minor = event->minor,
	    .inode = event->inode,
	    .build_id = event->build_id,
	    .build_id_size = event->build_id_size,
	    .protection = event->protection,
	    .flags = 2, /* MAP_PRIVATE */
	    .name = event->name,
	};

	return hw_build_mmap(exporter->buffer, room(exporter), &mmap);
}

static int write_process_event(struct exporter *exporter, const struct hw_process_event *event)
{
	struct hw_record_id id = {.pid = event->pid, .tid = event->tid, .time_ns = event->time_ns};
	int size;

	switch (event->type) {
	case HW_PROCESS_MMAP:
		size = build_mmap(exporter, event, &id);
		break;
	case HW_PROCESS_COMM:
		size = hw_build_comm(exporter->buffer, room(exporter), &id, event->pid, event->tid,
		                     event->name, event->exec);
		break;
	default:
		size = hw_build_task(exporter->buffer, room(exporter), &id,
		                     event->type == HW_PROCESS_FORK ? PERF_RECORD_FORK : PERF_RECORD_EXIT,
		                     event->pid, event->tid, event->ppid, event->ptid);
	}
	return append_built(exporter, size, 0);
}

static int write_lost(struct exporter *exporter, uint64_t time_ns)
{
	uint64_t lost = hw_recording_account(exporter->recording)->lost_samples;
	struct hw_record_id id = {.time_ns = time_ns};

	if (!lost)
		return 0;
	return append_built(exporter, hw_build_lost(exporter->buffer, room(exporter), &id, lost, 0), 0);
}

/* Samples and process events, by time; an event that came with a sample stands before it. */
static int write_records(struct exporter *exporter)
{
	size_t sample_count, event_count, event = 0;
	const struct hw_sample *samples = hw_recording_samples(exporter->recording, &sample_count);
	const struct hw_process_event *events =
	    hw_recording_process_events(exporter->recording, &event_count);
	int code = 0;

	for (size_t i = 0; i < sample_count && !code; i++) {
		while (event < event_count && events[event].time_ns <= samples[i].time_ns && !code)
			code = write_process_event(exporter, &events[event++]);
		hw_symbolizer_advance(exporter->symbolizer, samples[i].time_ns);
		if (!code)
			code = write_sample(exporter, &samples[i]);
	}
	while (event < event_count && !code)
		code = write_process_event(exporter, &events[event++]);
	return code ? code : write_lost(exporter, sample_count ? samples[sample_count - 1].time_ns : 0);
}

static void describe_events(struct exporter *exporter)
{
	const struct hw_recording_event *events =
	    hw_recording_events(exporter->recording, &exporter->event_count);

	if (exporter->event_count > EVENTS_MAX)
		exporter->event_count = EVENTS_MAX;
	exporter->identify = exporter->event_count > 1;
	for (size_t i = 0; i < exporter->event_count; i++) {
		struct perf_event_attr *attr = &exporter->events[i].attr;

		attr->type = events[i].type;
		attr->config = events[i].config;
		attr->size = ATTR_SIZE;
		attr->freq = events[i].frequency;
		attr->sample_freq = events[i].rate;
		attr->sample_type =
		    HW_SAMPLE_TYPE | (exporter->identify ? (uint64_t)PERF_SAMPLE_IDENTIFIER : 0);
		attr->sample_id_all = 1;
		attr->exclude_callchain_user = exporter->filter->part == HW_STACK_KERNEL;
		attr->exclude_callchain_kernel = exporter->filter->part == HW_STACK_USER;
		attr->use_clockid = 1;
		attr->clockid = CLOCK_MONOTONIC;
		attr->mmap = attr->mmap2 = attr->comm = attr->comm_exec = attr->task = !i;
		exporter->ids[i] = i + 1;
		exporter->events[i].name = events[i].name;
		exporter->events[i].ids = &exporter->ids[i];
		exporter->events[i].id_count = exporter->identify;
	}
}

static int open_writer(struct exporter *exporter, const char *path)
{
	const struct hw_recording_info *info = hw_recording_info(exporter->recording);
	const struct hw_machine machine = {
	    .hostname = info->hostname,
	    .os_release = info->os_release,
	    .arch = info->arch,
	    .cpu_description = info->cpu_description,
	    .version = info->tool_version,
	    .cpus_online = info->cpus_online,
	    .cpus_available = info->cpus_available,
	    .memory_bytes = info->memory_bytes,
	};
	const struct hw_writer_options options = {
	    .events = exporter->events,
	    .event_count = exporter->event_count,
	    .backend = info->backend,
	    .command = info->command,
	    .command_count = info->command_count,
	    .machine = &machine,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	};

	return hw_writer_open(path, &options, &exporter->writer, exporter->err);
}

int hw_export_perf(const char *path, const struct hw_recording *recording, struct hw_symbolizer *symbolizer,
                   const struct hw_filter *filter, struct hw_export_perf_result *result, struct hw_error *err)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int code, closed;

	if (!exporter)
		return hw_fail(err, -ENOMEM, "out of memory");
	exporter->recording = recording;
	exporter->symbolizer = symbolizer;
	exporter->filter = filter;
	exporter->err = err;
	describe_events(exporter);
	code = open_writer(exporter, path);
	if (!code) {
		code = write_records(exporter);
		closed = hw_writer_close(exporter->writer, code ? NULL : err);
		code = code ? code : closed;
	}
	if (result)
		*result = exporter->result;
	free(exporter);
	return code;
}
