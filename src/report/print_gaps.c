/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/print.h"
#include "report/text.h"

static void print_files(FILE *out, const struct hw_style *style, const struct hw_gap *gap)
{
	size_t shown = 0;

	for (; shown < HW_GAP_EXAMPLES && gap->examples[shown]; shown++) {
		fputs(shown ? ", " : ": ", out);
		hw_text_print(out, gap->examples[shown], 60, style->ascii);
	}
	if (gap->files > shown)
		fprintf(out, " and %s more", hw_text_count(gap->files - shown).text);
}

void hw_print_gaps(FILE *out, const struct hw_style *style, const struct hw_symbolizer *symbolizer)
{
	struct hw_gap gaps[HW_GAP_COUNT];
	size_t count = hw_symbolizer_gaps(symbolizer, gaps);

	if (!count)
		return;
	fputs("\n", out);
	hw_tone(out, style, HW_TONE_HEADING);
	fputs("Addresses without a name\n", out);
	hw_tone(out, style, HW_TONE_PLAIN);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%12s  %s", hw_text_count(gaps[i].addresses).text, gaps[i].words);
		print_files(out, style, &gaps[i]);
		fputs("\n", out);
	}
}
