/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The head of a report, the account at its end, and the tones that all parts share. */
#include <string.h>

#include "report/account.h"
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

/* Fields joined by a dot; empty ones are left out. */
static void field(FILE *out, const struct hw_style *style, bool *first, const char *text)
{
	if (!text || !text[0])
		return;
	if (!*first)
		fputs(style->ascii ? " | " : " · ", out);
	*first = false;
	hw_text_print(out, text, style->width, style->ascii);
}

static void print_what(FILE *out, const struct hw_style *style, const char *path,
                       const struct hw_recording *recording, uint16_t event)
{
	const struct hw_recording_info *info = hw_recording_info(recording);
	const struct hw_account *account = hw_recording_account(recording);
	const struct hw_recording_event *events;
	char text[160];
	size_t count;
	bool first = true;

	events = hw_recording_events(recording, &count);
	hw_tone(out, style, HW_TONE_HEADING);
	hw_text_print(out, path, style->width / 2, style->ascii);
	hw_tone(out, style, HW_TONE_PLAIN);
	fputs("\n", out);
	label(out, style, "recorded");
	if (event < count) {
		snprintf(text, sizeof(text), events[event].frequency ? "%s at %llu Hz" : "%s every %llu",
		         events[event].name, (unsigned long long)events[event].rate);
		field(out, style, &first, text);
	}
	field(out, style, &first, hw_text_duration(account->duration_ns).text);
	if (info->cpus_online) {
		snprintf(text, sizeof(text), "%u %s", info->cpus_online,
		         hw_text_plural(info->cpus_online, "CPU", "CPUs"));
		field(out, style, &first, text);
	}
	if (info->backend) {
		snprintf(text, sizeof(text), "backend %.100s", info->backend);
		field(out, style, &first, text);
	}
	field(out, style, &first, hw_text_bytes(account->bytes).text);
	fputs("\n", out);
}

static void print_where(FILE *out, const struct hw_style *style, const struct hw_recording_info *info)
{
	char text[160];
	bool first = true;

	if (!info->hostname && !info->os_release && !info->cpu_description)
		return;
	label(out, style, "on");
	field(out, style, &first, info->hostname);
	if (info->os_release) {
		snprintf(text, sizeof(text), "Linux %.100s%s%.40s", info->os_release, info->arch ? " " : "",
		         info->arch ? info->arch : "");
		field(out, style, &first, text);
	}
	field(out, style, &first, info->cpu_description);
	if (info->memory_bytes)
		field(out, style, &first, hw_text_bytes(info->memory_bytes).text);
	fputs("\n", out);
}

static void print_command(FILE *out, const struct hw_style *style, const struct hw_recording_info *info)
{
	size_t left = style->width > 40 ? style->width - 14 : 26, columns;

	if (!info->command_count)
		return;
	label(out, style, "by");
	for (size_t i = 0; i < info->command_count; i++) {
		columns = hw_text_columns(info->command[i]) + (i > 0);
		if (columns > left && i) {
			fputs(style->ascii ? " ..." : " …", out);
			break;
		}
		if (i)
			fputc(' ', out);
		hw_text_print(out, info->command[i], left, style->ascii);
		left -= columns < left ? columns : left;
	}
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
	else
		fprintf(out, " of %s", hw_text_count(account->samples).text);
	if (profile->filtered)
		fprintf(out, ", %s filtered out", hw_text_count(profile->filtered).text);
	if (profile->periods_differ)
		fputs("; shares are shares of their periods", out);
	fputs("\n", out);
	if (account->asked) {
		label(out, style, "stacks");
		fprintf(out, "%s %% of the user stacks asked for came, %s %% of these are complete\n",
		        hw_text_percent(account->answered, account->asked).text,
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

	print_what(out, style, path, profile->recording, event);
	print_where(out, style, hw_recording_info(profile->recording));
	print_command(out, style, hw_recording_info(profile->recording));
	print_samples(out, style, profile, account);
	if (tree)
		print_processes(out, style, profile, tree);
	if (account->damage[0]) {
		label(out, style, "damaged");
		hw_tone(out, style, HW_TONE_WARNING);
		hw_text_print_all(out, account->damage, NULL);
		hw_tone(out, style, HW_TONE_PLAIN);
		fputs("\n", out);
	}
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
		if (line->level >= 3 && line->name && strcmp(line->name, "answered") &&
		    strcmp(line->name, "unanswered")) {
			hw_tone(out, style, HW_TONE_STRONG);
			fputs(line->name, out);
			hw_tone(out, style, HW_TONE_PLAIN);
			fputs(": ", out);
		}
		fprintf(out, "%s\n", line->words);
	}
	if (!account->lost_samples && !account->lost_callchains && !account->lost_other)
		fprintf(out, "%12s            nothing was lost\n", "0");
	if (!account->ended_cleanly)
		fputs("              The recorder did not close the file: it was killed, or is still "
		      "running.\n",
		      out);
}
