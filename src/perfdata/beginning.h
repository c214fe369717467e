/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What stands before the records: header, ids, attributes, early features. Private to the writer. */
#ifndef HW_PERFDATA_BEGINNING_H
#define HW_PERFDATA_BEGINNING_H

#include "perfdata/encode.h"

#define HW_SECTIONS_MAX 64 /* features 0 to 63: we write none beyond */

struct hw_beginning {
	struct hw_file_header header;
	struct hw_file_section sections[HW_SECTIONS_MAX]; /* of early features; size 0: not there */
	struct hw_bytes bytes;                            /* all of it; the caller frees */
};

/* Can a file have these events? 0 or -EINVAL, told. */
int hw_beginning_check(const struct hw_writer_options *options, struct hw_error *err);
/* 0 or -ENOMEM. */
int hw_beginning_make(struct hw_beginning *beginning, const struct hw_writer_options *options);

#endif
