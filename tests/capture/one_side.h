/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* One kernel side for all tests of a program: it takes a while to load. */
#ifndef HW_TESTS_CAPTURE_ONE_SIDE_H
#define HW_TESTS_CAPTURE_ONE_SIDE_H

#include "gathered.h"

static struct gathered g;

static inline int open_once(void **state)
{
	(void)state;
	gathered_open(&g, 8 << 20);
	return 0;
}

static inline int close_once(void **state)
{
	(void)state;
	gathered_close(&g);
	return 0;
}

static inline int forget_records(void **state)
{
	(void)state;
	gathered_reset(&g);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, forget_records)

#endif
