/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/folded.h"

#include <stdio_ext.h>
#include <string.h>

#include "report/text.h"

/* One line to be: a stack under one prefix. */
struct line {
	uint32_t name, pid, tid, stack; /* pid, tid: 0 if not in the prefix */
	struct hw_weight weight;
};

struct writer {
	FILE *out;
	const struct hw_profile *profile;
	const struct hw_folded_options *options;
	struct hw_frame_list frames;
	array_of(struct line) lines;
	struct hw_index by_line;
	array_of(char) text;       /* frames as they are written, one after another */
	array_of(size_t) text_end; /* by frame id; a frame's text begins where the one before ends */
};

static int add_entry(struct writer *writer, const struct hw_entry *entry)
{
	const struct hw_context *context = &writer->profile->contexts.items[entry->context];
	struct line line = {.name = context->thread,
	                    .pid = writer->options->pid || writer->options->tid ? context->pid : 0,
	                    .tid = writer->options->tid ? context->tid : 0,
	                    .stack = entry->stack,
	                    .weight = entry->weight};
	uint64_t hash = hw_index_hash(&line, offsetof(struct line, weight));

	hw_index_for_each_candidate(&writer->by_line, hash, probe, position)
	{
		struct line *known = &writer->lines.items[position];

		if (!memcmp(known, &line, offsetof(struct line, weight))) {
			hw_weight_add(&known->weight, line.weight);
			return 0;
		}
	}
	if (array_push(&writer->lines, line))
		return -ENOMEM;
	return hw_index_add(&writer->by_line, hash, (uint32_t)writer->lines.count - 1);
}

static void print_frame(FILE *out, const struct hw_frame *frame, bool annotate)
{
	char buffer[HW_FRAME_NAME_BYTES];

	hw_text_print_all(out, hw_frame_name(frame, buffer), ";");
	if (annotate && frame->kind == HW_FRAME_KERNEL)
		fputs("_[k]", out);
	if (annotate && frame->kind == HW_FRAME_JIT)
		fputs("_[j]", out);
}

/* Write every frame's text once, into memory: lines are put together from there. */
static int prepare_frames(struct writer *writer)
{
	uint32_t count = hw_symbolizer_frame_count(writer->profile->symbolizer);
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int code = 0;

	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	__fsetlocking(out, FSETLOCKING_BYCALLER);
	for (uint32_t i = 0; i < count && !code; i++) {
		print_frame(out, hw_symbolizer_frame_by_id(writer->profile->symbolizer, i),
		            writer->options->annotate);
		code = fflush(out) || array_push(&writer->text_end, size) ? -ENOMEM : 0;
	}
	if (fclose(out))
		code = -ENOMEM;
	writer->text.items = text;
	writer->text.count = writer->text.capacity = size;
	return code;
}

static int write_line(struct writer *writer, const struct line *line)
{
	FILE *out = writer->out;
	uint64_t count = writer->options->period ? line->weight.period : line->weight.samples;

	if (hw_stacks_frames(&writer->profile->stacks, line->stack, &writer->frames))
		return -ENOMEM;
	hw_text_print_all(out, hw_names_text(&writer->profile->names, line->name), ";");
	if (writer->options->tid)
		fprintf(out, "-%u/%u", line->pid, line->tid);
	else if (writer->options->pid)
		fprintf(out, "-%u", line->pid);
	for (size_t i = writer->frames.count; i-- > 0;) {
		uint32_t frame = writer->frames.items[i];
		size_t start = frame ? writer->text_end.items[frame - 1] : 0;

		putc_unlocked(';', out);
		fwrite_unlocked(writer->text.items + start, 1, writer->text_end.items[frame] - start, out);
	}
	fprintf(out, " %llu\n", (unsigned long long)count);
	return 0;
}

int hw_folded_write(FILE *out, const struct hw_profile *profile, const struct hw_folded_options *options,
                    struct hw_error *err)
{
	struct writer writer = {.out = out, .profile = profile, .options = options};
	int code = 0;

	for (size_t i = 0; i < profile->entries.count && !code; i++)
		code = add_entry(&writer, &profile->entries.items[i]);
	if (!code)
		code = prepare_frames(&writer);
	for (size_t i = 0; i < writer.lines.count && !code && !ferror(out); i++)
		code = write_line(&writer, &writer.lines.items[i]);
	array_free(&writer.frames);
	array_free(&writer.lines);
	hw_index_free(&writer.by_line);
	array_free(&writer.text);
	array_free(&writer.text_end);
	return code ? hw_fail(err, code, "out of memory for %zu folded stacks", writer.lines.count) : 0;
}
