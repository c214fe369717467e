/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples one by one, in the layout of "perf script" (builtin-script.c of perf 6.1 to 7.3), so that what
 * reads the one reads the other:
 *
 *	comm     tid [cpu] seconds.micros:     period event:
 *		        address symbol+0xoffset (file)
 *	  source:line
 *
 * A user stack that was asked for and never came is told as perf tells it: "cookie (cookie) ([unknown])".
 */
#ifndef HW_REPORT_SCRIPT_H
#define HW_REPORT_SCRIPT_H

#include <stdio.h>

#include "report/filter.h"

enum hw_script_field {
	HW_FIELD_COMM = 1,
	HW_FIELD_PID = 2,
	HW_FIELD_TID = 4,
	HW_FIELD_CPU = 8,
	HW_FIELD_TIME = 16,
	HW_FIELD_PERIOD = 32,
	HW_FIELD_EVENT = 64,
	HW_FIELD_IP = 128,
	HW_FIELD_SYM = 256,
	HW_FIELD_SYMOFF = 512,
	HW_FIELD_DSO = 1024,
	HW_FIELD_SRCLINE = 2048,
	HW_FIELD_INLINE = 4096,      /* no field: inlined functions, too */
	HW_FIELD_FULL_SOURCE = 8192, /* no field: srcline with directories */
};

#define HW_FIELDS_DEFAULT                                                                                    \
	(HW_FIELD_COMM | HW_FIELD_TID | HW_FIELD_CPU | HW_FIELD_TIME | HW_FIELD_PERIOD | HW_FIELD_EVENT |    \
	 HW_FIELD_IP | HW_FIELD_SYM | HW_FIELD_SYMOFF | HW_FIELD_DSO)

/* Fields of a list such as "comm,pid,ip,sym"; "+pid" and "-dso" change the default. -EINVAL: unknown. */
int hw_script_parse_fields(const char *text, unsigned *fields, struct hw_error *err);

/* 0 or -ENOMEM. Write errors are out's (ferror), and end the writing. */
int hw_script_write(FILE *out, const struct hw_recording *recording, struct hw_symbolizer *symbolizer,
                    const struct hw_filter *filter, unsigned fields, struct hw_error *err);

#endif
