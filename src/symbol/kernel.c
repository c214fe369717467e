/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/kernel.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "symbol/regular_file.h"

#define BYTES_MAX      (512u << 20) /* of all symbols: a kernel has 6 MB */
#define LINE_MAX_BYTES (64u << 10)
#define SYMBOL_REACH   (64u << 10) /* bytes: no function of the kernel is longer, and gaps follow modules */
#define OWN_FILE       "[kernel.kallsyms]"
#define NOTES_MAX      4096

struct line {
	uint64_t address;
	char kind;
	const char *name;
	size_t name_length;
	const char *module; /* NULL: the kernel itself */
	size_t module_length;
};

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "ffffffff81000000 T _text", and behind a tab "[module]". */
static bool split_line(const char *text, struct line *line)
{
	const char *end = text;

	line->address = 0;
	for (; digit_of(*end) >= 0; end++)
		line->address = line->address << 4 | (unsigned int)digit_of(*end);
	if (end == text || end - text > 16 || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return false;
	line->kind = end[1];
	line->name = end + 3;
	line->name_length = strcspn(line->name, "\t");
	line->module = NULL;
	line->module_length = 0;
	if (line->name[line->name_length] == '\t') {
		line->module = line->name + line->name_length + 1;
		line->module_length = strcspn(line->module, " ");
		if (line->module_length < 3 || line->module[0] != '[')
			line->module = NULL;
	}
	return line->name_length;
}

static bool is_called(const struct line *line, const char *name)
{
	return !line->module && line->name_length == strlen(name) &&
	       !memcmp(line->name, name, line->name_length);
}

static int take_module(struct hw_kernel *kernel, const struct line *line, struct hw_strings *strings)
{
	struct hw_module module = {.start = line->address};

	module.file = line->module ? hw_strings_keep(strings, line->module, line->module_length) : OWN_FILE;
	if (!module.file)
		return -ENOMEM;
	if (kernel->modules.count) {
		struct hw_module *last = &kernel->modules.items[kernel->modules.count - 1];

		if (last->file == module.file) { /* one module's symbols follow each other, in any order */
			if (line->address < last->start)
				last->start = line->address;
			return 0;
		}
	}
	return array_push(&kernel->modules, module);
}

/*
 * A BPF program or a trampoline of ftrace that is there now says nothing of what was there then; recordings
 * tell of their BPF programs.
 */
static bool comes_and_goes(const struct line *line)
{
	static const char bpf[] = "[bpf]", made[] = "[__builtin__";

	return (line->module_length == strlen(bpf) && !memcmp(line->module, bpf, strlen(bpf))) ||
	       (line->module_length > strlen(made) && !memcmp(line->module, made, strlen(made)));
}

static int take_line(struct hw_kernel *kernel, const struct line *line, struct hw_collector *collector,
                     struct hw_strings *strings)
{
	uint8_t quality = line->kind == 'T'   ? HW_QUALITY_STRONG | HW_QUALITY_GLOBAL
	                  : line->kind == 't' ? HW_QUALITY_STRONG
	                                      : HW_QUALITY_GLOBAL;

	if (is_called(line, "_text"))
		kernel->text = line->address;
	if (is_called(line, "_stext"))
		kernel->stext = line->address;
	if (is_called(line, "_etext")) {
		kernel->text_end = line->address;
		return hw_collector_add_end(collector, line->address);
	}
	if (!strchr("tTwW", line->kind))
		return 0;
	if (line->module && take_module(kernel, line, strings))
		return -ENOMEM;
	if (line->module && comes_and_goes(line))
		return hw_collector_add_end(collector, line->address);
	return hw_collector_add_name(collector, line->address, 0, line->name, line->name_length, quality);
}

/* Take the whole lines at the start of text; *used: their bytes. */
static int take_lines(struct hw_kernel *kernel, char *text, size_t size, struct hw_collector *collector,
                      struct hw_strings *strings, size_t *used)
{
	struct line line;
	char *end;
	int r = 0;

	for (*used = 0; !r && (end = memchr(text + *used, '\n', size - *used));
	     *used = (size_t)(end - text) + 1) {
		*end = '\0';
		if (!split_line(text + *used, &line))
			continue;
		kernel->shown |= line.address != 0;
		r = take_line(kernel, &line, collector, strings);
	}
	return r;
}

/* The kernel gives a page at a time; a line longer than the buffer, which no kernel has, is left out. */
static int read_lines(struct hw_kernel *kernel, int fd, struct hw_collector *collector,
                      struct hw_strings *strings)
{
	char *text = malloc(LINE_MAX_BYTES + 1);
	size_t size = 0, used = 0, all = 0;
	ssize_t n = 1;
	int r = text ? 0 : -ENOMEM;

	while (!r && n && all < BYTES_MAX) {
		n = read(fd, text + size, LINE_MAX_BYTES - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0 && (!size || r))
			break;
		if (!n)
			text[size++] = '\n'; /* behind the last line */
		size += (size_t)n;
		all += (size_t)n;
		r = take_lines(kernel, text, size, collector, strings, &used);
		if (!used && size == LINE_MAX_BYTES)
			used = size;
		memmove(text, text + used, size - used);
		size -= used;
	}
	free(text);
	return r;
}

static int by_start(const void *a, const void *b)
{
	const struct hw_module *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int hw_kernel_read(struct hw_kernel *kernel, const char *path, struct hw_strings *strings)
{
	struct hw_collector collector = {.reach_max = SYMBOL_REACH};
	struct stat st;
	int fd = hw_open_regular(NULL, path, &st), r;

	memset(kernel, 0, sizeof(*kernel));
	if (fd < 0)
		return fd;
	r = read_lines(kernel, fd, &collector, strings);
	close(fd);
	if (!r && !kernel->shown)
		r = -ENODATA;
	if (!r)
		r = hw_collector_build(&collector, &kernel->symtab);
	hw_collector_clear(&collector);
	if (r)
		hw_kernel_clear(kernel);
	else if (kernel->modules.count)
		qsort(kernel->modules.items, kernel->modules.count, sizeof(struct hw_module), by_start);
	return r;
}

void hw_kernel_clear(struct hw_kernel *kernel)
{
	hw_symtab_clear(&kernel->symtab);
	array_free(&kernel->modules);
	memset(kernel, 0, sizeof(*kernel));
}

const char *hw_kernel_file(const struct hw_kernel *kernel, uint64_t address)
{
	size_t low = 0, high = kernel->modules.count;

	if (address >= kernel->text && address < kernel->text_end)
		return OWN_FILE;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kernel->modules.items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* What no module's symbol stands before, or only the kernel's own, is the kernel's. */
	if (!low || (kernel->text > kernel->modules.items[low - 1].start && address >= kernel->text))
		return OWN_FILE;
	return kernel->modules.items[low - 1].file;
}

size_t hw_kernel_build_id(uint8_t build_id[20])
{
	uint32_t words[NOTES_MAX / 4];
	FILE *file = fopen("/sys/kernel/notes", "re");
	size_t count = file ? fread(words, 4, NOTES_MAX / 4, file) : 0, at = 0;

	if (file)
		fclose(file);
	while (at + 3 <= count) {
		size_t name = (words[at] + 3u) / 4, size = words[at + 1], length = (size + 3) / 4;

		if (name > count || length > count || at + 3 + name + length > count)
			break;
		if (words[at + 2] == NT_GNU_BUILD_ID && words[at] == 4 && size <= 20 &&
		    !memcmp(words + at + 3, "GNU", 4)) {
			memcpy(build_id, words + at + 3 + name, size);
			return size;
		}
		at += 3 + name + length;
	}
	return 0;
}

static const struct hw_process_event *kernel_map(const struct hw_recording *recording)
{
	size_t count;
	const struct hw_process_event *events = hw_recording_process_events(recording, &count);

	for (size_t i = 0; i < count; i++)
		if (events[i].type == HW_PROCESS_MMAP && events[i].kernel &&
		    !strncmp(events[i].name, "[kernel.kallsyms]", 17))
			return &events[i];
	return NULL;
}

enum hw_kernel_match hw_kernel_match(const struct hw_kernel *kernel, const struct hw_recording *recording,
                                     uint64_t *moved_by)
{
	const char *release = hw_recording_info(recording)->os_release;
	const struct hw_process_event *map = kernel_map(recording);
	struct utsname here;
	uint8_t build_id[20];
	uint64_t text;
	bool same_build;

	*moved_by = 0;
	if (!map)
		return HW_KERNEL_UNKNOWN;
	if (release && !uname(&here) && strcmp(here.release, release) != 0)
		return HW_KERNEL_OTHER;
	same_build = map->build_id_size && hw_kernel_build_id(build_id) == map->build_id_size;
	if (same_build && memcmp(build_id, map->build_id, map->build_id_size) != 0)
		return HW_KERNEL_OTHER;
	/* The name ends with the symbol that the start is of, as in "[kernel.kallsyms]_text". */
	text = strstr(map->name, "_stext") ? kernel->stext : kernel->text;
	if (map->start == text)
		return HW_KERNEL_SAME;
	*moved_by = text - map->start;
	return same_build ? HW_KERNEL_MOVED : HW_KERNEL_OTHER;
}
