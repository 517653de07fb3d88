/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may go into a mail. Whoever accepts a draft asks here first; nothing that
 * passed may fail later for what it says.
 */
#include "common/mail/compose.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"

enum { DATE_MAX = 64 };

static enum err refuse(struct fail *fail, const char *field)
{
	return fail_set(fail, ERR_INPUT, "%s cannot be put into a mail", field);
}

static bool is_address(struct slice text, struct arena *a)
{
	struct slice usable;

	return addr_usable(text, a, &usable) == OK && slice_eq(text, usable);
}

static bool is_list(const struct slice *v, size_t n, struct arena *a)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_address(v[i], a))
			return false;
		bytes += v[i].n + 3; /* ", " or a fold */
	}
	return bytes <= COMPOSE_LIST_MAX;
}

/* One of ours: an address in brackets. */
static bool is_own_msgid(struct slice id, struct arena *a)
{
	return compose_msgid_usable(id) && is_address(slice_sub(id, 1, id.n - 1), a);
}

static enum err check_ids(const struct compose_mail *m, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf date = BUF_INIT(DATE_MAX);
	const struct {
		const char *field;
		bool ok;
	} rows[] = {
		{ "From", is_address(m->from, &a) },
		{ "Reply-To", m->reply_to.n == 0 || is_address(m->reply_to, &a) },
		{ "To", m->to_n + m->cc_n > 0 && is_list(m->to, m->to_n, &a) },
		{ "Cc", is_list(m->cc, m->cc_n, &a) },
		{ "Date", mime_date_write(m->date_us, &date) == OK },
		{ "Message-ID", is_own_msgid(m->message_id, &a) },
		{ "In-Reply-To", m->in_reply_to.n == 0 || compose_msgid_usable(m->in_reply_to) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!rows[i].ok)
			return refuse(fail, rows[i].field);
	return OK;
}

static bool is_line(struct slice text, size_t max)
{
	return text.n <= max && !slice_has_ctl(text) && utf8_valid(text);
}

static bool is_text(struct slice text)
{
	return slice_find(text, '\0') < 0 && utf8_valid(text);
}

static enum err check_texts(const struct compose_mail *m, struct fail *fail)
{
	const struct {
		const char *field;
		bool ok;
	} rows[] = {
		{ "From name", is_line(m->from_name, COMPOSE_NAME_MAX) },
		{ "Subject", is_line(m->subject, COMPOSE_SUBJECT_MAX) },
		{ "conversation id", is_line(m->conversation_id, COMPOSE_CONVERSATION_MAX) },
		{ "text", is_text(m->text) },
		{ "HTML", is_text(m->html) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!rows[i].ok)
			return refuse(fail, rows[i].field);
	return OK;
}

static bool is_content_type(struct slice text)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mime_field field;

	if (text.n == 0)
		return true;
	if (!is_line(text, COMPOSE_TYPE_MAX))
		return false;
	mime_field_parse(text, &a, &field);
	return mime_is_media_type(field.value);
}

static enum err check_attachments(const struct compose_mail *m, struct fail *fail)
{
	if (m->attachments_n > COMPOSE_ATTACHMENTS_MAX)
		return fail_set(fail, ERR_INPUT,
				"more than %d attachments cannot be put into a mail",
				COMPOSE_ATTACHMENTS_MAX);
	for (size_t i = 0; i < m->attachments_n; i++) {
		if (!is_line(m->attachments[i].filename, COMPOSE_FILENAME_MAX))
			return refuse(fail, "attachment filename");
		if (!is_content_type(m->attachments[i].content_type))
			return refuse(fail, "attachment content_type");
	}
	return OK;
}

bool compose_msgid_usable(struct slice id)
{
	if (id.n < 3 || id.n > COMPOSE_MSGID_MAX || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return false;
	for (size_t i = 1; i < id.n - 1; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '<' || id.p[i] == '>')
			return false;
	return true;
}

enum err compose_check(const struct compose_mail *mail, struct fail *fail)
{
	enum err e = check_ids(mail, fail);

	if (e == OK)
		e = check_texts(mail, fail);
	return e ? e : check_attachments(mail, fail);
}
