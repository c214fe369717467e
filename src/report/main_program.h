/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef HW_REPORT_MAIN_PROGRAM_H
#define HW_REPORT_MAIN_PROGRAM_H

#include "report/profile.h"

/*
 * The program that a profile is mostly about: where the file of the process with most user stacks is mapped,
 * of a profile built with HW_PROFILE_LOCATIONS. NULL: none is known. 0 or -ENOMEM.
 */
int hw_main_program(const struct hw_profile *profile, const struct hw_process_event **mapping);

#endif
