/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tables of real files against libdw's own answers: at thousands of addresses, one step by the row and one
 * by the DWARF expressions, over the same made-up registers and memory, must lead to the same caller.
 */
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "oracle.h"
#include "walk/step.h"
#include "walk/table.h"

static int hw_read_stack(struct hw_walk *w, hw_u64 address, hw_u64 *value)
{
	(void)w;
	*value = oracle_memory(address);
	return 0;
}

struct subject {
	Elf *elf;
	Dwarf_CFI *cfi;
	struct hw_table table;
	uint64_t entry;
	unsigned int steps, gaps, start_code, ends, unfit, lost;
};

static void made_up_registers(uint64_t pc, uint64_t reg[ORACLE_REGISTERS])
{
	for (uint64_t i = 0; i < 16; i++)
		reg[i] = 0x7fe000000000ull + ((pc * 31 + i * 0x3779b97f4a7c15ull) >> 20 & 0xffffff8);
	reg[HW_REG_RSP] = 0x7f0000000000ull;
	reg[16] = pc;
}

static void start_walk(struct hw_walk *w, const uint64_t reg[ORACLE_REGISTERS])
{
	memset(w, 0, sizeof(*w));
	w->pc = reg[16];
	memcpy(w->reg, reg, sizeof(w->reg));
	w->known = 0xffff;
}

static void compare_register(struct subject *s, struct hw_walk *w, const struct oracle_frame *caller, int reg,
                             uint64_t pc)
{
	uint64_t value;

	if (hw_register(w, (hw_u32)reg, &value)) {
		s->lost++;
		return;
	}
	/* libdw takes rbx for undefined where nothing is said; the psABI preserves it */
	if (!caller->known[reg] && reg != HW_REG_RBX)
		fail_msg("register %d at %#lx: libdw says it is gone", reg, pc);
	if (value != caller->reg[reg])
		fail_msg("register %d at %#lx: %#lx, libdw has %#lx", reg, pc, value, caller->reg[reg]);
}

/* rsp+8 or rsp+16, rbp saved there or not: what the start files' functions have. */
static bool is_start_rule(uint64_t rule)
{
	return (uint32_t)rule == HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8) ||
	       (uint32_t)rule == HW_RULE(HW_RULE_CFA, HW_REG_RSP, 16);
}

/* One address: the row's step and libdw's must agree. */
static void compare(struct subject *s, uint64_t pc, uint32_t offset)
{
	static const int saved[] = {HW_REG_RBX, HW_REG_RBP, HW_REG_R12, HW_REG_R13, HW_REG_R14, HW_REG_R15};
	uint64_t rule = hw_table_rule(&s->table, offset), reg[ORACLE_REGISTERS];
	Dwarf_Frame *frame = NULL;
	struct oracle_frame caller;
	struct hw_walk w;
	int r;

	if (dwarf_cfi_addrframe(s->cfi, pc, &frame)) {
		if (HW_RULE_KIND(rule) == HW_RULE_END && pc - s->entry < 256)
			return;
		if (is_start_rule(rule)) { /* walk/start_code.h; tests/truth steps through them */
			s->start_code++;
			return;
		}
		if (HW_RULE_KIND(rule) != HW_RULE_GAP)
			fail_msg("%#lx: libdw knows no entry, the rule is %#lx", pc, rule);
		s->gaps++;
		return;
	}
	made_up_registers(pc, reg);
	start_walk(&w, reg);
	r = hw_step(&w, rule);
	if (r == HW_STEP_UNFIT) {
		s->unfit++;
	} else if (oracle_step(frame, reg, &caller)) {
		fail_msg("%#lx: libdw's rule cannot be worked out, ours is %#lx", pc, rule);
	} else if (!caller.has_caller) {
		assert_int_equal(r, HW_STEP_END);
		s->ends++;
	} else {
		if (r != HW_STEP_OK || w.pc != caller.reg[16] || w.reg[HW_REG_RSP] != caller.reg[HW_REG_RSP])
			fail_msg("%#lx: step %d to %#lx, libdw to %#lx; rule %#lx", pc, r, w.pc,
			         caller.reg[16], rule);
		for (size_t i = 0; i < sizeof(saved) / sizeof(saved[0]); i++)
			compare_register(s, &w, &caller, saved[i], pc);
		s->steps++;
	}
	free(frame);
}

/* Every stride-th address of every executable segment. */
static void compare_all(struct subject *s, unsigned int stride)
{
	GElf_Phdr header;
	GElf_Ehdr ehdr;
	size_t count;

	assert_non_null(gelf_getehdr(s->elf, &ehdr));
	s->entry = ehdr.e_entry;
	s->cfi = dwarf_getcfi_elf(s->elf);
	assert_non_null(s->cfi);
	assert_int_equal(elf_getphdrnum(s->elf, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_non_null(gelf_getphdr(s->elf, (int)i, &header));
		if (header.p_type != PT_LOAD || !(header.p_flags & PF_X))
			continue;
		for (uint64_t at = 0; at < header.p_filesz; at += stride)
			compare(s, header.p_vaddr + at, (uint32_t)(header.p_offset + at));
	}
	dwarf_cfi_end(s->cfi);
	assert_true(hw_table_is_sound(&s->table));
}

static void compare_file(const char *path, unsigned int stride, struct subject *s)
{
	struct hw_error err = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(s, 0, sizeof(*s));
	assert_true(fd >= 0);
	if (hw_table_compile(fd, NULL, &s->table, &err))
		fail_msg("%s: %s", path, err.text);
	s->elf = elf_begin(fd, ELF_C_READ, NULL);
	compare_all(s, stride);
	elf_end(s->elf);
	close(fd);
	print_message("%s: %u rows; %u steps, %u ends, %u gaps, %u unfit, %u lost registers\n", path,
	              s->table.row_count, s->steps, s->ends, s->gaps, s->unfit, s->lost);
	hw_table_clear(&s->table);
}

/* Find a loaded library's path by the beginning of its name. */
struct wanted {
	const char *name;
	char path[512];
};

static int take_path(struct dl_phdr_info *info, size_t size, void *context)
{
	struct wanted *wanted = context;
	const char *base = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!base || strncmp(base + 1, wanted->name, strlen(wanted->name)))
		return 0;
	snprintf(wanted->path, sizeof(wanted->path), "%s", info->dlpi_name);
	return 1;
}

static const char *loaded(const char *name)
{
	static struct wanted wanted;

	wanted.name = name;
	assert_int_equal(dl_iterate_phdr(take_path, &wanted), 1);
	return wanted.path;
}

static void every_step_in_libc_is_libdws(void **state)
{
	struct subject s;

	(void)state;
	compare_file(loaded("libc.so"), 13, &s);
	assert_true(s.steps > 80000);
	assert_true(s.ends > 0);
	assert_true(s.unfit < 100); /* longjmp and setcontext, between two stacks */
	assert_int_equal(s.lost, 0);
}

static void every_step_in_the_dynamic_linker_is_libdws(void **state)
{
	struct subject s;

	(void)state;
	compare_file(loaded("ld-linux"), 1, &s);
	assert_true(s.steps > 100000);
	assert_true(s.unfit < 100);
	assert_int_equal(s.lost, 0);
}

/* Built with every form of unwind entry: see functions.S. */
static void every_step_in_this_program_is_libdws(void **state)
{
	struct subject s;

	(void)state;
	compare_file("/proc/self/exe", 1, &s);
	assert_true(s.steps > 1000);
	assert_true(s.ends > 0);
	assert_true(s.unfit > 0);
	assert_true(s.lost > 0);
}

/* Nothing calls an entry point, whether an unwind entry says so or there is none. */
static void entry_points_are_outermost(void **state)
{
	const char *paths[] = {"/proc/self/exe", loaded("ld-linux")};
	struct subject s;
	GElf_Ehdr header;
	int fd;

	(void)state;
	for (int i = 0; i < 2; i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		assert_int_equal(hw_table_compile(fd, NULL, &s.table, NULL), 0);
		s.elf = elf_begin(fd, ELF_C_READ, NULL);
		assert_non_null(gelf_getehdr(s.elf, &header));
		/* in both, code lies in the file as it does in memory */
		assert_int_equal(hw_table_rule(&s.table, (uint32_t)header.e_entry),
		                 HW_RULE(HW_RULE_END, 0, 0));
		assert_int_equal(hw_table_rule(&s.table, (uint32_t)header.e_entry + 12),
		                 HW_RULE(HW_RULE_END, 0, 0));
		assert_int_not_equal(hw_table_rule(&s.table, (uint32_t)header.e_entry + 256),
		                     HW_RULE(HW_RULE_END, 0, 0));
		elf_end(s.elf);
		close(fd);
		hw_table_clear(&s.table);
	}
}

static void the_vdso_compiles_from_memory(void **state)
{
	const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)vdso;
	struct subject s = {0};
	struct hw_error err = {0};
	size_t size;

	(void)state;
	if (!vdso)
		skip();
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	if (hw_table_compile_image(vdso, size, NULL, &s.table, &err))
		fail_msg("vDSO: %s", err.text);
	s.elf = elf_memory((char *)vdso, size);
	compare_all(&s, 1);
	elf_end(s.elf);
	assert_true(s.steps > 100);
	assert_int_equal(s.unfit, 0);
	hw_table_clear(&s.table);
}

static void the_build_id_is_read(void **state)
{
	struct hw_table table;
	const void *id;
	ssize_t size;
	int fd;
	Elf *elf;

	(void)state;
	fd = open(loaded("libc.so"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(hw_table_compile(fd, NULL, &table, NULL), 0);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	size = 20;
	assert_int_equal(table.build_id_size, size);
	/* the note's name and identifier, straight from the file's bytes */
	id = elf_rawfile(elf, (size_t *)&size);
	assert_non_null(id);
	id = memmem(id, 0x1000, "\4\0\0\0\24\0\0\0\3\0\0\0GNU", 16);
	assert_non_null(id);
	assert_memory_equal(table.build_id, (const char *)id + 16, 20);
	elf_end(elf);
	close(fd);
	hw_table_clear(&table);
}

static void limits_are_kept(void **state)
{
	struct hw_compile_limits small_file = {.file_bytes = 4096}, few_rows = {.row_count = 1000};
	struct hw_error err = {0};
	struct hw_table table;
	int fd = open(loaded("libc.so"), O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(hw_table_compile(fd, &small_file, &table, &err), -E2BIG);
	assert_int_equal(err.code, -E2BIG);
	assert_int_equal(hw_table_compile(fd, &few_rows, &table, &err), -E2BIG);
	assert_null(table.words);
	close(fd);
}

static void what_is_not_elf_is_refused(void **state)
{
	struct hw_error err = {0};
	struct hw_table table;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC), pipes[2];

	(void)state;
	assert_int_equal(hw_table_compile(fd, NULL, &table, &err), -ENOEXEC);
	close(fd);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(hw_table_compile(pipes[0], NULL, &table, &err), -ENOEXEC);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(hw_table_compile(-1, NULL, &table, &err), -EBADF);
	assert_int_equal(hw_table_compile_image("", 0, NULL, &table, &err), -ENOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_step_in_libc_is_libdws),
	    cmocka_unit_test(every_step_in_the_dynamic_linker_is_libdws),
	    cmocka_unit_test(every_step_in_this_program_is_libdws),
	    cmocka_unit_test(entry_points_are_outermost),
	    cmocka_unit_test(the_vdso_compiles_from_memory),
	    cmocka_unit_test(the_build_id_is_read),
	    cmocka_unit_test(limits_are_kept),
	    cmocka_unit_test(what_is_not_elf_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
