/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may put into a mail, and which words it gets for what it may not. */
#include "apid/draft.h"

#include "common/mail/compose.h"
#include "tests/unit/test.h"

static struct draft_attachment file(const char *name, const char *type)
{
	return (struct draft_attachment){ .filename = slice_str(name),
					  .content_type = slice_str(type),
					  .data = { .v = S("bytes") } };
}

static enum err read_draft(struct draft *d, struct arena *a, struct draft_parts *ret,
			   struct buf *reason)
{
	if (d->body.n == 0)
		d->body = S("Hi.");
	return draft_read(d, a, ret, reason);
}

static void refused(struct draft d, const char *want, size_t row)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	struct draft_parts parts = { .attachments_n = 7 };

	assert_row(row, read_draft(&d, &a, &parts, &reason) == ERR_INPUT);
	assert_slice_row(buf_slice(&reason), slice_str(want), row);
	assert_row(row, parts.attachments_n == 7);
}

static void admitted(struct draft d, size_t row)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	struct draft_parts parts;

	if (read_draft(&d, &a, &parts, &reason))
		fail_msg("row %zu: %s", row, buf_cstr(&reason));
	assert_row(row, reason.len == 0);
}

static void texts_have_what_a_mail_can_carry(void **state)
{
	static const struct draft good[] = {
		{ .subject = SLICE_INIT("") },
		{ .subject = SLICE_INIT("Gr\xc3\xbc\xc3\x9f"
					"e \xf0\x9f\x93\x84 \xc2\xa0\xe2\x80\xae") },
		{ .body = SLICE_INIT("\r\n.\r\n\t\x01\x1b[31m"), .html_body = SLICE_INIT("<p>\n") },
		{ .conversation_id = SLICE_INIT("any text: <b> \xc2\xa0\xe2\x80\xaa") },
	};
	static const struct {
		struct draft d;
		const char *want;
	} bad[] = {
		{ { .subject = SLICE_INIT("a\r\nBcc: x@y.example") },
		  "subject must not contain control characters" },
		{ { .subject = SLICE_INIT("a\nb") },
		  "subject must not contain control characters" },
		{ { .subject = SLICE_INIT("a\0b") },
		  "subject must not contain control characters" },
		{ { .subject = SLICE_INIT("a\tb") },
		  "subject must not contain control characters" },
		{ { .subject = SLICE_INIT("a\xc2\x85") },
		  "subject must not contain control characters" },
		{ { .subject = SLICE_INIT("\xe2\x80\xa8") },
		  "subject must not contain control characters" },
		{ { .conversation_id = SLICE_INIT("a\xe2\x80\xa9z") },
		  "conversation_id must not contain control characters" },
		{ { .subject = SLICE_INIT("\x7f") },
		  "subject must not contain control characters" },
		{ { .body = SLICE_INIT("a\0b") }, "body must not contain NUL" },
		{ { .html_body = SLICE_INIT("\0") }, "html_body must not contain NUL" },
		{ { .conversation_id = SLICE_INIT("a\0b") },
		  "conversation_id must not contain control characters" },
		{ { .conversation_id = SLICE_INIT("a\tb") },
		  "conversation_id must not contain control characters" },
		{ { .conversation_id = SLICE_INIT("a\rb") },
		  "conversation_id must not contain CR or LF" },
		{ { .conversation_id = SLICE_INIT("\n") },
		  "conversation_id must not contain CR or LF" },
		/* the one that clients know comes first */
		{ { .conversation_id = SLICE_INIT("\n\0"),
		    .subject = SLICE_INIT("\n"),
		    .body = SLICE_INIT("\0") },
		  "conversation_id must not contain CR or LF" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		admitted(good[i], i);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].d, bad[i].want, i);
}

static void texts_have_the_length_that_a_header_takes(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char *text = arena_alloc(&a, COMPOSE_SUBJECT_MAX + 2);
	struct draft d = { 0 };

	(void)state;
	memset(text, 'x', COMPOSE_SUBJECT_MAX + 1);
	d.subject = slice_of(text, COMPOSE_SUBJECT_MAX);
	d.conversation_id = slice_of(text, DRAFT_CONVERSATION_MAX);
	admitted(d, 0);
	d.subject.n++;
	refused(d, arena_printf(&a, "subject must be at most %d bytes", COMPOSE_SUBJECT_MAX), 1);
	d.subject.n--;
	d.conversation_id.n++;
	refused(d, "conversation_id must be at most 998 bytes", 2);
}

static struct draft with_files(struct draft_attachment *v, size_t n)
{
	return (struct draft){ .attachments = { .v = v, .n = n } };
}

static void attachments_are_named_by_their_number(void **state)
{
	static const char long_name[] =
		"x0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
		"x0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
		"x0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567";
	struct draft_attachment nul = file("", "");
	const struct {
		struct draft_attachment file;
		const char *want; /* NULL: nothing is wrong */
	} rows[] = {
		{ file("", ""), NULL },
		{ file("a.pdf", "application/pdf"), NULL },
		{ file("../../etc/passwd", "Text/Plain; charset=\"utf-8\""), NULL },
		{ file("\"a\";b=c\\\xc3\xa4", " image/svg+xml "), NULL },
		{ file("a\r\nX-Evil: 1", ""),
		  "attachment 2: filename contains CR/LF: header injection refused" },
		{ file("a\x01", ""), "attachment 2: filename must not contain control characters" },
		{ file("a\xc2\x9f", ""),
		  "attachment 2: filename must not contain control characters" },
		{ file("a\xe2\x80\xae"
		       "fdp.exe",
		       ""),
		  "attachment 2: filename must not contain characters that turn text around" },
		{ file("\xe2\x81\xa6", ""),
		  "attachment 2: filename must not contain characters that turn text around" },
		{ file("\xe2\x80\xaf\xe2\x81\xaa\xc2\xa0\xe2\x80", ""), NULL },
		{ file("a", "text/plain\nX-Evil: 1"),
		  "attachment 2: content_type contains CR/LF: header injection refused" },
		{ file("a", "text/plain\t"),
		  "attachment 2: content_type must not contain control characters" },
		{ file("a", "text"), "attachment 2: content_type is not a media type" },
		{ file("a", "text/"), "attachment 2: content_type is not a media type" },
		{ file("a", "/plain"), "attachment 2: content_type is not a media type" },
		{ file("a", "text/plain/x"), "attachment 2: content_type is not a media type" },
		{ file("a", "text plain"), "attachment 2: content_type is not a media type" },
		{ file("a", ";"), "attachment 2: content_type is not a media type" },
		{ file("a", "t\xc3\xa4xt/plain"),
		  "attachment 2: content_type is not a media type" },
		{ file(long_name, ""), "attachment 2: filename is longer than 255 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct draft_attachment v[] = { file("first", "text/plain"), rows[i].file };

		if (rows[i].want)
			refused(with_files(v, 2), rows[i].want, i);
		else
			admitted(with_files(v, 2), i);
	}
	nul.filename = S("a\0b");
	refused(with_files(&nul, 1), "attachment 1: filename must not contain control characters",
		0);
	nul = file("a", "");
	nul.data.bad = true;
	refused(with_files(&nul, 1), "attachment 1: data is not valid base64", 0);
}

static void attachments_come_out_as_they_are_stored(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	struct draft_attachment v[] = { file("a b", "text/csv; charset=utf-8"), file("", " ") };
	struct draft d = with_files(v, 2);
	struct draft_parts parts;

	(void)state;
	assert_int_equal(read_draft(&d, &a, &parts, &reason), OK);
	assert_int_equal(parts.attachments_n, 2);
	assert_slice(parts.attachments[0].filename, S("a b"));
	assert_slice(parts.attachments[0].content_type, S("text/csv; charset=utf-8"));
	assert_slice(parts.attachments[0].data, S("bytes"));
	assert_slice(parts.attachments[1].content_type, S("application/octet-stream"));
}

static struct draft_attachment kept(int64_t index)
{
	return (struct draft_attachment){ .index = index, .stays = true };
}

static void attachments_that_stay_are_named_by_their_index(void **state)
{
	struct draft_attachment named = kept(0), filled = kept(0), spoilt = kept(0);
	const struct {
		struct draft_attachment file;
		const char *want; /* NULL: nothing is wrong */
	} rows[] = {
		{ kept(0), NULL },
		{ kept(2), "attachment 3: index is there twice" },
		{ kept(3), "attachment 3: the mail has none of that index" },
		{ kept(-1), "attachment 3: the mail has none of that index" },
		{ kept(INT64_MAX), "attachment 3: the mail has none of that index" },
		{ kept(INT64_MIN), "attachment 3: the mail has none of that index" },
		{ named, "attachment 3: index stands alone" },
		{ filled, "attachment 3: index stands alone" },
		{ spoilt, "attachment 3: index stands alone" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct draft_attachment v[] = { kept(2), file("a", "text/plain"), rows[i].file };
		struct draft d = with_files(v, 3);

		if (i == 6)
			v[2].filename = S("a");
		if (i == 7)
			v[2].data.v = S("x");
		if (i == 8)
			v[2].data.bad = true;
		d.edit = true;
		d.files_n = 3;
		if (rows[i].want)
			refused(d, rows[i].want, i);
		else
			admitted(d, i);
	}
}

static void what_stays_and_what_is_new_are_told_apart(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	struct draft_attachment v[] = { kept(2), file("new", "text/csv"), kept(0) };
	struct draft d = with_files(v, 3);
	struct draft_parts parts;

	(void)state;
	d.edit = true;
	d.files_n = 3;
	assert_int_equal(read_draft(&d, &a, &parts, &reason), OK);
	assert_int_equal(parts.attachments_n, 1);
	assert_slice(parts.attachments[0].filename, S("new"));
	assert_int_equal(parts.kept_n, 2);
	assert_int_equal(parts.kept[0], 2);
	assert_int_equal(parts.kept[1], 0);
}

static void there_are_so_many_attachments_and_no_more(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct draft_attachment *v =
		arena_calloc(&a, DRAFT_ATTACHMENTS_MAX + 1, sizeof(struct draft_attachment));

	(void)state;
	admitted(with_files(v, DRAFT_ATTACHMENTS_MAX), 0);
	refused(with_files(v, DRAFT_ATTACHMENTS_MAX + 1), "too many attachments (max 100)", 1);
}

/* None of these bytes is looked at. */
static void the_mail_as_it_will_be_sent_has_a_size(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct draft_attachment big = file("a", "");
	char *text = arena_alloc(&a, DRAFT_COMPOSED_MAX);
	struct draft d = with_files(&big, 1);

	(void)state;
	big.data.v = slice_of(text, 27000000);
	admitted(d, 0);
	big.data.v.n = 28000000;
	refused(d, "message too large", 1);
	big.data.v.n = 14000000;
	memset(text, 'x', DRAFT_COMPOSED_MAX);
	d.body = slice_of(text, 13000000);
	admitted(d, 2);
	memset(text, '\n', DRAFT_COMPOSED_MAX);
	refused(d, "message too large", 3);
}

static void edits_know_what_is_given_and_what_stays(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct draft d = DRAFT_EDIT_INIT, none = DRAFT_EDIT_INIT;

	(void)state;
	assert_int_equal(jsonf_read(S("{\"Subject\":\"\",\"body_text\":null,\"body\":\"x\","
				      "\"to\":[],\"attachments\":[],\"body_html\":\"<p>\"}"),
				    draft_edit_rows, &a, &d),
			 OK);
	assert_true(d.given.subject && d.given.html_body && d.given.to && d.given.attachments);
	assert_false(d.given.body || d.given.cc || d.given.bcc);
	assert_slice(d.html_body, S("<p>"));
	assert_int_equal(jsonf_read(S("{}"), draft_edit_rows, &a, &none), OK);
	assert_false(none.given.subject || none.given.body || none.given.html_body ||
		     none.given.to || none.given.cc || none.given.bcc || none.given.attachments);
	assert_int_equal(jsonf_read(S("{\"to\":\"a@b\"}"), draft_edit_rows, &a, &none), ERR_INPUT);
}

static void edits_are_told_by_their_own_names(void **state)
{
	(void)state;
	refused((struct draft){ .edit = true, .body = S("a\0b") }, "body_text must not contain NUL",
		0);
	refused((struct draft){ .edit = true, .html_body = S("\0") },
		"body_html must not contain NUL", 1);
}

static void what_an_edit_leaves_counts_towards_the_size(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct draft_attachment big = file("a", "");
	char *bytes = arena_calloc(&a, DRAFT_COMPOSED_MAX, 1);
	struct draft d = with_files(&big, 1);

	(void)state;
	big.data.v = slice_of(bytes, 14000000);
	d.edit = true;
	d.kept_bytes = draft_sent_bytes(12000000);
	admitted(d, 0);
	d.kept_bytes = draft_sent_bytes(13500000);
	refused(d, "message too large", 1);
	d = (struct draft){ .edit = true, .kept_bytes = DRAFT_COMPOSED_MAX - 128 * 1024 };
	admitted(d, 2); /* what was stored fits for ever */
	d.given.body = true;
	refused(d, "message too large", 3);
}

static struct slice chain_of(struct draft *d, struct arena *a, struct slice *ret_in_reply_to)
{
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	AUTO(buf_release) struct buf chain = BUF_INIT(10000);
	struct draft_parts parts;

	if (read_draft(d, a, &parts, &reason))
		fail_msg("%s", buf_cstr(&reason));
	for (size_t i = 0; i < parts.references.n; i++)
		buf_addf(&chain, "%s%.*s", i ? " " : "", SLICE_ARGS(parts.references.v[i]));
	*ret_in_reply_to = parts.in_reply_to;
	return arena_slice(a, buf_slice(&chain));
}

static void what_a_mail_answers_becomes_a_chain(void **state)
{
	static struct slice one[] = { SLICE_INIT("<a@h>") };
	static struct slice three[] = { SLICE_INIT(" <a@h> "), SLICE_INIT("b@h"),
					SLICE_INIT("<c@h>") };
	const struct {
		struct slice reply_to;
		struct jsonf_texts references;
		const char *in_reply_to, *chain;
	} rows[] = {
		{ S(""), { NULL, 0 }, "", "" },
		{ S("<a@h>"), { NULL, 0 }, "<a@h>", "<a@h>" },
		{ S("a@h"), { one, 1 }, "<a@h>", "<a@h>" },
		{ S(""), { three, 3 }, "", "<a@h> <b@h> <c@h>" },
		{ S("<c@h>"), { three, 3 }, "<c@h>", "<a@h> <b@h> <c@h>" },
		{ S("<d@h>"), { three, 3 }, "<d@h>", "<a@h> <b@h> <c@h> <d@h>" },
		{ S("<a@h>"), { three, 3 }, "<a@h>", "<b@h> <c@h> <a@h>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct draft d = { .reply_to_message_id = rows[i].reply_to,
				   .references = rows[i].references };
		struct slice in_reply_to, chain = chain_of(&d, &a, &in_reply_to);

		assert_slice_row(chain, slice_str(rows[i].chain), i);
		assert_slice_row(in_reply_to, slice_str(rows[i].in_reply_to), i);
	}
}

static void what_is_no_message_id_is_refused(void **state)
{
	static struct slice rows[] = {
		SLICE_INIT("x"),
		SLICE_INIT("<x>"),
		SLICE_INIT("<a@h> <b@h>"),
		SLICE_INIT("<a@h>\r\nX: y"),
		SLICE_INIT("<a b@h>"),
		SLICE_INIT("a\0b@h"),
		SLICE_INIT("<a\xc3\xa4@h>"),
		SLICE_INIT("<@h>"),
		SLICE_INIT("<>"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		refused((struct draft){ .reply_to_message_id = rows[i] },
			"reply_to_message_id must be a Message-ID such as <id@host.example>", i);
		refused((struct draft){ .references = { &rows[i], 1 } },
			"each of references must be a Message-ID such as <id@host.example>", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_have_what_a_mail_can_carry),
		cmocka_unit_test(texts_have_the_length_that_a_header_takes),
		cmocka_unit_test(attachments_are_named_by_their_number),
		cmocka_unit_test(attachments_come_out_as_they_are_stored),
		cmocka_unit_test(attachments_that_stay_are_named_by_their_index),
		cmocka_unit_test(what_stays_and_what_is_new_are_told_apart),
		cmocka_unit_test(there_are_so_many_attachments_and_no_more),
		cmocka_unit_test(the_mail_as_it_will_be_sent_has_a_size),
		cmocka_unit_test(edits_know_what_is_given_and_what_stays),
		cmocka_unit_test(edits_are_told_by_their_own_names),
		cmocka_unit_test(what_an_edit_leaves_counts_towards_the_size),
		cmocka_unit_test(what_a_mail_answers_becomes_a_chain),
		cmocka_unit_test(what_is_no_message_id_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
