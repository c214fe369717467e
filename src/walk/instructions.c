/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Call frame instructions: DWARF 5, section 6.4.2 and figure 7.24; the GNU ones: binutils,
 * include/dwarf2.def. */
#include "walk/instructions.h"

#include <dwarf.h>

#include "walk/encoded.h"

static bool skip_leb128(struct hw_encoded *in, int count)
{
	uint64_t ignored;

	while (count--) {
		if (hw_encoded_read(in, DW_EH_PE_uleb128, 0, &ignored))
			return false;
	}
	return true;
}

static bool skip_register(struct hw_encoded *in)
{
	uint64_t reg;

	return !hw_encoded_read(in, DW_EH_PE_uleb128, 0, &reg) && reg < HW_INSTRUCTIONS_REGISTERS;
}

static bool skip_bytes(struct hw_encoded *in, uint64_t count)
{
	if (count > (uint64_t)(in->end - in->at))
		return false;
	in->at += count;
	return true;
}

/* A block that says its own size. */
static bool skip_block(struct hw_encoded *in)
{
	uint64_t size;

	return !hw_encoded_read(in, DW_EH_PE_uleb128, 0, &size) && skip_bytes(in, size);
}

static bool skip_operands(struct hw_encoded *in, uint8_t opcode, uint8_t encoding)
{
	uint64_t ignored;

	switch (opcode) {
	case DW_CFA_nop:
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		return true;
	case DW_CFA_set_loc:
		return !hw_encoded_read(in, encoding, 0, &ignored);
	case DW_CFA_advance_loc1:
		return skip_bytes(in, 1);
	case DW_CFA_advance_loc2:
		return skip_bytes(in, 2);
	case DW_CFA_advance_loc4:
		return skip_bytes(in, 4);
	case DW_CFA_MIPS_advance_loc8:
		return skip_bytes(in, 8);
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_def_cfa_register:
		return skip_register(in);
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_GNU_args_size:
		return skip_leb128(in, 1);
	case DW_CFA_register:
		return skip_register(in) && /* NOLINT(misc-redundant-expression): it moves on */
		       skip_register(in);
	case DW_CFA_offset_extended:
	case DW_CFA_def_cfa:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_GNU_negative_offset_extended:
		return skip_register(in) && skip_leb128(in, 1);
	case DW_CFA_def_cfa_expression:
		return skip_block(in);
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		return skip_register(in) && skip_block(in);
	default:
		return false;
	}
}

enum hw_instructions hw_instructions_look(const uint8_t *start, const uint8_t *end, uint8_t encoding,
                                          uint64_t reg)
{
	struct hw_encoded in = {.at = start, .end = end}, operand;
	enum hw_instructions found = HW_INSTRUCTIONS_PLAIN;
	uint64_t value;
	uint8_t opcode;

	while (in.at < in.end) {
		opcode = *in.at++;
		switch (opcode & 0xc0) {
		case DW_CFA_advance_loc:
		case DW_CFA_restore:
			continue;
		case DW_CFA_offset:
			if (!skip_leb128(&in, 1))
				return HW_INSTRUCTIONS_BAD;
			continue;
		}
		operand = in;
		if (!skip_operands(&in, opcode, encoding))
			return HW_INSTRUCTIONS_BAD;
		if (opcode == DW_CFA_undefined && !hw_encoded_read(&operand, DW_EH_PE_uleb128, 0, &value) &&
		    value == reg)
			found = HW_INSTRUCTIONS_UNDEFINED;
	}
	return found;
}
