/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What stands behind capture.h: each backend is one of these, and its captures begin with struct hw_capture.
 */
#ifndef HW_CAPTURE_BACKEND_H
#define HW_CAPTURE_BACKEND_H

#include "capture/capture.h"

/* Each function as its namesake in capture.h. */
struct hw_backend {
	const char *name;
	int (*open)(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
	            struct hw_capture **capture, struct hw_error *err);
	void (*close)(struct hw_capture *capture);
	const char *(*event)(const struct hw_capture *capture, struct perf_event_attr *attr);
	int (*add_process)(struct hw_capture *capture, pid_t pid, struct hw_error *err);
	int (*start)(struct hw_capture *capture, struct hw_error *err);
	int (*poll)(struct hw_capture *capture, int timeout_ms, struct hw_error *err);
	int (*stop)(struct hw_capture *capture, int grace_ms, struct hw_error *err);
	void (*status)(const struct hw_capture *capture, struct hw_capture_status *status);
	int (*wait_child)(struct hw_capture *capture, pid_t pid,
	                  int *wait_status); /* NULL: never takes one */
};

struct hw_capture {
	const struct hw_backend *backend;
	char passed_over[480]; /* by auto: better backends and what they lack */
	const char *limit;     /* hw_capture_limit; NULL: none */
};

extern const struct hw_backend hw_backend_bpf, hw_backend_native, hw_backend_dump, hw_backend_ptrace;

#endif
