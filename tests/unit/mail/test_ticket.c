/* SPDX-License-Identifier: Apache-2.0 */
/* A ticket fits one mail, for a while, and nothing else. */
#include "common/mail/ticket.h"

#include "common/mail/addr.h"
#include "common/mail/header.h"
#include "common/mail/mail_hash.h"
#include "tests/unit/test.h"

#define KEY S("0123456789abcdef0123456789abcdef")
#define NOW 1768473000
#define LIFETIME 300
#define SENDER S("bounce-00112233445566778899aabbccddeeff@agents.example")
#define HEADER                                                                                     \
	"From: bot@agents.example\r\nSubject:\r\n  folded at once\r\n\t x \r\n"                    \
	"X-E2A-Conversation-Id: conv_1\r\n"
#define BODY "Hi.\r\n.\r\n\r\n"
#define MESSAGE S(HEADER "\r\n" BODY)

/* Made by a Python program that knows no more than the comment in ticket.h. */
#define VECTOR                                                                                     \
	"X-E2A-Ticket: v=1; job=job_0123; attempt=2; issued=1768473000;\r\n"                       \
	"\texpires=1768473300;\r\n"                                                                \
	"\tsh=acadd033029238e1522eaf49bc181567f467607e6167d1b4763a77cb4a31eefe;\r\n"               \
	"\trh=0e24ae7936ca69870d15b90806b784d96506a66699c2bf4d9058623274df762f;\r\n"               \
	"\thh=86318daf1d15c8c01212c5cc89e90bbaf41ed0d8058b52417eb6e1f3521da3e8;\r\n"               \
	"\tbh=63f523a305049e2c9d2d04f1cfc799539c60afad8bbd663915aead6ecb8b2dc5;\r\n"               \
	"\ts=lsnhW24c11IwxPRXINOX1iWM6wmii5tN7Mt_yhKvig8\r\n"

static const struct slice recipients[] = {
	SLICE_INIT("zoe@world.example"),
	SLICE_INIT("Al@world.example"),
	SLICE_INIT("al@world.example"),
};

static struct ticket_request sample(void)
{
	return (struct ticket_request){
		.job = S("job_0123"),
		.attempt = 2,
		.now_s = NOW,
		.lifetime_s = LIFETIME,
		.sender = SENDER,
		.recipients = recipients,
		.recipients_n = ARRAY_LEN(recipients),
	};
}

static void make(const struct ticket_request *r, struct slice message, struct buf *ret)
{
	buf_reset(ret);
	assert_int_equal(ticket_make(r, message, KEY, ret), OK);
}

/* The value as libmilter gives it: behind the colon, folds as LF. */
static struct slice value_of(const struct buf *field, struct arena *a)
{
	struct slice text = slice_sub(buf_slice(field), sizeof(TICKET_HEADER), field->len - 2);
	char *out = arena_alloc(a, text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\r')
			out[n++] = text.p[i];
	return slice_of(out, n);
}

/* What the milter finds out about a mail. */
struct seen {
	struct slice sender;
	const struct slice *recipients;
	size_t n;
	struct slice name, value; /* of a field between the others */
	struct slice subject;
	struct slice body;
};

static struct seen as_sent(void)
{
	return (struct seen){ SENDER,
			      recipients,
			      ARRAY_LEN(recipients),
			      S("X-E2A-Conversation-Id"),
			      S(" conv_1"),
			      S("\n  folded at once\n\t x "),
			      S(BODY) };
}

static void look(const struct seen *s, struct ticket_mail *ret)
{
	struct mail_hash *h = mail_hash_new();

	assert_int_equal(ticket_envelope(s->sender, s->recipients, s->n, ret), OK);
	mail_hash_field(h, S("From"), S(" bot@agents.example"));
	mail_hash_field(h, S("Subject"), s->subject);
	if (s->name.n)
		mail_hash_field(h, s->name, s->value);
	for (size_t i = 0; i < s->body.n; i++) /* in chunks */
		mail_hash_body(h, slice_sub(s->body, i, i + 1));
	mail_hash_finish(h, ret->header, ret->body);
}

static const char *check(const struct seen *s, int64_t now_s)
{
	AUTO(buf_release) struct buf field = BUF_INIT(TICKET_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct ticket_request r = sample();
	struct ticket_mail mail;
	struct ticket t;

	make(&r, MESSAGE, &field);
	look(s, &mail);
	assert_int_equal(ticket_open(value_of(&field, &a), KEY, &a, &t), OK);
	return ticket_check(&t, &mail, now_s);
}

static void the_text_is_that_of_another_implementation(void **state)
{
	AUTO(buf_release) struct buf field = BUF_INIT(TICKET_TEXT_MAX);
	struct ticket_request r = sample();

	(void)state;
	make(&r, MESSAGE, &field);
	assert_string_equal(buf_cstr(&field), VECTOR);
}

static void a_ticket_fits_the_mail_it_was_made_for(void **state)
{
	struct seen s = as_sent();

	(void)state;
	assert_null(check(&s, NOW));
	assert_null(check(&s, NOW + LIFETIME - 1));
}

static void a_ticket_fits_no_other_mail(void **state)
{
	static const struct slice fewer[] = { SLICE_INIT("zoe@world.example"),
					      SLICE_INIT("Al@world.example") };
	static const struct slice more[] = { SLICE_INIT("zoe@world.example"),
					     SLICE_INIT("Al@world.example"),
					     SLICE_INIT("al@world.example"),
					     SLICE_INIT("bo@world.example") };
	static const struct slice other[] = { SLICE_INIT("zoe@world.example"),
					      SLICE_INIT("AL@world.example"),
					      SLICE_INIT("al@world.example") };
	/* the same bytes, cut elsewhere */
	static const struct slice moved[] = { SLICE_INIT("zoe@world.exampl"),
					      SLICE_INIT("eAl@world.example"),
					      SLICE_INIT("al@world.example") };
	struct seen rows[] = { as_sent(), as_sent(), as_sent(), as_sent(), as_sent(), as_sent(),
			       as_sent(), as_sent(), as_sent(), as_sent(), as_sent(), as_sent(),
			       as_sent(), as_sent(), as_sent(), as_sent() };
	static const char *const want[] = {
		"other_sender",     "other_sender",     "other_recipients", "other_recipients",
		"other_recipients", "other_recipients", "other_recipients", "other_header",
		"other_header",     "other_header",     "other_header",     "other_header",
		"other_header",     "other_body",       "other_body",       "other_body",
	};
	size_t i = 0;

	(void)state;
	rows[i++].sender = S("bounce-00112233445566778899aabbccddeefe@agents.example");
	rows[i++].sender = S("");
	rows[i++].n = 0;
	rows[i].recipients = fewer;
	rows[i++].n = ARRAY_LEN(fewer);
	rows[i].recipients = more;
	rows[i++].n = ARRAY_LEN(more);
	rows[i++].recipients = other;
	rows[i++].recipients = moved;
	rows[i++].value = S(" conv_2");
	rows[i++].value = S("  conv_1");
	rows[i++].value = S(" conv_1 ");
	rows[i++].name = S("X-E2A-Conversation-ID");
	rows[i++].name = S("");
	rows[i++].subject = S(" folded at once\n\t x ");
	rows[i++].body = S("Hi.\r\n.\r\n\r\n\r\n");
	rows[i++].body = S("Hi.\r\n.\n\r\n");
	rows[i++].body = S("");
	assert_int_equal(i, ARRAY_LEN(rows));
	for (i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(slice_str(check(&rows[i], NOW)), slice_str(want[i]), i);
}

static void a_ticket_has_its_time(void **state)
{
	static const struct {
		int64_t now;
		const char *want;
	} rows[] = {
		{ NOW - TICKET_CLOCK_S, NULL },    { NOW - TICKET_CLOCK_S - 1, "from_the_future" },
		{ NOW - 3600, "from_the_future" }, { INT64_MIN, "from_the_future" },
		{ NOW + LIFETIME - 1, NULL },      { NOW + LIFETIME, "expired" },
		{ INT64_MAX, "expired" },
	};
	struct seen s = as_sent();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(slice_str(check(&s, rows[i].now)), slice_str(rows[i].want), i);
}

static void the_order_of_recipients_does_not_matter(void **state)
{
	static const struct slice other_order[] = { SLICE_INIT("al@world.example"),
						    SLICE_INIT("zoe@world.example"),
						    SLICE_INIT("Al@world.example") };
	struct seen s = as_sent();

	(void)state;
	s.recipients = other_order;
	assert_null(check(&s, NOW));
}

static void what_no_listener_would_take_gets_no_ticket(void **state)
{
	static const struct {
		struct slice message;
		enum err want;
	} rows[] = {
		{ SLICE_INIT("From: a\r\n\r\n"), OK },
		{ SLICE_INIT("From: a\r\n\r\n\r\n"), OK },
		{ SLICE_INIT("\r\nbody\r\n"), OK },
		{ SLICE_INIT("From: a\r\n\r\nno end"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\n\r\nx\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\n\r\nx\ny\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\n\r\nx\ry\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\n\r\nx\r\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\n\r\nx\0\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\nTo: b\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT("From : a\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\nno field\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT(" x\r\nFrom: a\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\nx-e2a-ticket: v=1\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT("From: a\r\nX-E2A-Verdict: v=1\r\n\r\n"), ERR_INPUT },
		{ SLICE_INIT(""), ERR_INPUT },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(TICKET_TEXT_MAX);
	struct ticket_request r = sample();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		assert_row(i, ticket_make(&r, rows[i].message, KEY, &b) == rows[i].want);
		assert_row(i, (b.len == 0) == (rows[i].want != OK));
	}
}

static enum err make_lines(size_t line_bytes, size_t fields, size_t folds)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);
	AUTO(buf_release) struct buf b = BUF_INIT(TICKET_TEXT_MAX);
	struct ticket_request r = sample();

	for (size_t i = 0; i < fields; i++)
		buf_add_str(&m, "X: y\r\n");
	for (size_t i = 0; i < folds; i++)
		buf_add_str(&m, "\tz\r\n");
	buf_add_str(&m, "\r\n");
	for (size_t i = 0; i < line_bytes; i++)
		buf_add_char(&m, '.');
	buf_add_str(&m, "\r\n");
	return ticket_make(&r, buf_slice(&m), KEY, &b);
}

static void lines_and_headers_have_limits(void **state)
{
	(void)state;
	assert_int_equal(make_lines(998, 1, 0), OK);
	assert_int_equal(make_lines(999, 1, 0), ERR_INPUT);
	assert_int_equal(make_lines(0, HEADER_FIELDS_MAX, 0), OK);
	assert_int_equal(make_lines(0, HEADER_FIELDS_MAX + 1, 0), ERR_TOO_BIG);
	assert_int_equal(make_lines(0, 1, 10000), OK);
	assert_int_equal(make_lines(0, 1, HEADER_CUT / 4), ERR_TOO_BIG);
}

static void a_request_keeps_its_limits(void **state)
{
	static const struct {
		struct slice job;
		int64_t attempt, now_s, lifetime_s;
		enum err want;
	} rows[] = {
		{ SLICE_INIT("j"), 0, 1, 1, OK },
		{ SLICE_INIT("a-b_c.9"), INT64_MAX, NOW, TICKET_LIFETIME_MAX_S, OK },
		{ SLICE_INIT(""), 0, NOW, 1, ERR_INPUT },
		{ SLICE_INIT("a b"), 0, NOW, 1, ERR_INPUT },
		{ SLICE_INIT("a;b"), 0, NOW, 1, ERR_INPUT },
		{ SLICE_INIT("0123456789012345678901234567890123456789012345678901234567890123"), 0,
		  NOW, 1, OK },
		{ SLICE_INIT("01234567890123456789012345678901234567890123456789012345678901234"),
		  0, NOW, 1, ERR_INPUT },
		{ SLICE_INIT("j"), -1, NOW, 1, ERR_INPUT },
		{ SLICE_INIT("j"), 0, 0, 1, ERR_INPUT },
		{ SLICE_INIT("j"), 0, NOW, 0, ERR_INPUT },
		{ SLICE_INIT("j"), 0, NOW, -1, ERR_INPUT },
		{ SLICE_INIT("j"), 0, NOW, TICKET_LIFETIME_MAX_S + 1, ERR_INPUT },
		{ SLICE_INIT("j"), 0, INT64_MAX, 1, ERR_INPUT },
	};
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 16);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ticket_request r = sample();

		r.job = rows[i].job;
		r.attempt = rows[i].attempt;
		r.now_s = rows[i].now_s;
		r.lifetime_s = rows[i].lifetime_s;
		assert_row(i, ticket_make(&r, MESSAGE, KEY, &b) == rows[i].want);
	}
}

static void envelopes_have_limits(void **state)
{
	static const struct slice twice[] = { SLICE_INIT("a@b.example"), SLICE_INIT("c@b.example"),
					      SLICE_INIT("a@b.example") };
	struct slice many[TICKET_RECIPIENTS_MAX + 1];
	AUTO(mem_freep) char *long_text = mem_zalloc(TICKET_ENVELOPE_MAX);
	const struct slice too_long = slice_of(long_text, TICKET_ENVELOPE_MAX);
	struct ticket_mail mail;
	char text[TICKET_RECIPIENTS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		text[i] = (char)i;
		many[i] = slice_of(&text[i], 1);
	}
	assert_int_equal(ticket_envelope(SENDER, many, TICKET_RECIPIENTS_MAX, &mail), OK);
	assert_int_equal(ticket_envelope(SENDER, many, ARRAY_LEN(many), &mail), ERR_TOO_BIG);
	assert_int_equal(ticket_envelope(SENDER, &too_long, 1, &mail), ERR_TOO_BIG);
	assert_int_equal(ticket_envelope(slice_of(long_text, TICKET_SENDER_MAX), many, 1, &mail),
			 OK);
	assert_int_equal(ticket_envelope(slice_of(long_text, ADDR_MAX), many, 1, &mail),
			 ERR_TOO_BIG);
	assert_int_equal(ticket_envelope(SENDER, twice, 2, &mail), OK);
	assert_int_equal(ticket_envelope(SENDER, twice, 3, &mail), ERR_INPUT);
}

static void a_full_buffer_stays_as_it_was(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	struct ticket_request r = sample();

	(void)state;
	buf_add_str(&b, "before");
	assert_int_equal(ticket_make(&r, MESSAGE, KEY, &b), ERR_TOO_BIG);
	assert_string_equal(buf_cstr(&b), "before");
}

static void lines_are_folded_below_78_columns(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(TICKET_TEXT_MAX);
	struct ticket_request r = sample();
	struct slice rest, line;

	(void)state;
	r.job = S("0123456789012345678901234567890123456789012345678901234567890123");
	r.attempt = INT64_MAX;
	r.now_s = INT64_MAX - 1;
	r.lifetime_s = 1;
	make(&r, MESSAGE, &b);
	for (rest = buf_slice(&b); slice_cut(&rest, '\n', &line);)
		assert_true(line.n + (slice_starts(line, S("\t")) ? 7 : 0) <= 78 + 1);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A digit in another case is the same digest, and the same ticket. */
static void every_changed_byte_is_found(void **state)
{
	AUTO(buf_release) struct buf field = BUF_INIT(TICKET_TEXT_MAX);
	AUTO(arena_release) struct arena whole = ARENA_INIT;
	struct ticket_request r = sample();
	struct ticket first, got;
	struct slice value;
	char *text;

	(void)state;
	make(&r, MESSAGE, &field);
	value = value_of(&field, &whole);
	text = arena_dup(&whole, value);
	assert_int_equal(ticket_open(value, KEY, &whole, &first), OK);
	for (size_t i = 0; i < value.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			AUTO(arena_release) struct arena a = ARENA_INIT;
			char was = text[i];
			enum err e;

			text[i] = (char)(was ^ (1 << bit));
			e = ticket_open(slice_of(text, value.n), KEY, &a, &got);
			if (is_space(was) && is_space(text[i]))
				assert_int_equal(e, OK);
			else if (e == OK)
				assert_memory_equal(got.mac, first.mac, sizeof(got.mac));
			text[i] = was;
		}
	}
	for (size_t n = 0; n < value.n; n++)
		assert_int_not_equal(ticket_open(slice_of(text, n), KEY, &whole, &got), OK);
}

static void another_key_is_a_wrong_mac(void **state)
{
	AUTO(buf_release) struct buf field = BUF_INIT(TICKET_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct ticket_request r = sample();
	struct ticket t;

	(void)state;
	make(&r, MESSAGE, &field);
	assert_int_equal(ticket_open(value_of(&field, &a), S("another key"), &a, &t), ERR_CRYPTO);
}

/* A verdict under the same key is no ticket. */
static void text_that_is_no_ticket_is_refused(void **state)
{
#define H "0000000000000000000000000000000000000000000000000000000000000000"
#define DIGESTS ";sh=" H ";rh=" H ";hh=" H ";bh=" H ";s="
	static const struct {
		const char *value;
		enum err want;
	} rows[] = {
		{ "v=1;job=j;attempt=0;issued=1;expires=2" DIGESTS, ERR_CRYPTO },
		{ "v=1;job=j;attempt=0;issued=1;expires=2" DIGESTS "AAAA", ERR_CRYPTO },
		{ "v=1;job=j;attempt=0;issued=2;expires=2" DIGESTS, ERR_INPUT },
		{ "v=1;job=j;attempt=0;issued=0;expires=2" DIGESTS, ERR_INPUT },
		{ "v=1;job=j;attempt=0;issued=1;expires=3602" DIGESTS, ERR_INPUT },
		{ "v=1;job=j;attempt=0;issued=-9223372036854775808;expires=9223372036854775807" DIGESTS,
		  ERR_INPUT },
		{ "v=1;job=j;attempt=-1;issued=1;expires=2" DIGESTS, ERR_INPUT },
		{ "v=1;job=;attempt=0;issued=1;expires=2" DIGESTS, ERR_INPUT },
		{ "v=1;job=%00;attempt=0;issued=1;expires=2" DIGESTS, ERR_INPUT },
		{ "v=2;job=j;attempt=0;issued=1;expires=2" DIGESTS, ERR_INPUT },
		{ "v=1;job=j;attempt=0;issued=1;expires=2;x=1" DIGESTS, ERR_INPUT },
		{ "v=1;job=j;attempt=0;issued=1;expires=2;s=", ERR_INPUT },
		{ "v=1;s=AAAA", ERR_INPUT },
		{ "true", ERR_INPUT },
		{ "", ERR_INPUT },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(mem_freep) char *big = mem_zalloc(TICKET_TEXT_MAX + 1);
	struct ticket t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, ticket_open(slice_str(rows[i].value), KEY, &a, &t) == rows[i].want);
	memset(big, ';', TICKET_TEXT_MAX + 1);
	assert_int_equal(ticket_open(slice_of(big, TICKET_TEXT_MAX + 1), KEY, &a, &t), ERR_INPUT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_that_of_another_implementation),
		cmocka_unit_test(a_ticket_fits_the_mail_it_was_made_for),
		cmocka_unit_test(a_ticket_fits_no_other_mail),
		cmocka_unit_test(a_ticket_has_its_time),
		cmocka_unit_test(the_order_of_recipients_does_not_matter),
		cmocka_unit_test(what_no_listener_would_take_gets_no_ticket),
		cmocka_unit_test(lines_and_headers_have_limits),
		cmocka_unit_test(a_request_keeps_its_limits),
		cmocka_unit_test(envelopes_have_limits),
		cmocka_unit_test(a_full_buffer_stays_as_it_was),
		cmocka_unit_test(lines_are_folded_below_78_columns),
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(another_key_is_a_wrong_mac),
		cmocka_unit_test(text_that_is_no_ticket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
