/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML of strangers: whatever may begin a tag has a harmless name or none, only "x-" was
 * added, and neither depends on the pieces it came in. The first byte says how long those are.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/inert_html.h"
#include "common/base/mem.h"

#include <string.h>

enum { INPUT_MAX = 64 * 1024 };

static const char *const harmful[] = { "a",      "area",   "base",   "button", "embed", "form",
				       "frame",  "iframe", "input",  "link",   "math",  "meta",
				       "object", "portal", "source", "svg",    "video", "audio" };

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t name_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && !memchr(" \t\n\r\f/><", s.p[n], 8))
		n++;
	return n;
}

static void check_name(struct slice name)
{
	for (size_t i = 0; i < sizeof(harmful) / sizeof(harmful[0]); i++)
		FUZZ_CHECK(!slice_ieq(name, slice_str(harmful[i])));
}

/* Every place where a parser could see the beginning of a tag. */
static void check_tags(struct slice out)
{
	for (size_t i = 0; i < out.n; i++) {
		struct slice rest = slice_sub(out, i + 1, out.n);

		if (out.p[i] != '<')
			continue;
		if (rest.n && rest.p[0] == '/')
			rest = slice_sub(rest, 1, rest.n);
		if (rest.n && is_alpha(rest.p[0]))
			check_name(slice_sub(rest, 0, name_length(rest)));
	}
}

/* Without the "x-" behind each '<' or "</" it is the input again: no name of its own begins so. */
static void check_kept(struct slice in, struct slice out)
{
	size_t k = 0;

	for (size_t i = 0; i < in.n; i++) {
		bool open = i && (in.p[i - 1] == '<' ||
				  (i > 1 && in.p[i - 1] == '/' && in.p[i - 2] == '<'));

		if (open && slice_starts(slice_sub(out, k, out.n), S("x-")))
			k += 2;
		FUZZ_CHECK(k < out.n && out.p[k++] == in.p[i]);
	}
	FUZZ_CHECK(k == out.n);
}

static void run(struct slice in, size_t step, struct buf *out)
{
	struct inert_html h = { 0 };

	for (size_t at = 0; at < in.n; at += step)
		inert_html_feed(&h, slice_sub(in, at, at + step), out);
	inert_html_end(&h, out);
	FUZZ_CHECK(!buf_failed(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size < INPUT_MAX ? size : INPUT_MAX);
	size_t step = in.n ? (unsigned char)in.p[0] % 16 + 1U : 1;
	size_t max = INERT_HTML_GROWTH * in.n + INERT_HTML_EXTRA;
	AUTO(buf_release) struct buf whole = BUF_INIT(max);
	AUTO(buf_release) struct buf pieces = BUF_INIT(max);

	run(in, INPUT_MAX, &whole);
	run(in, step, &pieces);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	check_tags(buf_slice(&whole));
	check_kept(in, buf_slice(&whole));
	return 0;
}
