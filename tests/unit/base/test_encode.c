/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of RFC 4648 section 10, tokens as clients see them, and one text for one value. */
#include "common/base/encode.h"
#include "tests/unit/test.h"

static void vectors_of_rfc_4648_go_both_ways(void **state)
{
	static const struct {
		struct slice plain, base64, base64url;
		const char *hex;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT(""), "" },
		{ SLICE_INIT("f"), SLICE_INIT("Zg=="), SLICE_INIT("Zg"), "66" },
		{ SLICE_INIT("fo"), SLICE_INIT("Zm8="), SLICE_INIT("Zm8"), "666f" },
		{ SLICE_INIT("foo"), SLICE_INIT("Zm9v"), SLICE_INIT("Zm9v"), "666f6f" },
		{ SLICE_INIT("foob"), SLICE_INIT("Zm9vYg=="), SLICE_INIT("Zm9vYg"), "666f6f62" },
		{ SLICE_INIT("fooba"), SLICE_INIT("Zm9vYmE="), SLICE_INIT("Zm9vYmE"),
		  "666f6f6261" },
		{ SLICE_INIT("foobar"), SLICE_INIT("Zm9vYmFy"), SLICE_INIT("Zm9vYmFy"),
		  "666f6f626172" },
		{ SLICE_INIT("\xfb\xff\xbf\0"), SLICE_INIT("+/+/AA=="), SLICE_INIT("-_-_AA"),
		  "fbffbf00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(100);
		char bytes[8];

		base64_encode(rows[i].plain, &b);
		assert_slice_row(buf_slice(&b), rows[i].base64, i);
		buf_reset(&b);
		base64url_encode(rows[i].plain, &b);
		assert_slice_row(buf_slice(&b), rows[i].base64url, i);
		buf_reset(&b);
		hex_encode(rows[i].plain, &b);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].hex), i);
		buf_reset(&b);
		assert_row(i, base64_decode(rows[i].base64, &b) == OK);
		assert_row(i, base64url_decode(rows[i].base64url, &b) == OK);
		assert_int_equal(b.len, 2 * rows[i].plain.n);
		assert_slice_row(slice_sub(buf_slice(&b), rows[i].plain.n, b.len), rows[i].plain,
				 i);
		assert_row(i, hex_decode(slice_str(rows[i].hex), bytes, rows[i].plain.n) == OK);
		assert_slice_row(slice_of(bytes, rows[i].plain.n), rows[i].plain, i);
	}
}

static void second_spellings_of_base64_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("Z"),        SLICE_INIT("Zg"),       SLICE_INIT("Zg="),
		SLICE_INIT("Zg==="),    SLICE_INIT("===="),     SLICE_INIT("="),
		SLICE_INIT("Z==="),     SLICE_INIT("Zh=="), /* trailing bits */
		SLICE_INIT("Zm9="),                         /* trailing bits */
		SLICE_INIT("Zg==Zg=="), SLICE_INIT("Zm9v\n"),   SLICE_INIT(" Zm9"),
		SLICE_INIT("Zm\0v"),    SLICE_INIT("Zm\xe4v"),  SLICE_INIT("-_-_"),
		SLICE_INIT("Zm9vZm9*"), SLICE_INIT("Zm9v===="),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(100);
		char at[8];
		size_t n = 7;

		buf_add_str(&b, "kept");
		assert_row(i, base64_decode(rows[i], &b) == ERR_INPUT);
		assert_slice_row(buf_slice(&b), S("kept"), i);
		assert_row(i, base64_decode_at(rows[i], at, &n) == ERR_INPUT && n == 7);
	}
}

static void second_spellings_of_base64url_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("Z"),    SLICE_INIT("Zg=="),  SLICE_INIT("Zh"),       SLICE_INIT("Zm9"),
		SLICE_INIT("+/+/"), SLICE_INIT("Zm9v "), SLICE_INIT("\0\0\0\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(100);

		assert_row(i, base64url_decode(rows[i], &b) == ERR_INPUT);
		assert_row(i, b.len == 0);
	}
}

static void malformed_hex_leaves_the_output_alone(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("0"),
		SLICE_INIT("001"),
		SLICE_INIT("00112"),
		SLICE_INIT("0g00"),
		SLICE_INIT("00 0"),
		SLICE_INIT("0x00"),
		SLICE_INIT("00\0000"),
		SLICE_INIT("001`"),
		SLICE_INIT("00@0"),
		SLICE_INIT("\xb0\xb0\xb0\xb0"),
		SLICE_INIT("001122"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[2] = { 7, 7 };

		assert_row(i, hex_decode(rows[i], out, 2) == ERR_INPUT);
		assert_row(i, out[0] == 7 && out[1] == 7);
	}
}

static void every_byte_survives_hex_in_both_cases(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i, back = 0;
		char text[3], upper[3];

		hex_text(&byte, 1, text);
		snprintf(upper, sizeof(upper), "%02X", byte);
		assert_int_equal(hex_decode(slice_str(text), &back, 1), OK);
		assert_int_equal(back, byte);
		assert_int_equal(hex_decode(slice_str(upper), &back, 1), OK);
		assert_int_equal(back, byte);
	}
}

static void random_bytes_of_every_length_survive(void **state)
{
	char bytes[200], again[sizeof(bytes) + 2];
	size_t again_n;

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		AUTO(buf_release) struct buf text = BUF_INIT(1000), back = BUF_INIT(1000);
		struct slice plain = slice_of(bytes, n);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)(i * 167 + n);
		base64_encode(plain, &text);
		assert_int_equal(text.len, (n + 2) / 3 * 4);
		assert_int_equal(base64_decode(buf_slice(&text), &back), OK);
		assert_slice(buf_slice(&back), plain);
		assert_int_equal(base64_decode_at(buf_slice(&text), again, &again_n), OK);
		assert_slice(slice_of(again, again_n), plain);
	}
}

static void ceilings_hold(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(5);

	(void)state;
	base64_encode(S("foobar"), &b);
	assert_true(buf_failed(&b));
	buf_reset(&b);
	assert_int_equal(base64_decode(S("Zm9vYmFy"), &b), ERR_TOO_BIG);
	buf_reset(&b);
	assert_int_equal(base64_decode(S("Zm9vYmE="), &b), OK);
}

static void page_token_and_oauth_state_have_the_published_form(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	base64url_encode(S("{\"c\":\"2026-05-18T10:00:00.123456Z\","
			   "\"i\":\"msg_00112233445566778899aabbccddeeff\","
			   "\"s\":\"unread\",\"a\":\"bot@agents.example.com\"}"),
			 &b);
	assert_string_equal(buf_cstr(&b),
			    "eyJjIjoiMjAyNi0wNS0xOFQxMDowMDowMC4xMjM0NTZaIiwiaSI6Im1zZ18wMDExMjIz"
			    "MzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZiIsInMiOiJ1bnJlYWQiLCJhIjoiYm90QGFn"
			    "ZW50cy5leGFtcGxlLmNvbSJ9");
	buf_reset(&b);
	base64_encode(S("{\"n\":\"0123456789abcdef0123456789abcdef\","
			"\"cb\":\"http://127.0.0.1:43123/callback\","
			"\"cs\":\"00112233445566778899aabbccddeeff\"}"),
		      &b);
	assert_string_equal(buf_cstr(&b),
			    "eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJjYiI6Imh0dHA6"
			    "Ly8xMjcuMC4wLjE6NDMxMjMvY2FsbGJhY2siLCJjcyI6IjAwMTEyMjMzNDQ1NTY2Nzc4"
			    "ODk5YWFiYmNjZGRlZWZmIn0=");
}

static void all_but_the_unreserved_is_percent_encoded(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);

	(void)state;
	percent_encode(S("azAZ09-._~ +&=%/?#\"<\r\n\0\xc3\xa9"), &b);
	assert_slice(buf_slice(&b), S("azAZ09-._~%20%2B%26%3D%25%2F%3F%23%22%3C%0D%0A%00%C3%A9"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_rfc_4648_go_both_ways),
		cmocka_unit_test(second_spellings_of_base64_are_refused),
		cmocka_unit_test(second_spellings_of_base64url_are_refused),
		cmocka_unit_test(malformed_hex_leaves_the_output_alone),
		cmocka_unit_test(every_byte_survives_hex_in_both_cases),
		cmocka_unit_test(random_bytes_of_every_length_survive),
		cmocka_unit_test(ceilings_hold),
		cmocka_unit_test(page_token_and_oauth_state_have_the_published_form),
		cmocka_unit_test(all_but_the_unreserved_is_percent_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
