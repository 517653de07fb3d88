/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices of held mail: whatever it says, the words and links of ours stand once, as whole
 * lines or elements, and a reader sees all that is there. Subject, recipient, file name and
 * text are divided by NUL.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/utf8.h"
#include "deliverd/hold_text.h"

static size_t count(struct slice in, struct slice what)
{
	size_t n = 0;

	for (ptrdiff_t at; (at = slice_search(in, what)) >= 0; n++)
		in = slice_sub(in, (size_t)at + what.n, in.n);
	return n;
}

static void check_plain(struct slice text)
{
	size_t links = 0, words = 0;
	struct slice line;

	FUZZ_CHECK(utf8_valid(text) && slice_find(text, '\r') < 0);
	while (slice_cut(&text, '\n', &line)) {
		links += slice_starts(line, S("https://e2a.example/"));
		words += slice_eq(line, S("To approve and send it:"));
		FUZZ_CHECK(!slice_has_ctl(line) || slice_find(line, '\t') >= 0);
	}
	FUZZ_CHECK(links == 3 && words == 1);
}

static void check_html(struct slice html)
{
	FUZZ_CHECK(utf8_valid(html));
	FUZZ_CHECK(count(html, S("<a href=\"https://e2a.example/")) == 3);
	FUZZ_CHECK(count(html, S("<a ")) == 3 && count(html, S("<script")) == 0);
	FUZZ_CHECK(count(html, S("</pre>")) <= 1 && count(html, S("</html>")) == 1);
}

static void check_subject(struct slice subject)
{
	FUZZ_CHECK(utf8_valid(subject) && !slice_has_ctl(subject));
	FUZZ_CHECK(subject.n <=
		   sizeof("[e2a] approve outbound from bot@agents.example: ") - 1 + 60);
}

typedef void writer(const struct hold_text *t, struct arena *a, struct buf *ret);

static void check(const struct store_notice *n, writer *write, void (*judge)(struct slice))
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(HOLD_TEXT_PART_MAX);
	const struct hold_text t = {
		.notice = n,
		.approve = S("https://e2a.example/api/v1/approve?t=a"),
		.reject = S("https://e2a.example/api/v1/reject?t=r"),
		.dashboard = S("https://e2a.example/dashboard/pending/review?id=msg_1"),
	};

	write(&t, &a, &b);
	FUZZ_CHECK(!buf_failed(&b));
	judge(buf_slice(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of((const char *)data, size), to = S("");
	struct store_notice_file file = { 0 };
	struct store_notice n = { .agent = S("bot@agents.example"), .full_text = true };

	slice_cut(&rest, '\0', &n.subject);
	slice_cut(&rest, '\0', &to);
	slice_cut(&rest, '\0', &file.filename);
	n.text = slice_sub(rest, 0, HOLD_TEXT_MAX);
	n.text_bytes = (int64_t)rest.n;
	n.to = &to;
	n.to_n = 1;
	n.files = &file;
	n.files_n = 1;
	check(&n, hold_text_plain, check_plain);
	check(&n, hold_text_html, check_html);
	check(&n, hold_text_subject, check_subject);
	return 0;
}
