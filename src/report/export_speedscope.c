/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/export_speedscope.h"

#include <string.h>

#include "report/text.h"
#include "report/threads.h"

#define NAME_BYTES_MOST 4096

struct exporter {
	FILE *out;
	const struct hw_profile *profile;
	bool clock, period;
	struct hw_threads threads;
	struct hw_frame_list frames;
};

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	hw_text_print_json(out, text, NAME_BYTES_MOST);
	fputc('"', out);
}

static void put_frames(struct exporter *exporter)
{
	uint32_t count = hw_symbolizer_frame_count(exporter->profile->symbolizer);
	const struct hw_frame *frame;
	char buffer[HW_FRAME_NAME_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		frame = hw_symbolizer_frame_by_id(exporter->profile->symbolizer, i);
		fputs(i ? ",\n{\"name\":" : "\n{\"name\":", exporter->out);
		put_string(exporter->out, hw_frame_name(frame, buffer));
		fputs(",\"file\":", exporter->out);
		put_string(exporter->out, frame->file);
		fputc('}', exporter->out);
	}
}

/* Whether the point after this one goes on with its stack. */
static bool continues(const struct hw_point *const *points, size_t at, size_t count)
{
	return at + 1 < count && points[at + 1]->entry == points[at]->entry;
}

static int put_samples(struct exporter *exporter, const struct hw_point *const *points, size_t count)
{
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		if (continues(points, i, count))
			continue;
		if (hw_stacks_frames(&exporter->profile->stacks,
		                     exporter->profile->entries.items[points[i]->entry].stack,
		                     &exporter->frames))
			return -ENOMEM;
		fputs(first ? "\n[" : ",\n[", exporter->out);
		for (size_t j = exporter->frames.count; j-- > 0;)
			fprintf(exporter->out, j ? "%u," : "%u", exporter->frames.items[j]);
		fputc(']', exporter->out);
		first = false;
	}
	return 0;
}

static uint64_t weight_of(const struct exporter *exporter, const struct hw_point *point)
{
	return exporter->period ? point->period : 1;
}

static void put_weights(const struct exporter *exporter, const struct hw_point *const *points, size_t count)
{
	const char *comma = "";
	uint64_t weight = 0;

	for (size_t i = 0; i < count; i++) {
		weight += weight_of(exporter, points[i]);
		if (continues(points, i, count))
			continue;
		fprintf(exporter->out, "%s%llu", comma, (unsigned long long)weight);
		comma = ",";
		weight = 0;
	}
}

static int put_thread(struct exporter *exporter, const struct hw_thread *thread)
{
	const struct hw_point *const *points = exporter->threads.points + thread->first;
	uint64_t end = 0;
	char name[128];

	for (size_t i = 0; i < thread->count; i++)
		end += weight_of(exporter, points[i]);
	hw_thread_name(exporter->profile, thread->context, name, sizeof(name));
	fputs("{\"type\":\"sampled\",\"name\":", exporter->out);
	put_string(exporter->out, name);
	fprintf(exporter->out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%llu,\"samples\":[",
	        exporter->clock && exporter->period ? "nanoseconds" : "none", (unsigned long long)end);
	if (put_samples(exporter, points, thread->count))
		return -ENOMEM;
	fputs("],\n\"weights\":[", exporter->out);
	put_weights(exporter, points, thread->count);
	fputs("]}", exporter->out);
	return 0;
}

int hw_export_speedscope(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                         bool period, struct hw_error *err)
{
	struct exporter exporter = {
	    .out = out, .profile = profile, .clock = event && hw_event_is_clock(event), .period = period};
	int code = hw_threads_build(&exporter.threads, profile);

	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
	      "\"exporter\":\"homeward@" HW_VERSION "\",\"name\":\"homeward\",\"activeProfileIndex\":0,\n"
	      "\"shared\":{\"frames\":[",
	      out);
	put_frames(&exporter);
	fputs("]},\n\"profiles\":[", out);
	for (size_t i = 0; i < exporter.threads.threads.count && !code && !ferror(out); i++) {
		fputs(i ? ",\n" : "\n", out);
		code = put_thread(&exporter, &exporter.threads.threads.items[i]);
	}
	fputs("]}\n", out);
	hw_threads_free(&exporter.threads);
	array_free(&exporter.frames);
	return code ? hw_fail(err, code, "out of memory for %zu samples", profile->points.count) : 0;
}
