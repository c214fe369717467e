/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/flame.h"

#include <string.h>

#include "report/account.h"
#include "report/facts.h"
#include "report/flat.h"
#include "report/text.h"

#define TOP_FUNCTIONS   30
#define NAME_BYTES_MOST 400

static void print_facts(FILE *out, const struct hw_profile *profile, const struct hw_flame_options *options)
{
	struct hw_fact facts[HW_FACTS_MAX];
	size_t count = hw_facts(profile->recording, options->event, facts);

	fputs("<dl class=\"facts\">\n", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "<dt>%s</dt><dd>", facts[i].label);
		hw_text_print_html(out, facts[i].text, sizeof(facts[i].text));
		fputs("</dd>\n", out);
	}
	fputs("</dl>\n", out);
}

static void print_account(FILE *out, const struct hw_account *account)
{
	struct hw_account_line lines[HW_ACCOUNT_LINES_MAX];
	size_t count = hw_account_lines(account, lines);

	fputs("<h3>Account</h3>\n<table class=\"account\">\n"
	      "<tr><th scope=\"col\">count</th><th scope=\"col\">share</th><th scope=\"col\">of "
	      "what</th></tr>\n",
	      out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "<tr class=\"level%u\"><td>%s</td><td>", lines[i].level,
		        hw_text_count(lines[i].count).text);
		if (lines[i].whole) {
			hw_text_print_html(out, hw_text_percent(lines[i].count, lines[i].whole).text, 20);
			fputs(" %", out);
		}
		fputs("</td><td>", out);
		if (lines[i].reason)
			fprintf(out, "<b>%s</b> ", lines[i].name);
		fprintf(out, "%s</td></tr>\n", lines[i].words);
	}
	if (!account->lost_samples && !account->lost_callchains && !account->lost_other)
		fputs("<tr class=\"level0\"><td>0</td><td></td><td>lost</td></tr>\n", out);
	fputs("</table>\n", out);
}

static void print_function(FILE *out, const struct hw_profile *profile, const struct hw_flat *flat,
                           const struct hw_flat_row *row)
{
	uint64_t whole = hw_profile_weight(profile, flat->total);
	const char *file = row->file == HW_FLAT_NONE ? "[unknown]" : hw_names_text(&flat->names, row->file);

	fputs("<tr><td>", out);
	hw_text_print_html(out, hw_text_percent(hw_profile_weight(profile, row->self), whole).text, 20);
	fputs(" %</td><td>", out);
	hw_text_print_html(out, hw_text_percent(hw_profile_weight(profile, row->total), whole).text, 20);
	fputs(" %</td><td class=\"function\">", out);
	hw_text_print_html(
	    out, row->function == HW_FLAT_NONE ? "[unknown]" : hw_names_text(&flat->names, row->function),
	    NAME_BYTES_MOST);
	fputs("</td><td>", out);
	hw_text_print_html(out, file, NAME_BYTES_MOST);
	fputs("</td></tr>\n", out);
}

int hw_flame_write_summary(FILE *out, const struct hw_profile *profile,
                           const struct hw_flame_options *options, struct hw_error *err)
{
	struct hw_flat_options by_self = {.keys = HW_SORT_DSO | HW_SORT_SYM, .no_idle = true};
	struct hw_flat flat;
	int code;

	print_facts(out, profile, options);
	print_account(out, hw_recording_account(profile->recording));
	code = hw_flat_build(&flat, profile, &by_self, err);
	if (!code) {
		fputs("<h3>Functions that ran most</h3>\n<table class=\"functions\">\n"
		      "<tr><th scope=\"col\">self</th><th scope=\"col\">with callees</th>"
		      "<th scope=\"col\">function</th><th scope=\"col\">file</th></tr>\n",
		      out);
		for (size_t i = 0; i < flat.rows.count && i < TOP_FUNCTIONS; i++)
			if (flat.rows.items[i].self.samples)
				print_function(out, profile, &flat, &flat.rows.items[i]);
		fputs("</table>\n", out);
	}
	hw_flat_free(&flat);
	return code;
}

/* Write the page up to a mark and move on behind it. */
static int write_until(FILE *out, const unsigned char **at, size_t *left, const char *mark)
{
	const unsigned char *found = memmem(*at, *left, mark, strlen(mark));
	size_t size;

	if (!found)
		return -EINVAL;
	size = (size_t)(found - *at);
	fwrite(*at, 1, size, out);
	*at = found + strlen(mark);
	*left -= size + strlen(mark);
	return 0;
}

int hw_flame_write(FILE *out, const struct hw_profile *profile, const struct hw_flame_options *options,
                   struct hw_error *err)
{
	struct hw_tree_options by_thread = {.grouping = HW_GROUP_THREAD};
	const unsigned char *at = hw_flame_page;
	size_t left = hw_flame_page_size;
	struct hw_tree tree;
	int code = hw_tree_build(&tree, profile, &by_thread, err);

	if (code)
		goto out;
	code = write_until(out, &at, &left, "@@TITLE@@");
	if (!code) {
		hw_text_print_html(out, options->title, NAME_BYTES_MOST);
		code = write_until(out, &at, &left, "@@SUMMARY@@");
	}
	if (!code)
		code = hw_flame_write_summary(out, profile, options, err);
	if (!code)
		code = write_until(out, &at, &left, "@@DATA@@");
	if (code == -EINVAL)
		hw_fail(err, code, "the flame graph page in this program is damaged: build it again");
	if (!code) {
		code = hw_flame_write_data(out, profile, &tree, options);
		if (code)
			hw_fail(err, code, "out of memory for a flame graph of %zu nodes", tree.nodes.count);
	}
	if (!code)
		fwrite(at, 1, left, out);
out:
	hw_tree_free(&tree);
	return code;
}
