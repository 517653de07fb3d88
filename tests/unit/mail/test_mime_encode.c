/* SPDX-License-Identifier: Apache-2.0 */
/* Content as it is packed, and how large that may get. */
#include "common/mail/header_write.h"
#include "common/mail/mime.h"
#include "common/mail/mime_encode.h"
#include "tests/unit/test.h"

enum { TEXT_MAX = 400 * 1024 };

static char long_link[HEADER_LINE_MAX + 1], longer_link[HEADER_LINE_MAX + 2];

static void text_is_encoded_as_little_as_it_can_be(void **state)
{
	const struct {
		const char *text, *encoding, *want;
	} rows[] = {
		{ "", "7bit", "\r\n" },
		{ "short\nlines", "7bit", "short\r\nlines\r\n" },
		{ "a\r\nb\rc\n\n", "7bit", "a\r\nb\r\nc\r\n\r\n" },
		{ "tab\tinside, = and ~", "7bit", "tab\tinside, = and ~\r\n" },
		{ ".\n..\nFrom me", "7bit", ".\r\n..\r\nFrom me\r\n" },
		{ long_link, "7bit", NULL },
		{ "caf\xc3\xa9 in mostly plain words", "quoted-printable",
		  "caf=C3=A9 in mostly plain words\r\n" },
		{ "trailing \nblank, tab\t", "quoted-printable",
		  "trailing=20\r\nblank, tab=09\r\n" },
		{ "a bell \x01 and a delete \x7f, no more", "quoted-printable",
		  "a bell =01 and a delete =7F, no more\r\n" },
		{ "many words in one line of text, more of them than there is room for in it, you see",
		  "quoted-printable",
		  "many words in one line of text, more of them than there is room for in it, =\r\n"
		  "you see\r\n" },
		{ longer_link, "quoted-printable", NULL },
		{ "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "base64", "5pel5pys6KqeDQo=\r\n" },
		{ " \n \n \n", "base64", "IA0KIA0KIA0K\r\n" },
	};

	(void)state;
	memset(long_link, 'x', HEADER_LINE_MAX);
	memset(longer_link, 'x', HEADER_LINE_MAX + 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(TEXT_MAX);
		enum mime_encoding e = mime_encode_choose(slice_str(rows[i].text));

		assert_string_equal(mime_encoding_name(e), rows[i].encoding);
		mime_encode_text(e, slice_str(rows[i].text), &b);
		if (rows[i].want)
			assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
	}
}

/* `piece` over and over again, about 100 KB of it. */
static void fill(struct buf *b, const char *piece)
{
	while (b->len < 100 * 1024)
		buf_add_str(b, piece);
}

static size_t json_size(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += strchr("\n\r\t\"\\", s.p[i]) ? 2 : (unsigned char)s.p[i] < ' ' ? 6 : 1;
	return n;
}

/* Lines ended by LF, as decoders of text give them. */
static void decode(enum mime_encoding e, struct slice s, struct buf *ret)
{
	AUTO(mime_text_freep) struct mime_text *t = mime_text_new(e, S("utf-8"));

	mime_text_feed(t, s, ret);
	mime_text_end(t, ret);
}

static void any_text_comes_back_and_stays_small(void **state)
{
	static const char *const pieces[] = {
		"a",
		"=",
		"\n",
		" \n",
		"\t\n",
		"\x01",
		"aaaaaaaaaa=",
		"aaaaaaa=",
		"aaaaaaaa\xc3\xa9",
		"\xc3\xa9",
		"\xf0\x9f\x93\xa6",
		"words and words ",
		"line of text\n",
		"x \nyyyyyyyyyyyyyyyy",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT(TEXT_MAX);
		AUTO(buf_release) struct buf packed = BUF_INIT(TEXT_MAX);
		AUTO(buf_release) struct buf got = BUF_INIT(16 * TEXT_MAX);
		enum mime_encoding e;

		fill(&text, pieces[i]);
		e = mime_encode_choose(buf_slice(&text));
		mime_encode_text(e, buf_slice(&text), &packed);
		assert_row(i, packed.len <= json_size(buf_slice(&text)) * 14 / 10 + 10);
		decode(e, buf_slice(&packed), &got);
		if (!slice_ends(buf_slice(&text), S("\n")))
			buf_add_char(&text, '\n');
		assert_row(i, slice_eq(buf_slice(&got), buf_slice(&text)));
	}
}

static void bytes_become_lines_of_base64(void **state)
{
	static const struct {
		struct slice bytes;
		const char *want;
	} rows[] = {
		{ SLICE_INIT(""), "" },
		{ SLICE_INIT("\0"), "AA==\r\n" },
		{ SLICE_INIT("\r\n\xff"), "DQr/\r\n" },
		{ SLICE_INIT("012345678901234567890123456789012345678901234567890123456"),
		  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n" },
		{ SLICE_INIT("0123456789012345678901234567890123456789012345678901234567"),
		  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
		  "Nw==\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(TEXT_MAX);

		mime_encode_bytes(rows[i].bytes, &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
	}
}

static void what_does_not_fit_is_marked(void **state)
{
	static const enum mime_encoding encodings[] = { MIME_IDENTITY, MIME_BASE64,
							MIME_QUOTED_PRINTABLE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(10);

		mime_encode_text(encodings[i], S("more than there is room"), &b);
		assert_row(i, buf_failed(&b));
	}
}

static int started(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_encoded_as_little_as_it_can_be),
		cmocka_unit_test(any_text_comes_back_and_stays_small),
		cmocka_unit_test(bytes_become_lines_of_base64),
		cmocka_unit_test(what_does_not_fit_is_marked),
	};

	return cmocka_run_group_tests(tests, started, NULL);
}
