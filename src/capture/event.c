/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/event.h"

#include <linux/hw_breakpoint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/format.h"

void hw_event_set(struct perf_event_attr *attr, const struct hw_event_kind *kind,
                  const struct hw_event_options *options)
{
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->type = kind->type;
	attr->config = kind->config;
	attr->disabled = 1;
	attr->exclude_kernel = options->user_only;
	attr->exclude_hv = 1;
	if (kind->type == PERF_TYPE_BREAKPOINT) {
		attr->bp_type = HW_BREAKPOINT_RW;
		attr->bp_addr = kind->address;
		attr->bp_len = kind->length;
		attr->sample_period = 1;
	} else if (!options->frequency) {
		attr->sample_period = options->rate;
	} else if (kind->clock) {
		attr->sample_period = 1000000000ull / options->rate;
	} else {
		attr->freq = 1;
		attr->sample_freq = options->rate;
	}
}

void hw_event_follow(struct perf_event_attr *attr)
{
	attr->mmap = 1;
	attr->mmap2 = 1;
	attr->comm = 1;
	attr->comm_exec = 1;
	attr->task = 1;
	attr->build_id = 1;
	attr->sample_id_all = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
}

void hw_event_set_side_band(struct perf_event_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->size = PERF_ATTR_SIZE_VER5;
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_DUMMY;
	attr->sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU;
	attr->disabled = 1;
	hw_event_follow(attr);
}

void hw_event_for_file(struct perf_event_attr *attr, const struct hw_event_options *options)
{
	attr->sample_type = HW_SAMPLE_TYPE;
	attr->disabled = 1;
	hw_event_follow(attr);
	if (options->frequency && !attr->freq) { /* what was asked for, as perf writes it */
		attr->freq = 1;
		attr->sample_freq = options->rate;
	}
	hw_attr_set_deferred(attr);
}

bool hw_event_period_varies(const struct perf_event_attr *attr)
{
	return attr->freq;
}

int hw_event_open(const struct perf_event_attr *attr, pid_t pid, int cpu)
{
	struct perf_event_attr copy = *attr; /* the kernel may write to it */
	int fd = (int)syscall(SYS_perf_event_open, &copy, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
