/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * make_page KIND: a flame graph page on standard output.
 *
 *	large	at least 100,000 frames, 8 processes, up to 120 deep, all kinds of frames
 *	small	a page whose numbers can be told by hand
 *	hostile	names that try to leave the page's strings, elements and lines
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include "report/flame.h"

#define FUNCTIONS 4000

static const char *const words[] = {"parse", "lex",  "emit",  "visit", "fold",  "hash", "insert", "lookup",
                                    "alloc", "copy", "flush", "read",  "write", "lock", "wait",   "merge"};

static unsigned next(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static const char *make_name(unsigned i)
{
	static char names[FUNCTIONS][160];
	const char *a = words[i % 16], *b = words[i / 16 % 16], *c = words[i / 256 % 16];

	if (i % 5 == 0)
		snprintf(names[i], sizeof(names[i]),
		         "compiler::%s::%s_pass<std::vector<unsigned int> >::%s_%u(Node const*, bool)", a, b,
		         c, i);
	else
		snprintf(names[i], sizeof(names[i]), "%s_%s_%s_%u", a, b, c, i);
	return names[i];
}

static void tell_machine(void)
{
	static const char *const command[] = {"homeward", "record", "-a", "-d", "12", "--", "make", "-j2"};
	struct hw_recording_info *info = fake_info();

	info->hostname = "kiln";
	info->os_release = "6.18.0";
	info->arch = "x86_64";
	info->cpu_description = "AMD EPYC 7B13";
	info->backend = "bpf";
	info->cpus_online = 2;
	info->memory_bytes = 24ull << 30;
	info->command = command;
	info->command_count = sizeof(command) / sizeof(command[0]);
}

/* An account that adds up, for count samples of which idle are the idle task's. */
static void tell_account(uint64_t count, uint64_t idle)
{
	struct hw_account *account = fake_account();

	account->duration_ns = 12034000000;
	account->bytes = 4200000;
	account->samples = count;
	account->user_samples = account->asked = count - idle;
	account->answered = account->asked - 8;
	account->unanswered[HW_UNANSWERED_IN_KERNEL] = 8;
	account->ended[HW_END_GAP] = 4;
	account->ended[HW_END_COMPLETE] = account->complete = account->answered - 4;
	account->callchains = account->answered * 9 / 10;
}

static void tell_large(void)
{
	static const char *const programs[] = {"cc1plus", "ld", "make", "as", "node", "python3", "git", "sh"};
	static const char *const files[] = {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus",
	                                    "/lib/x86_64-linux-gnu/libc.so.6",
	                                    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/bin/node"};
	unsigned state = 7, samples = 7000;
	uint64_t ips[512];

	fake_thread(0, 0, "swapper");
	for (unsigned p = 0; p < 8; p++)
		for (unsigned t = 0; t < 3; t++)
			fake_thread(100 + p, 100 + p + t * 1000, t ? "worker" : programs[p]);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		fake_symbol(0, 0, 0x10000ul + i * 16, 0x10010ul + i * 16, i % 37 == 5 ? NULL : make_name(i),
		            i % 41 == 3 ? "[jit]" : files[i % 4], i % 41 == 3 ? HW_FRAME_JIT : HW_FRAME_USER);
	for (unsigned i = 0; i < 200; i++)
		fake_symbol(0, 0, 0xf0000ul + i * 16, 0xf0010ul + i * 16, make_name(i), "[kernel]",
		            HW_FRAME_KERNEL);
	for (unsigned s = 0; s < samples; s++) {
		unsigned depth = 0, deepest = 12 + next(&state) % (s % 100 ? 24 : 108),
		         program = next(&state) % 36;

		/* Stacks that share their outer frames, more of the heavier programs than of the lighter. */
		for (program = program < 15   ? 0
		               : program < 23 ? 1
		               : program < 28 ? 2
		                              : 3 + program % 5;
		     depth < deepest; depth++)
			ips[deepest - 1 - depth] =
			    0x10001ul + 16 * ((depth * 131 + program * 17 +
			                       (depth < 6 ? 0 : next(&state) % (depth < 10 ? 3 : 40))) %
			                      FUNCTIONS);
		fake_sample(100 + program, 100 + program + next(&state) % 3 * 1000,
		            s % 3 ? 0
		                  : fake_stack(0xf0001ul + next(&state) % 100 * 16,
		                               0xf0001ul + 1600 + s % 7 * 16, 0xf0c00ul, 0ul),
		            fake_stack_of(ips, deepest))
		    ->end = s % 900 ? HW_END_COMPLETE : HW_END_GAP;
	}
	for (unsigned s = 0; s < samples / 2; s++)
		fake_sample(0, 0, fake_stack(0xf0001ul + 16, 0xf0011ul, 0xf0021ul, 0ul), 0);
	tell_account(samples + samples / 2, samples / 2);
}

/* 10 samples: main 10 (self 1): work 6 (self 2): copy 4 · wait 3: do_wait [k] 3. Thread "aid" has 2 of copy.
 */
static void tell_small(void)
{
	uint32_t copy;

	fake_thread(0, 0, "swapper");
	fake_thread(7, 7, "demo");
	fake_thread(7, 8, "aid");
	fake_symbol(0, 0, 0x1000, 0x1100, "main", "/bin/demo", HW_FRAME_USER);
	fake_symbol(0, 0, 0x1100, 0x1200, "work", "/bin/demo", HW_FRAME_USER);
	fake_symbol(0, 0, 0x1200, 0x1300, "wait", "/bin/demo", HW_FRAME_USER);
	fake_symbol(0, 0, 0x5000, 0x5100, "copy", "/lib/libc.so.6", HW_FRAME_USER);
	fake_symbol(0, 0, 0xf100, 0xf200, "do_wait", "[kernel]", HW_FRAME_KERNEL);
	fake_symbol(0, 0, 0xf300, 0xf400, "do_idle", "[kernel]", HW_FRAME_KERNEL);
	fake_sample(7, 7, 0, fake_stack(0x1001ul, 0ul));
	for (int i = 0; i < 2; i++)
		fake_sample(7, 7, 0, fake_stack(0x1101ul, 0x1011ul, 0ul));
	copy = fake_stack(0x5001ul, 0x1121ul, 0x1011ul, 0ul);
	for (int i = 0; i < 4; i++)
		fake_sample(7, i < 2 ? 7 : 8, 0, copy);
	for (int i = 0; i < 3; i++)
		fake_sample(7, 7, fake_stack(0xf101ul, 0ul), fake_stack(0x1201ul, 0x1021ul, 0ul));
	for (int i = 0; i < 5; i++)
		fake_sample(0, 0, fake_stack(0xf301ul, 0ul), 0);
	tell_account(15, 5);
	*fake_account() = (struct hw_account){.samples = 15,
	                                      .user_samples = 10,
	                                      .asked = 10,
	                                      .answered = 10,
	                                      .callchains = 9,
	                                      .complete = 10,
	                                      .ended[HW_END_COMPLETE] = 10,
	                                      .bytes = 4096,
	                                      .duration_ns = 1000000000,
	                                      .ended_cleanly = true};
}

static void tell_hostile(void)
{
	static const char *const names[] = {
	    "</script><script>document.title='owned'</script>",
	    "<img src=x onerror=document.title='owned'>",
	    "\"],\"strings\":[",
	    "a\\\";b",
	    "\xff\xfe\x80 not utf-8",
	    "new\nline\ttab\033[31mred",
	    "<!--",
	    "\u202egnirts\u2066",
	    "@@DATA@@",
	    "</title></style></textarea>",
	    "]]>",
	    "{{x}}${y}`z`",
	    "",
	    "&lt;b&gt;&amp;",
	};
	uint64_t ips[sizeof(names) / sizeof(names[0])];
	size_t count = sizeof(names) / sizeof(names[0]);

	fake_thread(9, 9, "</script>");
	for (size_t i = 0; i < count; i++) {
		fake_symbol(0, 0, 0x1000 + i * 16, 0x1010 + i * 16, names[i], names[count - 1 - i],
		            HW_FRAME_USER);
		ips[i] = 0x1001 + i * 16;
	}
	fake_sample(9, 9, 0, fake_stack_of(ips, count));
	fake_info()->hostname = "</dd><script>document.title='owned'</script>";
	fake_account()->samples = fake_account()->user_samples = 1;
	strcpy(fake_account()->damage, "<b>\"&'");
}

int main(int argc, char **argv)
{
	struct hw_flame_options options = {.title = "homeward.data", .max_nodes = 250000};
	struct hw_profile profile;
	struct hw_error err;
	int code;

	fake_reset();
	fake_event("cpu-clock");
	tell_machine();
	if (argc == 2 && !strcmp(argv[1], "large")) {
		tell_large();
	} else if (argc == 2 && !strcmp(argv[1], "small")) {
		tell_small();
	} else if (argc == 2 && !strcmp(argv[1], "hostile")) {
		tell_hostile();
		options.title = "</title><script>document.title='owned'</script>";
	} else {
		fprintf(stderr, "usage: %s large|small|hostile\n", argv[0]);
		return 2;
	}
	fake_profile(&profile);
	code = hw_flame_write(stdout, &profile, &options, &err);
	hw_profile_free(&profile);
	fake_reset();
	return code ? 1 : 0;
}
