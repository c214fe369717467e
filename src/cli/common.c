/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/common.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "report/text.h"

int hw_complain(const char *who, const char *format, ...)
{
	char text[640];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s: ", who);
	hw_text_print_all(stderr, text, NULL); /* paths and names in it are other people's */
	fputc('\n', stderr);
	return HW_EXIT_FAILURE;
}

static int usage(int code, const struct hw_input *input, const struct hw_error *err)
{
	if (!code)
		return 0;
	hw_complain(input->who, "%s", err->text);
	return HW_EXIT_USAGE;
}

static int set_part(struct hw_input *input, enum hw_stack_part part)
{
	if (input->filter.part != HW_STACK_ALL && input->filter.part != part) {
		hw_complain(input->who, "--user-only and --kernel-only leave nothing together");
		return HW_EXIT_USAGE;
	}
	input->filter.part = part;
	return 0;
}

int hw_input_option(struct hw_input *input, int option, const char *value)
{
	struct hw_filter *filter = &input->filter;
	struct hw_error err;

	switch (option) {
	case 'i':
		input->path = value;
		return 0;
	case HW_OPTION_KALLSYMS:
		input->symbols.kallsyms = value;
		return 0;
	case HW_OPTION_DEBUG_DIRECTORY:
		input->symbols.debug_directory = value;
		return 0;
	case HW_OPTION_ROOT:
		input->symbols.root = value;
		return 0;
	case HW_OPTION_NO_DEMANGLE:
		input->symbols.no_demangle = true;
		return 0;
	case HW_OPTION_INLINE:
		input->symbols.inlined = true;
		return 0;
	case HW_OPTION_COMM:
		return usage(hw_filter_add_names(filter, value, &err), input, &err);
	case HW_OPTION_PID:
		return usage(hw_filter_add_pids(filter, value, &err), input, &err);
	case HW_OPTION_TID:
		return usage(hw_filter_add_tids(filter, value, &err), input, &err);
	case HW_OPTION_DSO:
		return usage(hw_filter_set_file(filter, value, &err), input, &err);
	case HW_OPTION_SYMBOL:
		return usage(hw_filter_set_function(filter, value, &err), input, &err);
	case HW_OPTION_EVENT:
		input->event = value;
		return 0;
	case HW_OPTION_USER_ONLY:
		return set_part(input, HW_STACK_USER);
	case HW_OPTION_KERNEL_ONLY:
		return set_part(input, HW_STACK_KERNEL);
	case HW_OPTION_IDLE:
		filter->idle = true;
		return 0;
	default:
		return HW_EXIT_USAGE;
	}
}

int hw_input_arguments(struct hw_input *input, int argc, char **argv)
{
	if (optind < argc && input->path) {
		hw_complain(input->who, "two recordings: '%s' and '%s'; one at a time", input->path,
		            argv[optind]);
		return HW_EXIT_USAGE;
	}
	if (optind + 1 < argc) {
		hw_complain(input->who, "unexpected argument '%s'; see %s --help", argv[optind + 1],
		            input->who);
		return HW_EXIT_USAGE;
	}
	if (optind < argc)
		input->path = argv[optind];
	if (input->path && !*input->path) {
		hw_complain(input->who, "the name of the recording is empty; see %s --help", input->who);
		return HW_EXIT_USAGE;
	}
	return 0;
}

struct progress {
	const char *path;
	time_t began;
	bool shown;
};

/* Only for those who have waited for a second. */
static void show_progress(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;

	if (!total || time(NULL) - progress->began < 1)
		return;
	fputs("\rreading ", stderr);
	hw_text_print(stderr, progress->path, 40, 1);
	fprintf(stderr, ": %3.0f %%", 100.0 * (double)done / (double)total);
	progress->shown = true;
}

static int load(struct hw_input *input)
{
	struct progress progress = {.path = input->path, .began = time(NULL)};
	struct hw_load_options options = {.progress = isatty(STDERR_FILENO) ? show_progress : NULL,
	                                  .context = &progress,
	                                  .root = input->symbols.root,
	                                  .unmerged = input->unmerged};
	struct hw_error err = {0};
	int code = hw_recording_load(input->path, &options, &input->recording, &err);

	if (progress.shown)
		fputs("\r\033[K", stderr);
	return code ? hw_complain(input->who, "%s", err.text) : HW_EXIT_OK;
}

/* The event that is asked for, or that with most samples. */
static int choose_event(struct hw_input *input)
{
	size_t event_count, best = 0;
	const struct hw_recording_event *events = hw_recording_events(input->recording, &event_count);
	uint64_t samples = hw_recording_account(input->recording)->samples;

	if (input->event) {
		for (size_t i = 0; i < event_count; i++) {
			if (!strcmp(events[i].name, input->event)) {
				input->filter.event = (uint16_t)i;
				return HW_EXIT_OK;
			}
		}
		return hw_complain(input->who, "%s has no event '%s'; its first is '%s'", input->path,
		                   input->event, event_count ? events[0].name : "");
	}
	for (size_t i = 1; i < event_count; i++)
		if (events[i].samples > events[best].samples)
			best = i;
	input->filter.event = (uint16_t)best;
	if (event_count && !input->filter.any_event && events[best].samples < samples)
		hw_complain(input->who,
		            "showing event '%s'; %llu samples of other events are left out (--event)",
		            events[best].name, (unsigned long long)(samples - events[best].samples));
	return HW_EXIT_OK;
}

int hw_input_open(struct hw_input *input, bool symbols)
{
	const struct hw_account *account;
	struct hw_error err = {0};
	bool by_default = !input->path;

	if (by_default)
		input->path = HW_DEFAULT_RECORDING;
	if (by_default && access(input->path, F_OK))
		return hw_complain(input->who,
		                   "no %s here: name a recording, or make one with 'homeward record'",
		                   input->path);
	input->symbols.kernel = symbols ? hw_kernel_ahead_new(input->symbols.kallsyms) : NULL;
	if (load(input)) {
		hw_kernel_ahead_drop(input->symbols.kernel);
		return HW_EXIT_FAILURE;
	}
	account = hw_recording_account(input->recording);
	if (account->damage[0])
		hw_complain(input->who, "%s is damaged: %s; showing what could be read", input->path,
		            account->damage);
	if (!symbols)
		return HW_EXIT_OK;
	if (hw_symbolizer_new(input->recording, &input->symbols, &input->symbolizer, &err))
		return hw_complain(input->who, "%s", err.text);
	return choose_event(input);
}

void hw_input_close(struct hw_input *input)
{
	hw_symbolizer_free(input->symbolizer);
	hw_recording_free(input->recording);
	hw_filter_free(&input->filter);
}
