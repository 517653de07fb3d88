/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only user of GMime. What comes out is text for columns and clients; it
 * must never be used to decide anything about trust, and never be written
 * back into a message.
 */
#include "common/mail/mime.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/header.h"

#include <gmime/gmime.h>

enum {
	INPUT_MAX = 64 * 1024,     /* what is read of one value */
	WORDS_MAX = 9 * INPUT_MAX, /* three times for UTF-8, three times for Q */
};

/* windows-1252 0x80..0x9f; the five bytes without a character keep their number. */
static const uint16_t cp1252_c1[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

void mime_init(void)
{
	g_mime_init();
}

static struct slice from_cp1252(struct arena *a, struct slice s)
{
	char *out = arena_calloc(a, s.n + 1, 3);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char byte = (unsigned char)s.p[i];
		bool c1 = byte >= 0x80 && byte < 0xa0;

		n += (size_t)g_unichar_to_utf8(c1 ? cp1252_c1[byte - 0x80] : byte, out + n);
	}
	return slice_of(out, n);
}

/* Splits "=?charset?B?text?=" at the start of s; false when it is no such word. */
static bool cut_b_word(struct slice s, struct slice *ret_charset, struct slice *ret_text,
		       size_t *ret_len)
{
	struct slice rest = slice_sub(s, 2, s.n), encoding;

	if (!slice_starts(s, S("=?")) || !slice_cut(&rest, '?', ret_charset) ||
	    !slice_cut(&rest, '?', &encoding) || !slice_ieq(encoding, S("B")) ||
	    !slice_cut(&rest, '?', ret_text) || !slice_starts(rest, S("=")))
		return false;
	*ret_len = (size_t)(rest.p + 1 - s.p);
	return true;
}

static void add_q_word(struct buf *b, struct slice charset, struct slice base64, struct arena *a)
{
	char *bytes = arena_alloc(a, base64.n + 8);
	GMimeEncoding state;
	size_t n;

	g_mime_encoding_init_decode(&state, GMIME_CONTENT_ENCODING_BASE64);
	n = g_mime_encoding_step(&state, base64.p, base64.n, bytes);
	/* Padding that the sender forgot. */
	n += g_mime_encoding_step(&state, "===", (4 - base64.n % 4) % 4, bytes + n);
	buf_addf(b, "=?%.*s?Q?", SLICE_ARGS(charset));
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "=%02X", (unsigned)(unsigned char)bytes[i]);
	buf_add_str(b, "?=");
}

/*
 * Rewrites B words as Q words: GMime 3.2 joins adjacent words of one charset
 * before it decodes them and then stops at the padding of the first (GMime
 * issue 133). Joining Q words is harmless, and needed where a sender cut
 * inside a character.
 */
static void add_with_q_words(struct buf *b, struct slice text, struct arena *a)
{
	size_t i = 0, from = 0;

	while (i < text.n) {
		struct slice charset, base64;
		size_t len;

		if (!cut_b_word(slice_sub(text, i, text.n), &charset, &base64, &len)) {
			i++;
			continue;
		}
		buf_add_slice(b, slice_sub(text, from, i));
		add_q_word(b, charset, base64, a);
		from = i += len;
	}
	buf_add_slice(b, slice_sub(text, from, text.n));
}

/* A copy without NUL, for a library that reads strings. */
static struct slice without_nul(struct arena *a, struct slice s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\0')
			out[n++] = s.p[i];
	return slice_of(out, n);
}

static void g_freep(char **p)
{
	g_free(*p);
}

/* Controls may come out of an encoded word, CR LF among them. */
static struct slice without_controls(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, text);

	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return slice_str(out);
}

struct slice mime_text(struct slice value, size_t max_bytes, struct arena *a)
{
	AUTO(buf_release) struct buf words = BUF_INIT(WORDS_MAX);
	AUTO(g_freep) char *decoded = NULL;
	struct slice text = header_unfold(a, utf8_cut(value, INPUT_MAX));

	if (!utf8_valid(text))
		text = from_cp1252(a, text);
	add_with_q_words(&words, without_nul(a, text), a);
	decoded = g_mime_utils_header_decode_text(NULL, buf_cstr(&words));
	text = utf8_clean(a, without_controls(a, decoded));
	return slice_trim(utf8_cut(text, max_bytes));
}
