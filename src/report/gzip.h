/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Writing gzip into a FILE, a piece at a time. */
#ifndef HW_REPORT_GZIP_H
#define HW_REPORT_GZIP_H

#include <stdio.h>
#include <zlib.h>

struct hw_gzip {
	FILE *out;
	z_stream stream;
	unsigned char buffer[1 << 16];
};

/* 0 or -ENOMEM. Write errors are out's (ferror). */
int hw_gzip_open(struct hw_gzip *gzip, FILE *out);
void hw_gzip_write(struct hw_gzip *gzip, const void *bytes, size_t size);
/* Write the end and free; to be called once after each hw_gzip_open that worked. */
void hw_gzip_close(struct hw_gzip *gzip);

#endif
