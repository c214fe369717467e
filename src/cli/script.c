/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward script: every sample as text, for people and for scripts made for perf's. */
#include <string.h>

#include "report/script.h"

#include "cli/cli.h"
#include "cli/common.h"
#include "perfdata/dump.h"

static const char help[] =
    "usage: homeward script [OPTIONS] [FILE]\n"
    "\n"
    "Every sample as text, in the layout of perf script, with its merged user stack: what reads that (such\n"
    "as stackcollapse-perf.pl) reads this.\n"
    "\n" HW_HELP_INPUT
    "  -F, --fields FIELD,…    some of comm,pid,tid,cpu,time,period,event,ip,sym,symoff,dso,srcline;\n"
    "                          +FIELD and -FIELD change the default (all but pid and srcline)\n"
    "  -D, --dump-raw-trace    raw records instead, bytes and what they say, in the order of the file\n"
    "      --no-merge-callchains  samples as they were recorded, deferred callchains by themselves\n"
    "      --merge-callchains  the default: each sample with its deferred callchain\n"
    "      --full-source-path  srcline with its directories\n"
    "      --no-inline         the default: inlined functions are not shown\n" HW_HELP_FILTER HW_HELP_SYMBOLS
    "      --no-pager          do not start $PAGER on a terminal\n"
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward script | less\n"
    "  homeward script -F comm,tid,time,event --pid 1234\n"
    "  homeward script | stackcollapse-perf.pl | flamegraph.pl > flame.svg\n";

enum { OPTION_NO_INLINE = HW_OPTION_OWN, OPTION_FULL_SOURCE_PATH, OPTION_MERGE, OPTION_NO_MERGE };

static const struct option options[] = {
    HW_INPUT_OPTIONS,
    HW_SYMBOL_OPTIONS,
    HW_FILTER_OPTIONS,
    {"fields", required_argument, NULL, 'F'},
    {"dump-raw-trace", no_argument, NULL, 'D'},
    {"no-inline", no_argument, NULL, OPTION_NO_INLINE},
    {"full-source-path", no_argument, NULL, OPTION_FULL_SOURCE_PATH},
    {"merge-callchains", no_argument, NULL, OPTION_MERGE},
    {"no-merge-callchains", no_argument, NULL, OPTION_NO_MERGE},
    {"no-pager", no_argument, NULL, HW_OPTION_NO_PAGER},
    {NULL, 0, NULL, 0},
};

struct script {
	struct hw_input input;
	unsigned fields;
	bool raw, no_pager, full_source, help;
};

static int take_option(struct script *script, int option)
{
	struct hw_error err;

	switch (option) {
	case 'F':
		if (!hw_script_parse_fields(optarg, &script->fields, &err))
			return 0;
		hw_complain(script->input.who, "%s", err.text);
		return HW_EXIT_USAGE;
	case 'D':
		script->raw = true;
		return 0;
	case OPTION_NO_INLINE:
		script->input.symbols.inlined = false;
		return 0;
	case OPTION_MERGE:
	case OPTION_NO_MERGE:
		script->input.unmerged = option == OPTION_NO_MERGE;
		return 0;
	case OPTION_FULL_SOURCE_PATH:
		script->full_source = true;
		return 0;
	case HW_OPTION_NO_PAGER:
		script->no_pager = true;
		return 0;
	case 'h':
		script->help = true;
		return 0;
	default:
		return hw_input_option(&script->input, option, optarg);
	}
}

/* What could not be read is told like elsewhere; what could be is printed. */
static int dump(const struct script *script)
{
	const char *path = script->input.path ? script->input.path : HW_DEFAULT_RECORDING, *damage;
	const char *slash = strrchr(path, '/');
	const struct perf_event_header *record;
	struct hw_reader *reader;
	struct hw_output output;
	struct hw_error err;
	uint64_t unread;
	int r, written;

	if (hw_reader_open(path, &reader, &err))
		return hw_complain(script->input.who, "%s", err.text);
	hw_output_stdout(&output, script->input.who, !script->no_pager);
	while ((r = hw_reader_next(reader, &record)) > 0 && !ferror(output.stream))
		hw_dump_record(output.stream, slash ? slash + 1 : path, reader, record);
	written = hw_output_close(&output);
	damage = hw_reader_damage(reader, &unread);
	if (r < 0)
		written = hw_complain(script->input.who, "cannot read %s: %s", path, strerror(-r));
	else if (damage[0])
		hw_complain(script->input.who, "%s: %s; %llu bytes were not read", path, damage,
		            (unsigned long long)unread);
	hw_reader_close(reader);
	return written;
}

static int run(struct script *script)
{
	struct hw_error err;
	struct hw_output output;
	int code, written;

	if (hw_input_open(&script->input, true))
		return HW_EXIT_FAILURE;
	script->fields |= script->input.symbols.inlined ? HW_FIELD_INLINE : 0;
	script->fields |= script->full_source ? HW_FIELD_FULL_SOURCE : 0;
	hw_output_stdout(&output, script->input.who, !script->no_pager);
	code = hw_script_write(output.stream, script->input.recording, script->input.symbolizer,
	                       &script->input.filter, script->fields, &err);
	written = hw_output_close(&output);
	return code ? hw_complain(script->input.who, "%s", err.text) : written;
}

int hw_cmd_script(int argc, char **argv)
{
	struct script script = {.input = {.who = argv[0], .filter = {.idle = true, .any_event = true}},
	                        .fields = HW_FIELDS_DEFAULT};
	int option, code = 0;

	optind = 0;
	while (!code && !script.help &&
	       (option = hw_next_option(script.input.who, argc, argv, ":i:F:Dh", options)) != -1)
		code = take_option(&script, option);
	if (!code && script.help)
		fputs(help, stdout);
	else if (!code)
		code = hw_input_arguments(&script.input, argc, argv);
	if (!code && !script.help) {
		script.input.filter.any_event = !script.input.event;
		code = script.raw ? dump(&script) : run(&script);
	}
	hw_input_close(&script.input);
	return code;
}
