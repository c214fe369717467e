/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/filter.h"

#include <string.h>

/* Call add for each entry of a comma-separated list. */
static int for_each_entry(const char *text,
                          int (*add)(void *context, const char *entry, struct hw_error *err), void *context,
                          struct hw_error *err)
{
	char *copy = strdup(text), *rest = copy, *entry;
	int code = 0;

	if (!copy)
		return hw_fail(err, -ENOMEM, "out of memory");
	while (!code && (entry = strsep(&rest, ",")))
		code = *entry ? add(context, entry, err)
		              : hw_fail(err, -EINVAL, "'%s' has an empty entry", text);
	free(copy);
	return code;
}

static int add_id(void *context, const char *entry, struct hw_error *err)
{
	struct hw_id_list *ids = context;
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(entry, &end, 10);
	if (*end || errno || entry[0] < '0' || entry[0] > '9' || id > UINT32_MAX)
		return hw_fail(err, -EINVAL, "'%s' is not a process or thread id", entry);
	return array_push(ids, (uint32_t)id) ? hw_fail(err, -ENOMEM, "out of memory") : 0;
}

static int add_name(void *context, const char *entry, struct hw_error *err)
{
	struct hw_filter *filter = context;
	char *name = strdup(entry);

	if (!name || array_push(&filter->names, name)) {
		free(name);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int hw_filter_add_pids(struct hw_filter *filter, const char *text, struct hw_error *err)
{
	return for_each_entry(text, add_id, &filter->pids, err);
}

int hw_filter_add_tids(struct hw_filter *filter, const char *text, struct hw_error *err)
{
	return for_each_entry(text, add_id, &filter->tids, err);
}

int hw_filter_add_names(struct hw_filter *filter, const char *text, struct hw_error *err)
{
	return for_each_entry(text, add_name, filter, err);
}

static int set_regex(regex_t *regex, bool *has, const char *text, struct hw_error *err)
{
	char reason[160];
	int code;

	if (*has)
		return hw_fail(err, -EINVAL, "'%s': only one pattern at a time; join them with '|'", text);
	code = regcomp(regex, text, REG_EXTENDED | REG_NOSUB);
	if (code) {
		regerror(code, regex, reason, sizeof(reason));
		return hw_fail(err, -EINVAL, "'%s' is no regular expression: %s", text, reason);
	}
	*has = true;
	return 0;
}

int hw_filter_set_file(struct hw_filter *filter, const char *regex, struct hw_error *err)
{
	return set_regex(&filter->file, &filter->has_file, regex, err);
}

int hw_filter_set_function(struct hw_filter *filter, const char *regex, struct hw_error *err)
{
	return set_regex(&filter->function, &filter->has_function, regex, err);
}

void hw_filter_free(struct hw_filter *filter)
{
	array_for_each (&filter->names, name)
		free(*name);
	array_free(&filter->names);
	array_free(&filter->pids);
	array_free(&filter->tids);
	array_free(&filter->file_matches);
	array_free(&filter->function_matches);
	if (filter->has_file)
		regfree(&filter->file);
	if (filter->has_function)
		regfree(&filter->function);
	*filter = (struct hw_filter){0};
}

static bool lists(const uint32_t *ids, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return !count;
}

bool hw_filter_wants_sample(const struct hw_filter *filter, const struct hw_sample *sample, const char *name)
{
	if ((!filter->idle && !sample->pid) || (!filter->any_event && sample->event != filter->event))
		return false;
	if (!lists(filter->pids.items, filter->pids.count, sample->pid) ||
	    !lists(filter->tids.items, filter->tids.count, sample->tid))
		return false;
	for (size_t i = 0; i < filter->names.count; i++)
		if (!strcmp(filter->names.items[i], name))
			return true;
	return !filter->names.count;
}

/* Whether one of the frames matches; verdicts are kept by frame id, for a frame comes in many stacks. */
static int any_matches(const regex_t *regex, bool by_file, uint8_t *verdicts,
                       const struct hw_symbolizer *symbolizer, const struct hw_frame_list *frames)
{
	for (size_t i = 0; i < frames->count; i++) {
		uint8_t *verdict = &verdicts[frames->items[i]];

		if (!*verdict) {
			const struct hw_frame *frame =
			    hw_symbolizer_frame_by_id(symbolizer, frames->items[i]);
			const char *text = by_file ? frame->file : frame->function;

			*verdict = text && !regexec(regex, text, 0, NULL, 0) ? 2 : 1;
		}
		if (*verdict == 2)
			return 1;
	}
	return 0;
}

int hw_filter_wants_frames(struct hw_filter *filter, const struct hw_symbolizer *symbolizer,
                           const struct hw_frame_list *frames)
{
	uint32_t known = hw_symbolizer_frame_count(symbolizer);
	int wanted = 1;

	if (!filter->has_file && !filter->has_function)
		return 1;
	if (array_reserve(&filter->file_matches, known) || array_reserve(&filter->function_matches, known))
		return -ENOMEM;
	for (; filter->file_matches.count < known; filter->file_matches.count++)
		filter->file_matches.items[filter->file_matches.count] = 0;
	for (; filter->function_matches.count < known; filter->function_matches.count++)
		filter->function_matches.items[filter->function_matches.count] = 0;
	if (filter->has_file)
		wanted = any_matches(&filter->file, true, filter->file_matches.items, symbolizer, frames);
	if (wanted && filter->has_function)
		wanted =
		    any_matches(&filter->function, false, filter->function_matches.items, symbolizer, frames);
	return wanted;
}
