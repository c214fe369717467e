/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/names.h"

#include <string.h>

const char *hw_names_text(const struct hw_names *names, uint32_t id)
{
	return names->text.items + names->starts.items[id];
}

int hw_names_add(struct hw_names *names, const char *text, uint32_t *id)
{
	size_t size = strlen(text) + 1;
	uint64_t hash = hw_index_hash(text, size);
	uint32_t fresh = (uint32_t)names->starts.count;

	hw_index_for_each_candidate(&names->index, hash, probe, position)
	{
		if (!strcmp(hw_names_text(names, (uint32_t)position), text)) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	if (array_reserve(&names->text, names->text.count + size) ||
	    array_reserve(&names->starts, names->starts.count + 1) ||
	    hw_index_add(&names->index, hash, fresh))
		return -ENOMEM;
	names->starts.items[names->starts.count++] = names->text.count;
	memcpy(names->text.items + names->text.count, text, size);
	names->text.count += size;
	*id = fresh;
	return 0;
}

void hw_names_free(struct hw_names *names)
{
	hw_index_free(&names->index);
	array_free(&names->text);
	array_free(&names->starts);
}
