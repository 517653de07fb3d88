/* SPDX-License-Identifier: Apache-2.0 */
/* Content out of its transfer encoding and into UTF-8, however it is cut on the way. */
#include "common/mail/mime_decode.h"

#include "common/base/utf8.h"
#include "common/mail/mime.h"
#include "tests/unit/test.h"

static int ready(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

static void content_is_decoded_as_far_as_it_can_be(void **state)
{
	static const struct {
		enum mime_encoding encoding;
		struct slice in, want;
	} rows[] = {
		{ MIME_IDENTITY, SLICE_INIT("a\0\r\nb"), SLICE_INIT("a\0\r\nb") },
		{ MIME_BASE64, SLICE_INIT("YWJj\r\nZGVm"), SLICE_INIT("abcdef") },
		{ MIME_BASE64, SLICE_INIT("YQ==YWI=YWJj"), SLICE_INIT("aababc") },
		{ MIME_BASE64, SLICE_INIT("YWI"), SLICE_INIT("ab") },
		{ MIME_BASE64, SLICE_INIT("YQ"), SLICE_INIT("a") },
		{ MIME_BASE64, SLICE_INIT("Y"), SLICE_INIT("") },
		{ MIME_BASE64, SLICE_INIT("Y!W\xff J \0j"), SLICE_INIT("abc") },
		{ MIME_BASE64, SLICE_INIT("===="), SLICE_INIT("") },
		{ MIME_QUOTED_PRINTABLE, SLICE_INIT("a=20b=\r\nc=C3=a9"),
		  SLICE_INIT("a bc\xc3\xa9") },
		{ MIME_QUOTED_PRINTABLE, SLICE_INIT("a=zzb"), SLICE_INIT("a=zzb") },
		{ MIME_QUOTED_PRINTABLE, SLICE_INIT("a\r\nb"), SLICE_INIT("a\r\nb") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 20; step += 3) {
			AUTO(mime_decoder_freep)
			struct mime_decoder *d = mime_decoder_new(rows[i].encoding);
			AUTO(buf_release) struct buf out = BUF_INIT(1000);

			for (size_t at = 0; at < rows[i].in.n; at += step)
				mime_decoder_feed(d, slice_sub(rows[i].in, at, at + step), &out);
			mime_decoder_end(d, &out);
			assert_slice_row(buf_slice(&out), rows[i].want, i);
		}
}

static void text_becomes_utf8(void **state)
{
	static const struct {
		const char *charset;
		struct slice in;
		const char *want;
	} rows[] = {
		{ "utf-8",
		  SLICE_INIT("\xef\xbb\xbf"
			     "a\0\r\nb\rc\n"),
		  "a\nb\nc\n" },
		{ "", SLICE_INIT("caf\xc3\xa9 caf\xe9 \xe2\x82"),
		  "caf\xc3\xa9 caf\xc3\xa9 "
		  "\xc3\xa2\xe2\x80\x9a" },
		{ "us-ascii", SLICE_INIT("\x93x\x94"), "\xe2\x80\x9cx\xe2\x80\x9d" },
		{ "x-none", SLICE_INIT("\xf0\x9f\x93\x84"), "\xf0\x9f\x93\x84" },
		{ "iso-8859-1", SLICE_INIT("\x80"), "\xe2\x82\xac" },
		{ "koi8-r", SLICE_INIT("\xf0\xd2\xc9"), "\xd0\x9f\xd1\x80\xd0\xb8" },
		{ "gb2312", SLICE_INIT("\xc4\xe3\xba\xc3"), "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ "gb18030", SLICE_INIT("\x94\x39\xda\x33"), "\xf0\x9f\x92\xa9" },
		{ "iso-2022-jp", SLICE_INIT("\x1b$BF|K\\\x1b(Bx"), "\xe6\x97\xa5\xe6\x9c\xacx" },
		{ "utf-7", SLICE_INIT("+AOk-x +2D3cqQ-"), "\xc3\xa9x \xf0\x9f\x92\xa9" },
		{ "utf-16le", SLICE_INIT("a\0\xac\x20\x0a\0"), "a\xe2\x82\xac\n" },
		{ "utf-16",
		  SLICE_INIT("\xff\xfe"
			     "a\0"),
		  "a" },
		{ "shift_jis", SLICE_INIT("\x93\xfa\x96"), "\xe6\x97\xa5\xef\xbf\xbd" },
		{ "euc-jp",
		  SLICE_INIT("\xc6\xfc\xff\xff"
			     "a"),
		  "\xe6\x97\xa5\xef\xbf\xbd\xef\xbf\xbd"
		  "a" },
		{ "utf-8", SLICE_INIT("\xed\xa0\x80"), "\xc3\xad\xc2\xa0\xe2\x82\xac" },
		{ "utf-8", SLICE_INIT(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 12; step++) {
			AUTO(mime_text_freep)
			struct mime_text *t =
				mime_text_new(MIME_IDENTITY, slice_str(rows[i].charset));
			AUTO(buf_release) struct buf out = BUF_INIT(1000);

			for (size_t at = 0; at < rows[i].in.n; at += step)
				mime_text_feed(t, slice_sub(rows[i].in, at, at + step), &out);
			mime_text_end(t, &out);
			assert_slice_row(buf_slice(&out), slice_str(rows[i].want), i);
		}
}

/* Every charset that there is, with every byte in it: valid, without NUL, and not too long. */
static void no_charset_breaks_the_promises(void **state)
{
	static const char *const charsets[] = { "tscii",       "big5-hkscs",      "tcvn5712-1",
						"iso-2022-kr", "iso-2022-cn-ext", "ibm1390",
						"hz",          "utf-32",          "ucs-2",
						"ebcdic-us",   "mac-uk",          "euc-jisx0213" };
	char bytes[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 167 + i / 256);
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		AUTO(mime_text_freep)
		struct mime_text *t = mime_text_new(MIME_IDENTITY, slice_str(charsets[i]));
		AUTO(buf_release)
		struct buf out = BUF_INIT(MIME_TEXT_GROWTH * sizeof(bytes) + 2 * MIME_TEXT_EXTRA);

		mime_text_feed(t, slice_of(bytes, sizeof(bytes)), &out);
		mime_text_end(t, &out);
		assert_row(i, !buf_failed(&out) && utf8_valid(buf_slice(&out)));
		assert_row(i, slice_find(buf_slice(&out), '\0') < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_decoded_as_far_as_it_can_be),
		cmocka_unit_test(text_becomes_utf8),
		cmocka_unit_test(no_charset_breaks_the_promises),
	};

	return cmocka_run_group_tests(tests, ready, NULL);
}
