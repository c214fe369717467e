/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* One function whose frame has a size to be chosen: what remap.c maps. It needs no relocation. */
#include "chain.h"

uint64_t hop(chain_bottom *bottom, uint64_t argument);

uint64_t hop(chain_bottom *bottom, uint64_t argument)
{
	volatile uint64_t frame[FRAME_WORDS];

	frame[0] = argument;
	frame[FRAME_WORDS - 1] = bottom(argument);
	return frame[0] + frame[FRAME_WORDS - 1];
}
