/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/session_filter.h"

void hw_set_bit(uint64_t *mask, unsigned bit, bool on)
{
	if (on)
		__atomic_or_fetch(mask, 1ull << bit, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(mask, ~(1ull << bit), __ATOMIC_SEQ_CST);
}

/* Put the bit into, or take it out of, a mask in a map; masks that are empty go. */
static int set_in_map(int map, const void *key, unsigned bit, bool on)
{
	uint64_t mask = 0;

	bpf_map_lookup_elem(map, key, &mask);
	hw_set_bit(&mask, bit, on);
	if (!mask) {
		bpf_map_delete_elem(map, key);
		return 0;
	}
	return bpf_map_update_elem(map, key, &mask, BPF_ANY);
}

int hw_session_filter_set(struct hw_kernel_side *side, unsigned bit, const struct hw_session_options *o,
                          bool on)
{
	struct hw_viewer viewer = {.uid = o->viewer_uid, .gid = o->viewer_gid};
	struct hw_session_masks *masks = side->masks;
	uint32_t uid = o->uid;
	int r = 0;

	if (o->limited)
		r = set_in_map(side->viewers, &viewer, bit, on);
	if (!r && o->filter == HW_SESSION_UID)
		r = set_in_map(side->uids, &uid, bit, on);
	if (!r && o->filter == HW_SESSION_CGROUP)
		r = set_in_map(side->cgroups, &o->cgroup, bit, on);
	hw_set_bit(&masks->limited, bit, on && o->limited);
	hw_set_bit(&masks->by_uid, bit, on && o->filter == HW_SESSION_UID);
	hw_set_bit(&masks->by_cgroup, bit, on && o->filter == HW_SESSION_CGROUP);
	hw_set_bit(&masks->by_process, bit, on && o->filter == HW_SESSION_PROCESSES);
	return r;
}
