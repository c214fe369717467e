/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/script.h"

#include <string.h>

#include "report/index.h"
#include "report/text.h"

#define CACHE_BYTES_MOST    (64u << 20)
#define MISC_CPUMODE_KERNEL 1 /* PERF_RECORD_MISC_KERNEL, linux/perf_event.h */

/* The text of a recorded stack, printed before. */
struct printed {
	uint64_t layout;     /* see hw_symbolizer_layout */
	uint32_t stack, pid; /* pid 0: of whatever process has this layout */
	uint64_t kernel;
	size_t start, size; /* in the text kept */
};

struct scripter {
	FILE *out;
	const struct hw_recording *recording;
	struct hw_symbolizer *symbolizer;
	const struct hw_filter *filter;
	unsigned fields;
	int event_columns;
	array_of(char) text;
	array_of(struct printed) printed;
	struct hw_index by_question;
};

int hw_script_parse_fields(const char *text, unsigned *fields, struct hw_error *err)
{
	static const struct {
		const char *name;
		unsigned field;
	} known[] = {{"comm", HW_FIELD_COMM},   {"pid", HW_FIELD_PID},       {"tid", HW_FIELD_TID},
	             {"cpu", HW_FIELD_CPU},     {"time", HW_FIELD_TIME},     {"period", HW_FIELD_PERIOD},
	             {"event", HW_FIELD_EVENT}, {"ip", HW_FIELD_IP},         {"sym", HW_FIELD_SYM},
	             {"dso", HW_FIELD_DSO},     {"symoff", HW_FIELD_SYMOFF}, {"srcline", HW_FIELD_SRCLINE}};
	size_t length;
	char sign;

	*fields = *text == '+' || *text == '-' ? HW_FIELDS_DEFAULT : 0;
	for (const char *at = text;; at += length + 1) {
		unsigned field = 0;

		sign = *at == '+' || *at == '-' ? *at++ : '+';
		length = strcspn(at, ",");
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == length && !strncmp(known[i].name, at, length))
				field = known[i].field;
		if (!field)
			return hw_fail(
			    err, -EINVAL,
			    "unknown field '%.*s': take some of comm,pid,tid,cpu,time,period,event,ip,sym,"
			    "symoff,dso,srcline",
			    (int)length, at);
		*fields = sign == '-' ? *fields & ~field : *fields | field;
		if (!at[length])
			break;
	}
	if (*fields & HW_FIELD_IP)
		return 0;
	if (*fields & (HW_FIELD_SYM | HW_FIELD_SYMOFF | HW_FIELD_DSO | HW_FIELD_SRCLINE))
		return hw_fail(err, -EINVAL, "'%s' asks for sym, symoff, dso or srcline, which need ip",
		               text);
	return 0;
}

static void print_source(const struct scripter *scripter, FILE *out, const struct hw_line *line)
{
	const char *name = line->source, *slash = name ? strrchr(name, '/') : NULL;

	if (!(scripter->fields & HW_FIELD_SRCLINE) || !name)
		return;
	if (slash && !(scripter->fields & HW_FIELD_FULL_SOURCE))
		name = slash + 1;
	fputs("\n  ", out);
	hw_text_print_all(out, name, NULL);
	fprintf(out, ":%d", line->line);
}

/* Print the functions inlined at an address; *line becomes that of the function itself. */
static void print_inlined(const struct scripter *scripter, FILE *out, uint32_t pid, uint64_t ip,
                          uint64_t lookup, bool kernel, struct hw_line *line)
{
	struct hw_line lines[HW_LINES_MAX];
	size_t count;

	if (!(scripter->fields & (HW_FIELD_SRCLINE | HW_FIELD_INLINE)))
		return;
	count = hw_symbolizer_lines(scripter->symbolizer, pid, lookup, kernel, lines, HW_LINES_MAX);
	/* Without the inlined functions, the line is that of the code, as perf has it. */
	*line = lines[scripter->fields & HW_FIELD_INLINE ? count - 1 : 0];
	for (size_t i = 0; scripter->fields & HW_FIELD_INLINE && i + 1 < count; i++) {
		fprintf(out, "\t%16llx", (unsigned long long)ip);
		if (scripter->fields & (HW_FIELD_SYM | HW_FIELD_SYMOFF)) {
			fputc(' ', out);
			hw_text_print_all(out, lines[i].function ? lines[i].function : "[unknown]", NULL);
		}
		fputs(" (inlined)", out);
		print_source(scripter, out, &lines[i]);
		fputc('\n', out);
	}
}

static void print_place(const struct scripter *scripter, FILE *out, uint32_t pid, uint64_t ip, bool exact,
                        bool kernel)
{
	struct hw_place place = {0};
	struct hw_line line = {0};
	uint64_t before = !exact && ip;

	/* A return address belongs to the instruction before it; what nothing called begins where it says. */
	if (hw_symbolizer_place(scripter->symbolizer, pid, ip - before, kernel, false, &place) ||
	    !place.function) {
		before = 0;
		place = (struct hw_place){0};
		hw_symbolizer_place(scripter->symbolizer, pid, ip, kernel, false, &place);
	}
	print_inlined(scripter, out, pid, ip, ip - before, kernel, &line);
	fprintf(out, "\t%16llx", (unsigned long long)ip);
	if (scripter->fields & (HW_FIELD_SYM | HW_FIELD_SYMOFF)) {
		fputc(' ', out);
		hw_text_print_all(out, place.function ? place.function : "[unknown]", NULL);
		if (place.function && (scripter->fields & HW_FIELD_SYMOFF))
			fprintf(out, "+0x%llx", (unsigned long long)(place.offset + before));
	}
	if (scripter->fields & HW_FIELD_DSO) {
		fputs(" (", out);
		hw_text_print_all(out, place.file ? place.file : "[unknown]", NULL);
		fputc(')', out);
	}
	print_source(scripter, out, &line);
	fputc('\n', out);
}

/* Print the stack into memory and remember it. */
static int render(struct scripter *scripter, struct printed question)
{
	char *text = NULL;
	size_t size = 0, count;
	const uint64_t *ips = hw_recording_stack(scripter->recording, question.stack, &count);
	FILE *out = open_memstream(&text, &size);
	int code = 0;

	if (!out)
		return -ENOMEM;
	hw_symbolizer_was_unsure(scripter->symbolizer);
	for (size_t i = 0; i < count; i++)
		print_place(scripter, out, question.pid, ips[i], i == 0, question.kernel);
	if (fclose(out))
		code = -ENOMEM;
	if (!hw_symbolizer_was_unsure(scripter->symbolizer))
		question.pid = 0;
	if (!code && scripter->text.count + size > CACHE_BYTES_MOST) {
		scripter->text.count = scripter->printed.count = 0;
		hw_index_free(&scripter->by_question);
	}
	question.start = scripter->text.count;
	question.size = size;
	if (!code)
		code = array_reserve(&scripter->text, scripter->text.count + size);
	if (!code)
		code = array_push(&scripter->printed, question);
	if (!code) {
		memcpy(scripter->text.items + question.start, text, size);
		scripter->text.count += size;
		code = hw_index_add(&scripter->by_question,
		                    hw_index_hash(&question, offsetof(struct printed, start)),
		                    (uint32_t)scripter->printed.count - 1);
	}
	free(text);
	return code;
}

static const struct printed *find_printed(const struct scripter *scripter, const struct printed *question)
{
	uint64_t hash = hw_index_hash(question, offsetof(struct printed, start));

	hw_index_for_each_candidate(
	    &scripter->by_question, hash, probe,
	    position) if (!memcmp(&scripter->printed.items[position], question,
	                          offsetof(struct printed, start))) return &scripter->printed.items[position];
	return NULL;
}

static int print_stack(struct scripter *scripter, uint32_t pid, uint32_t stack, bool kernel)
{
	struct printed question = {.stack = stack, .kernel = kernel};
	const struct printed *found;
	int code;

	if (stack == HW_NO_STACK)
		return 0;
	question.layout = hw_symbolizer_layout(scripter->symbolizer, pid, kernel);
	found = find_printed(scripter, &question);
	if (!found) {
		question.pid = pid;
		found = find_printed(scripter, &question);
	}
	if (!found) {
		code = render(scripter, question);
		if (code)
			return code;
		found = &scripter->printed.items[scripter->printed.count - 1];
	}
	fwrite(scripter->text.items + found->start, 1, found->size, scripter->out);
	return 0;
}

static void print_head(const struct scripter *scripter, const struct hw_sample *sample, const char *name)
{
	unsigned fields = scripter->fields;
	FILE *out = scripter->out;
	const struct hw_recording_event *events;
	char time[40];
	size_t count;

	if (fields & HW_FIELD_COMM) {
		if (!(fields & HW_FIELD_IP))
			fprintf(out, "%*s",
			        (int)(hw_text_columns(name) < 16 ? 16 - hw_text_columns(name) : 0), "");
		hw_text_print_all(out, name, NULL);
		fputc(' ', out);
	}
	if ((fields & (HW_FIELD_PID | HW_FIELD_TID)) == (HW_FIELD_PID | HW_FIELD_TID))
		fprintf(out, "%7d/%-7d ", (int)sample->pid, (int)sample->tid);
	else if (fields & (HW_FIELD_PID | HW_FIELD_TID))
		fprintf(out, "%7d ", (int)(fields & HW_FIELD_PID ? sample->pid : sample->tid));
	if (fields & HW_FIELD_CPU)
		fprintf(out, "[%03u] ", sample->cpu);
	if (fields & HW_FIELD_TIME) {
		snprintf(time, sizeof(time), "%llu.%06llu",
		         (unsigned long long)(sample->time_ns / 1000000000u),
		         (unsigned long long)(sample->time_ns % 1000000000u / 1000));
		fprintf(out, "%12s: ", time);
	}
	if (sample->state == HW_SAMPLE_CALLCHAIN) { /* in perf's words */
		fprintf(out, "DEFERRED CALLCHAIN [cookie: %llx]", (unsigned long long)sample->cookie);
		return;
	}
	if (fields & HW_FIELD_PERIOD)
		fprintf(out, "%10llu ", (unsigned long long)sample->period);
	if (fields & HW_FIELD_EVENT) {
		events = hw_recording_events(scripter->recording, &count);
		fprintf(out, "%*s: ", scripter->event_columns,
		        sample->event < count ? events[sample->event].name : "[unknown]");
	}
}

/* In the place of a user stack that did not come, as perf has it. */
static void print_cookie(const struct scripter *scripter, uint64_t cookie)
{
	fprintf(scripter->out, "\t%16llx%s%s\n", (unsigned long long)cookie,
	        scripter->fields & (HW_FIELD_SYM | HW_FIELD_SYMOFF) ? " (cookie)" : "",
	        scripter->fields & HW_FIELD_DSO ? " ([unknown])" : "");
}

static int print_sample(struct scripter *scripter, const struct hw_sample *sample)
{
	const char *name;
	int code;

	hw_symbolizer_advance(scripter->symbolizer, sample->time_ns);
	name = hw_symbolizer_thread_name(scripter->symbolizer, sample->pid, sample->tid);
	if (!hw_filter_wants_sample(scripter->filter, sample, name))
		return 0;
	print_head(scripter, sample, name);
	fputc('\n', scripter->out);
	if (!(scripter->fields & HW_FIELD_IP))
		return 0;
	if (sample->kernel_stack == HW_NO_STACK && sample->user_stack == HW_NO_STACK && !sample->cookie)
		print_place(scripter, scripter->out, sample->pid, sample->ip, true,
		            sample->cpumode == MISC_CPUMODE_KERNEL);
	code = scripter->filter->part == HW_STACK_USER
	           ? 0
	           : print_stack(scripter, sample->pid, sample->kernel_stack, true);
	if (!code && scripter->filter->part != HW_STACK_KERNEL) {
		hw_symbolizer_walked(scripter->symbolizer,
		                     sample->time_ns - sample->walked_before_us * 1000ull);
		code = print_stack(scripter, sample->pid, sample->user_stack, false);
		if (sample->state == HW_SAMPLE_UNANSWERED)
			print_cookie(scripter, sample->cookie);
	}
	fputc('\n', scripter->out);
	return code;
}

int hw_script_write(FILE *out, const struct hw_recording *recording, struct hw_symbolizer *symbolizer,
                    const struct hw_filter *filter, unsigned fields, struct hw_error *err)
{
	struct scripter scripter = {
	    .out = out, .recording = recording, .symbolizer = symbolizer, .filter = filter, .fields = fields};
	const struct hw_recording_event *events;
	const struct hw_sample *samples;
	size_t count;
	int code = 0;

	events = hw_recording_events(recording, &count);
	for (size_t i = 0; i < count; i++)
		if ((int)strlen(events[i].name) > scripter.event_columns)
			scripter.event_columns = (int)strlen(events[i].name);
	samples = hw_recording_samples(recording, &count);
	for (size_t i = 0; i < count && !code && !ferror(out); i++)
		code = print_sample(&scripter, &samples[i]);
	array_free(&scripter.text);
	array_free(&scripter.printed);
	hw_index_free(&scripter.by_question);
	return code ? hw_fail(err, code, "out of memory") : 0;
}
