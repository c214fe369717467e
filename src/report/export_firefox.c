/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The format keeps tables by column, and every thread has its own: a thread's stacks become a tree of
 * (prefix, frame), whose nodes are its stackTable; its frames and functions are the ones that the tree uses.
 * Here a frame is a function, so frameTable and funcTable run in parallel.
 */
#include "report/export_firefox.h"

#include <string.h>

#include "report/text.h"
#include "report/threads.h"

#define FORMAT_VERSION  48
#define NAME_BYTES_MOST 4096
#define NO_PREFIX       UINT32_MAX

struct node {
	uint32_t prefix; /* position, or NO_PREFIX */
	uint32_t frame;  /* into struct tables' frames */
};

/* What one thread's samples point at. */
struct tables {
	array_of(struct node) nodes;
	array_of(uint32_t) frames;    /* frame ids of the symbolizer */
	array_of(uint32_t) resources; /* by frame: position of its file */
	array_of(uint32_t) files;     /* string ids */
	struct hw_index by_node, by_frame;
	struct hw_names strings;
	array_of(uint32_t) names; /* by frame: string id */
};

struct exporter {
	FILE *out;
	const struct hw_profile *profile;
	struct hw_threads threads;
	struct tables tables;
	struct hw_frame_list frames;
	array_of(uint32_t) stack_of_entry; /* node position of an entry of this thread */
	uint64_t first_ns;
	bool clock;
};

/* Categories, in the order of meta.categories. */
enum category { CATEGORY_OTHER, CATEGORY_USER, CATEGORY_KERNEL, CATEGORY_JIT };

static enum category category_of(const struct hw_frame *frame)
{
	switch (frame->kind) {
	case HW_FRAME_USER:
	case HW_FRAME_VDSO:
		return CATEGORY_USER;
	case HW_FRAME_KERNEL:
		return CATEGORY_KERNEL;
	case HW_FRAME_JIT:
		return CATEGORY_JIT;
	default:
		return CATEGORY_OTHER;
	}
}

/* ---- one thread's tables ---- */

static void clear(struct tables *tables)
{
	tables->nodes.count = tables->frames.count = tables->resources.count = tables->files.count = 0;
	tables->names.count = 0;
	hw_index_free(&tables->by_node);
	hw_index_free(&tables->by_frame);
	hw_names_free(&tables->strings);
}

static int find_file(struct tables *tables, const char *file, uint32_t *position)
{
	uint32_t name;

	if (hw_names_add(&tables->strings, file, &name))
		return -ENOMEM;
	for (*position = 0; *position < tables->files.count; ++*position)
		if (tables->files.items[*position] == name)
			return 0;
	return array_push(&tables->files, name);
}

static int add_frame(struct exporter *exporter, uint32_t id)
{
	const struct hw_frame *frame = hw_symbolizer_frame_by_id(exporter->profile->symbolizer, id);
	struct tables *tables = &exporter->tables;
	char buffer[HW_FRAME_NAME_BYTES];
	uint32_t name, file;

	if (hw_names_add(&tables->strings, hw_frame_name(frame, buffer), &name) ||
	    find_file(tables, frame->file, &file))
		return -ENOMEM;
	return array_push(&tables->frames, id) || array_push(&tables->names, name) ||
	               array_push(&tables->resources, file)
	           ? -ENOMEM
	           : 0;
}

static int find_frame(struct exporter *exporter, uint32_t id, uint32_t *position)
{
	struct tables *tables = &exporter->tables;
	uint64_t hash = hw_index_hash(&id, sizeof(id));

	hw_index_for_each_candidate(&tables->by_frame, hash, probe, found)
	{
		if (tables->frames.items[found] == id) {
			*position = (uint32_t)found;
			return 0;
		}
	}
	*position = (uint32_t)tables->frames.count;
	if (add_frame(exporter, id))
		return -ENOMEM;
	return hw_index_add(&tables->by_frame, hash, *position);
}

static int find_node(struct exporter *exporter, uint32_t prefix, uint32_t frame_id, uint32_t *position)
{
	struct tables *tables = &exporter->tables;
	struct node node = {.prefix = prefix};
	uint64_t hash;

	if (find_frame(exporter, frame_id, &node.frame))
		return -ENOMEM;
	hash = hw_index_hash(&node, sizeof(node));
	hw_index_for_each_candidate(&tables->by_node, hash, probe, found)
	{
		if (!memcmp(&tables->nodes.items[found], &node, sizeof(node))) {
			*position = (uint32_t)found;
			return 0;
		}
	}
	*position = (uint32_t)tables->nodes.count;
	if (array_push(&tables->nodes, node))
		return -ENOMEM;
	return hw_index_add(&tables->by_node, hash, *position);
}

/* The stackTable position of an entry's stack: NO_PREFIX if it has no frame. */
static int find_stack(struct exporter *exporter, uint32_t entry, uint32_t *position)
{
	uint32_t *known = &exporter->stack_of_entry.items[entry];

	if (*known == NO_PREFIX) {
		if (hw_stacks_frames(&exporter->profile->stacks,
		                     exporter->profile->entries.items[entry].stack, &exporter->frames))
			return -ENOMEM;
		for (size_t i = exporter->frames.count; i-- > 0;)
			if (find_node(exporter, *known, exporter->frames.items[i], known))
				return -ENOMEM;
	}
	*position = *known;
	return 0;
}

/* ---- writing ---- */

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	hw_text_print_json(out, text, NAME_BYTES_MOST);
	fputc('"', out);
}

/* One column: "name":[expression of i, …]. */
#define put_column(out, name, count, format, value)                                                          \
	do {                                                                                                 \
		fputs("\"" name "\":[", out);                                                                \
		for (size_t i = 0; i < (count); i++)                                                         \
			fprintf(out, i ? "," format : format, value);                                        \
		fputs("],", out);                                                                            \
	} while (0)

static const struct hw_frame *frame_at(const struct exporter *exporter, size_t position)
{
	return hw_symbolizer_frame_by_id(exporter->profile->symbolizer,
	                                 exporter->tables.frames.items[position]);
}

/* Of a clock, each period is CPU time that the thread used before the sample: the viewer shows how busy it
 * was. */
static int put_samples(struct exporter *exporter, const struct hw_point *const *points, size_t count)
{
	FILE *out = exporter->out;
	uint32_t stack;

	fputs("\"samples\":{\"weightType\":\"samples\",\"weight\":null,\"stack\":[", out);
	for (size_t i = 0; i < count; i++) {
		if (find_stack(exporter, points[i]->entry, &stack))
			return -ENOMEM;
		if (stack == NO_PREFIX)
			fputs(i ? ",null" : "null", out);
		else
			fprintf(out, i ? ",%u" : "%u", stack);
	}
	fputs("],", out);
	put_column(out, "time", count, "%.6f", (double)(points[i]->time_ns - exporter->first_ns) / 1e6);
	if (exporter->clock)
		put_column(out, "threadCPUDelta", count, "%llu", (unsigned long long)points[i]->period);
	fprintf(out, "\"length\":%zu},\n", count);
	return 0;
}

static void put_stack_table(const struct exporter *exporter)
{
	const struct tables *tables = &exporter->tables;
	FILE *out = exporter->out;
	size_t count = tables->nodes.count;

	fputs("\"stackTable\":{\"prefix\":[", out);
	for (size_t i = 0; i < count; i++) {
		if (tables->nodes.items[i].prefix == NO_PREFIX)
			fputs(i ? ",null" : "null", out);
		else
			fprintf(out, i ? ",%u" : "%u", tables->nodes.items[i].prefix);
	}
	fputs("],", out);
	put_column(out, "frame", count, "%u", tables->nodes.items[i].frame);
	put_column(out, "category", count, "%d",
	           (int)category_of(frame_at(exporter, tables->nodes.items[i].frame)));
	put_column(out, "subcategory", count, "%d", 0);
	fprintf(out, "\"length\":%zu},\n", count);
}

static void put_frame_tables(const struct exporter *exporter)
{
	const struct tables *tables = &exporter->tables;
	FILE *out = exporter->out;
	size_t count = tables->frames.count;

	fputs("\"frameTable\":{", out);
	put_column(out, "address", count, "%d", -1);
	put_column(out, "inlineDepth", count, "%d", 0);
	put_column(out, "category", count, "%d", (int)category_of(frame_at(exporter, i)));
	put_column(out, "subcategory", count, "%d", 0);
	put_column(out, "func", count, "%zu", i);
	put_column(out, "nativeSymbol", count, "%s", "null");
	put_column(out, "innerWindowID", count, "%d", 0);
	put_column(out, "implementation", count, "%s", "null");
	put_column(out, "line", count, "%s", "null");
	put_column(out, "column", count, "%s", "null");
	fprintf(out, "\"length\":%zu},\n\"funcTable\":{", count);
	put_column(out, "isJS", count, "%s", "false");
	put_column(out, "relevantForJS", count, "%s", "false");
	put_column(out, "name", count, "%u", tables->names.items[i]);
	put_column(out, "resource", count, "%u", tables->resources.items[i]);
	put_column(out, "fileName", count, "%s", "null");
	put_column(out, "lineNumber", count, "%s", "null");
	put_column(out, "columnNumber", count, "%s", "null");
	fprintf(out, "\"length\":%zu},\n", count);
}

static void put_other_tables(const struct exporter *exporter)
{
	const struct tables *tables = &exporter->tables;
	FILE *out = exporter->out;
	size_t count = tables->files.count;

	fputs("\"resourceTable\":{", out);
	put_column(out, "lib", count, "%s", "null");
	put_column(out, "name", count, "%u", tables->files.items[i]);
	put_column(out, "host", count, "%s", "null");
	put_column(out, "type", count, "%d", 1); /* a library */
	fprintf(out,
	        "\"length\":%zu},\n"
	        "\"nativeSymbols\":{\"libIndex\":[],\"address\":[],\"name\":[],\"functionSize\":[],"
	        "\"length\":0},\n"
	        "\"markers\":{\"data\":[],\"name\":[],\"startTime\":[],\"endTime\":[],\"phase\":[],"
	        "\"category\":[],\"length\":0},\n\"stringArray\":[",
	        count);
	for (uint32_t i = 0; i < tables->strings.starts.count; i++) {
		fputs(i ? ",\n" : "", out);
		put_string(out, hw_names_text(&tables->strings, i));
	}
	fputs("]}", out);
}

static int put_thread(struct exporter *exporter, const struct hw_thread *thread)
{
	const struct hw_profile *profile = exporter->profile;
	const struct hw_context *context = &profile->contexts.items[thread->context];
	const struct hw_point *const *points = exporter->threads.points + thread->first;
	FILE *out = exporter->out;
	int code;

	clear(&exporter->tables);
	fputs("{\"processType\":\"default\",\"processName\":", out);
	put_string(out, hw_names_text(&profile->names, context->process));
	fputs(",\"name\":", out);
	put_string(out, hw_names_text(&profile->names, context->thread));
	fprintf(out,
	        ",\"isMainThread\":%s,\"pid\":\"%u\",\"tid\":%u,\"processStartupTime\":0,"
	        "\"processShutdownTime\":null,\"registerTime\":%.6f,\"unregisterTime\":null,"
	        "\"pausedRanges\":[],\n",
	        context->pid == context->tid ? "true" : "false", context->pid, context->tid,
	        (double)(points[0]->time_ns - exporter->first_ns) / 1e6);
	code = put_samples(exporter, points, thread->count);
	if (code)
		return code;
	put_stack_table(exporter);
	put_frame_tables(exporter);
	put_other_tables(exporter);
	return 0;
}

static void put_meta(const struct exporter *exporter, const struct hw_recording_event *event)
{
	const struct hw_recording_info *info = hw_recording_info(exporter->profile->recording);
	FILE *out = exporter->out;
	double interval_ms = 1;

	if (event && event->rate && (event->frequency || hw_event_is_clock(event)))
		interval_ms = event->frequency ? 1e3 / (double)event->rate : (double)event->rate / 1e6;
	fprintf(out,
	        "{\"meta\":{\"version\":29,\"preprocessedProfileVersion\":%d,\"processType\":0,"
	        "\"interval\":%.6f,\"startTime\":0,\"stackwalk\":1,\"debug\":false,\"symbolicated\":true,"
	        "\"product\":\"homeward\",\"importedFrom\":\"homeward " HW_VERSION "\",\"oscpu\":",
	        FORMAT_VERSION, interval_ms);
	put_string(out, info->os_release ? info->os_release : "Linux");
	fputs(",\"CPUName\":", out);
	put_string(out, info->cpu_description ? info->cpu_description : "");
	fprintf(out,
	        ",\"logicalCPUs\":%u,\"usesOnlyOneStackType\":true,\"doesNotUseFrameImplementation\":true,"
	        "\"sourceCodeIsNotOnSearchfox\":true,\"sampleUnits\":{\"time\":\"ms\",\"eventDelay\":\"ms\","
	        "\"threadCPUDelta\":\"ns\"},\"extensions\":{\"id\":[],\"name\":[],\"baseURL\":[],"
	        "\"length\":0},\"markerSchema\":[],\"categories\":[",
	        info->cpus_online);
	fputs("{\"name\":\"Other\",\"color\":\"grey\",\"subcategories\":[\"Other\"]},"
	      "{\"name\":\"User\",\"color\":\"yellow\",\"subcategories\":[\"Other\"]},"
	      "{\"name\":\"Kernel\",\"color\":\"orange\",\"subcategories\":[\"Other\"]},"
	      "{\"name\":\"JIT\",\"color\":\"green\",\"subcategories\":[\"Other\"]}]},\n"
	      "\"libs\":[],\"pages\":[],\"counters\":[],\"profilerOverhead\":[],\"threads\":[",
	      out);
}

static int prepare(struct exporter *exporter)
{
	size_t entries = exporter->profile->entries.count;

	if (hw_threads_build(&exporter->threads, exporter->profile) ||
	    array_reserve(&exporter->stack_of_entry, entries + 1))
		return -ENOMEM;
	for (size_t i = 0; i < entries; i++)
		exporter->stack_of_entry.items[i] = NO_PREFIX;
	if (exporter->profile->points.count)
		exporter->first_ns = exporter->profile->points.items[0].time_ns;
	return 0;
}

int hw_export_firefox(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                      struct hw_error *err)
{
	struct exporter exporter = {
	    .out = out, .profile = profile, .clock = event && hw_event_is_clock(event)};
	int code = prepare(&exporter);

	put_meta(&exporter, event);
	for (size_t i = 0; i < exporter.threads.threads.count && !code && !ferror(out); i++) {
		fputs(i ? ",\n" : "\n", out);
		code = put_thread(&exporter, &exporter.threads.threads.items[i]);
	}
	fputs("]}\n", out);
	clear(&exporter.tables);
	array_free(&exporter.tables.nodes);
	array_free(&exporter.tables.frames);
	array_free(&exporter.tables.resources);
	array_free(&exporter.tables.files);
	array_free(&exporter.tables.names);
	hw_threads_free(&exporter.threads);
	array_free(&exporter.frames);
	array_free(&exporter.stack_of_entry);
	return code ? hw_fail(err, code, "out of memory for %zu samples", profile->points.count) : 0;
}
