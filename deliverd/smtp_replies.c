/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which line ends a reply, and what follows which answer, must be judged as
 * libcurl does it (7.88, smtp_endofresp): otherwise a refusal is put down to
 * the wrong recipient.
 */
#include "deliverd/smtp_replies.h"

#include "common/base/utf8.h"

#include <string.h>

enum { CODE_DIGITS = 3, BARE_LINE = 5 /* "250" CR LF */ };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- text ---- */

/* Control characters, those of U+0080 to U+009F too, and whatever ends a line somewhere. */
static bool is_plain(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return p[0] >= ' ' && p[0] != 0x7f && !(s.n == 2 && p[0] == 0xc2 && p[1] < 0xa0) &&
	       !(s.n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

/* Appends s as far as it fits. */
static void add_text(char ret[SMTP_TEXT_MAX + 1], struct slice s)
{
	size_t n = strlen(ret), len;

	for (; s.n; s = slice_sub(s, len ? len : 1, s.n)) {
		struct slice c;

		len = utf8_len(s);
		c = len ? slice_sub(s, 0, len) : S("?");
		if (!is_plain(c))
			c = S(" ");
		if (n + c.n > SMTP_TEXT_MAX)
			break;
		memcpy(ret + n, c.p, c.n);
		n += c.n;
	}
	ret[n] = '\0';
}

/* Length of up to three digits at s[at]. */
static size_t digits(struct slice s, size_t at)
{
	size_t n = 0;

	while (n < 3 && at + n < s.n && is_digit(s.p[at + n]))
		n++;
	return n;
}

/* Length of "5.1.1" at the start of the text of a line, 0 when there is none. */
static size_t enhanced_len(struct slice s, char class)
{
	size_t subject = digits(s, 2), detail = digits(s, 2 + subject + 1);
	size_t n = 2 + subject + 1 + detail;

	if (!subject || !detail || s.p[0] != class || s.p[1] != '.' || s.p[2 + subject] != '.')
		return 0;
	return n == s.n || s.p[n] == ' ' ? n : 0;
}

static void add_line(struct smtp_reply *ret, struct slice line)
{
	struct slice text = slice_trim(slice_sub(line, CODE_DIGITS + 1, line.n));
	size_t n = enhanced_len(text, line.p[0]);

	memcpy(ret->enhanced, text.p, n);
	ret->enhanced[n] = '\0';
	text = slice_trim(slice_sub(text, n, text.n));
	if (*ret->text && text.n)
		add_text(ret->text, S(" "));
	add_text(ret->text, text);
}

static int code_of(const char *line)
{
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

void smtp_reply_read(struct slice line, struct smtp_reply *ret)
{
	*ret = (struct smtp_reply){ 0 };
	if (line.n <= CODE_DIGITS || digits(line, 0) < CODE_DIGITS || line.p[CODE_DIGITS] != ' ')
		return;
	ret->code = code_of(line.p);
	add_line(ret, line);
}

/* ---- steps ---- */

/* Where libcurl goes after this answer; SMTP_OVER: nowhere. */
static enum smtp_step after(const struct smtp_replies *r, int code)
{
	bool good = code / 100 == 2;

	switch (r->step) {
	case SMTP_GREETING:
		return good ? SMTP_EHLO : SMTP_OVER;
	case SMTP_EHLO:
		return good ? SMTP_MAIL : SMTP_HELO;
	case SMTP_HELO:
		return good ? SMTP_MAIL : SMTP_OVER;
	case SMTP_MAIL:
		return good ? SMTP_RCPT : SMTP_OVER;
	case SMTP_RCPT:
		if (r->rcpts_seen < r->rcpts_n)
			return SMTP_RCPT;
		return r->rcpts_taken ? SMTP_DATA : SMTP_OVER;
	case SMTP_DATA:
		return code == 354 ? SMTP_END : SMTP_OVER;
	case SMTP_END:
	case SMTP_OVER:
		break;
	}
	return SMTP_OVER;
}

static void take_rcpt(struct smtp_replies *r)
{
	bool good = r->next.code / 100 == 2;

	r->rcpts[r->rcpts_seen++] = r->next;
	r->rcpts_taken += good;
	if (!good || r->last != SMTP_RCPT)
		r->reply = r->next;
}

static void take_reply(struct smtp_replies *r)
{
	if (r->step == SMTP_RCPT)
		take_rcpt(r);
	else
		r->reply = r->next;
	r->last = r->step;
	r->step = after(r, r->next.code);
	r->next = (struct smtp_reply){ 0 };
}

/* ---- lines ---- */

/* `line` may have lost its end; `n` is the length it had, LF included. */
static void take_line(struct smtp_replies *r, struct slice line, size_t n)
{
	bool bare = n == BARE_LINE, fourth;
	int code;

	if (line.n <= CODE_DIGITS || digits(line, 0) < CODE_DIGITS)
		return;
	if (line.p[CODE_DIGITS] == ' ' || line.p[CODE_DIGITS] == '-' || bare)
		add_line(&r->next, line);
	if (line.p[CODE_DIGITS] != ' ' && !bare)
		return;
	/* libcurl reads on into a fourth digit, and passes over 0 and 1, signs of its own */
	fourth = is_digit(line.p[CODE_DIGITS]);
	code = code_of(line.p);
	r->next.code = fourth ? 0 : code;
	if (code > (fourth ? 0 : 1) || (fourth && line.p[CODE_DIGITS] > '1'))
		take_reply(r);
	else
		r->next = (struct smtp_reply){ 0 };
}

static void add_bytes(struct smtp_replies *r, struct slice piece)
{
	size_t kept = r->line_n < SMTP_LINE_MAX ? r->line_n : SMTP_LINE_MAX;
	struct slice fits = slice_sub(piece, 0, SMTP_LINE_MAX - kept);

	if (fits.n)
		memcpy(r->line + kept, fits.p, fits.n);
	r->line_n += piece.n;
}

void smtp_replies_feed(struct smtp_replies *r, struct slice bytes)
{
	while (bytes.n && r->step != SMTP_OVER) {
		ptrdiff_t at = slice_find(bytes, '\n');
		size_t n = at < 0 ? bytes.n : (size_t)at + 1;

		add_bytes(r, slice_sub(bytes, 0, n));
		bytes = slice_sub(bytes, n, bytes.n);
		if (at < 0)
			return;
		take_line(r,
			  slice_of(r->line, r->line_n < SMTP_LINE_MAX ? r->line_n : SMTP_LINE_MAX),
			  r->line_n);
		r->line_n = 0;
	}
}

/* ---- life ---- */

void smtp_replies_init(struct smtp_replies *r, struct smtp_reply *rcpts, size_t n)
{
	*r = (struct smtp_replies){ .step = SMTP_MAIL, .rcpts = rcpts, .rcpts_n = n };
	for (size_t i = 0; i < n; i++)
		rcpts[i] = (struct smtp_reply){ 0 };
}

void smtp_replies_connect(struct smtp_replies *r)
{
	smtp_replies_init(r, r->rcpts, r->rcpts_n);
	r->step = SMTP_GREETING;
}
