/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A stack whose older pages are answered for by userfaultfd. The walk must not wait for them: that could take
 * for ever, so it ends "may-block".
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zoo.h"

#define STACK_BYTES (1u << 20)
#define UPPER       (STACK_BYTES / 2)
#define DEPTH       400

static char *stack, kept[UPPER];
static int faults;

STEP static int deep(int depth)
{
	volatile char frame[2000];
	int result;

	frame[0] = (char)depth;
	if (depth) {
		result = deep(depth - 1);
	} else {
		/* what is there now is given back page by page, when somebody asks */
		memcpy(kept, stack + UPPER, UPPER);
		madvise(stack + UPPER, UPPER, MADV_DONTNEED);
		burn_until_the_end();
		result = 0;
	}
	STAY;
	return result + frame[0];
}

static void *run(void *argument)
{
	deep(DEPTH);
	return argument;
}

static void *give_back(void *argument)
{
	struct uffd_msg message;

	while (read(faults, &message, sizeof(message)) == sizeof(message)) {
		uintptr_t page = message.arg.pagefault.address & ~4095ull;
		struct uffdio_copy copy = {.dst = page, .len = 4096};
		size_t offset = page - (uintptr_t)stack;
		static char zero[4096];

		copy.src = (uintptr_t)(offset >= UPPER ? kept + offset - UPPER : zero);
		ioctl(faults, UFFDIO_COPY, &copy);
	}
	return argument;
}

int main(int argc, char **argv)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register area = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	pthread_t thread, helper;
	pthread_attr_t attributes;

	zoo_begin(argc, argv);
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (stack == MAP_FAILED || faults < 0 || ioctl(faults, UFFDIO_API, &api))
		zoo_fail("userfaultfd");
	area.range.start = (uintptr_t)stack;
	area.range.len = STACK_BYTES;
	if (ioctl(faults, UFFDIO_REGISTER, &area) || pthread_create(&helper, NULL, give_back, NULL))
		zoo_fail("userfaultfd");
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	if (pthread_create(&thread, &attributes, run, NULL))
		zoo_fail("pthread_create");
	pthread_join(thread, NULL);
	return 0;
}
