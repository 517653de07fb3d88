/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of a mail. Nothing in it may end a part: delimiters can be known
 * beforehand, as they are made of the message id, so they must not be possible in
 * content. Base64 has no '_', and a text that holds the like of one becomes base64.
 */
#include "common/mail/compose_body.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/header_write.h"
#include "common/mail/mime_encode.h"
#include "common/mail/mime_param.h"

#define BOUNDARY_PREFIX "e2a_"
#define ANY_TYPE "application/octet-stream"

enum {
	BOUNDARY_BYTES = 16,
	PARAM_MAX = 60, /* name and value of a content type's parameter */
	NAME_MAX_LEN = 60,
};

struct boundary {
	char text[sizeof(BOUNDARY_PREFIX) + 2 * BOUNDARY_BYTES];
};

static struct boundary boundary_of(const struct compose_mail *m, char part)
{
	struct sha256 *h = sha256_new();
	uint8_t digest[SHA256_LEN];
	struct boundary b = { BOUNDARY_PREFIX };

	sha256_add(h, m->message_id);
	sha256_add(h, slice_of(&part, 1));
	sha256_finish(h, digest);
	hex_text(digest, BOUNDARY_BYTES, b.text + sizeof(BOUNDARY_PREFIX) - 1);
	return b;
}

/* Without the empty line: begin_part() writes it. */
static void open_multipart(struct buf *b, const char *subtype, const struct boundary *boundary)
{
	buf_addf(b, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n", subtype, boundary->text);
}

static void begin_part(struct buf *b, const struct boundary *boundary)
{
	buf_addf(b, "\r\n--%s\r\n", boundary->text);
}

static void close_multipart(struct buf *b, const struct boundary *boundary)
{
	buf_addf(b, "\r\n--%s--\r\n", boundary->text);
}

static void write_text_part(struct buf *b, const char *subtype, struct slice text)
{
	enum mime_encoding encoding = mime_encode_choose(text);

	if (slice_search(text, S("--" BOUNDARY_PREFIX)) >= 0)
		encoding = MIME_BASE64;
	buf_addf(b,
		 "Content-Type: text/%s; charset=utf-8\r\n"
		 "Content-Transfer-Encoding: %s\r\n\r\n",
		 subtype, mime_encoding_name(encoding));
	mime_encode_text(encoding, text, b);
}

static void write_texts(struct buf *b, const struct compose_mail *m)
{
	struct boundary boundary = boundary_of(m, 'a');

	if (m->html.n == 0) {
		write_text_part(b, "plain", m->text);
	} else if (m->text.n == 0) {
		write_text_part(b, "html", m->html);
	} else {
		open_multipart(b, "alternative", &boundary);
		begin_part(b, &boundary);
		write_text_part(b, "plain", m->text);
		begin_part(b, &boundary);
		write_text_part(b, "html", m->html);
		close_multipart(b, &boundary);
	}
}

static bool is_kept_param(struct slice name, struct slice value)
{
	bool plain = name.n > 0 && name.n + value.n <= PARAM_MAX && slice_only(name, "-_.");

	for (size_t i = 0; i < value.n; i++)
		plain = plain && value.p[i] >= ' ' && value.p[i] <= '~';
	return plain && !slice_ieq(name, S("name"));
}

/* For readers that know no RFC 2231: the file's name with '_' for what they could not read. */
static void write_name(struct header_writer *w, struct slice filename)
{
	AUTO(buf_release) struct buf name = BUF_INIT(NAME_MAX_LEN);

	while (filename.n) {
		size_t n = utf8_len(filename);
		bool plain = slice_only(slice_sub(filename, 0, n), " !#$&'()+,-.;=@[]^_`{}~");

		buf_add_char(&name, plain ? filename.p[0] : '_');
		filename = slice_sub(filename, n, filename.n);
	}
	if (!buf_failed(&name) && name.len)
		header_write_param(w, S("name"), buf_slice(&name));
}

static void write_content_type(struct buf *b, const struct compose_attachment *f)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header_writer w;
	struct mime_field type;

	mime_field_parse(f->content_type, &a, &type);
	if (type.value.n == 0 || slice_istarts(type.value, S("multipart/")) ||
	    slice_istarts(type.value, S("message/")))
		type = (struct mime_field){ .value = S(ANY_TYPE) };
	header_write_begin(&w, b, S("Content-Type"));
	header_write_item(&w, type.value);
	for (size_t i = 0; i < type.n; i++)
		if (is_kept_param(type.param[i].name, type.param[i].value))
			header_write_param(&w, type.param[i].name, type.param[i].value);
	write_name(&w, f->filename);
	header_write_end(&w);
}

static void write_attachment(struct buf *b, const struct compose_attachment *f)
{
	struct header_writer w;

	write_content_type(b, f);
	header_write_begin(&w, b, S("Content-Disposition"));
	header_write_item(&w, S("attachment"));
	if (f->filename.n)
		header_write_param(&w, S("filename"), f->filename);
	header_write_end(&w);
	buf_add_str(b, "Content-Transfer-Encoding: base64\r\n\r\n");
	mime_encode_bytes(f->data, b);
}

void compose_body(struct buf *b, const struct compose_mail *m)
{
	struct boundary boundary = boundary_of(m, 'm');

	if (m->attachments_n == 0) {
		write_texts(b, m);
		return;
	}
	open_multipart(b, "mixed", &boundary);
	begin_part(b, &boundary);
	write_texts(b, m);
	for (size_t i = 0; i < m->attachments_n; i++) {
		begin_part(b, &boundary);
		write_attachment(b, &m->attachments[i]);
	}
	close_multipart(b, &boundary);
}
