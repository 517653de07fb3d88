/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: nothing that somebody else wrote becomes markup, and the headers keep a page to itself. */
#include "apid/page.h"
#include "tests/unit/test.h"

#define REPLACEMENT "\xef\xbf\xbd"

static void data_is_never_markup(void **state)
{
	static const struct {
		struct slice data, want;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("plain text, 100%"), SLICE_INIT("plain text, 100%") },
		{ SLICE_INIT("<b>&\"'"), SLICE_INIT("&lt;b&gt;&amp;&quot;&#39;") },
		{ SLICE_INIT("&amp;"), SLICE_INIT("&amp;amp;") },
		{ SLICE_INIT("\" onload=\"x"), SLICE_INIT("&quot; onload=&quot;x") },
		{ SLICE_INIT("a\tb\nc"), SLICE_INIT("a\tb\nc") },
		{ SLICE_INIT("a\0b\rc\x1b\x7f"),
		  SLICE_INIT("a" REPLACEMENT "b" REPLACEMENT "c" REPLACEMENT REPLACEMENT) },
		{ SLICE_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		  SLICE_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ SLICE_INIT("\xc2\x85\xc2\xa0"), SLICE_INIT(REPLACEMENT "\xc2\xa0") },
		{ SLICE_INIT("\xff<\xc3"), SLICE_INIT(REPLACEMENT "&lt;" REPLACEMENT) },
		{ SLICE_INIT("\xc0\xbc"), SLICE_INIT(REPLACEMENT REPLACEMENT) }, /* overlong '<' */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);

		page_text(&b, rows[i].data);
		assert_slice_row(buf_slice(&b), rows[i].want, i);
	}
}

static void what_is_odd_in_a_mail_is_seen(void **state)
{
	static const struct {
		struct slice data, want;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("<b>\xc3\xa9"), SLICE_INIT("&lt;b&gt;\xc3\xa9") },
		{ SLICE_INIT("a\r\nb\nc\rd\r\n\r\n"), SLICE_INIT("a\nb\nc\nd\n\n") },
		{ SLICE_INIT("\r"), SLICE_INIT("\n") },
		{ SLICE_INIT("a\xe2\x80\xae"
			     "b"),
		  SLICE_INIT("a<b class=\"odd\">U+202E</b>b") },
		{ SLICE_INIT("\xe2\x81\xa6\xe2\x81\xa9"),
		  SLICE_INIT("<b class=\"odd\">U+2066</b><b class=\"odd\">U+2069</b>") },
		{ SLICE_INIT("\xf3\xa0\x81\xa1"), SLICE_INIT("<b class=\"odd\">U+E0061</b>") },
		/* next to them, and needed to write Arabic or to join an emoji */
		{ SLICE_INIT("\xe2\x80\xa9\xe2\x80\xaf\xe2\x80\x8d\xe2\x80\x8f"),
		  SLICE_INIT("\xe2\x80\xa9\xe2\x80\xaf\xe2\x80\x8d\xe2\x80\x8f") },
		{ SLICE_INIT("a\0\xff\xe2\x80"),
		  SLICE_INIT("a" REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);

		page_mail_text(&b, rows[i].data);
		assert_slice_row(buf_slice(&b), rows[i].want, i);
	}
}

static void a_hidden_field_is_left_out_when_empty(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	page_hidden(&b, "a", S(""));
	assert_slice(buf_slice(&b), S(""));
	page_hidden(&b, "a", S("\">"));
	assert_slice(buf_slice(&b), S("<input type=\"hidden\" name=\"a\" value=\"&quot;&gt;\">\n"));
}

static struct slice header(const struct req *r, const char *name)
{
	for (size_t i = 0; i < r->resp.header_n; i++)
		if (strcmp(r->resp.header[i].name, name) == 0)
			return r->resp.header[i].value;
	return S("");
}

static void a_page_posts_to_where_its_head_says(void **state)
{
	static const struct {
		struct page_head head;
		struct slice want; /* how the policy ends */
	} rows[] = {
		{ { .title = "t" }, SLICE_INIT("; form-action 'none'") },
		{ { .title = "t", .posts_to = PAGE_POST_SELF },
		  SLICE_INIT("; form-action 'self'") },
		{ { .title = "t", .posts_to = "http://127.0.0.1:1", .nonce = "0a" },
		  SLICE_INIT("; form-action http://127.0.0.1:1; script-src 'nonce-0a'") },
	};
	static const struct settings settings;
	static const struct app app = { .settings = &settings };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct req *r = req_new(&app);
		struct slice policy;

		page_end(page_begin(r, 200, &rows[i].head));
		policy = header(r, "Content-Security-Policy");
		assert_row(i, slice_starts(policy, S("default-src 'none'; style-src 'sha256-")));
		assert_row(i, slice_ends(policy, rows[i].want));
		assert_slice_row(header(r, "X-Frame-Options"), S("DENY"), i);
		assert_slice_row(header(r, "Referrer-Policy"), S("no-referrer"), i);
		assert_row(i, slice_ends(buf_slice(&r->resp.body), S("</html>\n")));
		req_free(r);
	}
}

/* The policy names the hash of the very bytes between the tags. */
static void the_style_is_the_one_that_the_policy_names(void **state)
{
	static const struct settings settings;
	static const struct app app = { .settings = &settings };
	struct req *r = req_new(&app);
	AUTO(buf_release) struct buf wanted = BUF_INIT(100);
	struct slice body;
	uint8_t hash[SHA256_LEN];
	ptrdiff_t from, to;

	(void)state;
	page_message(r, 410, "<title>", "text & \"more\"");
	body = buf_slice(&r->resp.body);
	from = slice_search(body, S("<style>")) + 7;
	to = slice_search(body, S("</style>"));
	crypto_sha256(slice_sub(body, (size_t)from, (size_t)to), hash);
	base64_encode(slice_of((const char *)hash, sizeof(hash)), &wanted);
	assert_true(slice_search(header(r, "Content-Security-Policy"), buf_slice(&wanted)) > 0);
	assert_true(slice_search(body, S("<h1>&lt;title&gt;</h1>\n<p>text &amp;")) > 0);
	assert_int_equal(r->resp.status, 410);
	req_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_is_never_markup),
		cmocka_unit_test(what_is_odd_in_a_mail_is_seen),
		cmocka_unit_test(a_hidden_field_is_left_out_when_empty),
		cmocka_unit_test(a_page_posts_to_where_its_head_says),
		cmocka_unit_test(the_style_is_the_one_that_the_policy_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
