/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of mails: however the mail is cut on its way in, the same parts are found; each lies
 * inside the mail and behind the one before it, has the size that was promised, and its
 * text is UTF-8.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/utf8.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"
#include "common/mail/mime_tree.h"

static void scan(struct slice mail, size_t step, struct arena *a, struct mime_tree *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();

	for (size_t at = 0; at < mail.n; at += step)
		mime_scan_feed(s, slice_sub(mail, at, at + step));
	mime_scan_end(s, a, ret);
}

static void check_same(const struct mime_tree *x, const struct mime_tree *y)
{
	FUZZ_CHECK(x->n == y->n && x->limited == y->limited);
	for (size_t i = 0; i < x->n; i++) {
		const struct mime_part *p = &x->v[i], *q = &y->v[i];

		FUZZ_CHECK(p->start == q->start && p->end == q->end && p->size == q->size);
		FUZZ_CHECK(p->role == q->role && p->encoding == q->encoding);
		FUZZ_CHECK(slice_eq(p->filename, q->filename) && slice_eq(p->type, q->type));
	}
}

static void check_names(const struct mime_part *p)
{
	FUZZ_CHECK(mime_is_media_type(p->type));
	FUZZ_CHECK(utf8_valid(p->filename) && !slice_has_ctl(p->filename));
	FUZZ_CHECK(slice_find(p->filename, '/') < 0 && slice_find(p->filename, '\\') < 0);
	FUZZ_CHECK(p->filename.n <= 255 && !slice_starts(p->filename, S(".")));
	FUZZ_CHECK(utf8_valid(p->content_id) && !slice_has_ctl(p->content_id));
}

static void check_size(const struct mime_part *p, struct slice content, size_t step)
{
	AUTO(mime_decoder_freep) struct mime_decoder *d = mime_decoder_new(p->encoding);
	AUTO(buf_release) struct buf out = BUF_INIT(content.n + 2 * MIME_DECODER_EXTRA);

	for (size_t at = 0; at < content.n; at += step)
		mime_decoder_feed(d, slice_sub(content, at, at + step), &out);
	mime_decoder_end(d, &out);
	FUZZ_CHECK(!buf_failed(&out) && (int64_t)out.len == p->size);
}

static void read_text(const struct mime_part *p, struct slice content, size_t step, struct buf *ret)
{
	AUTO(mime_text_freep) struct mime_text *t = mime_text_new(p->encoding, p->charset);

	for (size_t at = 0; at < content.n; at += step)
		mime_text_feed(t, slice_sub(content, at, at + step), ret);
	mime_text_end(t, ret);
	FUZZ_CHECK(!buf_failed(ret) && utf8_valid(buf_slice(ret)));
	FUZZ_CHECK(slice_find(buf_slice(ret), '\0') < 0);
}

static void check_text(const struct mime_part *p, struct slice content)
{
	AUTO(buf_release)
	struct buf whole = BUF_INIT(MIME_TEXT_GROWTH * content.n + 2 * MIME_TEXT_EXTRA);
	AUTO(buf_release) struct buf cut = BUF_INIT(whole.max);

	read_text(p, content, SIZE_MAX / 2, &whole);
	read_text(p, content, 7, &cut);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice mail = slice_of((const char *)data, size);
	struct mime_tree whole, cut;
	static bool ready;
	int64_t at = 0;

	if (!ready)
		mime_init();
	ready = true;
	scan(mail, SIZE_MAX / 2, &a, &whole);
	scan(mail, 1 + size % 13, &a, &cut);
	check_same(&whole, &cut);
	for (size_t i = 0; i < whole.n; i++) {
		const struct mime_part *p = &whole.v[i];
		struct slice content = slice_sub(mail, (size_t)p->start, (size_t)p->end);

		FUZZ_CHECK(at <= p->start && p->start <= p->end && p->end <= (int64_t)size);
		at = p->end;
		check_names(p);
		check_size(p, content, 5);
		check_text(p, content);
	}
	return 0;
}
