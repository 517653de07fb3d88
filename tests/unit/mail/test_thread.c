/* SPDX-License-Identifier: Apache-2.0 */
/* What replies take over, and which mails a mail follows. */
#include "common/mail/thread.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/mail/compose.h"
#include "tests/unit/test.h"

/* The texts, one blank between them. */
static struct slice joined(const struct thread_texts *t, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);

	for (size_t i = 0; i < t->n; i++) {
		buf_add_str(&b, i ? " " : "");
		buf_add_slice(&b, t->v[i]);
	}
	return arena_slice(a, buf_slice(&b));
}

static void subjects_get_one_re(void **state)
{
	static const struct {
		struct slice subject, want;
	} rows[] = {
		{ SLICE_INIT("Hello"), SLICE_INIT("Re: Hello") },
		{ SLICE_INIT("Re: Hello"), SLICE_INIT("Re: Hello") },
		{ SLICE_INIT("RE: Hello"), SLICE_INIT("RE: Hello") },
		{ SLICE_INIT("re: Hello"), SLICE_INIT("re: Hello") },
		{ SLICE_INIT("Re:Hi"), SLICE_INIT("Re:Hi") },
		{ SLICE_INIT("  Re: Hello "), SLICE_INIT("Re: Hello") },
		{ SLICE_INIT("Re: Re: Hello"), SLICE_INIT("Re: Re: Hello") },
		{ SLICE_INIT("Re"), SLICE_INIT("Re: Re") },
		{ SLICE_INIT("Re :x"), SLICE_INIT("Re: Re :x") },
		{ SLICE_INIT("Refund: 5"), SLICE_INIT("Re: Refund: 5") },
		{ SLICE_INIT("Fwd: Re: x"), SLICE_INIT("Re: Fwd: Re: x") },
		{ SLICE_INIT("Re:"), SLICE_INIT("Re:") },
		{ SLICE_INIT(""), SLICE_INIT("Re: your message") },
		{ SLICE_INIT(" \t\r\n"), SLICE_INIT("Re: your message") },
		{ SLICE_INIT("\0"), SLICE_INIT("Re: your message") },
		{ SLICE_INIT("r\xc3\xa9"), SLICE_INIT("Re: r\xc3\xa9") },
		{ SLICE_INIT("x\r\nBcc: y@z.example"), SLICE_INIT("Re: x  Bcc: y@z.example") },
		{ SLICE_INIT("a\0b\x7f\xff"), SLICE_INIT("Re: ab \xef\xbf\xbd") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_slice_row(thread_reply_subject(rows[i].subject, &a), rows[i].want, i);
	}
}

static void long_subjects_are_cut_at_a_character(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf subject = BUF_INIT(10000);
	struct slice got;

	(void)state;
	buf_add_char(&subject, 'x');
	while (subject.len < 5000)
		buf_add_str(&subject, "\xc3\xa9");
	got = thread_reply_subject(buf_slice(&subject), &a);
	assert_int_equal(got.n, COMPOSE_SUBJECT_MAX - 1);
	assert_true(utf8_valid(got));
}

static void references_follow_the_table(void **state)
{
	static const struct {
		const char *references, *in_reply_to, *parent, *want;
	} rows[] = {
		/* what clients have always seen */
		{ "<u@h> <a@h>", "", "<p@h>", "<u@h> <a@h> <p@h>" },
		{ "<u@h> <a@h>", "<x@h>", "<p@h>", "<u@h> <a@h> <p@h>" },
		{ "", "<u@h>", "<p@h>", "<u@h> <p@h>" },
		{ "", "", "<p@h>", "<p@h>" },
		{ "<u@h> <p@h> <a@h>", "", "<p@h>", "<u@h> <a@h> <p@h>" },
		{ "raw unparsable", "", "<p@h>", "<p@h>" },
		{ "<u@h> <a@h>", "<u@h>", "", "" },
		/* tokens, whatever stands between them */
		{ "<u@h><a@h>", "", "<p@h>", "<u@h> <a@h> <p@h>" },
		{ "<u@h>,\r\n\t<a@h>\r\n", "", "<p@h>", "<u@h> <a@h> <p@h>" },
		{ "(<c@h> said) <u@h> u2@h <a@h", "", "<p@h>", "<u@h> <p@h>" },
		{ "(open <u@h>", "", "<p@h>", "<p@h>" },
		{ "<u @h> <a@h>", "", "<p@h>", "<a@h> <p@h>" },
		{ "<<u@h>> <>", "", "<p@h>", "<u@h> <p@h>" },
		{ "<p@h>", "<u@h>", "<p@h>", "<p@h>" },
		{ "<p@h> <p@h>", "", "<p@h>", "<p@h>" },
		{ "", "Your mail of Monday (see <x@h>)", "<p@h>", "<p@h>" },
		{ "", "<u@h> from Alice <alice@example.com>", "<p@h>",
		  "<u@h> <alice@example.com> <p@h>" },
		/* a field that names nothing counts as absent */
		{ "none", "<u@h>", "<p@h>", "<u@h> <p@h>" },
		/* what cannot stand in a header of ours */
		{ "<\xc3\xbc@h> <a@h>", "", "<p@h>", "<a@h> <p@h>" },
		{ "<u@h>", "", "<\xc3\xbc@h>", "" },
		{ "<u@h>", "", "p@h", "" },
		{ "<u@h>", "", "p@h>", "" },
		/* the parent's id as it was stored */
		{ "<u@h>", "", "<p@h> (comment)", "<u@h> <p@h>" },
		{ "<u@h>", "", "<no-at-sign>", "<u@h> <no-at-sign>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct thread_texts got;

		thread_references(slice_str(rows[i].references), slice_str(rows[i].in_reply_to),
				  slice_str(rows[i].parent), &a, &got);
		assert_slice_row(joined(&got, &a), slice_str(rows[i].want), i);
	}
}

/* n ids <0@h>, <1@h>, ..., each with `padding` bytes more. */
static void add_ids(struct buf *b, size_t n, int padding)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "<%zu@%0*d.h> ", i, padding + 1, 0);
}

static void long_chains_keep_their_ends(void **state)
{
	static const struct {
		size_t n;
		int padding;
		size_t want_n;
		const char *second; /* how it begins */
	} rows[] = {
		{ 98, 1, 99, "<1@" },       { 99, 1, 100, "<1@" },   { 100, 1, 100, "<2@" },
		{ 5000, 1, 100, "<4902@" }, { 50, 240, 33, "<19@" }, /* 8 KB */
		{ 20, 860, 10, "<12@" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);
		struct thread_texts got;

		add_ids(&b, rows[i].n, rows[i].padding);
		thread_references(buf_slice(&b), S(""), S("<p@h>"), &a, &got);
		assert_int_equal(got.n, rows[i].want_n);
		assert_true(slice_starts(got.v[0], S("<0@")));
		assert_row(i, slice_starts(got.v[1], slice_str(rows[i].second)));
		assert_slice_row(got.v[got.n - 1], S("<p@h>"), i);
		assert_true(joined(&got, &a).n <= THREAD_REFERENCES_BYTES_MAX);
	}
}

static void an_id_longer_than_a_line_is_left_out(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct thread_texts got;
	struct slice id;

	(void)state;
	for (int n = THREAD_ID_MAX; n <= THREAD_ID_MAX + 1; n++) {
		const char *text = arena_printf(&a, "<%0*d@h>", n - 4, 0);
		bool fits = n == THREAD_ID_MAX;

		assert_int_equal(strlen(text), n);
		assert_int_equal(thread_in_reply_to(slice_str(text)).n, fits ? n : 0);
		thread_references(slice_str(text), S(""), S("<p@h>"), &a, &got);
		assert_int_equal(got.n, fits ? 2 : 1);
		assert_int_equal(thread_id(slice_str(text), &a, &id), fits ? OK : ERR_INPUT);
	}
}

static void clients_give_one_message_id(void **state)
{
	static const struct {
		struct slice text;
		const char *want; /* NULL: ERR_INPUT */
	} rows[] = {
		{ SLICE_INIT("<a@h>"), "<a@h>" },
		{ SLICE_INIT("a@h"), "<a@h>" },
		{ SLICE_INIT(" <a@h> "), "<a@h>" },
		{ SLICE_INIT("<CAF+x=y/1.2@mail.example.com>"), "<CAF+x=y/1.2@mail.example.com>" },
		{ SLICE_INIT("<a@b@h>"), "<a@b@h>" },
		{ SLICE_INIT("<a@[192.0.2.1]>"), "<a@[192.0.2.1]>" },
		{ SLICE_INIT(""), NULL },
		{ SLICE_INIT("<>"), NULL },
		{ SLICE_INIT("<"), NULL },
		{ SLICE_INIT("<@>"), NULL },
		{ SLICE_INIT("<@h>"), NULL },
		{ SLICE_INIT("<a@>"), NULL },
		{ SLICE_INIT("<a>"), NULL },
		{ SLICE_INIT("msg_00112233445566778899aabbccddeeff"), NULL },
		{ SLICE_INIT("<a@h"), NULL },
		{ SLICE_INIT("a@h>"), NULL },
		{ SLICE_INIT("<<a@h>>"), NULL },
		{ SLICE_INIT("<a@h> <b@h>"), NULL },
		{ SLICE_INIT("<a@h><b@h>"), NULL },
		{ SLICE_INIT("<a @h>"), NULL },
		{ SLICE_INIT("<a\t@h>"), NULL },
		{ SLICE_INIT("<a@h>\r\n"), NULL },
		{ SLICE_INIT("<a@h>\r\nBcc: x@y.example"), NULL },
		{ SLICE_INIT("<a\0@h>"), NULL },
		{ SLICE_INIT("<a@h>\0"), NULL },
		{ SLICE_INIT("<a\x7f@h>"), NULL },
		{ SLICE_INIT("<\xc3\xbc@h>"), NULL },
		{ SLICE_INIT("<\xff@h>"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice got = S("");
		enum err e = thread_id(rows[i].text, &a, &got);

		assert_row(i, e == (rows[i].want ? OK : ERR_INPUT));
		assert_slice_row(got, slice_str(rows[i].want), i);
	}
}

static void parents_are_named_nearest_first_and_once(void **state)
{
	static const struct {
		const char *in_reply_to, *references, *want;
	} rows[] = {
		{ "<p@h>", "<u@h> <a@h> <p@h>", "<p@h> <a@h> <u@h>" },
		{ "", "<u@h> <a@h>", "<a@h> <u@h>" },
		{ "<p@h>", "", "<p@h>" },
		{ "<p@h> <q@h>", "<q@h>", "<p@h> <q@h>" },
		{ "(<c@h>) <p@h>", "text", "<p@h>" },
		{ "", "<a@h> <a@h> <b@h> <a@h>", "<a@h> <b@h>" },
		{ "", "", "" },
		/* ids are stored as clean text */
		{ "<\xff@h>", "", "<\xef\xbf\xbd@h>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct thread_texts got;

		thread_parents(slice_str(rows[i].in_reply_to), slice_str(rows[i].references), &a,
			       &got);
		assert_slice_row(joined(&got, &a), slice_str(rows[i].want), i);
	}
}

static void many_parents_leave_the_nearest(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);
	struct thread_texts got;

	(void)state;
	add_ids(&b, 5000, 1);
	thread_parents(buf_slice(&b), buf_slice(&b), &a, &got);
	assert_int_equal(got.n, THREAD_PARENTS_MAX);
	assert_slice(got.v[0], S("<0@00.h>"));
	assert_slice(got.v[9], S("<9@00.h>"));
	assert_slice(got.v[10], S("<4999@00.h>"));
	assert_slice(got.v[49], S("<4960@00.h>"));
}

static void replies_go_where_the_header_says(void **state)
{
	static const struct {
		struct slice header;
		bool reply_all;
		const char *to, *cc;
	} rows[] = {
		{ SLICE_INIT("From: Alice <Alice@Example.com>\r\nTo: bot@x.io\r\n\r\n"), false,
		  "Alice@example.com", "" },
		{ SLICE_INIT("From: a@b.example, c@d.example\r\n\r\n"), false,
		  "a@b.example c@d.example", "" },
		{ SLICE_INIT("From: a@b.example\r\nReply-To: r@s.example,\r\n T <t@u.example>"
			     "\r\n\r\n"),
		  false, "r@s.example t@u.example", "" },
		{ SLICE_INIT("From: a@b.example\r\nReply-To: \r\n\r\n"), false, "a@b.example", "" },
		{ SLICE_INIT("From: a@b.example\r\nReply-To: nobody\r\n\r\n"), false, "", "" },
		{ SLICE_INIT("From: a@b.example\r\nTo: bot@x.io, d@e.example\r\n"
			     "Cc: F <f@g.example>, h@i.example\r\n\r\n"),
		  true, "a@b.example", "bot@x.io d@e.example f@g.example h@i.example" },
		{ SLICE_INIT("From: a@b.example\r\nTo: undisclosed-recipients:;\r\n"
			     "CC: G: f@g.example, h@i.example;\r\n\r\n"),
		  true, "a@b.example", "f@g.example h@i.example" },
		{ SLICE_INIT("From: a@b.example\r\n\r\n"), true, "a@b.example", "" },
		/* mailboxes that nothing can be sent to */
		{ SLICE_INIT("From: a@b.example\r\n"
			     "To: x@localhost, \"q q\"@e.example, <y@>, z@[192.0.2.1],\r\n"
			     " j\xc3\xbcrgen@e.example, j@b\xc3\xbc"
			     "cher.example, a@b.example\r\n\r\n"),
		  true, "a@b.example", "j@xn--bcher-kva.example a@b.example" },
		{ SLICE_INIT("Subject: x\r\n\r\n"), false, "", "" },
		{ SLICE_INIT("Subject: x\r\n\r\n"), true, "", "" },
		{ SLICE_INIT(""), false, "", "" },
		{ SLICE_INIT("From: a@b.example\0\r\n\r\n"), false, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct thread_recipients got;
		struct header h;

		header_parse(rows[i].header, &a, &h);
		assert_row(i, thread_reply_recipients(&h, rows[i].reply_all, &a, &got, NULL) == OK);
		assert_slice_row(joined(&got.to, &a), slice_str(rows[i].to), i);
		assert_slice_row(joined(&got.cc, &a), slice_str(rows[i].cc), i);
	}
}

static void nobody_replies_to_all_of_an_unreadable_header(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf large = BUF_INIT(1 << 20);
	struct thread_recipients got;
	struct fail fail;
	struct header h;

	(void)state;
	header_parse(S("no field at all\r\n\r\nbody"), &a, &h);
	assert_int_equal(thread_reply_recipients(&h, true, &a, &got, &fail), ERR_INPUT);
	assert_string_equal(fail.what, "no header field was found");
	assert_int_equal(thread_reply_recipients(&h, false, &a, &got, &fail), OK);

	buf_add_str(&large, "From: a@b.example\r\n");
	while (large.len < HEADER_BYTES_MAX + 100)
		buf_add_str(&large, "To: c@d.example\r\n");
	header_parse(buf_slice(&large), &a, &h);
	assert_int_equal(thread_reply_recipients(&h, true, &a, &got, &fail), ERR_INPUT);
	assert_string_equal(fail.what, "the header section is too large");
	assert_int_equal(thread_reply_recipients(&h, false, &a, &got, &fail), OK);
	assert_slice(joined(&got.to, &a), S("a@b.example"));
}

/* Each of these invites a reader to start over at every byte. */
static void a_megabyte_of_anything_takes_linear_time(void **state)
{
	static const char *const patterns[] = {
		"<", "<a", "<a@h>", "(", "()", "(<a@h>", "<a@h", "\\", ">", "<a @h>", "<\xff>",
	};
	int64_t start = clock_mono_ms();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT(2 << 20);
		struct thread_texts got;

		while (text.len < 1 << 20)
			buf_add_str(&text, patterns[i]);
		thread_references(buf_slice(&text), buf_slice(&text), S("<p@h>"), &a, &got);
		assert_true(got.n <= THREAD_REFERENCES_MAX);
		thread_parents(buf_slice(&text), buf_slice(&text), &a, &got);
		assert_true(got.n <= THREAD_PARENTS_MAX);
	}
	assert_true(clock_mono_ms() - start < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_get_one_re),
		cmocka_unit_test(long_subjects_are_cut_at_a_character),
		cmocka_unit_test(references_follow_the_table),
		cmocka_unit_test(long_chains_keep_their_ends),
		cmocka_unit_test(an_id_longer_than_a_line_is_left_out),
		cmocka_unit_test(clients_give_one_message_id),
		cmocka_unit_test(parents_are_named_nearest_first_and_once),
		cmocka_unit_test(many_parents_leave_the_nearest),
		cmocka_unit_test(replies_go_where_the_header_says),
		cmocka_unit_test(nobody_replies_to_all_of_an_unreadable_header),
		cmocka_unit_test(a_megabyte_of_anything_takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
