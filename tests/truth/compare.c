/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * compare RECORDING TRUTH [DIRECTORY]: walk every recorded stack again with libdwfl, and with the user-space
 *walker, and say, as one JSON object, how often they agree with what was recorded frame by frame. Examples of
 *all that differs go to stderr. DIRECTORY has copies of programs that are not at their path any more.
 *
 * Up to the first frame that differs, or where one of the two stops, the walks are equal. What comes then is:
 *
 *	equal       both reached the outermost frame
 *	both stop   at the same frame, neither says it is the outermost one
 *	ours short  we stopped with a reason, libdwfl goes on
 *	cannot      libdwfl stopped with a reason, we go on; or it only guessed by rbp, having no call frame
 *	            information for the frame before, where our table has a rule or its guess leads nowhere
 *	wrong       the frames differ, or one calls a frame the outermost that the other goes on from
 *	undecided   the same, but both only guessed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "merge/recording.h"
#include "peer.h"
#include "symbol/processes.h"
#include "tally.h"
#include "walk/walker.h"

#define SPACES_KEPT  24
#define MAPPINGS_MAX 4096

/* An address space: the same mappings of the same files. */
struct space {
	uint64_t used;
	uint32_t count;
	struct hw_mapping mappings[MAPPINGS_MAX];
	const struct module *modules[MAPPINGS_MAX];
	struct peer *peer;
};

static struct space *spaces[SPACES_KEPT];
static uint64_t uses;

static bool same_mapping(const struct hw_mapping *a, const struct hw_mapping *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset;
}

static bool is_space(const struct space *space, const struct truth_walk *truth,
                     const struct module *const *modules)
{
	if (space->count != truth->walk->mapping_count)
		return false;
	for (uint32_t i = 0; i < space->count; i++)
		if (space->modules[i] != modules[i] ||
		    !same_mapping(&space->mappings[i], &truth->mappings[i]))
			return false;
	return true;
}

static struct space *space_of(const struct truth_walk *truth, const struct module *const *modules)
{
	struct space *space;
	int oldest = 0;

	for (int i = 0; i < SPACES_KEPT; i++) {
		if (spaces[i] && is_space(spaces[i], truth, modules)) {
			spaces[i]->used = ++uses;
			return spaces[i];
		}
		if (!spaces[i] || (spaces[oldest] && spaces[i]->used < spaces[oldest]->used))
			oldest = i;
	}
	space = spaces[oldest];
	if (!space)
		space = spaces[oldest] = calloc(1, sizeof(*space));
	if (!space)
		abort();
	peer_free(space->peer);
	space->used = ++uses;
	space->count = truth->walk->mapping_count;
	memcpy(space->mappings, truth->mappings, space->count * sizeof(*space->mappings));
	memcpy(space->modules, modules, space->count * sizeof(*space->modules));
	space->peer = peer_new(space->mappings, space->modules, space->count);
	return space;
}

static bool is_code(const struct truth_walk *truth, uint64_t pc)
{
	for (uint32_t i = 0; i < truth->walk->mapping_count; i++)
		if (pc > truth->mappings[i].start && pc <= truth->mappings[i].end)
			return true;
	return false;
}

/* libdwfl gives a frame for whatever it read as a return address; we stop before one that is in no mapping.
 */
static void drop_unmapped_frame(const struct truth_walk *truth, struct peer_walk *peer)
{
	uint64_t pc = peer->depth ? peer->frames[peer->depth - 1].pc : 0;

	if (peer->complete || peer->depth != truth->walk->ip_count + 1)
		return;
	if (!is_code(truth, pc))
		peer->depth--;
}

/* The rule of ours for a frame; a gap where no table is. */
static uint64_t rule_of(const struct truth_walk *truth, const struct space *space, uint64_t address)
{
	for (uint32_t i = 0; i < space->count; i++) {
		const struct hw_mapping *m = &truth->mappings[i];

		if (address >= m->start && address < m->end && space->modules[i] &&
		    space->modules[i]->has_table)
			return hw_table_rule(&space->modules[i]->table,
			                     (uint32_t)(address - m->start + m->offset));
	}
	return 0;
}

static uint64_t code_address(const struct peer_frame *frame)
{
	return frame->exact ? frame->pc : frame->pc - 1;
}

/* Go's runtime changes stacks where its entries say nothing of it (walk/go_code.h). */
static bool changes_stacks(uint64_t rule)
{
	return HW_RULE_KIND(rule) == HW_RULE_GOROUTINE || rule == HW_RULE_SCHEDULER ||
	       (HW_RULE_KIND(rule) == HW_RULE_CFA && HW_RULE_BASE(rule) == HW_REG_R12);
}

/* The frame before the one where the walks part decides who knew what. */
static enum verdict judge_parting(const struct truth_walk *truth, struct peer_walk *peer,
                                  const struct space *space, uint32_t frame)
{
	const struct peer_frame *last = frame ? &peer->frames[frame - 1] : NULL;
	uint64_t address;

	if (!last || peer_knows(space->peer, last))
		return VERDICT_WRONG;
	address = code_address(last);
	if (frame < peer->depth && !is_code(truth, peer->frames[frame].pc)) {
		peer->reason = "a guess by rbp that leads nowhere";
		return VERDICT_CANNOT;
	}
	if (HW_RULE_KIND(rule_of(truth, space, address)) == HW_RULE_GAP)
		return VERDICT_UNDECIDED;
	peer->reason = "a guess by rbp, for want of call frame information";
	return VERDICT_CANNOT;
}

static enum verdict judge(const struct truth_walk *truth, struct peer_walk *peer, const struct space *space,
                          uint32_t *frame)
{
	const struct hw_unfinished *u = truth->walk;
	bool complete = u->walk.guess_reason == HW_END_COMPLETE;
	uint32_t i = 0;

	drop_unmapped_frame(truth, peer);
	while (i < u->ip_count && i < peer->depth && truth->ips[i] == peer->frames[i].pc)
		i++;
	*frame = i;
	if (i && (i < u->ip_count || i < peer->depth) &&
	    changes_stacks(rule_of(truth, space, code_address(&peer->frames[i - 1])))) {
		peer->reason = "Go's change to another stack, of which the entry says nothing";
		return VERDICT_CANNOT;
	}
	if (i < u->ip_count && i < peer->depth)
		return judge_parting(truth, peer, space, i);
	if (i == u->ip_count && i == peer->depth) {
		if (complete && peer->complete)
			return VERDICT_EQUAL;
		if (complete)
			return VERDICT_CANNOT;
		return peer->complete ? VERDICT_OURS_SHORT : VERDICT_BOTH_STOP;
	}
	if (i == u->ip_count) {
		if (!complete)
			return VERDICT_OURS_SHORT;
		return judge_parting(truth, peer, space, i);
	}
	if (!peer->complete || peer->beyond_copy)
		return VERDICT_CANNOT;
	if (!i || !peer_has_caller(space->peer, &peer->frames[i - 1]))
		return VERDICT_WRONG;
	peer->reason = "a register that it lost, where its own entry names a caller";
	return VERDICT_CANNOT;
}

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	const struct space *space = context;

	for (uint32_t i = 0; i < space->count; i++) {
		const struct hw_mapping *m = &space->mappings[i];

		if (space->modules[i] && address >= m->start && address + 8 <= m->end)
			return pread(space->modules[i]->fd, eight_bytes, 8,
			             (off_t)(address - m->start + m->offset)) == 8
			           ? 0
			           : -1;
	}
	return -1;
}

/* The same walk by the user-space walker: equal as far as it goes. It cannot read code that no file holds. */
static bool walker_agrees(const struct truth_walk *truth, const struct space *space)
{
	static struct hw_walker_mapping mappings[MAPPINGS_MAX];
	const struct hw_unfinished *u = truth->walk;
	struct hw_walker_input input = {.mappings = mappings,
	                                .mapping_count = space->count,
	                                .stack_address = u->stack_address,
	                                .stack = truth->stack,
	                                .stack_size = u->stack_size,
	                                .read_code = read_code,
	                                .context = (void *)space};
	struct hw_walk walk = u->walk;
	uint64_t ips[HW_FRAMES_MAX];
	enum hw_end_reason reason;

	for (uint32_t i = 0; i < space->count; i++)
		mappings[i] = (struct hw_walker_mapping){
		    .start = space->mappings[i].start,
		    .end = space->mappings[i].end,
		    .offset = space->mappings[i].offset,
		    .anonymous = truth->mappings[i].kind == HW_MAPPING_ANONYMOUS,
		    .table =
		        space->modules[i] && space->modules[i]->has_table ? &space->modules[i]->table : NULL};
	walk.known = 0xffff;
	walk.saved = 0;
	walk.flags = HW_WALK_EXACT;
	walk.depth = 0;
	walk.depth_max = HW_FRAMES_MAX;
	reason = hw_walker_walk(&walk, &input, ips);
	for (uint32_t i = 0; i < walk.depth && i < u->ip_count; i++)
		if (ips[i] != truth->ips[i])
			return false;
	if (reason == HW_END_COMPLETE)
		return walk.depth == u->ip_count && u->walk.guess_reason == HW_END_COMPLETE;
	return walk.depth <= u->ip_count;
}

static void compare(struct tally *tally, const struct truth_walk *truth, struct hw_processes *processes)
{
	static const struct module *modules[MAPPINGS_MAX];
	static struct peer_walk peer;
	const struct hw_unfinished *u = truth->walk;
	struct space *space;
	enum verdict verdict;
	uint32_t frame;
	const char *ours = tally_reason(u->walk.guess_reason);

	if (u->mapping_count > MAPPINGS_MAX)
		abort();
	for (uint32_t i = 0; i < u->mapping_count; i++)
		modules[i] = module_of(hw_processes_find(processes, u->pid, truth->mappings[i].start));
	space = space_of(truth, modules);
	peer_walk(space->peer, truth, &peer);
	verdict = judge(truth, &peer, space, &frame);
	tally->at_once += u->prefix.kind == HW_RING_TRUTH_AT_ONCE;
	tally_add(tally, verdict, u->ip_count, verdict == VERDICT_CANNOT ? peer.reason : ours);
	if (verdict != VERDICT_EQUAL)
		tally_example(tally, verdict, truth, &peer, frame, modules,
		              hw_processes_name(processes, u->pid, u->tid));
	if (!walker_agrees(truth, space)) {
		tally->walker_differs++;
		tally_example(tally, VERDICT_WALKER, truth, &peer, frame, modules,
		              hw_processes_name(processes, u->pid, u->tid));
	}
}

int main(int argc, char **argv)
{
	const struct hw_process_event *events;
	struct hw_recording *recording;
	struct hw_processes *processes;
	struct hw_error err = {0};
	struct truth_file file;
	struct tally tally = {0};
	size_t event_count, next = 0;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: %s RECORDING TRUTH [DIRECTORY]\n", argv[0]);
		return 2;
	}
	modules_kept_in(argv[3]);
	if (hw_recording_load(argv[1], NULL, &recording, &err)) {
		fprintf(stderr, "%s: %s\n", argv[1], err.text);
		return 1;
	}
	if (truth_file_read(&file, argv[2]))
		return 1;
	processes = hw_processes_new();
	events = hw_recording_process_events(recording, &event_count);
	for (size_t i = 0; i < file.count; i++) {
		while (next < event_count && events[next].time_ns <= file.walks[i].walk->time_ns)
			if (hw_processes_apply(processes, &events[next++]))
				abort();
		compare(&tally, &file.walks[i], processes);
	}
	tally.lost = file.lost;
	tally_print(&tally);
	for (int i = 0; i < SPACES_KEPT; i++)
		if (spaces[i])
			peer_free(spaces[i]->peer);
	hw_processes_free(processes);
	hw_recording_free(recording);
	truth_file_clear(&file);
	return 0;
}
