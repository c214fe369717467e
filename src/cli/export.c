/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward export: a recording for other tools. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/common.h"
#include "report/export_firefox.h"
#include "report/export_perf.h"
#include "report/export_pprof.h"
#include "report/export_speedscope.h"
#include "report/folded.h"

static const char help[] =
    "usage: homeward export --to FORMAT [OPTIONS] [FILE]\n"
    "\n"
    "Write a recording for other tools. Formats:\n"
    "\n"
    "  folded                  one line a stack, \"program;outermost;...;innermost count\": what "
    "flamegraph.pl,\n"
    "                          speedscope, inferno and many others read. A ';' in a name becomes ':'.\n"
    "  firefox                 for https://profiler.firefox.com: every thread with its samples in time\n"
    "  perf                    a perf.data file with the user stacks merged into the samples: for perf\n"
    "                          before 6.19, hotspot, and all that reads perf's files\n"
    "  pprof                   for go tool pprof, Parca, Pyroscope and others: addresses, mappings, lines\n"
    "  speedscope              for https://www.speedscope.app: a profile a thread, stacks in time\n"
    "\n" HW_HELP_INPUT "      --to FORMAT         one of these\n"
    "  -o, --output FILE       where to (default: standard output)\n"
    "      --prefix WHAT       folded: begin each stack with comm (default), pid (comm-pid) or tid\n"
    "                          (comm-pid/tid)\n"
    "      --annotate          folded: mark kernel functions with _[k] and JIT code with _[j]\n"
    "      --weight WHAT       folded, speedscope: count samples (default) or the sum of their period\n"
    "      --no-idle           leave the idle task out\n" HW_HELP_FILTER HW_HELP_PATTERN HW_HELP_SYMBOLS
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward export --to folded | flamegraph.pl > flame.svg\n"
    "  homeward export --to folded --prefix tid -o stacks.folded monday.data\n"
    "  homeward export --to perf -o perf.data && perf report\n"
    "  homeward export --to pprof -o pprof.pb.gz && go tool pprof -http : pprof.pb.gz\n"
    "  homeward export --to firefox -o firefox.json\n";

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

struct export;

struct format {
	const char *name;
	int (*write)(struct export *export);
	bool binary;
};

struct export
{
	struct hw_input input;
	struct hw_folded_options folded;
	const struct format *format;
	const char *output;
	bool help;
};

/* ---- the formats ---- */

typedef int write_profile(FILE *out, const struct hw_profile *profile, const struct export *export,
                          struct hw_error *err);

/* The event that the profile counts; NULL: the recording names none. */
static const struct hw_recording_event *counted_event(const struct export *export)
{
	size_t count;
	const struct hw_recording_event *events = hw_recording_events(export->input.recording, &count);

	return export->input.filter.event < count ? &events[export->input.filter.event] : NULL;
}

static int folded(FILE *out, const struct hw_profile *profile, const struct export *export,
                  struct hw_error *err)
{
	return hw_folded_write(out, profile, &export->folded, err);
}

static int pprof(FILE *out, const struct hw_profile *profile, const struct export *export,
                 struct hw_error *err)
{
	return hw_export_pprof(out, profile, counted_event(export), err);
}

static int speedscope(FILE *out, const struct hw_profile *profile, const struct export *export,
                      struct hw_error *err)
{
	return hw_export_speedscope(out, profile, counted_event(export), export->folded.period, err);
}

static int firefox(FILE *out, const struct hw_profile *profile, const struct export *export,
                   struct hw_error *err)
{
	return hw_export_firefox(out, profile, counted_event(export), err);
}

/* Build a profile with these details and have it written. */
static int write_with(struct export *export, unsigned details, write_profile *write)
{
	struct hw_error err = {.text = "out of memory"};
	struct hw_profile profile = {0};
	struct hw_output output;
	int code, written = 0;

	code = hw_profile_build_with(&profile, export->input.recording, export->input.symbolizer,
	                             &export->input.filter, details, &err);
	if (!code && hw_output_file(&output, export->input.who, export->output, export->input.path)) {
		hw_profile_free(&profile);
		return HW_EXIT_FAILURE;
	}
	if (!code) {
		code = write(output.stream, &profile, export, &err);
		written = hw_output_close(&output);
	}
	hw_profile_free(&profile);
	return code ? hw_complain(export->input.who, "%s", err.text) : written;
}

static int write_folded(struct export *export)
{
	return write_with(export, 0, folded);
}

static int write_pprof(struct export *export)
{
	return write_with(export, HW_PROFILE_LOCATIONS, pprof);
}

static int write_speedscope(struct export *export)
{
	return write_with(export, HW_PROFILE_POINTS, speedscope);
}

static int write_firefox(struct export *export)
{
	return write_with(export, HW_PROFILE_POINTS, firefox);
}

static int write_perf_file(struct export *export, const char *path)
{
	struct hw_export_perf_result result;
	struct hw_error err = {.text = "out of memory"};

	if (hw_refuse_own_input(export->input.who, path, export->input.path))
		return HW_EXIT_FAILURE;
	if (hw_export_perf(path, export->input.recording, export->input.symbolizer, &export->input.filter,
	                   &result, &err))
		return hw_complain(export->input.who, "%s", err.text);
	if (result.cut)
		hw_complain(export->input.who,
		            "%llu stacks were too deep for perf.data and lost their outer end",
		            (unsigned long long)result.cut);
	return HW_EXIT_OK;
}

static int copy_to_stdout(const char *who, const char *path)
{
	struct hw_output output;
	FILE *file = fopen(path, "re");
	char buffer[1 << 16];
	size_t got;

	if (!file)
		return hw_complain(who, "cannot read %s: %s", path, strerror(errno));
	hw_output_stdout(&output, who, false);
	while ((got = fread(buffer, 1, sizeof(buffer), file)) && fwrite(buffer, 1, got, output.stream) == got)
		;
	fclose(file);
	return hw_output_close(&output);
}

/* The header of a perf.data file is finished last, so it needs a file: standard output gets a copy. */
static int write_perf(struct export *export)
{
	const char *temporary = getenv("TMPDIR");
	char directory[4096], path[4112];
	int code;

	if (strcmp(export->output, "-") != 0)
		return write_perf_file(export, export->output);
	snprintf(directory, sizeof(directory), "%s/homeward-XXXXXX",
	         temporary && temporary[0] ? temporary : "/tmp");
	if (!mkdtemp(directory))
		return hw_complain(export->input.who, "cannot make a directory %s: %s", directory,
		                   strerror(errno));
	snprintf(path, sizeof(path), "%s/perf.data", directory);
	code = write_perf_file(export, path);
	if (!code)
		code = copy_to_stdout(export->input.who, path);
	unlink(path);
	rmdir(directory);
	return code;
}

static const struct format formats[] = {
    {"firefox", write_firefox, false}, {"folded", write_folded, false},         {"perf", write_perf, true},
    {"pprof", write_pprof, true},      {"speedscope", write_speedscope, false},
};

/* ---- arguments ---- */

static int take_format(struct export *export, const char *name)
{
	char known[128] = "";

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(name, formats[i].name)) {
			export->format = &formats[i];
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
		         formats[i].name);
	}
	hw_complain(export->input.who, "unknown format '%s': take one of %s", name, known);
	return HW_EXIT_USAGE;
}

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
		return take_format(export, optarg);
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
	const struct hw_filter *filter = &export->input.filter;
	const char *why = NULL;
	int option, code = 0;

	optind = 0;
	while (!code && !export->help &&
	       (option = hw_next_option(export->input.who, argc, argv, ":i:o:h", options)) != -1)
		code = take_option(export, option);
	if (code || export->help)
		return code;
	code = hw_input_arguments(&export->input, argc, argv);
	if (code)
		return code;
	if (!export->format)
		why = "which format? take --to folded, or another that --help names";
	else if (export->format->write == write_perf && (filter->has_file || filter->has_function))
		why = "--dso and --symbol choose no samples for --to perf: leave that to what reads the file";
	else if (export->format->binary && !strcmp(export->output, "-") && isatty(STDOUT_FILENO))
		why = "this format is not for a terminal: name a file with -o";
	if (!why)
		return 0;
	hw_complain(export->input.who, "%s", why);
	return HW_EXIT_USAGE;
}

int hw_cmd_export(int argc, char **argv)
{
	struct export export = {.input = {.who = argv[0], .filter.idle = true}, .output = "-"};
	int code = parse(&export, argc, argv);

	if (!code && export.help)
		fputs(help, stdout);
	if (!code && !export.help) {
		export.input.filter.any_event = export.format->write == write_perf && !export.input.event;
		code = hw_input_open(&export.input, true) ? HW_EXIT_FAILURE : export.format->write(&export);
	}
	hw_input_close(&export.input);
	return code;
}
