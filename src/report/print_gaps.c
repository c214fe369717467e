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

static void print_heading(FILE *out, const struct hw_style *style, const char *text)
{
	fputs("\n", out);
	hw_tone(out, style, HW_TONE_HEADING);
	fprintf(out, "%s\n", text);
	hw_tone(out, style, HW_TONE_PLAIN);
}

void hw_print_missing(FILE *out, const struct hw_style *style, const struct hw_account *account)
{
	if (!account->files_missing)
		return;
	print_heading(out, style, "Stacks that end for want of a file");
	for (size_t i = 0; i < account->missing_count; i++) {
		fprintf(out, "%12s  %s: ", hw_text_count(account->missing[i].walks).text,
		        account->missing[i].why);
		hw_text_print(out, account->missing[i].path, 60, style->ascii);
		fputs("\n", out);
	}
	if (account->files_missing > account->missing_count)
		fprintf(out, "%12s  in %s more files\n", "",
		        hw_text_count(account->files_missing - account->missing_count).text);
}

void hw_print_gaps(FILE *out, const struct hw_style *style, const struct hw_symbolizer *symbolizer)
{
	struct hw_gap gaps[HW_GAP_COUNT];
	size_t count = hw_symbolizer_gaps(symbolizer, gaps);

	if (!count)
		return;
	print_heading(out, style, "Addresses without a name");
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%12s  %s", hw_text_count(gaps[i].addresses).text, gaps[i].words);
		print_files(out, style, &gaps[i]);
		fputs("\n", out);
	}
}
