/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails as the command shows them: every text is UTF-8 on as many lines as it may have, content is
 * as long as was promised, HTML gives no more than it has, and a name for a file is one.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/html_text.h"
#include "cli/mail.h"
#include "cli/save.h"
#include "common/base/utf8.h"

static void check_line(struct slice s)
{
	FUZZ_CHECK(utf8_valid(s) && !slice_has_ctl(s) && s.n <= MAIL_FIELD_MAX);
}

static enum err count(void *arg, struct slice bytes)
{
	int64_t *left = arg;

	*left -= (int64_t)bytes.n;
	return OK;
}

static void check_part(const struct mail *m, const struct mime_part *p, struct arena *a)
{
	struct slice name =
		slice_str(save_name(p->filename, p->type, 1, 1 + (unsigned)(p->size % 3), a));
	int64_t left = p->size;

	FUZZ_CHECK(mail_part_each(m, p, count, &left) == OK && left == 0);
	FUZZ_CHECK(name.n && name.n <= 255 && utf8_valid(name) && !slice_has_ctl(name));
	FUZZ_CHECK(name.p[0] != '.' && name.p[0] != '-' && slice_find(name, '/') < 0);
}

static void check_text(bool whole, const struct buf *text)
{
	FUZZ_CHECK(whole && !buf_failed(text) && utf8_valid(buf_slice(text)));
	FUZZ_CHECK(slice_find(buf_slice(text), '\0') < 0);
}

static void check_html(struct slice html)
{
	AUTO(buf_release) struct buf text = BUF_INIT(html.n + HTML_TEXT_EXTRA);

	html_text_of(html, &text);
	FUZZ_CHECK(!buf_failed(&text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	AUTO(buf_release) struct buf html = BUF_INIT(MAIL_TEXT_MAX);
	struct slice raw = slice_of((const char *)data, size);
	struct mail m;

	mail_read(raw, &a, &m);
	check_line(m.from);
	check_line(m.to);
	check_line(m.cc);
	check_line(m.reply_to);
	check_line(m.subject);
	check_line(m.date);
	check_line(m.message_id);
	check_text(mail_text(&m, &text), &text);
	check_text(mail_html(&m, &html), &html);
	for (size_t i = 0; i < m.tree.n; i++)
		check_part(&m, &m.tree.v[i], &a);
	check_html(raw);
	check_html(buf_slice(&html));
	return 0;
}
