/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples that brought a copy of their stack. They are walked at the end, in order of time, when it is known
 * which files were mapped where. Until then only where their records stand is kept; records that cannot be
 * read twice go to a file without a name.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "finish/finish.h"
#include "merge/internal.h"

/* A file that is gone when it is closed. -errno. */
static int open_spool(void)
{
	const char *places[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
	int fd = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && fd < 0; i++)
		if (places[i])
			fd = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int spool(struct hw_recording *recording, const struct perf_event_header *record, uint64_t *offset)
{
	size_t done = 0;

	if (recording->spool < 0)
		recording->spool = open_spool();
	if (recording->spool < 0)
		return recording->spool;
	*offset = recording->spool_bytes;
	while (done < record->size) {
		ssize_t n = pwrite(recording->spool, (const char *)record + done, record->size - done,
		                   (off_t)(*offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	recording->spool_bytes += record->size;
	return 0;
}

int hw_recording_keep_stack(struct hw_recording *recording, const struct perf_event_header *record)
{
	struct hw_sample *sample = &recording->samples.items[recording->samples.count - 1];
	struct hw_stack_copy copy = {.time_ns = sample->time_ns,
	                             .sample = recording->samples.count - 1,
	                             .offset = hw_reader_offset(recording->reader)};
	int r;

	if (copy.offset == (uint64_t)-1) {
		copy.spooled = true;
		r = spool(recording, record, &copy.offset);
		if (r) {
			sample->end = HW_END_UNREADABLE;
			hw_recording_damage(recording, "no room for stack copies (TMPDIR): %s", strerror(-r));
			recording->account.unread_bytes += record->size;
			return 0;
		}
	}
	return array_push(&recording->stack_copies, copy);
}

static int read_again(const struct hw_recording *recording, const struct hw_stack_copy *copy, void *buffer)
{
	struct perf_event_header header;

	if (!copy->spooled)
		return hw_reader_again(recording->reader, copy->offset, buffer);
	if (pread(recording->spool, &header, sizeof(header), (off_t)copy->offset) != sizeof(header) ||
	    pread(recording->spool, buffer, header.size, (off_t)copy->offset) != header.size)
		return -EIO;
	return 0;
}

static int walk(struct hw_recording *recording, struct hw_finish *finisher, const struct hw_stack_copy *copy,
                void *buffer)
{
	struct hw_sample *sample = &recording->samples.items[copy->sample];
	struct hw_finish_sample input = {.pid = sample->pid};
	uint64_t ips[HW_FRAMES_MAX];
	struct hw_decoded d;
	size_t count;

	if (read_again(recording, copy, buffer) || hw_reader_decode(recording->reader, buffer, &d) ||
	    !d.regs) {
		sample->end = HW_END_UNREADABLE;
		return 0;
	}
	input.regs_mask = d.regs_mask;
	input.regs = d.regs;
	input.stack = d.stack;
	input.stack_size = d.stack_size;
	sample->end = (uint8_t)hw_finish_walk(finisher, &input, ips, &count);
	recording->account.callchains++;
	return hw_intern_add(&recording->stacks, ips, count, &sample->user_stack);
}

static int follow(struct hw_finish *finisher, const struct hw_process_event *event)
{
	struct hw_finish_map map = {.pid = event->pid,
	                            .start = event->start,
	                            .length = event->length,
	                            .offset = event->offset,
	                            .executable = event->protection & 4,
	                            .major = event->major,
	                            .minor = event->minor,
	                            .inode = event->inode,
	                            .build_id = event->build_id,
	                            .build_id_size = event->build_id_size,
	                            .path = event->name};

	switch (event->type) {
	case HW_PROCESS_MMAP:
		return event->kernel ? 0 : hw_finish_map(finisher, &map);
	case HW_PROCESS_FORK:
		return hw_finish_fork(finisher, event->pid, event->ppid);
	case HW_PROCESS_COMM:
		if (event->exec)
			hw_finish_exec(finisher, event->pid);
		return 0;
	default:
		return 0; /* threads of a process may outlive its first */
	}
}

static bool is_of_this_boot(const struct hw_recording_info *info)
{
	struct utsname here;

	return info->hostname && info->os_release && !uname(&here) &&
	       !strcmp(here.nodename, info->hostname) && !strcmp(here.release, info->os_release);
}

static int tell_missing(struct hw_recording *recording, const struct hw_finish *finisher)
{
	struct hw_account *account = &recording->account;
	struct hw_finish_missing list[HW_MISSING_FILES_MAX];
	struct hw_finish_status status;

	hw_finish_status(finisher, &status);
	if (status.problem.code)
		hw_recording_damage(recording, "no unwind tables: %s", status.problem.text);
	account->files_missing = status.files_missing;
	account->walks_missing = status.walks_missing;
	account->missing_count = hw_finish_missing(finisher, list, HW_MISSING_FILES_MAX);
	account->missing = recording->missing;
	for (size_t i = 0; i < account->missing_count; i++) {
		struct hw_missing_file *missing = &recording->missing[i];

		missing->why = list[i].why;
		missing->walks = list[i].walks;
		if (hw_recording_keep_name(recording, list[i].path, SIZE_MAX, &missing->path))
			return -ENOMEM;
	}
	return 0;
}

int hw_recording_walk_stacks(struct hw_recording *recording, const struct hw_load_options *options)
{
	struct hw_finish_options finish = {.this_boot = is_of_this_boot(&recording->info)};
	struct hw_finish *finisher;
	size_t next = 0;
	void *buffer;
	int r;

	if (!recording->stack_copies.count)
		return 0;
	if (options) {
		finish.root = options->root;
		finish.cache_directory = options->cache_directory;
	}
	buffer = malloc(65536);
	r = buffer ? hw_finish_new(&finish, &finisher, NULL) : -ENOMEM;
	if (r) {
		free(buffer);
		return r;
	}
	r = hw_order_by_time(recording->stack_copies.items, recording->stack_copies.count,
	                     sizeof(struct hw_stack_copy));
	for (size_t i = 0; i < recording->stack_copies.count && !r; i++) {
		const struct hw_stack_copy *copy = &recording->stack_copies.items[i];

		while (next < recording->process_events.count && !r &&
		       recording->process_events.items[next].time_ns <= copy->time_ns)
			r = follow(finisher, &recording->process_events.items[next++]);
		if (!r)
			r = walk(recording, finisher, copy, buffer);
	}
	if (!r)
		r = tell_missing(recording, finisher);
	hw_finish_free(finisher);
	free(buffer);
	return r;
}
