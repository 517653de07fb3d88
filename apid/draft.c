/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drafts. A control character in what becomes a header field is refused and never
 * dropped: whoever put it there meant something else than would be sent.
 */
#include "apid/draft.h"

#include "common/mail/compose.h"
#include "common/mail/mime_param.h"

enum {
	HEADER_ROOM = 128 * 1024, /* bytes for what stands around the content */
	PART_ROOM = 1024,         /* and around each part */
};

#define OF_FILE(field, type)                                                                       \
	{                                                                                          \
#field, type, offsetof(struct draft_attachment, field), JSONF_NO_GIVEN             \
	}
#define OF_MAIL(field, type)                                                                       \
	{                                                                                          \
#field, type, offsetof(struct draft, field), JSONF_NO_GIVEN                        \
	}

const struct jsonf_row draft_attachment_rows[] = {
	OF_FILE(filename, JSONF_TEXT),
	OF_FILE(content_type, JSONF_TEXT),
	OF_FILE(data, JSONF_BASE64),
	{ 0 },
};

const struct jsonf_row draft_edit_attachment_rows[] = {
	OF_FILE(filename, JSONF_TEXT),
	OF_FILE(content_type, JSONF_TEXT),
	OF_FILE(data, JSONF_BASE64),
	{ "index", JSONF_INT, offsetof(struct draft_attachment, index),
	  offsetof(struct draft_attachment, stays) },
	{ 0 },
};

const struct jsonf_row draft_send_rows[] = {
	OF_MAIL(from, JSONF_TEXT),
	OF_MAIL(to, JSONF_TEXTS),
	OF_MAIL(cc, JSONF_TEXTS),
	OF_MAIL(bcc, JSONF_TEXTS),
	OF_MAIL(subject, JSONF_TEXT),
	OF_MAIL(body, JSONF_TEXT),
	OF_MAIL(html_body, JSONF_TEXT),
	OF_MAIL(conversation_id, JSONF_TEXT),
	OF_MAIL(attachments, JSONF_OBJECTS),
	OF_MAIL(reply_to_message_id, JSONF_TEXT),
	OF_MAIL(references, JSONF_TEXTS),
	{ 0 },
};

const struct jsonf_row draft_reply_rows[] = {
	OF_MAIL(body, JSONF_TEXT),           OF_MAIL(html_body, JSONF_TEXT),
	OF_MAIL(reply_all, JSONF_BOOL),      OF_MAIL(cc, JSONF_TEXTS),
	OF_MAIL(bcc, JSONF_TEXTS),           OF_MAIL(conversation_id, JSONF_TEXT),
	OF_MAIL(attachments, JSONF_OBJECTS), { 0 },
};

#define OF_EDIT(name, field, type)                                                                 \
	{                                                                                          \
		name, type, offsetof(struct draft, field), offsetof(struct draft, given.field)     \
	}

const struct jsonf_row draft_edit_rows[] = {
	OF_EDIT("subject", subject, JSONF_TEXT),
	OF_EDIT("body_text", body, JSONF_TEXT),
	OF_EDIT("body_html", html_body, JSONF_TEXT),
	OF_EDIT("to", to, JSONF_TEXTS),
	OF_EDIT("cc", cc, JSONF_TEXTS),
	OF_EDIT("bcc", bcc, JSONF_TEXTS),
	OF_EDIT("attachments", attachments, JSONF_OBJECTS),
	{ 0 },
};

static bool has_line_end(struct slice s)
{
	return slice_find(s, '\r') >= 0 || slice_find(s, '\n') >= 0;
}

/* Characters of UTF-8 with this beginning and a last byte from `first` to `last`. */
struct range {
	struct slice head;
	unsigned char first, last;
};

/* What ends lines or commands terminals beyond ASCII: U+0080 to U+009F, U+2028, U+2029. */
static const struct range controls[] = {
	{ SLICE_INIT("\xc2"), 0x80, 0x9f },
	{ SLICE_INIT("\xe2\x80"), 0xa8, 0xa9 },
};

/* What turns text around, so that a name ends otherwise than it seems: U+202A to U+202E, U+2066
 * to U+2069. */
static const struct range turns[] = {
	{ SLICE_INIT("\xe2\x80"), 0xaa, 0xae },
	{ SLICE_INIT("\xe2\x81"), 0xa6, 0xa9 },
};

static bool starts_with_one(struct slice s, const struct range *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s.n > v[i].head.n && slice_starts(s, v[i].head) &&
		    (unsigned char)s.p[v[i].head.n] >= v[i].first &&
		    (unsigned char)s.p[v[i].head.n] <= v[i].last)
			return true;
	return false;
}

static bool has_one(struct slice s, const struct range *v, size_t n)
{
	for (; s.n; s = slice_sub(s, 1, s.n))
		if (starts_with_one(s, v, n))
			return true;
	return false;
}

static bool has_control(struct slice s)
{
	return slice_has_ctl(s) || has_one(s, controls, ARRAY_LEN(controls));
}

/* ---- texts ---- */

static enum err refuse(struct buf *reason, const char *field, const char *what)
{
	buf_addf(reason, "%s must not contain %s", field, what);
	return ERR_INPUT;
}

static enum err check_length(struct buf *reason, const char *field, struct slice s, size_t max)
{
	if (s.n <= max)
		return OK;
	buf_addf(reason, "%s must be at most %zu bytes", field, max);
	return ERR_INPUT;
}

static enum err check_texts(const struct draft *d, struct buf *reason)
{
	const struct {
		const char *field;
		struct slice text;
	} texts[] = {
		{ d->edit ? "body_text" : "body", d->body },
		{ d->edit ? "body_html" : "html_body", d->html_body },
	}, lines[] = {
		{ "conversation_id", d->conversation_id },
		{ "subject", d->subject },
	};

	if (has_line_end(d->conversation_id))
		return refuse(reason, "conversation_id", "CR or LF");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (slice_find(texts[i].text, '\0') >= 0)
			return refuse(reason, texts[i].field, "NUL");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (has_control(lines[i].text))
			return refuse(reason, lines[i].field, "control characters");
	if (check_length(reason, "subject", d->subject, COMPOSE_SUBJECT_MAX))
		return ERR_INPUT;
	return check_length(reason, "conversation_id", d->conversation_id, DRAFT_CONVERSATION_MAX);
}

/* ---- attachments ---- */

/* NULL, or what is wrong with it. */
static const char *wrong_with_line(struct slice s, size_t max)
{
	if (has_line_end(s))
		return "contains CR/LF: header injection refused";
	if (has_control(s))
		return "must not contain control characters";
	if (has_one(s, turns, ARRAY_LEN(turns)))
		return "must not contain characters that turn text around";
	return s.n > max ? "is longer than 255 bytes" : NULL;
}

_Static_assert(DRAFT_FILENAME_MAX == 255 && DRAFT_TYPE_MAX == 255, "as the text says");

static bool is_content_type(struct slice s, struct arena *a)
{
	struct mime_field field;

	mime_field_parse(s, a, &field);
	return mime_is_media_type(field.value);
}

static enum err read_attachment(const struct draft_attachment *d, size_t number, struct arena *a,
				struct store_attachment *ret, struct buf *reason)
{
	const struct {
		const char *field, *wrong;
	} rows[] = {
		{ "filename", wrong_with_line(d->filename, DRAFT_FILENAME_MAX) },
		{ "content_type", wrong_with_line(d->content_type, DRAFT_TYPE_MAX) },
		{ "data", d->data.bad ? "is not valid base64" : NULL },
	};
	struct slice type = slice_trim(d->content_type);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].wrong) {
			buf_addf(reason, "attachment %zu: %s %s", number, rows[i].field,
				 rows[i].wrong);
			return ERR_INPUT;
		}
	if (type.n == 0)
		type = S("application/octet-stream");
	if (!is_content_type(type, a)) {
		buf_addf(reason, "attachment %zu: content_type is not a media type", number);
		return ERR_INPUT;
	}
	*ret = (struct store_attachment){ d->filename, type, d->data.v };
	return OK;
}

/* NULL, or what is wrong with keeping it. */
static const char *wrong_with_index(const struct draft *d, const struct draft_attachment *v,
				    const struct draft_parts *parts)
{
	if (v->index < 0 || (uint64_t)v->index >= d->files_n)
		return "the mail has none of that index";
	if (v->filename.n || v->content_type.n || v->data.v.n || v->data.bad)
		return "index stands alone";
	for (size_t i = 0; i < parts->kept_n; i++)
		if (parts->kept[i] == v->index)
			return "index is there twice";
	return NULL;
}

static enum err keep_attachment(const struct draft *d, size_t number, struct draft_parts *ret,
				struct buf *reason)
{
	const struct draft_attachment *v = d->attachments.v;
	const char *wrong = wrong_with_index(d, &v[number - 1], ret);

	if (wrong) {
		buf_addf(reason, "attachment %zu: %s", number, wrong);
		return ERR_INPUT;
	}
	ret->kept[ret->kept_n++] = v[number - 1].index;
	return OK;
}

static enum err read_attachments(const struct draft *d, struct arena *a, struct draft_parts *ret,
				 struct buf *reason)
{
	const struct draft_attachment *v = d->attachments.v;
	const size_t n = d->attachments.n;

	if (n > DRAFT_ATTACHMENTS_MAX) {
		buf_addf(reason, "too many attachments (max %d)", DRAFT_ATTACHMENTS_MAX);
		return ERR_INPUT;
	}
	ret->attachments = arena_calloc(a, n, sizeof(*ret->attachments));
	ret->kept = arena_calloc(a, n, sizeof(*ret->kept));
	for (size_t i = 0; i < n; i++)
		if (v[i].stays ? keep_attachment(d, i + 1, ret, reason)
			       : read_attachment(&v[i], i + 1, a,
						 &ret->attachments[ret->attachments_n++], reason))
			return ERR_INPUT;
	return OK;
}

/* Nothing takes more room than base64 in lines. */
size_t draft_sent_bytes(size_t n)
{
	return n / 57 * 78 + 80 + PART_ROOM;
}

/* Lines end with CR LF then. */
static size_t sent_text_bytes(struct slice text)
{
	size_t n = text.n;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n' || text.p[i] == '\r';
	return draft_sent_bytes(n);
}

static enum err check_size(const struct draft *d, const struct draft_parts *parts,
			   struct buf *reason)
{
	size_t sum = HEADER_ROOM + d->kept_bytes;

	if (!d->edit || d->given.body)
		sum += sent_text_bytes(d->body);
	if (!d->edit || d->given.html_body)
		sum += sent_text_bytes(d->html_body);
	for (size_t i = 0; i < parts->attachments_n; i++)
		sum += draft_sent_bytes(parts->attachments[i].data.n);
	if (sum <= DRAFT_COMPOSED_MAX)
		return OK;
	buf_add_str(reason, "message too large");
	return ERR_INPUT;
}

/* ---- what it answers ---- */

static enum err read_id(struct slice text, const char *field, struct arena *a, struct slice *ret,
			struct buf *reason)
{
	if (thread_id(text, a, ret) == OK)
		return OK;
	buf_addf(reason, "%s must be a Message-ID such as <id@host.example>", field);
	return ERR_INPUT;
}

/* As a header would have them; *ret_last is the nearest. */
static enum err join_ids(const struct jsonf_texts *ids, struct arena *a, struct buf *ret,
			 struct slice *ret_last, struct buf *reason)
{
	for (size_t i = 0; i < ids->n; i++) {
		if (read_id(ids->v[i], "each of references", a, ret_last, reason))
			return ERR_INPUT;
		buf_addf(ret, "%.*s ", SLICE_ARGS(*ret_last));
	}
	return OK;
}

static enum err read_thread(const struct draft *d, struct arena *a, struct draft_parts *ret,
			    struct buf *reason)
{
	AUTO(buf_release) struct buf chain = BUF_INIT(JSONF_TEXTS_MAX * (THREAD_ID_MAX + 1));
	struct slice parent = S("");
	struct slice text;

	if (join_ids(&d->references, a, &chain, &parent, reason))
		return ERR_INPUT;
	if (d->reply_to_message_id.n) {
		if (read_id(d->reply_to_message_id, "reply_to_message_id", a, &ret->in_reply_to,
			    reason))
			return ERR_INPUT;
		parent = ret->in_reply_to;
	}
	text = arena_slice(a, buf_slice(&chain));
	thread_references(text, S(""), parent, a, &ret->references);
	return OK;
}

enum err draft_read(const struct draft *d, struct arena *a, struct draft_parts *ret,
		    struct buf *ret_reason)
{
	struct draft_parts parts = { 0 };

	if (check_texts(d, ret_reason) || read_thread(d, a, &parts, ret_reason) ||
	    read_attachments(d, a, &parts, ret_reason) || check_size(d, &parts, ret_reason))
		return ERR_INPUT;
	*ret = parts;
	return OK;
}
