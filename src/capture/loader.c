/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The loader: from files to tables, on a thread of its own so that compiling never keeps the rings waiting.
 *
 * One queue, first in first out: a miss is reported before the first walk that it stopped. But that walk, and
 * others that it stopped, may be read from another CPU's ring before the miss; then they wait a little.
 *
 * Whoever could make us compile file B under the key of file A would poison A for the whole machine, by
 * remapping between the miss and the open. So the file that was opened is mapped into ourselves, and its
 * rows are published only if the kernel shows the asked-for key for that mapping, before and after.
 */
#include "capture/loader.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "perfdata/records.h"

#define THREADS_TRIED 4

static int open_mapped_by(struct hw_loader *loader, uint32_t tid, uint64_t start, uint64_t end, bool at_once,
                          struct hw_opened *file)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", tid, (unsigned long long)start,
	         (unsigned long long)end);
	r = at_once ? hw_opener_open_at_once(loader->opener, path, file)
	            : hw_opener_open_link(loader->opener, path, file);
	if (r)
		file->fd = -1;
	return r;
}

/* Is it the mapping that is not there, not the file that cannot be opened? */
static bool is_gone(int r)
{
	return r && r != -EAGAIN && r != -ETIMEDOUT && r != -EFBIG;
}

/* A process whose first thread is gone shows its mappings by the others only. */
int hw_loader_open_mapped(struct hw_loader *loader, uint32_t pid, uint64_t start, uint64_t end, bool at_once,
                          struct hw_opened *file)
{
	int r = open_mapped_by(loader, pid, start, end, at_once, file), left = THREADS_TRIED;
	struct dirent *entry;
	char path[32];
	uint32_t tid;
	DIR *threads;

	if (!is_gone(r))
		return r;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	threads = opendir(path);
	if (!threads)
		return r;
	while (is_gone(r) && left && (entry = readdir(threads))) {
		tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (!tid || tid == pid)
			continue;
		r = open_mapped_by(loader, tid, start, end, at_once, file);
		left--;
	}
	closedir(threads);
	return r;
}

/* Does the kernel know what pid has mapped at start by this key? */
static bool is_mapped_as(struct hw_loader *loader, pid_t pid, uint64_t start, const struct hw_file_key *key)
{
	hw_mapping_list list = {0};
	bool same = false;

	if (!hw_kernel_side_mappings(loader->side, pid, &list, NULL))
		array_for_each (&list, it)
			if (it->start == start)
				same = !memcmp(&it->key, key, sizeof(*key));
	array_free(&list);
	return same;
}

/* Does the kernel know this file, which was opened, by this key? */
static bool has_key(struct hw_loader *loader, const struct hw_opened *file, const struct hw_file_key *key)
{
	void *memory;
	bool same;

	if (file->copied)
		return file->page && is_mapped_as(loader, file->holder, file->page, key);
	memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file->fd, 0);
	if (memory == MAP_FAILED)
		return false;
	same = is_mapped_as(loader, getpid(), (uintptr_t)memory, key);
	munmap(memory, 1);
	return same;
}

int hw_loader_compile(struct hw_loader *loader, const struct hw_file_key *key, const struct hw_opened *file,
                      struct hw_table *table)
{
	int r;

	if (file->fd < 0)
		return -ESTALE;
	r = has_key(loader, file, key) ? hw_compiler_table(loader->compiler, file->fd, table, NULL) : -ESTALE;
	if (!r && !has_key(loader, file, key)) {
		hw_table_clear(table);
		r = -ESTALE;
	}
	close(file->fd);
	return r;
}

static void answer_miss(struct hw_loader *loader, const struct hw_miss *miss, struct item *item)
{
	struct hw_table table = {0};
	struct asked answer = {.ask = miss->ask};
	bool silent = false;
	struct hw_file file;
	int r;

	loader->misses++;
	if (!bpf_map_lookup_elem(loader->side->files, &miss->key, &file) && file.state != HW_FILE_ASKED) {
		if (item->file.fd >= 0)
			close(item->file.fd);
		return;
	}
	if (item->open_later)
		silent = hw_loader_open_mapped(loader, miss->pid, miss->start, miss->end, false,
		                               &item->file) == -ETIMEDOUT;
	r = hw_loader_compile(loader, &miss->key, &item->file, &table);
	if (r == -ESTALE) { /* let a walk ask again soon, maybe of another process */
		if (!bpf_map_lookup_elem(loader->side->files, &miss->key, &file)) {
			file.asked_ns = hw_now_ns() - (silent ? 0 : HW_ASK_AGAIN_NS - ASK_SOON_NS);
			bpf_map_update_elem(loader->side->files, &miss->key, &file, BPF_EXIST);
		}
		return;
	}
	if (r)
		hw_tables_refuse(loader->tables, &miss->key);
	else
		r = hw_tables_load(loader->tables, &miss->key, &table, 1, NULL);
	if (r)
		loader->tables->failures++;
	else if (!bpf_map_lookup_elem(loader->side->files, &miss->key, &file)) {
		answer.serial = file.serial;
		answer.slot = file.slot;
	}
	array_push(&loader->answers, answer);
	hw_table_clear(&table);
}

/* 0, or -EAGAIN: it has to wait for a table. */
static int handle(struct hw_loader *loader, struct item *item)
{
	const struct hw_ring_prefix *prefix = (const void *)item->bytes;

	if (prefix->kind == HW_RING_MISS && item->size >= sizeof(struct hw_miss))
		answer_miss(loader, (const void *)item->bytes, item);
	else if (prefix->kind == HW_RING_UNFINISHED && item->size >= sizeof(struct hw_unfinished))
		return hw_loader_finish_walk(loader, (const void *)item->bytes, item->size,
		                             hw_now_ns() >= item->until_ns, &item->ask);
	else if (prefix->kind == HW_RING_LATE && item->size >= sizeof(struct hw_late))
		hw_loader_hand_out_again(loader, (const void *)item->bytes);
	return 0;
}

/* Walks whose table has come, and those that waited long enough, go first in the queue again. */
static void requeue_waiting(struct hw_loader *loader)
{
	struct item **at = &loader->waiting, *item;
	uint64_t now = hw_now_ns();

	while ((item = *at)) {
		if (now < item->until_ns && !hw_loader_is_answered(loader, item->ask)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		item->next = loader->first;
		if (!loader->first)
			loader->last = &item->next;
		loader->first = item;
	}
}

/* With the lock, which is let go meanwhile. Before the first miss the tables are not this thread's. */
static void make_spares(struct hw_loader *loader)
{
	if (!loader->misses || loader->no_spares || loader->quit || !hw_tables_want_spares(loader->tables))
		return;
	pthread_mutex_unlock(&loader->lock);
	loader->no_spares = hw_tables_make_spares(loader->tables) != 0;
	pthread_mutex_lock(&loader->lock);
}

/* The next item, waiting for it; NULL: quit. With the lock. */
static struct item *next_item(struct hw_loader *loader)
{
	struct item *item;

	if (!loader->first && !loader->waiting)
		make_spares(loader);
	while (!loader->first && !(loader->quit && !loader->waiting)) {
		struct timespec soon;

		clock_gettime(CLOCK_MONOTONIC, &soon);
		soon.tv_nsec += 20000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		if (!loader->waiting)
			pthread_cond_wait(&loader->wake, &loader->lock);
		else if (pthread_cond_timedwait(&loader->wake, &loader->lock, &soon) == ETIMEDOUT &&
		         !loader->first)
			requeue_waiting(loader);
	}
	item = loader->first;
	if (!item)
		return NULL;
	loader->first = item->next;
	if (!loader->first)
		loader->last = &loader->first;
	loader->busy = true;
	loader->busy_number = item->number;
	return item;
}

static void *run(void *argument)
{
	struct hw_loader *loader = argument;
	size_t answered = 0;
	struct item *item;
	int r;

	pthread_mutex_lock(&loader->lock);
	while ((item = next_item(loader))) {
		pthread_mutex_unlock(&loader->lock);
		r = handle(loader, item);
		pthread_mutex_lock(&loader->lock);
		loader->busy = false;
		if (r) {
			item->next = loader->waiting;
			loader->waiting = item;
		} else {
			loader->queued_bytes -= item->size;
			free(item);
		}
		if (loader->answers.count != answered)
			requeue_waiting(loader);
		answered = loader->answers.count;
		if (!loader->first && !loader->waiting)
			pthread_cond_broadcast(&loader->idle);
	}
	pthread_mutex_unlock(&loader->lock);
	return NULL;
}

int hw_loader_push(struct hw_loader *loader, const void *data, size_t size)
{
	const struct hw_ring_prefix *prefix = data;
	struct item *item = malloc(sizeof(*item) + size);

	pthread_mutex_lock(&loader->lock);
	if (!item || loader->queued_bytes + size > QUEUE_BYTES_MAX) {
		pthread_mutex_unlock(&loader->lock);
		free(item);
		if (prefix->kind == HW_RING_UNFINISHED && size >= sizeof(struct hw_unfinished))
			hw_loader_give_up(loader, data, false);
		return -ENOMEM;
	}
	item->next = NULL;
	item->file = (struct hw_opened){.fd = -1};
	item->open_later = false;
	if (prefix->kind == HW_RING_MISS && size >= sizeof(struct hw_miss)) {
		const struct hw_miss *miss = data;
		int r = hw_loader_open_mapped(loader, miss->pid, miss->start, miss->end, true, &item->file);

		item->open_later = r == -EAGAIN;
		if (is_gone(r)) /* its process is */
			item->file.fd =
			    hw_seen_open(loader->seen, miss->pid, miss->start, miss->end, &miss->key);
	}
	item->size = size;
	item->number = ++loader->pushed;
	item->until_ns = hw_now_ns() + WAIT_MAX_NS;
	memcpy(item->bytes, data, size);
	*loader->last = item;
	loader->last = &item->next;
	loader->queued_bytes += size;
	pthread_cond_signal(&loader->wake);
	pthread_mutex_unlock(&loader->lock);
	return 0;
}

uint64_t hw_loader_pushed(struct hw_loader *loader)
{
	uint64_t pushed;

	pthread_mutex_lock(&loader->lock);
	pushed = loader->pushed;
	pthread_mutex_unlock(&loader->lock);
	return pushed;
}

uint64_t hw_loader_handled(struct hw_loader *loader)
{
	uint64_t oldest;

	pthread_mutex_lock(&loader->lock);
	oldest = loader->pushed + 1;
	if (loader->busy && loader->busy_number < oldest)
		oldest = loader->busy_number;
	for (const struct item *item = loader->waiting; item; item = item->next)
		if (item->number < oldest)
			oldest = item->number;
	for (const struct item *item = loader->first; item; item = item->next)
		if (item->number < oldest)
			oldest = item->number;
	pthread_mutex_unlock(&loader->lock);
	return oldest - 1;
}

void hw_loader_saw(struct hw_loader *loader, const struct perf_event_header *record)
{
	hw_seen_record(loader->seen, record);
}

void hw_loader_drain(struct hw_loader *loader)
{
	pthread_mutex_lock(&loader->lock);
	while (loader->first || loader->waiting || loader->busy)
		pthread_cond_wait(&loader->idle, &loader->lock);
	pthread_mutex_unlock(&loader->lock);
}

int hw_loader_new(struct hw_kernel_side *side, struct hw_tables *tables, const char *cache_directory,
                  hw_loader_emit emit, void *context, struct hw_loader **result, struct hw_error *err)
{
	struct hw_compiler_options options = {.cache_directory = cache_directory};
	struct hw_loader *loader = calloc(1, sizeof(*loader));
	pthread_condattr_t monotonic;
	int r;

	if (!loader)
		return hw_fail(err, -ENOMEM, "out of memory");
	loader->side = side;
	loader->tables = tables;
	loader->emit = emit;
	loader->context = context;
	loader->last = &loader->first;
	pthread_mutex_init(&loader->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&loader->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_cond_init(&loader->idle, NULL);
	loader->recent = hw_finished_new();
	loader->seen = hw_seen_new();
	r = loader->recent && loader->seen ? hw_compiler_new(&options, &loader->compiler, err)
	                                   : hw_fail(err, -ENOMEM, "out of memory");
	if (!r)
		r = hw_opener_new(&loader->opener, err);
	if (!r) {
		r = -pthread_create(&loader->thread, NULL, run, loader);
		loader->running = !r;
		if (r)
			hw_fail(err, r, "cannot start the loader's thread: %s", strerror(-r));
	}
	if (r) {
		hw_loader_free(loader);
		return r;
	}
	*result = loader;
	return 0;
}

void hw_loader_free(struct hw_loader *loader)
{
	if (!loader)
		return;
	pthread_mutex_lock(&loader->lock);
	loader->quit = true;
	pthread_cond_signal(&loader->wake);
	pthread_mutex_unlock(&loader->lock);
	if (loader->running)
		pthread_join(loader->thread, NULL);
	hw_compiler_free(loader->compiler);
	hw_opener_free(loader->opener);
	free(loader->recent);
	hw_seen_free(loader->seen);
	array_free(&loader->build_ids);
	array_free(&loader->answers);
	free(loader);
}

uint64_t hw_loader_finished(const struct hw_loader *loader)
{
	return loader->finished;
}

uint64_t hw_loader_misses(const struct hw_loader *loader)
{
	return loader->misses;
}
