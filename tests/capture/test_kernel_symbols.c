/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The kernel's symbols, read once for many, and kept up with as BPF programs come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/kernel_symbols.h"
#include "perfdata/records.h"

#define FAR 0xfffffffffff00000ull /* behind all programs */

static struct hw_kernel_symbols *all_read(void)
{
	struct hw_kernel_symbols *symbols = hw_kernel_symbols_new();

	assert_non_null(symbols);
	while (hw_kernel_symbols_read(symbols))
		;
	return symbols;
}

static size_t count_of(const struct hw_kernel_symbols *symbols)
{
	size_t count = 0;
	uint64_t last = 0;

	for (const struct hw_bpf_symbol *each; (each = hw_kernel_symbols_bpf(symbols, count)); count++) {
		assert_true(each->start > last || !each->start);
		last = each->start;
	}
	return count;
}

static bool follow(struct hw_kernel_symbols *symbols, uint64_t start, const char *name, bool gone)
{
	struct hw_record_id id = {0};
	uint64_t buffer[64];
	uint16_t flags = gone ? PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER : 0;

	assert_true(hw_build_ksymbol(buffer, sizeof(buffer), &id, start, 100, name) > 0);
	memcpy((char *)buffer + 22, &flags, sizeof(flags));
	return hw_kernel_symbols_follow(symbols, (struct perf_event_header *)buffer);
}

static void programs_that_come_and_go_are_followed(void **state)
{
	struct hw_kernel_symbols *symbols = all_read();
	size_t before = count_of(symbols);

	(void)state;
	assert_true(follow(symbols, FAR + 0x200, "bpf_prog_second", false));
	assert_true(follow(symbols, FAR + 0x100, "bpf_prog_first", false));
	assert_true(follow(symbols, FAR + 0x200, "bpf_prog_other", false));
	assert_int_equal(count_of(symbols), before + 2);
	assert_string_equal(hw_kernel_symbols_bpf(symbols, before)->name, "bpf_prog_first");
	assert_string_equal(hw_kernel_symbols_bpf(symbols, before + 1)->name, "bpf_prog_other");
	assert_true(follow(symbols, FAR + 0x100, "bpf_prog_first", true));
	assert_true(follow(symbols, FAR + 0x100, "bpf_prog_first", true));
	assert_int_equal(count_of(symbols), before + 1);
	assert_string_equal(hw_kernel_symbols_bpf(symbols, before)->name, "bpf_prog_other");
	hw_kernel_symbols_release(symbols);
}

static void nothing_changes_under_who_is_telling(void **state)
{
	struct hw_kernel_symbols *symbols = all_read(), *shared = hw_kernel_symbols_share(symbols);
	size_t before = count_of(symbols);

	(void)state;
	assert_ptr_equal(shared, symbols);
	assert_false(follow(symbols, FAR, "bpf_prog_late", false));
	assert_int_equal(count_of(symbols), before);
	hw_kernel_symbols_release(symbols);
	assert_true(follow(shared, FAR, "bpf_prog_late", false));
	hw_kernel_symbols_release(shared);
	symbols = hw_kernel_symbols_new();
	assert_false(
	    follow(symbols, FAR, "bpf_prog_late", false)); /* not read yet: it may be in there or not */
	hw_kernel_symbols_release(symbols);
	hw_kernel_symbols_release(NULL);
}

static void a_reading_that_nobody_goes_on_with_is_abandoned(void **state)
{
	struct hw_kernel_symbols *symbols = hw_kernel_symbols_new(),
	                         *reader = hw_kernel_symbols_share(symbols);

	(void)state;
	assert_false(hw_kernel_symbols_abandoned(symbols));
	assert_true(hw_kernel_symbols_read(reader));
	hw_kernel_symbols_release(reader);
	assert_true(hw_kernel_symbols_abandoned(symbols));
	hw_kernel_symbols_release(symbols);
	symbols = all_read();
	assert_false(hw_kernel_symbols_abandoned(symbols));
	hw_kernel_symbols_release(symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(programs_that_come_and_go_are_followed),
	    cmocka_unit_test(nothing_changes_under_who_is_telling),
	    cmocka_unit_test(a_reading_that_nobody_goes_on_with_is_abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
