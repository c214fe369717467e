/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/perf_map.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "symbol/regular_file.h"

#define MAP_BYTES_MAX (256u << 20)
#define LINES_MAX     (4u << 20)

struct line {
	uint64_t start, end;
	uint32_t name, number; /* where the name begins in the text; the how-manieth line */
};

typedef array_of(struct line) line_list;

static int read_all(int fd, char **text, size_t *size)
{
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size > MAP_BYTES_MAX)
		return -E2BIG;
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	while (done < (size_t)st.st_size) {
		ssize_t n = pread(fd, *text + done, (size_t)st.st_size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* what a process cut off meanwhile */
			break;
		done += (size_t)n;
	}
	(*text)[done] = '\0';
	*size = done;
	return 0;
}

/* A hexadecimal number, with 0x or without, and the space behind it. */
static bool take_number(char **at, uint64_t *number)
{
	char *end;

	if (!**at || strchr("+- \t", **at))
		return false;
	errno = 0;
	*number = strtoull(*at, &end, 16);
	if (end == *at || errno || *end != ' ')
		return false;
	*at = end + 1;
	return true;
}

static int split_lines(char *text, size_t size, line_list *lines)
{
	char *end = text + size, *next;

	for (char *at = text; at < end; at = next) {
		struct line line = {.number = (uint32_t)lines->count};
		char *newline = memchr(at, '\n', (size_t)(end - at));
		uint64_t length;

		next = newline ? newline + 1 : end;
		if (newline)
			*newline = '\0';
		if (!take_number(&at, &line.start) || !take_number(&at, &length) || !length || !*at ||
		    line.start + length < line.start)
			continue;
		line.end = line.start + length;
		line.name = (uint32_t)(at - text);
		if (lines->count == LINES_MAX)
			return -E2BIG;
		if (array_push(lines, line))
			return -ENOMEM;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* ---- a heap of lines, the latest on top ---- */

static int push(line_list *heap, struct line line)
{
	size_t at = heap->count;

	if (array_push(heap, line))
		return -ENOMEM;
	while (at && heap->items[(at - 1) / 2].number < line.number) {
		heap->items[at] = heap->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->items[at] = line;
	return 0;
}

static void pop(line_list *heap)
{
	struct line last = heap->items[--heap->count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < heap->count) {
		if (child + 1 < heap->count && heap->items[child + 1].number > heap->items[child].number)
			child++;
		if (heap->items[child].number < last.number)
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	heap->items[at] = last;
}

/* Up to limit, give each address to the latest line that covers it. */
static int settle(line_list *heap, uint64_t *at, uint64_t limit, struct hw_collector *collector,
                  uint16_t text)
{
	int r = 0;

	while (heap->count && *at < limit && !r) {
		const struct line *top = &heap->items[0];
		uint64_t end = top->end < limit ? top->end : limit;

		if (*at < end) {
			r = hw_collector_add(collector, *at, end - *at, text, top->name, 0);
			*at = end;
		}
		if (top->end <= *at)
			pop(heap);
	}
	return r;
}

static int collect(line_list *lines, struct hw_collector *collector, uint16_t text)
{
	line_list heap = {0};
	uint64_t at = 0;
	int r = 0;

	if (lines->count)
		qsort(lines->items, lines->count, sizeof(struct line), by_start);
	for (size_t i = 0; i < lines->count && !r; i++) {
		r = settle(&heap, &at, lines->items[i].start, collector, text);
		at = lines->items[i].start;
		if (!r)
			r = push(&heap, lines->items[i]);
	}
	if (!r)
		r = settle(&heap, &at, UINT64_MAX, collector, text);
	array_free(&heap);
	return r;
}

int hw_perf_map_read(int fd, struct hw_symtab *symtab)
{
	struct hw_collector collector = {0};
	line_list lines = {0};
	char *text = NULL;
	uint16_t number;
	size_t size = 0;
	int r;

	r = read_all(fd, &text, &size);
	if (!r)
		r = split_lines(text, size, &lines);
	if (!r) {
		r = hw_collector_take_text(&collector, text, size, &number);
		if (!r)
			text = NULL;
	}
	if (!r)
		r = collect(&lines, &collector, number);
	if (!r)
		r = hw_collector_build(&collector, symtab);
	hw_collector_clear(&collector);
	array_free(&lines);
	free(text);
	return r;
}

/* The number that a process has in its own PID namespace, and its effective user. */
static int read_status(unsigned pid, unsigned *own_pid, uid_t *user)
{
	char path[64], line[512];
	unsigned real, effective;
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	*own_pid = pid;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Uid: %u %u", &real, &effective) == 2) {
			*user = effective;
			found = 1;
		}
		if (!strncmp(line, "NSpid:", 6))
			*own_pid = (unsigned)strtoul(strrchr(line, '\t') ? strrchr(line, '\t') + 1 : line + 6,
			                             NULL, 10);
	}
	fclose(file);
	return found ? 0 : -ESRCH;
}

static int open_owned(const char *root, unsigned number, uid_t user, bool anybody)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", number);
	fd = hw_open_regular(root, path, &st);
	if (fd >= 0 && st.st_uid && st.st_uid != user && !anybody) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

int hw_perf_map_open(unsigned pid, bool alive, const char *root)
{
	char process_root[64];
	unsigned own_pid = pid;
	uid_t user = (uid_t)-1;
	int fd;

	if (root)
		return open_owned(root, pid, geteuid(), true);
	if (!alive || read_status(pid, &own_pid, &user))
		return open_owned(NULL, pid, geteuid(), !geteuid());
	snprintf(process_root, sizeof(process_root), "/proc/%u/root", pid);
	fd = open_owned(process_root, own_pid, user, false);
	return fd >= 0 || own_pid != pid ? fd : open_owned(NULL, pid, user, false);
}
