/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags as text, by the tables of those who use them. No value may ever reach
 * the header unencoded.
 */
#include "common/mail/tags.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"

#include <assert.h>

enum { FOLD_COLUMN = 78, SEAL_TEXT_MAX = 64 };

/* Bytes that stand for themselves; all separators and white space are not among them. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~@:+/", c));
}

void tags_add_encoded(struct slice value, struct buf *ret)
{
	for (size_t i = 0; i < value.n; i++) {
		if (is_plain(value.p[i]))
			buf_add_char(ret, value.p[i]);
		else
			buf_addf(ret, "%%%02X", (unsigned)(unsigned char)value.p[i]);
	}
}

static const char *word_of(const struct tag *tag, const void *field)
{
	unsigned i;

	memcpy(&i, field, sizeof(i));
	assert(i < tag->words_n);
	return tag->words[i];
}

static void add_tag(const struct tag *tag, const void *from, struct buf *b)
{
	const void *field = (const char *)from + tag->offset;

	buf_addf(b, "%s=", tag->name);
	switch (tag->type) {
	case TAG_TEXT:
		tags_add_encoded(*(const struct slice *)field, b);
		break;
	case TAG_INT:
		buf_addf(b, "%lld", (long long)*(const int64_t *)field);
		break;
	case TAG_BOOL:
		buf_add_char(b, *(const bool *)field ? '1' : '0');
		break;
	case TAG_WORD:
		buf_add_str(b, word_of(tag, field));
		break;
	case TAG_DIGEST:
		hex_encode(slice_of(field, SHA256_LEN), b);
		break;
	}
	buf_add_char(b, ';');
}

void tags_add(const struct tag *table, size_t n, const void *from, struct buf *ret)
{
	for (size_t i = 0; i < n; i++)
		add_tag(&table[i], from, ret);
}

enum err tags_decode(struct slice s, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			out[n++] = s.p[i];
			continue;
		}
		if (i + 2 >= s.n || hex_decode(slice_sub(s, i + 1, i + 3), &out[n], 1) != OK)
			return ERR_INPUT;
		n++;
		i += 2;
	}
	*ret = slice_of(out, n);
	return OK;
}

enum err tags_read_bool(struct slice s, bool *ret)
{
	*ret = slice_eq(s, S("1"));
	return *ret || slice_eq(s, S("0")) ? OK : ERR_INPUT;
}

static enum err read_word(struct slice s, const struct tag *tag, void *field)
{
	for (unsigned i = 0; i < tag->words_n; i++) {
		if (slice_eq(s, slice_str(tag->words[i]))) {
			memcpy(field, &i, sizeof(i));
			return OK;
		}
	}
	return ERR_INPUT;
}

static enum err read_tag(struct slice piece, const struct tag *tag, struct arena *a, void *ret)
{
	void *field = (char *)ret + tag->offset;
	struct slice name;

	if (!slice_cut(&piece, '=', &name) || !piece.p || !slice_eq(name, slice_str(tag->name)))
		return ERR_INPUT;
	switch (tag->type) {
	case TAG_TEXT:
		return tags_decode(piece, a, field);
	case TAG_INT:
		return slice_to_i64(piece, INT64_MIN, INT64_MAX, field);
	case TAG_BOOL:
		return tags_read_bool(piece, field);
	case TAG_WORD:
		return read_word(piece, tag, field);
	case TAG_DIGEST:
		return hex_decode(piece, field, SHA256_LEN);
	}
	return ERR_INPUT;
}

enum err tags_read(const struct tag *table, size_t n, struct slice *text, struct arena *a,
		   void *ret)
{
	struct slice piece;

	for (size_t i = 0; i < n; i++)
		if (!slice_cut(text, ';', &piece) || read_tag(piece, &table[i], a, ret) != OK)
			return ERR_INPUT;
	return OK;
}

/* Appends `text` with a fold in front of each tag that would pass the margin. */
static void add_folded(const char *header, struct slice text, struct buf *ret)
{
	size_t column = slice_str(header).n + 1;
	struct slice piece;

	while (slice_cut(&text, ';', &piece)) {
		bool last = text.p == NULL;

		if (column + 1 + piece.n + !last >= FOLD_COLUMN) {
			buf_add_str(ret, "\n\t");
			column = 8;
		} else {
			buf_add_char(ret, ' ');
			column++;
		}
		buf_add_slice(ret, piece);
		if (!last)
			buf_add_char(ret, ';');
		column += piece.n + !last;
	}
}

void tags_write(const char *header, struct slice text, const uint8_t seal[32], struct buf *ret)
{
	AUTO(buf_release) struct buf whole = BUF_INIT(text.n + SEAL_TEXT_MAX);

	buf_add_slice(&whole, text);
	buf_add_str(&whole, "s=");
	base64url_encode(slice_of((const char *)seal, SHA256_LEN), &whole);
	add_folded(header, buf_slice(&whole), ret);
}

static struct slice without_space(struct arena *a, struct slice s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(" \t\r\n", s.p[i]))
			out[n++] = s.p[i];
	return slice_of(out, n);
}

enum err tags_split(struct slice value, struct arena *a, struct slice *ret_text,
		    struct slice *ret_seal)
{
	struct slice text = without_space(a, value), seal;
	ptrdiff_t end = slice_rfind(text, ';');

	if (end < 0)
		return ERR_INPUT;
	seal = slice_sub(text, (size_t)end + 1, text.n);
	if (!slice_starts(seal, S("s=")))
		return ERR_INPUT;
	*ret_text = slice_sub(text, 0, (size_t)end + 1);
	*ret_seal = slice_sub(seal, 2, seal.n);
	return OK;
}

bool tags_seal_is(struct slice seal, const uint8_t want[32])
{
	AUTO(buf_release) struct buf text = BUF_INIT(SEAL_TEXT_MAX);

	base64url_encode(slice_of((const char *)want, SHA256_LEN), &text);
	return crypto_equal(seal, buf_slice(&text));
}
