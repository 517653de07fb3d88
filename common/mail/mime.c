/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header text by GMime. What comes out is text for columns and clients; it
 * must never be used to decide anything about trust, and never be written
 * back into a message.
 */
#include "common/mail/mime.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/header.h"
#include "common/mail/mime_charset.h"

#include <gmime/gmime.h>

#define FALLBACK "windows-1252"

enum {
	INPUT_MAX = 16 * 1024, /* what is read of one value */
	DATE_MAX = 200,
	WORDS_MAX = 9 * INPUT_MAX, /* three times for UTF-8, three times for Q and names */
};

void mime_init(void)
{
	g_mime_init();
}

/* The charset as GMime may see it. */
static const char *word_charset(struct slice charset, struct arena *a)
{
	struct slice name = charset;
	const char *known;

	slice_cut(&charset, '*', &name); /* a language may follow (RFC 2231 5) */
	known = mime_charset_known(name, a);
	return known ? known : FALLBACK;
}

/* An encoded word (RFC 2047 2), or only its head when no whole one follows. */
struct word {
	struct slice charset, text;
	char encoding;
	size_t len; /* of the head, "=?charset?B?", or of the whole word */
	bool whole;
};

static bool cut_word(struct slice s, struct word *ret)
{
	struct slice rest = slice_sub(s, 2, s.n), encoding;

	if (!slice_starts(s, S("=?")) || !slice_cut(&rest, '?', &ret->charset) ||
	    !slice_cut(&rest, '?', &encoding) || !rest.p || encoding.n != 1 ||
	    !strchr("BbQq", encoding.p[0]))
		return false;
	ret->encoding = encoding.p[0];
	ret->len = (size_t)(rest.p - s.p);
	ret->whole = slice_cut(&rest, '?', &ret->text) && slice_starts(rest, S("="));
	if (ret->whole)
		ret->len = (size_t)(rest.p + 1 - s.p);
	return true;
}

static void add_base64_as_q(struct buf *b, struct slice base64, struct arena *a)
{
	char *bytes = arena_alloc(a, base64.n + 8);
	GMimeEncoding state;
	size_t n;

	g_mime_encoding_init_decode(&state, GMIME_CONTENT_ENCODING_BASE64);
	n = g_mime_encoding_step(&state, base64.p, base64.n, bytes);
	/* Padding that the sender forgot. */
	n += g_mime_encoding_step(&state, "===", (4 - base64.n % 4) % 4, bytes + n);
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "=%02X", (unsigned)(unsigned char)bytes[i]);
}

/*
 * B words become Q words: GMime 3.2 joins adjacent words of one charset before
 * it decodes them and then stops at the padding of the first (GMime issue
 * 133). Joining Q words is harmless, and needed where a sender cut inside a
 * character.
 */
static void add_word(struct buf *b, const struct word *w, struct arena *a)
{
	bool q = w->whole && (w->encoding == 'B' || w->encoding == 'b');

	buf_addf(b, "=?%s?%c?", word_charset(w->charset, a), q ? 'Q' : w->encoding);
	if (q)
		add_base64_as_q(b, w->text, a);
	else if (w->whole)
		buf_add_slice(b, w->text);
	if (w->whole)
		buf_add_str(b, "?=");
}

/* Copies text with its encoded words in the form in which GMime reads them well. */
static void add_words(struct buf *b, struct slice text, struct arena *a)
{
	size_t i = 0, from = 0;

	while (i < text.n) {
		struct word w;

		if (!cut_word(slice_sub(text, i, text.n), &w)) {
			i++;
			continue;
		}
		buf_add_slice(b, slice_sub(text, from, i));
		add_word(b, &w, a);
		from = i += w.len;
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

struct slice mime_text_exact(struct slice value, size_t max_bytes, struct arena *a)
{
	AUTO(buf_release) struct buf words = BUF_INIT(WORDS_MAX);
	AUTO(g_freep) char *decoded = NULL;
	struct slice text = header_unfold(a, utf8_cut(value, INPUT_MAX));

	if (!utf8_valid(text))
		text = mime_charset_cp1252(text, a);
	add_words(&words, without_nul(a, text), a);
	decoded = g_mime_utils_header_decode_text(NULL, buf_cstr(&words));
	return utf8_cut(utf8_clean(a, without_controls(a, decoded)), max_bytes);
}

struct slice mime_text(struct slice value, size_t max_bytes, struct arena *a)
{
	return slice_trim(mime_text_exact(value, max_bytes, a));
}

enum err mime_date(struct slice value, struct arena *a, int64_t *ret_us)
{
	GDateTime *date = NULL;

	if (value.n && value.n <= DATE_MAX)
		date = g_mime_utils_header_decode_date(arena_dup(a, without_nul(a, value)));
	if (!date)
		return ERR_INPUT;
	*ret_us = g_date_time_to_unix(date) * 1000000;
	g_date_time_unref(date);
	return OK;
}

enum err mime_date_write(int64_t us, struct buf *ret)
{
	GDateTime *date = g_date_time_new_from_unix_utc(us / 1000000);
	AUTO(g_freep) char *text = NULL;

	if (!date)
		return ERR_INPUT;
	text = g_mime_utils_header_format_date(date);
	g_date_time_unref(date);
	buf_add_str(ret, text);
	return OK;
}
