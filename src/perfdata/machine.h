/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a recording says about the machine it was made on. */
#ifndef HW_PERFDATA_MACHINE_H
#define HW_PERFDATA_MACHINE_H

#include <sys/utsname.h>
#include <stdbool.h>
#include <stdint.h>

/* Strings may be NULL: not known, left out of the file. */
struct hw_machine {
	const char *hostname, *os_release, *arch, *cpu_description, *cpu_id;
	const char *version; /* of the recorder; NULL: "homeward VERSION (BACKEND)" */
	uint32_t cpus_online, cpus_available;
	uint64_t memory_bytes;
	/* The recording's clock against the wall's at one moment; clock_known false: left out. */
	bool clock_known;
	int32_t clock_id;
	uint64_t clock_resolution_ns, clock_wall_ns, clock_ns;
};

/* This machine, with the strings that the struct hw_machine in it points at: do not copy it. */
struct hw_this_machine {
	struct hw_machine machine;
	struct utsname names;
	char cpu_description[128];
	char cpu_id[64];
};

/* Fill in what can be learnt; clock_id is the clock of the samples (CLOCK_MONOTONIC), or -1. Never fails. */
void hw_machine_this(struct hw_this_machine *here, int clock_id);

#endif
