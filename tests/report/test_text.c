/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Whatever bytes a name has, what is shown of it is printable. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "report/text.h"

#define printed(call)                                                                                        \
	({                                                                                                   \
		char *text_ = NULL;                                                                          \
		size_t size_ = 0;                                                                            \
		FILE *out = open_memstream(&text_, &size_);                                                  \
		call;                                                                                        \
		fclose(out);                                                                                 \
		text_;                                                                                       \
	})

#define assert_printed(call, expected)                                                                       \
	do {                                                                                                 \
		char *is_ = printed(call);                                                                   \
		assert_string_equal(is_, expected);                                                          \
		free(is_);                                                                                   \
	} while (0)

static void plain_text_stays(void **state)
{
	(void)state;
	assert_printed(hw_text_print_all(out, "std::vector<int>::push_back(int&&)", NULL),
	               "std::vector<int>::push_back(int&&)");
	assert_printed(hw_text_print_all(out, "größe_日本_🏠", NULL), "größe_日本_🏠");
	assert_printed(hw_text_print_all(out, "", NULL), "");
}

static void terminal_escapes_become_visible(void **state)
{
	(void)state;
	assert_printed(hw_text_print_all(out, "\033[2J\033]0;x\007\r\n\t\177", NULL),
	               "\\x1b[2J\\x1b]0;x\\x07\\x0d\\x0a\\x09\\x7f");
	/* C1 controls, as UTF-8: CSI is U+009B */
	assert_printed(hw_text_print_all(out, "\xc2\x9b", NULL), "\\u{9b}");
}

static void bytes_that_are_not_utf8_become_visible(void **state)
{
	(void)state;
	assert_printed(hw_text_print_all(out, "a\xff\xfe\x80z", NULL), "a\\xff\\xfe\\x80z");
	assert_printed(hw_text_print_all(out, "\xc3", NULL), "\\xc3");                   /* cut short */
	assert_printed(hw_text_print_all(out, "\xe2\x82", NULL), "\\xe2\\x82");          /* cut short */
	assert_printed(hw_text_print_all(out, "\xc0\xaf", NULL), "\\xc0\\xaf");          /* overlong '/' */
	assert_printed(hw_text_print_all(out, "\xed\xa0\x80", NULL), "\\xed\\xa0\\x80"); /* surrogate */
	assert_printed(hw_text_print_all(out, "\xf5\x80\x80\x80", NULL), "\\xf5\\x80\\x80\\x80");
}

static void text_that_reorders_or_hides_becomes_visible(void **state)
{
	(void)state;
	assert_printed(hw_text_print_all(out, "a\u202eb\u2066c\u200bd\ufeffe\u2028", NULL),
	               "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}e\\u{2028}");
}

static void separators_are_avoided(void **state)
{
	(void)state;
	assert_printed(hw_text_print_all(out, "a;b;;c", ";"), "a:b::c");
}

static void long_text_is_cut_in_the_middle(void **state)
{
	(void)state;
	assert_printed(assert_int_equal(hw_text_print(out, "abcdefghij", 10, 0), 10), "abcdefghij");
	assert_printed(assert_int_equal(hw_text_print(out, "abcdefghijk", 10, 0), 10), "abcd…ghijk");
	assert_printed(assert_int_equal(hw_text_print(out, "abcdefghijk", 10, 1), 10), "abc...hijk");
	/* two columns each: never more than there is room for */
	assert_printed(assert_true(hw_text_print(out, "日本日本日本日本", 9, 0) <= 9), "日本…日本");
}

static void json_cannot_leave_its_string_or_its_script(void **state)
{
	(void)state;
	assert_printed(hw_text_print_json(out, "</script><!--\"\\&\n", 1000),
	               "\\u003c/script\\u003e\\u003c!--\\u0022\\u005c\\u0026\\u005cx0a");
	assert_printed(hw_text_print_json(out, "abcdef", 3), "abc…");
}

static void html_cannot_leave_its_text_or_attribute(void **state)
{
	(void)state;
	assert_printed(hw_text_print_html(out, "<b a='\"'>&", 1000), "&#60;b a=&#39;&#34;&#39;&#62;&#38;");
}

static void numbers_read_well(void **state)
{
	(void)state;
	assert_string_equal(hw_text_count(0).text, "0");
	assert_string_equal(hw_text_count(999).text, "999");
	assert_string_equal(hw_text_count(1000).text, "1,000");
	assert_string_equal(hw_text_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	assert_string_equal(hw_text_duration(12034000000).text, "12.03 s");
	assert_string_equal(hw_text_duration(125000000000).text, "2 min 05 s");
	assert_string_equal(hw_text_duration(7384000000000).text, "2 h 03 min");
	assert_string_equal(hw_text_duration(850000000).text, "850 ms");
	assert_string_equal(hw_text_bytes(156452).text, "152.8 KiB");
	assert_string_equal(hw_text_bytes(17).text, "17 B");
}

static void percentages_never_claim_all_or_nothing(void **state)
{
	(void)state;
	assert_string_equal(hw_text_percent(0, 10).text, "0");
	assert_string_equal(hw_text_percent(10, 10).text, "100");
	assert_string_equal(hw_text_percent(999999, 1000000).text, ">99.99");
	assert_string_equal(hw_text_percent(9997, 10000).text, "99.97");
	assert_string_equal(hw_text_percent(1, 1000000).text, "<0.1");
	assert_string_equal(hw_text_percent(1, 8).text, "12.5");
	assert_string_equal(hw_text_percent(0, 0).text, "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_text_stays),
	    cmocka_unit_test(terminal_escapes_become_visible),
	    cmocka_unit_test(bytes_that_are_not_utf8_become_visible),
	    cmocka_unit_test(text_that_reorders_or_hides_becomes_visible),
	    cmocka_unit_test(separators_are_avoided),
	    cmocka_unit_test(long_text_is_cut_in_the_middle),
	    cmocka_unit_test(json_cannot_leave_its_string_or_its_script),
	    cmocka_unit_test(html_cannot_leave_its_text_or_attribute),
	    cmocka_unit_test(numbers_read_well),
	    cmocka_unit_test(percentages_never_claim_all_or_nothing),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
