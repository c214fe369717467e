/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The code that the kernel maps into every process: there is no file of it, but an image in this process. */
#ifndef HW_SYMBOL_VDSO_H
#define HW_SYMBOL_VDSO_H

#include "symbol/elf_file.h"

/* This process's vDSO, copied. 0, -ENOENT: there is none, or as hw_elf_file_open_image. */
int hw_vdso_open(struct hw_elf_file *file);

#endif
