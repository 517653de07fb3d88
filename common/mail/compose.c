/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing, by GMime. Nothing that came from outside may end a line of the
 * header or start one: values are checked before GMime sees them, and the
 * bytes it made are looked at once more before anybody may send them.
 */
#include "common/mail/compose.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"

#include <gmime/gmime.h>

#define CHARSET "utf-8"

static void unref_message(GMimeMessage **m)
{
	g_clear_object(m);
}

static void unref_stream(GMimeStream **s)
{
	g_clear_object(s);
}

static void free_options(GMimeFormatOptions **o)
{
	g_mime_format_options_free(*o);
}

/* ---- what may go in ---- */

static enum err refuse(struct fail *fail, const char *field)
{
	return fail_set(fail, ERR_INPUT, "%s cannot be put into a mail", field);
}

static bool is_address(struct slice text, struct arena *a)
{
	struct slice usable;

	return addr_usable(text, a, &usable) == OK && slice_eq(text, usable);
}

static enum err check_addresses(const struct compose_mail *m, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;

	if (!is_address(m->from, &a))
		return refuse(fail, "From");
	if (m->reply_to.n && !is_address(m->reply_to, &a))
		return refuse(fail, "Reply-To");
	for (size_t i = 0; i < m->to_n; i++)
		if (!is_address(m->to[i], &a))
			return refuse(fail, "To");
	return m->to_n ? OK : refuse(fail, "To");
}

static enum err check(const struct compose_mail *m, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	enum err e = check_addresses(m, fail);

	if (e)
		return e;
	if (!is_address(m->message_id, &a))
		return refuse(fail, "Message-ID");
	if (m->subject.n > COMPOSE_SUBJECT_MAX || slice_has_ctl(m->subject) ||
	    !utf8_valid(m->subject))
		return refuse(fail, "Subject");
	if (slice_find(m->text, '\0') >= 0 || !utf8_valid(m->text))
		return refuse(fail, "text");
	return OK;
}

/* ---- the text ---- */

/* Every line ended by CR LF, the last one too. */
static char *canonical(struct slice text, size_t *ret_n)
{
	char *out = mem_alloc(2 * text.n + 3), *at = out;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
			continue;
		if (text.p[i] == '\r' || text.p[i] == '\n')
			*at++ = '\r';
		*at++ = text.p[i] == '\r' ? '\n' : text.p[i];
	}
	if (at == out || at[-1] != '\n') {
		*at++ = '\r';
		*at++ = '\n';
	}
	*ret_n = (size_t)(at - out);
	return out;
}

/*
 * A line that can go as it is. A longer one than wanted can when it has no
 * blank: it is a link then, and stays whole for those who read mail raw.
 */
static bool line_is_plain(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] > '~')
			return false;
	return line.n <= COMPOSE_LINE_MAX && !slice_ends(line, S(" ")) &&
	       !slice_ends(line, S("\t")) &&
	       (line.n <= COMPOSE_LINE_WANT || slice_find(line, ' ') < 0);
}

static GMimeContentEncoding encoding_of(struct slice text)
{
	size_t eight_bit = 0, n = text.n;
	bool plain = true;
	struct slice line;

	for (size_t i = 0; i < n; i++)
		eight_bit += (unsigned char)text.p[i] > 0x7f;
	while (plain && slice_cut(&text, '\n', &line))
		plain = line_is_plain(slice_sub(line, 0, line.n - slice_ends(line, S("\r"))));
	if (plain)
		return GMIME_CONTENT_ENCODING_7BIT;
	return eight_bit > n / 6 ? GMIME_CONTENT_ENCODING_BASE64
				 : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
}

static GMimeObject *text_part(struct slice text)
{
	GMimeTextPart *part = g_mime_text_part_new();
	AUTO(mem_freep) char *bytes = NULL;
	GMimeDataWrapper *content;
	GMimeStream *stream;
	size_t n;

	bytes = canonical(text, &n);
	stream = g_mime_stream_mem_new_with_buffer(bytes, n);
	content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
	g_mime_part_set_content(GMIME_PART(part), content);
	g_mime_part_set_content_encoding(GMIME_PART(part), encoding_of(slice_of(bytes, n)));
	g_mime_text_part_set_charset(part, CHARSET);
	g_object_unref(content);
	g_object_unref(stream);
	return GMIME_OBJECT(part);
}

/* ---- the mail ---- */

static void add_mailbox(GMimeMessage *m, GMimeAddressType type, struct slice address)
{
	AUTO(mem_freep) char *text = mem_dup(address.p, address.n);

	g_mime_message_add_mailbox(m, type, NULL, text);
}

/* What looks like an encoded word is written apart: GMime would let it through as one. */
static char *subject_text(struct slice subject)
{
	AUTO(buf_release) struct buf b = BUF_INIT(2 * COMPOSE_SUBJECT_MAX);

	for (size_t i = 0; i < subject.n; i++) {
		if (i && subject.p[i - 1] == '=' && subject.p[i] == '?')
			buf_add_char(&b, ' ');
		buf_add_char(&b, subject.p[i]);
	}
	return mem_dup(b.p, b.len);
}

static void set_texts(GMimeMessage *m, const struct compose_mail *mail)
{
	AUTO(mem_freep) char *subject = subject_text(mail->subject);
	AUTO(mem_freep) char *id = mem_dup(mail->message_id.p, mail->message_id.n);
	GDateTime *date = g_date_time_new_from_unix_utc(mail->date_us / 1000000);

	if (mail->subject.n)
		g_mime_message_set_subject(m, subject, CHARSET);
	if (date)
		g_mime_message_set_date(m, date);
	g_clear_pointer(&date, g_date_time_unref);
	g_mime_message_set_message_id(m, id);
}

static GMimeMessage *build(const struct compose_mail *mail)
{
	GMimeMessage *m = g_mime_message_new(TRUE);
	GMimeObject *part = text_part(mail->text);

	add_mailbox(m, GMIME_ADDRESS_TYPE_FROM, mail->from);
	for (size_t i = 0; i < mail->to_n; i++)
		add_mailbox(m, GMIME_ADDRESS_TYPE_TO, mail->to[i]);
	if (mail->reply_to.n)
		add_mailbox(m, GMIME_ADDRESS_TYPE_REPLY_TO, mail->reply_to);
	set_texts(m, mail);
	if (mail->auto_generated)
		g_mime_object_set_header(GMIME_OBJECT(m), "Auto-Submitted", "auto-generated", NULL);
	g_mime_message_set_mime_part(m, part);
	g_object_unref(part);
	return m;
}

static struct slice written(GMimeMessage *m, GMimeStream *stream)
{
	AUTO(free_options) GMimeFormatOptions *options = g_mime_format_options_new();
	GByteArray *bytes;

	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	g_mime_object_write_to_stream(GMIME_OBJECT(m), options, stream);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
	return slice_of((const char *)bytes->data, bytes->len);
}

/* Lines that any mail system takes: ASCII without NUL, CR and LF only together, not too long. */
static bool is_clean(struct slice mail)
{
	struct slice line;

	if (!slice_ends(mail, S("\r\n")))
		return false;
	mail.n -= 2;
	while (slice_cut(&mail, '\n', &line)) {
		if (mail.p && !slice_ends(line, S("\r")))
			return false;
		line.n -= mail.p ? 1 : 0;
		if (line.n > COMPOSE_LINE_MAX || slice_find(line, '\r') >= 0)
			return false;
		for (size_t i = 0; i < line.n; i++)
			if (line.p[i] == '\0' || (unsigned char)line.p[i] > 0x7f)
				return false;
	}
	return true;
}

enum err compose_mail(const struct compose_mail *mail, struct buf *ret, struct fail *fail)
{
	AUTO(unref_message) GMimeMessage *m = NULL;
	AUTO(unref_stream) GMimeStream *stream = NULL;
	enum err e = check(mail, fail);
	struct slice bytes;

	if (e)
		return e;
	m = build(mail);
	stream = g_mime_stream_mem_new();
	bytes = written(m, stream);
	if (!is_clean(bytes))
		return fail_set(fail, ERR_INTERNAL, "the composed mail is not 7-bit clean");
	buf_add_slice(ret, bytes);
	return buf_failed(ret) ? fail_set(fail, ERR_TOO_BIG, "the mail is too big") : OK;
}
