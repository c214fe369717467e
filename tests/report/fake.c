/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "fake.h"

#include <string.h>

#include "base/array.h"

struct symbol {
	uint32_t pid;
	uint64_t time_ns, start, end;
	const char *function, *file;
	enum hw_frame_kind kind;
};

struct thread {
	uint32_t pid, tid;
	const char *name;
};

struct stack {
	uint64_t ips[600];
	size_t count;
};

static struct {
	array_of(struct symbol) symbols;
	array_of(struct thread) threads;
	array_of(struct hw_process_event) process_events;
	array_of(struct stack) stacks;
	array_of(struct hw_sample) samples;
	array_of(struct hw_recording_event) events;
	array_of(struct hw_frame) frames;
	struct hw_account account;
	struct hw_recording_info info;
	uint64_t now_ns;
} fake;

void fake_reset(void)
{
	struct stack empty = {.count = 0};

	array_free(&fake.symbols);
	array_free(&fake.threads);
	array_free(&fake.process_events);
	array_free(&fake.stacks);
	array_free(&fake.samples);
	array_free(&fake.events);
	array_free(&fake.frames);
	memset(&fake, 0, sizeof(fake));
	assert_int_equal(array_push(&fake.stacks, empty), 0);
}

void fake_symbol(uint32_t pid, uint64_t time_ns, uint64_t start, uint64_t end, const char *function,
                 const char *file, enum hw_frame_kind kind)
{
	struct symbol symbol = {pid, time_ns, start, end, function, file, kind};

	assert_int_equal(array_push(&fake.symbols, symbol), 0);
}

void fake_thread(uint32_t pid, uint32_t tid, const char *name)
{
	struct thread thread = {pid, tid, name};

	assert_int_equal(array_push(&fake.threads, thread), 0);
}

void fake_process_event(struct hw_process_event event)
{
	assert_int_equal(array_push(&fake.process_events, event), 0);
}

uint32_t fake_stack(uint64_t leaf, ...)
{
	struct stack stack = {.count = 0};
	va_list more;

	va_start(more, leaf);
	for (uint64_t ip = leaf; ip; ip = va_arg(more, uint64_t))
		stack.ips[stack.count++] = ip;
	va_end(more);
	assert_int_equal(array_push(&fake.stacks, stack), 0);
	return (uint32_t)fake.stacks.count - 1;
}

uint32_t fake_stack_of(const uint64_t *ips, size_t count)
{
	struct stack stack = {.count = count};

	assert_true(count <= sizeof(stack.ips) / sizeof(stack.ips[0]));
	memcpy(stack.ips, ips, count * sizeof(*ips));
	assert_int_equal(array_push(&fake.stacks, stack), 0);
	return (uint32_t)fake.stacks.count - 1;
}

struct hw_sample *fake_sample(uint32_t pid, uint32_t tid, uint32_t kernel_stack, uint32_t user_stack)
{
	struct hw_sample sample = {.time_ns = (fake.samples.count + 1) * 1000000,
	                           .period = 1000,
	                           .pid = pid,
	                           .tid = tid,
	                           .kernel_stack = kernel_stack,
	                           .user_stack = user_stack,
	                           .state = user_stack ? HW_SAMPLE_ANSWERED : HW_SAMPLE_KERNEL_ONLY,
	                           .end = HW_END_COMPLETE,
	                           .cpumode = kernel_stack ? 1 : 2};

	assert_int_equal(array_push(&fake.samples, sample), 0);
	return &fake.samples.items[fake.samples.count - 1];
}

struct hw_account *fake_account(void)
{
	return &fake.account;
}

struct hw_recording_info *fake_info(void)
{
	return &fake.info;
}

void fake_event(const char *name)
{
	struct hw_recording_event event = {.frequency = true, .rate = 999};

	strncpy(event.name, name, sizeof(event.name) - 1);
	assert_int_equal(array_push(&fake.events, event), 0);
}

struct hw_recording *fake_recording(void)
{
	return (struct hw_recording *)&fake;
}

struct hw_symbolizer *fake_symbolizer(void)
{
	fake.now_ns = 0;
	fake.frames.count = 0;
	return (struct hw_symbolizer *)&fake;
}

void fake_profile(struct hw_profile *profile)
{
	struct hw_filter filter = {.idle = true, .any_event = true};
	struct hw_error err;

	assert_int_equal(hw_profile_build(profile, fake_recording(), fake_symbolizer(), &filter, &err), 0);
	hw_filter_free(&filter);
}

/*
 * Two programs and the idle task:
 *
 *	cook (pid 10, threads 10 and 11 "helper"): main 0x1000, stir 0x1100, fib 0x1200 in /bin/cook,
 *	memcpy 0x5000 in /lib/libc.so.6, JIT code 0x7000
 *	dish (pid 20): main 0x1000 in /bin/dish
 *	kernel: do_read 0xf100, syscall 0xf200, idle 0xf300
 */
void fake_scene(void)
{
	fake_reset();
	fake_event("cpu-clock");
	fake_thread(10, 10, "cook");
	fake_thread(10, 11, "helper");
	fake_thread(20, 20, "dish");
	fake_thread(0, 0, "swapper");
	fake_symbol(10, 0, 0x1000, 0x1100, "main", "/bin/cook", HW_FRAME_USER);
	fake_symbol(10, 0, 0x1100, 0x1200, "stir", "/bin/cook", HW_FRAME_USER);
	fake_symbol(10, 0, 0x1200, 0x1300, "fib", "/bin/cook", HW_FRAME_USER);
	fake_symbol(20, 0, 0x1000, 0x1100, "main", "/bin/dish", HW_FRAME_USER);
	fake_symbol(10, 0, 0x5000, 0x5100, "memcpy", "/lib/libc.so.6", HW_FRAME_USER);
	fake_symbol(10, 0, 0x7000, 0x7100, "hot;loop", "[jit]", HW_FRAME_JIT);
	fake_symbol(10, 0, 0x8000, 0x8100, NULL, "/lib/libstripped.so", HW_FRAME_USER);
	fake_symbol(0, 0, 0xf100, 0xf200, "do_read", "[kernel]", HW_FRAME_KERNEL);
	fake_symbol(0, 0, 0xf200, 0xf300, "syscall", "[kernel]", HW_FRAME_KERNEL);
	fake_symbol(0, 0, 0xf300, 0xf400, "idle", "[kernel]", HW_FRAME_KERNEL);
	fake.account = (struct hw_account){.bytes = 12345, .duration_ns = 2500000000, .ended_cleanly = true};
}

/* What merge/ has for a recording. */

const struct hw_sample *hw_recording_samples(const struct hw_recording *recording, size_t *count)
{
	(void)recording;
	*count = fake.samples.count;
	return fake.samples.items;
}

const struct hw_process_event *hw_recording_process_events(const struct hw_recording *recording,
                                                           size_t *count)
{
	(void)recording;
	*count = fake.process_events.count;
	return fake.process_events.items;
}

const struct hw_recording_event *hw_recording_events(const struct hw_recording *recording, size_t *count)
{
	(void)recording;
	*count = fake.events.count;
	return fake.events.items;
}

const struct hw_recording_info *hw_recording_info(const struct hw_recording *recording)
{
	(void)recording;
	return &fake.info;
}

const struct hw_account *hw_recording_account(const struct hw_recording *recording)
{
	(void)recording;
	return &fake.account;
}

const uint64_t *hw_recording_stack(const struct hw_recording *recording, uint32_t stack, size_t *count)
{
	(void)recording;
	*count = fake.stacks.items[stack].count;
	return fake.stacks.items[stack].ips;
}

/* What symbol/ has for a symbolizer. */

void hw_symbolizer_advance(struct hw_symbolizer *symbolizer, uint64_t time_ns)
{
	(void)symbolizer;
	assert_true(time_ns >= fake.now_ns);
	fake.now_ns = time_ns;
}

size_t hw_symbolizer_moment(const struct hw_symbolizer *symbolizer)
{
	size_t moment = 0;

	(void)symbolizer;
	array_for_each (&fake.process_events, event)
		moment += event->time_ns <= fake.now_ns;
	return moment;
}

/* Symbols of one process are not shared with others, and some come later. */
uint64_t hw_symbolizer_layout(struct hw_symbolizer *symbolizer, uint32_t pid, bool kernel)
{
	return hw_symbolizer_moment(symbolizer) << 32 | (kernel ? 0 : pid);
}

bool hw_symbolizer_was_unsure(struct hw_symbolizer *symbolizer)
{
	(void)symbolizer;
	return false;
}

void hw_symbolizer_walked(struct hw_symbolizer *symbolizer, uint64_t time_ns)
{
	(void)symbolizer;
	assert_true(time_ns <= fake.now_ns);
}

const char *hw_symbolizer_thread_name(struct hw_symbolizer *symbolizer, uint32_t pid, uint32_t tid)
{
	(void)symbolizer;
	array_for_each (&fake.threads, thread)
		if (thread->pid == pid && thread->tid == tid)
			return thread->name;
	return ":?";
}

const char *hw_symbolizer_process_name(struct hw_symbolizer *symbolizer, uint32_t pid)
{
	return hw_symbolizer_thread_name(symbolizer, pid, pid);
}

static const struct symbol *find_symbol(uint32_t pid, uint64_t address)
{
	const struct symbol *found = NULL;

	array_for_each (&fake.symbols, symbol)
		if ((!symbol->pid || symbol->pid == pid) && symbol->time_ns <= fake.now_ns &&
		    address >= symbol->start && address < symbol->end)
			found = symbol;
	return found;
}

static uint32_t intern(const char *function, const char *file, uint8_t kind)
{
	struct hw_frame frame = {.function = function, .raw_function = function, .file = file, .kind = kind};

	for (uint32_t i = 0; i < fake.frames.count; i++)
		if (fake.frames.items[i].file == file && fake.frames.items[i].function == function)
			return i;
	assert_int_equal(array_push(&fake.frames, frame), 0);
	return (uint32_t)fake.frames.count - 1;
}

uint32_t hw_symbolizer_frame(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel)
{
	const struct symbol *symbol = find_symbol(pid, lookup);

	(void)symbolizer;
	(void)kernel;
	return symbol ? intern(symbol->function, symbol->file, (uint8_t)symbol->kind)
	              : intern(NULL, "[unknown]", HW_FRAME_UNKNOWN);
}

uint32_t hw_symbolizer_marker(struct hw_symbolizer *symbolizer, const char *text)
{
	static char texts[16][64];
	static unsigned next;
	char *copy = texts[next++ % 16];

	(void)symbolizer;
	snprintf(copy, sizeof(texts[0]), "%s", text);
	return intern(copy, "[unknown]", HW_FRAME_UNKNOWN);
}

const struct hw_frame *hw_symbolizer_frame_by_id(const struct hw_symbolizer *symbolizer, uint32_t id)
{
	(void)symbolizer;
	assert_true(id < fake.frames.count);
	return &fake.frames.items[id];
}

uint32_t hw_symbolizer_frame_count(const struct hw_symbolizer *symbolizer)
{
	(void)symbolizer;
	return (uint32_t)fake.frames.count;
}

int hw_symbolizer_place(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                        bool want_line, struct hw_place *place)
{
	const struct symbol *symbol = find_symbol(pid, lookup);

	(void)symbolizer;
	(void)kernel;
	(void)want_line;
	*place = (struct hw_place){.file = symbol ? symbol->file : "[unknown]"};
	if (!symbol)
		return -ENOENT;
	place->function = symbol->function;
	place->offset = lookup - symbol->start;
	return 0;
}

/* "stir" has debug information: the first half of it is "pour", inlined. */
size_t hw_symbolizer_lines(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                           struct hw_line *lines, size_t max)
{
	const struct symbol *symbol = find_symbol(pid, lookup);
	size_t count = 0;

	(void)symbolizer;
	(void)kernel;
	assert_true(max >= 2);
	if (symbol && symbol->function && !strcmp(symbol->function, "stir")) {
		if (lookup < symbol->start + 0x80)
			lines[count++] = (struct hw_line){"pour", "/src/pour.h", 7, true};
		lines[count++] = (struct hw_line){"stir", "/src/cook.c", 42, false};
		return count;
	}
	lines[0] = (struct hw_line){.function = symbol ? symbol->function : NULL};
	return 1;
}

size_t hw_symbolizer_frames(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                            uint32_t *ids, size_t max)
{
	assert_true(max >= 1);
	ids[0] = hw_symbolizer_frame(symbolizer, pid, lookup, kernel);
	return 1;
}

const struct hw_process_event *hw_symbolizer_mapping(const struct hw_symbolizer *symbolizer, uint32_t pid,
                                                     uint64_t address, bool kernel)
{
	(void)symbolizer;
	array_for_each (&fake.process_events, event)
		if (event->type == HW_PROCESS_MMAP && event->kernel == kernel &&
		    (kernel || event->pid == pid) && address >= event->start &&
		    address - event->start < event->length)
			return event;
	return NULL;
}
