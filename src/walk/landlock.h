/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef HW_WALK_LANDLOCK_H
#define HW_WALK_LANDLOCK_H

/*
 * For good, in this thread and what it starts from now on: no file is opened, made, removed or executed, no
 * TCP port bound or connected to, no abstract socket or signal reaches out, as far as the running kernel can
 * forbid it. Open files stay usable. Needs PR_SET_NO_NEW_PRIVS. 0 or -errno (-ENOSYS, -EOPNOTSUPP: the kernel
 * has no Landlock).
 */
int hw_landlock_forbid_all(void);

#endif
