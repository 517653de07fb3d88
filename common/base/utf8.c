/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checks and repairs. Output never holds NUL or an invalid sequence. */
#include "common/base/utf8.h"

/* Lead bytes by range: length of the sequence and the allowed range of the second byte. */
static const struct {
	unsigned char first, last, len, low, high;
} leads[] = {
	{ 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

size_t utf8_len(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		if (p[0] < leads[i].first || p[0] > leads[i].last)
			continue;
		if (s.n < leads[i].len)
			return 0;
		if (leads[i].len > 1 && (p[1] < leads[i].low || p[1] > leads[i].high))
			return 0;
		for (size_t k = 2; k < leads[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return leads[i].len;
	}
	return 0;
}

size_t utf8_encode(uint32_t c, char ret[4])
{
	static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		ret[i] = (char)(0x80 | (c & 0x3f));
	ret[0] = (char)(n == 1 ? c : marks[n] | c);
	return n;
}

/* Bytes of ASCII at the start, NUL not among them: nearly all there is. */
static size_t ascii_len(struct slice s)
{
	size_t n = 0;

	while (n < s.n && (unsigned char)(s.p[n] - 1) < 0x7f)
		n++;
	return n;
}

bool utf8_valid(struct slice s)
{
	while (s.n) {
		size_t n = ascii_len(s);

		if (n == 0)
			n = utf8_len(s);

		if (n == 0)
			return false;
		s = slice_sub(s, n, s.n);
	}
	return true;
}

size_t utf8_count(struct slice s)
{
	size_t count = 0;

	while (s.n) {
		size_t n = utf8_len(s);

		s = slice_sub(s, n ? n : 1, s.n);
		count++;
	}
	return count;
}

/* Writes the clean form of s to `out`, unless that is NULL; its length. */
static size_t clean(struct slice s, char *out)
{
	size_t total = 0;

	while (s.n) {
		size_t ascii = ascii_len(s), n = ascii ? ascii : utf8_len(s);
		struct slice piece = n ? slice_sub(s, 0, *s.p ? n : 0) : S("\xef\xbf\xbd");

		if (out)
			memcpy(out + total, piece.p, piece.n);
		total += piece.n;
		s = slice_sub(s, n ? n : 1, s.n);
	}
	return total;
}

size_t utf8_clean_len(struct slice s)
{
	return clean(s, NULL);
}

struct slice utf8_clean(struct arena *a, struct slice s)
{
	size_t n;
	char *out;

	if (utf8_valid(s) && slice_find(s, '\0') < 0)
		return s;
	n = clean(s, NULL);
	out = arena_alloc(a, n);
	clean(s, out);
	return slice_of(out, n);
}

struct slice utf8_cut(struct slice s, size_t max_bytes)
{
	size_t n = max_bytes;

	if (s.n <= max_bytes)
		return s;
	while (n > 0 && max_bytes - n < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_sub(s, 0, n);
}

struct slice utf8_line(struct arena *a, struct slice s, size_t max_bytes)
{
	char *out = arena_dup(a, s);

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = ' ';
	return slice_trim(utf8_cut(slice_trim(slice_of(out, s.n)), max_bytes));
}

static bool is_plain(struct slice one)
{
	const unsigned char *p = (const unsigned char *)one.p;

	switch (one.n) {
	case 1:
		return p[0] == '\t' || p[0] == '\n' || (p[0] >= ' ' && p[0] != 0x7f);
	case 2:
		return p[0] != 0xc2 || p[1] >= 0xa0;
	case 3:
		return p[0] != 0xe2 || !((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
					 (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
	default:
		return one.n == 4;
	}
}

struct slice utf8_plain(struct arena *a, struct slice s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *out = arena_calloc(a, s.n, sizeof(replacement) - 1);
	size_t len = 0;

	while (s.n) {
		size_t n = utf8_len(s);
		struct slice one = slice_sub(s, 0, n);

		if (!is_plain(one))
			one = S(replacement);
		memcpy(out + len, one.p, one.n);
		len += one.n;
		s = slice_sub(s, n ? n : 1, s.n);
	}
	return slice_of(out, len);
}
