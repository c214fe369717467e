/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The recording as the flame graph page reads it. Keys:
 *
 *	title, facts: [label, text]…, account: [level, count, whole, name, words]…
 *	weighted: whether nodes have a weight beside their samples (periods differ)
 *	strings: names, used by index
 *	frames: function, file, kind, function, file, kind, …; function -1: no symbol; kind: enum
 *hw_frame_kind threads: pid, process name, tid, thread name, number of nodes, … nodes: frame, depth, samples,
 *…: those of one thread after those of another, callers before callees, depth 0 outermost; samples are those
 *of the node itself weights: of each node, if weighted
 */
#include <string.h>

#include "report/account.h"
#include "report/facts.h"
#include "report/flame.h"
#include "report/text.h"

#define NAME_BYTES_MOST 2000 /* of a demangled name: some templates go on for ever */

struct node {
	uint32_t frame, depth;
	struct hw_weight self;
};

struct thread {
	uint32_t process_group, thread_group; /* index into tree->groups */
	uint32_t nodes;
};

struct writer {
	FILE *out;
	const struct hw_profile *profile;
	const struct hw_tree *tree;
	uint64_t least; /* lighter branches are merged */
	struct hw_names names;
	array_of(uint32_t) frame_numbers; /* by frame id: place among the frames written, plus one */
	array_of(uint32_t) frames;        /* ids of those that are used, in that order */
	array_of(struct node) nodes;
	array_of(struct thread) threads;
};

#define SMALL_BRANCHES UINT32_MAX /* as a frame: what was merged */

static uint64_t weight_of(const struct writer *writer, uint32_t node)
{
	return hw_profile_weight(writer->profile, writer->tree->nodes.items[node].total);
}

static int descending(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? 1 : *a > *b ? -1 : 0;
}

/* The weight that leaves about max_nodes nodes. Callees weigh no more than their callers, so what is left
 * hangs together. */
static int choose_least(struct writer *writer, uint32_t max_nodes)
{
	size_t count = writer->tree->nodes.count;
	uint64_t *weights;

	if (!max_nodes || count <= max_nodes)
		return 0;
	weights = calloc(count, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		weights[i] = weight_of(writer, (uint32_t)i);
	qsort(weights, count, sizeof(*weights), descending);
	writer->least = weights[max_nodes] + 1;
	free(weights);
	return 0;
}

static int number_frame(struct writer *writer, uint32_t frame)
{
	while (writer->frame_numbers.count <= frame)
		if (array_push(&writer->frame_numbers, 0))
			return -ENOMEM;
	if (writer->frame_numbers.items[frame])
		return 0;
	if (array_push(&writer->frames, frame))
		return -ENOMEM;
	writer->frame_numbers.items[frame] = (uint32_t)writer->frames.count;
	return 0;
}

static int add_node(struct writer *writer, uint32_t frame, uint32_t depth, struct hw_weight self)
{
	struct node node = {frame, depth, self};

	if (frame != SMALL_BRANCHES && number_frame(writer, frame))
		return -ENOMEM;
	return array_push(&writer->nodes, node);
}

/* Children are sorted: those from this one on are too light, and become one node. */
static int merge_siblings(struct writer *writer, uint32_t from, uint32_t depth)
{
	struct hw_weight sum = {0};

	for (uint32_t at = from; at != HW_NO_NODE; at = writer->tree->nodes.items[at].next_sibling)
		hw_weight_add(&sum, writer->tree->nodes.items[at].total);
	return add_node(writer, SMALL_BRANCHES, depth, sum);
}

/* All below a thread's node, callers first, without recursion: stacks can be thousands of frames deep. */
static int add_thread(struct writer *writer, uint32_t top)
{
	const struct hw_tree_node *nodes = writer->tree->nodes.items;
	size_t before = writer->nodes.count;
	struct thread thread = {.process_group = nodes[nodes[top].parent].label,
	                        .thread_group = nodes[top].label};
	uint32_t at = nodes[top].first_child, depth = 0;
	/* What hit no frame at all counts for the thread itself: a node without a name keeps the sums right.
	 */
	int code = nodes[top].self.samples ? add_node(writer, SMALL_BRANCHES, 0, nodes[top].self) : 0;

	while (!code && at != top) {
		if (at != HW_NO_NODE && weight_of(writer, at) >= writer->least) {
			code = add_node(writer, nodes[at].label, depth, nodes[at].self);
			if (nodes[at].first_child != HW_NO_NODE) {
				at = nodes[at].first_child;
				depth++;
				continue;
			}
		} else if (at != HW_NO_NODE) {
			code = merge_siblings(writer, at, depth);
			while (nodes[at].next_sibling != HW_NO_NODE)
				at = nodes[at].next_sibling;
		} else {
			break;
		}
		while (at != top && nodes[at].next_sibling == HW_NO_NODE) {
			at = nodes[at].parent;
			depth--;
		}
		if (at != top)
			at = nodes[at].next_sibling;
	}
	thread.nodes = (uint32_t)(writer->nodes.count - before);
	return code ? code : array_push(&writer->threads, thread);
}

static int add_threads(struct writer *writer)
{
	const struct hw_tree_node *nodes = writer->tree->nodes.items;
	int code = 0;

	for (uint32_t process = nodes[0].first_child; process != HW_NO_NODE;
	     process = nodes[process].next_sibling)
		for (uint32_t thread = nodes[process].first_child; thread != HW_NO_NODE && !code;
		     thread = nodes[thread].next_sibling)
			code = add_thread(writer, thread);
	return code;
}

static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	hw_text_print_json(out, text, NAME_BYTES_MOST);
	fputc('"', out);
}

/* Frames by index into strings, which are collected on the way. */
static int print_frames(struct writer *writer)
{
	uint32_t function, file;
	FILE *out = writer->out;

	fputs(",\n\"frames\":[", out);
	for (size_t i = 0; i < writer->frames.count; i++) {
		const struct hw_frame *frame =
		    hw_symbolizer_frame_by_id(writer->profile->symbolizer, writer->frames.items[i]);

		if (hw_names_add(&writer->names, frame->function ? frame->function : "", &function) ||
		    hw_names_add(&writer->names, frame->file, &file))
			return -ENOMEM;
		fprintf(out, "%s%d,%u,%u", i ? "," : "", frame->function ? (int)function : -1, file,
		        frame->unnamed && frame->kind == HW_FRAME_USER ? HW_FRAME_UNKNOWN : frame->kind);
	}
	/* the last one: where branches were merged */
	if (hw_names_add(&writer->names, "[small branches]", &function) ||
	    hw_names_add(&writer->names, "[unknown]", &file))
		return -ENOMEM;
	fprintf(out, "%s%u,%u,%d]", writer->frames.count ? "," : "", function, file, HW_FRAME_UNKNOWN);
	return 0;
}

static int print_threads(struct writer *writer)
{
	const struct hw_tree_group *groups = writer->tree->groups.items;
	const struct hw_names *names = &writer->profile->names;
	uint32_t process, thread;

	fputs(",\n\"threads\":[", writer->out);
	for (size_t i = 0; i < writer->threads.count; i++) {
		const struct thread *is = &writer->threads.items[i];

		if (hw_names_add(&writer->names, hw_names_text(names, groups[is->process_group].name),
		                 &process) ||
		    hw_names_add(&writer->names, hw_names_text(names, groups[is->thread_group].name),
		                 &thread))
			return -ENOMEM;
		fprintf(writer->out, "%s%u,%u,%u,%u,%u", i ? "," : "", groups[is->process_group].id, process,
		        groups[is->thread_group].id, thread, is->nodes);
	}
	fputc(']', writer->out);
	return 0;
}

static void print_nodes(struct writer *writer)
{
	FILE *out = writer->out;

	fputs(",\n\"nodes\":[", out);
	for (size_t i = 0; i < writer->nodes.count; i++) {
		const struct node *node = &writer->nodes.items[i];
		size_t frame = node->frame == SMALL_BRANCHES ? writer->frames.count
		                                             : writer->frame_numbers.items[node->frame] - 1;

		fprintf(out, "%s%zu,%u,%llu", i ? "," : "", frame, node->depth,
		        (unsigned long long)node->self.samples);
	}
	fputc(']', out);
	if (!writer->profile->periods_differ)
		return;
	fputs(",\n\"weights\":[", out);
	for (size_t i = 0; i < writer->nodes.count; i++)
		fprintf(out, "%s%llu", i ? "," : "", (unsigned long long)writer->nodes.items[i].self.period);
	fputc(']', out);
}

static void print_strings(struct writer *writer)
{
	fputs(",\n\"strings\":[", writer->out);
	for (size_t i = 0; i < writer->names.starts.count; i++) {
		fputs(i ? "," : "", writer->out);
		print_string(writer->out, hw_names_text(&writer->names, (uint32_t)i));
	}
	fputc(']', writer->out);
}

static void print_about(struct writer *writer, const struct hw_flame_options *options)
{
	const struct hw_account *account = hw_recording_account(writer->profile->recording);
	struct hw_account_line lines[HW_ACCOUNT_LINES_MAX];
	struct hw_fact facts[HW_FACTS_MAX];
	FILE *out = writer->out;
	size_t count;

	fputs("{\"title\":", out);
	print_string(out, options->title);
	fputs(",\n\"facts\":[", out);
	count = hw_facts(writer->profile->recording, options->event, facts);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s[\"%s\",", i ? "," : "", facts[i].label);
		print_string(out, facts[i].text);
		fputc(']', out);
	}
	fputs("],\n\"account\":[", out);
	count = hw_account_lines(account, lines);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s[%u,%llu,%llu,\"%s\",\"%s\"]", i ? "," : "", lines[i].level,
		        (unsigned long long)lines[i].count, (unsigned long long)lines[i].whole,
		        lines[i].name ? lines[i].name : "", lines[i].words);
	fprintf(out, "],\n\"weighted\":%s", writer->profile->periods_differ ? "true" : "false");
}

int hw_flame_write_data(FILE *out, const struct hw_profile *profile, const struct hw_tree *tree,
                        const struct hw_flame_options *options)
{
	struct writer writer = {.out = out, .profile = profile, .tree = tree};
	int code = choose_least(&writer, options->max_nodes);

	if (!code)
		code = add_threads(&writer);
	if (!code) {
		print_about(&writer, options);
		code = print_frames(&writer);
	}
	if (!code)
		code = print_threads(&writer);
	if (!code) {
		print_nodes(&writer);
		print_strings(&writer);
		fputs("}\n", out);
	}
	hw_names_free(&writer.names);
	array_free(&writer.frame_numbers);
	array_free(&writer.frames);
	array_free(&writer.nodes);
	array_free(&writer.threads);
	return code;
}
