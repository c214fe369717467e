/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/seen.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT        4096
#define PATHS_TRIED 8

struct hw_seen {
	struct {
		uint32_t pid;
		uint64_t start;
		char *path;
	} kept[KEPT];
	unsigned next;
};

/* include/uapi/linux/perf_event.h, PERF_RECORD_MMAP2 */
struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, offset;
	uint8_t identity[24];
	uint32_t protection, flags;
	char path[];
};

struct hw_seen *hw_seen_new(void)
{
	return calloc(1, sizeof(struct hw_seen));
}

void hw_seen_free(struct hw_seen *seen)
{
	for (unsigned i = 0; seen && i < KEPT; i++)
		free(seen->kept[i].path);
	free(seen);
}

void hw_seen_record(struct hw_seen *seen, const struct perf_event_header *record)
{
	const struct mmap2 *map = (const void *)record;
	unsigned at;

	if (record->type != PERF_RECORD_MMAP2 || record->size <= sizeof(*map) ||
	    !(map->protection & PROT_EXEC) || map->path[0] != '/' ||
	    !memchr(map->path, 0, record->size - sizeof(*map)))
		return;
	at = seen->next++ % KEPT;
	free(seen->kept[at].path);
	seen->kept[at].pid = map->pid;
	seen->kept[at].start = map->start;
	seen->kept[at].path = strdup(map->path);
}

/* Not a device or a FIFO, whose open could do or wait for something. */
static int open_regular(const char *path)
{
	int handle = open(path, O_PATH | O_CLOEXEC), fd = -1;
	struct stat found;
	char self[32];

	if (handle < 0)
		return -1;
	if (!fstat(handle, &found) && S_ISREG(found.st_mode)) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	close(handle);
	return fd;
}

static bool is_key(int fd, const struct hw_file_key *key)
{
	struct stat found;

	return !fstat(fd, &found) && found.st_ino == key->inode && (uint64_t)found.st_size == key->size &&
	       (uint64_t)found.st_mtim.tv_sec == key->mtime_sec && found.st_mtim.tv_nsec == key->mtime_nsec;
}

/* Was this path among the ones tried? */
static bool is_new(const char *const *tried, unsigned count, const char *path)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(tried[i], path))
			return false;
	return true;
}

int hw_seen_open(const struct hw_seen *seen, uint32_t pid, uint64_t start, uint64_t end,
                 const struct hw_file_key *key)
{
	const char *tried[PATHS_TRIED];
	unsigned count = 0;
	int found = -1, fd;

	/* what pid mapped itself; then, as a process that was forked has its parent's mappings, others' */
	for (unsigned i = 1; i <= 2 * KEPT && count < PATHS_TRIED; i++) {
		unsigned at = (seen->next - i) % KEPT;

		/* a mapping may have been cut or joined since */
		if (!seen->kept[at].path || seen->kept[at].start < start || seen->kept[at].start >= end ||
		    (i <= KEPT && seen->kept[at].pid != pid) || !is_new(tried, count, seen->kept[at].path))
			continue;
		tried[count++] = seen->kept[at].path;
		fd = open_regular(seen->kept[at].path);
		if (fd >= 0 && is_key(fd, key)) {
			if (found >= 0)
				close(found);
			return fd;
		}
		if (fd >= 0 && found >= 0)
			close(fd);
		else if (fd >= 0)
			found = fd;
	}
	return found;
}
