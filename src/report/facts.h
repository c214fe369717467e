/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a recording says about itself, in a few labelled lines: the head of "homeward report" and of the
 * flame graph page. Texts are as recorded: escape them on the way out.
 */
#ifndef HW_REPORT_FACTS_H
#define HW_REPORT_FACTS_H

#include "report/profile.h"

#define HW_FACTS_MAX 8

struct hw_fact {
	const char *label; /* "recorded", "on", "by", … */
	char text[400];    /* fields joined by " · " */
};

/* Fill facts; returns how many. */
size_t hw_facts(const struct hw_recording *recording, uint16_t event, struct hw_fact facts[HW_FACTS_MAX]);

#endif
