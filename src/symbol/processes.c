/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Address spaces are shared between a process and its forks until one of them changes, so that storms of
 * forks cost little.
 */
#include "symbol/processes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/array.h"

#define EXEC_NS 100000000ull /* an execve takes no longer, mostly */

struct piece {
	uint64_t start, end; /* what later mappings left of the event's range */
	const struct hw_process_event *event;
};

struct space {
	size_t users;
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
	struct process *last; /* that was asked about; processes stay until the end */
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

/* Put a new piece in, cutting what it covers. */
static int put(struct space *space, struct piece new)
{
	array_of(struct piece) kept = {0};
	bool placed = false;

	if (array_reserve(&kept, space->pieces.count + 2))
		return -ENOMEM;
	array_for_each (&space->pieces, piece) {
		struct piece left = *piece, right = *piece;

		left.end = left.end < new.start ? left.end : new.start;
		right.start = right.start > new.end ? right.start : new.end;
		if (left.start < left.end)
			kept.items[kept.count++] = left;
		if (!placed && piece->end > new.start) {
			kept.items[kept.count++] = new;
			placed = true;
		}
		if (right.start < right.end)
			kept.items[kept.count++] = right;
	}
	if (!placed)
		kept.items[kept.count++] = new;
	array_free(&space->pieces);
	space->pieces.items = kept.items;
	space->pieces.count = kept.count;
	space->pieces.capacity = kept.capacity;
	return 0;
}

static int apply_map(struct hw_processes *processes, const struct hw_process_event *event)
{
	struct process *process = get_process(processes, event->kernel ? (uint32_t)-1 : event->pid);
	struct piece piece = {.start = event->start, .end = event->start + event->length, .event = event};
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

const struct hw_process_event *hw_processes_find_then(struct hw_processes *processes, uint32_t pid,
                                                      uint64_t address, uint64_t time_ns)
{
	struct process *process = processes->last;
	struct space *space;
	const struct piece *piece;

	if (!process || process->pid != pid)
		HASH_FIND(hh, processes->by_pid, &pid, sizeof(pid), process);
	if (!process)
		return NULL;
	processes->last = process;
	space = time_ns < process->exec_ns && !process->between ? process->before : process->space;
	piece = space ? find_piece(space, address) : NULL;
	if (!piece && process->before && time_ns - process->exec_ns < EXEC_NS)
		piece = find_piece(process->before, address);
	return piece ? piece->event : NULL;
}

const char *hw_processes_name(const struct hw_processes *processes, uint32_t pid, uint32_t tid)
{
	struct thread *thread;

	(void)pid;
	HASH_FIND(hh, processes->by_tid, &tid, sizeof(tid), thread);
	return thread ? thread->name : NULL;
}
