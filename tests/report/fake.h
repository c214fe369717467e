/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A recording and a symbolizer made up in memory: they stand in for merge/ and symbol/ at link time, so
 * that what reports count can be told by hand.
 */
#ifndef HW_TESTS_REPORT_FAKE_H
#define HW_TESTS_REPORT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report/profile.h"

/* Forget everything; then tell, in time order where it matters. */
void fake_reset(void);

/* Addresses from start on are function in file (NULL: no symbol), for pid (0: every), from that time on. */
void fake_symbol(uint32_t pid, uint64_t time_ns, uint64_t start, uint64_t end, const char *function,
                 const char *file, enum hw_frame_kind kind);
void fake_thread(uint32_t pid, uint32_t tid, const char *name);
void fake_process_event(struct hw_process_event event);

/* The id of a stack, leaf first, ended by 0. */
uint32_t fake_stack(uint64_t leaf, ...);
uint32_t fake_stack_of(const uint64_t *ips, size_t count);

/* A sample to be changed further; time counts up by itself, cpumode says user, period is 1000. */
struct hw_sample *fake_sample(uint32_t pid, uint32_t tid, uint32_t kernel_stack, uint32_t user_stack);
struct hw_account *fake_account(void);
struct hw_recording_info *fake_info(void);
void fake_event(const char *name);

struct hw_recording *fake_recording(void);
struct hw_symbolizer *fake_symbolizer(void);

/* A profile of what was told, with everything let through; asserts that it works. */
void fake_profile(struct hw_profile *profile);

/* The small machine that several tests count on: see fake.c. */
void fake_scene(void);

#endif
