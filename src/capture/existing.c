/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/existing.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "perfdata/records.h"
#include "symbol/kernel.h"

#define BPF_BYTES_MAX (64u << 10)

struct existing {
	hw_emit emit;
	void *context;
	hw_build_id_of build_id;
	const void *build_id_context;
	struct hw_error *err;
	uint64_t buffer[8192 / 8];
};

struct bpf_symbol {
	uint64_t start;
	char name[256];
};

static int by_start(const void *a, const void *b)
{
	const struct bpf_symbol *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int emit_built(struct existing *e, int size)
{
	return size < 0 ? 0 : e->emit(e->context, (const struct perf_event_header *)e->buffer, e->err);
}

static int existing_comm(struct existing *e, uint32_t pid, uint32_t tid)
{
	struct hw_record_id id = {.pid = pid, .tid = tid};
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return emit_built(e, hw_build_comm(e->buffer, sizeof(e->buffer), &id, pid, tid, name, false));
}

static int existing_threads(struct existing *e, uint32_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;
	int r;

	r = existing_comm(e, pid, pid);
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = opendir(path);
	while (tasks && !r && (entry = readdir(tasks))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (tid && tid != pid)
			r = existing_comm(e, pid, tid);
	}
	if (tasks)
		closedir(tasks);
	return r;
}

static int existing_map(struct existing *e, uint32_t pid, const char *line)
{
	struct hw_record_mmap map = {.id = {.pid = pid, .tid = pid},
	                             .pid = pid,
	                             .tid = pid,
	                             .cpumode = PERF_RECORD_MISC_USER,
	                             .flags = MAP_PRIVATE};
	uint64_t end;
	uint8_t build_id[20];
	char rights[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &map.start, &end,
	           rights, &map.offset, &map.major, &map.minor, &map.inode, &at) < 7 ||
	    rights[2] != 'x')
		return 0;
	map.length = end - map.start;
	map.protection = PROT_EXEC | (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0);
	map.name = line[at] ? line + at : "//anon";
	if (e->build_id)
		map.build_id_size = e->build_id(e->build_id_context, (pid_t)pid, map.start, build_id);
	map.build_id = build_id;
	return emit_built(e, hw_build_mmap(e->buffer, sizeof(e->buffer), &map));
}

static int existing_maps(struct existing *e, uint32_t pid)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	while (maps && !r && getline(&line, &size, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		r = existing_map(e, pid, line);
	}
	free(line);
	if (maps)
		fclose(maps);
	return r;
}

/* Without sizes, a program reaches to the next one, but not beyond what may be one. */
static int emit_bpf(struct existing *e, uint64_t start, uint64_t end, const char *name)
{
	struct hw_record_id id = {0};
	uint64_t length = start < end && end - start < BPF_BYTES_MAX ? end - start : BPF_BYTES_MAX;

	if (!start)
		return 0;
	return emit_built(e,
	                  hw_build_ksymbol(e->buffer, sizeof(e->buffer), &id, start, (uint32_t)length, name));
}

/* What /proc/kallsyms says of the kernel and of BPF programs, read once: it has hundreds of thousands of
 * lines. */
struct kernel_symbols {
	uint64_t text, end;
	array_of(struct bpf_symbol) bpf;
};

static bool ends_with(const char *line, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length >= size && !memcmp(line + length - size, end, size);
}

static void take_symbol(struct kernel_symbols *symbols, const char *line)
{
	size_t length = strlen(line);
	struct bpf_symbol symbol;

	if (ends_with(line, length, " _text\n"))
		symbols->text = strtoull(line, NULL, 16);
	else if (ends_with(line, length, " _etext\n"))
		symbols->end = strtoull(line, NULL, 16);
	else if (ends_with(line, length, "\t[bpf]\n") &&
	         sscanf(line, "%" SCNx64 " %*c %255s", &symbol.start, symbol.name) == 2)
		array_push(&symbols->bpf, symbol);
}

static void read_kernel_symbols(struct kernel_symbols *symbols)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		take_symbol(symbols, line);
	if (file)
		fclose(file);
}

/* BPF programs are gone before a recording is read. Their symbols stand together, by address or backwards. */
static int existing_bpf(struct existing *e, struct kernel_symbols *symbols)
{
	int r = 0;

	if (symbols->bpf.count)
		qsort(symbols->bpf.items, symbols->bpf.count, sizeof(struct bpf_symbol), by_start);
	for (size_t i = 0; i < symbols->bpf.count && !r; i++)
		r = emit_bpf(e, symbols->bpf.items[i].start,
		             i + 1 < symbols->bpf.count ? symbols->bpf.items[i + 1].start : 0,
		             symbols->bpf.items[i].name);
	return r;
}

static int existing_text(struct existing *e, const struct kernel_symbols *symbols)
{
	struct hw_record_mmap map = {.pid = (uint32_t)-1,
	                             .tid = 0,
	                             .cpumode = PERF_RECORD_MISC_KERNEL,
	                             .protection = PROT_EXEC,
	                             .name = "[kernel.kallsyms]_text"};
	uint8_t build_id[20];

	if (!symbols->text || symbols->end <= symbols->text)
		return 0;
	map.start = symbols->text;
	map.length = symbols->end - symbols->text;
	map.offset = symbols->text;
	map.build_id_size = (uint8_t)hw_kernel_build_id(build_id);
	map.build_id = build_id;
	return emit_built(e, hw_build_mmap(e->buffer, sizeof(e->buffer), &map));
}

static int existing_kernel(struct existing *e)
{
	struct kernel_symbols symbols = {0};
	int r;

	read_kernel_symbols(&symbols);
	r = existing_text(e, &symbols);
	if (!r)
		r = existing_bpf(e, &symbols);
	array_free(&symbols.bpf);
	return r;
}

int hw_existing_process(uint32_t pid, hw_emit emit, void *context, struct hw_error *err)
{
	struct existing *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return hw_fail(err, -ENOMEM, "out of memory");
	e->emit = emit;
	e->context = context;
	e->err = err;
	r = existing_threads(e, pid);
	if (!r)
		r = existing_maps(e, pid);
	free(e);
	return r;
}

int hw_existing(bool (*wanted)(void *context, pid_t pid), hw_build_id_of build_id,
                const void *build_id_context, hw_emit emit, void *context, struct hw_error *err)
{
	struct existing *e = calloc(1, sizeof(*e));
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int r = 0;

	if (!e || !proc) {
		free(e);
		if (proc)
			closedir(proc);
		return hw_fail(err, -ENOENT, "cannot read /proc: is it mounted?");
	}
	e->emit = emit;
	e->context = context;
	e->build_id = build_id;
	e->build_id_context = build_id_context;
	e->err = err;
	r = existing_kernel(e);
	while (!r && (entry = readdir(proc))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!pid || !wanted(context, (pid_t)pid))
			continue;
		r = existing_threads(e, pid);
		if (!r)
			r = existing_maps(e, pid);
	}
	closedir(proc);
	free(e);
	return r;
}
