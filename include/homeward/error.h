/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libhomeward: errors and versions. See homeward-error(3).
 *
 * Functions return 0 (or what they count) on success and -errno on failure; then homeward_error() says in one
 * line what went wrong, on what, and what to do.
 */
#ifndef HOMEWARD_ERROR_H
#define HOMEWARD_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Of the last function of this library that failed in this thread; "" if none has. Valid until the next one
 * does. */
const char *homeward_error(void);

/* "0.1.0": of the library that runs, not of these headers. */
const char *homeward_version(void);

#ifdef __cplusplus
}
#endif
#endif
