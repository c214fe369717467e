/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/text.h"

#include <string.h>
#include <wchar.h>

/* Length of the well-formed UTF-8 sequence at text (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_decode(const unsigned char *text, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	uint32_t value;

	if (!size || text[0] > 0xf4)
		return 0;
	if (size == 1) {
		*character = text[0];
		return 1;
	}
	value = text[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80) /* the terminating zero, too */
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*character = value;
	return size;
}

/* Characters that are invisible or change how their neighbours are shown. */
static int misleads(uint32_t character)
{
	static const uint32_t ranges[][2] = {
	    {0x80, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x115f, 0x1160},   {0x180e, 0x180e},
	    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},
	    {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (character >= ranges[i][0] && character <= ranges[i][1])
			return 1;
	return 0;
}

size_t hw_text_next(const char **text, char piece[HW_TEXT_PIECE])
{
	const unsigned char *from = (const unsigned char *)*text;
	uint32_t character = 0;
	size_t size;

	if (!from[0]) {
		piece[0] = '\0';
		return 0;
	}
	size = utf8_decode(from, &character);
	*text += size ? size : 1;
	if (!size || character < 0x20 || character == 0x7f)
		return (size_t)snprintf(piece, HW_TEXT_PIECE, "\\x%02x", from[0]);
	if (misleads(character))
		return (size_t)snprintf(piece, HW_TEXT_PIECE, "\\u{%x}", character & 0x1fffffu);
	memcpy(piece, from, size);
	piece[size] = '\0';
	return size;
}

int hw_text_piece_columns(const char *piece)
{
	uint32_t character = 0;
	int columns;

	if ((unsigned char)piece[0] < 0x80)
		return (int)strlen(piece);
	utf8_decode((const unsigned char *)piece, &character);
	columns = wcwidth((wchar_t)character);
	return columns < 0 ? 1 : columns;
}

size_t hw_text_columns(const char *text)
{
	char piece[HW_TEXT_PIECE];
	size_t columns = 0;

	while (hw_text_next(&text, piece))
		columns += (size_t)hw_text_piece_columns(piece);
	return columns;
}

static size_t print_up_to(FILE *out, const char **text, size_t columns)
{
	char piece[HW_TEXT_PIECE];
	size_t written = 0, wide;
	const char *next = *text;

	while (hw_text_next(&next, piece)) {
		wide = (size_t)hw_text_piece_columns(piece);
		if (written + wide > columns)
			break;
		fputs(piece, out);
		written += wide;
		*text = next;
	}
	return written;
}

size_t hw_text_print(FILE *out, const char *text, size_t columns, int ascii)
{
	size_t all = hw_text_columns(text), dots = ascii ? 3 : 1, head, tail, passed = 0, written;
	char piece[HW_TEXT_PIECE];

	if (all <= columns || columns < dots + 2)
		return print_up_to(out, &text, columns);
	head = (columns - dots) / 2;
	tail = columns - dots - head;
	written = print_up_to(out, &text, head);
	fputs(ascii ? "..." : "…", out);
	/* Skip until what is left fits into the tail. */
	for (passed = written; all - passed > tail && hw_text_next(&text, piece);)
		passed += (size_t)hw_text_piece_columns(piece);
	return written + dots + print_up_to(out, &text, tail);
}

/* How many bytes at the start of text are printed as they stand: nearly all of nearly every name. */
static size_t plain_bytes(const char *text, const char *avoid)
{
	size_t size = 0;

	while (text[size] >= 0x20 && text[size] < 0x7f && !(avoid && strchr(avoid, text[size])))
		size++;
	return size;
}

void hw_text_print_all(FILE *out, const char *text, const char *avoid)
{
	char piece[HW_TEXT_PIECE];
	size_t plain;

	do {
		plain = plain_bytes(text, avoid);
		fwrite_unlocked(text, 1, plain, out);
		text += plain;
		if (!hw_text_next(&text, piece))
			return;
		fputs(avoid && strchr(avoid, piece[0]) && !piece[1] ? ":" : piece, out);
	} while (*text);
}

void hw_text_print_json(FILE *out, const char *text, size_t max_bytes)
{
	char piece[HW_TEXT_PIECE];
	size_t size, written = 0;

	while ((size = hw_text_next(&text, piece))) {
		written += size;
		if (written > max_bytes) {
			fputs("…", out);
			return;
		}
		for (const char *c = piece; *c; c++) {
			/* '<', '>' and '&' too: no "</script>" and no "<!--" can come out of a name */
			if (strchr("\"\\<>&", *c))
				fprintf(out, "\\u%04x", (unsigned)*c);
			else
				fputc(*c, out);
		}
	}
}

void hw_text_print_html(FILE *out, const char *text, size_t max_bytes)
{
	char piece[HW_TEXT_PIECE];
	size_t size, written = 0;

	while ((size = hw_text_next(&text, piece))) {
		written += size;
		if (written > max_bytes) {
			fputs("…", out);
			return;
		}
		if (strchr("\"'<>&", piece[0]))
			fprintf(out, "&#%d;", piece[0]);
		else
			fputs(piece, out);
	}
}

struct hw_text hw_text_count(uint64_t count)
{
	struct hw_text out;
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count), at = 0;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			out.text[at++] = ',';
		out.text[at++] = digits[i];
	}
	out.text[at] = '\0';
	return out;
}

struct hw_text hw_text_duration(uint64_t duration_ns)
{
	struct hw_text out;
	double s = (double)duration_ns / 1e9;
	unsigned long long whole = duration_ns / 1000000000u;

	if (s < 1)
		snprintf(out.text, sizeof(out.text), "%.3g ms", s * 1e3);
	else if (s < 120)
		snprintf(out.text, sizeof(out.text), "%.2f s", s);
	else if (whole < 7200)
		snprintf(out.text, sizeof(out.text), "%llu min %02llu s", whole / 60, whole % 60);
	else
		snprintf(out.text, sizeof(out.text), "%llu h %02llu min", whole / 3600, whole / 60 % 60);
	return out;
}

struct hw_text hw_text_bytes(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct hw_text out;
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

struct hw_text hw_text_percent(uint64_t part, uint64_t whole)
{
	struct hw_text out;
	double percent = whole ? 100.0 * (double)part / (double)whole : 0.0;

	if (!part)
		strcpy(out.text, "0");
	else if (part == whole)
		strcpy(out.text, "100");
	else if (percent < 0.05)
		strcpy(out.text, "<0.1");
	else if (percent > 99.995)
		strcpy(out.text, ">99.99"); /* never "100" when something is missing */
	else
		snprintf(out.text, sizeof(out.text), percent >= 99 ? "%.2f" : "%.1f", percent);
	return out;
}

const char *hw_text_plural(uint64_t count, const char *one, const char *many)
{
	return count == 1 ? one : many;
}
