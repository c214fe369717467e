/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A file is opened through the mapping (map_files: right in containers and for deleted files, but only with
 * rights), else by its name as the process sees it, else as we see it. By name it may be another file: it is
 * believed only if its build ID is the one that the kernel saw, or, without one, its device and inode.
 */
#include "capture/spaces.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PIDS_PER_PAGE 4096u
#define PID_MAX       (1024u * PIDS_PER_PAGE)
#define MAPPINGS_MAX  65530u /* vm.max_map_count's default: more is not believed */

struct found_mapping {
	uint64_t start, end, offset;
	const char *name;
	const uint8_t *build_id;
	uint8_t build_id_size;
	uint64_t inode;
	uint32_t major, minor;
};

static void forget_table(void *context, const struct hw_table *table)
{
	struct hw_spaces *spaces = context;

	for (size_t page = 0; page < 1024; page++)
		for (size_t i = 0; spaces->by_pid[page] && i < PIDS_PER_PAGE; i++) {
			struct hw_space *space = spaces->by_pid[page][i];

			for (size_t m = 0; space && m < space->count; m++)
				if (space->mappings[m].table == table) {
					space->mappings[m].table = NULL;
					space->files[m].state = HW_SPACE_UNTRIED;
				}
		}
}

void hw_spaces_init(struct hw_spaces *spaces, struct hw_store *store)
{
	memset(spaces, 0, sizeof(*spaces));
	spaces->store = store;
	store->forget = forget_table;
	store->context = spaces;
}

static void clear_space(struct hw_space *space)
{
	for (size_t i = 0; i < space->count; i++)
		free(space->files[i].name);
	space->count = 0;
}

static void free_space(struct hw_space *space)
{
	if (!space)
		return;
	clear_space(space);
	free(space->mappings);
	free(space->files);
	free(space);
}

void hw_spaces_free(struct hw_spaces *spaces)
{
	for (size_t page = 0; page < 1024; page++) {
		for (size_t i = 0; spaces->by_pid[page] && i < PIDS_PER_PAGE; i++)
			free_space(spaces->by_pid[page][i]);
		free(spaces->by_pid[page]);
		spaces->by_pid[page] = NULL;
	}
}

static struct hw_space **slot_of(struct hw_spaces *spaces, uint32_t pid)
{
	struct hw_space ***page = &spaces->by_pid[pid / PIDS_PER_PAGE % 1024];

	if (pid >= PID_MAX)
		return NULL;
	if (!*page)
		*page = calloc(PIDS_PER_PAGE, sizeof(**page));
	return *page ? *page + pid % PIDS_PER_PAGE : NULL;
}

static struct hw_space *make(struct hw_spaces *spaces, uint32_t pid)
{
	struct hw_space **slot = slot_of(spaces, pid);

	if (slot && !*slot) {
		*slot = calloc(1, sizeof(**slot));
		if (*slot)
			(*slot)->pid = pid;
	}
	return slot ? *slot : NULL;
}

static int reserve(struct hw_space *space, size_t want)
{
	size_t capacity = space->capacity;

	if (want > MAPPINGS_MAX + 2)
		return -E2BIG;
	if (hw_array_grow((void **)&space->mappings, &capacity, want, sizeof(*space->mappings)))
		return -ENOMEM;
	return hw_array_grow((void **)&space->files, &space->capacity, want, sizeof(*space->files));
}

/* Index of the first mapping that ends after address. */
static size_t first_after(const struct hw_space *space, uint64_t address)
{
	size_t low = 0, high = space->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (space->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void open_gap(struct hw_space *space, size_t at)
{
	memmove(space->mappings + at + 1, space->mappings + at,
	        (space->count - at) * sizeof(*space->mappings));
	memmove(space->files + at + 1, space->files + at, (space->count - at) * sizeof(*space->files));
	space->count++;
}

static void close_gap(struct hw_space *space, size_t at)
{
	free(space->files[at].name);
	space->count--;
	memmove(space->mappings + at, space->mappings + at + 1,
	        (space->count - at) * sizeof(*space->mappings));
	memmove(space->files + at, space->files + at + 1, (space->count - at) * sizeof(*space->files));
}

/* Cut [start, end) out of what is mapped. There is room for one mapping more. */
static void cut(struct hw_space *space, uint64_t start, uint64_t end)
{
	size_t at = first_after(space, start);

	while (at < space->count && space->mappings[at].start < end) {
		struct hw_walker_mapping *m = &space->mappings[at];

		if (m->start < start && m->end > end) { /* in its middle: two are left */
			char *name = strdup(space->files[at].name);

			if (!name) {
				m->end = start;
				return;
			}
			open_gap(space, at + 1);
			m[1] = m[0];
			space->files[at + 1] = space->files[at];
			space->files[at + 1].name = name;
			m[1].start = end;
			m[1].offset += end - m->start;
			m->end = start;
			return;
		}
		if (m->start < start) {
			m->end = start;
			at++;
		} else if (m->end > end) {
			m->offset += end - m->start;
			m->start = end;
			return;
		} else {
			close_gap(space, at);
		}
	}
}

static bool is_file(const char *name)
{
	return name[0] == '/' && strncmp(name, "//", 2) != 0;
}

static int add(struct hw_space *space, const struct found_mapping *found)
{
	struct hw_walker_mapping mapping = {
	    .start = found->start, .end = found->end, .offset = found->offset};
	struct hw_space_file file = {.inode = found->inode, .major = found->major, .minor = found->minor};
	size_t at;

	if (found->end <= found->start || reserve(space, space->count + 2))
		return -ENOMEM;
	mapping.anonymous = !is_file(found->name) && strcmp(found->name, "[vdso]") != 0;
	file.name = strdup(found->name);
	if (!file.name)
		return -ENOMEM;
	file.build_id_size = found->build_id_size <= 20 ? found->build_id_size : 0;
	if (file.build_id_size)
		memcpy(file.build_id, found->build_id, file.build_id_size);
	cut(space, found->start, found->end);
	at = first_after(space, found->start);
	open_gap(space, at);
	space->mappings[at] = mapping;
	space->files[at] = file;
	return 0;
}

/* ---- process events ---- */

struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, offset;
	union {
		struct {
			uint32_t major, minor;
			uint64_t inode, generation;
		};
		struct {
			uint8_t build_id_size, zero[3];
			uint8_t build_id[20];
		};
	};
	uint32_t protection, flags;
	char name[];
};

static void on_mmap(struct hw_spaces *spaces, const struct perf_event_header *record)
{
	const struct mmap2 *event = (const void *)record;
	struct found_mapping found = {.start = event->start, .offset = event->offset, .name = event->name};
	struct hw_space *space;

	if (record->size <= sizeof(*event) || event->pid >= PID_MAX || !(event->protection & PROT_EXEC) ||
	    !memchr(event->name, 0, record->size - sizeof(*event)))
		return;
	found.end = event->start + event->length;
	if (record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		found.build_id_size = event->build_id_size;
		found.build_id = event->build_id;
	} else {
		found.inode = event->inode;
		found.major = event->major;
		found.minor = event->minor;
	}
	space = make(spaces, event->pid);
	if (space)
		add(space, &found);
}

static void copy_space(struct hw_space *to, const struct hw_space *from)
{
	clear_space(to);
	if (reserve(to, from->count + 1))
		return;
	for (size_t i = 0; i < from->count; i++) {
		to->mappings[i] = from->mappings[i];
		to->files[i] = from->files[i];
		to->files[i].name = strdup(from->files[i].name);
		if (!to->files[i].name)
			return;
		to->count++;
	}
}

static void forget(struct hw_spaces *spaces, uint32_t pid)
{
	struct hw_space **slot = slot_of(spaces, pid);

	if (slot) {
		free_space(*slot);
		*slot = NULL;
	}
}

/* FORK and EXIT: pid, ppid, tid, ptid. */
static void on_fork(struct hw_spaces *spaces, const uint32_t *ids)
{
	struct hw_space *parent, *child;

	if (ids[0] == ids[1]) /* a thread */
		return;
	forget(spaces, ids[0]); /* whoever had the number before */
	parent = hw_spaces_find(spaces, ids[1]);
	child = parent ? make(spaces, ids[0]) : NULL;
	if (child)
		copy_space(child, parent);
}

/* Other threads may outlive the leader, and last samples may follow: the space stays for a while. */
static void on_end(struct hw_spaces *spaces, const uint32_t *ids)
{
	uint32_t *oldest = &spaces->gone[spaces->next_gone++ % 512];

	if (ids[0] != ids[2])
		return;
	if (*oldest)
		forget(spaces, *oldest);
	*oldest = ids[0];
}

void hw_spaces_event(struct hw_spaces *spaces, const struct perf_event_header *record)
{
	const uint32_t *ids = (const uint32_t *)(record + 1);
	struct hw_space *space;

	switch (record->type) {
	case PERF_RECORD_MMAP2:
		on_mmap(spaces, record);
		break;
	case PERF_RECORD_COMM:
		if (!(record->misc & PERF_RECORD_MISC_COMM_EXEC) || record->size < 16)
			break;
		space = make(spaces, ids[0]);
		if (space) {
			clear_space(space);
			space->in_exec = true;
		}
		break;
	case PERF_RECORD_FORK:
		if (record->size >= 24)
			on_fork(spaces, ids);
		break;
	case PERF_RECORD_EXIT:
		if (record->size >= 24)
			on_end(spaces, ids);
		break;
	}
}

/* ---- /proc/PID/maps ---- */

static bool parse_line(char *line, struct found_mapping *found)
{
	char rights[5];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	memset(found, 0, sizeof(*found));
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &found->start,
	           &found->end, rights, &found->offset, &found->major, &found->minor, &found->inode, &at) < 7)
		return false;
	found->name = line[at] ? line + at : "//anon";
	return rights[2] == 'x';
}

static bool is_same(const struct hw_space *a, const struct hw_space *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; i < a->count && same; i++)
		same = a->mappings[i].start == b->mappings[i].start &&
		       a->mappings[i].end == b->mappings[i].end &&
		       a->mappings[i].offset == b->mappings[i].offset &&
		       a->files[i].inode == b->files[i].inode && !strcmp(a->files[i].name, b->files[i].name);
	return same;
}

bool hw_spaces_read(struct hw_spaces *spaces, uint32_t pid)
{
	struct hw_space fresh = {.pid = pid}, *space;
	struct found_mapping found;
	char path[32], *line = NULL;
	size_t size = 0;
	bool same;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (getline(&line, &size, maps) > 0 && fresh.count < MAPPINGS_MAX)
		if (parse_line(line, &found))
			add(&fresh, &found);
	free(line);
	fclose(maps);
	space = fresh.count ? make(spaces, pid) : NULL; /* one that is exiting has no mappings left */
	same = !space || is_same(space, &fresh);
	if (!same) {
		struct hw_space old = *space;

		fresh.in_exec = old.in_exec;
		*space = fresh;
		fresh = old;
	}
	clear_space(&fresh);
	free(fresh.mappings);
	free(fresh.files);
	return !same;
}

struct hw_space *hw_spaces_find(struct hw_spaces *spaces, uint32_t pid)
{
	struct hw_space **slot = slot_of(spaces, pid);

	if (slot && !*slot)
		hw_spaces_read(spaces, pid);
	return slot ? *slot : NULL;
}

/* ---- tables ---- */

ssize_t hw_space_mapping(const struct hw_space *space, uint64_t address)
{
	size_t at = first_after(space, address);

	return at < space->count && space->mappings[at].start <= address ? (ssize_t)at : -1;
}

/* Is it the one that was mapped, as far as device and inode tell? */
static bool is_that_file(const struct stat *found, const struct hw_space_file *file)
{
	return found->st_ino == file->inode && major(found->st_dev) == file->major &&
	       minor(found->st_dev) == file->minor;
}

/*
 * 0: path is that file, and *table its table, or NULL: it has none; -errno: it is not, or cannot be opened.
 * certain: path is a link to the mapped file itself.
 */
static int table_at(struct hw_spaces *spaces, const struct hw_space_file *file, const char *path,
                    bool certain, const struct hw_table **table)
{
	struct hw_opener *opener = spaces->store->opener;
	struct hw_opened found;
	int r = certain ? hw_opener_open_link(opener, path, &found) : hw_opener_open(opener, path, &found);

	if (r)
		return r;
	if (certain || file->build_id_size || is_that_file(&found.st, file))
		*table = hw_store_table(spaces->store, &found);
	else
		r = -ESTALE;
	close(found.fd);
	if (file->build_id_size && *table &&
	    ((*table)->build_id_size != file->build_id_size ||
	     memcmp((*table)->build_id, file->build_id, file->build_id_size) != 0)) {
		*table = NULL; /* another file by now */
		r = -ESTALE;
	}
	return r;
}

/* Where its file system does not answer, no other way to it is tried. */
static int table_of_file(struct hw_spaces *spaces, uint32_t pid, const struct hw_walker_mapping *mapping,
                         const struct hw_space_file *file, const struct hw_table **table)
{
	char path[4200];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, mapping->start,
	         mapping->end);
	r = table_at(spaces, file, path, true, table);
	if (!r || r == -ETIMEDOUT)
		return r;
	snprintf(path, sizeof(path), "/proc/%u/root%s", pid, file->name);
	r = table_at(spaces, file, path, false, table);
	return !r || r == -ETIMEDOUT ? r : table_at(spaces, file, file->name, false, table);
}

void hw_space_load(struct hw_spaces *spaces, struct hw_space *space, size_t index)
{
	struct hw_walker_mapping *mapping = &space->mappings[index];
	struct hw_space_file *file = &space->files[index];
	bool opened = false;

	if (mapping->table || mapping->anonymous || file->state != HW_SPACE_UNTRIED)
		return;
	if (!strcmp(file->name, "[vdso]")) {
		mapping->table = hw_store_vdso(spaces->store);
		opened = true;
	} else {
		opened = !table_of_file(spaces, space->pid, mapping, file, &mapping->table);
	}
	file->state = opened ? HW_SPACE_TRIED : HW_SPACE_NO_FILE;
}
