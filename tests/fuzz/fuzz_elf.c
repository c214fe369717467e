/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Any bytes as an ELF file: from the file and from an image in memory, a sound table or an error with words.
 */
#include <stdlib.h>

#include "bytes.h"
#include "walk/table.h"

#define ROWS_MAX 20000

static void judge(int r, struct hw_table *table, const struct hw_error *err)
{
	if (r ? table->words || !err->text[0] || err->code != r
	      : !hw_table_is_sound(table) || table->row_count > ROWS_MAX)
		abort();
	for (uint32_t offset = 0; !r && offset < 65536; offset += 251)
		hw_table_rule(table, offset);
	hw_table_clear(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hw_compile_limits limits = {.file_bytes = 1 << 20, .row_count = ROWS_MAX};
	struct hw_error err = {0};
	struct hw_table table;
	int r;

	r = hw_table_compile(fuzz_file(data, size), &limits, &table, &err);
	judge(r, &table, &err);
	r = hw_table_compile_image(data, size, &limits, &table, &err);
	judge(r, &table, &err);
	return 0;
}
