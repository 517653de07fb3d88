/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing: a mail of any fields is refused, or it is clean, has each field once and no
 * other, and its texts, names and files come back from our own readers as they were.
 * The input is the fields in the order of `mail_of`, each ended by 0xff.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/mail/header.h"
#include "common/mail/header_write.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"
#include "common/mail/mime_tree.h"

enum { MAIL_MAX = 4 * 1024 * 1024, IDS_MAX = 100, FILES_MAX = 3 };

struct draft {
	struct compose_mail mail;
	struct slice to, cc, ids[IDS_MAX];
	struct compose_attachment files[FILES_MAX];
};

static struct slice next(struct slice *rest)
{
	struct slice field;

	return slice_cut(rest, '\xff', &field) ? field : S("");
}

static void mail_of(struct slice in, struct draft *d)
{
	struct compose_mail *m = &d->mail;
	struct slice ids, id;

	*m = (struct compose_mail){ .message_id = S("<id@from.example>"), .references = d->ids };
	m->automatic = (enum compose_auto)(next(&in).n % 3);
	m->from = next(&in);
	m->from_name = next(&in);
	d->to = next(&in);
	d->cc = next(&in);
	m->reply_to = next(&in);
	m->subject = next(&in);
	m->in_reply_to = next(&in);
	ids = next(&in);
	m->conversation_id = next(&in);
	m->text = next(&in);
	m->html = next(&in);
	m->to = &d->to;
	m->to_n = d->to.n > 0;
	m->cc = &d->cc;
	m->cc_n = d->cc.n > 0;
	while (m->references_n < IDS_MAX && slice_cut(&ids, ',', &id))
		d->ids[m->references_n++] = id;
	m->attachments = d->files;
	while (m->attachments_n < FILES_MAX && in.p) {
		struct compose_attachment *f = &d->files[m->attachments_n++];

		f->filename = next(&in);
		f->content_type = next(&in);
		f->data = next(&in);
	}
}

static void check_clean(struct slice mail)
{
	struct slice line;

	FUZZ_CHECK(slice_ends(mail, S("\r\n")));
	mail.n--;
	while (slice_cut(&mail, '\n', &line)) {
		FUZZ_CHECK(line.n <= HEADER_LINE_MAX + 1);
		FUZZ_CHECK(slice_find(line, '\r') == (ptrdiff_t)line.n - 1);
		for (size_t i = 0; i < line.n; i++)
			FUZZ_CHECK(line.p[i] != '\0' && (unsigned char)line.p[i] < 0x80);
	}
}

static size_t usable_references(const struct compose_mail *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->references_n; i++)
		n += compose_msgid_usable(m->references[i]);
	return n < COMPOSE_REFERENCES_MAX ? n : COMPOSE_REFERENCES_MAX;
}

static void check_fields(const struct compose_mail *m, const struct header *h)
{
	bool leaf = m->attachments_n == 0 && (m->text.n == 0 || m->html.n == 0);
	const struct {
		const char *name;
		bool there;
	} rows[] = {
		{ "From", true },
		{ "To", m->to_n > 0 },
		{ "Cc", m->cc_n > 0 },
		{ "Reply-To", m->reply_to.n > 0 },
		{ "Subject", m->subject.n > 0 },
		{ "Date", true },
		{ "Message-ID", true },
		{ "In-Reply-To", m->in_reply_to.n > 0 },
		{ "References", usable_references(m) > 0 },
		{ CONVERSATION_HEADER, m->conversation_id.n > 0 },
		{ "Auto-Submitted", m->automatic != COMPOSE_NOT_AUTO },
		{ "MIME-Version", true },
		{ "Content-Type", true },
		{ "Content-Transfer-Encoding", leaf },
	};
	size_t n = 0;

	FUZZ_CHECK(h->bad == 0 && !h->limited);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		FUZZ_CHECK(header_count(h, slice_str(rows[i].name)) == rows[i].there);
		n += rows[i].there;
	}
	FUZZ_CHECK(h->n == n);
}

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

static void check_values(const struct compose_mail *m, const struct header *h, struct arena *a)
{
	struct slice ids[IDS_MAX];
	struct addr author;

	FUZZ_CHECK(addr_author(h, a, &author) == OK && slice_eq(author.spec, m->from));
	FUZZ_CHECK(slice_eq(mime_text_exact(value_of(h, "Subject"), COMPOSE_SUBJECT_MAX, a),
			    m->subject));
	FUZZ_CHECK(slice_eq(compose_conversation_id(value_of(h, CONVERSATION_HEADER), a),
			    m->conversation_id));
	FUZZ_CHECK(header_msgids(value_of(h, "References"), ids, IDS_MAX) == usable_references(m));
}

static void decode(const struct mime_part *p, struct slice mail, struct buf *ret)
{
	AUTO(mime_decoder_freep) struct mime_decoder *d = mime_decoder_new(p->encoding);

	mime_decoder_feed(d, slice_sub(mail, (size_t)p->start, (size_t)p->end), ret);
	mime_decoder_end(d, ret);
}

/* Line by line, however they end. */
static void check_text(const struct mime_part *p, struct slice mail, struct slice want)
{
	AUTO(buf_release) struct buf got = BUF_INIT(MAIL_MAX);
	size_t at = 0;

	decode(p, mail, &got);
	for (size_t i = 0; i < want.n; i++) {
		bool end = want.p[i] == '\n' || want.p[i] == '\r';

		FUZZ_CHECK(at < got.len && got.p[at] == (end ? '\r' : want.p[i]));
		at += end ? 2 : 1;
		if (slice_starts(slice_sub(want, i, want.n), S("\r\n")))
			i++;
	}
	FUZZ_CHECK(at == got.len || slice_eq(slice_of(got.p + at, got.len - at), S("\r\n")));
}

static void check_file(const struct mime_part *p, struct slice mail,
		       const struct compose_attachment *f, struct arena *a)
{
	AUTO(buf_release) struct buf got = BUF_INIT(MAIL_MAX);
	struct slice name = mime_safe_filename(f->filename, a);

	decode(p, mail, &got);
	FUZZ_CHECK(p->role == MIME_ATTACHMENT && slice_eq(buf_slice(&got), f->data));
	FUZZ_CHECK(f->filename.n > 1000 || name.n == 0 || slice_eq(p->filename, name));
	FUZZ_CHECK(!slice_starts(p->type, S("multipart/")) &&
		   !slice_starts(p->type, S("message/")));
}

static void check_parts(const struct compose_mail *m, struct slice mail, struct arena *a)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();
	size_t texts = m->text.n && m->html.n ? 2 : 1;
	struct mime_tree t;

	mime_scan_feed(s, mail);
	mime_scan_end(s, a, &t);
	FUZZ_CHECK(t.n == texts + m->attachments_n && !t.limited);
	check_text(&t.v[0], mail, m->text.n || m->html.n == 0 ? m->text : m->html);
	if (texts == 2)
		check_text(&t.v[1], mail, m->html);
	for (size_t i = 0; i < m->attachments_n; i++)
		check_file(&t.v[texts + i], mail, &m->attachments[i], a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
	struct draft d = { 0 };
	static bool ready;
	struct header h;
	enum err e;

	if (!ready)
		mime_init();
	ready = true;
	mail_of(slice_of((const char *)data, size), &d);
	e = compose_mail(&d.mail, &mail, NULL);
	FUZZ_CHECK(e == compose_check(&d.mail, NULL));
	if (e)
		return 0;
	check_clean(buf_slice(&mail));
	header_parse(buf_slice(&mail), &a, &h);
	check_fields(&d.mail, &h);
	check_values(&d.mail, &h, &a);
	check_parts(&d.mail, buf_slice(&mail), &a);
	return 0;
}
