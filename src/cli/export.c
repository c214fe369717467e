/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward export: a recording for other tools. */
#include <string.h>

#include "cli/cli.h"
#include "cli/common.h"
#include "report/folded.h"

static const char help[] =
    "usage: homeward export --to FORMAT [OPTIONS] [FILE]\n"
    "\n"
    "Write a recording for other tools. Formats:\n"
    "\n"
    "  folded                  one line a stack, \"program;outermost;...;innermost count\": what "
    "flamegraph.pl,\n"
    "                          speedscope, inferno and many others read. A ';' in a name becomes ':'.\n"
    "\n" HW_HELP_INPUT "      --to FORMAT         folded\n"
    "  -o, --output FILE       where to (default: standard output)\n"
    "      --prefix WHAT       begin each stack with comm (default), pid (comm-pid) or tid (comm-pid/tid)\n"
    "      --annotate          mark kernel functions with _[k] and JIT code with _[j]\n"
    "      --weight WHAT       count samples (default) or the sum of their period\n"
    "      --no-idle           leave the idle task out\n" HW_HELP_FILTER HW_HELP_PATTERN HW_HELP_SYMBOLS
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward export --to folded | flamegraph.pl > flame.svg\n"
    "  homeward export --to folded --prefix tid -o stacks.folded monday.data\n";

enum { OPTION_TO = HW_OPTION_OWN, OPTION_PREFIX, OPTION_ANNOTATE, OPTION_WEIGHT, OPTION_NO_IDLE };

static const struct option options[] = {
    HW_INPUT_OPTIONS,
    HW_SYMBOL_OPTIONS,
    HW_FILTER_OPTIONS,
    HW_PATTERN_OPTIONS,
    {"to", required_argument, NULL, OPTION_TO},
    {"output", required_argument, NULL, 'o'},
    {"prefix", required_argument, NULL, OPTION_PREFIX},
    {"annotate", no_argument, NULL, OPTION_ANNOTATE},
    {"weight", required_argument, NULL, OPTION_WEIGHT},
    {"no-idle", no_argument, NULL, OPTION_NO_IDLE},
    {NULL, 0, NULL, 0},
};

struct export
{
	struct hw_input input;
	struct hw_folded_options folded;
	const char *format, *output;
	bool help;
};

/* One of two or three words; -1: none of them, said. */
static int choose(const struct export *export, const char *option, const char *value,
                  const char *const words[3])
{
	for (int i = 0; i < 3 && words[i]; i++)
		if (!strcmp(value, words[i]))
			return i;
	hw_complain(export->input.who, "%s wants %s, %s%s%s, not '%s'", option, words[0], words[1],
	            words[2] ? " or " : "", words[2] ? words[2] : "", value);
	return -1;
}

static int take_option(struct export *export, int option)
{
	static const char *const prefixes[3] = {"comm", "pid", "tid"}, *const weights[3] = {"samples",
	                                                                                    "period"};
	int choice;

	switch (option) {
	case OPTION_TO:
		export->format = optarg;
		return 0;
	case 'o':
		export->output = optarg;
		return 0;
	case OPTION_PREFIX:
		choice = choose(export, "--prefix", optarg, prefixes);
		export->folded.pid = choice == 1;
		export->folded.tid = choice == 2;
		return choice < 0 ? HW_EXIT_USAGE : 0;
	case OPTION_ANNOTATE:
		export->folded.annotate = true;
		return 0;
	case OPTION_WEIGHT:
		choice = choose(export, "--weight", optarg, weights);
		export->folded.period = choice == 1;
		return choice < 0 ? HW_EXIT_USAGE : 0;
	case OPTION_NO_IDLE:
		export->input.filter.idle = false;
		return 0;
	case 'h':
		export->help = true;
		return 0;
	default:
		return hw_input_option(&export->input, option, optarg);
	}
}

static int parse(struct export *export, int argc, char **argv)
{
	int option, code = 0;

	optind = 0;
	while (!code && !export->help && (option = getopt_long(argc, argv, "i:o:h", options, NULL)) != -1)
		code = take_option(export, option);
	if (code || export->help)
		return code;
	code = hw_input_arguments(&export->input, argc, argv);
	if (!code && (!export->format || strcmp(export->format, "folded"))) {
		hw_complain(export->input.who,
		            export->format ? "unknown format '%s': take --to folded"
		                           : "which format? take --to folded%s",
		            export->format ? export->format : "");
		code = HW_EXIT_USAGE;
	}
	return code;
}

static int run(struct export *export)
{
	struct hw_error err = {.text = "out of memory"};
	struct hw_profile profile = {0};
	struct hw_output output;
	int code, written = 0;

	if (hw_input_open(&export->input, true))
		return HW_EXIT_FAILURE;
	code = hw_profile_build(&profile, export->input.recording, export->input.symbolizer,
	                        &export->input.filter, &err);
	if (!code && hw_output_file(&output, export->input.who, export->output)) {
		hw_profile_free(&profile);
		return HW_EXIT_FAILURE;
	}
	if (!code) {
		code = hw_folded_write(output.stream, &profile, &export->folded, &err);
		written = hw_output_close(&output);
	}
	hw_profile_free(&profile);
	return code ? hw_complain(export->input.who, "%s", err.text) : written;
}

int hw_cmd_export(int argc, char **argv)
{
	struct export export = {.input = {.who = argv[0], .filter.idle = true}, .output = "-"};
	int code = parse(&export, argc, argv);

	if (!code && export.help)
		fputs(help, stdout);
	else if (!code)
		code = run(&export);
	hw_input_close(&export.input);
	return code;
}
