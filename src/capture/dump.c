/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The backend "dump": any Linux with perf_event_open. Each sample brings the user registers and a copy of the
 * top of the stack; the finisher walks it.
 */
#include <asm/perf_regs.h>
#include <time.h>

#include "capture/event.h"
#include "capture/perf_source.h"

#define STACK_BYTES_DEFAULT 16384u
#define RING_BYTES_DEFAULT  (8u << 20)

#define BIT(n) (1ull << (n))
/* In the order in which they come in a sample: that of their bits. */
static const struct {
	uint8_t perf, dwarf;
} registers[] = {
    {PERF_REG_X86_AX, 0},   {PERF_REG_X86_BX, 3},   {PERF_REG_X86_CX, 2},   {PERF_REG_X86_DX, 1},
    {PERF_REG_X86_SI, 4},   {PERF_REG_X86_DI, 5},   {PERF_REG_X86_BP, 6},   {PERF_REG_X86_SP, 7},
    {PERF_REG_X86_IP, 16},  {PERF_REG_X86_R8, 8},   {PERF_REG_X86_R9, 9},   {PERF_REG_X86_R10, 10},
    {PERF_REG_X86_R11, 11}, {PERF_REG_X86_R12, 12}, {PERF_REG_X86_R13, 13}, {PERF_REG_X86_R14, 14},
    {PERF_REG_X86_R15, 15},
};
#define REGISTER_COUNT (sizeof(registers) / sizeof(registers[0]))

static void set_event(struct hw_perf_source *dump)
{
	const uint32_t stack = dump->options.stack_bytes ? dump->options.stack_bytes : STACK_BYTES_DEFAULT;
	struct perf_event_attr *attr = &dump->attr;

	attr->sample_type = HW_SAMPLE_TYPE | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	attr->sample_stack_user = stack & ~7u;
	for (size_t i = 0; i < REGISTER_COUNT; i++)
		attr->sample_regs_user |= BIT(registers[i].perf);
	attr->exclude_callchain_user = 1;
	attr->exclude_idle = 1;
	attr->sample_id_all = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
}

/* A reader over the words of a sample: past the end everything is 0. */
struct words {
	const uint64_t *at, *end;
};

static uint64_t take_word(struct words *words)
{
	return words->at < words->end ? *words->at++ : 0;
}

static const uint64_t *take_words(struct words *words, uint64_t count)
{
	const uint64_t *taken = words->at;

	if (count > (uint64_t)(words->end - words->at))
		return NULL;
	words->at += count;
	return taken;
}

/* Kernel frames without the context markers, which stand at the top of the address space. */
static uint32_t keep_kernel_ips(const uint64_t *ips, uint64_t count, uint64_t *kept)
{
	uint32_t kernel_count = 0;

	for (uint64_t i = 0; i < count && kernel_count < HW_KERNEL_FRAMES_MAX; i++)
		if (ips[i] < (uint64_t)-4095)
			kept[kernel_count++] = ips[i];
	return kernel_count;
}

static void keep_registers(struct words *words, struct hw_stack_copy *copy)
{
	const uint64_t abi = take_word(words);

	copy->user_part = abi != PERF_SAMPLE_REGS_ABI_NONE;
	for (size_t i = 0; i < REGISTER_COUNT && copy->user_part; i++) {
		const uint64_t value = take_word(words);

		if (registers[i].dwarf == 16)
			copy->pc = value;
		else
			copy->regs[registers[i].dwarf] = value;
	}
	if (abi == PERF_SAMPLE_REGS_ABI_32)
		copy->refusal = HW_REFUSE_COMPAT;
	else if (copy->user_part && !copy->pc && !copy->regs[HW_REG_RSP])
		copy->refusal = HW_REFUSE_IO_WORKER;
	else if (copy->user_part && copy->pc >> 63)
		copy->refusal = HW_REFUSE_NO_USER_REGS;
}

static int take_sample(struct hw_perf_source *dump, const struct perf_event_header *record)
{
	struct words words = {.at = (const uint64_t *)(record + 1),
	                      .end = (const uint64_t *)((const char *)record + record->size)};
	struct hw_stack_copy copy = {.cpumode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK};
	uint64_t ids, count, size, kernel_ips[HW_KERNEL_FRAMES_MAX];
	const uint64_t *ips, *stack = NULL;

	copy.ip = take_word(&words);
	ids = take_word(&words);
	copy.pid = (uint32_t)ids;
	copy.tid = (uint32_t)(ids >> 32);
	copy.time_ns = take_word(&words);
	copy.cpu = (uint32_t)take_word(&words);
	copy.period = take_word(&words);
	count = take_word(&words);
	ips = take_words(&words, count);
	if (!ips)
		return 0;
	copy.kernel_count = keep_kernel_ips(ips, count, kernel_ips);
	keep_registers(&words, &copy);
	copy.stack_address = copy.regs[HW_REG_RSP];
	size = take_word(&words);
	if (size && size % 8 == 0)
		stack = take_words(&words, size / 8);
	if (stack) {
		const uint64_t got = take_word(&words);

		copy.stack_size = (uint32_t)(got < size ? got : size);
	}
	hw_finisher_push_copy(dump->finisher, &copy, kernel_ips, stack); /* else it is counted */
	return 0;
}

static int take(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct hw_perf_source *dump = context;

	if (record->type == PERF_RECORD_SAMPLE)
		return take_sample(dump, record);
	if (hw_finisher_push_record(dump->finisher, record))
		return hw_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int open_dump(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                     struct hw_capture **result, struct hw_error *err)
{
	struct hw_perf_source *dump = calloc(1, sizeof(*dump));

	if (!dump)
		return hw_fail(err, -ENOMEM, "out of memory");
	dump->capture.backend = &hw_backend_dump;
	dump->set_event = set_event;
	dump->take = take;
	return hw_perf_source_open(dump, options, sink, RING_BYTES_DEFAULT, result, err);
}

static int stop(struct hw_capture *capture, int grace_ms, struct hw_error *err)
{
	struct hw_perf_source *dump = (struct hw_perf_source *)capture;

	(void)grace_ms; /* nothing comes later */
	hw_perf_source_disable(dump);
	return hw_perf_source_finish(dump, err);
}

const struct hw_backend hw_backend_dump = {
    .name = "dump",
    .open = open_dump,
    .close = hw_perf_source_close,
    .event = hw_perf_source_event,
    .add_process = hw_perf_source_add_process,
    .start = hw_perf_source_start,
    .poll = hw_perf_source_poll,
    .stop = stop,
    .status = hw_perf_source_status,
};
