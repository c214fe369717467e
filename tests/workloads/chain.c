/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "chain.h"

typedef uint64_t chain_link(chain_bottom *bottom, uint64_t argument);

/* Frames from 16 to 248 bytes of locals, in no obvious order. */
#define PAD_WORDS(index) (2 + (index)*7 % 30)

/* Neither inlined nor cloned: each function stands on the stack under its own name. */
#if __has_attribute(noipa)
#define KEPT __attribute__((noipa))
#else
#define KEPT __attribute__((noinline))
#endif

/*
 * One function of the chain, named by the three digits of its index (which is computed, as 042 would be
 * octal). The asm keeps the pad alive on both sides of the call, so that it is no tail call.
 */
#define LINK(h, t, d)                                                                                        \
	KEPT static uint64_t f##h##t##d(chain_bottom *bottom, uint64_t argument)                             \
	{                                                                                                    \
		volatile uint64_t pad[PAD_WORDS(h * 100 + t * 10 + d)];                                      \
		uint64_t result;                                                                             \
                                                                                                             \
		pad[0] = argument;                                                                           \
		__asm__ volatile("" : : "r"(pad) : "memory");                                                \
		result = next(h * 100 + t * 10 + d, bottom, argument);                                       \
		__asm__ volatile("" : : "r"(pad) : "memory");                                                \
		return result + pad[0];                                                                      \
	}

#define TEN(what, h, t)                                                                                      \
	what(h, t, 0) what(h, t, 1) what(h, t, 2) what(h, t, 3) what(h, t, 4) what(h, t, 5) what(h, t, 6)    \
	    what(h, t, 7) what(h, t, 8) what(h, t, 9)
#define HUNDRED(what, h)                                                                                     \
	TEN(what, h, 0)                                                                                      \
	TEN(what, h, 1)                                                                                      \
	TEN(what, h, 2)                                                                                      \
	TEN(what, h, 3)                                                                                      \
	TEN(what, h, 4)                                                                                      \
	TEN(what, h, 5)                                                                                      \
	TEN(what, h, 6)                                                                                      \
	TEN(what, h, 7)                                                                                      \
	TEN(what, h, 8)                                                                                      \
	TEN(what, h, 9)
#define THOUSAND(what)                                                                                       \
	HUNDRED(what, 0)                                                                                     \
	HUNDRED(what, 1)                                                                                     \
	HUNDRED(what, 2)                                                                                     \
	HUNDRED(what, 3)                                                                                     \
	HUNDRED(what, 4)                                                                                     \
	HUNDRED(what, 5)                                                                                     \
	HUNDRED(what, 6)                                                                                     \
	HUNDRED(what, 7)                                                                                     \
	HUNDRED(what, 8)                                                                                     \
	HUNDRED(what, 9)

#define DECLARE(h, t, d) static chain_link f##h##t##d;
THOUSAND(DECLARE)

#define ENTRY(h, t, d) f##h##t##d,
static chain_link *const chain[CHAIN_MAX] = {THOUSAND(ENTRY)};

static inline uint64_t next(unsigned index, chain_bottom *bottom, uint64_t argument)
{
	if (index + 1 < CHAIN_MAX)
		return chain[index + 1](bottom, argument);
	return bottom(argument);
}

THOUSAND(LINK)

uint64_t chain_call(unsigned depth, chain_bottom *bottom, uint64_t argument)
{
	if (depth > CHAIN_MAX)
		depth = CHAIN_MAX;
	if (!depth)
		return bottom(argument);
	return chain[CHAIN_MAX - depth](bottom, argument);
}

KEPT uint64_t chain_burn(uint64_t rounds)
{
	uint64_t value = rounds;

	for (uint64_t i = 0; i < rounds; i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(value));
	}
	return value;
}
