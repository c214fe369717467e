/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The parts of "homeward report" as text. They write to any stream; errors are the stream's (ferror).
 */
#ifndef HW_REPORT_PRINT_H
#define HW_REPORT_PRINT_H

#include <stdio.h>

#include "report/flat.h"
#include "report/tree.h"

struct hw_style {
	bool color;
	bool ascii;     /* the terminal's character set has no "├─" */
	unsigned width; /* columns */
};

/* Switch on and off; nothing without colours. */
enum hw_tone {
	HW_TONE_PLAIN,
	HW_TONE_HEADING,
	HW_TONE_STRONG,
	HW_TONE_DIM,
	HW_TONE_KERNEL,
	HW_TONE_JIT,
	HW_TONE_WARNING,
};
void hw_tone(FILE *out, const struct hw_style *style, enum hw_tone tone);

/* The tone and the mark (" [k]") of a frame's kind: told apart by colour, and without. */
enum hw_tone hw_frame_tone(const struct hw_frame *frame);
const char *hw_frame_mark(const struct hw_frame *frame);

/* What was recorded, where, how long, by what; and what the shares below are shares of. */
void hw_print_head(FILE *out, const struct hw_style *style, const char *path,
                   const struct hw_profile *profile, const struct hw_tree *tree, uint16_t event);

struct hw_print_limits {
	double percent;    /* leave out what is less */
	size_t rows_least; /* of a list, that are shown whatever they are */
	bool total;        /* flat: show the column with what was called, too */
};

/* 0 or -ENOMEM. */
int hw_print_flat(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                  const struct hw_flat *flat, const struct hw_flat_options *options,
                  const struct hw_print_limits *limits);
int hw_print_tree(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                  const struct hw_tree *tree, const struct hw_tree_options *options,
                  const struct hw_print_limits *limits);
void hw_print_account(FILE *out, const struct hw_style *style, const struct hw_account *account);
/* What could not be named, one line a cause; nothing if all could. */
/* The files that walks lacked, with what each of them cost. */
void hw_print_missing(FILE *out, const struct hw_style *style, const struct hw_account *account);
void hw_print_gaps(FILE *out, const struct hw_style *style, const struct hw_symbolizer *symbolizer);

#endif
