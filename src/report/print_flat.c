/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The flat list of a report: one row a function, library, thread or process, the heaviest first. */
#include <string.h>

#include "report/print.h"
#include "report/text.h"

#define BAR_COLUMNS            8
#define COMM_COLUMNS           16 /* the kernel keeps 15 */
#define FILE_COLUMNS           28
#define FUNCTION_COLUMNS_LEAST 30

struct flat_printer {
	FILE *out;
	const struct hw_style *style;
	const struct hw_profile *profile;
	const struct hw_flat *flat;
	const struct hw_flat_options *options;
	const struct hw_print_limits *limits;
	uint64_t whole, heaviest; /* of the column that is sorted by */
	size_t function_columns;
};

static void pad(FILE *out, size_t columns)
{
	fprintf(out, "%*s", (int)columns, "");
}

static void print_share(const struct flat_printer *printer, uint64_t weight)
{
	double percent = printer->whole ? 100.0 * (double)weight / (double)printer->whole : 0;

	if (percent >= 10)
		hw_tone(printer->out, printer->style, HW_TONE_STRONG);
	if (weight)
		fprintf(printer->out, "%8.2f", percent);
	else
		fprintf(printer->out, "%8s", printer->style->ascii ? "-" : "·");
	hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
}

/* A bar in eighths of a column, relative to the heaviest row. */
static void print_bar(const struct flat_printer *printer, uint64_t weight)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	double share = printer->heaviest ? (double)weight / (double)printer->heaviest : 0;
	unsigned length = (unsigned)(share * BAR_COLUMNS * 8 + 0.5), used = 0;

	fputs("  ", printer->out);
	if (printer->style->ascii) {
		for (; used < length / 8; used++)
			fputc('#', printer->out);
	} else {
		hw_tone(printer->out, printer->style, HW_TONE_DIM);
		for (; used < length / 8; used++)
			fputs("█", printer->out);
		fputs(eighths[length % 8], printer->out);
		used += length % 8 != 0;
		hw_tone(printer->out, printer->style, HW_TONE_PLAIN);
	}
	pad(printer->out, BAR_COLUMNS - used);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void print_context(const struct flat_printer *printer, const struct hw_flat_row *row)
{
	const struct hw_names *names = &printer->profile->names;
	const struct hw_context *context = &printer->profile->contexts.items[row->context];
	unsigned keys = printer->flat->keys;
	uint32_t name;
	size_t used;

	if (!(keys & HW_SORT_CONTEXT))
		return;
	/* A process goes by its own name, a thread or a comm by the thread's. */
	name = keys & HW_SORT_COMM ? row->comm : keys & HW_SORT_TID ? context->thread : context->process;
	if (keys & (HW_SORT_PID | HW_SORT_TID))
		fprintf(printer->out, "%8u", row->pid);
	if (keys & HW_SORT_TID)
		fprintf(printer->out, "%9u", row->tid);
	fputs("  ", printer->out);
	used = hw_text_print(printer->out, hw_names_text(names, name), COMM_COLUMNS, printer->style->ascii);
	pad(printer->out, COMM_COLUMNS - used);
}

static void print_names(const struct flat_printer *printer, const struct hw_flat_row *row)
{
	static const struct hw_frame none = {
	    .function = "[no stack]", .file = "[unknown]", .kind = HW_FRAME_UNKNOWN};
	const struct hw_names *names = &printer->flat->names;
	const struct hw_frame *frame = &none;
	const char *text, *mark;
	size_t used, columns = printer->function_columns;
	FILE *out = printer->out;

	if (row->frame != HW_NO_FRAME)
		frame = hw_symbolizer_frame_by_id(printer->profile->symbolizer, row->frame);
	if (printer->flat->keys & HW_SORT_SYM) {
		text = row->function != HW_FLAT_NONE ? hw_names_text(names, row->function)
		       : row->frame == HW_NO_FRAME   ? none.function
		                                     : "[unknown]";
		mark = hw_frame_mark(frame);
		fputs("  ", out);
		hw_tone(out, printer->style,
		        row->function == HW_FLAT_NONE ? HW_TONE_DIM : hw_frame_tone(frame));
		used = hw_text_print(out, text, columns - strlen(mark), printer->style->ascii);
		used += (size_t)fprintf(out, "%s", mark);
		hw_tone(out, printer->style, HW_TONE_PLAIN);
		if (printer->flat->keys & HW_SORT_DSO)
			pad(out, used < columns ? columns - used : 0);
	}
	if (printer->flat->keys & HW_SORT_DSO) {
		text = row->file != HW_FLAT_NONE ? hw_names_text(names, row->file) : none.file;
		fputs("  ", out);
		if (printer->flat->keys & HW_SORT_SYM)
			hw_text_print(out, file_name(text), FILE_COLUMNS, printer->style->ascii);
		else
			hw_text_print(out, text, columns, printer->style->ascii);
	}
}

static void print_heading(const struct flat_printer *printer)
{
	unsigned keys = printer->flat->keys;
	FILE *out = printer->out;
	const char *what = keys & HW_SORT_SYM   ? "Functions"
	                   : keys & HW_SORT_DSO ? "Files"
	                   : keys & HW_SORT_TID ? "Threads"
	                   : keys & HW_SORT_PID ? "Processes"
	                                        : "Thread names";

	hw_tone(out, printer->style, HW_TONE_HEADING);
	fprintf(out, "%s, by what %s\n", what,
	        printer->options->by_total ? "they and all they called ran (children)"
	                                   : "they ran themselves (self)");
	hw_tone(out, printer->style, HW_TONE_DIM);
	fprintf(out, "%8s", printer->options->by_total ? "children" : "self");
	pad(out, BAR_COLUMNS + 2);
	if (printer->limits->total)
		fprintf(out, "%10s", printer->options->by_total ? "self" : "children");
	fprintf(out, "%12s", "samples");
	if (keys & (HW_SORT_PID | HW_SORT_TID))
		fprintf(out, "%8s", "pid");
	if (keys & HW_SORT_TID)
		fprintf(out, "%9s", "tid");
	if (keys & HW_SORT_CONTEXT)
		fprintf(out, "  %-*s", COMM_COLUMNS, "name");
	if (keys & HW_SORT_SYM)
		fprintf(out, keys & HW_SORT_DSO ? "  %-*s" : "  %.*s", (int)printer->function_columns,
		        "function");
	if (keys & HW_SORT_DSO)
		fputs("  file", out);
	hw_tone(out, printer->style, HW_TONE_PLAIN);
	fputs("\n", out);
}

static void print_row(const struct flat_printer *printer, const struct hw_flat_row *row)
{
	uint64_t self = hw_profile_weight(printer->profile, row->self);
	uint64_t total = hw_profile_weight(printer->profile, row->total);
	bool by_total = printer->options->by_total;

	print_share(printer, by_total ? total : self);
	print_bar(printer, by_total ? total : self);
	if (printer->limits->total) {
		fputs("  ", printer->out);
		print_share(printer, by_total ? self : total);
	}
	fprintf(printer->out, "%12s", hw_text_count(by_total ? row->total.samples : row->self.samples).text);
	print_context(printer, row);
	print_names(printer, row);
	fputs("\n", printer->out);
}

static bool is_shown(const struct flat_printer *printer, size_t index)
{
	const struct hw_flat_row *row = &printer->flat->rows.items[index];
	uint64_t weight =
	    hw_profile_weight(printer->profile, printer->options->by_total ? row->total : row->self);

	if (index < printer->limits->rows_least && weight)
		return true;
	return (double)weight * 100.0 >= printer->limits->percent * (double)printer->whole &&
	       (weight || printer->limits->percent <= 0);
}

/* As wide as the names need, as far as the terminal goes. */
static void set_columns(struct flat_printer *printer)
{
	unsigned keys = printer->flat->keys;
	size_t used = 8 + 2 + BAR_COLUMNS + 12 + 2, needed = FUNCTION_COLUMNS_LEAST, room;

	if (printer->limits->total)
		used += 10;
	if (keys & HW_SORT_CONTEXT)
		used += COMM_COLUMNS + 2 + 8 + 9;
	if ((keys & HW_SORT_FRAME) == HW_SORT_FRAME)
		used += FILE_COLUMNS / 2 + 2;
	room = printer->style->width > used + needed ? printer->style->width - used : needed;
	for (size_t i = 0; i < printer->flat->rows.count && needed < room; i++) {
		const struct hw_flat_row *row = &printer->flat->rows.items[i];
		uint32_t name = keys & HW_SORT_SYM ? row->function : row->file;

		if (name == HW_FLAT_NONE || !is_shown(printer, i))
			continue;
		if (hw_text_columns(hw_names_text(&printer->flat->names, name)) + 4 > needed)
			needed = hw_text_columns(hw_names_text(&printer->flat->names, name)) + 4;
	}
	printer->function_columns = needed < room ? needed : room;
}

int hw_print_flat(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                  const struct hw_flat *flat, const struct hw_flat_options *options,
                  const struct hw_print_limits *limits)
{
	struct flat_printer printer = {out, style, profile, flat, options, limits, 0, 0, 0};
	uint64_t rest = 0;
	size_t left_out = 0;

	printer.whole = hw_profile_weight(profile, profile->total);
	if (flat->rows.count)
		printer.heaviest = hw_profile_weight(profile, options->by_total ? flat->rows.items[0].total
		                                                                : flat->rows.items[0].self);
	set_columns(&printer);
	print_heading(&printer);
	for (size_t i = 0; i < flat->rows.count; i++) {
		const struct hw_flat_row *row = &flat->rows.items[i];

		if (!is_shown(&printer, i)) {
			left_out++;
			rest += hw_profile_weight(profile, row->self);
			continue;
		}
		print_row(&printer, row);
	}
	if (left_out) {
		hw_tone(out, style, HW_TONE_DIM);
		fprintf(out, "%8.2f  %zu more below %g %%, together by self\n",
		        printer.whole ? 100.0 * (double)rest / (double)printer.whole : 0, left_out,
		        limits->percent);
		hw_tone(out, style, HW_TONE_PLAIN);
	}
	return 0;
}
