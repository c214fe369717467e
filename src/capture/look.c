/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Going through the kernel side's maps, in the kernel: slots of tasks, processes asked for. */
#include "capture/internal.h"

#include <string.h>
#include <unistd.h>

/* Run an iterator program over a map; what it writes goes to got, in pieces. */
static int iterate(struct hw_kernel_side *side, const char *program_name, const char *map_name,
                   void (*got)(struct hw_kernel_side *side, const void *bytes, size_t size))
{
	struct bpf_program *program = bpf_object__find_program_by_name(side->object, program_name);
	int map = bpf_object__find_map_fd_by_name(side->object, map_name), fd, r = 0;
	union bpf_iter_link_info info = {.map = {.map_fd = (uint32_t)map}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = program && map >= 0 ? bpf_program__attach_iter(program, &opts) : NULL;
	char bytes[4096];
	ssize_t size;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		r = fd;
	while (!r && (size = read(fd, bytes, sizeof(bytes))) != 0) {
		if (size < 0 && errno != EINTR && errno != EAGAIN)
			r = -errno;
		else if (size > 0 && got)
			got(side, bytes, (size_t)size);
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return r;
}

int hw_kernel_side_look(struct hw_kernel_side *side, uint64_t ask, uint64_t forget)
{
	*side->look = (struct hw_slot_look){.ask = ask, .forget = forget};
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return iterate(side, "look_at_slots", "slots", NULL);
}

static void delete_targets(struct hw_kernel_side *side, const void *bytes, size_t size)
{
	const uint32_t *keys = bytes;

	for (size_t i = 0; i < size / sizeof(*keys); i++)
		bpf_map_delete_elem(side->targets, &keys[i]);
}

int hw_kernel_side_forget_targets(struct hw_kernel_side *side, uint64_t forget)
{
	*side->look = (struct hw_slot_look){.forget = forget};
	return iterate(side, "look_at_targets", "targets", delete_targets);
}

void hw_kernel_side_wait(const struct hw_kernel_side *side)
{
	int inner = bpf_object__find_map_fd_by_name(side->object, "table_inner");
	uint32_t unused = 0;

	/* A write to a map of maps waits for all programs that may see the old value. Slot 0 has no table. */
	bpf_map_update_elem(side->tables, &unused, &inner, BPF_ANY);
}
