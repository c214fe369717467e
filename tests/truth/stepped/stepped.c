/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * stepped [-a] PROGRAM [ARGUMENT...]: run a program one instruction at a time, keep a shadow stack by
 * watching its calls and returns, and walk its registers and stack at every instruction with the user-space
 * walker, which is the kernel's step. The walk must equal the shadow stack.
 *
 * Walked is what runs on behalf of the program's own code, libraries included; with -a everything, from the
 * first instruction of the dynamic linker on. A walk that ends early with a reason is counted apart, by
 * place; one that differs is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../modules.h"
#include "tracee.h"
#include "walk/walker.h"

#define MAPPINGS_MAX 256
#define COPY_BYTES   4096
#define RED_ZONE     128
#define PLACES_MAX   512

struct place {
	const char *path;
	uint64_t address;
	const char *what;
	enum hw_end_reason reason;
	uint64_t count;
};

struct stepper {
	struct tracee tracee;
	struct hw_walker_mapping mappings[MAPPINGS_MAX];
	const struct module *modules[MAPPINGS_MAX];
	char paths[MAPPINGS_MAX][256];
	size_t mapping_count;
	uint64_t steps, walks, equal, shorter, leaving, wrong, frames;
	struct place places[PLACES_MAX];
	size_t place_count;
};

static void add_mapping(struct stepper *s, uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	struct hw_process_event event = {.name = path};
	size_t i = s->mapping_count++;

	if (i == MAPPINGS_MAX)
		abort();
	snprintf(s->paths[i], sizeof(s->paths[i]), "%s", path);
	event.name = s->paths[i];
	s->modules[i] = module_of(&event);
	s->mappings[i] =
	    (struct hw_walker_mapping){.start = start, .end = end, .offset = offset, .anonymous = !*path};
	if (s->modules[i] && s->modules[i]->has_table)
		s->mappings[i].table = &s->modules[i]->table;
}

static void read_mappings(struct stepper *s)
{
	unsigned long start, end, offset;
	char line[1024], mode[8], path[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)s->tracee.pid);
	maps = fopen(path, "re");
	if (!maps)
		return;
	s->mapping_count = 0;
	while (fgets(line, sizeof(line), maps)) {
		path[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %511[^\n]", &start, &end, mode, &offset, path) <
		        4 ||
		    mode[2] != 'x')
			continue;
		add_mapping(s, start, end, offset, path);
	}
	fclose(maps);
}

static int read_stack(void *context, uint64_t address, uint64_t *word)
{
	return tracee_read(context, address, word, sizeof(*word));
}

static void take_registers(const struct user_regs_struct *regs, struct hw_walk *walk)
{
	const uint64_t by_dwarf_number[16] = {
	    regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi, regs->rbp, regs->rsp,
	    regs->r8,  regs->r9,  regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15};

	memcpy(walk->reg, by_dwarf_number, sizeof(walk->reg));
	walk->pc = regs->rip;
	walk->known = 0xffff;
	walk->flags = HW_WALK_EXACT;
	walk->depth_max = HW_FRAMES_MAX;
}

static const char *find_place(const struct stepper *s, uint64_t *address)
{
	uint64_t pc = s->tracee.regs.rip;

	for (size_t m = 0; m < s->mapping_count; m++)
		if (pc >= s->mappings[m].start && pc < s->mappings[m].end && s->modules[m]) {
			*address =
			    pc - module_bias(s->modules[m], s->mappings[m].start, s->mappings[m].offset);
			return s->modules[m]->path;
		}
	*address = pc;
	return "?";
}

static void note_place(struct stepper *s, const char *what, enum hw_end_reason reason)
{
	uint64_t address;
	const char *path = find_place(s, &address);
	size_t i = 0;

	while (i < s->place_count && (s->places[i].address != address || s->places[i].path != path))
		i++;
	if (i == PLACES_MAX)
		return;
	if (i == s->place_count)
		s->places[s->place_count++] =
		    (struct place){.path = path, .address = address, .what = what, .reason = reason};
	s->places[i].count++;
}

static bool in_unwinder(const struct stepper *s)
{
	uint64_t address;

	return strstr(find_place(s, &address), "/libgcc_s.so");
}

/* Frame number i (0 is the innermost) as the program itself knows it. What was overwritten counts as it is
 * now. */
static uint64_t shadow_frame(const struct tracee *tracee, size_t i, uint64_t walked)
{
	const struct shadow_entry *entry = &tracee->shadow[tracee->depth - i];
	uint64_t now;

	if (entry->address == walked || tracee_read(tracee, entry->slot, &now, sizeof(now)))
		return entry->address;
	return now == walked ? now : entry->address;
}

static void compare(struct stepper *s, const uint64_t *ips, uint32_t depth, enum hw_end_reason reason)
{
	const struct tracee *tracee = &s->tracee;
	size_t expected = tracee->depth + 1;
	bool wrong = depth > expected || (reason == HW_END_COMPLETE && depth != expected);

	for (uint32_t i = 0; i < depth && !wrong; i++)
		wrong = ips[i] != (i ? shadow_frame(tracee, i, ips[i]) : tracee->regs.rip);
	s->walks++;
	s->frames += depth;
	if (!wrong && reason == HW_END_COMPLETE) {
		s->equal++;
		return;
	}
	if (in_unwinder(s)) {
		s->leaving++;
		note_place(s, "unwinder", reason);
		return;
	}
	note_place(s, wrong ? "WRONG" : "short", reason);
	s->wrong += wrong;
	s->shorter += !wrong;
	if (wrong && s->wrong <= 3) {
		fprintf(stderr, "wrong, step %llu, rsp %llx:\n", (unsigned long long)s->steps,
		        (unsigned long long)tracee->regs.rsp);
		for (uint32_t i = 0; i < depth || i < expected; i++)
			fprintf(stderr, "    %3u walk %16llx shadow %16llx\n", i,
			        (unsigned long long)(i < depth ? ips[i] : 0),
			        (unsigned long long)(i >= expected ? 0
			                             : i           ? tracee->shadow[tracee->depth - i].address
			                                           : tracee->regs.rip));
	}
}

static void walk(struct stepper *s)
{
	static uint8_t copy[COPY_BYTES];
	static uint64_t ips[HW_FRAMES_MAX];
	struct hw_walker_input input = {.mappings = s->mappings,
	                                .mapping_count = s->mapping_count,
	                                .stack_address = s->tracee.regs.rsp - RED_ZONE,
	                                .stack = copy,
	                                .read_stack = read_stack,
	                                .read_code = read_stack,
	                                .context = &s->tracee};
	struct hw_walk state = {0};
	enum hw_end_reason reason;

	if (!tracee_read(&s->tracee, input.stack_address, copy, sizeof(copy)))
		input.stack_size = sizeof(copy);
	take_registers(&s->tracee.regs, &state);
	reason = hw_walker_walk(&state, &input, ips);
	compare(s, ips, state.depth, reason);
}

static void print_places(const struct stepper *s)
{
	for (size_t i = 0; i < s->place_count; i++)
		printf("    %s %s+0x%llx, reason %d, %llu times\n", s->places[i].what, s->places[i].path,
		       (unsigned long long)s->places[i].address, (int)s->places[i].reason,
		       (unsigned long long)s->places[i].count);
}

int main(int argc, char **argv)
{
	static struct stepper s;
	char **command = argv + 1;
	bool everything = false;

	if (argc > 1 && !strcmp(argv[1], "-a")) {
		everything = true;
		command++;
	}
	if (!*command || tracee_start(&s.tracee, command) ||
	    (!everything && tracee_run_to_entry(&s.tracee))) {
		fprintf(stderr, "usage: %s [-a] PROGRAM [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	do {
		if (s.tracee.mappings_changed)
			read_mappings(&s);
		walk(&s);
		s.steps++;
	} while (!tracee_step(&s.tracee));
	printf(
	    "%s: %llu instructions, %llu frames: equal %llu, short %llu, in the unwinder %llu, wrong %llu\n",
	    command[0], (unsigned long long)s.steps, (unsigned long long)s.frames,
	    (unsigned long long)s.equal, (unsigned long long)s.shorter, (unsigned long long)s.leaving,
	    (unsigned long long)s.wrong);
	print_places(&s);
	if (!WIFEXITED(s.tracee.exit_status) || WEXITSTATUS(s.tracee.exit_status)) {
		printf("the program failed: status %d\n", s.tracee.exit_status);
		return 1;
	}
	return s.wrong || !s.equal || s.shorter * 1000 > s.walks || s.leaving * 200 > s.walks;
}
