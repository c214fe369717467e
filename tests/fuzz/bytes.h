/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a fuzzer's bytes are taken from: one after the other, zeros when there are none left. */
#ifndef HW_TESTS_FUZZ_BYTES_H
#define HW_TESTS_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_bytes {
	const uint8_t *at, *end;
};

uint64_t fuzz_take(struct fuzz_bytes *bytes, size_t size); /* little-endian, at most 8 bytes */
/* Memory of exactly this size, so that a sanitizer sees the first byte read beyond. Never NULL. */
void *fuzz_memory(size_t size);
/* A memory file with this content; the same one at each call. */
int fuzz_file(const uint8_t *content, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
