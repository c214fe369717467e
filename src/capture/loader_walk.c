/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Walks that met a missing table, finished from their stack copy with the same step as in the kernel. */
#include "capture/loader.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "perfdata/records.h"

struct code_reader {
	uint32_t pid;
	int fd;
};

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	struct code_reader *reader = context;
	char path[32];

	if (reader->fd == -1) {
		snprintf(path, sizeof(path), "/proc/%u/mem", reader->pid);
		reader->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (reader->fd < 0)
			reader->fd = -2;
	}
	return reader->fd >= 0 && pread(reader->fd, eight_bytes, 8, (off_t)address) == 8 ? 0 : -1;
}

enum missed {
	MISSED_NOT_YET = 1,    /* asked for, no answer */
	MISSED_THROWN_OUT = 2, /* was there, and is not any more */
};

static const struct asked *find_answer(const struct hw_loader *loader, uint32_t ask)
{
	for (size_t i = loader->answers.count; i; i--)
		if (loader->answers.items[i - 1].ask == ask)
			return &loader->answers.items[i - 1];
	return NULL;
}

bool hw_loader_is_answered(const struct hw_loader *loader, uint32_t ask)
{
	return find_answer(loader, ask) != NULL;
}

/* The table for a mapping of an unfinished walk; *missed: why there is none that should be. */
static const struct hw_table *table_of(const struct hw_loader *loader, const struct hw_mapping *m,
                                       unsigned *missed, uint32_t *ask)
{
	const struct hw_table *table;
	const struct asked *answer;

	if (m->kind == HW_MAPPING_TABLE) {
		table = hw_tables_find(loader->tables, m->slot, m->serial);
		*missed |= table ? 0 : MISSED_THROWN_OUT;
		return table;
	}
	if (m->kind != HW_MAPPING_MISS)
		return NULL;
	answer = find_answer(loader, m->serial);
	if (!answer) {
		*missed |= MISSED_NOT_YET;
		*ask = m->serial;
		return NULL;
	}
	table = hw_tables_find(loader->tables, answer->slot, answer->serial);
	*missed |= !table && answer->serial ? MISSED_THROWN_OUT : 0;
	return table;
}

/* keep: remember it for sessions that come late; only on the loader's own thread. */
static void emit_finished(struct hw_loader *loader, const struct hw_unfinished *u, const uint64_t *ips,
                          uint32_t count, enum hw_end_reason reason, bool keep)
{
	struct hw_record_id id = {.pid = u->pid, .tid = u->tid, .time_ns = u->time_ns, .cpu = u->cpu};
	uint64_t buffer[HW_FRAMES_MAX + 16], sessions = u->prefix.sessions;
	int size = hw_build_deferred(buffer, sizeof(buffer), &id, u->cookie, ips, count, (uint8_t)reason);

	if (size <= 0)
		return;
	if (keep)
		sessions |= hw_finished_keep(loader->recent, u->cookie, buffer, (size_t)size);
	loader->emit(loader->context, sessions, (struct perf_event_header *)buffer);
}

void hw_loader_hand_out_again(struct hw_loader *loader, const struct hw_late *late)
{
	const struct perf_event_header *record =
	    hw_finished_find(loader->recent, late->cookie, late->prefix.sessions);

	if (record)
		loader->emit(loader->context, late->prefix.sessions, record);
}

/* No memory for the walk itself: its callchain still is answered, with the reason. */
void hw_loader_give_up(struct hw_loader *loader, const struct hw_unfinished *u, bool keep)
{
	emit_finished(loader, u, (const uint64_t *)(u + 1), u->ip_count <= HW_FRAMES_MAX ? u->ip_count : 0,
	              HW_END_MISS, keep);
}

int hw_loader_finish_walk(struct hw_loader *loader, const struct hw_unfinished *u, size_t size, bool last,
                          uint32_t *ask)
{
	const uint64_t *ips_in = (const uint64_t *)(u + 1);
	const uint8_t *stack = (const uint8_t *)(ips_in + u->ip_count);
	const struct hw_mapping *m = (const struct hw_mapping *)(stack + u->stack_size);
	struct hw_walker_mapping *mappings;
	struct code_reader reader = {.pid = u->pid, .fd = -1};
	struct hw_walker_input input = {.read_code = read_code, .context = &reader};
	uint64_t ips[HW_FRAMES_MAX];
	struct hw_walk walk = u->walk;
	enum hw_end_reason reason;
	unsigned missed = 0;

	if (u->ip_count > HW_FRAMES_MAX ||
	    size < sizeof(*u) + u->ip_count * 8ull + u->mapping_count * sizeof(*m) + u->stack_size)
		return 0;
	mappings = calloc(u->mapping_count + 1, sizeof(*mappings));
	if (!mappings) {
		hw_loader_give_up(loader, u, true);
		return 0;
	}
	for (uint32_t i = 0; i < u->mapping_count; i++) {
		mappings[i].start = m[i].start;
		mappings[i].end = m[i].end;
		mappings[i].offset = m[i].offset;
		mappings[i].anonymous = m[i].kind == HW_MAPPING_ANONYMOUS;
		mappings[i].table = table_of(loader, &m[i], &missed, ask);
	}
	input.mappings = mappings;
	input.mapping_count = u->mapping_count;
	input.stack_address = u->stack_address;
	input.stack = stack;
	input.stack_size = u->stack_size;
	memcpy(ips, ips_in, u->ip_count * 8ull);
	walk.depth = u->ip_count;
	walk.depth_max = HW_FRAMES_MAX;
	reason = hw_walker_walk(&walk, &input, ips);
	if (reader.fd >= 0)
		close(reader.fd);
	free(mappings);
	if (reason == HW_END_NO_TABLE && missed & MISSED_NOT_YET && !last)
		return -EAGAIN;
	if (reason == HW_END_NO_TABLE && missed)
		reason = HW_END_MISS;
	loader->finished++;
	emit_finished(loader, u, ips, walk.depth, reason, true);
	return 0;
}
