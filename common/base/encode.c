/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings. Decoding is strict: one text for one value. */
#include "common/base/encode.h"

#include <stdint.h>

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void hex_text(const void *p, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = p;

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[at[i] >> 4];
		*ret++ = digits[at[i] & 15];
	}
	*ret = '\0';
}

void hex_encode(struct slice s, struct buf *ret)
{
	char pair[3];

	for (size_t i = 0; i < s.n; i++) {
		hex_text(s.p + i, 1, pair);
		buf_add(ret, pair, 2);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err hex_decode(struct slice s, void *ret, size_t n)
{
	uint8_t *out = ret;

	if (s.n != 2 * n)
		return ERR_INPUT;
	for (size_t i = 0; i < s.n; i++)
		if (hex_digit(s.p[i]) < 0)
			return ERR_INPUT;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(s.p[2 * i]) << 4 | hex_digit(s.p[2 * i + 1]));
	return OK;
}

/* 48 bytes become 64 digits at a time, so that large bodies are cheap to append. */
static void encode(struct slice s, const char *digits, bool pad, struct buf *ret)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t left = s.n;
	char out[64];

	while (left) {
		size_t n = 0;

		while (left && n < sizeof(out)) {
			uint32_t v = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) |
				     (left > 2 ? p[2] : 0);
			size_t take = left < 3 ? left : 3;

			for (size_t i = 0; i <= take; i++)
				out[n++] = digits[v >> (18 - 6 * i) & 63];
			for (size_t i = take; pad && i < 3; i++)
				out[n++] = '=';
			p += take;
			left -= take;
		}
		buf_add(ret, out, n);
	}
}

void base64_encode(struct slice s, struct buf *ret)
{
	encode(s, base64_digits, true, ret);
}

void base64url_encode(struct slice s, struct buf *ret)
{
	encode(s, base64url_digits, false, ret);
}

/* The two encodings differ in their last two digits only. */
static int value_of(char c, const char *digits)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == digits[62] ? 62 : c == digits[63] ? 63 : -1;
}

/* Up to four digits become one to three bytes; false when a digit or a trailing bit is wrong. */
static bool decode_group(struct slice s, const char *digits, char out[3])
{
	size_t bytes = s.n * 6 / 8;
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i < s.n ? value_of(s.p[i], digits) : 0;

		if (digit < 0)
			return false;
		v = v << 6 | (uint32_t)digit;
	}
	for (size_t i = 0; i < 3; i++)
		out[i] = (char)(v >> (16 - 8 * i) & 0xff);
	return s.n != 1 && (v & (0xffffffU >> (8 * bytes))) == 0;
}

/* `s` without padding; the bytes at `out`. */
static enum err decode_at(struct slice s, const char *digits, char *out, size_t *ret_n)
{
	char group[3];
	size_t n = 0;

	for (size_t at = 0; at < s.n; at += 4) {
		struct slice four = slice_sub(s, at, at + 4);

		if (!decode_group(four, digits, group))
			return ERR_INPUT;
		memcpy(out + n, group, four.n * 6 / 8);
		n += four.n * 6 / 8;
	}
	*ret_n = n;
	return OK;
}

/* The same, appended piece by piece. On failure the content of *ret is what it was. */
static enum err decode(struct slice s, const char *digits, struct buf *ret)
{
	size_t before = ret->len, n;
	char out[48];

	for (size_t at = 0; at < s.n; at += 64) {
		if (decode_at(slice_sub(s, at, at + 64), digits, out, &n)) {
			buf_truncate(ret, before);
			return ERR_INPUT;
		}
		buf_add(ret, out, n);
	}
	return buf_check(ret);
}

static bool without_padding(struct slice *s)
{
	size_t pad = 0;

	if (s->n % 4)
		return false;
	while (pad < 2 && s->n > pad && s->p[s->n - 1 - pad] == '=')
		pad++;
	*s = slice_sub(*s, 0, s->n - pad);
	return true;
}

enum err base64_decode(struct slice s, struct buf *ret)
{
	return without_padding(&s) ? decode(s, base64_digits, ret) : ERR_INPUT;
}

enum err base64_decode_at(struct slice s, char *ret, size_t *ret_n)
{
	return without_padding(&s) ? decode_at(s, base64_digits, ret, ret_n) : ERR_INPUT;
}

enum err base64url_decode(struct slice s, struct buf *ret)
{
	return decode(s, base64url_digits, ret);
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void percent_encode(struct slice s, struct buf *ret)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_unreserved(s.p[i]))
			buf_add_char(ret, s.p[i]);
		else
			buf_addf(ret, "%%%02X", (unsigned char)s.p[i]);
	}
}
