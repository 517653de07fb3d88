/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of mails that we make. It must never write a line that another reader
 * takes for the beginning of a field.
 */
#include "common/mail/header_write.h"

#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <assert.h>

enum {
	ROOM = HEADER_LINE_WANT - 1, /* a comma or semicolon may follow */
	WORD_MAX = 75,               /* RFC 2047 2 */
	WORD_FRAME = sizeof("=?utf-8?q?"
			    "?=") -
		     1,
	PIECE_MAX = 256,
};

/* ---- items ---- */

void header_write_begin(struct header_writer *w, struct buf *out, struct slice name)
{
	*w = (struct header_writer){ .out = out, .column = name.n + 1, .empty = true };
	buf_add_slice(out, name);
	buf_add_char(out, ':');
}

void header_write_end(struct header_writer *w)
{
	buf_add_str(w->out, "\r\n");
}

static void fold(struct header_writer *w)
{
	buf_add_str(w->out, "\r\n");
	w->column = 0;
}

void header_write_item(struct header_writer *w, struct slice item)
{
	assert(!slice_has_ctl(item));
	if (!w->empty && w->column + 1 + item.n > ROOM)
		fold(w);
	buf_add_char(w->out, ' ');
	buf_add_slice(w->out, item);
	w->column += 1 + item.n;
	w->empty = false;
}

/* ---- text ---- */

static bool is_visible(char c)
{
	return c >= ' ' && c <= '~';
}

/* ASCII that keeps its blanks at both ends, and that nobody takes for an encoded word. */
static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_visible(s.p[i]))
			return false;
	return slice_search(s, S("=?")) < 0 && !slice_starts(s, S(" ")) && !slice_ends(s, S(" "));
}

/* A fold may stand for each blank, and gives one blank back. */
static bool can_be_folded(const struct header_writer *w, struct slice text)
{
	size_t room = ROOM - w->column - 1;
	struct slice word;

	while (slice_cut(&text, ' ', &word)) {
		if (word.n == 0 || word.n > room)
			return false;
		room = ROOM - 1;
	}
	return true;
}

/* The characters that stand for themselves in every kind of word (RFC 2047 5). */
static bool is_safe_q(char c)
{
	return slice_only(slice_of(&c, 1), "!*+-/");
}

static size_t q_cost(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ' ' || is_safe_q(s.p[i]) ? 1 : 3;
	return n;
}

static size_t b_cost(struct slice s)
{
	return (s.n + 2) / 3 * 4;
}

static void add_q(struct slice s, struct buf *ret)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ')
			buf_add_char(ret, '_');
		else if (is_safe_q(s.p[i]))
			buf_add_char(ret, s.p[i]);
		else
			buf_addf(ret, "=%02X", (unsigned)(unsigned char)s.p[i]);
	}
}

/* As many characters as fit, at least one. */
static struct slice take_chars(struct slice text, size_t room, size_t (*cost)(struct slice))
{
	size_t n = 0;

	while (n < text.n) {
		size_t len = utf8_len(slice_sub(text, n, text.n));
		size_t next = n + (len ? len : 1);

		if (n && cost(slice_sub(text, 0, next)) > room)
			break;
		n = next;
	}
	return slice_sub(text, 0, n);
}

static void write_word(struct header_writer *w, struct slice chars, bool q)
{
	AUTO(buf_release) struct buf word = BUF_INIT(PIECE_MAX);

	buf_add_str(&word, q ? "=?utf-8?q?" : "=?utf-8?b?");
	if (q)
		add_q(chars, &word);
	else
		base64_encode(chars, &word);
	buf_add_str(&word, "?=");
	header_write_item(w, buf_slice(&word));
}

static void write_words(struct header_writer *w, struct slice text)
{
	bool q = q_cost(text) <= b_cost(text);

	while (text.n) {
		size_t line = w->empty ? ROOM - w->column - 1 : WORD_MAX;
		size_t room = (line < WORD_MAX ? line : WORD_MAX) - WORD_FRAME;
		struct slice chars = take_chars(text, room, q ? q_cost : b_cost);

		write_word(w, chars, q);
		text = slice_sub(text, chars.n, text.n);
	}
}

void header_write_text(struct header_writer *w, struct slice text)
{
	struct slice word;

	if (is_plain(text) && w->column + 1 + text.n <= ROOM) {
		header_write_item(w, text);
	} else if (is_plain(text) && can_be_folded(w, text)) {
		while (slice_cut(&text, ' ', &word))
			header_write_item(w, word);
	} else {
		write_words(w, text);
	}
}

static void add_quoted(struct slice s, struct buf *ret)
{
	buf_add_char(ret, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(ret, '\\');
		buf_add_char(ret, s.p[i]);
	}
	buf_add_char(ret, '"');
}

void header_write_phrase(struct header_writer *w, struct slice text)
{
	AUTO(buf_release) struct buf quoted = BUF_INIT(PIECE_MAX);

	if (text.n < ROOM && is_plain(text))
		add_quoted(text, &quoted);
	if (quoted.len && w->column + 1 + quoted.len <= ROOM)
		header_write_item(w, buf_slice(&quoted));
	else
		write_words(w, text);
}

/* ---- parameters ---- */

static size_t percent_cost(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += slice_only(slice_sub(s, i, i + 1), "-._~") ? 1 : 3;
	return n;
}

static void write_piece(struct header_writer *w, struct buf *piece)
{
	buf_add_char(w->out, ';');
	header_write_item(w, buf_slice(piece));
}

/* Readers differ about quotes and backslashes inside of quotes. */
static bool is_quotable(struct slice s)
{
	return is_plain(s) && slice_find(s, '"') < 0 && slice_find(s, '\\') < 0;
}

static void write_sections(struct header_writer *w, struct slice name, struct slice value)
{
	for (int i = 0; value.n; i++) {
		AUTO(buf_release) struct buf piece = BUF_INIT(PIECE_MAX);
		struct slice chars;

		buf_add_slice(&piece, name);
		buf_addf(&piece, "*%d*=%s", i, i ? "" : "utf-8''");
		chars = take_chars(value, ROOM - 1 - piece.len, percent_cost);
		percent_encode(chars, &piece);
		write_piece(w, &piece);
		value = slice_sub(value, chars.n, value.n);
	}
}

void header_write_param(struct header_writer *w, struct slice name, struct slice value)
{
	AUTO(buf_release) struct buf piece = BUF_INIT(PIECE_MAX);

	buf_add_slice(&piece, name);
	if (is_quotable(value) && piece.len + 3 + value.n < ROOM) {
		buf_addf(&piece, "=\"%.*s\"", SLICE_ARGS(value));
		write_piece(w, &piece);
		return;
	}
	buf_add_str(&piece, "*=utf-8''");
	if (value.n < ROOM && piece.len + percent_cost(value) < ROOM) {
		percent_encode(value, &piece);
		write_piece(w, &piece);
	} else {
		write_sections(w, name, value);
	}
}
