/* SPDX-License-Identifier: Apache-2.0 */
/* What a mail needs on the inject listener, and that deliverd believes what it then carries. */
#include "milter/inject.h"

#include "common/base/mem.h"
#include "tests/unit/test.h"

#define NOW 1768473000
#define SENDER S("bounce-1@agents.example")
#define RECIPIENT S("rob@agents.example")
#define QUEUE_ID S("4XyZ1b2c3dz9vNx")
#define BODY S("Hi.\r\n")

static struct milter milter;

static int set_up(void **state)
{
	(void)state;
	keys_derive(S("a secret that nobody knows, of 32 bytes and more"), &milter.keys);
	milter.tickets = ticket_memory_new(NOW - 100, 100);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ticket_memory_free(milter.tickets);
	return 0;
}

/* A mail on the listener, as the session collects it. */
struct mail {
	struct arena a;
	struct inject_envelope envelope;
	struct headers headers;
	struct verdict v;
	struct edits edits;
};

static void begin(struct mail *m)
{
	*m = (struct mail){ .v = { .queue_id = QUEUE_ID,
				   .time_us = NOW * INT64_C(1000000),
				   .mail_from = SENDER,
				   .origin = S("agent") } };
	headers_init(&m->headers, &m->a);
	inject_recipient(&m->envelope, RECIPIENT, &m->a);
}

/* The value of a ticket for a mail of these fields, as libmilter gives it. */
static struct slice ticket_for(struct mail *m, const char *fields)
{
	static int64_t attempt; /* no two are the same */
	AUTO(buf_release) struct buf message = BUF_INIT(1 << 20);
	AUTO(buf_release) struct buf field = BUF_INIT(TICKET_TEXT_MAX);
	const struct slice to = RECIPIENT;
	const struct ticket_request r = { .job = S("job_1"),
					  .attempt = ++attempt,
					  .now_s = NOW,
					  .lifetime_s = 60,
					  .sender = SENDER,
					  .recipients = &to,
					  .recipients_n = 1 };

	buf_addf(&message, "%s\r\n", fields);
	buf_add_slice(&message, BODY);
	assert_int_equal(
		ticket_make(&r, buf_slice(&message), keys_get(&milter.keys, KEY_TICKET), &field),
		OK);
	return arena_slice(&m->a,
			   slice_sub(buf_slice(&field), sizeof(TICKET_HEADER), field.len - 2));
}

static enum answer finish(struct mail *m, bool to_agents)
{
	const struct inject_mail mail = { .envelope = &m->envelope,
					  .headers = &m->headers,
					  .hash = mail_hash_new(),
					  .to_agents = to_agents };

	mail_hash_body(mail.hash, BODY);
	assert_int_equal(inject_finish(&milter, &mail, &m->v, &m->edits), OK);
	return m->edits.answer;
}

static void add_subject(struct mail *m)
{
	headers_add(&m->headers, S("From"), S(" bot@agents.example"));
	headers_add(&m->headers, S("Subject"), S(" x\n\ty"));
}

#define FIELDS "From: bot@agents.example\r\nSubject: x\r\n\ty\r\n"

static void a_good_mail_loses_its_ticket_and_nothing_else(void **state)
{
	struct mail m;

	(void)state;
	begin(&m);
	headers_add(&m.headers, S(TICKET_HEADER), ticket_for(&m, FIELDS));
	add_subject(&m);
	assert_int_equal(finish(&m, false), ANSWER_TAKE);
	assert_int_equal(m.edits.remove_n, 1);
	assert_slice(m.edits.remove[0].name, S(TICKET_HEADER));
	assert_int_equal(m.edits.remove[0].index, 1);
	assert_null(m.edits.verdict);
	assert_null(m.edits.authres);
	arena_release(&m.a);
}

/* The mail as it reaches deliverd: what Postfix and the milter add stands on top. */
static void to_deliverd(const struct mail *m, struct buf *ret)
{
	struct slice text = slice_str(m->edits.verdict), line;

	buf_add_str(ret, VERDICT_HEADER ":");
	while (slice_cut(&text, '\n', &line)) {
		buf_add_slice(ret, line);
		buf_add_str(ret, "\r\n");
	}
	buf_add_str(ret, "Received: by mx.example\r\n" FIELDS "\r\n");
	buf_add_slice(ret, BODY);
}

static void deliverd_believes_what_goes_to_an_agent(void **state)
{
	const struct verdict_claim claim = { QUEUE_ID, NOW * INT64_C(1000000), 1 };
	AUTO(buf_release) struct buf message = BUF_INIT(1 << 20);
	const char *reason = "";
	struct verdict v = { 0 };
	struct header h;
	struct mail m;

	(void)state;
	begin(&m);
	headers_add(&m.headers, S(TICKET_HEADER), ticket_for(&m, FIELDS));
	add_subject(&m);
	assert_int_equal(finish(&m, true), ANSWER_TAKE);
	to_deliverd(&m, &message);
	header_parse(buf_slice(&message), &m.a, &h);
	assert_int_equal(verdict_check(buf_slice(&message), &h, keys_get(&milter.keys, KEY_SEAL),
				       &claim, &m.a, &v, &reason),
			 OK);
	assert_true(verdict_verified(&v));
	assert_slice(v.origin, S("agent"));
	assert_slice(v.header_from, S("bot@agents.example"));
	assert_slice(v.mail_from, SENDER);
	arena_release(&m.a);
}

static void without_a_ticket_on_top_it_is_refused(void **state)
{
	enum { TICKET = 1, VERDICT = 2, OTHER = 4 };
	static const struct {
		int order[3];
		enum answer want;
	} rows[] = {
		{ { 0 }, ANSWER_REFUSE },
		{ { OTHER }, ANSWER_REFUSE },
		{ { TICKET, TICKET }, ANSWER_REFUSE },
		{ { OTHER, TICKET }, ANSWER_REFUSE },
		{ { TICKET, VERDICT }, ANSWER_REFUSE },
		{ { VERDICT, TICKET }, ANSWER_REFUSE },
		{ { TICKET, OTHER }, ANSWER_TAKE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mail m;
		struct slice ticket;

		begin(&m);
		ticket = ticket_for(&m, "X-Other: x\r\n");
		for (size_t j = 0; j < ARRAY_LEN(rows[i].order); j++) {
			if (rows[i].order[j] == TICKET)
				headers_add(&m.headers, S("x-e2a-ticket"), ticket);
			if (rows[i].order[j] == VERDICT)
				headers_add(&m.headers, S("x-e2a-verdict"), S(" v=1; s=x"));
			if (rows[i].order[j] == OTHER)
				headers_add(&m.headers, S("X-Other"), S(" x"));
		}
		assert_row(i, finish(&m, true) == rows[i].want);
		assert_row(i, (m.edits.verdict != NULL) == (rows[i].want == ANSWER_TAKE));
		arena_release(&m.a);
	}
}

static void a_header_that_is_not_whole_is_refused(void **state)
{
	struct mail m;

	(void)state;
	begin(&m);
	headers_add(&m.headers, S(TICKET_HEADER), ticket_for(&m, FIELDS));
	add_subject(&m);
	for (int i = 0; i < HEADER_FIELDS_MAX; i++)
		headers_add(&m.headers, S("X"), S(" y"));
	assert_int_equal(finish(&m, true), ANSWER_REFUSE);
	arena_release(&m.a);
}

static void more_recipients_than_any_ticket_has_are_refused(void **state)
{
	struct mail m;

	(void)state;
	begin(&m);
	for (size_t i = 0; i < 2 * TICKET_RECIPIENTS_MAX; i++)
		inject_recipient(&m.envelope, slice_str(arena_printf(&m.a, "%zu@x.example", i)),
				 &m.a);
	assert_int_equal(m.envelope.n, TICKET_RECIPIENTS_MAX);
	headers_add(&m.headers, S(TICKET_HEADER), ticket_for(&m, FIELDS));
	add_subject(&m);
	assert_int_equal(finish(&m, true), ANSWER_REFUSE);
	arena_release(&m.a);
}

/* A later ticket of the same job will do; this one is not known to be new. */
static void what_cannot_be_known_is_no_final_answer(void **state)
{
	static const struct {
		int64_t time_s;
		enum answer want;
	} rows[] = {
		{ NOW - TICKET_CLOCK_S - 1, ANSWER_LATER },
		{ NOW + 60, ANSWER_REFUSE },
		{ NOW + 59, ANSWER_TAKE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mail m;

		begin(&m);
		m.v.time_us = rows[i].time_s * 1000000;
		headers_add(&m.headers, S(TICKET_HEADER), ticket_for(&m, FIELDS));
		add_subject(&m);
		assert_row(i, finish(&m, true) == rows[i].want);
		arena_release(&m.a);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_mail_loses_its_ticket_and_nothing_else),
		cmocka_unit_test(deliverd_believes_what_goes_to_an_agent),
		cmocka_unit_test(without_a_ticket_on_top_it_is_refused),
		cmocka_unit_test(a_header_that_is_not_whole_is_refused),
		cmocka_unit_test(more_recipients_than_any_ticket_has_are_refused),
		cmocka_unit_test(what_cannot_be_known_is_no_final_answer),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
