/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* GCC: libgcc/crtstuff.c; glibc: sysdeps/x86_64/crti.S and crtn.S. Instructions by the Intel SDM, vol. 2. */
#include "walk/start_code.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "walk/row.h"

#define DYNAMIC_ENTRIES_MAX 4096
#define FUNCTION_BYTES      128
#define CLONES_BYTES        192 /* of deregister_tm_clones and register_tm_clones together */

#define ON_ENTRY  HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8)
#define ONE_WORD  HW_RULE(HW_RULE_CFA, HW_REG_RSP, 16)
#define RBP_SAVED (HW_RULE(HW_RULE_CFA, HW_REG_RSP, 16) | 2ull << 32)

struct function {
	uint64_t address;
	uint8_t bytes[FUNCTION_BYTES];
	size_t size; /* of bytes that could be read */
};

static void add(struct hw_start_code *code, uint64_t address, uint64_t end, uint64_t rule)
{
	if (code->count < HW_START_RULES_MAX && end > address)
		code->rules[code->count++] =
		    (struct hw_start_rule){.address = address, .size = end - address, .rule = rule};
}

static void take(struct function *function, uint64_t address, hw_read_by_address read, const void *context)
{
	function->address = address;
	function->size = address ? read(context, address, function->bytes, sizeof(function->bytes)) : 0;
}

/* Do these bytes stand at `at`? -1 is any byte. */
static bool matches(const struct function *function, size_t at, const int16_t *pattern, size_t count)
{
	if (at > function->size || count > function->size - at)
		return false;
	for (size_t i = 0; i < count; i++)
		if (pattern[i] >= 0 && function->bytes[at + i] != pattern[i])
			return false;
	return true;
}

#define MATCHES(function, at, ...)                                                                           \
	matches(function, at, (const int16_t[]){__VA_ARGS__},                                                \
	        sizeof((const int16_t[]){__VA_ARGS__}) / sizeof(int16_t))

static size_t after_endbr64(const struct function *function)
{
	return MATCHES(function, 0, 0xf3, 0x0f, 0x1e, 0xfa) ? 4 : 0;
}

/* The target of a call or jump whose 32-bit displacement stands at `at`. */
static uint64_t target(const struct function *function, size_t at)
{
	int32_t displacement;

	memcpy(&displacement, function->bytes + at, sizeof(displacement));
	return function->address + at + 4 + (uint64_t)(int64_t)displacement;
}

/* _init, _fini: sub $8,%rsp … add $8,%rsp; ret */
static void find_section(struct hw_start_code *code, const struct function *f)
{
	size_t at = after_endbr64(f);

	if (!MATCHES(f, at, 0x48, 0x83, 0xec, 0x08))
		return;
	for (size_t end = at + 4; end + 5 <= f->size; end++) {
		if (!MATCHES(f, end, 0x48, 0x83, 0xc4, 0x08, 0xc3))
			continue;
		add(code, f->address, f->address + at + 4, ON_ENTRY);
		add(code, f->address + at + 4, f->address + end + 4, ONE_WORD);
		add(code, f->address + end + 4, f->address + end + 5, ON_ENTRY);
		return;
	}
}

/*
 * __do_global_dtors_aux: cmpb $0,completed(%rip); jne; push %rbp; [cmpq $0,__cxa_finalize(%rip);] mov
 * %rsp,%rbp; … call deregister_tm_clones; movb $1,completed(%rip); pop %rbp; ret; [nop;] ret. The address of
 * deregister_tm_clones, or 0.
 */
static uint64_t find_destructors(struct hw_start_code *code, const struct function *f)
{
	size_t at = after_endbr64(f), pushed;

	if (!MATCHES(f, at, 0x80, 0x3d, -1, -1, -1, -1, 0x00, 0x75, -1, 0x55))
		return 0;
	pushed = at + 10;
	if (!MATCHES(f, pushed, 0x48, 0x83, 0x3d, -1, -1, -1, -1, 0x00, 0x48, 0x89, 0xe5) &&
	    !MATCHES(f, pushed, 0x48, 0x89, 0xe5))
		return 0;
	for (size_t call = pushed; call + 14 <= f->size; call++) {
		if (!MATCHES(f, call, 0xe8, -1, -1, -1, -1, 0xc6, 0x05, -1, -1, -1, -1, 0x01, 0x5d, 0xc3))
			continue;
		add(code, f->address, f->address + pushed, ON_ENTRY);
		add(code, f->address + pushed, f->address + call + 13, RBP_SAVED);
		/* its own return, and the one that jne goes to */
		add(code, f->address + call + 13, f->address + at + 9 + f->bytes[at + 8] + 1, ON_ENTRY);
		return target(f, call + 1);
	}
	return 0;
}

/* frame_dummy: jmp register_tm_clones. The address of that, or 0. */
static uint64_t find_dummy(struct hw_start_code *code, const struct function *f)
{
	size_t at = after_endbr64(f);

	if (!MATCHES(f, at, 0xe9))
		return 0;
	add(code, f->address, f->address + at + 5, ON_ENTRY);
	return target(f, at + 1);
}

/* Both begin with lea …(%rip),%rdi and stand before __do_global_dtors_aux. They touch no stack. */
static void find_clones(struct hw_start_code *code, uint64_t deregister, uint64_t enroll,
                        uint64_t destructors, hw_read_by_address read, const void *context)
{
	struct function first, second;

	if (!deregister || enroll <= deregister || destructors <= enroll ||
	    destructors - deregister > CLONES_BYTES)
		return;
	take(&first, deregister, read, context);
	take(&second, enroll, read, context);
	if (MATCHES(&first, 0, 0x48, 0x8d, 0x3d) && MATCHES(&second, 0, 0x48, 0x8d, 0x3d))
		add(code, deregister, destructors, ON_ENTRY);
}

struct addresses {
	uint64_t init, fini;             /* DT_INIT and DT_FINI; 0: none */
	uint64_t first_init, first_fini; /* the first words of DT_INIT_ARRAY and DT_FINI_ARRAY */
};

/* As the linker leaves it in the file; 0 where it leaves that to a relocation. */
static uint64_t word_at(uint64_t address, hw_read_by_address read, const void *context)
{
	uint64_t word;

	return read(context, address, (uint8_t *)&word, sizeof(word)) == sizeof(word) ? word : 0;
}

static void find_addresses(struct addresses *at, uint64_t dynamic, uint64_t size, hw_read_by_address read,
                           const void *context)
{
	Elf64_Dyn entry;

	memset(at, 0, sizeof(*at));
	for (uint64_t i = 0; i < DYNAMIC_ENTRIES_MAX && i < size / sizeof(entry); i++) {
		if (read(context, dynamic + i * sizeof(entry), (uint8_t *)&entry, sizeof(entry)) !=
		        sizeof(entry) ||
		    entry.d_tag == DT_NULL)
			return;
		if (entry.d_tag == DT_INIT)
			at->init = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_FINI)
			at->fini = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_INIT_ARRAY)
			at->first_init = word_at(entry.d_un.d_ptr, read, context);
		else if (entry.d_tag == DT_FINI_ARRAY)
			at->first_fini = word_at(entry.d_un.d_ptr, read, context);
	}
}

void hw_start_code_find(struct hw_start_code *code, uint64_t dynamic, uint64_t size, hw_read_by_address read,
                        const void *context)
{
	uint64_t deregister, enroll;
	struct addresses at;
	struct function f;

	code->count = 0;
	find_addresses(&at, dynamic, size, read, context);
	take(&f, at.init, read, context);
	find_section(code, &f);
	take(&f, at.fini, read, context);
	find_section(code, &f);
	take(&f, at.first_fini, read, context);
	deregister = find_destructors(code, &f);
	take(&f, at.first_init, read, context);
	enroll = find_dummy(code, &f);
	find_clones(code, deregister, enroll, at.first_fini, read, context);
}
