/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a mail, and the mail. Nothing that came from outside may end a line of
 * the header or start one: values are checked before they are written, and the
 * bytes of the mail are looked at once more before anybody may send them.
 */
#include "common/mail/compose.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose_body.h"
#include "common/mail/header_write.h"
#include "common/mail/mime.h"

enum { DATE_MAX = 64 };

static void write_item(struct buf *b, const char *name, struct slice value)
{
	struct header_writer w;

	if (value.n == 0)
		return;
	header_write_begin(&w, b, slice_str(name));
	header_write_item(&w, value);
	header_write_end(&w);
}

static void write_text(struct buf *b, const char *name, struct slice value)
{
	struct header_writer w;

	if (value.n == 0)
		return;
	header_write_begin(&w, b, slice_str(name));
	header_write_text(&w, value);
	header_write_end(&w);
}

static void write_from(struct buf *b, const struct compose_mail *m)
{
	AUTO(buf_release) struct buf address = BUF_INIT(ADDR_MAX + 2);
	struct header_writer w;

	if (m->from_name.n == 0) {
		write_item(b, "From", m->from);
		return;
	}
	buf_addf(&address, "<%.*s>", SLICE_ARGS(m->from));
	header_write_begin(&w, b, S("From"));
	header_write_phrase(&w, m->from_name);
	header_write_item(&w, buf_slice(&address));
	header_write_end(&w);
}

static void write_list(struct buf *b, const char *name, const struct slice *v, size_t n)
{
	struct header_writer w;

	if (n == 0)
		return;
	header_write_begin(&w, b, slice_str(name));
	for (size_t i = 0; i < n; i++) {
		AUTO(buf_release) struct buf item = BUF_INIT(ADDR_MAX + 1);

		buf_add_slice(&item, v[i]);
		if (i + 1 < n)
			buf_add_char(&item, ',');
		header_write_item(&w, buf_slice(&item));
	}
	header_write_end(&w);
}

/* The first id names the thread, the last ones where in it. */
static void write_references(struct buf *b, const struct compose_mail *m)
{
	size_t n = 0, skip = 0;
	struct header_writer w;

	for (size_t i = 0; i < m->references_n; i++)
		n += compose_msgid_usable(m->references[i]);
	if (n == 0)
		return;
	if (n > COMPOSE_REFERENCES_MAX)
		skip = n - COMPOSE_REFERENCES_MAX;
	header_write_begin(&w, b, S("References"));
	for (size_t i = 0, at = 0; i < m->references_n; i++) {
		if (!compose_msgid_usable(m->references[i]))
			continue;
		if (at == 0 || at > skip)
			header_write_item(&w, m->references[i]);
		at++;
	}
	header_write_end(&w);
}

static void write_date(struct buf *b, int64_t us)
{
	AUTO(buf_release) struct buf date = BUF_INIT(DATE_MAX);

	if (mime_date_write(us, &date) == OK)
		write_text(b, "Date", buf_slice(&date));
}

static void write_head(struct buf *b, const struct compose_mail *m)
{
	static const struct slice automatic[] = {
		[COMPOSE_NOT_AUTO] = SLICE_INIT(""),
		[COMPOSE_AUTO_GENERATED] = SLICE_INIT("auto-generated"),
		[COMPOSE_AUTO_REPLIED] = SLICE_INIT("auto-replied"),
	};

	write_from(b, m);
	write_list(b, "To", m->to, m->to_n);
	write_list(b, "Cc", m->cc, m->cc_n);
	write_item(b, "Reply-To", m->reply_to);
	write_text(b, "Subject", m->subject);
	write_date(b, m->date_us);
	write_item(b, "Message-ID", m->message_id);
	write_item(b, "In-Reply-To", m->in_reply_to);
	write_references(b, m);
	write_text(b, CONVERSATION_HEADER, m->conversation_id);
	write_item(b, "Auto-Submitted", automatic[m->automatic]);
	write_item(b, "MIME-Version", S("1.0"));
}

struct slice compose_conversation_id(struct slice value, struct arena *a)
{
	struct slice id = mime_text_exact(value, COMPOSE_CONVERSATION_MAX + 4, a);

	return id.n <= COMPOSE_CONVERSATION_MAX ? id : S("");
}

static bool is_7bit(struct slice s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

/* Lines that any mail system takes: CR and LF only together, not too long. */
static bool is_in_lines(struct slice mail)
{
	struct slice line;

	if (!slice_ends(mail, S("\r\n")))
		return false;
	mail.n--;
	while (slice_cut(&mail, '\n', &line))
		if (line.n > HEADER_LINE_MAX + 1 || slice_find(line, '\r') != (ptrdiff_t)line.n - 1)
			return false;
	return true;
}

static enum err finish(struct slice mail, const struct buf *b, struct fail *fail)
{
	if (buf_failed(b))
		return fail_set(fail, ERR_TOO_BIG, "the mail is too big");
	if (!is_7bit(mail) || slice_find(mail, '\0') >= 0 || !is_in_lines(mail))
		return fail_set(fail, ERR_INTERNAL, "the composed mail is not 7-bit clean");
	return OK;
}

enum err compose_mail(const struct compose_mail *mail, struct buf *ret, struct fail *fail)
{
	enum err e = compose_check(mail, fail);
	size_t start = ret->len;

	if (e)
		return e;
	write_head(ret, mail);
	compose_body(ret, mail);
	e = finish(slice_sub(buf_slice(ret), start, ret->len), ret, fail);
	if (e)
		buf_truncate(ret, start);
	return e;
}
