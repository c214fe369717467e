/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which samples a report is about. An empty list lets everything pass; several entries of one list are
 * alternatives, different lists must all agree.
 *
 * --dso and --symbol keep the samples that have such a frame anywhere in their stack: the question is
 * mostly "what goes on below (or above) this function", and a leaf-only filter cannot answer it.
 */
#ifndef HW_REPORT_FILTER_H
#define HW_REPORT_FILTER_H

#include <regex.h>

#include "base/array.h"
#include "report/stack.h"

struct hw_id_list {
	uint32_t *items;
	size_t count, capacity;
};

struct hw_filter {
	struct hw_id_list pids, tids;
	array_of(char *) names; /* of threads, whole names */
	bool idle;              /* keep the idle task, pid 0 */
	bool any_event;         /* every event, not one */
	uint16_t event;         /* index into the recording's events */
	enum hw_stack_part part;
	bool has_file, has_function;
	regex_t file, function; /* POSIX extended, unanchored */

	/* whether a frame matches: 0 not tried yet, 1 no, 2 yes; by frame id */
	array_of(uint8_t) file_matches, function_matches;
};

/* Each adds what text lists, separated by commas. -EINVAL: text is no such list, and err says why. */
int hw_filter_add_pids(struct hw_filter *filter, const char *text, struct hw_error *err);
int hw_filter_add_tids(struct hw_filter *filter, const char *text, struct hw_error *err);
int hw_filter_add_names(struct hw_filter *filter, const char *text, struct hw_error *err);
/* A POSIX extended regular expression; may be set once. */
int hw_filter_set_file(struct hw_filter *filter, const char *regex, struct hw_error *err);
int hw_filter_set_function(struct hw_filter *filter, const char *regex, struct hw_error *err);
void hw_filter_free(struct hw_filter *filter);

/* Whether pid, tid, event and thread name pass; the thread is that of the symbolizer's time. */
bool hw_filter_wants_sample(const struct hw_filter *filter, const struct hw_sample *sample, const char *name);

/* Whether these frames pass: 1 yes, 0 no, or -ENOMEM. */
int hw_filter_wants_frames(struct hw_filter *filter, const struct hw_symbolizer *symbolizer,
                           const struct hw_frame_list *frames);

#endif
