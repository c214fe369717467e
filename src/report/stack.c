/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/stack.h"

#include <stdio.h>
#include <string.h>

#include "report/account.h"

enum marker_kind { MARKER_INCOMPLETE, MARKER_REFUSED, MARKER_UNANSWERED };

int hw_stacks_init(struct hw_stacks *stacks, const struct hw_recording *recording,
                   struct hw_symbolizer *symbolizer, enum hw_stack_part part)
{
	struct hw_path empty = {0};

	*stacks = (struct hw_stacks){.recording = recording, .symbolizer = symbolizer, .part = part};
	memset(stacks->markers, 0xff, sizeof(stacks->markers));
	stacks->resolved = calloc(HW_RESOLVED_SLOTS, sizeof(*stacks->resolved));
	stacks->answers = calloc(HW_ANSWERS, sizeof(*stacks->answers));
	return stacks->resolved && stacks->answers ? array_push(&stacks->paths, empty) : -ENOMEM;
}

void hw_stacks_free(struct hw_stacks *stacks)
{
	array_free(&stacks->frames);
	array_free(&stacks->locations);
	array_free(&stacks->lines);
	hw_index_free(&stacks->by_location);
	array_free(&stacks->mappings);
	hw_index_free(&stacks->by_mapping);
	array_free(&stacks->paths);
	array_free(&stacks->stacks);
	free(stacks->resolved);
	free(stacks->answers);
	array_free(&stacks->scratch);
	hw_index_free(&stacks->by_content);
	hw_index_free(&stacks->by_pair);
}

/* The path id of the frames in scratch. */
static int intern_scratch(struct hw_stacks *stacks, uint32_t *path)
{
	const uint32_t *frames = stacks->scratch.items;
	size_t count = stacks->scratch.count, size = count * sizeof(*frames);
	struct hw_path fresh = {.start = stacks->frames.count, .count = (uint32_t)count};
	uint64_t hash;

	*path = 0;
	if (!count)
		return 0;
	hash = hw_index_hash(frames, size);
	hw_index_for_each_candidate(&stacks->by_content, hash, probe, position)
	{
		const struct hw_path *known = &stacks->paths.items[position];

		if (known->count == count && !memcmp(stacks->frames.items + known->start, frames, size)) {
			*path = (uint32_t)position;
			return 0;
		}
	}
	if (array_reserve(&stacks->frames, fresh.start + count) || array_push(&stacks->paths, fresh))
		return -ENOMEM;
	memcpy(stacks->frames.items + fresh.start, frames, size);
	stacks->frames.count += count;
	*path = (uint32_t)stacks->paths.count - 1;
	return hw_index_add(&stacks->by_content, hash, *path);
}

/* The frame that a signal handler returns to: glibc's and musl's names, and the vDSO's of other machines. */
static bool is_signal_return(const struct hw_frame *frame)
{
	return frame->function && frame->function[0] == '_' && frame->function[1] == '_' &&
	       (!strcmp(frame->function, "__restore_rt") || !strcmp(frame->function, "__restore") ||
	        !strcmp(frame->function, "__kernel_rt_sigreturn"));
}

/* The functions at a location that is new. */
static int add_lines(struct hw_stacks *stacks, struct hw_location *location, uint32_t pid, bool kernel)
{
	struct hw_line lines[HW_LOCATION_LINES_MOST];
	size_t count = hw_symbolizer_lines(stacks->symbolizer, pid, location->address, kernel, lines,
	                                   HW_LOCATION_LINES_MOST);

	location->first_line = (uint32_t)stacks->lines.count;
	for (size_t i = 0; i < count; i++) {
		struct hw_location_line line = {lines[i].function, lines[i].source, lines[i].line};

		if (line.function && array_push(&stacks->lines, line))
			return -ENOMEM;
	}
	location->line_count = (uint32_t)stacks->lines.count - location->first_line;
	return 0;
}

static bool same_mapping(const struct hw_process_event *a, const struct hw_process_event *b)
{
	return a->start == b->start && a->length == b->length && a->offset == b->offset &&
	       a->kernel == b->kernel && a->inode == b->inode && a->build_id_size == b->build_id_size &&
	       !memcmp(a->build_id, b->build_id, sizeof(a->build_id)) && !strcmp(a->name, b->name);
}

/* The first mapping of the same file at the same place: programs that run often have one each time. 0 or
 * -ENOMEM. */
static int find_mapping(struct hw_stacks *stacks, const struct hw_process_event **mapping)
{
	const uint64_t key[] = {(*mapping)->start, (*mapping)->offset, (*mapping)->inode};
	uint64_t hash = hw_index_hash(key, sizeof(key));

	hw_index_for_each_candidate(&stacks->by_mapping, hash, probe, position)
	{
		if (same_mapping(stacks->mappings.items[position], *mapping)) {
			*mapping = stacks->mappings.items[position];
			return 0;
		}
	}
	if (array_push(&stacks->mappings, *mapping))
		return -ENOMEM;
	return hw_index_add(&stacks->by_mapping, hash, (uint32_t)stacks->mappings.count - 1);
}

/* The location id of an address that the symbolizer has named frame. */
static int intern_location(struct hw_stacks *stacks, uint32_t pid, uint64_t address, bool kernel,
                           uint32_t frame, uint32_t *id)
{
	struct hw_location location = {
	    .mapping = hw_symbolizer_mapping(stacks->symbolizer, pid, address, kernel),
	    .address = address,
	    .frame = frame,
	};
	uint64_t hash;

	if (location.mapping && find_mapping(stacks, &location.mapping))
		return -ENOMEM;
	hash = hw_index_hash(&location, offsetof(struct hw_location, first_line));

	hw_index_for_each_candidate(&stacks->by_location, hash, probe, position)
	{
		if (!memcmp(&stacks->locations.items[position], &location,
		            offsetof(struct hw_location, first_line))) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	*id = (uint32_t)stacks->locations.count;
	if (add_lines(stacks, &location, pid, kernel) || array_push(&stacks->locations, location))
		return -ENOMEM;
	return hw_index_add(&stacks->by_location, hash, *id);
}

static int add_location(struct hw_stacks *stacks, uint32_t pid, uint64_t address, bool kernel, uint32_t frame)
{
	uint32_t id;

	if (intern_location(stacks, pid, address, kernel, frame, &id))
		return -ENOMEM;
	return array_push(&stacks->scratch, id);
}

/* The frame of an address, with those inlined into it. */
static int add_frames(struct hw_stacks *stacks, uint32_t pid, uint64_t address, bool kernel)
{
	uint32_t ids[HW_LINES_MAX];
	size_t count = hw_symbolizer_frames(stacks->symbolizer, pid, address, kernel, ids, HW_LINES_MAX);

	for (size_t i = 0; i < count; i++)
		if (array_push(&stacks->scratch, ids[i]))
			return -ENOMEM;
	return 0;
}

/* Frames (or locations) of the addresses, leaf first, into scratch. */
static int name_addresses(struct hw_stacks *stacks, uint32_t pid, const uint64_t *ips, size_t count,
                          bool kernel)
{
	struct hw_symbolizer *symbolizer = stacks->symbolizer;
	const struct hw_frame *frame;
	bool exact = true;
	uint64_t address;
	uint32_t id, at;

	stacks->scratch.count = 0;
	if (count > UINT32_MAX || array_reserve(&stacks->scratch, count))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		address = ips[i] - (!exact && ips[i]);
		id = hw_symbolizer_frame(symbolizer, pid, address, kernel);
		frame = hw_symbolizer_frame_by_id(symbolizer, id);
		if (!exact && !frame->function && !kernel) {
			/* A signal's trampoline is entered at its first instruction, without a call. */
			at = hw_symbolizer_frame(symbolizer, pid, ips[i], false);
			frame = hw_symbolizer_frame_by_id(symbolizer, at);
			if (is_signal_return(frame)) {
				id = at;
				address = ips[i];
			}
		}
		exact = !kernel && is_signal_return(frame);
		if (stacks->with_locations ? add_location(stacks, pid, address, kernel, id)
		                           : add_frames(stacks, pid, address, kernel))
			return -ENOMEM;
	}
	return 0;
}

/* The first of the slots where the answer may be. */
static struct hw_resolved *slots_of(struct hw_stacks *stacks, const struct hw_resolved *question)
{
	uint64_t mixed = (question->stack * 2 + question->kernel) * 0x9e3779b97f4a7c15u +
	                 question->pid * 0xc2b2ae3d27d4eb4fu + question->layout;

	return &stacks->resolved[mixed >> 32 & (HW_RESOLVED_SLOTS - HW_WAYS)];
}

/* Was this asked before, of any process that has the layout, or else of pid? Then *path. */
static bool is_resolved(struct hw_stacks *stacks, struct hw_resolved question, uint32_t pid, uint32_t *path)
{
	const uint32_t whose[] = {0, pid};

	for (size_t i = 0; i < 2; i++) {
		const struct hw_resolved *slots;

		question.pid = whose[i];
		slots = slots_of(stacks, &question);
		for (size_t way = 0; way < HW_WAYS; way++) {
			if (!memcmp(&slots[way], &question, offsetof(struct hw_resolved, path))) {
				*path = slots[way].path;
				return true;
			}
		}
	}
	return false;
}

static void keep_resolved(struct hw_stacks *stacks, const struct hw_resolved *resolved)
{
	struct hw_resolved *slots = slots_of(stacks, resolved);

	memmove(slots + 1, slots, (HW_WAYS - 1) * sizeof(*slots));
	*slots = *resolved;
}

/* The path of a recorded stack, as pid's mappings are now. */
static int resolve_part(struct hw_stacks *stacks, uint32_t pid, uint32_t stack, bool kernel, uint32_t *path)
{
	struct hw_symbolizer *symbolizer = stacks->symbolizer;
	struct hw_resolved question = {.stack = stack, .kernel = kernel};
	const uint64_t *ips;
	size_t count;

	*path = 0;
	if (stack == HW_NO_STACK)
		return 0;
	question.layout = hw_symbolizer_layout(symbolizer, pid, kernel);
	if (is_resolved(stacks, question, pid, path))
		return 0;
	hw_symbolizer_was_unsure(symbolizer);
	ips = hw_recording_stack(stacks->recording, stack, &count);
	if (name_addresses(stacks, pid, ips, count, kernel) || intern_scratch(stacks, path))
		return -ENOMEM;
	question.pid = hw_symbolizer_was_unsure(symbolizer) ? pid : 0;
	question.path = *path;
	keep_resolved(stacks, &question);
	return 0;
}

static uint32_t marker(struct hw_stacks *stacks, enum marker_kind kind, unsigned reason)
{
	static const char *const what[] = {"incomplete", "refused", "user stack"};
	const char *name = kind == MARKER_INCOMPLETE ? hw_end_reason_name(reason)
	                   : kind == MARKER_REFUSED  ? hw_refusal_name(reason)
	                                             : hw_unanswered_name(reason);
	uint32_t *known;
	char text[64];

	if (!name) {
		name = "?";
		reason = 31; /* the reasons have five bits in the file */
	}
	known = &stacks->markers[kind][reason];
	if (*known == HW_NO_FRAME) {
		snprintf(text, sizeof(text), "[%s: %s]", what[kind], name);
		*known = hw_symbolizer_marker(stacks->symbolizer, text);
	}
	return *known;
}

/* What stands where the user stack, or its outer end, is missing. */
static uint32_t sample_marker(struct hw_stacks *stacks, const struct hw_sample *sample)
{
	switch (sample->state) {
	case HW_SAMPLE_REFUSED:
		return marker(stacks, MARKER_REFUSED, sample->refusal);
	case HW_SAMPLE_UNANSWERED:
		return marker(stacks, MARKER_UNANSWERED, sample->unanswered);
	case HW_SAMPLE_ANSWERED:
		if (sample->end == HW_END_COMPLETE || sample->end == HW_END_UNSAID)
			return HW_NO_FRAME;
		return marker(stacks, MARKER_INCOMPLETE, sample->end);
	default:
		return HW_NO_FRAME;
	}
}

static int intern_stack(struct hw_stacks *stacks, struct hw_stack wanted, uint32_t *stack)
{
	uint64_t hash = hw_index_hash(&wanted, sizeof(wanted));

	hw_index_for_each_candidate(&stacks->by_pair, hash, probe, position)
	{
		if (!memcmp(&stacks->stacks.items[position], &wanted, sizeof(wanted))) {
			*stack = (uint32_t)position;
			return 0;
		}
	}
	*stack = (uint32_t)stacks->stacks.count;
	if (array_push(&stacks->stacks, wanted))
		return -ENOMEM;
	return hw_index_add(&stacks->by_pair, hash, *stack);
}

#define MISC_CPUMODE_KERNEL 1 /* PERF_RECORD_MISC_KERNEL, linux/perf_event.h */

/* The first of the slots where the answer may be. */
static struct hw_answer *answers_of(struct hw_stacks *stacks, const struct hw_answer *question)
{
	uint64_t stack_ids = (uint64_t)question->user_stack << 32 | question->kernel_stack;
	uint64_t mixed = stack_ids * 0x9e3779b97f4a7c15u + question->pid * 0xc2b2ae3d27d4eb4fu +
	                 question->kernel_layout + question->user_layout;

	return &stacks->answers[(mixed ^ mixed >> 29) >> 20 & (HW_ANSWERS - HW_WAYS)];
}

static int resolve_parts(struct hw_stacks *stacks, const struct hw_sample *sample, bool in_kernel,
                         uint32_t marker, uint32_t *stack)
{
	struct hw_stack wanted = {.marker = marker};
	uint32_t *leaf = in_kernel ? &wanted.kernel : &wanted.user;

	if (resolve_part(stacks, sample->pid, sample->kernel_stack, true, &wanted.kernel) ||
	    resolve_part(stacks, sample->pid, sample->user_stack, false, &wanted.user))
		return -ENOMEM;
	/* Without a stack of its own, a sample still says where it hit. */
	if (!*leaf && sample->ip) {
		if (name_addresses(stacks, sample->pid, &sample->ip, 1, in_kernel) ||
		    intern_scratch(stacks, leaf))
			return -ENOMEM;
	}
	if (stacks->part == HW_STACK_USER)
		wanted.kernel = 0;
	if (stacks->part == HW_STACK_KERNEL) {
		wanted.user = 0;
		wanted.marker = HW_NO_FRAME;
	}
	return intern_stack(stacks, wanted, stack);
}

int hw_stacks_resolve(struct hw_stacks *stacks, const struct hw_sample *sample, uint32_t *stack)
{
	struct hw_symbolizer *symbolizer = stacks->symbolizer;
	bool in_kernel = sample->kernel_stack != HW_NO_STACK || sample->cpumode == MISC_CPUMODE_KERNEL;
	struct hw_answer *known, question = {.kernel_stack = sample->kernel_stack,
	                                     .user_stack = sample->user_stack,
	                                     .pid = sample->pid};
	int code;

	hw_symbolizer_advance(symbolizer, sample->time_ns);
	hw_symbolizer_walked(symbolizer, sample->time_ns - sample->walked_before_us * 1000ull);
	if (stacks->part == HW_STACK_KERNEL
	        ? !in_kernel
	        : stacks->part == HW_STACK_USER && sample->state == HW_SAMPLE_KERNEL_ONLY)
		return -ENODATA;
	question.marker = sample_marker(stacks, sample);
	if (!(in_kernel ? question.kernel_stack : question.user_stack))
		return resolve_parts(stacks, sample, in_kernel, question.marker, stack);
	question.kernel_layout = hw_symbolizer_layout(symbolizer, sample->pid, true);
	question.user_layout = hw_symbolizer_layout(symbolizer, sample->pid, false);
	known = answers_of(stacks, &question);
	for (size_t way = 0; way < HW_WAYS; way++) {
		if (!memcmp(&known[way], &question, offsetof(struct hw_answer, stack))) {
			*stack = known[way].stack;
			return 0;
		}
	}
	code = resolve_parts(stacks, sample, in_kernel, question.marker, &question.stack);
	if (!code) {
		*stack = question.stack;
		memmove(known + 1, known, (HW_WAYS - 1) * sizeof(*known));
		*known = question;
	}
	return code;
}

int hw_stacks_path_ids(const struct hw_stacks *stacks, uint32_t stack, struct hw_frame_list *frames)
{
	const struct hw_stack *from = &stacks->stacks.items[stack];
	const uint32_t paths[] = {from->kernel, from->user};
	const uint32_t *path;
	uint32_t count;

	frames->count = 0;
	for (size_t i = 0; i < 2; i++) {
		path = hw_stacks_path(stacks, paths[i], &count);
		if (array_reserve(frames, frames->count + count + 1))
			return -ENOMEM;
		if (count)
			memcpy(frames->items + frames->count, path, count * sizeof(*path));
		frames->count += count;
	}
	return 0;
}

int hw_stacks_frames(const struct hw_stacks *stacks, uint32_t stack, struct hw_frame_list *frames)
{
	uint32_t marker = stacks->stacks.items[stack].marker;

	if (hw_stacks_path_ids(stacks, stack, frames))
		return -ENOMEM;
	for (size_t i = 0; stacks->with_locations && i < frames->count; i++)
		frames->items[i] = stacks->locations.items[frames->items[i]].frame;
	if (marker != HW_NO_FRAME)
		frames->items[frames->count++] = marker;
	return 0;
}

const char *hw_frame_name(const struct hw_frame *frame, char buffer[HW_FRAME_NAME_BYTES])
{
	const char *slash = strrchr(frame->file, '/');

	if (frame->function)
		return frame->function;
	if (frame->file[0] == '[')
		return frame->file;
	snprintf(buffer, HW_FRAME_NAME_BYTES, "[%s]", slash ? slash + 1 : frame->file);
	return buffer;
}
