/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLES_MAX 3

static const char *const verdict_names[] = {"equal",     "both_stop", "cannot", "ours_short",
                                            "undecided", "wrong",     "walker"};

const char *tally_reason(uint32_t end_reason)
{
	switch (end_reason) {
#define X(constant, value, name, words)                                                                      \
	case value:                                                                                          \
		return name;
		HW_END_REASONS(X)
#undef X
	default:
		return "invalid";
	}
}

void tally_add(struct tally *tally, enum verdict verdict, uint32_t frames, const char *reason)
{
	int i = 0;

	tally->walks++;
	tally->frames += frames;
	tally->verdicts[verdict]++;
	while (i < TALLY_REASONS_MAX - 1 && tally->reasons[i].count &&
	       (tally->reasons[i].verdict != verdict || strcmp(tally->reasons[i].reason, reason) != 0))
		i++;
	tally->reasons[i].verdict = verdict;
	tally->reasons[i].reason = reason;
	tally->reasons[i].count++;
}

static void show_address(const char *who, uint32_t index, uint64_t pc, const struct truth_walk *truth,
                         const struct module *const *modules)
{
	fprintf(stderr, "    %s %3u %016llx", who, index, (unsigned long long)pc);
	for (uint32_t i = 0; i < truth->walk->mapping_count; i++) {
		const struct hw_mapping *m = &truth->mappings[i];

		if (pc < m->start || pc >= m->end)
			continue;
		if (modules[i])
			fprintf(stderr, " %s+0x%llx", modules[i]->path,
			        (unsigned long long)(pc - module_bias(modules[i], m->start, m->offset)));
		else
			fprintf(stderr, " (kind %d, no module)", m->kind);
	}
	fputc('\n', stderr);
}

void tally_example(struct tally *tally, enum verdict verdict, const struct truth_walk *truth,
                   const struct peer_walk *peer, uint32_t frame, const struct module *const *modules,
                   const char *thread_name)
{
	const struct hw_unfinished *u = truth->walk;
	uint32_t first = frame > 2 ? frame - 2 : 0;

	if (tally->examples[verdict]++ >= EXAMPLES_MAX)
		return;
	fprintf(stderr, "%s: %s[%u], part at frame %u: ours %u frames, %s; libdwfl %u frames, %s\n",
	        verdict_names[verdict], thread_name ? thread_name : "?", u->tid, frame, u->ip_count,
	        tally_reason(u->walk.guess_reason), peer->depth, peer->complete ? "complete" : peer->reason);
	for (uint32_t i = first; i < u->ip_count && i <= frame + 1; i++)
		show_address("ours", i, truth->ips[i], truth, modules);
	for (uint32_t i = first; i < peer->depth && i <= frame + 1; i++)
		show_address("dwfl", i, peer->frames[i].pc, truth, modules);
	fprintf(stderr, "    rsp %016llx rbp %016llx rbx %016llx, copy %016llx + %u\n",
	        (unsigned long long)u->walk.reg[HW_REG_RSP], (unsigned long long)u->walk.reg[HW_REG_RBP],
	        (unsigned long long)u->walk.reg[HW_REG_RBX], (unsigned long long)u->stack_address,
	        u->stack_size);
}

void tally_print(const struct tally *tally)
{
	printf("{\"walks\":%llu,\"at_once\":%llu,\"frames\":%llu,\"lost\":%llu,\"walker_differs\":%llu",
	       (unsigned long long)tally->walks, (unsigned long long)tally->at_once,
	       (unsigned long long)tally->frames, (unsigned long long)tally->lost,
	       (unsigned long long)tally->walker_differs);
	for (int i = 0; i < VERDICT_COUNT; i++)
		printf(",\"%s\":%llu", verdict_names[i], (unsigned long long)tally->verdicts[i]);
	printf(",\"reasons\":{");
	for (int i = 0; i < TALLY_REASONS_MAX && tally->reasons[i].count; i++)
		printf("%s\"%s: %s\":%llu", i ? "," : "", verdict_names[tally->reasons[i].verdict],
		       tally->reasons[i].reason, (unsigned long long)tally->reasons[i].count);
	printf("}}\n");
}
