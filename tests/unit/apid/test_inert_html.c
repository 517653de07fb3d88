/* SPDX-License-Identifier: Apache-2.0 */
/* HTML that asks nobody for anything: which elements stay, in whatever pieces they come. */
#include "apid/inert_html.h"
#include "tests/unit/test.h"

static const struct {
	const char *in, *want;
} rows[] = {
	{ "", "" },
	{ "no markup at all & 1 < 2 > 0", "no markup at all & 1 < 2 > 0" },
	{ "<p>a<br/>b</p>", "<p>a<br/>b</p>" },
	{ "<link rel=preconnect href=//a.example>", "<x-link rel=preconnect href=//a.example>" },
	{ "<LiNk>", "<x-LiNk>" },
	{ "<meta><base><a><area></a>", "<x-meta><x-base><x-a><x-area></x-a>" },
	{ "<iframe></iframe><frame><frameset>", "<x-iframe></x-iframe><x-frame><x-frameset>" },
	{ "<form><input><button>", "<x-form><x-input><x-button>" },
	{ "<svg><use/></svg><math>", "<x-svg><x-use/></x-svg><x-math>" },
	{ "<object><embed><video><audio>", "<x-object><x-embed><x-video><x-audio>" },
	{ "<TABLE><Td>x</tD></tAbLe>", "<TABLE><Td>x</tD></tAbLe>" },
	{ "<blockquote><figcaption>", "<blockquote><figcaption>" },
	{ "<blockquotes><figcaption1>", "<x-blockquotes><x-figcaption1>" },
	{ "<b\tx><b\nx><b\fx><b/x>", "<b\tx><b\nx><b\fx><b/x>" },
	{ "<b\"link>", "<x-b\"link>" },
	{ "<bb><pp><im>", "<x-bb><x-pp><x-im>" },
	{ "<x-link>", "<x-x-link>" },
	{ "<a<link>", "<x-a<x-link>" },
	{ "<b<link>", "<b<x-link>" },
	{ "<<link></</link>", "<<x-link></</x-link>" },
	{ "< link></ link><!link><?link>", "< link></ link><!link><?link>" },
	{ "<!-- <link> --><p title='<link'>", "<!-- <x-link> --><p title='<x-link'>" },
	{ "<style>a:after{content:'<base'}</style>", "<style>a:after{content:'<x-base'}</style>" },
	{ "<script>if (a<b) x</script>", "<script>if (a<x-b) x</script>" },
	{ "<\xc4\xb1mg><b\xc4\xb1g>", "<\xc4\xb1mg><x-b\xc4\xb1g>" },
	{ "<o:p><v:shape>", "<x-o:p><x-v:shape>" },
	{ "<link", "<x-link" },
	{ "<p", "<p" },
	{ "<", "<" },
	{ "</", "</" },
	{ "<abcdefghij", "<x-abcdefghij" },
	{ "<abcdefghijk", "<x-abcdefghijk" },
};

/* In pieces of `step` bytes. */
static void check(const char *in, const char *want, size_t step, size_t row)
{
	struct slice all = slice_str(in);
	struct inert_html h = { 0 };
	AUTO(buf_release)
	struct buf out = BUF_INIT(INERT_HTML_GROWTH * all.n + INERT_HTML_EXTRA);

	for (size_t at = 0; at < all.n; at += step)
		inert_html_feed(&h, slice_sub(all, at, at + step), &out);
	inert_html_end(&h, &out);
	assert_row(row, !buf_failed(&out));
	assert_slice_row(buf_slice(&out), slice_str(want), row);
}

static void only_harmless_elements_keep_their_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].in, rows[i].want, 1000, i);
}

static void pieces_make_no_difference(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 12; step++)
			check(rows[i].in, rows[i].want, step, i);
}

static void each_harmless_element_is_found(void **state)
{
	static const char all[] =
		"<abbr><acronym><address><article><aside><b><bdi><bdo><big><blockquote><body><br>"
		"<caption><center><cite><code><col><colgroup><dd><del><details><dfn><dir><div><dl>"
		"<dt><em><figcaption><figure><font><footer><h1><h2><h3><h4><h5><h6><head><header>"
		"<hr><html><i><img><ins><kbd><label><li><main><mark><nav><nobr><noscript><ol><p>"
		"<pre><q><rp><rt><ruby><s><samp><script><section><small><span><strike><strong>"
		"<style><sub><summary><sup><table><tbody><td><tfoot><th><thead><time><title><tr>"
		"<tt><u><ul><var><wbr>";

	(void)state;
	check(all, all, 7, 0);
}

/* Nobody hands NUL in; if somebody did, no name would be compared beyond its end. */
static void nul_is_a_byte_like_any_other(void **state)
{
	static const char in[] = "<li\0\0\0\xeb><b\0>";
	struct inert_html h = { 0 };
	AUTO(buf_release) struct buf out = BUF_INIT(2 * sizeof(in) + INERT_HTML_EXTRA);

	(void)state;
	inert_html_feed(&h, slice_of(in, sizeof(in) - 1), &out);
	inert_html_end(&h, &out);
	assert_slice(buf_slice(&out), S("<x-li\0\0\0\xeb><x-b\0>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_harmless_elements_keep_their_names),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(each_harmless_element_is_found),
		cmocka_unit_test(nul_is_a_byte_like_any_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
