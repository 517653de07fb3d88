/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfer encodings by GMime, piece by piece straight into the mail: nothing is
 * copied whole.
 */
#include "common/mail/mime_encode.h"

#include "common/mail/header_write.h"

#include <gmime/gmime.h>

enum {
	STEP = 4096,
	COSTLY_MAX = 8, /* one of so many bytes may take three in quoted-printable */
};

struct encoder {
	GMimeEncoding gmime;
	struct buf *out;
};

const char *mime_encoding_name(enum mime_encoding encoding)
{
	static const char *const names[] = {
		[MIME_IDENTITY] = "7bit",
		[MIME_BASE64] = "base64",
		[MIME_QUOTED_PRINTABLE] = "quoted-printable",
	};

	return names[encoding];
}

/* The next line, however it ends; false when there is none. */
static bool next_line(struct slice *rest, struct slice *ret)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
		n++;
	*ret = slice_sub(*rest, 0, n);
	if (slice_starts(slice_sub(*rest, n, rest->n), S("\r\n")))
		n++;
	*rest = slice_sub(*rest, n + 1, rest->n);
	return true;
}

/* Bytes that quoted-printable writes as three. */
static size_t costly_of(struct slice line)
{
	size_t n = slice_ends(line, S(" ")) || slice_ends(line, S("\t")) ? 1 : 0;

	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] > '~' || line.p[i] == '=')
			n++;
	return n;
}

static bool is_ascii_text(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] > '~')
			return false;
	return !slice_ends(line, S(" ")) && !slice_ends(line, S("\t"));
}

/*
 * A longer line than wanted can go as it is when it has no blank: it is a link
 * then, and stays whole for those who read mail raw.
 */
static bool has_good_length(struct slice line)
{
	return line.n <= HEADER_LINE_WANT ||
	       (line.n <= HEADER_LINE_MAX && slice_find(line, ' ') < 0);
}

enum mime_encoding mime_encode_choose(struct slice text)
{
	size_t costly = 0, n = text.n;
	bool plain = true;
	struct slice line;

	while (next_line(&text, &line)) {
		plain = plain && is_ascii_text(line) && has_good_length(line);
		costly += costly_of(line);
	}
	if (plain)
		return MIME_IDENTITY;
	return costly > n / COSTLY_MAX ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
}

/* GMime ends lines with LF. */
static void add_lines(struct slice s, struct buf *ret)
{
	struct slice line;

	while (slice_cut(&s, '\n', &line)) {
		buf_add_slice(ret, line);
		if (s.p)
			buf_add_str(ret, "\r\n");
	}
}

static void feed(struct encoder *e, struct slice in)
{
	char out[4 * STEP + 64];

	g_assert(g_mime_encoding_outlen(&e->gmime, STEP) <= sizeof(out));
	while (in.n) {
		struct slice step = slice_sub(in, 0, STEP);
		size_t n = g_mime_encoding_step(&e->gmime, step.p, step.n, out);

		add_lines(slice_of(out, n), e->out);
		in = slice_sub(in, step.n, in.n);
	}
}

static void finish(struct encoder *e)
{
	char out[STEP];
	size_t n = g_mime_encoding_flush(&e->gmime, "", 0, out);

	add_lines(slice_of(out, n), e->out);
}

void mime_encode_text(enum mime_encoding encoding, struct slice text, struct buf *ret)
{
	static const GMimeContentEncoding gmime[] = {
		[MIME_BASE64] = GMIME_CONTENT_ENCODING_BASE64,
		[MIME_QUOTED_PRINTABLE] = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
	};
	struct encoder e = { .out = ret };
	struct slice line = S("");

	if (encoding != MIME_IDENTITY)
		g_mime_encoding_init_encode(&e.gmime, gmime[encoding]);
	if (text.n == 0)
		text = S("\n");
	while (next_line(&text, &line)) {
		if (encoding == MIME_IDENTITY) {
			buf_add_slice(ret, line);
			buf_add_str(ret, "\r\n");
		} else {
			feed(&e, line);
			feed(&e, encoding == MIME_BASE64 ? S("\r\n") : S("\n"));
		}
	}
	if (encoding != MIME_IDENTITY)
		finish(&e);
}

void mime_encode_bytes(struct slice bytes, struct buf *ret)
{
	struct encoder e = { .out = ret };

	g_mime_encoding_init_encode(&e.gmime, GMIME_CONTENT_ENCODING_BASE64);
	feed(&e, bytes);
	finish(&e);
}
