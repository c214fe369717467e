/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/images.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/array.h"

#define IMAGE_BYTES_MAX ((size_t)512 << 10) /* of one image: some 4,000 mappings */
#define ALL_BYTES_MAX   ((uint64_t)128 << 20)
#define IMAGES_KEPT     4             /* of one process: a shell's child is one by fork, one or two by exec */
#define KEPT_NS         3000000000ull /* after its exit: longer than a sample can be on its way */

struct image {
	uint64_t begin_ns;
	uint64_t known;         /* sessions that have it */
	array_of(char) records; /* one after the other */
};

struct process {
	uint32_t pid;
	struct image images[IMAGES_KEPT]; /* the newest first */
	uint64_t exited_ns;               /* 0: it lives */
	UT_hash_handle hh;
};

struct hw_images {
	struct process *processes;
	uint64_t bytes, dropped;
};

int hw_images_new(struct hw_images **images)
{
	*images = calloc(1, sizeof(**images));
	return *images ? 0 : -ENOMEM;
}

static void clear(struct hw_images *images, struct image *image)
{
	images->bytes -= image->records.count;
	array_free(&image->records);
	memset(image, 0, sizeof(*image));
}

static void forget_process(struct hw_images *images, struct process *process)
{
	HASH_DEL(images->processes, process);
	for (int i = 0; i < IMAGES_KEPT; i++)
		clear(images, &process->images[i]);
	free(process);
}

void hw_images_free(struct hw_images *images)
{
	struct process *process, *next;

	if (!images)
		return;
	HASH_ITER (hh, images->processes, process, next)
		forget_process(images, process);
	free(images);
}

static struct process *find(struct hw_images *images, uint32_t pid, bool make)
{
	struct process *process;

	HASH_FIND(hh, images->processes, &pid, sizeof(pid), process);
	if (process || !make)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	HASH_ADD(hh, images->processes, pid, sizeof(process->pid), process);
	return process;
}

/* A new image; what was is the one before. */
static void begin_image(struct hw_images *images, struct process *process, uint64_t time_ns)
{
	clear(images, &process->images[IMAGES_KEPT - 1]);
	memmove(&process->images[1], &process->images[0], (IMAGES_KEPT - 1) * sizeof(process->images[0]));
	memset(&process->images[0], 0, sizeof(process->images[0]));
	process->images[0].begin_ns = time_ns;
	process->exited_ns = 0;
}

/* The image that the process had then; NULL: it is not kept any more. */
static struct image *image_at(struct process *process, uint64_t time_ns)
{
	for (int i = 0; i < IMAGES_KEPT; i++)
		if (time_ns >= process->images[i].begin_ns)
			return &process->images[i];
	return NULL;
}

static void keep(struct hw_images *images, struct image *image, const struct perf_event_header *record)
{
	size_t size = record->size;

	if (image->records.count + size > IMAGE_BYTES_MAX || images->bytes + size > ALL_BYTES_MAX ||
	    array_reserve(&image->records, image->records.count + size)) {
		images->dropped++;
		return;
	}
	memcpy(image->records.items + image->records.count, record, size);
	image->records.count += size;
	images->bytes += size;
}

/* A thread has one name: the newest. */
static void forget_name(struct hw_images *images, struct image *image, uint32_t tid)
{
	size_t at = 0;

	while (at < image->records.count) {
		char *here = image->records.items + at;
		struct perf_event_header header;
		uint32_t its_tid;

		memcpy(&header, here, sizeof(header));
		memcpy(&its_tid, here + 12, sizeof(its_tid));
		if (header.type == PERF_RECORD_COMM && its_tid == tid) {
			memmove(here, here + header.size, image->records.count - at - header.size);
			image->records.count -= header.size;
			images->bytes -= header.size;
			return;
		}
		at += header.size;
	}
}

/* A child begins with its parent's image, told as its own. */
static void copy_image(struct hw_images *images, const struct image *from, struct process *child)
{
	size_t at = 0;
	uint64_t buffer[(UINT16_MAX + 1) / 8];

	while (at < from->records.count) {
		struct perf_event_header *record = (struct perf_event_header *)buffer;
		uint32_t *words = (uint32_t *)buffer;

		memcpy(buffer, from->records.items + at, sizeof(*record));
		memcpy(buffer, from->records.items + at, record->size);
		at += record->size;
		if (record->type != PERF_RECORD_MMAP2 &&
		    (record->type != PERF_RECORD_COMM || words[2] != words[3]))
			continue; /* threads are not inherited */
		words[2] = words[3] = child->pid;
		memcpy((char *)buffer + record->size - 16, &child->images[0].begin_ns,
		       8); /* sample_id: time, cpu */
		keep(images, &child->images[0], record);
	}
}

static void take_fork(struct hw_images *images, const struct perf_event_header *record, uint64_t time_ns,
                      hw_image_give give, void *context)
{
	const uint32_t *words = (const uint32_t *)(record + 1); /* pid, ppid, tid, ptid */
	struct process *parent = find(images, words[1], false), *child;

	if (words[0] == words[1]) { /* a thread */
		if (parent && parent->images[0].known)
			give(context, parent->images[0].known, record);
		return;
	}
	child = find(images, words[0], true);
	if (!child)
		return;
	begin_image(images, child, time_ns);
	if (parent && image_at(parent, time_ns))
		copy_image(images, image_at(parent, time_ns), child);
}

void hw_images_take(struct hw_images *images, const struct perf_event_header *record, hw_image_give give,
                    void *context)
{
	const uint32_t *words = (const uint32_t *)(record + 1);
	struct process *process;
	uint64_t time_ns;

	if (record->size < sizeof(*record) + 8 + 24)
		return;
	memcpy(&time_ns, (const char *)record + record->size - 16, sizeof(time_ns));
	if (record->type == PERF_RECORD_FORK) {
		take_fork(images, record, time_ns, give, context);
		return;
	}
	process = find(images, words[0], record->type != PERF_RECORD_EXIT);
	if (!process)
		return;
	if (record->type == PERF_RECORD_EXIT) {
		if (words[0] == words[2])
			process->exited_ns = time_ns;
	} else if (record->type == PERF_RECORD_COMM) {
		if (record->misc & PERF_RECORD_MISC_COMM_EXEC)
			begin_image(images, process, time_ns);
		else
			forget_name(images, &process->images[0], words[1]);
		keep(images, &process->images[0], record);
	} else {
		keep(images, &process->images[0], record);
	}
	if (process->images[0].known)
		give(context, process->images[0].known, record);
}

void hw_images_reveal(struct hw_images *images, uint32_t pid, uint64_t time_ns, uint64_t sessions,
                      hw_image_give give, void *context)
{
	struct process *process = find(images, pid, false);
	struct image *image;
	uint64_t buffer[(UINT16_MAX + 1) / 8];
	uint16_t size;

	if (!process)
		return;
	image = image_at(process, time_ns);
	sessions &= image ? ~image->known : 0;
	if (!sessions)
		return;
	image->known |= sessions;
	for (size_t at = 0; at < image->records.count; at += size) {
		memcpy(&size, image->records.items + at + 6, sizeof(size));
		memcpy(buffer, image->records.items + at, size);
		give(context, sessions, (struct perf_event_header *)buffer);
	}
}

void hw_images_forget(struct hw_images *images, uint64_t sessions)
{
	struct process *process, *next;

	HASH_ITER (hh, images->processes, process, next) {
		for (int i = 0; i < IMAGES_KEPT; i++)
			process->images[i].known &= ~sessions;
	}
}

void hw_images_sweep(struct hw_images *images, uint64_t now_ns)
{
	struct process *process, *next;

	HASH_ITER (hh, images->processes, process, next)
		if (process->exited_ns && process->exited_ns + KEPT_NS < now_ns)
			forget_process(images, process);
}

uint64_t hw_images_bytes(const struct hw_images *images)
{
	return images->bytes;
}

uint64_t hw_images_dropped(const struct hw_images *images)
{
	return images->dropped;
}
