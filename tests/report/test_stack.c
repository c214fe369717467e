/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From the addresses of a sample to frames, as of the sample's time. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* The functions of a sample's stack, root first, joined by ';'. */
static char *resolve(enum hw_stack_part part, size_t at, int expected)
{
	static char text[512];
	struct hw_frame_list frames = {0};
	const struct hw_sample *samples;
	struct hw_stacks stacks;
	uint32_t stack;
	size_t count;
	int code = 0;

	samples = hw_recording_samples(NULL, &count);
	assert_int_equal(hw_stacks_init(&stacks, fake_recording(), fake_symbolizer(), part), 0);
	for (size_t i = 0; i <= at; i++)
		code = hw_stacks_resolve(&stacks, &samples[i], &stack);
	assert_int_equal(code, expected);
	text[0] = '\0';
	if (!code) {
		assert_int_equal(hw_stacks_frames(&stacks, stack, &frames), 0);
		for (size_t i = frames.count; i-- > 0;) {
			const struct hw_frame *frame = hw_symbolizer_frame_by_id(NULL, frames.items[i]);

			strcat(text, frame->function ? frame->function : "?");
			if (i)
				strcat(text, ";");
		}
	}
	free(frames.items);
	hw_stacks_free(&stacks);
	return text;
}

static void kernel_frames_stand_inside_user_frames(void **state)
{
	(void)state;
	fake_scene();
	fake_sample(10, 10, fake_stack(0xf110, 0xf210, 0), fake_stack(0x1110, 0x1010, 0));
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "main;stir;syscall;do_read");
}

static void a_return_address_belongs_to_the_instruction_before(void **state)
{
	(void)state;
	fake_scene();
	/* A call that does not return is the last instruction of stir: it returns to where fib begins. */
	fake_sample(10, 10, 0, fake_stack(0x5000, 0x1200, 0x1010, 0));
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "main;stir;memcpy");
	/* The innermost frame stopped exactly there. */
	fake_sample(10, 10, 0, fake_stack(0x1200, 0x1010, 0));
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "main;fib");
	/* and so in the kernel */
	fake_sample(10, 10, fake_stack(0xf200, 0xf300, 0), fake_stack(0x1010, 0));
	assert_string_equal(resolve(HW_STACK_ALL, 2, 0), "main;syscall;syscall");
}

static void a_signal_trampoline_and_what_it_interrupted_are_exact(void **state)
{
	(void)state;
	fake_scene();
	fake_symbol(10, 0, 0x6000, 0x6009, "__restore_rt", "/lib/libc.so.6", HW_FRAME_USER);
	/* handler stir, trampoline entered at its start, main interrupted at its first instruction */
	fake_sample(10, 10, 0, fake_stack(0x1110, 0x6000, 0x1200, 0x1010, 0));
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "main;fib;__restore_rt;stir");
}

static void a_missing_user_stack_is_marked(void **state)
{
	struct hw_sample *sample;

	(void)state;
	fake_scene();
	sample = fake_sample(10, 10, fake_stack(0xf110, 0xf210, 0), 0);
	sample->state = HW_SAMPLE_UNANSWERED;
	sample->unanswered = HW_UNANSWERED_IN_KERNEL;
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "[user stack: in-kernel];syscall;do_read");
	sample = fake_sample(10, 10, fake_stack(0xf110, 0), 0);
	sample->state = HW_SAMPLE_REFUSED;
	sample->refusal = HW_REFUSE_EXITING;
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "[refused: exiting];do_read");
	sample->refusal = 31;
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "[refused: ?];do_read");
	assert_string_equal(resolve(HW_STACK_USER, 1, 0), "[refused: ?]");
	assert_string_equal(resolve(HW_STACK_KERNEL, 1, 0), "do_read");
}

static void an_incomplete_walk_is_marked_at_its_outer_end(void **state)
{
	(void)state;
	fake_scene();
	fake_sample(10, 10, 0, fake_stack(0x5010, 0x1110, 0))->end = HW_END_GAP;
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "[incomplete: gap];stir;memcpy");
	/* Recordings of others do not say how walks ended: no claim either way. */
	fake_sample(10, 10, 0, fake_stack(0x5010, 0x1110, 0))->end = HW_END_UNSAID;
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "stir;memcpy");
}

static void equal_stacks_that_ended_otherwise_are_told_apart(void **state)
{
	uint32_t stack;

	(void)state;
	fake_scene();
	stack = fake_stack(0x5010, 0x1110, 0);
	fake_sample(10, 10, 0, stack)->end = HW_END_GAP;
	fake_sample(10, 10, 0, stack);
	fake_sample(10, 10, 0, stack)->end = HW_END_GAP;
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "stir;memcpy");
	assert_string_equal(resolve(HW_STACK_ALL, 2, 0), "[incomplete: gap];stir;memcpy");
}

static void a_sample_without_stacks_still_says_where_it_hit(void **state)
{
	struct hw_sample *sample;

	(void)state;
	fake_scene();
	sample = fake_sample(10, 10, 0, 0);
	sample->state = HW_SAMPLE_UNANSWERED;
	sample->unanswered = HW_UNANSWERED_EXITED;
	sample->ip = 0x1110;
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "[user stack: exited];stir");
	sample = fake_sample(0, 0, 0, 0);
	sample->ip = 0xf310;
	sample->cpumode = 1;
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "idle");
}

static void parts_leave_the_others_out(void **state)
{
	(void)state;
	fake_scene();
	fake_sample(10, 10, fake_stack(0xf110, 0), fake_stack(0x1110, 0));
	assert_string_equal(resolve(HW_STACK_USER, 0, 0), "stir");
	assert_string_equal(resolve(HW_STACK_KERNEL, 0, 0), "do_read");
	fake_sample(10, 10, 0, fake_stack(0x1110, 0));
	resolve(HW_STACK_KERNEL, 1, -ENODATA);
	fake_sample(0, 0, fake_stack(0xf310, 0), 0);
	resolve(HW_STACK_USER, 2, -ENODATA);
}

static void the_same_addresses_mean_something_else_after_exec_or_mmap(void **state)
{
	uint32_t stack;

	(void)state;
	fake_scene();
	stack = fake_stack(0x1110, 0x1010, 0);
	fake_sample(10, 10, 0, stack); /* at 1 ms */
	fake_sample(10, 10, 0, stack);
	fake_sample(10, 10, 0, stack);
	fake_process_event((struct hw_process_event){
	    .time_ns = 1500000, .type = HW_PROCESS_COMM, .pid = 10, .tid = 10, .exec = true, .name = "new"});
	fake_symbol(10, 1500000, 0x1100, 0x1200, "other", "/bin/new", HW_FRAME_USER);
	fake_process_event((struct hw_process_event){
	    .time_ns = 3000000, .type = HW_PROCESS_MMAP, .pid = 10, .tid = 10, .name = "/lib/plugin.so"});
	fake_symbol(10, 3000000, 0x1100, 0x1200, "plugin", "/lib/plugin.so", HW_FRAME_USER);
	assert_string_equal(resolve(HW_STACK_ALL, 0, 0), "main;stir");
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "main;other");
	assert_string_equal(resolve(HW_STACK_ALL, 2, 0), "main;plugin");
}

static void processes_do_not_share_what_addresses_mean(void **state)
{
	uint32_t stack;

	(void)state;
	fake_scene();
	fake_symbol(20, 0, 0x1100, 0x1200, "wash", "/bin/dish", HW_FRAME_USER);
	stack = fake_stack(0x1110, 0);
	fake_sample(10, 10, 0, stack);
	fake_sample(20, 20, 0, stack);
	fake_sample(10, 11, 0, stack);
	assert_string_equal(resolve(HW_STACK_ALL, 1, 0), "wash");
	assert_string_equal(resolve(HW_STACK_ALL, 2, 0), "stir");
}

static void a_deep_stack_under_many_kernel_stacks_is_kept_once(void **state)
{
	struct hw_stacks stacks;
	uint32_t user, stack, deep;
	const struct hw_sample *samples;
	size_t count;

	(void)state;
	fake_scene();
	user = fake_stack(0x1110, 0x1110, 0x1110, 0x1110, 0x1110, 0x1110, 0x1110, 0x1110, 0x1010, 0);
	for (unsigned i = 0; i < 100; i++) {
		fake_symbol(0, 0, 0xe000 + i, 0xe001 + i, i % 2 ? "odd" : "even", "[kernel]",
		            HW_FRAME_KERNEL);
		fake_sample(10, 10, fake_stack(0xe000ul + i, 0), user);
	}
	samples = hw_recording_samples(NULL, &count);
	assert_int_equal(hw_stacks_init(&stacks, fake_recording(), fake_symbolizer(), HW_STACK_ALL), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(hw_stacks_resolve(&stacks, &samples[i], &stack), 0);
	/* the empty path, the user's, two of the kernel's */
	assert_int_equal(stacks.paths.count, 4);
	assert_int_equal(stacks.frames.count, 9 + 2);
	assert_int_equal(stacks.stacks.count, 2);
	hw_stacks_path(&stacks, stacks.stacks.items[stack].user, &deep);
	assert_int_equal(deep, 9);
	hw_stacks_free(&stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kernel_frames_stand_inside_user_frames),
	    cmocka_unit_test(a_return_address_belongs_to_the_instruction_before),
	    cmocka_unit_test(a_signal_trampoline_and_what_it_interrupted_are_exact),
	    cmocka_unit_test(a_missing_user_stack_is_marked),
	    cmocka_unit_test(an_incomplete_walk_is_marked_at_its_outer_end),
	    cmocka_unit_test(equal_stacks_that_ended_otherwise_are_told_apart),
	    cmocka_unit_test(a_sample_without_stacks_still_says_where_it_hit),
	    cmocka_unit_test(parts_leave_the_others_out),
	    cmocka_unit_test(the_same_addresses_mean_something_else_after_exec_or_mmap),
	    cmocka_unit_test(processes_do_not_share_what_addresses_mean),
	    cmocka_unit_test(a_deep_stack_under_many_kernel_stacks_is_kept_once),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
