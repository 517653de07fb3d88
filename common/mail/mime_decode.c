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
	uint32_t bits;            /* of a base64 group ... */
	unsigned n;               /* ... so many digits were seen */
	unsigned char digit[256]; /* of a base64 character: its value + 1, or 0 */
};

enum mime_encoding mime_encoding_of(struct slice name)
{
	if (slice_ieq(name, S("base64")))
		return MIME_BASE64;
	return slice_ieq(name, S("quoted-printable")) ? MIME_QUOTED_PRINTABLE : MIME_IDENTITY;
}

struct mime_decoder *mime_decoder_new(enum mime_encoding encoding)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct mime_decoder *d = mem_zalloc(sizeof(*d));

	d->encoding = encoding;
	for (size_t i = 0; digits[i]; i++)
		d->digit[(unsigned char)digits[i]] = (unsigned char)(i + 1);
	if (encoding == MIME_QUOTED_PRINTABLE)
		g_mime_encoding_init_decode(&d->gmime, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	return d;
}

void mime_decoder_free(struct mime_decoder *d)
{
	free(d);
}

/* The whole bytes of a group that ends early. */
static size_t end_group(struct mime_decoder *d, char *out)
{
	size_t n = d->n >= 2 ? d->n - 1 : 0;
	uint32_t bits = d->bits << 6 * (4 - d->n);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(bits >> (16 - 8 * i));
	d->bits = d->n = 0;
	return n;
}

/* Padding may stand in the middle, where a sender joined two encodings. */
static size_t step_base64(struct mime_decoder *d, struct slice in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		unsigned char digit = d->digit[(unsigned char)in.p[i]];

		if (digit) {
			d->bits = d->bits << 6 | (digit - 1u);
			d->n++;
		}
		if (d->n == 4 || in.p[i] == '=')
			n += end_group(d, out + n);
	}
	return n;
}

static void feed_base64(struct mime_decoder *d, struct slice in, struct buf *ret)
{
	char out[STEP + MIME_DECODER_EXTRA];

	while (in.n) {
		struct slice step = slice_sub(in, 0, STEP);

		buf_add(ret, out, step_base64(d, step, out));
		in = slice_sub(in, step.n, in.n);
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
	char out[MIME_DECODER_EXTRA];

	if (d->encoding == MIME_BASE64)
		buf_add(ret, out, end_group(d, out));
}
