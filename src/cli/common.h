/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the subcommands that read a recording share: their options, opening, output, and the pager.
 */
#ifndef HW_CLI_COMMON_H
#define HW_CLI_COMMON_H

#include <stdio.h>

#include "cli/options.h"
#include "merge/recording.h"
#include "report/filter.h"
#include "report/print.h"
#include "symbol/symbol.h"

/* How a recording is read: filled from options, then opened. */
struct hw_input {
	const char *who;  /* "homeward report" */
	const char *path; /* NULL until an option or argument names it */
	const char *event;
	struct hw_symbolizer_options symbols;
	struct hw_filter filter;
	bool unmerged; /* see hw_load_options */

	struct hw_recording *recording;
	struct hw_symbolizer *symbolizer;
};

/* Values of long options without a letter; a subcommand's own begin at HW_OPTION_OWN. */
enum hw_common_option {
	HW_OPTION_KALLSYMS = 256,
	HW_OPTION_DEBUG_DIRECTORY,
	HW_OPTION_ROOT,
	HW_OPTION_NO_DEMANGLE,
	HW_OPTION_INLINE,
	HW_OPTION_COMM,
	HW_OPTION_PID,
	HW_OPTION_TID,
	HW_OPTION_DSO,
	HW_OPTION_SYMBOL,
	HW_OPTION_EVENT,
	HW_OPTION_USER_ONLY,
	HW_OPTION_KERNEL_ONLY,
	HW_OPTION_IDLE,
	HW_OPTION_COLOR,
	HW_OPTION_NO_PAGER,
	HW_OPTION_OWN = 512,
};

#define HW_INPUT_OPTIONS                                                                                     \
	{"input", required_argument, NULL, 'i'},                                                             \
	{                                                                                                    \
		"help", no_argument, NULL, 'h'                                                               \
	}

#define HW_SYMBOL_OPTIONS                                                                                    \
	{"kallsyms", required_argument, NULL, HW_OPTION_KALLSYMS},                                           \
	    {"debug-dir", required_argument, NULL, HW_OPTION_DEBUG_DIRECTORY},                               \
	    {"symfs", required_argument, NULL, HW_OPTION_ROOT},                                              \
	    {"inline", no_argument, NULL, HW_OPTION_INLINE},                                                 \
	{                                                                                                    \
		"no-demangle", no_argument, NULL, HW_OPTION_NO_DEMANGLE                                      \
	}

#define HW_FILTER_OPTIONS                                                                                    \
	{"comm", required_argument, NULL, HW_OPTION_COMM}, {"pid", required_argument, NULL, HW_OPTION_PID},  \
	    {"tid", required_argument, NULL, HW_OPTION_TID},                                                 \
	    {"event", required_argument, NULL, HW_OPTION_EVENT},                                             \
	    {"user-only", no_argument, NULL, HW_OPTION_USER_ONLY},                                           \
	{                                                                                                    \
		"kernel-only", no_argument, NULL, HW_OPTION_KERNEL_ONLY                                      \
	}

#define HW_PATTERN_OPTIONS                                                                                   \
	{"dso", required_argument, NULL, HW_OPTION_DSO},                                                     \
	{                                                                                                    \
		"symbol", required_argument, NULL, HW_OPTION_SYMBOL                                          \
	}

/* Parts of the help texts. */
#define HW_HELP_INPUT                                                                                        \
	"  -i, --input FILE        the recording (default " HW_DEFAULT_RECORDING                             \
	"); may also be an argument\n"
#define HW_HELP_FILTER                                                                                       \
	"      --comm NAME,…       only threads of these names\n"                                          \
	"      --pid PID,…         only these processes\n"                                                 \
	"      --tid TID,…         only these threads\n"                                                   \
	"      --event NAME        which event, if several were recorded (default: that with most "          \
	"samples)\n"                                                                                         \
	"      --user-only         only what ran for user programs, without the kernel's frames\n"           \
	"      --kernel-only       only samples that hit the kernel, without user frames\n"
#define HW_HELP_PATTERN                                                                                      \
	"      --dso REGEX         only stacks with a frame in such a file\n"                                \
	"      --symbol REGEX      only stacks with such a function\n"
#define HW_HELP_SYMBOLS                                                                                      \
	"      --kallsyms FILE     kernel symbols (default: /proc/kallsyms, if recorded on this boot)\n"     \
	"      --debug-dir DIR     separate debug files (default /usr/lib/debug), several with \":\" "       \
	"between\n"                                                                                          \
	"      --symfs DIR         look for the recorded files below DIR\n"                                  \
	"      --inline            show inlined functions, too, where there is debug information (slower)\n" \
	"      --no-demangle       names as they stand in the symbol table\n"

/*
 * Take a common option: 0 taken, HW_EXIT_USAGE after having said why not. 'h' and what is not common are
 * the caller's ('?', too: hw_next_option() has said what is wrong).
 */
int hw_input_option(struct hw_input *input, int option, const char *value);

/* Take what is left of the arguments: at most one, the recording. 0 or HW_EXIT_USAGE, after saying why. */
int hw_input_arguments(struct hw_input *input, int argc, char **argv);

/*
 * Read the recording (with a line of progress on a terminal) and say what is damaged about it. With
 * symbols, make a symbolizer and choose the event. HW_EXIT_OK or HW_EXIT_FAILURE, after saying why.
 */
int hw_input_open(struct hw_input *input, bool symbols);
void hw_input_close(struct hw_input *input);

/* One line on standard error: "homeward report: …". Returns HW_EXIT_FAILURE. */
int hw_complain(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum hw_color { HW_COLOR_AUTO, HW_COLOR_ALWAYS, HW_COLOR_NEVER };
/* "auto", "always" or "never". 0 or HW_EXIT_USAGE, after saying why. */
int hw_parse_color(const char *who, const char *text, enum hw_color *color);

/* Width, character set and colours of standard output, as long as no pager stands in between. */
void hw_style_of_stdout(struct hw_style *style, enum hw_color color);

/* Where results go: a file, standard output, or a pager if that is a terminal. */
struct hw_output {
	const char *who, *path;
	FILE *stream;
	pid_t pager; /* 0: none */
};

/* Write to standard output, through $PAGER if it is a terminal and pager is wanted. */
void hw_output_stdout(struct hw_output *output, const char *who, bool pager);
/* HW_EXIT_FAILURE, after saying so, if the output is the recording itself. */
int hw_refuse_own_input(const char *who, const char *path, const char *input);
/* Write a file ("-": standard output) that is not input. HW_EXIT_OK or HW_EXIT_FAILURE, after saying why. */
int hw_output_file(struct hw_output *output, const char *who, const char *path, const char *input);
/* Flush, close, wait for the pager. HW_EXIT_FAILURE, after saying why, if something was not written. */
int hw_output_close(struct hw_output *output);

#endif
