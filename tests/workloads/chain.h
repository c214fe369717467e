/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A call chain of up to 1000 different functions, f000 to f999, with frames of different sizes.
 *
 * chain_call(depth, bottom, argument) enters at f(1000 - depth), each function calls the next one, and f999
 * calls bottom(argument): so depth functions of the chain stand on the stack while bottom runs. No call is a
 * tail call, and every frame holds something that lives across its call.
 */
#ifndef WORKLOAD_CHAIN_H
#define WORKLOAD_CHAIN_H

#include <stdint.h>

#define CHAIN_MAX 1000

typedef uint64_t chain_bottom(uint64_t argument);

uint64_t chain_call(unsigned depth, chain_bottom *bottom, uint64_t argument);

/* Burn CPU with no call and no memory: about a nanosecond a round. */
uint64_t chain_burn(uint64_t rounds);

#endif
