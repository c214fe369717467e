/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward flame: the flame graph, as one HTML page. */
#include "report/flame.h"

#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/common.h"
#include "report/text.h"

#define DEFAULT_OUTPUT "homeward-flame.html"
#define DEFAULT_NODES  250000

static const char help[] =
    "usage: homeward flame [OPTIONS] [FILE]\n"
    "\n"
    "A flame graph of a recording: one HTML page that needs no network and no other file. In the page: "
    "click\n"
    "or Enter zooms, Backspace goes back, / searches, ? shows all keys.\n"
    "\n" HW_HELP_INPUT "  -o, --output FILE       the page (default " DEFAULT_OUTPUT
    "; - for standard output)\n"
    "      --title TEXT        the page's title (default: the recording's name)\n"
    "      --max-nodes N       merge the lightest branches beyond N frames (default 250000; 0: keep "
    "all)\n" HW_HELP_FILTER HW_HELP_PATTERN HW_HELP_SYMBOLS "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward flame\n"
    "  homeward flame --comm mysqld -o mysqld.html monday.data\n";

enum { OPTION_TITLE = HW_OPTION_OWN, OPTION_MAX_NODES };

static const struct option options[] = {
    HW_INPUT_OPTIONS,
    HW_SYMBOL_OPTIONS,
    HW_FILTER_OPTIONS,
    HW_PATTERN_OPTIONS,
    {"output", required_argument, NULL, 'o'},
    {"title", required_argument, NULL, OPTION_TITLE},
    {"max-nodes", required_argument, NULL, OPTION_MAX_NODES},
    {NULL, 0, NULL, 0},
};

struct flame {
	struct hw_input input;
	struct hw_flame_options page;
	const char *output;
	bool help;
};

static int take_option(struct flame *flame, int option)
{
	uint64_t number;

	switch (option) {
	case 'o':
		flame->output = optarg;
		return 0;
	case OPTION_TITLE:
		flame->page.title = optarg;
		return 0;
	case OPTION_MAX_NODES:
		if (hw_parse_count(flame->input.who, "--max-nodes", optarg, UINT32_MAX, &number))
			return HW_EXIT_USAGE;
		flame->page.max_nodes = (uint32_t)number;
		return 0;
	case 'h':
		flame->help = true;
		return 0;
	default:
		return hw_input_option(&flame->input, option, optarg);
	}
}

static int parse(struct flame *flame, int argc, char **argv)
{
	int option, code = 0;

	optind = 0;
	while (!code && !flame->help &&
	       (option = hw_next_option(flame->input.who, argc, argv, ":i:o:h", options)) != -1)
		code = take_option(flame, option);
	return code || flame->help ? code : hw_input_arguments(&flame->input, argc, argv);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int write_page(struct flame *flame, const struct hw_profile *profile)
{
	struct hw_error err = {.text = "out of memory"};
	struct hw_output output;
	int code, written;

	if (hw_output_file(&output, flame->input.who, flame->output, flame->input.path))
		return HW_EXIT_FAILURE;
	code = hw_flame_write(output.stream, profile, &flame->page, &err);
	written = hw_output_close(&output);
	if (code)
		return hw_complain(flame->input.who, "%s", err.text);
	if (!written && output.stream != stdout && isatty(STDERR_FILENO)) {
		fputs("wrote ", stderr);
		hw_text_print_all(stderr, flame->output, NULL);
		fprintf(stderr, ": %s %s\n", hw_text_count(profile->total.samples).text,
		        hw_text_plural(profile->total.samples, "sample", "samples"));
	}
	return written;
}

static int run(struct flame *flame)
{
	struct hw_error err = {.text = "out of memory"};
	struct hw_profile profile = {0};
	int code;

	if (hw_input_open(&flame->input, true))
		return HW_EXIT_FAILURE;
	if (!flame->page.title)
		flame->page.title = base_name(flame->input.path);
	flame->page.event = flame->input.filter.event;
	code = hw_profile_build(&profile, flame->input.recording, flame->input.symbolizer,
	                        &flame->input.filter, &err);
	code = code ? hw_complain(flame->input.who, "%s", err.text) : write_page(flame, &profile);
	hw_profile_free(&profile);
	return code;
}

int hw_cmd_flame(int argc, char **argv)
{
	struct flame flame = {.input = {.who = argv[0], .filter.idle = true},
	                      .page.max_nodes = DEFAULT_NODES,
	                      .output = DEFAULT_OUTPUT};
	int code = parse(&flame, argc, argv);

	if (!code && flame.help)
		fputs(help, stdout);
	else if (!code)
		code = run(&flame);
	hw_input_close(&flame.input);
	return code;
}
