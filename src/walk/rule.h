/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From the rules that libdw gives for an address to one rule of walk/row.h. */
#ifndef HW_WALK_RULE_H
#define HW_WALK_RULE_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "walk/row.h"

/*
 * Never fails: what cannot be said, or read, is HW_RULE_UNFIT. is_signal: the entry's 'S' augmentation.
 * keeps_rbx: rbx "undefined" only means that nothing is said of it (see walk/instructions.h).
 */
hw_u64 hw_rule_of_frame(Dwarf_Frame *frame, int return_address_register, bool is_signal, bool keeps_rbx);

#endif
