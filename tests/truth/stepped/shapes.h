/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef HW_TESTS_TRUTH_SHAPES_H
#define HW_TESTS_TRUTH_SHAPES_H

#include <stdint.h>

#define SHAPES_LIST(X) X(o0) X(o2) X(os) X(o2_fp) X(o3_vector) X(o2_ibt)

#define X(name) uint64_t shapes_##name(void);
SHAPES_LIST(X)
#undef X

uint64_t assembly_shapes(void); /* assembly.S */
uint64_t made_code(void);       /* made.c */
int throws(int depth);          /* throws.cc */

#endif
