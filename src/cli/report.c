/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward report: where the time went. */
#include <string.h>

#include "cli/cli.h"
#include "cli/common.h"
#include "report/flat.h"
#include "report/print.h"
#include "report/tree.h"

static const char help[] =
    "usage: homeward report [OPTIONS] [FILE]\n"
    "\n"
    "Where the time went: what was recorded, the functions that ran most, the call tree, and the account\n"
    "of how complete the user stacks are.\n"
    "\n" HW_HELP_INPUT "\n"
    "What to show:\n"
    "      --flat              only the list\n"
    "      --tree              only the call tree\n"
    "  -s, --sort KEY,…        what a row of the list is: comm, pid, tid, dso, sym (default dso,sym)\n"
    "      --children          sort the list by what functions and all they called ran\n"
    "      --no-children       leave that column out\n"
    "      --inverted          the tree from the functions that ran towards their callers\n"
    "      --group HOW         the tree's first level: name (default), process, thread or none\n"
    "      --percent-limit N   leave out what is below N % (default 0.5, and at\n"
    "                          least 20 rows of the list)\n"
    "      --max-depth N       no deeper than N frames\n"
    "      --idle              count the idle task, too\n"
    "\n"
    "What to look at:\n" HW_HELP_FILTER HW_HELP_PATTERN "\n"
    "Symbols:\n" HW_HELP_SYMBOLS "\n"
    "Output:\n"
    "      --color WHEN        auto (on a terminal, unless NO_COLOR is set), always or never\n"
    "      --no-pager          do not start $PAGER on a terminal\n"
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward report                            all of homeward.data\n"
    "  homeward report --sort comm                which programs ran\n"
    "  homeward report --symbol malloc --tree     everything that goes through malloc\n"
    "  homeward report --inverted --pid 1234      who calls what process 1234 spends its time on\n";

enum {
	OPTION_FLAT = HW_OPTION_OWN,
	OPTION_TREE,
	OPTION_CHILDREN,
	OPTION_NO_CHILDREN,
	OPTION_INVERTED,
	OPTION_GROUP,
	OPTION_PERCENT_LIMIT,
	OPTION_MAX_DEPTH,
};

static const struct option options[] = {
    HW_INPUT_OPTIONS,
    HW_SYMBOL_OPTIONS,
    HW_FILTER_OPTIONS,
    HW_PATTERN_OPTIONS,
    {"flat", no_argument, NULL, OPTION_FLAT},
    {"tree", no_argument, NULL, OPTION_TREE},
    {"sort", required_argument, NULL, 's'},
    {"children", no_argument, NULL, OPTION_CHILDREN},
    {"no-children", no_argument, NULL, OPTION_NO_CHILDREN},
    {"inverted", no_argument, NULL, OPTION_INVERTED},
    {"group", required_argument, NULL, OPTION_GROUP},
    {"percent-limit", required_argument, NULL, OPTION_PERCENT_LIMIT},
    {"max-depth", required_argument, NULL, OPTION_MAX_DEPTH},
    {"idle", no_argument, NULL, HW_OPTION_IDLE},
    {"color", required_argument, NULL, HW_OPTION_COLOR},
    {"no-pager", no_argument, NULL, HW_OPTION_NO_PAGER},
    {NULL, 0, NULL, 0},
};

struct report {
	struct hw_input input;
	struct hw_flat_options flat;
	struct hw_tree_options tree;
	struct hw_print_limits limits;
	enum hw_color color;
	bool flat_only, tree_only, no_pager, help;
};

static int take_group(struct report *report, const char *text)
{
	static const char *const words[] = {"none", "name", "process", "thread"};

	for (size_t i = 0; i < 4; i++) {
		if (!strcmp(text, words[i])) {
			report->tree.grouping = (enum hw_tree_grouping)i;
			return 0;
		}
	}
	hw_complain(report->input.who, "--group wants none, name, process or thread, not '%s'", text);
	return HW_EXIT_USAGE;
}

static int take_keys(struct report *report, const char *text)
{
	struct hw_error err;

	if (!hw_flat_parse_keys(text, &report->flat.keys, &err))
		return 0;
	hw_complain(report->input.who, "%s", err.text);
	return HW_EXIT_USAGE;
}

static int take_option(struct report *report, int option)
{
	const char *who = report->input.who;
	uint64_t depth;

	switch (option) {
	case OPTION_FLAT:
		report->flat_only = true;
		return 0;
	case OPTION_TREE:
		report->tree_only = true;
		return 0;
	case 's':
		return take_keys(report, optarg);
	case OPTION_CHILDREN:
		report->flat.by_total = report->limits.total = true;
		return 0;
	case OPTION_NO_CHILDREN:
		report->flat.by_total = report->limits.total = false;
		return 0;
	case OPTION_INVERTED:
		report->tree.inverted = true;
		return 0;
	case OPTION_GROUP:
		return take_group(report, optarg);
	case OPTION_PERCENT_LIMIT:
		report->limits.rows_least = 0;
		return hw_parse_number(who, "--percent-limit", optarg, 100, &report->limits.percent);
	case OPTION_MAX_DEPTH:
		if (hw_parse_count(who, "--max-depth", optarg, 1000000, &depth))
			return HW_EXIT_USAGE;
		report->tree.max_depth = (uint32_t)depth;
		return 0;
	case HW_OPTION_COLOR:
		return hw_parse_color(who, optarg, &report->color);
	case HW_OPTION_NO_PAGER:
		report->no_pager = true;
		return 0;
	case 'h':
		report->help = true;
		return 0;
	default:
		return hw_input_option(&report->input, option, optarg);
	}
}

static int parse(struct report *report, int argc, char **argv)
{
	int option, code = 0;

	optind = 0;
	while (!code && !report->help &&
	       (option = hw_next_option(report->input.who, argc, argv, ":i:s:h", options)) != -1)
		code = take_option(report, option);
	if (!code && !report->help)
		code = hw_input_arguments(&report->input, argc, argv);
	if (!code && report->flat_only && report->tree_only)
		report->flat_only = report->tree_only = false; /* both is what both say */
	return code;
}

static int print_flat(const struct report *report, FILE *out, const struct hw_style *style,
                      const struct hw_profile *profile, struct hw_error *err)
{
	struct hw_flat flat;
	int code = hw_flat_build(&flat, profile, &report->flat, err);

	if (!code)
		code = hw_print_flat(out, style, profile, &flat, &report->flat, &report->limits);
	hw_flat_free(&flat);
	fputs("\n", out);
	return code;
}

static int print(const struct report *report, FILE *out, const struct hw_style *style,
                 const struct hw_profile *profile, struct hw_error *err)
{
	struct hw_tree tree;
	int code = hw_tree_build(&tree, profile, &report->tree, err);

	if (!code) {
		hw_print_head(out, style, report->input.path, profile, report->tree.inverted ? NULL : &tree,
		              report->input.filter.event);
		fputs("\n", out);
	}
	if (!code && !report->tree_only)
		code = print_flat(report, out, style, profile, err);
	if (!code && !report->flat_only) {
		code = hw_print_tree(out, style, profile, &tree, &report->tree, &report->limits);
		fputs("\n", out);
	}
	if (!code) {
		hw_print_account(out, style, hw_recording_account(profile->recording));
		hw_print_missing(out, style, hw_recording_account(profile->recording));
		hw_print_gaps(out, style, profile->symbolizer);
	}
	hw_tree_free(&tree);
	return code;
}

static int run(struct report *report)
{
	struct hw_error err = {.text = "out of memory"};
	struct hw_profile profile = {0};
	struct hw_output output;
	struct hw_style style;
	int code, written;

	if (hw_input_open(&report->input, true))
		return HW_EXIT_FAILURE;
	code = hw_profile_build(&profile, report->input.recording, report->input.symbolizer,
	                        &report->input.filter, &err);
	if (!code) {
		hw_style_of_stdout(&style, report->color);
		hw_output_stdout(&output, report->input.who, !report->no_pager);
		code = print(report, output.stream, &style, &profile, &err);
		written = hw_output_close(&output);
		if (!code && written) {
			hw_profile_free(&profile);
			return written;
		}
	}
	hw_profile_free(&profile);
	return code ? hw_complain(report->input.who, "%s", err.text) : HW_EXIT_OK;
}

int hw_cmd_report(int argc, char **argv)
{
	struct report report = {.input.who = argv[0],
	                        .flat.keys = HW_SORT_DSO | HW_SORT_SYM,
	                        .tree.grouping = HW_GROUP_NAME,
	                        .limits = {.percent = 0.5, .rows_least = 20, .total = true}};
	int code = parse(&report, argc, argv);

	if (!code && report.help)
		fputs(help, stdout);
	else if (!code)
		code = run(&report);
	hw_input_close(&report.input);
	return code;
}
