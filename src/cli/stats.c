/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward stats: the account of a recording. */
#include "report/stats.h"

#include "cli/cli.h"
#include "cli/common.h"
#include "report/text.h"

static const char help[] =
    "usage: homeward stats [--json] [FILE]\n"
    "\n"
    "The account of a recording: how many samples, how many asked for their user stack, how many of these\n"
    "were answered, how each walk ended, and what was lost.\n"
    "\n" HW_HELP_INPUT
    "      --json              one JSON object; its keys are described in homeward-stats(1)\n"
    "      --color WHEN        auto (on a terminal, unless NO_COLOR is set), always or never\n"
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward stats\n"
    "  homeward stats --json | jq .ended\n";

enum { OPTION_JSON = HW_OPTION_OWN };

static const struct option options[] = {
    HW_INPUT_OPTIONS,
    {"json", no_argument, NULL, OPTION_JSON},
    {"color", required_argument, NULL, HW_OPTION_COLOR},
    {NULL, 0, NULL, 0},
};

static void print_text(FILE *out, const struct hw_input *input, const struct hw_style *style)
{
	const struct hw_account *account = hw_recording_account(input->recording);
	const struct hw_recording_info *info = hw_recording_info(input->recording);

	hw_text_print(out, input->path, style->width / 2, style->ascii);
	fprintf(out, ": %s", hw_text_duration(account->duration_ns).text);
	fprintf(out, ", %s", hw_text_bytes(account->bytes).text);
	if (info->backend) {
		fputs(", backend ", out);
		hw_text_print(out, info->backend, 20, style->ascii);
	}
	fputs("\n\n", out);
	hw_print_account(out, style, account);
	hw_print_missing(out, style, account);
}

static int run(struct hw_input *input, bool json, enum hw_color color)
{
	struct hw_error err;
	struct hw_output output;
	struct hw_style style;
	int code = 0;

	if (hw_input_open(input, false))
		return HW_EXIT_FAILURE;
	hw_style_of_stdout(&style, color);
	hw_output_stdout(&output, input->who, false);
	if (json)
		code = hw_stats_write_json(output.stream, input->recording, &err);
	else
		print_text(output.stream, input, &style);
	if (code)
		return hw_complain(input->who, "%s", err.text);
	return hw_output_close(&output);
}

int hw_cmd_stats(int argc, char **argv)
{
	struct hw_input input = {.who = argv[0]};
	enum hw_color color = HW_COLOR_AUTO;
	bool json = false;
	int option, code = 0;

	optind = 0;
	while (!code && (option = hw_next_option(input.who, argc, argv, ":i:h", options)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return HW_EXIT_OK;
		}
		if (option == OPTION_JSON)
			json = true;
		else if (option == HW_OPTION_COLOR)
			code = hw_parse_color(input.who, optarg, &color);
		else
			code = hw_input_option(&input, option, optarg);
	}
	if (!code)
		code = hw_input_arguments(&input, argc, argv);
	if (!code)
		code = run(&input, json, color);
	hw_input_close(&input);
	return code;
}
