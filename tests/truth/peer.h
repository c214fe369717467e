/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libdwfl, the peer: it walks the same registers over the same stack copy and modules. */
#ifndef HW_TESTS_TRUTH_PEER_H
#define HW_TESTS_TRUTH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "modules.h"
#include "truth_file.h"

#define PEER_FRAMES_MAX (HW_FRAMES_MAX + 2)

struct peer_frame {
	uint64_t pc;
	bool exact; /* looked up at pc, not pc - 1 */
};

struct peer_walk {
	struct peer_frame frames[PEER_FRAMES_MAX];
	uint32_t depth;
	bool complete;      /* it says so */
	bool beyond_copy;   /* it asked for stack that is not in the copy */
	const char *reason; /* where it is not complete: libdwfl's words */
};

struct peer; /* one address space */

/* Modules of the mappings: modules[i] of mapping i, NULL where there is none. */
struct peer *peer_new(const struct hw_mapping *mappings, const struct module *const *modules, uint32_t count);
void peer_free(struct peer *peer);
void peer_walk(struct peer *peer, const struct truth_walk *truth, struct peer_walk *walk);
/* Has libdwfl call frame information for a frame? Without, what it says of the caller is a guess by rbp. */
bool peer_knows(struct peer *peer, const struct peer_frame *frame);
/*
 * Does that information name a return address? Then a walk that ended there "complete" could not read what it
 * needs for it: libdwfl (0.188) takes a program counter that it could not find for one that is undefined.
 */
bool peer_has_caller(struct peer *peer, const struct peer_frame *frame);

#endif
