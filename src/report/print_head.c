/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The head of a report, the account at its end, and the tones that all parts share. */
#include <string.h>

#include "report/account.h"
#include "report/facts.h"
#include "report/print.h"
#include "report/text.h"

#define PROCESSES_NAMED 5

void hw_tone(FILE *out, const struct hw_style *style, enum hw_tone tone)
{
	static const char *const codes[] = {
	    [HW_TONE_PLAIN] = "\033[0m",      [HW_TONE_HEADING] = "\033[1m", [HW_TONE_STRONG] = "\033[1m",
	    [HW_TONE_DIM] = "\033[2m",        [HW_TONE_KERNEL] = "\033[33m", [HW_TONE_JIT] = "\033[32m",
	    [HW_TONE_WARNING] = "\033[1;31m",
	};

	if (style->color)
		fputs(codes[tone], out);
}

enum hw_tone hw_frame_tone(const struct hw_frame *frame)
{
	switch (frame->kind) {
	case HW_FRAME_KERNEL:
		return HW_TONE_KERNEL;
	case HW_FRAME_JIT:
		return HW_TONE_JIT;
	case HW_FRAME_UNKNOWN:
		return HW_TONE_DIM;
	default:
		return HW_TONE_PLAIN;
	}
}

const char *hw_frame_mark(const struct hw_frame *frame)
{
	return frame->kind == HW_FRAME_KERNEL ? " [k]" : frame->kind == HW_FRAME_JIT ? " [j]" : "";
}

static void label(FILE *out, const struct hw_style *style, const char *text)
{
	hw_tone(out, style, HW_TONE_DIM);
	fprintf(out, "  %-10s", text);
	hw_tone(out, style, HW_TONE_PLAIN);
}

/* A fact from the recording; its dots are dots, or bars on a terminal that has none. */
static void print_fact(FILE *out, const struct hw_style *style, const struct hw_fact *fact)
{
	size_t columns = style->width - 12;
	const char *rest = fact->text, *dot;
	char field[sizeof(fact->text)];

	label(out, style, fact->label);
	if (!style->ascii) {
		hw_text_print(out, rest, columns, 0);
		fputs("\n", out);
		return;
	}
	for (; (dot = strstr(rest, " · ")); rest = dot + strlen(" · ")) {
		snprintf(field, sizeof(field), "%.*s", (int)(dot - rest), rest);
		hw_text_print(out, field, columns, 1);
		fputs(" | ", out);
	}
	hw_text_print(out, rest, columns, 1);
	fputs("\n", out);
}

static void print_samples(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                          const struct hw_account *account)
{
	uint64_t idle = hw_profile_weight(profile, profile->idle);
	uint64_t busy = hw_profile_weight(profile, profile->total);

	label(out, style, "samples");
	hw_tone(out, style, HW_TONE_STRONG);
	fprintf(out, "%s", hw_text_count(profile->total.samples).text);
	hw_tone(out, style, HW_TONE_PLAIN);
	if (profile->idle.samples && !profile->filtered)
		fprintf(out, " busy (%s %%), %s idle (left out; --idle counts them)",
		        hw_text_percent(busy, busy + idle).text, hw_text_count(profile->idle.samples).text);
	else if (profile->total.samples != account->samples)
		fprintf(out, " of %s", hw_text_count(account->samples).text);
	if (profile->filtered)
		fprintf(out, ", %s filtered out", hw_text_count(profile->filtered).text);
	if (profile->periods_differ)
		fputs("; shares are shares of their periods", out);
	fputs("\n", out);
	if (account->asked) {
		label(out, style, "stacks");
		fprintf(out, "%s %% of the user stacks asked for came",
		        hw_text_percent(account->answered, account->asked).text);
		if (account->ended[HW_END_UNSAID] == account->answered)
			fputs("; the recorder does not say how complete\n", out);
		else
			fprintf(out, ", %s %% of these are complete\n",
			        hw_text_percent(account->complete, account->answered).text);
	}
}

/* The heaviest processes in one line: mostly the first thing one wants to know. */
static void print_processes(FILE *out, const struct hw_style *style, const struct hw_profile *profile,
                            const struct hw_tree *tree)
{
	const struct hw_tree_node *nodes = tree->nodes.items;
	uint64_t whole = hw_profile_weight(profile, nodes[0].total), rest = 0;
	unsigned more = 0, named = 0;

	if (nodes[0].first_child == HW_NO_NODE || nodes[nodes[0].first_child].kind == HW_NODE_FRAME)
		return;
	label(out, style, "processes");
	for (uint32_t at = nodes[0].first_child; at != HW_NO_NODE; at = nodes[at].next_sibling) {
		uint64_t weight = hw_profile_weight(profile, nodes[at].total);

		if (named == PROCESSES_NAMED) {
			more++;
			rest += weight;
			continue;
		}
		if (named++)
			fputs(style->ascii ? " | " : " · ", out);
		hw_text_print(out, hw_names_text(&profile->names, tree->groups.items[nodes[at].label].name),
		              16, style->ascii);
		fprintf(out, " %s %%", hw_text_percent(weight, whole).text);
	}
	if (more)
		fprintf(out, "%s%u more %s %%", style->ascii ? " | " : " · ", more,
		        hw_text_percent(rest, whole).text);
	fputs("\n", out);
}

void hw_print_head(FILE *out, const struct hw_style *style, const char *path,
                   const struct hw_profile *profile, const struct hw_tree *tree, uint16_t event)
{
	const struct hw_account *account = hw_recording_account(profile->recording);
	struct hw_fact facts[HW_FACTS_MAX];
	size_t count = hw_facts(profile->recording, event, facts);

	hw_tone(out, style, HW_TONE_HEADING);
	hw_text_print(out, path, style->width, style->ascii);
	hw_tone(out, style, HW_TONE_PLAIN);
	fputs("\n", out);
	for (size_t i = 0; i < count; i++)
		print_fact(out, style, &facts[i]);
	print_samples(out, style, profile, account);
	if (tree)
		print_processes(out, style, profile, tree);
}

void hw_print_account(FILE *out, const struct hw_style *style, const struct hw_account *account)
{
	struct hw_account_line lines[HW_ACCOUNT_LINES_MAX];
	size_t count = hw_account_lines(account, lines);

	hw_tone(out, style, HW_TONE_HEADING);
	fputs("Account\n", out);
	hw_tone(out, style, HW_TONE_PLAIN);
	for (size_t i = 0; i < count; i++) {
		const struct hw_account_line *line = &lines[i];

		fprintf(out, "%*s%12s  ", (int)(line->level * 3), "", hw_text_count(line->count).text);
		if (line->whole)
			fprintf(out, "%6s %%  ", hw_text_percent(line->count, line->whole).text);
		else
			fputs("          ", out);
		if (line->reason) {
			hw_tone(out, style, HW_TONE_STRONG);
			fputs(line->name, out);
			hw_tone(out, style, HW_TONE_PLAIN);
			fputs(": ", out);
		}
		fprintf(out, "%s\n", line->words);
	}
	for (size_t i = 0; i < account->lost_on_count; i++)
		fprintf(out, "%12s            on CPU %u: %s samples, %s user stacks\n", "",
		        account->lost_on[i].cpu, hw_text_count(account->lost_on[i].samples).text,
		        hw_text_count(account->lost_on[i].callchains).text);
	if (!account->lost_samples && !account->lost_callchains && !account->lost_other)
		fprintf(out, "%12s            nothing was lost\n", "0");
	if (!account->ended_cleanly)
		fputs("              The recorder did not close the file: it was killed, or is still "
		      "running.\n",
		      out);
}
