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
#include "capture/finished.h"
#include "capture/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "capture/seen.h"
#include "perfdata/records.h"

#define THREADS_TRIED   4
#define QUEUE_BYTES_MAX (64u << 20)
#define WAIT_MAX_NS     300000000ull

struct item {
	struct item *next;
	uint64_t number;   /* in the order in which they came */
	uint64_t until_ns; /* of one that waits for a table */
	size_t size;
	int fd; /* of a miss: opened at once, its process may not live long; -1: none */
	uint64_t bytes[];
};

struct known_build_id {
	uint64_t start;
	uint32_t pid;
	uint8_t size;
	uint8_t build_id[20];
};

struct asked {
	uint32_t ask, serial, slot;
};

struct hw_loader {
	struct hw_kernel_side *side;
	struct hw_tables *tables;
	struct hw_compiler *compiler;
	hw_loader_emit emit;
	void *context;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	struct item *first, **last;
	struct item *waiting; /* walks whose table was asked for and has not come */
	size_t queued_bytes;
	bool busy, quit;
	uint64_t finished, misses, pushed;
	uint64_t busy_number;       /* of the item in work */
	struct hw_finished *recent; /* walks for sessions that come late */
	array_of(struct known_build_id) build_ids;
	array_of(struct asked) answers;
	struct hw_seen *seen; /* of the reader's thread */
};

static int open_mapped_by(uint32_t tid, uint64_t start, uint64_t end)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", tid, (unsigned long long)start,
	         (unsigned long long)end);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* A process whose first thread is gone shows its mappings by the others only. */
static int open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	int fd = open_mapped_by(pid, start, end), left = THREADS_TRIED;
	struct dirent *entry;
	char path[32];
	uint32_t tid;
	DIR *threads;

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	threads = opendir(path);
	if (!threads)
		return -1;
	while (fd < 0 && left && (entry = readdir(threads))) {
		tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (!tid || tid == pid)
			continue;
		fd = open_mapped_by(tid, start, end);
		left--;
	}
	closedir(threads);
	return fd;
}

/* Does the kernel know the file open at fd by this key? */
static bool has_key(struct hw_loader *loader, int fd, const struct hw_file_key *key)
{
	hw_mapping_list list = {0};
	bool same = false;
	void *memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);

	if (memory == MAP_FAILED)
		return false;
	if (!hw_kernel_side_mappings(loader->side, getpid(), &list, NULL))
		array_for_each (&list, it)
			if (it->start == (uintptr_t)memory)
				same = !memcmp(&it->key, key, sizeof(*key));
	array_free(&list);
	munmap(memory, 1);
	return same;
}

/* 0 with *table; -ESTALE: the file is not there any more (ask again later); else it has none. Closes fd. */
static int compile(struct hw_loader *loader, const struct hw_file_key *key, int fd, struct hw_table *table)
{
	int r;

	if (fd < 0)
		return -ESTALE;
	r = has_key(loader, fd, key) ? hw_compiler_table(loader->compiler, fd, table, NULL) : -ESTALE;
	if (!r && !has_key(loader, fd, key)) {
		hw_table_clear(table);
		r = -ESTALE;
	}
	close(fd);
	return r;
}

static void answer_miss(struct hw_loader *loader, const struct hw_miss *miss, int fd)
{
	struct hw_table table = {0};
	struct asked answer = {.ask = miss->ask};
	struct hw_file file;
	int r;

	loader->misses++;
	if (!bpf_map_lookup_elem(loader->side->files, &miss->key, &file) && file.state != HW_FILE_ASKED) {
		if (fd >= 0)
			close(fd);
		return;
	}
	r = compile(loader, &miss->key, fd, &table);
	if (r == -ESTALE) { /* let the next walk ask, of another process */
		if (!bpf_map_lookup_elem(loader->side->files, &miss->key, &file)) {
			file.asked_ns = 0;
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

/* The table for a mapping of an unfinished walk; *missed: why there is none that should be. */
static const struct hw_table *table_of(const struct hw_loader *loader, const struct hw_mapping *m,
                                       unsigned *missed)
{
	const struct hw_table *table = NULL;
	size_t i;

	if (m->kind == HW_MAPPING_TABLE) {
		table = hw_tables_find(loader->tables, m->slot, m->serial);
		*missed |= table ? 0 : MISSED_THROWN_OUT;
		return table;
	}
	if (m->kind != HW_MAPPING_MISS)
		return NULL;
	for (i = loader->answers.count; i; i--)
		if (loader->answers.items[i - 1].ask == m->serial)
			break;
	if (i)
		table = hw_tables_find(loader->tables, loader->answers.items[i - 1].slot,
		                       loader->answers.items[i - 1].serial);
	if (!i)
		*missed |= MISSED_NOT_YET;
	else if (!table && loader->answers.items[i - 1].serial)
		*missed |= MISSED_THROWN_OUT;
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

static void hand_out_again(struct hw_loader *loader, const struct hw_late *late)
{
	const struct perf_event_header *record =
	    hw_finished_find(loader->recent, late->cookie, late->prefix.sessions);

	if (record)
		loader->emit(loader->context, late->prefix.sessions, record);
}

/* No memory for the walk itself: its callchain still is answered, with the reason. */
static void give_up(struct hw_loader *loader, const struct hw_unfinished *u, bool keep)
{
	emit_finished(loader, u, (const uint64_t *)(u + 1), u->ip_count <= HW_FRAMES_MAX ? u->ip_count : 0,
	              HW_END_MISS, keep);
}

/* -EAGAIN, unless it is the last try: a table that it needs may come yet. */
static int finish_walk(struct hw_loader *loader, const struct hw_unfinished *u, size_t size, bool last)
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
		give_up(loader, u, true);
		return 0;
	}
	for (uint32_t i = 0; i < u->mapping_count; i++) {
		mappings[i].start = m[i].start;
		mappings[i].end = m[i].end;
		mappings[i].offset = m[i].offset;
		mappings[i].anonymous = m[i].kind == HW_MAPPING_ANONYMOUS;
		mappings[i].table = table_of(loader, &m[i], &missed);
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

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* 0, or -EAGAIN: it has to wait for a table. */
static int handle(struct hw_loader *loader, const struct item *item)
{
	const struct hw_ring_prefix *prefix = (const void *)item->bytes;

	if (prefix->kind == HW_RING_MISS && item->size >= sizeof(struct hw_miss))
		answer_miss(loader, (const void *)item->bytes, item->fd);
	else if (prefix->kind == HW_RING_UNFINISHED && item->size >= sizeof(struct hw_unfinished))
		return finish_walk(loader, (const void *)item->bytes, item->size, now_ns() >= item->until_ns);
	else if (prefix->kind == HW_RING_LATE && item->size >= sizeof(struct hw_late))
		hand_out_again(loader, (const void *)item->bytes);
	return 0;
}

/* Walks that wait go first in the queue again. */
static void requeue_waiting(struct hw_loader *loader)
{
	struct item **end = &loader->waiting;

	while (*end)
		end = &(*end)->next;
	*end = loader->first;
	if (!loader->first && loader->waiting)
		loader->last = end;
	loader->first = loader->waiting;
	loader->waiting = NULL;
}

/* The next item, waiting for it; NULL: quit. With the lock. */
static struct item *next_item(struct hw_loader *loader)
{
	struct item *item;

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
			give_up(loader, data, false);
		return -ENOMEM;
	}
	item->next = NULL;
	item->fd = -1;
	if (prefix->kind == HW_RING_MISS && size >= sizeof(struct hw_miss)) {
		const struct hw_miss *miss = data;

		item->fd = open_mapped(miss->pid, miss->start, miss->end);
		if (item->fd < 0) /* its process is gone */
			item->fd = hw_seen_open(loader->seen, miss->pid, miss->start, miss->end);
	}
	item->size = size;
	item->number = ++loader->pushed;
	item->until_ns = now_ns() + WAIT_MAX_NS;
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

static int load_vdso(struct hw_loader *loader)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	struct hw_compile_limits limits = {.file_bytes = 1 << 20, .row_count = 1 << 16};
	struct hw_file_key none = {0};
	struct hw_table table;
	int r;

	if (!image)
		return -ENOENT;
	/* the image is two pages; its section headers, at the end, may be used but are not needed */
	r = hw_table_compile_image(image, 8192, &limits, &table, NULL);
	if (r)
		return r;
	r = hw_tables_load(loader->tables, &none, &table, 1, NULL);
	hw_table_clear(&table);
	return r;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct hw_iterated_mapping *)a)->key,
	              &((const struct hw_iterated_mapping *)b)->key, sizeof(struct hw_file_key));
}

static void remember_build_id(struct hw_loader *loader, const struct hw_iterated_mapping *m,
                              const struct hw_table *table)
{
	struct known_build_id known = {.pid = m->pid, .start = m->start, .size = table->build_id_size};

	memcpy(known.build_id, table->build_id, sizeof(known.build_id));
	if (known.size)
		array_push(&loader->build_ids, known);
}

int hw_loader_load_running(struct hw_loader *loader, struct hw_error *err)
{
	array_of(struct hw_file_key) keys = {0};
	array_of(struct hw_table) tables = {0};
	hw_mapping_list list = {0};
	struct hw_table table;
	size_t i = 0;
	int r = hw_kernel_side_mappings(loader->side, 0, &list, err), failed;

	load_vdso(loader);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_key);
	while (!r && i < list.count) {
		size_t end = i;

		failed = -ESTALE;
		memset(&table, 0, sizeof(table));
		for (; end < list.count && !by_key(&list.items[i], &list.items[end]); end++)
			if (list.items[end].executable && failed == -ESTALE)
				failed = compile(loader, &list.items[end].key,
				                 open_mapped(list.items[end].pid, list.items[end].start,
				                             list.items[end].end),
				                 &table);
		for (size_t at = i; at < end && !failed; at++)
			remember_build_id(loader, &list.items[at], &table);
		if (failed && failed != -ESTALE)
			hw_tables_refuse(loader->tables, &list.items[i].key);
		if (!failed)
			r = array_push(&keys, list.items[i].key) || array_push(&tables, table) ? -ENOMEM : 0;
		i = end;
	}
	if (!r)
		r = hw_tables_load(loader->tables, keys.items, tables.items, keys.count, err);
	array_for_each (&tables, it)
		hw_table_clear(it);
	array_free(&tables);
	array_free(&keys);
	array_free(&list);
	return r;
}

uint8_t hw_loader_build_id(const struct hw_loader *loader, pid_t pid, uint64_t start, uint8_t build_id[20])
{
	for (size_t i = 0; i < loader->build_ids.count; i++) {
		const struct known_build_id *known = &loader->build_ids.items[i];

		if (known->pid == (uint32_t)pid && known->start == start) {
			memcpy(build_id, known->build_id, 20);
			return known->size;
		}
	}
	return 0;
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
