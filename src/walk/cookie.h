/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Cookies: below, the number of the CPU that made it, plus one; above, a counter of that CPU. The counter is
 * odd, as in the kernel's own deferral, but even for a walk that was made at once: it is not
 * shared, so no second sample will ever carry that cookie, and nobody needs to remember it.
 */
#ifndef HW_WALK_COOKIE_H
#define HW_WALK_COOKIE_H

#define HW_COOKIE(counter, cpu)     ((unsigned long long)(counter) << 32 | ((cpu) + 1))
#define HW_COOKIE_IS_SHARED(cookie) ((cookie) >> 32 & 1 || !((cookie) >> 32))

#endif
