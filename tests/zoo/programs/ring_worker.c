/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* An io_uring whose reads are done by worker threads of the kernel, which have no way home to user space. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zoo.h"

#define BYTES (8u << 20)

struct ring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *entries;
};

static void ring_open(struct ring *ring)
{
	memset(&ring->params, 0, sizeof(ring->params));
	ring->fd = (int)syscall(SYS_io_uring_setup, 8, &ring->params);
	if (ring->fd < 0)
		zoo_fail("io_uring_setup");
	ring->sq = mmap(NULL, ring->params.sq_off.array + ring->params.sq_entries * 4, PROT_READ | PROT_WRITE,
	                MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->cq =
	    mmap(NULL, ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe),
	         PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
	ring->entries = mmap(NULL, ring->params.sq_entries * sizeof(struct io_uring_sqe),
	                     PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED || (void *)ring->entries == MAP_FAILED)
		zoo_fail("mmap");
}

STEP static void read_by_worker(struct ring *ring, int fd, char *buffer)
{
	unsigned *tail = (unsigned *)(ring->sq + ring->params.sq_off.tail);
	unsigned mask = *(unsigned *)(ring->sq + ring->params.sq_off.ring_mask), at = *tail & mask;
	unsigned *cq_head = (unsigned *)(ring->cq + ring->params.cq_off.head);
	struct io_uring_sqe *entry = &ring->entries[at];

	memset(entry, 0, sizeof(*entry));
	entry->opcode = IORING_OP_READ;
	entry->flags = IOSQE_ASYNC;
	entry->fd = fd;
	entry->addr = (uint64_t)(uintptr_t)buffer;
	entry->len = BYTES;
	((unsigned *)(ring->sq + ring->params.sq_off.array))[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		zoo_fail("io_uring_enter");
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	int fd = open("/dev/zero", O_RDONLY);
	char *buffer = malloc(BYTES);
	struct ring ring;

	zoo_begin(argc, argv);
	ring_open(&ring);
	while (zoo_goes_on())
		read_by_worker(&ring, fd, buffer);
	return 0;
}
