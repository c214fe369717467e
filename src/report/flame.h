/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The flame graph: one HTML page with everything in it, to be opened without a network. The page itself
 * (flame/page.html and what stands beside it) is part of the program; this adds the recording.
 *
 * The data is one JSON object in a <script type="application/json">: see flame_data.c for its keys. Names
 * are escaped for JSON in HTML, and made printable before that.
 */
#ifndef HW_REPORT_FLAME_H
#define HW_REPORT_FLAME_H

#include <stdio.h>

#include "report/profile.h"
#include "report/tree.h"

struct hw_flame_options {
	const char *title;  /* mostly the recording's file name */
	uint16_t event;     /* index into the recording's events */
	uint32_t max_nodes; /* the lightest branches are merged until so many are left */
};

/* The profile should have the idle task: the page leaves it out, or not. 0 or -errno. */
int hw_flame_write(FILE *out, const struct hw_profile *profile, const struct hw_flame_options *options,
                   struct hw_error *err);

/* The page without a recording, with @@TITLE@@, @@SUMMARY@@ and @@DATA@@ where it goes. */
extern const unsigned char hw_flame_page[];
extern const size_t hw_flame_page_size;

/* The JSON object; tree is by thread. 0 or -ENOMEM. */
int hw_flame_write_data(FILE *out, const struct hw_profile *profile, const struct hw_tree *tree,
                        const struct hw_flame_options *options);

/* Facts and account as HTML, for readers without scripts; and the functions that ran most. */
int hw_flame_write_summary(FILE *out, const struct hw_profile *profile,
                           const struct hw_flame_options *options, struct hw_error *err);

#endif
