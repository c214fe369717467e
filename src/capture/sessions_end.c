/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How the bit of a session that was removed becomes free again.
 *
 * Ending a session, in order: its samples stop (masks in the kernel), its records are not delivered any more
 * (live). Then, in the polls that follow, for all bits that wait:
 *
 *	1. wait until no program runs that read the masks before: from here on nobody asks for the bit
 *	2. take the bit out of state and served of every slot; again, while a task has it in hand ("taking")
 *	3. wait once more, for tasks that answer at exit and exec
 *	4. read every ring once: what carries the bit is in there, or with the loader already
 *	5. the loader is past what it had then
 *
 * and nothing can carry the bit. Its filter stays in force until then, above all the limit on its viewer.
 */
#include "capture/session_filter.h"
#include "capture/sessions_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKS_MAX 20 /* at slots with a bit in hand, a millisecond apart; then the next poll tries again */

static void free_bits(struct hw_sessions *s, uint64_t bits)
{
	for (unsigned bit = 0; bit < HW_SESSIONS_MAX; bit++) {
		if (!(bits >> bit & 1))
			continue;
		hw_session_filter_set(&s->side, bit, &s->sessions[bit].options, false);
		free(s->sessions[bit].told);
		memset(&s->sessions[bit], 0, sizeof(s->sessions[bit]));
	}
}

/* Steps 1 to 3. */
static void forget_ended(struct hw_sessions *s)
{
	hw_kernel_side_wait(&s->side);
	for (int i = 0; i < LOOKS_MAX; i++) {
		if (hw_kernel_side_look(&s->side, 0, s->ended))
			return;
		if (!s->side.look->taking)
			break;
		usleep(1000);
	}
	if (s->side.look->taking || hw_kernel_side_forget_targets(&s->side, s->ended))
		return;
	hw_kernel_side_wait(&s->side);
	s->unread |= s->ended;
	s->ended = 0;
}

/* One batch at a time goes through each step. */
void hw_sessions_advance_ended(struct hw_sessions *s)
{
	if (s->unhandled && hw_loader_handled(s->loader) >= s->handled_at) {
		free_bits(s, s->unhandled);
		s->unhandled = 0;
	}
	if (s->unread && !s->unhandled) {
		s->unhandled = s->unread;
		s->handled_at = hw_loader_pushed(s->loader);
		s->unread = 0;
	}
	if (s->ended && !s->unread)
		forget_ended(s);
}
