/* SPDX-License-Identifier: Apache-2.0 */
/* HTML as text: what is shown, what is not, and what a hostile one cannot do. */
#include "cli/html_text.h"

#include "tests/unit/test.h"

#include <unistd.h>

enum { PATIENCE_S = 30 };

static struct slice text_of(struct slice html, struct buf *b)
{
	buf_reset(b);
	html_text_of(html, b);
	assert_false(buf_failed(b));
	return buf_slice(b);
}

static void html_becomes_lines(void **state)
{
	static const struct {
		struct slice html, want;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("plain"), SLICE_INIT("plain\n") },
		{ SLICE_INIT("<p>One</p>\n<p>Two\n  lines</p>"), SLICE_INIT("One\n\nTwo lines\n") },
		{ SLICE_INIT("<div>a</div><div>b</div>c"), SLICE_INIT("a\nb\nc\n") },
		{ SLICE_INIT("a<br>b<BR/>c<br><br>d"), SLICE_INIT("a\nb\nc\n\nd\n") },
		{ SLICE_INIT("<ul><li>x</li><li>y</li></ul>z"), SLICE_INIT("* x\n* y\nz\n") },
		{ SLICE_INIT("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"),
		  SLICE_INIT("a b\nc\n") },
		{ SLICE_INIT("<h1>T</h1>x<hr>y"), SLICE_INIT("T\n\nx\n---\ny\n") },
		{ SLICE_INIT("<pre>a\n  b</pre>c  d"), SLICE_INIT("a\n  b\nc d\n") },
		{ SLICE_INIT("<b>bo</b>ld <i>it</i>"), SLICE_INIT("bold it\n") },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(text_of(rows[i].html, &b), rows[i].want, i);
}

static void what_is_not_text_is_gone(void **state)
{
	static const struct {
		struct slice html, want;
	} rows[] = {
		{ SLICE_INIT("<style>p{}</style>a<script>alert('<p>x')</script>b"),
		  SLICE_INIT("ab\n") },
		{ SLICE_INIT("<head><title>T</title></head><body>a</body>"), SLICE_INIT("a\n") },
		{ SLICE_INIT("a<!-- <p>no</p> -->b<!DOCTYPE html>c<?xml x?>d"),
		  SLICE_INIT("abcd\n") },
		{ SLICE_INIT("a<!-- open"), SLICE_INIT("a\n") },
		{ SLICE_INIT("a<script>open"), SLICE_INIT("a\n") },
		{ SLICE_INIT("<p title=\"a > b\">c"), SLICE_INIT("c\n") },
		{ SLICE_INIT("<p title=\"a>b"), SLICE_INIT("b\n") },
		{ SLICE_INIT("1 < 2 and <3 and < p>"), SLICE_INIT("1 < 2 and <3 and < p>\n") },
		{ SLICE_INIT("x <a"), SLICE_INIT("x <a\n") },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(text_of(rows[i].html, &b), rows[i].want, i);
}

static void entities_are_characters(void **state)
{
	static const struct {
		struct slice html, want;
	} rows[] = {
		{ SLICE_INIT("a &amp; b &lt;p&gt; &quot;&#39;"), SLICE_INIT("a & b <p> \"'\n") },
		{ SLICE_INIT("&#8364;&#x20AC;&#X20ac;&euro;"),
		  SLICE_INIT("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\n") },
		{ SLICE_INIT("a&nbsp;&nbsp;b"), SLICE_INIT("a b\n") },
		/* no character, or none that text may hold */
		{ SLICE_INIT("&#0;&#27;&#xd800;&#x110000;&#99999999999;&#;&#x;&nope;& ;&"),
		  SLICE_INIT("&#0;&#27;&#xd800;&#x110000;&#99999999999;&#;&#x;&nope;& ;&\n") },
		{ SLICE_INIT("&amp;lt;"), SLICE_INIT("&lt;\n") },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(text_of(rows[i].html, &b), rows[i].want, i);
}

static void links_say_where_they_lead(void **state)
{
	static const struct {
		struct slice html, want;
	} rows[] = {
		{ SLICE_INIT("<a href=\"https://x.example/?a&amp;b\">here</a>."),
		  SLICE_INIT("here <https://x.example/?a&b>.\n") },
		{ SLICE_INIT("<a class=x HREF=https://evil.example>https://bank.example</a>"),
		  SLICE_INIT("https://bank.example <https://evil.example>\n") },
		{ SLICE_INIT("<a href='https://x.example'>https://x.example</a>"),
		  SLICE_INIT("https://x.example\n") },
		{ SLICE_INIT("<a href='javascript:alert(1)'>a</a><a href='#top'>b</a>"),
		  SLICE_INIT("ab\n") },
		{ SLICE_INIT("<a href='mailto:a@b.example'>write"),
		  SLICE_INIT("write <mailto:a@b.example>\n") },
		{ SLICE_INIT("<img src=x alt='A  cat'><img alt=''>"), SLICE_INIT("[A cat]\n") },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(text_of(rows[i].html, &b), rows[i].want, i);
}

/* Each would take minutes if something were read again from where it was found. */
static void hostile_html_takes_linear_time(void **state)
{
	static const char *rows[] = {
		"<a", "<!-", "<p \"",    "<a ='>", "<script>",          "<a href=\"",
		"&",  "&#",  "<div><p>", "</",     "<a href=http://x>", "<li>"
	};

	(void)state;
	alarm(PATIENCE_S);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf in = BUF_INIT(1u << 20);
		AUTO(buf_release) struct buf out = BUF_INIT(in.max + HTML_TEXT_EXTRA);

		while (in.len + strlen(rows[i]) <= in.max)
			buf_add_str(&in, rows[i]);
		html_text_of(buf_slice(&in), &out);
		assert_row(i, !buf_failed(&out));
	}
	alarm(0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(html_becomes_lines),
		cmocka_unit_test(what_is_not_text_is_gone),
		cmocka_unit_test(entities_are_characters),
		cmocka_unit_test(links_say_where_they_lead),
		cmocka_unit_test(hostile_html_takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
