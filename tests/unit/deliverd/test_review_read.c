/* SPDX-License-Identifier: Apache-2.0 */
/* Each row changes one thing of a good answer, which approves. */
#include "deliverd/review_read.h"

#include "common/base/utf8.h"
#include "common/mail/mime.h"
#include "tests/unit/test.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define OTHER_TOKEN "ffeeddccbbaa99887766554433221100"
#define ADDRESS "review-" TOKEN "@agents.example"
#define FROM "From: Rita <rita@corp.example>\r\n"
#define TO "To: " ADDRESS "\r\n"
#define HEAD FROM TO "Subject: Re: [e2a] approve\r\n"
#define APPROVE "\r\nApprove\r\n"

static const struct verdict good = {
	.origin = SLICE_INIT("smtp"),
	.author_valid = true,
	.dkim = { { .result = AUTH_PASS, .aligned = true, .signs_addresses = true } },
	.dkim_n = 1,
	.dmarc = AUTH_PASS,
};

static const struct review_question question = {
	.address = SLICE_INIT(ADDRESS),
	.reviewer = SLICE_INIT("Rita@Corp.example"),
	.sender = SLICE_INIT("rita@corp.example"),
	.verdict = &good,
};

static struct review_answer read_with(const char *message, const struct review_question *q,
				      struct arena *a)
{
	struct review_answer got;

	review_read(slice_str(message), q, a, &got);
	return got;
}

/* ---- who wrote it ---- */

static void it_is_the_reviewers_word_or_a_reason_says_why_not(void **state)
{
	static const struct {
		const char *message;
		enum review_reason want;
	} rows[] = {
		{ HEAD APPROVE, REVIEW_DECIDES },
		{ HEAD "Auto-Submitted: no\r\n" APPROVE, REVIEW_DECIDES },
		{ HEAD "Auto-Submitted: No (a human)\r\n" APPROVE, REVIEW_DECIDES },
		{ HEAD "Precedence: first-class\r\n" APPROVE, REVIEW_DECIDES },
		{ HEAD "Cc: someone@else.example\r\n" APPROVE, REVIEW_DECIDES },
		{ FROM "TO: x@y.example, \"" ADDRESS "\" <REVIEW-" TOKEN
		       "@Agents.example>\r\n" APPROVE,
		  REVIEW_DECIDES },
		{ "From: RITA@corp.EXAMPLE\r\n" TO APPROVE, REVIEW_DECIDES },
		/* programs and lists */
		{ HEAD "Auto-Submitted: auto-replied\r\n" APPROVE, REVIEW_AUTOMATIC },
		{ HEAD "auto-submitted: auto-generated; x=no\r\n" APPROVE, REVIEW_AUTOMATIC },
		{ HEAD "Auto-Submitted:\r\n" APPROVE, REVIEW_AUTOMATIC },
		{ HEAD "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n" APPROVE,
		  REVIEW_AUTOMATIC },
		{ HEAD "Precedence: Bulk\r\n" APPROVE, REVIEW_LIST },
		{ HEAD "List-Id: <l.corp.example>\r\n" APPROVE, REVIEW_LIST },
		{ HEAD "list-unsubscribe: <mailto:x@y.example>\r\n" APPROVE, REVIEW_LIST },
		/* authors */
		{ TO APPROVE, REVIEW_FROM },
		{ FROM HEAD APPROVE, REVIEW_FROM },
		{ "From: mallory@corp.example\r\n" HEAD APPROVE, REVIEW_FROM },
		{ HEAD "From: mallory@corp.example\r\n" APPROVE, REVIEW_FROM },
		{ "From: rita@corp.example, mallory@corp.example\r\n" TO APPROVE, REVIEW_FROM },
		{ "From: reviewers: rita@corp.example;\r\n" TO APPROVE, REVIEW_FROM },
		{ "From : rita@corp.example\r\n" TO APPROVE, REVIEW_FROM },
		{ "From: rita@corp.example\r\n x\r\n" TO APPROVE, REVIEW_FROM },
		{ "no field at all\r\n" HEAD APPROVE, REVIEW_FROM },
		{ "From: mallory@corp.example\r\n" TO APPROVE, REVIEW_OTHER },
		{ "From: \"rita@corp.example\" <mallory@corp.example>\r\n" TO APPROVE,
		  REVIEW_OTHER },
		{ "From: rita@corp.example <mallory@corp.example>\r\n" TO APPROVE, REVIEW_FROM },
		{ "From: rita+x@corp.example\r\n" TO APPROVE, REVIEW_OTHER },
		{ "From: rita@sub.corp.example\r\n" TO APPROVE, REVIEW_OTHER },
		{ "From: \"rita@corp.example\"@mallory.example\r\n" TO APPROVE, REVIEW_OTHER },
		/* recipients */
		{ FROM APPROVE, REVIEW_TO },
		{ FROM "To: x@y.example\r\nCc: " ADDRESS "\r\n" APPROVE, REVIEW_TO },
		{ FROM "To:\r\nBcc: " ADDRESS "\r\n" APPROVE, REVIEW_TO },
		{ HEAD "To: x@y.example\r\n" APPROVE, REVIEW_TO },
		{ HEAD TO APPROVE, REVIEW_TO },
		{ FROM "To: review-" OTHER_TOKEN "@agents.example\r\n" APPROVE, REVIEW_TO },
		{ FROM "To: " ADDRESS ", review-" OTHER_TOKEN "@agents.example\r\n" APPROVE,
		  REVIEW_TO },
		{ FROM "To: review-" TOKEN "@other.example\r\n" APPROVE, REVIEW_TO },
		{ FROM "To: \"" ADDRESS "\" <x@y.example>\r\n" APPROVE, REVIEW_TO },
		{ FROM "To: x@y.example (" ADDRESS ")\r\n" APPROVE, REVIEW_TO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct review_answer got = read_with(rows[i].message, &question, &a);

		if (got.reason != rows[i].want)
			fail_msg("row %zu: %s", i, review_reason_name(got.reason));
		assert_row(i, got.authentic == (rows[i].want == REVIEW_DECIDES));
		assert_row(i, got.approves == (rows[i].want == REVIEW_DECIDES));
	}
}

static void nothing_but_a_full_signature_counts(void **state)
{
	static const struct {
		const char *origin;
		bool author_valid;
		struct verdict_dkim one, two; /* only these three matter: */
		enum auth_result dmarc;
		enum review_reason want;
	} rows[] = {
#define SIGNATURE(r, is_aligned, covers)                                                           \
	{ .result = (r), .aligned = (is_aligned), .signs_addresses = (covers) }
#define GOOD SIGNATURE(AUTH_PASS, true, true)
		{ "smtp", true, SIGNATURE(AUTH_FAIL, true, false), GOOD, AUTH_NONE,
		  REVIEW_DECIDES },
		{ "smtp", true, GOOD, SIGNATURE(AUTH_FAIL, true, false), AUTH_NONE,
		  REVIEW_DECIDES },
		{ "smtp", true, SIGNATURE(AUTH_PASS, false, true),
		  SIGNATURE(AUTH_PASS, true, false), AUTH_NONE, REVIEW_UNSIGNED },
		{ "smtp", true, SIGNATURE(AUTH_PASS, true, false),
		  SIGNATURE(AUTH_PASS, false, true), AUTH_NONE, REVIEW_UNSIGNED },
		{ "smtp", true, SIGNATURE(AUTH_PASS, false, true), SIGNATURE(AUTH_FAIL, true, true),
		  AUTH_NONE, REVIEW_UNALIGNED },
		{ "smtp", true, SIGNATURE(AUTH_POLICY, true, true),
		  SIGNATURE(AUTH_NEUTRAL, true, true), AUTH_PASS, REVIEW_NO_DKIM },
		{ "smtp", true, GOOD, GOOD, AUTH_FAIL, REVIEW_DMARC },
		{ "smtp", true, GOOD, GOOD, AUTH_TEMPERROR, REVIEW_DECIDES },
		{ "smtp", false, GOOD, GOOD, AUTH_PASS, REVIEW_FROM },
		{ "agent", true, GOOD, GOOD, AUTH_PASS, REVIEW_AGENT },
		{ "", true, GOOD, GOOD, AUTH_PASS, REVIEW_AGENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		const struct verdict v = { .origin = slice_str(rows[i].origin),
					   .author_valid = rows[i].author_valid,
					   .spf = AUTH_PASS,
					   .spf_aligned = true,
					   .dkim = { rows[i].one, rows[i].two },
					   .dkim_n = 2,
					   .dmarc = rows[i].dmarc };
		struct review_question q = question;
		struct review_answer got;

		q.verdict = &v;
		got = read_with(HEAD APPROVE, &q, &a);
		if (got.reason != rows[i].want)
			fail_msg("row %zu: %s", i, review_reason_name(got.reason));
		assert_row(i, got.authentic == (rows[i].want == REVIEW_DECIDES));
	}
}

static void without_a_verdict_or_a_sender_nothing_counts(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct review_question q = question;

	(void)state;
	q.verdict = NULL;
	assert_int_equal(read_with(HEAD APPROVE, &q, &a).reason, REVIEW_UNJUDGED);
	q = question;
	q.sender = S("");
	assert_int_equal(read_with(HEAD APPROVE, &q, &a).reason, REVIEW_NULL_SENDER);
	q = question;
	q.reviewer = S("nobody");
	assert_int_equal(read_with(HEAD APPROVE, &q, &a).reason, REVIEW_FROM);
}

/* ---- what it says ---- */

enum said { APPROVES, REJECTS, UNCLEAR };

static void assert_said(const char *message, enum said want, const char *why, size_t row)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct review_answer got = read_with(message, &question, &a);
	enum said said = got.reason ? UNCLEAR : got.approves ? APPROVES : REJECTS;

	assert_row(row,
		   got.authentic && (got.reason == REVIEW_DECIDES || got.reason == REVIEW_UNCLEAR));
	assert_row(row, said == want);
	assert_slice_row(got.why, slice_str(why), row);
}

static void the_first_line_decides(void **state)
{
	static const struct {
		const char *body;
		enum said want;
		const char *why;
	} rows[] = {
		{ "approve", APPROVES, "" },
		{ "APPROVE\r\n", APPROVES, "" },
		{ "\r\n \t\r\n\xc2\xa0\r\n  Approve.  \r\nreject\r\n", APPROVES, "" },
		{ "approve!\n", APPROVES, "" },
		{ "approve .\n", APPROVES, "" },
		{ "\xef\xbb\xbf"
		  "approve\xc2\xa0\xe2\x80\x8b\n",
		  APPROVES, "" },
		{ "approve\r\nif you change the price\r\n", APPROVES, "" },
		{ "approve\r\n\r\n> reject\r\n", APPROVES, "" },
		{ "reject", REJECTS, "" },
		{ "Reject.\n", REJECTS, "" },
		{ "reject: wrong tone\r\nand more\r\n", REJECTS, "wrong tone" },
		{ "REJECT - wrong\ttone \r\n", REJECTS, "- wrong tone" },
		{ "reject too long, too loud!\n", REJECTS, "too long, too loud!" },
		{ "reject\xc2\xa0"
		  "f\xc3\xbcr heute\n",
		  REJECTS, "f\xc3\xbcr heute" },
		{ "reject, approve the other one\n", REJECTS, "approve the other one" },
		/* no decision */
		{ "", UNCLEAR, "" },
		{ "\r\n\r\n", UNCLEAR, "" },
		{ "approve if you change the price\n", UNCLEAR, "" },
		{ "approve?\n", UNCLEAR, "" },
		{ "approve..\n", UNCLEAR, "" },
		{ "approve!!\n", UNCLEAR, "" },
		{ "approved\n", UNCLEAR, "" },
		{ "approve, but\n", UNCLEAR, "" },
		{ "I approve\n", UNCLEAR, "" },
		{ "do not approve\n", UNCLEAR, "" },
		{ "*approve*\n", UNCLEAR, "" },
		{ "> approve\n", UNCLEAR, "" },
		{ ">approve\r\n\r\napprove\r\n", UNCLEAR, "" },
		{ "| approve\n", UNCLEAR, "" },
		{ "Hello,\n\napprove\n", UNCLEAR, "" },
		{ "On Monday e2a wrote:\n> x\n\napprove\n", UNCLEAR, "" },
		{ "approve / reject\n", UNCLEAR, "" },
		{ "approve\vreject\n", UNCLEAR, "" },
		{ "approv\xc3\xa9\n", UNCLEAR, "" },
		{ "\xd0\xb0pprove\n", UNCLEAR, "" },
		{ "rejected\n", UNCLEAR, "" },
		{ "reject?\n", UNCLEAR, "" },
		{ "-- \r\napprove\r\n", UNCLEAR, "" },
		{ "--x\r\n\r\napprove\r\n--x--\r\n", UNCLEAR, "" },
		{ "=61pprove\n", UNCLEAR, "" },
		{ "YXBwcm92ZQ==\n", UNCLEAR, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_said(arena_printf(&a, "%s\r\n%s", HEAD, rows[i].body), rows[i].want,
			    rows[i].why, i);
	}
}

#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define HTML "Content-Type: text/html\r\n\r\n"
#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=b1\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=\"b 2\"\r\n"

static void the_first_text_is_what_counts(void **state)
{
	static const struct {
		const char *rest;
		enum said want;
	} rows[] = {
		{ PLAIN "approve\r\n", APPROVES },
		{ "Content-Transfer-Encoding: base64\r\n\r\nYXBwcm92ZQ==\r\n", APPROVES },
		{ "Content-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n=61ppro=\r\nve=20\r\n",
		  APPROVES },
		{ "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xa0"
		  "approve\r\n",
		  APPROVES },
		{ ALTERNATIVE "\r\n--b1\r\n" PLAIN "approve\r\n--b1\r\n" HTML
			      "reject\r\n--b1--\r\n",
		  APPROVES },
		{ ALTERNATIVE "\r\nThis is a multi-part message in MIME format.\r\n--b1  \r\n" PLAIN
			      "approve\r\n--b1--\r\n",
		  APPROVES },
		{ MIXED "\r\n--b 2\r\n" ALTERNATIVE "\r\nx\r\n--b1\r\n" PLAIN
			"approve\r\n--b1--\r\n"
			"--b 2\r\nContent-Type: text/plain; name=a\r\n\r\nreject\r\n--b 2--\r\n",
		  APPROVES },
		{ ALTERNATIVE "\r\n--b1\r\n\r\napprove\r\n", APPROVES },
		/* not the text, or not the first */
		{ HTML "approve\r\n", UNCLEAR },
		{ "Content-Type: application/octet-stream\r\n\r\napprove\r\n", UNCLEAR },
		{ "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\napprove\r\n",
		  UNCLEAR },
		{ ALTERNATIVE "\r\n--b1\r\n" HTML "<p>approve\r\n--b1\r\n" PLAIN
			      "approve\r\n--b1--\r\n",
		  UNCLEAR },
		{ MIXED
		  "\r\n--b 2\r\nContent-Type: text/plain; name=a\r\n\r\napprove\r\n--b 2--\r\n",
		  UNCLEAR },
		{ MIXED
		  "\r\n--b 2\r\nContent-Type: message/rfc822\r\n\r\n\r\napprove\r\n--b 2--\r\n",
		  UNCLEAR },
		{ ALTERNATIVE "\r\n--b1--\r\n", UNCLEAR },
		{ ALTERNATIVE "\r\napprove\r\n", UNCLEAR },
		/* a beginning that only an unsigned Content-Type could give the same body */
		{ ALTERNATIVE "\r\nreject\r\n--b1\r\n" PLAIN "approve\r\n--b1--\r\n", UNCLEAR },
		{ ALTERNATIVE "\r\n--other\r\n\r\nreject\r\n--b1\r\n\r\napprove\r\n--b1--\r\n",
		  UNCLEAR },
		{ ALTERNATIVE "\r\n--b1x\r\n\r\nreject\r\n--b1\r\n\r\napprove\r\n--b1--\r\n",
		  UNCLEAR },
		{ ALTERNATIVE
		  "\r\nThis is a multi-part message.\r\nThis is a multi-part message.\r\n"
		  "--b1\r\n\r\napprove\r\n--b1--\r\n",
		  UNCLEAR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_said(arena_printf(&a, "%s%s", HEAD, rows[i].rest), rows[i].want, "", i);
	}
}

static void a_reason_is_bounded_and_whole_characters(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);
	struct review_answer got;

	(void)state;
	buf_add_str(&b, HEAD "\r\nreject: x");
	for (int i = 0; i < 10000; i++)
		buf_add_str(&b, "\xc3\xbc");
	review_read(buf_slice(&b), &question, &a, &got);
	assert_int_equal(got.reason, REVIEW_DECIDES);
	assert_int_equal(got.why.n, REVIEW_WHY_MAX - 1);
	assert_true(utf8_valid(got.why));
}

static int begin(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_reviewers_word_or_a_reason_says_why_not),
		cmocka_unit_test(nothing_but_a_full_signature_counts),
		cmocka_unit_test(without_a_verdict_or_a_sender_nothing_counts),
		cmocka_unit_test(the_first_line_decides),
		cmocka_unit_test(the_first_text_is_what_counts),
		cmocka_unit_test(a_reason_is_bounded_and_whole_characters),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
