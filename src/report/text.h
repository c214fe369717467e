/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Text that is fit to be shown.
 *
 * Names in a recording come from other people's programs: a thread may call itself anything, a symbol may
 * hold any byte. Nothing of that may reach a terminal, a page or a line-based format as it is. What is not
 * printable becomes visible instead: control characters and bytes that are not UTF-8 as \xNN, characters
 * that hide or reorder text (bidirectional controls, zero-width ones) as \u{NNNN}. All else stays.
 */
#ifndef HW_REPORT_TEXT_H
#define HW_REPORT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HW_TEXT_PIECE 12 /* "\u{10ffff}" and its end */

/*
 * The next piece of *text, made printable and zero-terminated: one character or one escape. Moves *text
 * on and returns the piece's length, 0 at the end.
 */
size_t hw_text_next(const char **text, char piece[HW_TEXT_PIECE]);

/* Columns on a terminal that a printable piece takes: 0, 1 or 2. */
int hw_text_piece_columns(const char *piece);

/* Columns of the whole text, made printable. */
size_t hw_text_columns(const char *text);

/*
 * Write text made printable, at most columns wide: longer text is cut in the middle with "…" ("..." if
 * ascii), so that both the namespace and the name stay. Returns the columns written.
 */
size_t hw_text_print(FILE *out, const char *text, size_t columns, int ascii);

/* The same without a limit, no padding; bytes in avoid (may be NULL) become ':' . */
void hw_text_print_all(FILE *out, const char *text, const char *avoid);

/* As the inside of a JSON string that may stand in an HTML <script>; at most max_bytes of it, then "…". */
void hw_text_print_json(FILE *out, const char *text, size_t max_bytes);

/* As text or attribute value of HTML. */
void hw_text_print_html(FILE *out, const char *text, size_t max_bytes);

/* Numbers for people. Use as hw_text_count(n).text: it lives to the end of the full expression. */
struct hw_text {
	char text[40];
};
struct hw_text hw_text_count(uint64_t count);                  /* 24,034 */
struct hw_text hw_text_duration(uint64_t duration_ns);         /* 12.03 s · 2 min 05 s */
struct hw_text hw_text_bytes(uint64_t bytes);                  /* 152.8 KiB */
struct hw_text hw_text_percent(uint64_t part, uint64_t whole); /* 61.2 · 100 · <0.1 · 99.97 */

/* "sample", "samples": pick by count. */
const char *hw_text_plural(uint64_t count, const char *one, const char *many);

#endif
