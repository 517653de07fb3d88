/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfer encodings. Quoted-printable is GMime's; its base64 stops at the first
 * padding and drops an end without one, so that is done here.
 * Nothing a sender writes may make the output larger than the input.
 */
#include "common/mail/mime_decode.h"

#include <gmime/gmime.h>

enum { STEP = 4096 };

struct mime_decoder {
	enum mime_encoding encoding;
	GMimeEncoding gmime;
	uint32_t bits; /* of a base64 group ... */
	unsigned n;    /* ... so many digits were seen */
};

enum mime_encoding mime_encoding_of(struct slice name)
{
	if (slice_ieq(name, S("base64")))
		return MIME_BASE64;
	return slice_ieq(name, S("quoted-printable")) ? MIME_QUOTED_PRINTABLE : MIME_IDENTITY;
}

struct mime_decoder *mime_decoder_new(enum mime_encoding encoding)
{
	struct mime_decoder *d = mem_zalloc(sizeof(*d));

	d->encoding = encoding;
	if (encoding == MIME_QUOTED_PRINTABLE)
		g_mime_encoding_init_decode(&d->gmime, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	return d;
}

void mime_decoder_free(struct mime_decoder *d)
{
	free(d);
}

/* The value of a digit, or -1. */
static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The whole bytes of a group that ends early. */
static void end_group(struct mime_decoder *d, struct buf *ret)
{
	if (d->n >= 2)
		buf_add_char(ret, (char)(d->bits >> (6 * d->n - 8)));
	if (d->n == 3)
		buf_add_char(ret, (char)(d->bits >> 2));
	d->bits = d->n = 0;
}

/* Padding may stand in the middle, where a sender joined two encodings. */
static void feed_base64(struct mime_decoder *d, struct slice in, struct buf *ret)
{
	for (size_t i = 0; i < in.n; i++) {
		int digit = base64_digit(in.p[i]);

		if (in.p[i] == '=')
			end_group(d, ret);
		if (digit < 0)
			continue;
		d->bits = d->bits << 6 | (uint32_t)digit;
		if (++d->n == 4) {
			const char group[] = { (char)(d->bits >> 16), (char)(d->bits >> 8),
					       (char)d->bits };

			buf_add(ret, group, sizeof(group));
			d->bits = d->n = 0;
		}
	}
}

static void feed_quoted_printable(struct mime_decoder *d, struct slice in, struct buf *ret)
{
	char out[STEP + 64];

	while (in.n) {
		size_t n = in.n < STEP ? in.n : STEP;

		g_assert(g_mime_encoding_outlen(&d->gmime, n) <= sizeof(out));
		buf_add(ret, out, g_mime_encoding_step(&d->gmime, in.p, n, out));
		in = slice_sub(in, n, in.n);
	}
}

void mime_decoder_feed(struct mime_decoder *d, struct slice in, struct buf *ret)
{
	if (d->encoding == MIME_IDENTITY)
		buf_add_slice(ret, in);
	else if (d->encoding == MIME_BASE64)
		feed_base64(d, in, ret);
	else
		feed_quoted_printable(d, in, ret);
}

void mime_decoder_end(struct mime_decoder *d, struct buf *ret)
{
	if (d->encoding == MIME_BASE64)
		end_group(d, ret);
}
