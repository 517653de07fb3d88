/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of parts: transfer encoding off, then into UTF-8, then tidied. The declared
 * charset is the sender's claim, and no claim may make this fail or loop.
 */
#include "common/base/utf8.h"
#include "common/mail/mime_charset.h"
#include "common/mail/mime_decode.h"

#include <errno.h>
#include <iconv.h>

enum { STEP = 4096, KEPT_MAX = 32 };

#define REPLACEMENT S("\xef\xbf\xbd")
#define BYTE_ORDER_MARK S("\xef\xbb\xbf")

struct mime_text {
	struct mime_decoder *decoder;
	void (*convert)(struct mime_text *t, struct slice in, bool last, struct buf *ret);
	iconv_t iconv;
	char kept[KEPT_MAX]; /* the beginning of a character whose end has not come */
	size_t kept_n;
	bool begun; /* the first character was written */
	bool cr;    /* the last byte was CR */
};

/* One run of iconv(3) over what it takes; false when it takes no more. */
static bool run_iconv(struct mime_text *t, char **p, size_t *n, struct buf *ret)
{
	char out[STEP], *at = out;
	size_t room = sizeof(out);
	size_t done = iconv(t->iconv, p, n, &at, &room);
	int error = errno;

	buf_add(ret, out, sizeof(out) - room);
	if (done != (size_t)-1)
		return *p && *n;
	if (error == E2BIG)
		return room < sizeof(out);
	if (error == EILSEQ) {
		buf_add_slice(ret, REPLACEMENT);
		*p += *n > 0;
		*n -= *n > 0;
		return *n > 0;
	}
	return false;
}

static void convert_iconv(struct mime_text *t, struct slice in, bool last, struct buf *ret)
{
	AUTO(mem_freep) char *copy = mem_dup(in.p, in.n);
	char *p = copy, *none = NULL;
	size_t n = in.n;

	while (n && run_iconv(t, &p, &n, ret))
		;
	if (last || n > KEPT_MAX) {
		if (n)
			buf_add_slice(ret, REPLACEMENT);
		n = 0;
	}
	t->kept_n = n;
	memcpy(t->kept, p, n);
	if (last)
		run_iconv(t, &none, &n, ret); /* what a stateful charset holds back */
}

/* True when s is the beginning of a sequence and nothing else. */
static bool is_cut(struct slice s)
{
	static const char rest[] = "\x80\x80\x80";

	for (size_t more = 1; s.n < 4 && more <= 4 - s.n; more++) {
		char whole[8];

		memcpy(whole, s.p, s.n);
		memcpy(whole + s.n, rest, more);
		if ((unsigned char)s.p[0] == 0xe0 || (unsigned char)s.p[0] == 0xf0)
			whole[1] = s.n > 1 ? s.p[1] : '\xa0';
		if (utf8_len(slice_of(whole, s.n + more)) == s.n + more)
			return true;
	}
	return false;
}

/* UTF-8; a byte that is none is one of windows-1252. */
static void convert_utf8(struct mime_text *t, struct slice in, bool last, struct buf *ret)
{
	t->kept_n = 0;
	while (in.n) {
		char one[4];
		size_t n = utf8_len(in);

		if (n) {
			buf_add(ret, in.p, n);
		} else if (!last && is_cut(in)) {
			t->kept_n = in.n;
			memcpy(t->kept, in.p, in.n);
			return;
		} else {
			buf_add(ret, one, mime_charset_cp1252_byte((unsigned char)in.p[0], one));
			n = 1;
		}
		in = slice_sub(in, n, in.n);
	}
}

static bool is_utf8(struct slice charset)
{
	return slice_ieq(charset, S("utf-8")) || slice_ieq(charset, S("utf8")) ||
	       slice_ieq(charset, S("us-ascii")) || slice_ieq(charset, S("ascii"));
}

struct mime_text *mime_text_new(enum mime_encoding encoding, struct slice charset)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mime_text *t = mem_zalloc(sizeof(*t));
	const char *known = is_utf8(charset) ? NULL : mime_charset_known(charset, &a);

	t->decoder = mime_decoder_new(encoding);
	t->convert = convert_utf8;
	t->iconv = (iconv_t)-1;
	if (known)
		t->iconv = iconv_open("UTF-8", known);
	if (t->iconv != (iconv_t)-1)
		t->convert = convert_iconv;
	return t;
}

void mime_text_free(struct mime_text *t)
{
	if (!t)
		return;
	mime_decoder_free(t->decoder);
	if (t->iconv != (iconv_t)-1)
		iconv_close(t->iconv);
	free(t);
}

static void tidy_byte(struct mime_text *t, char c, struct buf *ret)
{
	bool after_cr = t->cr;

	t->cr = c == '\r';
	if (c == '\r' || (c == '\n' && !after_cr))
		buf_add_char(ret, '\n');
	else if (c != '\n' && c != '\0')
		buf_add_char(ret, c);
}

/* Line ends become LF; NUL and a byte order mark at the beginning go. */
static void tidy(struct mime_text *t, struct slice s, struct buf *ret)
{
	if (!t->begun && slice_starts(s, BYTE_ORDER_MARK))
		s = slice_sub(s, BYTE_ORDER_MARK.n, s.n);
	t->begun = t->begun || s.n;
	for (size_t i = 0; i < s.n; i++)
		tidy_byte(t, s.p[i], ret);
}

static void convert(struct mime_text *t, struct slice decoded, bool last, struct buf *ret)
{
	AUTO(buf_release) struct buf in = BUF_INIT(KEPT_MAX + decoded.n);
	AUTO(buf_release) struct buf out = BUF_INIT(MIME_TEXT_GROWTH * (in.max + KEPT_MAX));

	buf_add(&in, t->kept, t->kept_n);
	buf_add_slice(&in, decoded);
	t->convert(t, buf_slice(&in), last, &out);
	tidy(t, buf_slice(&out), ret);
}

void mime_text_feed(struct mime_text *t, struct slice in, struct buf *ret)
{
	while (in.n) {
		AUTO(buf_release) struct buf decoded = BUF_INIT(STEP + MIME_DECODER_EXTRA);
		struct slice step = slice_sub(in, 0, STEP);

		mime_decoder_feed(t->decoder, step, &decoded);
		convert(t, buf_slice(&decoded), false, ret);
		in = slice_sub(in, step.n, in.n);
	}
}

void mime_text_end(struct mime_text *t, struct buf *ret)
{
	AUTO(buf_release) struct buf decoded = BUF_INIT(MIME_DECODER_EXTRA);

	mime_decoder_end(t->decoder, &decoded);
	convert(t, buf_slice(&decoded), true, ret);
}
