/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The call tree as text. Only a place where calls part ways is indented; a function that runs nearly all of
 * its caller's share stands straight below it, so that deep stacks stay on the screen. Plain recursion is
 * one line, with how often. A file is named where it changes.
 */
#include <string.h>

#include "report/print.h"
#include "report/text.h"

#define PREFIX_COLUMNS_MOST 60
#define NAME_COLUMNS_LEAST  30
#define STRAIGHT_SHARE      0.8 /* of the caller's weight */

struct tree_printer {
	FILE *out;
	const struct hw_style *style;
	const struct hw_profile *profile;
	const struct hw_tree *tree;
	const struct hw_tree_options *options;
	uint64_t whole;
	double least; /* weight below which a node is left out */
	size_t left_out;
	array_of(char) prefix; /* of the branches that are open, without a terminating zero */
	array_of(struct branch) branches;
};

/* A node that is to be printed: children that are left go on one by one. */
struct branch {
	uint32_t next;        /* the sibling to print next, HW_NO_NODE: none */
	size_t prefix_length; /* of its parent's lines */
	size_t columns;
	const char *file; /* of the parent */
};

static uint64_t weight_of(const struct tree_printer *printer, uint32_t node)
{
	return hw_profile_weight(printer->profile, printer->tree->nodes.items[node].total);
}

static void share(const struct tree_printer *printer, uint64_t weight)
{
	double percent = printer->whole ? 100.0 * (double)weight / (double)printer->whole : 0;

	if (percent >= 10)
		hw_tone(printer->out, printer->style, HW_TONE_STRONG);
	if (weight)
		fprintf(printer->out, "%8.2f", percent);
	else
		fprintf(printer->out, "%8s", "");
	hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void print_frame(const struct tree_printer *printer, uint32_t id, unsigned times, size_t columns,
                        const char **file)
{
	const struct hw_frame *frame = hw_symbolizer_frame_by_id(printer->profile->symbolizer, id);
	const char *mark = hw_frame_mark(frame), *name = base_name(frame->file);
	bool known = frame->function != NULL;
	size_t used;

	hw_tone(printer->out, printer->style, known ? hw_frame_tone(frame) : HW_TONE_DIM);
	used = hw_text_print(printer->out, known ? frame->function : "[unknown]", columns,
	                     printer->style->ascii);
	fputs(mark, printer->out);
	hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
	if (times > 1)
		fprintf(printer->out, printer->style->ascii ? " x%u" : " ×%u", times);
	/* A marker's text says all, and the kernel's frames are marked. */
	if ((!*file || strcmp(*file, frame->file)) && frame->kind != HW_FRAME_KERNEL &&
	    !(known && frame->kind == HW_FRAME_UNKNOWN) && used + 4 < columns) {
		fputs("  ", printer->out);
		hw_tone(printer->out, printer->style, HW_TONE_DIM);
		hw_text_print(printer->out, name, columns - used - 2, printer->style->ascii);
		hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
	}
	*file = frame->file;
}

static void print_group(const struct tree_printer *printer, const struct hw_tree_node *node, size_t columns)
{
	const struct hw_tree_group *group = &printer->tree->groups.items[node->label];

	hw_tone(printer->out, printer->style, HW_TONE_STRONG);
	hw_text_print(printer->out, hw_names_text(&printer->profile->names, group->name), columns,
	              printer->style->ascii);
	hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
	if (node->kind != HW_NODE_NAME)
		fprintf(printer->out, node->kind == HW_NODE_PROCESS ? "  pid %u" : "  tid %u", group->id);
}

/* One line; columns: how wide the prefix and the connector are; times: that the function calls itself. */
static void print_node(const struct tree_printer *printer, uint32_t id, unsigned times, const char *connector,
                       size_t columns, const char **file)
{
	const struct hw_tree_node *node = &printer->tree->nodes.items[id];
	size_t rest = printer->style->width > columns + 22 + NAME_COLUMNS_LEAST
	                  ? printer->style->width - columns - 22
	                  : NAME_COLUMNS_LEAST;

	share(printer, hw_profile_weight(printer->profile, node->total));
	if (!printer->options->inverted)
		share(printer, hw_profile_weight(printer->profile, node->self));
	fputs("   ", printer->out);
	hw_tone(printer->out, printer->style, HW_TONE_DIM);
	if (printer->prefix.count)
		fwrite(printer->prefix.items, 1, printer->prefix.count, printer->out);
	fputs(connector, printer->out);
	hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
	if (node->kind == HW_NODE_FRAME)
		print_frame(printer, node->label, times, rest, file);
	else
		print_group(printer, node, rest);
	fputs("\n", printer->out);
}

/* Siblings are sorted: the first that is too light ends the list. */
static uint32_t shown(struct tree_printer *printer, uint32_t node)
{
	if (node == HW_NO_NODE || (double)weight_of(printer, node) >= printer->least)
		return node;
	for (; node != HW_NO_NODE; node = printer->tree->nodes.items[node].next_sibling)
		printer->left_out++;
	return HW_NO_NODE;
}

static int grow_prefix(struct tree_printer *printer, const char *more)
{
	size_t length = strlen(more);

	if (array_reserve(&printer->prefix, printer->prefix.count + length))
		return -ENOMEM;
	memcpy(printer->prefix.items + printer->prefix.count, more, length);
	printer->prefix.count += length;
	return 0;
}

/*
 * Print a node, and down from it what is plain recursion: the same function with the same samples. Returns
 * the innermost of these.
 */
static uint32_t print_recursion(const struct tree_printer *printer, uint32_t id, const char *connector,
                                size_t columns, const char **file)
{
	const struct hw_tree_node *nodes = printer->tree->nodes.items;
	unsigned times = 1;
	uint32_t inner = id;

	while (nodes[inner].kind == HW_NODE_FRAME && nodes[inner].first_child != HW_NO_NODE) {
		const struct hw_tree_node *callee = &nodes[nodes[inner].first_child];

		if (callee->kind != HW_NODE_FRAME || callee->label != nodes[inner].label ||
		    callee->total.samples != nodes[inner].total.samples)
			break;
		inner = nodes[inner].first_child;
		times++;
	}
	/* What the innermost ran itself is what the line ran itself. */
	print_node(printer, inner, times, connector, columns, file);
	return inner;
}

/* Whether a callee stands straight below its caller: it is alone, and runs most of its share. */
static bool goes_straight(struct tree_printer *printer, uint32_t caller, uint32_t callee)
{
	const struct hw_tree_node *nodes = printer->tree->nodes.items;

	/* What a process or thread runs stands below it, even if there is only one thing. */
	if (callee == HW_NO_NODE || nodes[caller].kind != HW_NODE_FRAME)
		return false;
	if ((double)weight_of(printer, callee) < STRAIGHT_SHARE * (double)weight_of(printer, caller))
		return false;
	return nodes[callee].next_sibling == HW_NO_NODE ||
	       (double)weight_of(printer, nodes[callee].next_sibling) < printer->least;
}

/*
 * Print a node and go down its chain as long as that goes straight; then open the branch where it parts.
 * The prefix is that of the node's children when this returns.
 */
static int print_chain(struct tree_printer *printer, uint32_t id, const char *connector, const char *below,
                       size_t columns, const char *file)
{
	const struct hw_tree_node *nodes = printer->tree->nodes.items;
	bool grown = columns < PREFIX_COLUMNS_MOST && connector[0];
	struct branch branch;
	uint32_t first;

	id = print_recursion(printer, id, connector, columns, &file);
	if (grown && grow_prefix(printer, below))
		return -ENOMEM;
	while (1) {
		first = shown(printer, nodes[id].first_child);
		if (!goes_straight(printer, id, first))
			break;
		shown(printer, nodes[first].next_sibling); /* counts what is left out */
		id = print_recursion(printer, first, "", columns, &file);
	}
	branch = (struct branch){first, printer->prefix.count, columns, file};
	return array_push(&printer->branches, branch);
}

/* Print everything below the open branches. */
static int print_branches(struct tree_printer *printer)
{
	static const char *const connectors[2][2] = {{"├─ ", "└─ "}, {"|- ", "`- "}};
	static const char *const below[2][2] = {{"│  ", "   "}, {"|  ", "   "}};
	bool ascii = printer->style->ascii, last;

	while (printer->branches.count) {
		struct branch *branch = &printer->branches.items[printer->branches.count - 1];
		uint32_t id = branch->next;
		size_t columns = branch->columns + 3;

		printer->prefix.count = branch->prefix_length;
		if (id == HW_NO_NODE) {
			printer->branches.count--;
			continue;
		}
		branch->next = shown(printer, printer->tree->nodes.items[id].next_sibling);
		last = branch->next == HW_NO_NODE;
		/* Too deep to be indented further. */
		if (columns > PREFIX_COLUMNS_MOST)
			columns = PREFIX_COLUMNS_MOST;
		if (print_chain(printer, id, connectors[ascii][last], below[ascii][last], columns,
		                branch->file))
			return -ENOMEM;
		if (ferror(printer->out))
			return 0;
	}
	return 0;
}

static void print_heading(const struct tree_printer *printer)
{
	FILE *out = printer->out;

	hw_tone(out, printer->style, HW_TONE_HEADING);
	fputs(printer->options->inverted ? "Callers: each function that ran, and below it who called it\n"
	                                 : "Call tree\n",
	      out);
	hw_tone(out, printer->style, HW_TONE_DIM);
	fputs(printer->options->inverted ? "   total\n" : "   total    self\n", out);
	hw_tone(out, printer->style, HW_TONE_PLAIN);
}

int hw_print_tree(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                  const struct hw_tree *tree, const struct hw_tree_options *options,
                  const struct hw_print_limits *limits)
{
	struct tree_printer printer = {
	    .out = out, .style = style, .profile = profile, .tree = tree, .options = options};
	int code = 0;

	printer.whole = hw_profile_weight(profile, profile->total);
	printer.least = limits->percent / 100.0 * (double)printer.whole;
	print_heading(&printer);
	for (uint32_t top = shown(&printer, tree->nodes.items[0].first_child); top != HW_NO_NODE && !code;
	     top = shown(&printer, tree->nodes.items[top].next_sibling)) {
		printer.prefix.count = 0;
		code = print_chain(&printer, top, "", "", 0, NULL);
		if (!code)
			code = print_branches(&printer);
	}
	if (printer.left_out) {
		hw_tone(out, style, HW_TONE_DIM);
		fprintf(out, "%8s%s %zu lighter %s below %g %% left out (--percent-limit 0 shows all)\n", "",
		        options->inverted ? "" : "        ", printer.left_out,
		        hw_text_plural(printer.left_out, "branch", "branches"), limits->percent);
		hw_tone(out, style, HW_TONE_PLAIN);
	}
	array_free(&printer.prefix);
	array_free(&printer.branches);
	return code;
}
