/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/encoded.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LEB128_BYTES_MAX 10 /* of 64 bits */

static int read_leb128(struct hw_encoded *in, bool is_signed, uint64_t *value)
{
	uint64_t result = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		if (in->at >= in->end || shift >= 7 * LEB128_BYTES_MAX)
			return -EINVAL;
		byte = *in->at++;
		result |= (uint64_t)(byte & 127) << shift;
		shift += 7;
	} while (byte & 128);
	if (is_signed && byte & 64 && shift < 64)
		result |= -(1ull << shift);
	*value = result;
	return 0;
}

/* Little-endian, of 2, 4 or 8 bytes. */
static int read_fixed(struct hw_encoded *in, size_t size, bool is_signed, uint64_t *value)
{
	uint64_t result = 0;

	if ((size_t)(in->end - in->at) < size)
		return -EINVAL;
	memcpy(&result, in->at, size);
	in->at += size;
	if (is_signed && size < 8 && result >> (8 * size - 1))
		result |= -(1ull << (8 * size));
	*value = result;
	return 0;
}

static int read_plain(struct hw_encoded *in, uint8_t format, uint64_t *value)
{
	switch (format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_signed:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return read_fixed(in, 8, false, value);
	case DW_EH_PE_udata4:
		return read_fixed(in, 4, false, value);
	case DW_EH_PE_sdata4:
		return read_fixed(in, 4, true, value);
	case DW_EH_PE_udata2:
		return read_fixed(in, 2, false, value);
	case DW_EH_PE_sdata2:
		return read_fixed(in, 2, true, value);
	case DW_EH_PE_uleb128:
		return read_leb128(in, false, value);
	case DW_EH_PE_sleb128:
		return read_leb128(in, true, value);
	default:
		return -EINVAL;
	}
}

int hw_encoded_read(struct hw_encoded *in, uint8_t encoding, uint64_t data_address, uint64_t *value)
{
	const uint8_t *start = in->at;
	uint64_t own = in->address, base;
	int r;

	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		base = 0;
		break;
	case DW_EH_PE_pcrel:
		base = own;
		break;
	case DW_EH_PE_datarel:
		base = data_address;
		break;
	default:
		return -EINVAL;
	}
	r = read_plain(in, encoding & 0x0f, value);
	if (r)
		return r;
	in->address += (uint64_t)(in->at - start);
	*value += base;
	return 0;
}
