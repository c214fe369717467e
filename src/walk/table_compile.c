/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From an ELF file to rows.
 *
 * All entries of all sections are put in the order of the file. A cursor goes over them once, from the
 * lowest offset up: where two overlap, the later one gets what the earlier left, so every offset is covered
 * once whatever the file says, and the work is bounded by the entries and their rows. What lies between two
 * entries becomes a gap row, except code that is known: the entry point's stub, which some C libraries leave
 * without an entry (nothing called it, so it is the outermost frame), and what walk/start_code.h finds.
 */
#include "walk/table_compile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "walk/cfi.h"
#include "walk/rule.h"
#include "walk/table_builder.h"

#define FILE_BYTES_DEFAULT (2ull << 30)
#define ROW_COUNT_DEFAULT  (16u << 20)

/* Code without an entry whose rule is known: file offsets, end exclusive. */
struct known {
	uint32_t start, end;
	uint64_t rule;
};

struct compilation {
	const struct hw_elf_input *input;
	struct hw_cfi cfi[HW_FRAME_IMAGES];
	hw_fde_array fdes;
	struct hw_table_builder builder;
	struct known known[HW_START_RULES_MAX + 1]; /* by start */
	size_t known_count;
};

static int by_offset(const void *a, const void *b)
{
	const struct hw_fde *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* Linkers sort the entries mostly, but need not. */
static void sort_fdes(hw_fde_array *fdes)
{
	for (size_t i = 1; i < fdes->count; i++) {
		if (by_offset(&fdes->items[i - 1], &fdes->items[i]) > 0) {
			qsort(fdes->items, fdes->count, sizeof(*fdes->items), by_offset);
			return;
		}
	}
}

/* How long is the padding that ends at byte `end` of the code? Compilers align functions with nops or int3.
 */
static bool ends_in_padding(const uint8_t *code, size_t end)
{
	static const struct {
		uint8_t size;
		uint8_t bytes[8];
	} nops[] = {{3, {0x0f, 0x1f, 0x00}},
	            {4, {0x0f, 0x1f, 0x40, 0x00}},
	            {5, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
	            {7, {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00}},
	            {8, {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}}};

	if (code[end - 1] == 0x90 || code[end - 1] == 0xcc)
		return true;
	for (size_t i = 0; i < sizeof(nops) / sizeof(nops[0]); i++) {
		if (end >= nops[i].size && !memcmp(code + end - nops[i].size, nops[i].bytes, nops[i].size))
			return true;
	}
	return false;
}

/* The stub ends at the next function: where padding ends at an aligned address, or where endbr64 stands. */
static size_t stub_bytes(const struct hw_elf_input *input)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

	for (size_t i = 1; i < input->stub_size; i++) {
		if ((input->entry + i) % 16)
			continue;
		if (ends_in_padding(input->stub, i))
			return i;
		if (input->stub_size - i >= sizeof(endbr64) &&
		    !memcmp(input->stub + i, endbr64, sizeof(endbr64)))
			return i;
	}
	return input->stub_size;
}

static void add_known(struct compilation *c, uint64_t address, uint64_t size, uint64_t rule)
{
	const struct hw_segment *segment = address ? hw_elf_input_code(c->input, address) : NULL;
	struct known known = {.rule = rule};
	uint64_t offset;
	size_t i;

	if (!segment || size > segment->size - (address - segment->address))
		return;
	offset = segment->offset + (address - segment->address);
	if (offset + size >= UINT32_MAX)
		return;
	known.start = (uint32_t)offset;
	known.end = known.start + (uint32_t)size;
	for (i = c->known_count++; i && c->known[i - 1].start > known.start; i--)
		c->known[i] = c->known[i - 1];
	c->known[i] = known;
}

static void find_known(struct compilation *c)
{
	const struct hw_start_code *code = &c->input->start_code;

	if (c->input->stub_size)
		add_known(c, c->input->entry, stub_bytes(c->input), HW_RULE(HW_RULE_END, 0, 0));
	for (size_t i = 0; i < code->count; i++)
		add_known(c, code->rules[i].address, code->rules[i].size, code->rules[i].rule);
}

/* Nothing covers [start, end). */
static int add_gap(struct compilation *c, uint32_t start, uint32_t end)
{
	struct hw_table_builder *builder = &c->builder;
	int r = 0;

	if (start >= end)
		return 0;
	if (builder->rows.count)
		r = hw_table_builder_add(builder, start, HW_RULE(HW_RULE_GAP, 0, 0));
	for (size_t i = 0; i < c->known_count && !r; i++) {
		const struct known *known = &c->known[i];

		if (known->start < start || known->start >= end)
			continue;
		start = known->end; /* where two overlap, the first has it */
		r = hw_table_builder_add(builder, known->start, known->rule);
		if (!r && known->end < end)
			r = hw_table_builder_add(builder, known->end, HW_RULE(HW_RULE_GAP, 0, 0));
	}
	return r;
}

/* The rule at one address and where it ends to hold, which is beyond address and at most end. */
static uint64_t rule_at(Dwarf_CFI *cfi, const struct hw_fde *fde, uint64_t address, uint64_t end,
                        uint64_t *until)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr frame_start, frame_end;
	uint64_t rule;
	bool is_signal;
	int ra;

	*until = end;
	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame) || !frame)
		return HW_RULE(HW_RULE_UNFIT, 0, 0);
	ra = dwarf_frame_info(frame, &frame_start, &frame_end, &is_signal);
	if (ra < 0) {
		rule = HW_RULE(HW_RULE_UNFIT, 0, 0);
	} else {
		rule = hw_rule_of_frame(frame, ra, is_signal, !fde->undefines_rbx);
		if (frame_end > address && frame_end < end)
			*until = frame_end;
	}
	free(frame);
	return rule;
}

/* The rows of one entry, from file offset start on. */
static int add_fde(struct compilation *c, const struct hw_fde *fde, uint32_t start)
{
	uint64_t address = fde->address + (start - fde->start);
	uint64_t end = fde->address + (fde->end - fde->start), until;
	uint64_t rule;
	int r;

	while (address < end) {
		rule = rule_at(c->cfi[fde->source].handle, fde, address, end, &until);
		if (fde->source == HW_DEBUG_FRAME)
			rule = hw_go_code_rule(&c->input->go_code, address, rule, &until);
		r = hw_table_builder_add(&c->builder, fde->start + (uint32_t)(address - fde->address), rule);
		if (r)
			return r;
		address = until;
	}
	return 0;
}

static int add_rows(struct compilation *c)
{
	uint32_t cursor = 0;
	int r;

	find_known(c);
	array_for_each (&c->fdes, fde) {
		if (fde->end <= cursor)
			continue;
		r = add_gap(c, cursor, fde->start);
		if (!r)
			r = add_fde(c, fde, fde->start > cursor ? fde->start : cursor);
		if (r)
			return r;
		cursor = fde->end;
	}
	return c->fdes.count ? add_gap(c, cursor, UINT32_MAX) : -ENOENT;
}

static int list_fdes(struct compilation *c, uint32_t row_count_max)
{
	int r;

	for (uint16_t i = 0; i < (uint16_t)HW_FRAME_IMAGES; i++) {
		r = hw_cfi_open(&c->cfi[i], &c->input->frames[i]);
		if (!r)
			r = hw_cfi_list(c->input, i, row_count_max, &c->fdes);
		if (r)
			return r;
	}
	sort_fdes(&c->fdes);
	return 0;
}

static int explain(struct hw_error *err, int r)
{
	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
		return hw_fail(err, r, "no unwind information for code in the file");
	case -E2BIG:
		return hw_fail(err, r, "its unwind table has more rows than the limit");
	case -ENOMEM:
		return hw_fail(err, r, "out of memory for its unwind table");
	default:
		return hw_fail(err, r, "its unwind information cannot be used: the file is corrupt");
	}
}

int hw_table_compile_input(const struct hw_elf_input *input, uint32_t row_count_max, struct hw_table *table,
                           struct hw_error *err)
{
	struct compilation c = {.input = input};
	int r;

	memset(table, 0, sizeof(*table));
	r = hw_table_builder_init(&c.builder, row_count_max);
	if (!r)
		r = list_fdes(&c, row_count_max);
	if (!r)
		r = add_rows(&c);
	if (!r)
		r = hw_table_builder_finish(&c.builder, table);
	if (!r) {
		memcpy(table->build_id, input->build_id, sizeof(table->build_id));
		table->build_id_size = input->build_id_size;
	}
	hw_table_builder_clear(&c.builder);
	array_free(&c.fdes);
	for (int i = 0; i < HW_FRAME_IMAGES; i++)
		hw_cfi_close(&c.cfi[i]);
	return explain(err, r);
}

struct hw_compile_limits hw_compile_limits_or_default(const struct hw_compile_limits *limits)
{
	struct hw_compile_limits result = {0};

	if (limits)
		result = *limits;
	if (!result.file_bytes)
		result.file_bytes = FILE_BYTES_DEFAULT;
	if (!result.row_count)
		result.row_count = ROW_COUNT_DEFAULT;
	return result;
}

static int compile(int fd, const void *image, size_t size, const struct hw_compile_limits *given,
                   struct hw_table *table, struct hw_error *err)
{
	struct hw_compile_limits limits = hw_compile_limits_or_default(given);
	struct hw_elf_input input;
	int r;

	memset(table, 0, sizeof(*table));
	r = hw_elf_input_read(&input, fd, image, size, limits.file_bytes, err);
	if (!r)
		r = hw_table_compile_input(&input, limits.row_count, table, err);
	hw_elf_input_clear(&input);
	return r;
}

int hw_table_compile(int fd, const struct hw_compile_limits *limits, struct hw_table *table,
                     struct hw_error *err)
{
	if (fd < 0)
		return hw_fail(err, -EBADF, "no file to compile an unwind table from");
	return compile(fd, NULL, 0, limits, table, err);
}

int hw_table_compile_image(const void *image, size_t size, const struct hw_compile_limits *limits,
                           struct hw_table *table, struct hw_error *err)
{
	return compile(-1, image, size, limits, table, err);
}

/* The image is two pages; its section headers, at the end, may be used but are not needed. */
int hw_table_compile_vdso(struct hw_table *table)
{
	const struct hw_compile_limits limits = {.file_bytes = 1 << 20, .row_count = 1 << 16};
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);

	memset(table, 0, sizeof(*table));
	return image ? hw_table_compile_image(image, 8192, &limits, table, NULL) : -ENOENT;
}
