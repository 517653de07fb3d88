/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures that libopendkim believes, over mails of every shape, from many threads. */
#include "common/base/clock.h"
#include "common/base/rsa.h"
#include "common/mail/compose.h"
#include "common/mail/header_write.h"
#include "common/mail/mime.h"
#include "common/mail/mime_param.h"
#include "deliverd/dkim_sign.h"
#include "tests/unit/test.h"

#include <sys/types.h>

#include <opendkim/dkim.h>
#include <pthread.h>

enum { MAIL_MAX = 1024 * 1024, RECORD_MAX = 1000, THREADS = 4, SIGNATURES = 10 };

#define DOMAIN "agents.example"
#define SIMPLE "From: a@" DOMAIN "\r\nTo: b@c.example\r\n\r\nHello\r\n"

static struct buf private_key = BUF_INIT(RSA_PRIVATE_MAX), record = BUF_INIT(RECORD_MAX);
static struct dkim_signer *signer;

static struct dkim_sign_key good_key(void)
{
	return (struct dkim_sign_key){ S(DOMAIN), S("e2a1"), buf_slice(&private_key) };
}

static void sign(struct slice mail, struct buf *ret)
{
	const struct dkim_sign_key key = good_key();
	struct fail fail = { 0 };

	if (dkim_signer_sign(signer, &key, mail, ret, &fail))
		fail_msg("%s", fail.what);
}

/* ---- the other side ---- */

static DKIM_CBSTAT look_up(DKIM *dkim, DKIM_SIGINFO *sig, u_char *ret, size_t n)
{
	(void)dkim;
	assert_string_equal((const char *)dkim_sig_getselector(sig), "e2a1");
	assert_string_equal((const char *)dkim_sig_getdomain(sig), DOMAIN);
	assert_true(record.len < n);
	memcpy(ret, record.p, record.len + 1);
	return DKIM_CBSTAT_CONTINUE;
}

/* True when the signature field in front of the mail is good. */
static bool verifies(struct slice field, struct slice mail)
{
	AUTO(buf_release) struct buf all = BUF_INIT(MAIL_MAX);
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	DKIM_STAT status;
	DKIM *d;

	buf_add_slice(&all, field);
	buf_add_slice(&all, mail);
	assert_int_equal(dkim_set_key_lookup(lib, look_up), DKIM_STAT_OK);
	d = dkim_verify(lib, (const u_char *)"test", NULL, &status);
	assert_non_null(d);
	status = dkim_chunk(d, (u_char *)all.p, all.len);
	if (status == DKIM_STAT_OK)
		status = dkim_chunk(d, NULL, 0);
	if (status == DKIM_STAT_OK)
		status = dkim_eom(d, NULL);
	dkim_free(d);
	dkim_close(lib);
	return status == DKIM_STAT_OK;
}

static struct slice tag(struct slice field, const char *name, struct arena *a)
{
	struct mime_field f;

	mime_field_parse(slice_str(arena_printf(a, "x; %.*s", SLICE_ARGS(field))), a, &f);
	for (size_t i = 0; i < f.n; i++)
		if (slice_eq(f.param[i].name, slice_str(name)))
			return f.param[i].value;
	return S("");
}

/* ---- tests ---- */

static void compose(struct slice subject, struct slice html, struct slice data, struct buf *ret)
{
	static const struct slice to[] = {
		SLICE_INIT("alice@example.com"), SLICE_INIT("bob@a-domain-of-some-length.example"),
		SLICE_INIT("carol@another-domain-of-some-length.example")
	};
	const struct compose_attachment file = { S("\xe2\x82\xac.bin"), S(""), data };
	const struct compose_mail m = {
		.from = S("bot@" DOMAIN),
		.from_name = S("B\xc3\xb6t"),
		.to = to,
		.to_n = ARRAY_LEN(to),
		.subject = subject,
		.message_id = S("<1@" DOMAIN ">"),
		.conversation_id = S("conv 1"),
		.text = S("Hello \n\n\n"),
		.html = html,
		.attachments = &file,
		.attachments_n = data.n > 0,
	};

	assert_int_equal(compose_mail(&m, ret, NULL), OK);
}

static void composed_mails_verify(void **state)
{
	static const struct {
		struct slice subject, html, data;
	} rows[] = {
		{ SLICE_INIT("Hi"), SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT("Gr\xc3\xbc\xc3\x9f"
			     "e"),
		  SLICE_INIT("<p>Hello</p>"), SLICE_INIT("") },
		{ SLICE_INIT("many words in one line of text, more of them than there is room for"),
		  SLICE_INIT(""), SLICE_INIT("\0\1\2") },
		{ SLICE_INIT(""), SLICE_INIT("<p>"), SLICE_INIT("\r\n\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
		AUTO(buf_release) struct buf field = BUF_INIT(DKIM_SIGN_FIELD_MAX);
		char *from;

		compose(rows[i].subject, rows[i].html, rows[i].data, &mail);
		sign(buf_slice(&mail), &field);
		assert_row(i, verifies(buf_slice(&field), buf_slice(&mail)));
		from = mail.p + slice_search(buf_slice(&mail), S("bot@"));
		*from = 'c';
		assert_row(i, !verifies(buf_slice(&field), buf_slice(&mail)));
		*from = 'b';
		buf_add_str(&mail, "more\r\n");
		assert_row(i, !verifies(buf_slice(&field), buf_slice(&mail)));
	}
}

static void fields_cannot_be_added(void **state)
{
	static const char *const names[] = { "From",
					     "To",
					     "Cc",
					     "Subject",
					     "Date",
					     "Reply-To",
					     "Message-ID",
					     "In-Reply-To",
					     "References",
					     "MIME-Version",
					     "Content-Type",
					     "Content-Transfer-Encoding",
					     "Content-Disposition" };
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
	AUTO(buf_release) struct buf field = BUF_INIT(DKIM_SIGN_FIELD_MAX);

	(void)state;
	compose(S("Hi"), S("<p>"), S(""), &mail);
	sign(buf_slice(&mail), &field);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(buf_release) struct buf more = BUF_INIT(MAIL_MAX);

		buf_addf(&more, "%s: x\r\n%s", names[i], buf_cstr(&mail));
		assert_row(i, !verifies(buf_slice(&field), buf_slice(&more)));
	}
}

static void a_mail_that_may_wait_is_signed_for_longer(void **state)
{
	const struct dkim_sign_key key = good_key();
	AUTO(dkim_signer_freep) struct dkim_signer *lasting = NULL;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(DKIM_SIGN_FIELD_MAX);
	uint64_t signed_s = 0, expires_s = 0;

	(void)state;
	assert_int_equal(dkim_signer_new(3600, &lasting, NULL), OK);
	assert_int_equal(dkim_signer_sign(lasting, &key, S(SIMPLE), &b, NULL), OK);
	assert_int_equal(slice_to_u64(tag(buf_slice(&b), "t", &a), INT64_MAX, &signed_s), OK);
	assert_int_equal(slice_to_u64(tag(buf_slice(&b), "x", &a), INT64_MAX, &expires_s), OK);
	assert_int_equal(expires_s - signed_s, DKIM_SIGN_DAYS * 24 * 60 * 60 + 3600);
}

static void the_field_is_what_it_should_be(void **state)
{
	static const struct {
		const char *tag, *want;
	} rows[] = {
		{ "v", "1" },    { "a", "rsa-sha256" }, { "c", "relaxed/relaxed" },
		{ "d", DOMAIN }, { "s", "e2a1" },       { "l", "" },
		{ "q", "" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(DKIM_SIGN_FIELD_MAX + 7);
	uint64_t signed_s = 0, expires_s = 0;
	struct slice value, rest, line;

	(void)state;
	buf_add_str(&b, "before\n");
	sign(S(SIMPLE), &b);
	assert_true(slice_starts(buf_slice(&b), S("before\nDKIM-Signature: v=1;")));
	value = slice_sub(buf_slice(&b), sizeof("before\nDKIM-Signature: ") - 1, b.len);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(tag(value, rows[i].tag, &a), slice_str(rows[i].want), i);
	assert_int_equal(slice_to_u64(tag(value, "t", &a), INT64_MAX, &signed_s), OK);
	assert_int_equal(slice_to_u64(tag(value, "x", &a), INT64_MAX, &expires_s), OK);
	assert_in_range(clock_now_us() / 1000000 - (int64_t)signed_s, 0, 60);
	assert_int_equal(expires_s - signed_s, DKIM_SIGN_DAYS * 24 * 60 * 60);
	rest = slice_sub(buf_slice(&b), sizeof("before\n") - 1, b.len - 1);
	while (slice_cut(&rest, '\n', &line)) {
		assert_true(slice_find(line, '\r') == (ptrdiff_t)line.n - 1);
		assert_true(line.n <= HEADER_LINE_WANT + 1);
	}
}

static void what_cannot_be_signed_is_refused(void **state)
{
	const struct dkim_sign_key good = good_key();
	const struct {
		const char *domain, *selector, *key, *mail;
		enum err want;
	} rows[] = {
		{ "", "e2a1", NULL, SIMPLE, ERR_INPUT },
		{ "localhost", "e2a1", NULL, SIMPLE, ERR_INPUT },
		{ "Agents.example", "e2a1", NULL, SIMPLE, ERR_INPUT },
		{ "a.example; l=0", "e2a1", NULL, SIMPLE, ERR_INPUT },
		{ "a.example\r\nX: y", "e2a1", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, "", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, "e2a1;", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, "e2a 1", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, "e2a1\r\nX: y", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, ".", NULL, SIMPLE, ERR_INPUT },
		{ DOMAIN, "e2a1", "", SIMPLE, ERR_CRYPTO },
		{ DOMAIN, "e2a1", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		  SIMPLE, ERR_CRYPTO },
		{ DOMAIN, "e2a1", "garbage", SIMPLE, ERR_CRYPTO },
		{ DOMAIN, "e2a1", NULL, "", ERR_INPUT },
		{ DOMAIN, "e2a1", NULL, "no header\r\n", ERR_INPUT },
		{ DOMAIN, "e2a1", NULL, "To: a@b.example\r\n\r\nno From\r\n", ERR_INPUT },
		{ DOMAIN, "e2a1", NULL, "From: a@b.example\r\n", OK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(DKIM_SIGN_FIELD_MAX);
		struct dkim_sign_key key = { slice_str(rows[i].domain), slice_str(rows[i].selector),
					     good.private_key };

		if (rows[i].key)
			key.private_key = slice_str(rows[i].key);
		assert_row(i, dkim_signer_sign(signer, &key, slice_str(rows[i].mail), &b, NULL) ==
				      rows[i].want);
		assert_row(i, (b.len == 0) == (rows[i].want != OK));
	}
}

static void a_signature_that_does_not_fit_is_an_error(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	const struct dkim_sign_key key = good_key();

	(void)state;
	assert_int_equal(dkim_signer_sign(signer, &key, S(SIMPLE), &b, NULL), ERR_TOO_BIG);
}

static void *sign_many(void *arg)
{
	size_t *good = arg;

	for (size_t i = 0; i < SIGNATURES; i++) {
		AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
		AUTO(buf_release) struct buf field = BUF_INIT(DKIM_SIGN_FIELD_MAX);

		buf_addf(&mail, "From: a@" DOMAIN "\r\nSubject: %zu\r\n\r\n%p\r\n", i, arg);
		sign(buf_slice(&mail), &field);
		*good += verifies(buf_slice(&field), buf_slice(&mail));
	}
	return NULL;
}

static void many_threads_sign_at_once(void **state)
{
	pthread_t threads[THREADS];
	size_t good[THREADS] = { 0 };

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_many, &good[i]), 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(good[i], SIGNATURES);
	}
}

static int started(void **state)
{
	(void)state;
	mime_init();
	buf_add_str(&record, "v=DKIM1; k=rsa; p=");
	return rsa_generate(&private_key, &record) || dkim_signer_new(0, &signer, NULL) ? -1 : 0;
}

static int ended(void **state)
{
	(void)state;
	dkim_signer_free(signer);
	dkim_signer_free(NULL);
	buf_release(&private_key);
	buf_release(&record);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(composed_mails_verify),
		cmocka_unit_test(fields_cannot_be_added),
		cmocka_unit_test(the_field_is_what_it_should_be),
		cmocka_unit_test(a_mail_that_may_wait_is_signed_for_longer),
		cmocka_unit_test(what_cannot_be_signed_is_refused),
		cmocka_unit_test(a_signature_that_does_not_fit_is_an_error),
		cmocka_unit_test(many_threads_sign_at_once),
	};

	return cmocka_run_group_tests(tests, started, ended);
}
