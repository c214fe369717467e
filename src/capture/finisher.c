/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/finisher.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "capture/finish_walk.h"
#include "perfdata/records.h"

#define QUEUE_BYTES_MAX (64u << 20)

struct item {
	struct item *next;
	size_t size;
	bool copy; /* struct hw_stack_copy, kernel ips, stack; else a record */
	uint64_t bytes[];
};

struct hw_finisher {
	struct hw_store store;
	struct hw_spaces spaces;
	struct hw_finish_walk walk;
	struct hw_capture_sink sink;
	pthread_t thread;
	bool running, busy, quit;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake, idle;
	struct item *first, **last;
	size_t queued_bytes;
	struct hw_finisher_status status;
	struct hw_error error;
	int failure;
};

static void deliver(struct hw_finisher *finisher, const void *record)
{
	struct hw_error err = {0};
	int r;

	if (finisher->failure)
		return;
	r = finisher->sink.record(finisher->sink.context, record, &err);
	if (r < 0) {
		pthread_mutex_lock(&finisher->lock);
		finisher->failure = r;
		finisher->error = err;
		pthread_mutex_unlock(&finisher->lock);
	}
}

/* A mapping that was there before the recording: its build ID makes it known wherever the file is read. */
static void deliver_existing_map(struct hw_finisher *finisher, const struct perf_event_header *record)
{
	uint64_t buffer[8192 / 8];
	int size = hw_finish_name_build(&finisher->walk, record, buffer, sizeof(buffer));

	deliver(finisher, size > 0 ? (const void *)buffer : record);
}

static void handle_record(struct hw_finisher *finisher, struct perf_event_header *record)
{
	switch (record->type) {
	case PERF_RECORD_MMAP2:
		hw_spaces_event(&finisher->spaces, record);
		if (!(record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID)) {
			deliver_existing_map(finisher, record);
			return;
		}
		break;
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		hw_finish_judge(&finisher->walk, record);
		break;
	case PERF_RECORD_SAMPLE:
		hw_finish_note_sample(&finisher->walk, record);
		break;
	default:
		hw_spaces_event(&finisher->spaces, record);
	}
	deliver(finisher, record);
}

static void handle_copy(struct hw_finisher *finisher, const struct hw_stack_copy *copy)
{
	uint64_t sample[HW_KERNEL_FRAMES_MAX + 32], callchain[HW_FRAMES_MAX + 16];

	hw_finish_copy(&finisher->walk, copy, sample, sizeof(sample), callchain, sizeof(callchain));
	deliver(finisher, sample);
	if (callchain[0])
		deliver(finisher, callchain);
}

/* What others may ask for while this thread works on. */
static void publish(struct hw_finisher *finisher)
{
	struct hw_finisher_status *status = &finisher->status;

	status->samples = finisher->walk.samples;
	status->walks = finisher->walk.walks;
	status->frames = finisher->walk.frames;
	status->tables = finisher->store.stored.count;
	status->table_rows = finisher->store.rows;
	status->table_bytes = finisher->store.bytes;
	status->table_failures = finisher->store.failures;
}

static void *run(void *argument)
{
	struct hw_finisher *finisher = argument;
	struct item *item;

	pthread_mutex_lock(&finisher->lock);
	for (;;) {
		while (!finisher->first && !finisher->quit)
			pthread_cond_wait(&finisher->wake, &finisher->lock);
		item = finisher->first;
		if (!item)
			break;
		finisher->first = item->next;
		if (!finisher->first)
			finisher->last = &finisher->first;
		finisher->queued_bytes -= item->size;
		finisher->busy = true;
		pthread_mutex_unlock(&finisher->lock);
		if (item->copy)
			handle_copy(finisher, (const void *)item->bytes);
		else
			handle_record(finisher, (void *)item->bytes);
		free(item);
		pthread_mutex_lock(&finisher->lock);
		finisher->busy = false;
		publish(finisher);
		if (!finisher->first)
			pthread_cond_broadcast(&finisher->idle);
	}
	pthread_mutex_unlock(&finisher->lock);
	return NULL;
}

static void append(struct hw_finisher *finisher, struct item *item)
{
	item->next = NULL;
	pthread_mutex_lock(&finisher->lock);
	*finisher->last = item;
	finisher->last = &item->next;
	finisher->queued_bytes += item->size;
	pthread_cond_signal(&finisher->wake);
	pthread_mutex_unlock(&finisher->lock);
}

static struct item *new_item(size_t size, bool copy)
{
	struct item *item = malloc(sizeof(*item) + size);

	if (item) {
		item->size = size;
		item->copy = copy;
	}
	return item;
}

int hw_finisher_push_record(struct hw_finisher *finisher, const struct perf_event_header *record)
{
	struct item *item = new_item(record->size, false);

	if (!item)
		return -ENOMEM;
	memcpy(item->bytes, record, record->size);
	append(finisher, item);
	return 0;
}

int hw_finisher_push_copy(struct hw_finisher *finisher, const struct hw_stack_copy *copy,
                          const uint64_t *kernel_ips, const void *stack)
{
	size_t ips_size = copy->kernel_count * sizeof(*kernel_ips);
	size_t stack_size = (size_t)copy->stack_size + copy->other_size;
	size_t size = sizeof(*copy) + ips_size + stack_size;
	struct item *item;
	bool full;
	char *at;

	pthread_mutex_lock(&finisher->lock);
	full = finisher->queued_bytes + size > QUEUE_BYTES_MAX;
	pthread_mutex_unlock(&finisher->lock);
	item = full ? NULL : new_item(size, true);
	if (!item) {
		pthread_mutex_lock(&finisher->lock);
		finisher->status.lost++;
		pthread_mutex_unlock(&finisher->lock);
		return -ENOSPC;
	}
	at = (char *)item->bytes;
	memcpy(at, copy, sizeof(*copy));
	if (ips_size)
		memcpy(at + sizeof(*copy), kernel_ips, ips_size);
	if (stack_size)
		memcpy(at + sizeof(*copy) + ips_size, stack, stack_size);
	append(finisher, item);
	return 0;
}

void hw_finisher_drain(struct hw_finisher *finisher)
{
	pthread_mutex_lock(&finisher->lock);
	while (finisher->first || finisher->busy)
		pthread_cond_wait(&finisher->idle, &finisher->lock);
	pthread_mutex_unlock(&finisher->lock);
}

int hw_finisher_failure(struct hw_finisher *finisher, struct hw_error *err)
{
	int r;

	pthread_mutex_lock(&finisher->lock);
	r = finisher->failure;
	if (r && err)
		*err = finisher->error;
	pthread_mutex_unlock(&finisher->lock);
	return r;
}

void hw_finisher_status(struct hw_finisher *finisher, struct hw_finisher_status *status)
{
	pthread_mutex_lock(&finisher->lock);
	*status = finisher->status;
	pthread_mutex_unlock(&finisher->lock);
}

void hw_finisher_capture_status(struct hw_finisher *finisher, struct hw_capture_status *status)
{
	struct hw_finisher_status own;

	hw_finisher_status(finisher, &own);
	memset(status, 0, sizeof(*status));
	status->counters.samples = own.samples;
	status->counters.walks = own.walks;
	status->counters.frames = own.frames;
	status->counters.lost_samples = own.lost;
	status->tables = own.tables;
	status->table_rows = own.table_rows;
	status->table_bytes = own.table_bytes;
	status->table_failures = own.table_failures;
	status->finished = own.walks;
}

int hw_finisher_new(const struct hw_finisher_options *options, struct hw_finisher **result,
                    struct hw_error *err)
{
	struct hw_finisher *finisher = calloc(1, sizeof(*finisher));
	int r;

	if (!finisher)
		return hw_fail(err, -ENOMEM, "out of memory");
	finisher->sink = options->sink;
	finisher->last = &finisher->first;
	pthread_mutex_init(&finisher->lock, NULL);
	pthread_cond_init(&finisher->wake, NULL);
	pthread_cond_init(&finisher->idle, NULL);
	r = hw_store_open(&finisher->store, options->table_memory_bytes, options->cache_directory, err);
	hw_spaces_init(&finisher->spaces, &finisher->store);
	finisher->walk.spaces = &finisher->spaces;
	if (!r) {
		r = -pthread_create(&finisher->thread, NULL, run, finisher);
		finisher->running = !r;
		if (r)
			hw_fail(err, r, "cannot start the finisher's thread: %s", strerror(-r));
	}
	if (r) {
		hw_finisher_free(finisher);
		return r;
	}
	*result = finisher;
	return 0;
}

void hw_finisher_free(struct hw_finisher *finisher)
{
	if (!finisher)
		return;
	pthread_mutex_lock(&finisher->lock);
	finisher->quit = true;
	pthread_cond_signal(&finisher->wake);
	pthread_mutex_unlock(&finisher->lock);
	if (finisher->running)
		pthread_join(finisher->thread, NULL);
	hw_spaces_free(&finisher->spaces);
	hw_store_close(&finisher->store);
	free(finisher);
}
