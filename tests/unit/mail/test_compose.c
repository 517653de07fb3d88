/* SPDX-License-Identifier: Apache-2.0 */
/* Mails that we make: what their bytes look like, and what must never become a header. */
#include "common/base/utf8.h"
#include "common/mail/compose.h"
#include "common/mail/header_write.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"
#include "common/mail/mime_tree.h"
#include "tests/unit/test.h"

enum { MAIL_MAX = 1024 * 1024 };

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define BOX "\xf0\x9f\x93\xa6"

static const struct slice to[] = { SLICE_INIT("alice@example.com") };
static const struct slice many[] = {
	SLICE_INIT("alice@example.com"),
	SLICE_INIT("bob@" X50 ".example"),
	SLICE_INIT("carol@" X50 ".example"),
};

static struct compose_mail plain(void)
{
	return (struct compose_mail){
		.from = S("noreply@mx.example.com"),
		.to = to,
		.to_n = 1,
		.reply_to = S("bob@sender.example"),
		.subject = S("Sign in"),
		.message_id = S("<mail_1@mx.example.com>"),
		.date_us = 1768473600000000,
		.automatic = COMPOSE_AUTO_GENERATED,
		.text = S("Hello,\n\nhttps://e2a.example/link\n"),
	};
}

static void compose(const struct compose_mail *m, struct buf *ret)
{
	struct fail fail = { 0 };

	if (compose_mail(m, ret, &fail))
		fail_msg("%s", fail.what);
}

static void assert_has(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) < 0)
		fail_msg("no \"%s\" in:\n%s", text, buf_cstr(b));
}

static void assert_lacks(const struct buf *b, const char *text)
{
	if (slice_search(buf_slice(b), slice_str(text)) >= 0)
		fail_msg("\"%s\" in:\n%s", text, buf_cstr(b));
}

/* ASCII in lines of at most `max` bytes, each ended by CR LF. */
static void assert_clean(const struct buf *b, size_t max)
{
	struct slice rest = buf_slice(b), line;

	assert_true(slice_ends(rest, S("\r\n")));
	rest.n--;
	while (slice_cut(&rest, '\n', &line)) {
		assert_true(slice_find(line, '\r') == (ptrdiff_t)line.n - 1);
		assert_true(line.n <= max + 1);
		for (size_t i = 0; i < line.n; i++)
			assert_true(line.p[i] != 0 && (unsigned char)line.p[i] < 0x80);
	}
}

static void a_plain_mail_is_what_one_would_write(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	const struct compose_mail m = plain();

	(void)state;
	compose(&m, &b);
	assert_string_equal(buf_cstr(&b), "From: noreply@mx.example.com\r\n"
					  "To: alice@example.com\r\n"
					  "Reply-To: bob@sender.example\r\n"
					  "Subject: Sign in\r\n"
					  "Date: Thu, 15 Jan 2026 10:40:00 +0000\r\n"
					  "Message-ID: <mail_1@mx.example.com>\r\n"
					  "Auto-Submitted: auto-generated\r\n"
					  "MIME-Version: 1.0\r\n"
					  "Content-Type: text/plain; charset=utf-8\r\n"
					  "Content-Transfer-Encoding: 7bit\r\n"
					  "\r\n"
					  "Hello,\r\n"
					  "\r\n"
					  "https://e2a.example/link\r\n");
}

static void every_field_has_its_place(void **state)
{
	static const struct slice references[] = { SLICE_INIT("<1@x.example>"),
						   SLICE_INIT("<2@" X50 ".example>") };
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.from_name = S("Bot via e2a");
	m.to = many;
	m.to_n = ARRAY_LEN(many);
	m.cc = to;
	m.cc_n = 1;
	m.in_reply_to = references[1];
	m.references = references;
	m.references_n = ARRAY_LEN(references);
	m.conversation_id = S("conv 1");
	m.automatic = COMPOSE_AUTO_REPLIED;
	compose(&m, &b);
	assert_has(&b, "From: \"Bot via e2a\" <noreply@mx.example.com>\r\n"
		       "To: alice@example.com,\r\n"
		       " bob@" X50 ".example,\r\n"
		       " carol@" X50 ".example\r\n"
		       "Cc: alice@example.com\r\n"
		       "Reply-To: bob@sender.example\r\n");
	assert_has(&b, "In-Reply-To: <2@" X50 ".example>\r\n"
		       "References: <1@x.example>\r\n"
		       " <2@" X50 ".example>\r\n"
		       "X-E2A-Conversation-Id: conv 1\r\n"
		       "Auto-Submitted: auto-replied\r\n");
	assert_clean(&b, HEADER_LINE_WANT);
}

static void fields_that_are_empty_are_left_out(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.reply_to = m.subject = m.text = S("");
	m.automatic = COMPOSE_NOT_AUTO;
	m.cc = to;
	m.cc_n = 1;
	m.to_n = 0;
	compose(&m, &b);
	assert_string_equal(buf_cstr(&b), "From: noreply@mx.example.com\r\n"
					  "Cc: alice@example.com\r\n"
					  "Date: Thu, 15 Jan 2026 10:40:00 +0000\r\n"
					  "Message-ID: <mail_1@mx.example.com>\r\n"
					  "MIME-Version: 1.0\r\n"
					  "Content-Type: text/plain; charset=utf-8\r\n"
					  "Content-Transfer-Encoding: 7bit\r\n"
					  "\r\n"
					  "\r\n");
}

static void the_same_input_makes_the_same_mail(void **state)
{
	static const struct compose_attachment file = { .data = SLICE_INIT("x") };
	AUTO(buf_release) struct buf a = BUF_INIT(MAIL_MAX);
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.html = S("<p>Hello</p>");
	m.attachments = &file;
	m.attachments_n = 1;
	compose(&m, &a);
	compose(&m, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
}

/* ---- parts ---- */

static void scan(const struct buf *b, struct arena *a, struct mime_tree *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();

	mime_scan_feed(s, buf_slice(b));
	mime_scan_end(s, a, ret);
}

static struct slice decoded(const struct buf *b, const struct mime_part *p, struct arena *a)
{
	AUTO(mime_decoder_freep) struct mime_decoder *d = mime_decoder_new(p->encoding);
	AUTO(buf_release) struct buf out = BUF_INIT(MAIL_MAX);

	mime_decoder_feed(d, slice_sub(buf_slice(b), (size_t)p->start, (size_t)p->end), &out);
	mime_decoder_end(d, &out);
	return arena_slice(a, buf_slice(&out));
}

static void texts_and_attachments_make_the_shape(void **state)
{
	static const struct compose_attachment files[] = {
		{ .filename = SLICE_INIT("a.pdf"),
		  .content_type = SLICE_INIT("application/pdf"),
		  .data = SLICE_INIT("%PDF\0\xff") },
		{ .data = SLICE_INIT("") },
	};
	static const struct {
		const char *text, *html;
		size_t files;
		const char *want; /* the leaves: role, type, decoded size */
		const char *root;
	} rows[] = {
		{ "t", "", 0, "1 text/plain 3;", "text/plain;" },
		{ "t", "<p>", 0, "1 text/plain 3;2 text/html 5;", "multipart/alternative;" },
		{ "", "<p>", 0, "2 text/html 5;", "text/html;" },
		{ "t", "", 1, "1 text/plain 3;0 application/pdf 6;", "multipart/mixed;" },
		{ "t", "<p>", 2,
		  "1 text/plain 3;2 text/html 5;0 application/pdf 6;0 application/octet-stream 0;",
		  "multipart/mixed;" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		AUTO(buf_release) struct buf got = BUF_INIT(1000);
		struct compose_mail m = plain();
		struct mime_tree tree;

		m.text = slice_str(rows[i].text);
		m.html = slice_str(rows[i].html);
		m.attachments = files;
		m.attachments_n = rows[i].files;
		compose(&m, &b);
		assert_clean(&b, HEADER_LINE_WANT);
		scan(&b, &a, &tree);
		for (size_t k = 0; k < tree.n; k++)
			buf_addf(&got, "%d %.*s %d;", (int)tree.v[k].role,
				 SLICE_ARGS(tree.v[k].type), (int)tree.v[k].size);
		assert_slice_row(buf_slice(&got), slice_str(rows[i].want), i);
		assert_row(i, slice_starts(
				      header_unfold(
					      &a,
					      header_first(&tree.header, S("Content-Type"))->value),
				      slice_str(rows[i].root)));
	}
}

/* Of the message id. */
#define MIXED "e2a_164d87045d89d107afabaf423db390c5"
#define ALTERNATIVE "e2a_201a5cfc743fdaf2e421f91a7481bd8c"

static void a_mail_with_everything_is_what_one_would_write(void **state)
{
	static const struct compose_attachment file = {
		.filename = SLICE_INIT("\xe2\x82\xac.txt"),
		.content_type = SLICE_INIT("Text/CSV; charset=utf-8; header=present"),
		.data = SLICE_INIT("1;2\n"),
	};
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.text = S("Hello");
	m.html = S("<p>Hell\xc3\xb6 there, how are you?</p>");
	m.attachments = &file;
	m.attachments_n = 1;
	compose(&m, &b);
	assert_string_equal(buf_cstr(&b) + slice_search(buf_slice(&b), S("Content-Type")),
			    "Content-Type: multipart/mixed;\r\n"
			    " boundary=\"" MIXED "\"\r\n"
			    "\r\n"
			    "--" MIXED "\r\n"
			    "Content-Type: multipart/alternative;\r\n"
			    " boundary=\"" ALTERNATIVE "\"\r\n"
			    "\r\n"
			    "--" ALTERNATIVE "\r\n"
			    "Content-Type: text/plain; charset=utf-8\r\n"
			    "Content-Transfer-Encoding: 7bit\r\n"
			    "\r\n"
			    "Hello\r\n"
			    "\r\n"
			    "--" ALTERNATIVE "\r\n"
			    "Content-Type: text/html; charset=utf-8\r\n"
			    "Content-Transfer-Encoding: quoted-printable\r\n"
			    "\r\n"
			    "<p>Hell=C3=B6 there, how are you?</p>\r\n"
			    "\r\n"
			    "--" ALTERNATIVE "--\r\n"
			    "\r\n"
			    "--" MIXED "\r\n"
			    "Content-Type: Text/CSV; charset=\"utf-8\"; header=\"present\"; "
			    "name=\"_.txt\"\r\n"
			    "Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.txt\r\n"
			    "Content-Transfer-Encoding: base64\r\n"
			    "\r\n"
			    "MTsyCg==\r\n"
			    "\r\n"
			    "--" MIXED "--\r\n");
}

static void text_cannot_end_a_part(void **state)
{
	static const struct compose_attachment file = { .data = SLICE_INIT("x") };
	AUTO(buf_release) struct buf first = BUF_INIT(MAIL_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct compose_mail m = plain();
	struct slice lines, line;

	(void)state;
	m.html = S("<p>");
	m.attachments = &file;
	m.attachments_n = 1;
	compose(&m, &first);
	lines = buf_slice(&first);
	while (slice_cut(&lines, '\n', &line)) {
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		struct mime_tree tree;

		if (!slice_starts(line, S("--")))
			continue;
		m.text = slice_str(
			arena_printf(&a, "%.*s\nContent-Type: x/y\n\nmine\n", SLICE_ARGS(line)));
		m.html = slice_str(arena_printf(&a, "%s %.*s %s", X50 X50, SLICE_ARGS(line), X50));
		compose(&m, &b);
		scan(&b, &a, &tree);
		assert_int_equal(tree.n, 3);
		assert_int_equal(tree.v[0].encoding, MIME_BASE64);
		assert_slice(tree.v[2].type, S("application/octet-stream"));
	}
}

/* ---- attachments ---- */

static void attach(struct slice filename, struct slice content_type, struct buf *ret)
{
	const struct compose_attachment file = { filename, content_type, S("\x01\x02") };
	struct compose_mail m = plain();

	m.attachments = &file;
	m.attachments_n = 1;
	compose(&m, ret);
}

/* The header of the last part. */
static void last_header(const struct buf *b, struct arena *a, struct header *ret)
{
	struct slice rest = buf_slice(b), part = S(""), line;

	while (slice_cut(&rest, '\n', &line))
		if (slice_starts(line, S("--")) && !slice_ends(line, S("--\r")))
			part = rest;
	header_parse(part, a, ret);
	assert_int_equal(ret->bad, 0);
}

static struct slice last_value(const struct buf *b, const char *name, struct arena *a)
{
	struct header h;

	last_header(b, a, &h);
	assert_int_equal(h.n, 3);
	assert_non_null(header_first(&h, slice_str(name)));
	return header_unfold(a, header_first(&h, slice_str(name))->value);
}

static void content_types_are_written_anew(void **state)
{
	static const struct {
		const char *type, *want;
	} rows[] = {
		{ "", "application/octet-stream" },
		{ "application/pdf", "application/pdf" },
		{ "Text/CSV", "Text/CSV" },
		{ "text/plain; charset=utf-8", "text/plain; charset=\"utf-8\"" },
		{ "text/plain ;; charset = \"utf-8\"; x", "text/plain; charset=\"utf-8\"" },
		{ "text/plain (comment); charset=utf-8(x)", "text/plain; charset=\"utf-8(x)\"" },
		{ "text/x; a=\"b;\\\" c\"", "text/x; a*=utf-8''b%3B%22%20c" },
		{ "text/x; name=evil.exe; NAME=x", "text/x" },
		{ "text/x; a*=utf-8''b; a*0=c; b=\xc3\xa9", "text/x" },
		{ "text/x; a=" X50 X10 "; b=" X50, "text/x; b=\"" X50 "\"" },
		{ "message/rfc822", "application/octet-stream" },
		{ "Message/Global; charset=utf-8", "application/octet-stream" },
		{ "multipart/mixed; boundary=x", "application/octet-stream" },
		{ "MULTIPART/x", "application/octet-stream" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);

		attach(S(""), slice_str(rows[i].type), &b);
		assert_slice_row(last_value(&b, "Content-Type", &a), slice_str(rows[i].want), i);
		assert_slice_row(last_value(&b, "Content-Disposition", &a), S("attachment"), i);
		assert_clean(&b, HEADER_LINE_WANT);
	}
}

#define BOX100                                                                                     \
	BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX    \
		BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX    \
			BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX    \
				BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX    \
					BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX    \
						BOX BOX BOX BOX BOX BOX BOX BOX BOX BOX

static void file_names_are_carried_whole(void **state)
{
	/* `name` is for readers that know no better; without one it is left out. */
	static const struct {
		const char *filename, *name;
	} rows[] = {
		{ "report.pdf", "report.pdf" },
		{ "two words.txt", "two words.txt" },
		{ "R\xc3\xa9sum\xc3\xa9 " BOX ".pdf", "R_sum_ _.pdf" },
		{ "a\"b\\c/d:e.txt", "a_b_c_d_e.txt" },
		{ "../../etc/passwd", ".._.._etc_passwd" },
		{ "C:\\x\\y.exe", "C__x_y.exe" },
		{ "\xe2\x80\xaegnp.exe", "_gnp.exe" },
		{ "x; filename=y.exe", "x; filename=y.exe" },
		{ "x\"; filename=\"y.exe", "x_; filename=_y.exe" },
		{ "=?utf-8?q?x?=", "=_utf-8_q_x_=" },
		{ "utf-8''%41", "utf-8''_41" },
		{ " . ", "" },
		{ X50 X50 X50 X50 ".txt", "" },
		{ BOX100 BOX100 BOX100 BOX100 BOX100 BOX100 BOX100 BOX100 BOX100 BOX100, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		struct slice filename = slice_str(rows[i].filename), got;
		struct mime_field field;
		struct mime_tree tree;

		attach(filename, S("text/plain"), &b);
		assert_clean(&b, HEADER_LINE_WANT);
		mime_field_parse(last_value(&b, "Content-Disposition", &a), &a, &field);
		got = mime_field_text(&field, S("filename"), &a);
		/* Our own reader stops after so many sections. */
		assert_row(i, slice_starts(filename, got));
		assert_row(i, got.n == filename.n || got.n > 1000);
		mime_field_parse(last_value(&b, "Content-Type", &a), &a, &field);
		got = mime_field_bytes(&field, S("name"), &a);
		assert_row(i, rows[i].name[0] == '\0' || slice_eq(got, slice_str(rows[i].name)));
		scan(&b, &a, &tree);
		assert_int_equal(tree.n, 2);
		assert_slice_row(tree.v[1].filename, mime_safe_filename(filename, &a), i);
		assert_slice_row(decoded(&b, &tree.v[1], &a), S("\x01\x02"), i);
	}
}

/* ---- threads ---- */

static void references_keep_the_first_and_the_latest(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct slice ids[2 * COMPOSE_REFERENCES_MAX], got[2 * COMPOSE_REFERENCES_MAX];
	struct compose_mail m = plain();
	struct header h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = slice_str(arena_printf(&a, "<%zu@x.example>", i));
	ids[1] = S("<no id>");
	m.references = ids;
	m.references_n = ARRAY_LEN(ids);
	compose(&m, &b);
	assert_clean(&b, HEADER_LINE_WANT);
	header_parse(buf_slice(&b), &a, &h);
	assert_int_equal(
		header_msgids(header_first(&h, S("References"))->value, got, ARRAY_LEN(got)),
		COMPOSE_REFERENCES_MAX);
	assert_slice(got[0], ids[0]);
	assert_slice(got[1], ids[ARRAY_LEN(ids) - COMPOSE_REFERENCES_MAX + 1]);
	assert_slice(got[COMPOSE_REFERENCES_MAX - 1], ids[ARRAY_LEN(ids) - 1]);
	m.references = &ids[1];
	m.references_n = 1;
	buf_reset(&b);
	compose(&m, &b);
	assert_lacks(&b, "References");
}

static char long_id[COMPOSE_MSGID_MAX], longer_id[COMPOSE_MSGID_MAX + 1];

static void fill_id(char *id, size_t n)
{
	memset(id, 'x', n);
	id[0] = '<';
	id[n - 1] = '>';
}

static void message_ids_of_others_are_taken_when_they_are_harmless(void **state)
{
	const struct {
		struct slice id;
		bool want;
	} rows[] = {
		{ S("<a@b>"), true },
		{ S("<\"quoted\"@[127.0.0.1]>"), true },
		{ S("<a>"), true },
		{ slice_of(long_id, sizeof(long_id)), true },
		{ slice_of(longer_id, sizeof(longer_id)), false },
		{ S("a@b"), false },
		{ S("<>"), false },
		{ S("<"), false },
		{ S(""), false },
		{ S("<a b@c>"), false },
		{ S("<a@b> <c@d>"), false },
		{ S("<a@b>\r\n"), false },
		{ S("<a@b\r\nX: y>"), false },
		{ S("<a@b\0>"), false },
		{ S("<\xc3\xa9@b>"), false },
		{ S("<a\x7f@b>"), false },
	};

	(void)state;
	fill_id(long_id, sizeof(long_id));
	fill_id(longer_id, sizeof(longer_id));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		struct compose_mail m = plain();

		assert_row(i, compose_msgid_usable(rows[i].id) == rows[i].want);
		if (rows[i].id.n == 0)
			continue;
		m.in_reply_to = rows[i].id;
		assert_row(i, (compose_mail(&m, &b, NULL) == OK) == rows[i].want);
	}
}

static void conversation_ids_survive(void **state)
{
	static const struct {
		const char *id, *field;
	} rows[] = {
		{ "conv_1", "X-E2A-Conversation-Id: conv_1\r\n" },
		{ "two words", "X-E2A-Conversation-Id: two words\r\n" },
		{ "a  b", "X-E2A-Conversation-Id: a  b\r\n" },
		{ " a ", "X-E2A-Conversation-Id: =?utf-8?q?_a_?=\r\n" },
		{ "=?utf-8?q?x?=", "X-E2A-Conversation-Id: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\r\n" },
		{ "\xe4\xbc\x9a\xe8\xa9\xb1 7",
		  "X-E2A-Conversation-Id: =?utf-8?b?5Lya6KmxIDc=?=\r\n" },
		{ "{\"id\": [1, 2]}", "X-E2A-Conversation-Id: {\"id\": [1, 2]}\r\n" },
		{ X50 X50 X50 " " X50, NULL },
		{ BOX100 " " BOX100 "  " BOX100, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
		struct compose_mail m = plain();
		struct header h;

		m.conversation_id = slice_str(rows[i].id);
		compose(&m, &b);
		assert_clean(&b, HEADER_LINE_WANT);
		if (rows[i].field)
			assert_has(&b, rows[i].field);
		header_parse(buf_slice(&b), &a, &h);
		assert_slice_row(compose_conversation_id(
					 header_first(&h, S(CONVERSATION_HEADER))->value, &a),
				 m.conversation_id, i);
	}
}

static void a_conversation_id_that_is_too_long_is_none(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char id[COMPOSE_CONVERSATION_MAX + 10];

	(void)state;
	memset(id, 'x', sizeof(id));
	assert_int_equal(compose_conversation_id(slice_of(id, sizeof(id)), &a).n, 0);
	assert_int_equal(compose_conversation_id(slice_of(id, COMPOSE_CONVERSATION_MAX + 1), &a).n,
			 0);
	assert_int_equal(compose_conversation_id(slice_of(id, COMPOSE_CONVERSATION_MAX), &a).n,
			 COMPOSE_CONVERSATION_MAX);
}

/* ---- what is refused ---- */

#define EVIL "x\r\nBcc: victim@example.com"

static const char *refused_field(const struct compose_mail *m)
{
	static struct fail fail;
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);

	buf_add_str(&b, "before");
	assert_int_equal(compose_check(m, NULL), ERR_INPUT);
	assert_int_equal(compose_mail(m, &b, &fail), ERR_INPUT);
	assert_string_equal(buf_cstr(&b), "before");
	assert_null(strstr(fail.what, "victim"));
	return fail.what;
}

static void what_would_be_another_header_is_refused(void **state)
{
	static const struct slice evil[] = {
		SLICE_INIT(EVIL),
		SLICE_INIT("<" EVIL ">"),
		SLICE_INIT("a@b.example\r\nBcc: c@d.example"),
		SLICE_INIT("<a@b.example\r\nBcc: c@d.example>"),
		SLICE_INIT("text/plain\r\nBcc: c@d.example"),
		SLICE_INIT("text/plain; charset=\"x\r\nBcc: c@d.example\""),
		SLICE_INIT("a@b.example\nX: y"),
		SLICE_INIT("a@b.example\rX: y"),
		SLICE_INIT("a@b.example\0"),
		SLICE_INIT("a@b.example\x7f"),
		SLICE_INIT("text/plain\t"),
		SLICE_INIT("\x1b"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		struct compose_attachment file = { 0 };
		struct compose_mail m;
		const struct {
			struct slice *at;
			const char *field;
		} fields[] = {
			{ &m.from, "From" },
			{ &m.from_name, "From name" },
			{ &m.reply_to, "Reply-To" },
			{ &m.subject, "Subject" },
			{ &m.message_id, "Message-ID" },
			{ &m.in_reply_to, "In-Reply-To" },
			{ &m.conversation_id, "conversation id" },
			{ &file.filename, "attachment filename" },
			{ &file.content_type, "attachment content_type" },
		};

		for (size_t k = 0; k < ARRAY_LEN(fields); k++) {
			AUTO(buf_release) struct buf want = BUF_INIT(200);

			m = plain();
			m.attachments = &file;
			m.attachments_n = 1;
			*fields[k].at = evil[i];
			buf_addf(&want, "%s cannot be put into a mail", fields[k].field);
			assert_string_equal(refused_field(&m), buf_cstr(&want));
			file = (struct compose_attachment){ 0 };
		}
		m = plain();
		m.to = &evil[i];
		assert_string_equal(refused_field(&m), "To cannot be put into a mail");
		m = plain();
		m.cc = &evil[i];
		m.cc_n = 1;
		assert_string_equal(refused_field(&m), "Cc cannot be put into a mail");
	}
}

static void evil_references_are_left_out(void **state)
{
	static const struct slice ids[] = { SLICE_INIT("<a@b.example>"), SLICE_INIT("<" EVIL ">"),
					    SLICE_INIT(EVIL), SLICE_INIT("<c@d.example>") };
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);
	struct compose_mail m = plain();

	(void)state;
	m.references = ids;
	m.references_n = ARRAY_LEN(ids);
	compose(&m, &b);
	assert_has(&b, "References: <a@b.example> <c@d.example>\r\n");
	assert_lacks(&b, "victim");
}

static void what_is_no_address_is_refused(void **state)
{
	static const struct slice bad[] = {
		SLICE_INIT("a"),
		SLICE_INIT("a@b@c.example"),
		SLICE_INIT("a@localhost"),
		SLICE_INIT("A <a@b.example>"),
		SLICE_INIT("a@b.example, c@d.example"),
		SLICE_INIT("\"a b\"@c.example"),
		SLICE_INIT("\xc3\xa9@b.example"),
		SLICE_INIT("a@B.example"),
		SLICE_INIT("a@\xc3\xa9.example"),
		SLICE_INIT("a@b.example."),
		SLICE_INIT("a(c)@b.example"),
		SLICE_INIT("<a@b.example>"),
		SLICE_INIT(""),
	};
	struct compose_mail m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		m = plain();
		m.to = &bad[i];
		assert_string_equal(refused_field(&m), "To cannot be put into a mail");
		m = plain();
		m.from = bad[i];
		assert_string_equal(refused_field(&m), "From cannot be put into a mail");
	}
	m = plain();
	m.to_n = 0;
	assert_string_equal(refused_field(&m), "To cannot be put into a mail");
	m = plain();
	m.message_id = S("mail_1@mx.example.com");
	assert_string_equal(refused_field(&m), "Message-ID cannot be put into a mail");
	m = plain();
	m.date_us = INT64_MAX;
	assert_string_equal(refused_field(&m), "Date cannot be put into a mail");
}

static void what_is_no_text_is_refused(void **state)
{
	static const struct slice bad[] = { SLICE_INIT("\xff"), SLICE_INIT("a\0b"),
					    SLICE_INIT("\xc3") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct compose_attachment file = { .filename = bad[i] };
		struct compose_mail m = plain();

		m.text = bad[i];
		assert_string_equal(refused_field(&m), "text cannot be put into a mail");
		m = plain();
		m.html = bad[i];
		assert_string_equal(refused_field(&m), "HTML cannot be put into a mail");
		m = plain();
		m.subject = bad[i];
		assert_string_equal(refused_field(&m), "Subject cannot be put into a mail");
		m = plain();
		m.attachments = &file;
		m.attachments_n = 1;
		assert_string_equal(refused_field(&m),
				    "attachment filename cannot be put into a mail");
	}
}

static void what_is_no_media_type_is_refused(void **state)
{
	static const char *const bad[] = { "pdf",          "/",     "text/", "/plain",
					   "text/plain/x", "a b/c", ";",     "; charset=x",
					   "text/\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct compose_attachment file = { .content_type = slice_str(bad[i]) };
		struct compose_mail m = plain();

		m.attachments = &file;
		m.attachments_n = 1;
		assert_string_equal(refused_field(&m),
				    "attachment content_type cannot be put into a mail");
	}
}

static void there_is_a_limit_to_everything(void **state)
{
	static char text[COMPOSE_SUBJECT_MAX + 1];
	static struct slice list[COMPOSE_LIST_MAX / 64 + 1];
	static const struct compose_attachment files[COMPOSE_ATTACHMENTS_MAX + 1];
	struct compose_attachment file = { 0 };
	struct compose_mail m;
	const struct {
		struct slice *at;
		size_t max;
	} rows[] = {
		{ &m.from_name, COMPOSE_NAME_MAX },
		{ &m.subject, COMPOSE_SUBJECT_MAX },
		{ &m.conversation_id, COMPOSE_CONVERSATION_MAX },
		{ &file.filename, COMPOSE_FILENAME_MAX },
	};

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);

		m = plain();
		m.attachments = &file;
		m.attachments_n = 1;
		*rows[i].at = slice_of(text, rows[i].max);
		compose(&m, &b);
		assert_clean(&b, HEADER_LINE_WANT);
		*rows[i].at = slice_of(text, rows[i].max + 1);
		refused_field(&m);
		file = (struct compose_attachment){ 0 };
	}
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = S("alice@" X50 ".exam"); /* 61 bytes */
	m = plain();
	m.to = list;
	m.to_n = ARRAY_LEN(list);
	assert_string_equal(refused_field(&m), "To cannot be put into a mail");
	m.to_n--;
	assert_int_equal(compose_check(&m, NULL), OK);
	m = plain();
	m.attachments = files;
	m.attachments_n = ARRAY_LEN(files);
	assert_string_equal(refused_field(&m),
			    "more than 100 attachments cannot be put into a mail");
}

static void a_mail_that_does_not_fit_is_refused(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	const struct compose_mail m = plain();

	(void)state;
	buf_add_str(&b, "before");
	assert_int_equal(compose_mail(&m, &b, NULL), ERR_TOO_BIG);
	assert_string_equal(buf_cstr(&b), "before");
}

static int started(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_mail_is_what_one_would_write),
		cmocka_unit_test(every_field_has_its_place),
		cmocka_unit_test(fields_that_are_empty_are_left_out),
		cmocka_unit_test(the_same_input_makes_the_same_mail),
		cmocka_unit_test(texts_and_attachments_make_the_shape),
		cmocka_unit_test(a_mail_with_everything_is_what_one_would_write),
		cmocka_unit_test(text_cannot_end_a_part),
		cmocka_unit_test(content_types_are_written_anew),
		cmocka_unit_test(file_names_are_carried_whole),
		cmocka_unit_test(references_keep_the_first_and_the_latest),
		cmocka_unit_test(message_ids_of_others_are_taken_when_they_are_harmless),
		cmocka_unit_test(conversation_ids_survive),
		cmocka_unit_test(a_conversation_id_that_is_too_long_is_none),
		cmocka_unit_test(what_would_be_another_header_is_refused),
		cmocka_unit_test(evil_references_are_left_out),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(what_is_no_media_type_is_refused),
		cmocka_unit_test(there_is_a_limit_to_everything),
		cmocka_unit_test(a_mail_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, started, NULL);
}
