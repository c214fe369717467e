/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What people and programs read: the report's parts, script's lines, the object of stats, filters. */
#include "fake.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "report/print.h"
#include "report/script.h"
#include "report/stats.h"
#include "report/text.h"

static const struct hw_style plain = {.width = 100};
static const struct hw_style ascii = {.width = 100, .ascii = true};

/* As in test_counts.c: 10 samples in three programs. */
static void tell_kitchen(void)
{
	uint32_t copying, stirring, fib;

	fake_scene();
	copying = fake_stack(0x5010ul, 0x1120ul, 0x1010ul, 0ul);
	stirring = fake_stack(0x1130ul, 0x1010ul, 0ul);
	fib = fake_stack(0x1210ul, 0x1220ul, 0x1220ul, 0x1020ul, 0ul);
	for (int i = 0; i < 4; i++)
		fake_sample(10, 10, 0, copying);
	fake_sample(10, 10, 0, stirring);
	fake_sample(10, 11, 0, fib);
	fake_sample(10, 11, 0, fib);
	fake_sample(10, 10, fake_stack(0xf110ul, 0xf210ul, 0ul), stirring);
	fake_sample(20, 20, 0, fake_stack(0x1010ul, 0ul));
	fake_sample(0, 0, fake_stack(0xf310ul, 0ul), 0);
}

/* What call writes to out. */
#define written(call)                                                                                        \
	({                                                                                                   \
		char *text_ = NULL;                                                                          \
		size_t size_ = 0;                                                                            \
		FILE *out = open_memstream(&text_, &size_);                                                  \
		call;                                                                                        \
		fclose(out);                                                                                 \
		text_;                                                                                       \
	})

#define assert_written(call, expected)                                                                       \
	do {                                                                                                 \
		char *is_ = written(call);                                                                   \
		assert_string_equal(is_, expected);                                                          \
		free(is_);                                                                                   \
	} while (0)

static void tree(FILE *out, const struct hw_style *style, struct hw_tree_options options, double percent)
{
	const struct hw_print_limits limits = {.percent = percent, .total = true};
	struct hw_profile profile;
	struct hw_tree built;
	struct hw_error err;

	fake_profile(&profile);
	assert_int_equal(hw_tree_build(&built, &profile, &options, &err), 0);
	assert_int_equal(hw_print_tree(out, style, &profile, &built, &options, &limits), 0);
	hw_tree_free(&built);
	hw_profile_free(&profile);
}

static void the_tree_indents_where_calls_part_ways(void **state)
{
	(void)state;
	tell_kitchen();
	assert_written(tree(out, &plain, (struct hw_tree_options){.grouping = HW_GROUP_NAME}, 0.5),
	               "Call tree\n"
	               "   total    self\n"
	               "   80.00           cook\n"
	               "   80.00           └─ main  cook\n"
	               "   60.00   10.00      ├─ stir\n"
	               "   40.00   40.00      │  ├─ memcpy  libc.so.6\n"
	               "   10.00              │  └─ syscall [k]\n"
	               "   10.00   10.00      │     do_read [k]\n"
	               "   20.00   20.00      └─ fib ×3\n"
	               "   10.00           dish\n"
	               "   10.00   10.00   └─ main  dish\n"
	               "   10.00           swapper\n"
	               "   10.00   10.00   └─ idle [k]\n");
}

static void light_branches_are_counted_not_shown(void **state)
{
	(void)state;
	tell_kitchen();
	assert_written(
	    tree(out, &ascii, (struct hw_tree_options){.grouping = HW_GROUP_NONE}, 15),
	    "Call tree\n"
	    "   total    self\n"
	    "   80.00           main  cook\n"
	    "   60.00   10.00   |- stir\n"
	    "   40.00   40.00   |  `- memcpy  libc.so.6\n"
	    "   20.00   20.00   `- fib x3\n"
	    "                 3 lighter branches below 15 % left out (--percent-limit 0 shows all)\n");
}

static void the_inverted_tree_shows_callers(void **state)
{
	(void)state;
	fake_scene();
	fake_sample(10, 10, 0, fake_stack(0x5010ul, 0x1120ul, 0x1010ul, 0ul));
	fake_sample(10, 10, 0, fake_stack(0x5010ul, 0x1220ul, 0x1010ul, 0ul));
	assert_written(
	    tree(out, &plain, (struct hw_tree_options){.grouping = HW_GROUP_PROCESS, .inverted = true}, 0),
	    "Callers: each function that ran, and below it who called it\n"
	    "   total\n"
	    "  100.00   memcpy  libc.so.6\n"
	    "   50.00   ├─ stir  cook\n"
	    "   50.00   │  main\n"
	    "   50.00   │  cook  pid 10\n"
	    "   50.00   └─ fib  cook\n"
	    "   50.00      main\n"
	    "   50.00      cook  pid 10\n");
}

static void a_stack_of_any_depth_is_printed(void **state)
{
	uint64_t ips[600];
	char *text;

	(void)state;
	fake_scene();
	for (size_t i = 0; i < 600; i++)
		ips[i] = i % 2 ? 0x1110 : 0x1210;
	/* A branch at every level: the second sample stops one frame earlier each time. */
	for (size_t i = 0; i < 300; i++)
		fake_sample(10, 10, fake_stack(0xf110ul, 0ul), fake_stack_of(ips + i, 600 - i));
	text = written(tree(out, &plain, (struct hw_tree_options){.grouping = HW_GROUP_NAME}, 0));
	for (char *line = text; line && *line; line = strchr(line, '\n') + 1)
		assert_true(strchr(line, '\n') - line < 400);
	free(text);
}

static void flat(FILE *out, const char *keys, bool by_total, double percent)
{
	const struct hw_print_limits limits = {.percent = percent, .total = by_total};
	struct hw_flat_options options = {.by_total = by_total};
	struct hw_profile profile;
	struct hw_flat built;
	struct hw_error err;

	fake_profile(&profile);
	assert_int_equal(hw_flat_parse_keys(keys, &options.keys, &err), 0);
	assert_int_equal(hw_flat_build(&built, &profile, &options, &err), 0);
	assert_int_equal(hw_print_flat(out, &ascii, &profile, &built, &options, &limits), 0);
	hw_flat_free(&built);
	hw_profile_free(&profile);
}

static void the_list_shows_the_heaviest_first(void **state)
{
	(void)state;
	tell_kitchen();
	assert_written(flat(out, "dso,sym", false, 15),
	               "Functions, by what they ran themselves (self)\n"
	               "    self               samples  function                        file\n"
	               "   40.00  ########           4  memcpy                          libc.so.6\n"
	               "   20.00  ####               2  fib                             cook\n"
	               "   40.00  6 more below 15 %, together by self\n");
	assert_written(flat(out, "pid", true, 0),
	               "Processes, by what they and all they called ran (children)\n"
	               "children                self     samples     pid  name            \n"
	               "   80.00  ########     80.00           8      10  cook            \n"
	               "   10.00  #            10.00           1       0  swapper         \n"
	               "   10.00  #            10.00           1      20  dish            \n");
}

static void hostile_names_do_not_reach_the_terminal(void **state)
{
	char *text;

	(void)state;
	fake_scene();
	fake_thread(30, 30, "\033[31mred\n");
	fake_symbol(30, 0, 0x100, 0x200, "evil\033]0;title\007\n", "/tmp/\033[2J", HW_FRAME_USER);
	fake_sample(30, 30, 0, fake_stack(0x110ul, 0ul));
	text = written({
		flat(out, "comm,dso,sym", false, 0);
		tree(out, &plain, (struct hw_tree_options){.grouping = HW_GROUP_NAME}, 0);
	});
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\007'));
	assert_non_null(strstr(text, "\\x1b[31mred\\x0a"));
	free(text);
}

static void tell_account(void)
{
	*fake_account() = (struct hw_account){
	    .bytes = 5000,
	    .duration_ns = 2000000000,
	    .samples = 1000,
	    .user_samples = 900,
	    .asked = 890,
	    .answered = 880,
	    .callchains = 700,
	    .complete = 878,
	    .repeated = 3,
	    .ended = {[HW_END_COMPLETE] = 878, [HW_END_GAP] = 2},
	    .unanswered = {[HW_UNANSWERED_IN_KERNEL] = 9, [HW_UNANSWERED_EXITED] = 1},
	    .refused = {[HW_REFUSE_EXITING] = 7},
	    .direct = 3,
	    .lost_callchains = 4,
	    .ended_cleanly = true,
	};
}

static void the_account_says_everything_in_words(void **state)
{
	(void)state;
	fake_scene();
	tell_account();
	assert_written(
	    hw_print_account(out, &ascii, fake_account()),
	    "Account\n"
	    "       1,000            samples\n"
	    "            100    10.0 %  of tasks without a user part: kernel threads, idle\n"
	    "            900    90.0 %  of tasks with a user part\n"
	    "               890    98.9 %  asked for the user stack\n"
	    "                  880    98.9 %  were answered\n"
	    "                     878   99.77 %  complete: reached the outermost frame\n"
	    "                       2     0.2 %  gap: code that no unwind entry covers, and no frame "
	    "pointer\n"
	    "                   10     1.1 %  were not answered\n"
	    "                       9     1.0 %  in-kernel: still in the kernel when the recording ended\n"
	    "                       1     0.1 %  exited: the task exited first\n"
	    "                 3     0.3 %  brought their user stack with them\n"
	    "                 7     0.8 %  did not ask\n"
	    "                    7     0.8 %  exiting: the task was exiting\n"
	    "         700            user stacks walked\n"
	    "              3            more came twice and were ignored\n"
	    "           4            user stacks lost\n");
}

static void stats_is_one_object_whose_parts_add_up(void **state)
{
	struct hw_error err;

	(void)state;
	fake_scene();
	tell_account();
	fake_info()->backend = "bpf";
	assert_written(
	    assert_int_equal(hw_stats_write_json(out, fake_recording(), &err), 0),
	    "{\"backend\":\"bpf\",\"duration_ns\":2000000000,\"bytes\":5000,\"samples\":1000,"
	    "\"user_samples\":900,\"asked\":890,\"answered\":880,\"callchains\":700,\"complete\":878,"
	    "\"ended\":{\"complete\":878,\"gap\":2},\"unanswered\":{\"in-kernel\":9,\"exited\":1},"
	    "\"refused\":{\"direct\":3,\"exiting\":7},\"lost\":{\"samples\":0,\"callchains\":4},\"lost_on\":["
	    "]}\n");
	fake_info()->backend = NULL;
	*fake_account() = (struct hw_account){0};
	assert_written(
	    assert_int_equal(hw_stats_write_json(out, fake_recording(), &err), 0),
	    "{\"backend\":null,\"duration_ns\":0,\"bytes\":0,\"samples\":0,\"user_samples\":0,\"asked\":0,"
	    "\"answered\":0,\"callchains\":0,\"complete\":0,\"ended\":{},\"unanswered\":{},\"refused\":{},"
	    "\"lost\":{\"samples\":0,\"callchains\":0},\"lost_on\":[]}\n");
}

static void script(FILE *out, const char *fields, struct hw_filter *filter)
{
	unsigned wanted = HW_FIELDS_DEFAULT;
	struct hw_error err;

	if (fields)
		assert_int_equal(hw_script_parse_fields(fields, &wanted, &err), 0);
	filter->idle = filter->any_event = true;
	assert_int_equal(hw_script_write(out, fake_recording(), fake_symbolizer(), filter, wanted, &err), 0);
}

static void script_has_the_layout_of_perf(void **state)
{
	struct hw_filter all = {0};
	struct hw_sample *sample;

	(void)state;
	fake_scene();
	fake_sample(10, 10, fake_stack(0xf110ul, 0xf210ul, 0ul), fake_stack(0x8010ul, 0x1010ul, 0ul));
	sample = fake_sample(20, 20, fake_stack(0xf110ul, 0ul), 0);
	sample->state = HW_SAMPLE_UNANSWERED;
	sample->cookie = 0x1700000001;
	sample->cpu = 1;
	sample->time_ns = 11172837999;
	assert_written(script(out, NULL, &all), "cook      10 [000]     0.001000:       1000 cpu-clock: \n"
	                                        "\t            f110 do_read+0x10 ([kernel])\n"
	                                        "\t            f210 syscall+0x10 ([kernel])\n"
	                                        "\t            8010 [unknown] (/lib/libstripped.so)\n"
	                                        "\t            1010 main+0x10 (/bin/cook)\n"
	                                        "\n"
	                                        "dish      20 [001]    11.172837:       1000 cpu-clock: \n"
	                                        "\t            f110 do_read+0x10 ([kernel])\n"
	                                        "\t      1700000001 (cookie) ([unknown])\n"
	                                        "\n");
}

static void script_shows_the_fields_asked_for(void **state)
{
	struct hw_filter all = {0};
	struct hw_error err;
	unsigned fields;

	(void)state;
	fake_scene();
	fake_sample(10, 11, 0, fake_stack(0x1110ul, 0x1010ul, 0ul));
	assert_written(script(out, "comm,pid,tid,time,event", &all),
	               "          helper      10/11          0.001000: cpu-clock: \n");
	assert_written(script(out, "pid,ip,sym", &all), "     10 \n"
	                                                "\t            1110 stir\n"
	                                                "\t            1010 main\n"
	                                                "\n");
	assert_written(script(out, "-time,-cpu,-period,-event,-dso,-symoff,-tid", &all),
	               "helper \n"
	               "\t            1110 stir\n"
	               "\t            1010 main\n"
	               "\n");
	assert_int_equal(hw_script_parse_fields("comm,flavour", &fields, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'flavour'"));
	assert_int_equal(hw_script_parse_fields("sym", &fields, &err), -EINVAL);
	assert_int_equal(hw_script_parse_fields("", &fields, &err), -EINVAL);
}

static uint64_t profiled(struct hw_filter *filter)
{
	struct hw_profile profile;
	struct hw_error err;
	uint64_t samples;

	filter->any_event = true;
	assert_int_equal(hw_profile_build(&profile, fake_recording(), fake_symbolizer(), filter, &err), 0);
	samples = profile.total.samples;
	assert_int_equal(samples + profile.filtered + profile.idle.samples, 10);
	hw_profile_free(&profile);
	hw_filter_free(filter);
	return samples;
}

static void filters_choose_samples(void **state)
{
	struct hw_filter filter = {0};
	struct hw_error err;

	(void)state;
	tell_kitchen();
	assert_int_equal(profiled(&filter), 9); /* without the idle task */
	filter.idle = true;
	assert_int_equal(profiled(&filter), 10);
	assert_int_equal(hw_filter_add_pids(&filter, "10,20", &err), 0);
	assert_int_equal(profiled(&filter), 9);
	assert_int_equal(hw_filter_add_tids(&filter, "11", &err), 0);
	assert_int_equal(profiled(&filter), 2);
	assert_int_equal(hw_filter_add_names(&filter, "cook,dish", &err), 0);
	assert_int_equal(profiled(&filter), 7);
	assert_int_equal(hw_filter_set_function(&filter, "^(mem|do_)", &err), 0);
	assert_int_equal(profiled(&filter), 5);
	assert_int_equal(hw_filter_set_file(&filter, "dish|libc", &err), 0);
	assert_int_equal(profiled(&filter), 5);
	filter.part = HW_STACK_KERNEL;
	assert_int_equal(profiled(&filter), 1);
	filter.part = HW_STACK_USER;
	assert_int_equal(profiled(&filter), 9);
}

static void filters_that_make_no_sense_are_refused(void **state)
{
	struct hw_filter filter = {0};
	struct hw_error err;

	(void)state;
	assert_int_equal(hw_filter_add_pids(&filter, "1,,2", &err), -EINVAL);
	assert_int_equal(hw_filter_add_pids(&filter, "12x", &err), -EINVAL);
	assert_int_equal(hw_filter_add_pids(&filter, "-1", &err), -EINVAL);
	assert_int_equal(hw_filter_add_tids(&filter, "4294967296", &err), -EINVAL);
	assert_int_equal(hw_filter_add_names(&filter, "", &err), -EINVAL);
	assert_int_equal(hw_filter_set_function(&filter, "(", &err), -EINVAL);
	assert_non_null(strstr(err.text, "'('"));
	assert_int_equal(hw_filter_set_function(&filter, "a", &err), 0);
	assert_int_equal(hw_filter_set_function(&filter, "b", &err), -EINVAL);
	hw_filter_free(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_tree_indents_where_calls_part_ways),
	    cmocka_unit_test(light_branches_are_counted_not_shown),
	    cmocka_unit_test(the_inverted_tree_shows_callers),
	    cmocka_unit_test(a_stack_of_any_depth_is_printed),
	    cmocka_unit_test(the_list_shows_the_heaviest_first),
	    cmocka_unit_test(hostile_names_do_not_reach_the_terminal),
	    cmocka_unit_test(the_account_says_everything_in_words),
	    cmocka_unit_test(stats_is_one_object_whose_parts_add_up),
	    cmocka_unit_test(script_has_the_layout_of_perf),
	    cmocka_unit_test(script_shows_the_fields_asked_for),
	    cmocka_unit_test(filters_choose_samples),
	    cmocka_unit_test(filters_that_make_no_sense_are_refused),
	};
	int failed;

	setlocale(LC_CTYPE, "C.UTF-8");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_reset();
	return failed;
}
