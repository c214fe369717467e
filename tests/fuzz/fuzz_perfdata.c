/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Any bytes as a recording: read, merged and dumped, or refused with words. What was read has to add up, and
 * every stack that a sample names has to be there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "merge/recording.h"
#include "perfdata/dump.h"

#define DUMPED 40 /* records: printing is slow */

static void check(bool right)
{
	if (!right)
		abort();
}

static uint64_t sum(const uint64_t *counts, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += counts[i];
	return total;
}

static void add_up(const struct hw_recording *recording)
{
	const struct hw_account *a = hw_recording_account(recording);
	size_t samples, events, stacks = hw_recording_stack_count(recording), count;
	const struct hw_process_event *process = hw_recording_process_events(recording, &events);
	const struct hw_sample *sample = hw_recording_samples(recording, &samples);

	check(a->samples == samples && a->user_samples <= samples && a->complete <= a->answered);
	check(a->user_samples == a->asked + a->direct + sum(a->refused, HW_REFUSAL_COUNT));
	check(sum(a->ended, HW_END_REASON_COUNT) == a->answered);
	check(sum(a->unanswered, HW_UNANSWERED_COUNT) == a->asked - a->answered);
	for (size_t i = 0; i < samples; i++) {
		check(sample[i].user_stack < stacks && sample[i].kernel_stack < stacks);
		check(!i || sample[i - 1].time_ns <= sample[i].time_ns);
		hw_recording_stack(recording, sample[i].user_stack, &count);
		check(!count == (sample[i].user_stack == HW_NO_STACK));
	}
	for (size_t i = 1; i < events; i++)
		check(process[i - 1].time_ns <= process[i].time_ns);
}

static void dump(const char *path)
{
	const struct perf_event_header *record;
	FILE *out = fopen("/dev/null", "we");
	struct hw_reader *reader;

	if (out && !hw_reader_open(path, &reader, NULL)) {
		for (int i = 0; i < DUMPED && hw_reader_next(reader, &record) > 0; i++)
			hw_dump_record(out, "fuzz", reader, record);
		hw_reader_close(reader);
	}
	if (out)
		fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hw_recording *recording;
	struct hw_error err = {0};
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_file(data, size));
	if (hw_recording_load(path, NULL, &recording, &err)) {
		check(err.text[0] && err.code);
		return 0;
	}
	add_up(recording);
	hw_recording_free(recording);
	dump(path);
	return 0;
}
