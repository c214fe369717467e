/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef WORKLOAD_PLTTARGET_H
#define WORKLOAD_PLTTARGET_H

#include <stdint.h>

uint64_t plt_target(uint64_t argument);

#endif
