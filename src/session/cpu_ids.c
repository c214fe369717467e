/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which CPU ids can exist: a list such as "0-3" or "0,2-3,64" (kernel: lib/bitmap-str.c, %*pbl). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "session/registry.h"

#define CPU_ID_MAX 65535

static int take_id(const char **at)
{
	char *end;
	unsigned long id;

	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	id = strtoul(*at, &end, 10);
	*at = end;
	return id <= CPU_ID_MAX ? (int)id : -EINVAL;
}

int hw_cpu_ids_of(const char *list)
{
	int highest = -1, first, last;

	for (;;) {
		first = last = take_id(&list);
		if (first >= 0 && *list == '-') {
			list++;
			last = take_id(&list);
		}
		if (first < 0 || last < first)
			return -EINVAL;
		if (last > highest)
			highest = last;
		if (*list != ',')
			break;
		list++;
	}
	return *list && *list != '\n' ? -EINVAL : highest + 1;
}

int hw_cpu_ids(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	char line[4096];
	int r;

	if (!file)
		return -errno;
	r = fgets(line, sizeof(line), file) ? hw_cpu_ids_of(line) : -EIO;
	fclose(file);
	return r;
}
