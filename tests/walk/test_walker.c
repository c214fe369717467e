/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The walker on this very program, which is built without frame pointers: from its own registers and a copy
 * of its own stack it must find the callers that libgcc's unwinder finds, which reads the same unwind entries
 * with code of its own, and live memory. (It is what backtrace() of the C library calls.)
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <cmocka.h>

#include "late.h"
#include "self.h"

#define OUT_OF_LINE __attribute__((noinline))

/* functions.S: each calls what it is given, from a frame of its own kind. */
void through_drap(void (*function)(void));
void through_saved_rsp(void (*function)(void));
void through_rbx(void (*function)(void));
void through_moved_return_address(void (*function)(void));
void through_register(void);
void single_step(void (*function)(void));

static struct self_walk walk;
static void *expected[HW_FRAMES_MAX];
static int expected_count;
static int checks;

static _Unwind_Reason_Code add_caller(struct _Unwind_Context *context, void *unused)
{
	(void)unused;
	if (expected_count < HW_FRAMES_MAX)
		expected[expected_count++] = (void *)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

/* Fill expected[] from the caller of this function up. */
static OUT_OF_LINE void unwind(void)
{
	expected_count = 0;
	_Unwind_Backtrace(add_caller, NULL);
	if (expected_count && !expected[expected_count - 1])
		expected_count--; /* above the outermost */
	memmove(expected, expected + 1, (size_t)--expected_count * sizeof(expected[0]));
}

/* The walk must be complete and equal expected[skip…], from frame `from` on. */
static void check_walk(int skip, int from)
{
	checks++;
	if (walk.reason != HW_END_COMPLETE)
		fail_msg("ended with reason %d after %u frames, ip %#lx", walk.reason, walk.depth,
		         walk.ips[walk.depth - 1]);
	if ((int)walk.depth != expected_count - skip)
		fail_msg("from %#lx: %u frames, libgcc has %d", walk.ips[0], walk.depth,
		         expected_count - skip);
	for (int i = from; i < (int)walk.depth; i++) {
		if (walk.ips[i] != (uint64_t)expected[skip + i])
			fail_msg("frame %d: %#lx, libgcc has %p", i, walk.ips[i], expected[skip + i]);
	}
}

/* Frame 0 is this function in both, at two different calls. */
static OUT_OF_LINE void check_here(void)
{
	struct saved_registers registers;

	save_registers(&registers);
	self_walk(&registers, &walk);
	unwind();
	check_walk(0, 1);
}

/* Recurse so that frames differ in size and in what they save; not a tail call. */
static OUT_OF_LINE int recurse(int depth, int a, int b)
{
	char room[64];
	int result;

	memset(room, depth, sizeof(room));
	if (!depth)
		check_here();
	else if (depth % 3 == 0)
		return recurse(depth - 1, b, a + room[3]) + a * b;
	result = depth ? recurse(depth - 1, a + 1, b + room[5]) : 0;
	__asm__ volatile("" ::"r"(room) : "memory");
	return result + a - b;
}

static void a_deep_stack_without_frame_pointers_is_complete(void **state)
{
	(void)state;
	recurse(30, 1, 2);
	assert_true(walk.depth > 31);
	recurse(200, 1, 2);
	assert_true(walk.depth > 201);
}

static int compare_and_check(const void *a, const void *b)
{
	static int calls;

	if (++calls == 7)
		check_here();
	return *(const int *)a - *(const int *)b;
}

static void a_callback_below_the_c_library_is_complete(void **state)
{
	int numbers[50], before = checks;

	(void)state;
	for (int i = 0; i < 50; i++)
		numbers[i] = i * 37 % 50;
	qsort(numbers, 50, sizeof(numbers[0]), compare_and_check);
	assert_int_equal(checks, before + 1);
}

static OUT_OF_LINE void with_alloca(size_t size)
{
	char *room = __builtin_alloca(size);

	memset(room, 1, size);
	check_here();
	__asm__ volatile("" ::"r"(room) : "memory");
}

static OUT_OF_LINE void with_aligned_alloca(size_t size)
{
	char aligned[64] __attribute__((aligned(128)));
	char *room = __builtin_alloca(size);

	memset(room, 1, size);
	memset(aligned, 1, sizeof(aligned));
	check_here();
	__asm__ volatile("" ::"r"(room), "r"(aligned) : "memory");
}

static void frames_of_every_kind_are_walked(void **state)
{
	(void)state;
	with_alloca((size_t)rand() % 100 + 10);
	with_aligned_alloca((size_t)rand() % 100 + 10);
	through_drap(check_here);
	through_saved_rsp(check_here);
	through_rbx(check_here);
	through_moved_return_address(check_here);
}

static void call_through_rbx(void)
{
	through_rbx(check_here);
}

static void call_through_saved_rsp(void)
{
	through_saved_rsp(call_through_rbx);
}

static void call_through_drap(void)
{
	through_drap(call_through_saved_rsp);
}

static void registers_are_followed_through_nested_kinds(void **state)
{
	(void)state;
	through_rbx(call_through_drap);
	through_drap(call_through_drap);
	through_saved_rsp(call_through_drap);
}

/* From within the dynamic linker, while it binds a symbol. */
static void late_binding_is_walked(void **state)
{
	int before = checks;

	(void)state;
	late_callback = check_here;
	assert_int_equal(late_indirect(), 42);
	late_callback = NULL;
	assert_int_equal(checks, before + 1);
}

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	(void)signal;
	check_here();
	handled++;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	assert_int_equal(sigaction(signal, &action, NULL), 0);
}

static void a_signal_handler_is_walked_through(void **state)
{
	(void)state;
	handled = 0;
	handle(SIGUSR1, on_signal, 0);
	raise(SIGUSR1);
	assert_int_equal(handled, 1);
}

/* Two stacks, the other one inside this one's frame, so that one copy holds both. */
static void a_signal_handler_on_its_own_stack_is_walked_through(void **state)
{
	char room[65536];
	stack_t other = {.ss_sp = room, .ss_size = sizeof(room)}, old;

	(void)state;
	handled = 0;
	assert_int_equal(sigaltstack(&other, &old), 0);
	handle(SIGUSR2, on_signal, SA_ONSTACK);
	raise(SIGUSR2);
	old.ss_flags = SS_DISABLE;
	assert_int_equal(sigaltstack(&old, NULL), 0);
	assert_int_equal(handled, 1);
}

static void *in_thread(void *context)
{
	recurse(30, 3, 4);
	return context;
}

static void a_thread_is_complete(void **state)
{
	pthread_t thread;
	int before = checks;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(checks, before + 1);
}

/* The handler runs between any two instructions. Frames 0 and 1 of libgcc's are its own and the kernel's.
 */
static unsigned int steps, undecided;

static void on_step(int signal, siginfo_t *info, void *context)
{
	struct saved_registers registers;

	(void)signal;
	(void)info;
	steps++;
	registers_of_context(context, &registers);
	self_walk(&registers, &walk);
	unwind();
	/* where libgcc itself knows no entry it stops */
	if (walk.reason == HW_END_GAP || walk.reason == HW_END_UNFIT || walk.reason == HW_END_LOST_REGISTER)
		undecided++;
	else
		check_walk(2, 0);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void call_alloca(void)
{
	size_t size = (size_t)rand() % 50 + 20;
	char *room = __builtin_alloca(size);

	memset(room, 1, size);
	__asm__ volatile("" ::"r"(room) : "memory");
}

/* Code of all kinds, in this program, the C library, the dynamic linker (late_plain is not bound yet), the
 * vDSO. */
static OUT_OF_LINE void many_kinds_of_code(void)
{
	int numbers[5] = {5, 3, 4, 1, 2};
	struct timespec now;
	char text[64];

	qsort(numbers, 5, sizeof(numbers[0]), compare);
	assert_int_equal(late_plain(numbers[0]), 2);
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "%d %s %f", numbers[4], "text", 0.25);
	assert_string_equal(text, "5 text 0.250000");
	through_drap(call_alloca);
	through_saved_rsp(call_alloca);
	through_rbx(call_alloca);
	through_moved_return_address(call_alloca);
	through_register();
}

static void every_single_instruction_is_walked_as_libgcc_does(void **state)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	(void)state;
	assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
	single_step(many_kinds_of_code);
	print_message("%u instructions, %u undecided\n", steps, undecided);
	assert_true(steps > 2000);
	assert_true(undecided * 200 < steps);
}

static void a_short_copy_is_told_from_a_bad_stack(void **state)
{
	struct saved_registers registers;
	struct self_walk short_walk;

	(void)state;
	save_registers(&registers);
	self_walk(&registers, &walk);
	assert_int_equal(walk.reason, HW_END_COMPLETE);
	self_walk_copy(&registers, 0, &short_walk);
	assert_int_equal(short_walk.reason, HW_END_SHORT_COPY);
	assert_int_equal(short_walk.depth, 1);
	self_walk_copy(&registers, 300, &short_walk);
	assert_int_equal(short_walk.reason, HW_END_SHORT_COPY);
	assert_true(short_walk.depth >= 1 && short_walk.depth < walk.depth);
	assert_memory_equal(short_walk.ips, walk.ips, short_walk.depth * sizeof(walk.ips[0]));
}

static void a_jump_into_nowhere_is_no_mapping(void **state)
{
	struct saved_registers registers;

	(void)state;
	save_registers(&registers);
	registers.reg[16] = 16;
	self_walk(&registers, &walk);
	assert_int_equal(walk.reason, HW_END_NO_MAPPING);
	assert_int_equal(walk.depth, 1);
	assert_int_equal(walk.ips[0], 16);
}

/* Whatever stands in registers and on the stack, a walk ends, with a reason, and within its frames. */
static void a_stack_of_garbage_is_walked_without_harm(void **state)
{
	struct saved_registers registers, garbage;
	unsigned int reasons[HW_END_REASON_COUNT] = {0};
	uint64_t stack[512], random = 88172645463325252ull;

	(void)state;
	save_registers(&registers);
	for (int i = 0; i < 5000; i++) {
		for (size_t word = 0; word < 512; word++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* code of ours, the stack itself, anything */
			stack[word] = random % 4 == 0   ? registers.reg[16] + random % 8192 - 4096
			              : random % 4 == 1 ? (uint64_t)stack + random % sizeof(stack)
			                                : random;
		}
		memcpy(garbage.reg, stack, sizeof(garbage.reg));
		garbage.reg[HW_REG_RSP] = (uint64_t)(stack + 20 + i % 400);
		garbage.reg[16] = registers.reg[16] + random % 4096 - 2048;
		self_walk_copy(&garbage, sizeof(stack) / 2, &walk);
		assert_true(walk.depth >= 1 && walk.depth <= HW_FRAMES_MAX);
		assert_in_range(walk.reason, HW_END_COMPLETE, HW_END_REASON_COUNT - 1);
		reasons[walk.reason]++;
	}
	assert_true(reasons[HW_END_NO_MAPPING] > 300);
	assert_true(reasons[HW_END_SHORT_COPY] > 10);
}

static int load(void **state)
{
	(void)state;
	unwind(); /* binds its symbols */
	self_load();
	return self_table_count() >= 5 ? 0 : -1; /* program, late, cmocka, libc, ld.so, … */
}

static int unload(void **state)
{
	(void)state;
	self_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_deep_stack_without_frame_pointers_is_complete),
	    cmocka_unit_test(a_callback_below_the_c_library_is_complete),
	    cmocka_unit_test(frames_of_every_kind_are_walked),
	    cmocka_unit_test(registers_are_followed_through_nested_kinds),
	    cmocka_unit_test(late_binding_is_walked),
	    cmocka_unit_test(a_signal_handler_is_walked_through),
	    cmocka_unit_test(a_signal_handler_on_its_own_stack_is_walked_through),
	    cmocka_unit_test(a_thread_is_complete),
	    cmocka_unit_test(every_single_instruction_is_walked_as_libgcc_does),
	    cmocka_unit_test(a_short_copy_is_told_from_a_bad_stack),
	    cmocka_unit_test(a_stack_of_garbage_is_walked_without_harm),
	    cmocka_unit_test(a_jump_into_nowhere_is_no_mapping),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
