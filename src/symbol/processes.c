/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Address spaces are shared between a process and its forks until one of them changes, so that storms of
 * forks cost little.
 */
#include "symbol/processes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/array.h"

#define EXEC_NS 100000000ull /* an execve takes no longer, mostly */
#define RECENT  256

struct piece {
	uint64_t start, end; /* what later mappings left of the event's range */
	const struct hw_process_event *event;
	uint64_t identity; /* of what is mapped */
};

struct space {
	size_t users;
	uint64_t layout; /* of all pieces; 0: not known yet */
	bool has_memory; /* once the layout is known: where code may be that only this process has */
	array_of(struct piece) pieces; /* sorted by start, disjoint */
	size_t last;                   /* the piece that was found last */
};

struct process {
	uint32_t pid;
	bool exited;
	bool between; /* execve is replacing the image */
	struct space *space;
	struct space *before; /* what the last execve replaced */
	uint64_t exec_ns;     /* when; 0: never */
	UT_hash_handle hh;
};

struct thread {
	uint32_t tid;
	const char *name;
	UT_hash_handle hh;
};

struct hw_processes {
	struct process *by_pid;
	struct process *recent[RECENT]; /* by pid, as asked about lately; processes stay until the end */
	struct thread *by_tid;
};

struct hw_processes *hw_processes_new(void)
{
	return calloc(1, sizeof(struct hw_processes));
}

static void drop_space(struct space *space)
{
	if (!space || --space->users)
		return;
	array_free(&space->pieces);
	free(space);
}

void hw_processes_free(struct hw_processes *processes)
{
	struct process *process, *next_process;
	struct thread *thread, *next_thread;

	if (!processes)
		return;
	HASH_ITER (hh, processes->by_pid, process, next_process) {
		HASH_DEL(processes->by_pid, process);
		drop_space(process->space);
		drop_space(process->before);
		free(process);
	}
	HASH_ITER (hh, processes->by_tid, thread, next_thread) {
		HASH_DEL(processes->by_tid, thread);
		free(thread);
	}
	free(processes);
}

static struct process *get_process(struct hw_processes *processes, uint32_t pid)
{
	struct process *process;

	HASH_FIND(hh, processes->by_pid, &pid, sizeof(pid), process);
	if (process)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	HASH_ADD(hh, processes->by_pid, pid, sizeof(process->pid), process);
	return process;
}

/* The process's own space, to be written. */
static struct space *own_space(struct process *process)
{
	struct space *shared = process->space, *own;

	if (shared && shared->users == 1)
		return shared;
	own = calloc(1, sizeof(*own));
	if (!own)
		return NULL;
	own->users = 1;
	if (shared && shared->pieces.count) {
		if (array_reserve(&own->pieces, shared->pieces.count)) {
			free(own);
			return NULL;
		}
		memcpy(own->pieces.items, shared->pieces.items, shared->pieces.count * sizeof(struct piece));
		own->pieces.count = shared->pieces.count;
	}
	drop_space(shared);
	process->space = own;
	return own;
}

/* The first piece that ends behind address. */
static size_t first_behind(const struct space *space, uint64_t address)
{
	size_t low = 0, high = space->pieces.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->pieces.items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Put a new piece in, cutting what it covers. */
static int put(struct space *space, struct piece new)
{
	size_t first = first_behind(space, new.start), end = first, kept = 0;
	struct piece *pieces, with[3];

	if (array_reserve(&space->pieces, space->pieces.count + 2))
		return -ENOMEM;
	pieces = space->pieces.items;
	while (end < space->pieces.count && pieces[end].start < new.end)
		end++;
	if (first < end && pieces[first].start < new.start) {
		with[kept] = pieces[first];
		with[kept++].end = new.start;
	}
	with[kept++] = new;
	if (first < end && pieces[end - 1].end > new.end) {
		with[kept] = pieces[end - 1];
		with[kept++].start = new.end;
	}
	memmove(pieces + first + kept, pieces + end, (space->pieces.count - end) * sizeof(*pieces));
	memcpy(pieces + first, with, kept * sizeof(*pieces));
	space->pieces.count += kept - (end - first);
	space->layout = 0;
	return 0;
}

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

bool hw_mapping_is_anonymous(const struct hw_process_event *map)
{
	const char *name = map->name;

	return (name[0] != '/' || begins(name, "//anon") || begins(name, "/dev/zero") ||
	        begins(name, "/anon_hugepage") || begins(name, "/SYSV")) &&
	       strcmp(name, "[vdso]") != 0;
}

bool hw_mapping_is_memory_file(const struct hw_process_event *map)
{
	return begins(map->name, "/memfd:");
}

/* All that decides what an address in the event's range means. */
static uint64_t identify(const struct hw_process_event *event)
{
	struct {
		uint64_t start, length, offset, inode;
		uint32_t major, minor, kernel, build_id_size;
		uint8_t build_id[24];
	} what = {.start = event->start,
	          .length = event->length,
	          .offset = event->offset,
	          .inode = event->inode,
	          .major = event->major,
	          .minor = event->minor,
	          .kernel = event->kernel,
	          .build_id_size = event->build_id_size};

	memcpy(what.build_id, event->build_id, sizeof(event->build_id));
	return XXH3_64bits_withSeed(&what, sizeof(what), XXH3_64bits(event->name, strlen(event->name)));
}

static int apply_map(struct hw_processes *processes, const struct hw_process_event *event)
{
	struct process *process = get_process(processes, event->kernel ? (uint32_t)-1 : event->pid);
	struct piece piece = {.start = event->start,
	                      .end = event->start + event->length,
	                      .event = event,
	                      .identity = identify(event)};
	struct space *space;

	if (process && process->between) {
		drop_space(process->before);
		process->before = process->space;
		process->space = NULL;
		process->between = false;
	}
	space = process ? own_space(process) : NULL;
	if (!space)
		return -ENOMEM;
	return piece.end <= piece.start ? 0 : put(space, piece);
}

static int name_thread(struct hw_processes *processes, uint32_t tid, const char *name)
{
	struct thread *thread;

	HASH_FIND(hh, processes->by_tid, &tid, sizeof(tid), thread);
	if (!thread) {
		thread = calloc(1, sizeof(*thread));
		if (!thread)
			return -ENOMEM;
		thread->tid = tid;
		HASH_ADD(hh, processes->by_tid, tid, sizeof(thread->tid), thread);
	}
	thread->name = name;
	return 0;
}

static int apply_fork(struct hw_processes *processes, const struct hw_process_event *event)
{
	const char *name = hw_processes_name(processes, event->ppid, event->ptid);
	struct process *parent, *child;

	if (name && name_thread(processes, event->tid, name))
		return -ENOMEM;
	if (event->pid == event->ppid)
		return 0; /* a thread */
	parent = get_process(processes, event->ppid);
	child = get_process(processes, event->pid);
	if (!parent || !child)
		return -ENOMEM;
	/* Of a parent outside of the recording nothing is known, but what was read from /proc of the child.
	 */
	if (parent->space || child->exited) {
		drop_space(child->space);
		child->space = parent->space;
		if (child->space)
			child->space->users++;
	}
	if (child->before) {
		drop_space(child->before);
		child->before = NULL;
	}
	child->exited = child->between = false;
	child->exec_ns = 0;
	return 0;
}

int hw_processes_apply(struct hw_processes *processes, const struct hw_process_event *event)
{
	struct process *process;

	switch (event->type) {
	case HW_PROCESS_MMAP:
		return apply_map(processes, event);
	case HW_PROCESS_FORK:
		return apply_fork(processes, event);
	case HW_PROCESS_COMM:
		if (event->exec) {
			process = get_process(processes, event->pid);
			if (!process)
				return -ENOMEM;
			/* A sample in here has the stack that called execve; the new image's mappings follow.
			 */
			process->between = true;
			process->exec_ns = event->time_ns;
		}
		return name_thread(processes, event->tid, event->name);
	case HW_PROCESS_EXIT: /* it is still asked about */
		HASH_FIND(hh, processes->by_pid, &event->pid, sizeof(event->pid), process);
		if (process && event->pid == event->tid)
			process->exited = true;
		return 0;
	default:
		return 0;
	}
}

/* The piece that covers address, or NULL. Callers of one stack are mostly in few pieces: the last one first.
 */
static const struct piece *find_piece(struct space *space, uint64_t address)
{
	const struct piece *pieces = space->pieces.items;
	size_t low = 0, high = space->pieces.count;

	if (space->last < high && address >= pieces[space->last].start && address < pieces[space->last].end)
		return &pieces[space->last];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pieces[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= pieces[low - 1].end)
		return NULL;
	space->last = low - 1;
	return &pieces[space->last];
}

const struct hw_process_event *hw_processes_find(struct hw_processes *processes, uint32_t pid,
                                                 uint64_t address)
{
	return hw_processes_find_then(processes, pid, address, UINT64_MAX); /* long after */
}

static struct process *find_process(struct hw_processes *processes, uint32_t pid)
{
	struct process **recent = &processes->recent[pid % RECENT], *process = *recent;

	if (process && process->pid == pid)
		return process;
	HASH_FIND(hh, processes->by_pid, &pid, sizeof(pid), process);
	if (process)
		*recent = process;
	return process;
}

/* The spaces where a stack of time_ns is looked for, one after the other; NULL: none. */
static void choose_spaces(const struct process *process, uint64_t time_ns, struct space *spaces[2])
{
	spaces[0] = time_ns < process->exec_ns && !process->between ? process->before : process->space;
	spaces[1] = process->before && time_ns - process->exec_ns < EXEC_NS ? process->before : NULL;
}

const struct hw_process_event *hw_processes_find_then(struct hw_processes *processes, uint32_t pid,
                                                      uint64_t address, uint64_t time_ns)
{
	struct process *process = find_process(processes, pid);
	const struct piece *piece = NULL;
	struct space *spaces[2];

	if (!process)
		return NULL;
	choose_spaces(process, time_ns, spaces);
	for (size_t i = 0; i < 2 && !piece; i++)
		piece = spaces[i] ? find_piece(spaces[i], address) : NULL;
	return piece ? piece->event : NULL;
}

static uint64_t layout_of(struct space *space)
{
	uint64_t layout = 1;

	if (!space)
		return 0;
	if (space->layout)
		return space->layout;
	space->has_memory = false;
	array_for_each (&space->pieces, piece) {
		const uint64_t part[] = {piece->start, piece->end, piece->identity};

		layout = XXH3_64bits_withSeed(part, sizeof(part), layout);
		space->has_memory |= !piece->event->kernel && (hw_mapping_is_anonymous(piece->event) ||
		                                               hw_mapping_is_memory_file(piece->event));
	}
	space->layout = layout;
	return space->layout;
}

uint64_t hw_processes_layout(struct hw_processes *processes, uint32_t pid, uint64_t time_ns)
{
	struct process *process = find_process(processes, pid);
	struct space *spaces[2];
	uint64_t layout[3] = {0};

	if (!process)
		return 0;
	choose_spaces(process, time_ns, spaces);
	for (size_t i = 0; i < 2; i++) {
		layout[i] = layout_of(spaces[i]);
		if (layout[i] && spaces[i]->has_memory)
			layout[2] = pid;
	}
	return layout[1] || layout[2] ? XXH3_64bits(layout, sizeof(layout)) : layout[0];
}

const char *hw_processes_name(const struct hw_processes *processes, uint32_t pid, uint32_t tid)
{
	struct thread *thread;

	(void)pid;
	HASH_FIND(hh, processes->by_tid, &tid, sizeof(tid), thread);
	return thread ? thread->name : NULL;
}
