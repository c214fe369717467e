/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the daemon keeps once it serves. */
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "session/server.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

/* Maps and programs; events; others' files by /proc/PID/map_files and root; kernel addresses. */
static const cap_value_t kept[] = {
    CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE, CAP_DAC_READ_SEARCH, CAP_SYSLOG};
#define KEPT_COUNT ((int)(sizeof(kept) / sizeof(kept[0])))

static bool is_kept(cap_value_t capability)
{
	for (int i = 0; i < KEPT_COUNT; i++)
		if (kept[i] == capability)
			return true;
	return false;
}

/* Of those we have: one that the daemon was not given cannot be kept. */
static int keep(cap_t now, cap_t then)
{
	cap_flag_value_t have;

	for (int i = 0; i < KEPT_COUNT; i++) {
		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &have) || have != CAP_SET)
			continue;
		if (cap_set_flag(then, CAP_PERMITTED, 1, &kept[i], CAP_SET) ||
		    cap_set_flag(then, CAP_EFFECTIVE, 1, &kept[i], CAP_SET))
			return -errno;
	}
	return 0;
}

int hw_server_drop_rights(struct hw_error *err)
{
	cap_t now = cap_get_proc(), then = cap_init();
	int r = now && then ? keep(now, then) : -ENOMEM;

	for (cap_value_t capability = 0; !r && capability <= cap_max_bits(); capability++)
		if (!is_kept(capability))
			cap_drop_bound(capability); /* needs CAP_SETPCAP: without it there is less to drop */
	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
	if (!r && cap_set_proc(then))
		r = -errno;
	if (now)
		cap_free(now);
	if (then)
		cap_free(then);
	return r ? hw_fail(err, r, "cannot drop capabilities: %s", strerror(-r)) : 0;
}
