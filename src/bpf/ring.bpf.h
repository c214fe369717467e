/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records to the rings: two per CPU, the reader woken when a ring's fill crosses a threshold, never once a
 * record, but for misses: each sample of a new program costs much until its table is there. The ring has no
 * counter of what it refused: whoever emits counts that.
 */
#ifndef HW_BPF_RING_H
#define HW_BPF_RING_H

#include "bpf/maps.bpf.h"

static __always_inline void *ring_of(hw_u32 which)
{
	hw_u32 index = 2 * bpf_get_smp_processor_id() + which;

	return bpf_map_lookup_elem(&rings, &index);
}

static __always_inline hw_u64 wake_flags(void *ring, hw_u64 bytes)
{
	hw_u64 fill = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);

	return fill < config.wake_bytes && fill + bytes >= config.wake_bytes ? BPF_RB_FORCE_WAKEUP
	                                                                     : BPF_RB_NO_WAKEUP;
}

/* 0, or negative where the ring had no room. The reader is woken. */
static __always_inline long ring_output_now(hw_u32 which, void *data, hw_u64 bytes)
{
	void *ring = ring_of(which);

	return ring ? bpf_ringbuf_output(ring, data, bytes, BPF_RB_FORCE_WAKEUP) : -1;
}

/* 0, or negative where the ring had no room. */
static __always_inline long ring_output(hw_u32 which, void *data, hw_u64 bytes)
{
	void *ring = ring_of(which);

	if (!ring)
		return -1;
	return bpf_ringbuf_output(ring, data, bytes, wake_flags(ring, bytes));
}

#endif
