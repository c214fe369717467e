/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/tracer_tell.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "capture/existing.h"
#include "perfdata/records.h"

/* Before the start nobody takes records; what is then there is told at the start. */
static int tell(struct hw_teller *teller, const void *record)
{
	return teller->telling ? hw_finisher_push_record(teller->finisher, record) : 0;
}

struct emitter {
	struct hw_teller *teller;
	uint64_t time_ns;
};

/* Records made up from /proc say that they were always so: here they are news, of this moment. */
static int push_now(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	const struct emitter *emitter = context;
	uint64_t copy[HW_RECORD_SIZE_MAX / 8];

	(void)err;
	memcpy(copy, record, record->size);
	copy[record->size / 8 - 2] = emitter->time_ns;
	return tell(emitter->teller, copy);
}

static struct hw_traced_process *process_of(struct hw_teller *teller, pid_t pid)
{
	struct hw_traced_process *process;

	HASH_FIND_INT(teller->processes, &pid, process);
	if (process)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	HASH_ADD_INT(teller->processes, pid, process);
	return process;
}

void hw_tell_forget(struct hw_teller *teller, pid_t pid)
{
	struct hw_traced_process *process;

	HASH_FIND_INT(teller->processes, &pid, process);
	if (process)
		HASH_DEL(teller->processes, process);
	free(process);
}

/* Tell the mappings of a process if they are not those that were told. */
void hw_tell_maps(struct hw_teller *teller, pid_t pid, uint64_t time_ns)
{
	struct hw_traced_process *process = process_of(teller, pid);
	struct emitter emitter = {.teller = teller, .time_ns = time_ns};

	if (process && hw_tracee_maps_changed(process, time_ns))
		hw_existing_process((uint32_t)pid, push_now, &emitter, NULL);
}

void hw_tell_task(struct hw_teller *teller, uint32_t type, pid_t pid, pid_t tid, pid_t ppid)
{
	struct hw_record_id id = {.pid = (uint32_t)pid, .tid = (uint32_t)tid, .time_ns = hw_now_ns()};
	uint64_t buffer[16];

	if (hw_build_task(buffer, sizeof(buffer), &id, type, (uint32_t)pid, (uint32_t)tid, (uint32_t)ppid,
	                  (uint32_t)ppid) > 0)
		tell(teller, buffer);
}

void hw_tell_exec(struct hw_teller *teller, pid_t pid)
{
	struct hw_record_id id = {.pid = (uint32_t)pid, .tid = (uint32_t)pid, .time_ns = hw_now_ns()};
	char path[32], name[32] = "";
	uint64_t buffer[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
	if (hw_build_comm(buffer, sizeof(buffer), &id, (uint32_t)pid, (uint32_t)pid, name, true) > 0)
		tell(teller, buffer);
}

void hw_tell_existing(struct hw_teller *teller, pid_t pid)
{
	struct emitter emitter = {.teller = teller};

	hw_existing_process((uint32_t)pid, push_now, &emitter, NULL);
}

void hw_tell_free(struct hw_teller *teller)
{
	struct hw_traced_process *process, *next;

	HASH_ITER (hh, teller->processes, process, next) {
		HASH_DEL(teller->processes, process);
		free(process);
	}
}
