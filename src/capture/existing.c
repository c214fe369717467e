/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/existing.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "capture/kernel_symbols.h"
#include "perfdata/records.h"
#include "symbol/kernel.h"

#define BPF_BYTES_MAX (64u << 10)

struct existing {
	hw_emit emit;
	void *context;
	hw_build_id_of build_id;
	const void *build_id_context;
	struct hw_error *err;
	size_t told_bytes; /* in this step */
	uint64_t buffer[8192 / 8];
};

static int emit_built(struct existing *e, int size)
{
	int r = size < 0 ? 0 : e->emit(e->context, (const struct perf_event_header *)e->buffer, e->err);

	e->told_bytes += size < 0 ? 0 : (size_t)size;
	return r < 0 ? r : 0;
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

static int existing_text(struct existing *e, const struct hw_kernel_symbols *symbols)
{
	struct hw_record_mmap map = {.pid = (uint32_t)-1,
	                             .tid = 0,
	                             .cpumode = PERF_RECORD_MISC_KERNEL,
	                             .protection = PROT_EXEC,
	                             .name = "[kernel.kallsyms]_text"};
	uint8_t build_id[20];
	uint64_t end;

	if (!hw_kernel_symbols_text(symbols, &map.start, &end))
		return 0;
	map.length = end - map.start;
	map.offset = map.start;
	map.build_id_size = (uint8_t)hw_kernel_build_id(build_id);
	map.build_id = build_id;
	return emit_built(e, hw_build_mmap(e->buffer, sizeof(e->buffer), &map));
}

enum phase { READ_KERNEL, TELL_KERNEL, TELL_BPF, NEXT_PROCESS, TELL_THREADS, TELL_MAPS };

#define UNITS_A_STEP 300         /* threads, mappings, processes that are not wanted */
#define BYTES_A_STEP (16u << 10) /* of records, but for the last */

struct hw_existing_walk {
	struct existing e;
	bool (*wanted)(void *context, pid_t pid);
	bool one_process;
	enum phase phase;
	struct hw_kernel_symbols *symbols; /* NULL: of one process only */
	size_t bpf_told;
	DIR *proc, *tasks;
	uint32_t pid; /* whose threads and maps are told */
	FILE *maps;
	char *line;
	size_t line_size;
};

static struct hw_existing_walk *new_walk(hw_emit emit, void *context)
{
	struct hw_existing_walk *walk = calloc(1, sizeof(*walk));

	if (walk) {
		walk->e.emit = emit;
		walk->e.context = context;
	}
	return walk;
}

int hw_existing_begin(bool (*wanted)(void *context, pid_t pid), struct hw_kernel_symbols *symbols,
                      hw_build_id_of build_id, const void *build_id_context, hw_emit emit, void *context,
                      struct hw_existing_walk **result, struct hw_error *err)
{
	struct hw_existing_walk *walk = new_walk(emit, context);

	if (!walk)
		return hw_fail(err, -ENOMEM, "out of memory");
	walk->proc = opendir("/proc");
	if (!walk->proc) {
		free(walk);
		return hw_fail(err, -ENOENT, "cannot read /proc: is it mounted?");
	}
	walk->symbols = symbols ? hw_kernel_symbols_share(symbols) : hw_kernel_symbols_new();
	if (!walk->symbols) {
		hw_existing_end(walk);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	walk->wanted = wanted;
	walk->e.build_id = build_id;
	walk->e.build_id_context = build_id_context;
	*result = walk;
	return 0;
}

void hw_existing_end(struct hw_existing_walk *walk)
{
	if (!walk)
		return;
	if (walk->tasks)
		closedir(walk->tasks);
	if (walk->maps)
		fclose(walk->maps);
	if (walk->proc)
		closedir(walk->proc);
	hw_kernel_symbols_release(walk->symbols);
	free(walk->line);
	free(walk);
}

static int read_kernel(struct hw_existing_walk *walk)
{
	if (!hw_kernel_symbols_read(walk->symbols))
		walk->phase = TELL_KERNEL;
	return 1;
}

static int tell_kernel(struct hw_existing_walk *walk)
{
	int r = existing_text(&walk->e, walk->symbols);

	walk->phase = TELL_BPF;
	return r ? r : 1;
}

/* BPF programs are gone before a recording is read. Their symbols stand together, by address or backwards. */
static int tell_bpf(struct hw_existing_walk *walk)
{
	const struct hw_bpf_symbol *program = hw_kernel_symbols_bpf(walk->symbols, walk->bpf_told++);
	const struct hw_bpf_symbol *next = hw_kernel_symbols_bpf(walk->symbols, walk->bpf_told);
	int r;

	if (!program) {
		walk->phase = NEXT_PROCESS;
		return 1;
	}
	r = emit_bpf(&walk->e, program->start, next ? next->start : 0, program->name);
	return r ? r : 1;
}

static int begin_process(struct hw_existing_walk *walk, uint32_t pid)
{
	char path[64];
	int r = existing_comm(&walk->e, pid, pid);

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	walk->tasks = opendir(path);
	walk->pid = pid;
	walk->phase = TELL_THREADS;
	return r ? r : 1;
}

static int next_process(struct hw_existing_walk *walk)
{
	struct dirent *entry = walk->one_process ? NULL : readdir(walk->proc);
	uint32_t pid;

	if (!entry)
		return 0;
	pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
	return pid && walk->wanted(walk->e.context, (pid_t)pid) ? begin_process(walk, pid) : 1;
}

static int tell_thread(struct hw_existing_walk *walk)
{
	struct dirent *entry = walk->tasks ? readdir(walk->tasks) : NULL;
	uint32_t tid;
	char path[64];
	int r;

	if (entry) {
		tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		r = tid && tid != walk->pid ? existing_comm(&walk->e, walk->pid, tid) : 0;
		return r ? r : 1;
	}
	if (walk->tasks)
		closedir(walk->tasks);
	walk->tasks = NULL;
	snprintf(path, sizeof(path), "/proc/%u/maps", walk->pid);
	walk->maps = fopen(path, "re");
	walk->phase = TELL_MAPS;
	return 1;
}

static int tell_map(struct hw_existing_walk *walk)
{
	int r;

	if (walk->maps && getline(&walk->line, &walk->line_size, walk->maps) > 0) {
		walk->line[strcspn(walk->line, "\n")] = '\0';
		r = existing_map(&walk->e, walk->pid, walk->line);
		return r ? r : 1;
	}
	if (walk->maps)
		fclose(walk->maps);
	walk->maps = NULL;
	walk->phase = NEXT_PROCESS;
	return 1;
}

int hw_existing_step(struct hw_existing_walk *walk, struct hw_error *err)
{
	static int (*const tell[])(struct hw_existing_walk * walk) = {
	    [READ_KERNEL] = read_kernel,   [TELL_KERNEL] = tell_kernel,  [TELL_BPF] = tell_bpf,
	    [NEXT_PROCESS] = next_process, [TELL_THREADS] = tell_thread, [TELL_MAPS] = tell_map};
	int r = 1;

	walk->e.err = err;
	walk->e.told_bytes = 0;
	for (int i = 0; r > 0 && i < UNITS_A_STEP && walk->e.told_bytes < BYTES_A_STEP; i++) {
		r = tell[walk->phase](walk);
		if (walk->phase == READ_KERNEL)
			break;
	}
	return r;
}

static int tell_all(struct hw_existing_walk *walk, struct hw_error *err)
{
	int r;

	do
		r = hw_existing_step(walk, err);
	while (r > 0);
	hw_existing_end(walk);
	return r;
}

int hw_existing(bool (*wanted)(void *context, pid_t pid), hw_build_id_of build_id,
                const void *build_id_context, hw_emit emit, void *context, struct hw_error *err)
{
	struct hw_existing_walk *walk;
	int r = hw_existing_begin(wanted, NULL, build_id, build_id_context, emit, context, &walk, err);

	return r ? r : tell_all(walk, err);
}

int hw_existing_process(uint32_t pid, hw_emit emit, void *context, struct hw_error *err)
{
	struct hw_existing_walk *walk = new_walk(emit, context);
	int r;

	if (!walk)
		return hw_fail(err, -ENOMEM, "out of memory");
	walk->one_process = true;
	walk->e.err = err;
	r = begin_process(walk, pid);
	if (r > 0)
		return tell_all(walk, err);
	hw_existing_end(walk);
	return r;
}
