/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The BPF objects as bytes: the kfunc with five arguments (Linux 6.18, 6.19) and with four (7.0 on). */
#ifndef HW_BPF_OBJECTS_H
#define HW_BPF_OBJECTS_H

#include <stddef.h>

extern const unsigned char hw_bpf_object_5[];
extern const size_t hw_bpf_object_5_size;
extern const unsigned char hw_bpf_object_4[];
extern const size_t hw_bpf_object_4_size;

#endif
