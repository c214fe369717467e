/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * liburcu, as this floor uses it, and made readable for ThreadSanitizer.
 *
 * The "bulletproof" flavour: a thread that reads for the first time is registered by itself, so whoever
 * dispatches need not know about RCU.
 *
 * ThreadSanitizer neither sees the barriers inside liburcu nor understands its plain volatile accesses. In
 * such builds the accesses become atomics (unlinking stores with release: it passes on a neighbour that
 * another thread, under the same lock, has filled), and the promises of RCU are told to it by hand: what a
 * reader did before unlocking, and what a writer did before call_rcu, happen before the callback. Nothing
 * else is told, so code that frees without a grace period is still caught.
 */
#ifndef HW_SESSION_RCU_H
#define HW_SESSION_RCU_H

#if defined(__SANITIZE_THREAD__)
#define HW_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HW_TSAN 1
#endif
#endif

/* liburcu's inlined readers are not aligned as their type says, which UBSan tells: call its functions
 * instead. */
#if defined(__SANITIZE_ADDRESS__)
#define HW_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HW_ASAN 1
#endif
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#ifndef HW_TSAN

#ifndef HW_ASAN
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>
#include <urcu/rculist.h>

#define hw_rcu_read_lock()           rcu_read_lock()
#define hw_rcu_read_unlock()         rcu_read_unlock()
#define hw_rcu_call(head, function)  call_rcu(head, function)
#define hw_rcu_callback_begins(head) ((void)(head))

#else

#include <sanitizer/tsan_interface.h>
#include <urcu-bp.h>

#undef CMM_LOAD_SHARED
#undef CMM_STORE_SHARED
#undef rcu_dereference
#undef rcu_assign_pointer
#undef rcu_set_pointer
#define CMM_LOAD_SHARED(p)       __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define CMM_STORE_SHARED(x, v)   __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define rcu_dereference(p)       __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_set_pointer(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define rcu_assign_pointer(p, v) rcu_set_pointer(&(p), (v))
#include <urcu/rculist.h>

extern char hw_rcu_grace_period; /* stands for "a grace period that begins after this" */

#define hw_rcu_read_lock() rcu_read_lock()
#define hw_rcu_read_unlock()                                                                                 \
	do {                                                                                                 \
		__tsan_release(&hw_rcu_grace_period);                                                        \
		rcu_read_unlock();                                                                           \
	} while (0)
#define hw_rcu_call(head, function)                                                                          \
	do {                                                                                                 \
		__tsan_release(head);                                                                        \
		call_rcu(head, function);                                                                    \
	} while (0)
#define hw_rcu_callback_begins(head)                                                                         \
	do {                                                                                                 \
		__tsan_acquire(head);                                                                        \
		__tsan_acquire(&hw_rcu_grace_period);                                                        \
	} while (0)

#endif
#pragma GCC diagnostic pop

#endif
