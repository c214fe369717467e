/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A few bytes of a mangled name can stand for terabytes of a demangled one. So libiberty writes piece by
 * piece into our buffer, and is left in the middle when that is full: it keeps nothing on the heap there but
 * a decoded identifier, which is then lost.
 */
#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#define MANGLED_MAX 8192

struct output {
	char *text;
	size_t length;
	jmp_buf full;
};

static void write_piece(const char *piece, size_t size, void *context)
{
	struct output *output = context;

	if (size > HW_DEMANGLED_MAX - output->length)
		longjmp(output->full, 1);
	memcpy(output->text + output->length, piece, size);
	output->length += size;
}

static int write_demangled(const char *name, struct output *output)
{
	const int style = DMGL_PARAMS | DMGL_ANSI;

	if (name[1] == 'R' || strstr(name, "17h"))
		if (rust_demangle_callback(name, style, write_piece, output))
			return 1;
	output->length = 0;
	return name[1] == 'Z' && cplus_demangle_v3_callback(name, style, write_piece, output);
}

size_t hw_demangle(const char *name, char *text)
{
	struct output output = {.text = text};
	size_t length = strnlen(name, MANGLED_MAX + 1);

	if (name[0] != '_' || length < 4 || length > MANGLED_MAX || !strchr("ZR", name[1]))
		return 0;
	if (setjmp(output.full) || !write_demangled(name, &output))
		return 0;
	text[output.length] = '\0';
	return output.length;
}
