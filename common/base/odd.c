/* SPDX-License-Identifier: Apache-2.0 */
/* The table of odd characters. A range that is missing here can lie to a reader. */
#include "common/base/odd.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

static const struct {
	uint32_t first, last;
} ranges[] = {
	{ 0x00, 0x08 },       { 0x0b, 0x1f },       /* controls but tab and LF */
	{ 0x7f, 0x9f },       { 0xad, 0xad },       /* more of them; soft hyphen */
	{ 0x34f, 0x34f },     { 0x61c, 0x61c },     /* grapheme joiner; Arabic letter mark */
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   /* fillers; vowels that are not shown */
	{ 0x180b, 0x180f },   { 0x200b, 0x200f },   /* Mongolian; zero width and direction */
	{ 0x2028, 0x202e },   { 0x2060, 0x206f },   /* separators, direction; invisible operators */
	{ 0x3164, 0x3164 },   { 0xfe00, 0xfe0d },   /* filler; variants that are no emoji's */
	{ 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   /* byte order mark; filler */
	{ 0xfff0, 0xfffb },   { 0x1bca0, 0x1bca3 }, /* annotations; shorthand */
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff }, /* music; tags, variants */
};

bool odd_is(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (c <= ranges[i].last)
			return c >= ranges[i].first;
	return false;
}

/* Of a valid sequence of n bytes. */
static uint32_t code_point(const unsigned char *p, size_t n)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = p[0] & masks[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

struct odd_run odd_next(struct slice s)
{
	struct odd_run run = { 0 };

	while (run.plain < s.n) {
		struct slice rest = slice_sub(s, run.plain, s.n);
		size_t n;
		uint32_t c;

		if (*rest.p >= ' ' && *rest.p < 0x7f) { /* nearly all there is */
			run.plain++;
			continue;
		}
		n = utf8_len(rest);
		c = n ? code_point((const unsigned char *)rest.p, n) : 0xfffd;

		if (n == 0 || odd_is(c)) {
			run.odd_n = n ? n : 1;
			run.odd = c;
			return run;
		}
		run.plain += n;
	}
	return run;
}
