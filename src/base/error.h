/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One error, told in one line: what went wrong, on what, what to do.
 *
 * Functions below cli/ never print and never exit. They return 0 or -errno and, where the reason is
 * worth telling, fill a struct hw_error that the caller owns (a NULL error is allowed everywhere).
 */
#ifndef HW_BASE_ERROR_H
#define HW_BASE_ERROR_H

#include <errno.h>

struct hw_error {
	int code;       /* -errno, as returned */
	char text[480]; /* one line, no newline at its end */
};

/* Fill *err (if not NULL) and return code unchanged, so that callers write: return hw_fail(err, -EINVAL, …).
 */
int hw_fail(struct hw_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
