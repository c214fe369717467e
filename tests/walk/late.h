/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef HW_TESTS_WALK_LATE_H
#define HW_TESTS_WALK_LATE_H

extern void (*late_callback)(void);
int late_indirect(void);
int late_plain(int value);

#endif
