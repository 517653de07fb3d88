/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/mime.h"
#include "common/mail/mail_hash.h"
#include "common/mail/verdict.h"
#include "deliverd/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char host[] = "mx.test";
static const struct settings settings = { .mail_host = host,
					  .verdict_max_age_ms = 86400000,
					  .message_retention_ms = 1000 };
static const struct ingest_config config = { .settings = &settings,
					     .seal_key = SLICE_INIT("0123456789abcdef"
								    "0123456789abcdef") };

struct fixture {
	struct budget budget;
	struct mail *m;
	struct ingest in;
};

static void begin(struct fixture *f, struct slice raw)
{
	*f = (struct fixture){ .budget = { .limit = 1 << 20 } };
	f->m = mail_new(&f->budget, 1 << 20);
	assert_true(mail_charge(f->m, raw.n));
	buf_add_slice(&f->m->raw, raw);
	f->m->sender = S("bounce@list.example");
	f->m->xforward.ident = S("4Qabc");
	mail_add_rcpt(f->m, S("bot@agents.test"));
}

static void end(struct fixture *f)
{
	mail_free(f->m);
	assert_int_equal(f->budget.used, 0);
}

static bool has_flag(const struct ingest *in, const char *word)
{
	for (size_t i = 0; i < in->mail.parse_flags.n; i++)
		if (slice_eq(in->mail.parse_flags.v[i], slice_str(word)))
			return true;
	return false;
}

static void headers_of_any_kind_are_stored(void **state)
{
	static const struct {
		const char *raw;
		size_t n;
		const char *from, *sender, *subject, *flag;
	} rows[] = {
#define RAW(s) s, sizeof(s) - 1
		{ RAW("From: A <a@b.example>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\n"),
		  "a@b.example", "a@b.example", "Gr\303\274\303\237e", NULL },
		{ RAW("Subject: x\r\n\r\n"), "", "bounce@list.example", "x", "no_from" },
		{ RAW("From: a@b.example\r\nFrom: c@d.example\r\n\r\n"), NULL, NULL, "",
		  "many_from" },
		{ RAW("From: a@b.example, c@d.example\r\n\r\n"), NULL, NULL, "", "bad_from" },
		{ RAW("From: g: a@b.example;\r\n\r\n"), NULL, NULL, "", "bad_from" },
		{ RAW("From: =?x-unknown?q?=FF?= <a@b.example>\r\n\r\n"), "a@b.example",
		  "a@b.example", "", NULL },
		{ RAW("From: a@b.example\r\nSubject: caf\xe9 \0 end\r\n\r\n"), "a@b.example", NULL,
		  NULL, "odd_field" },
		{ RAW("From: a@b.example\r\nno colon here\r\n\r\n"), "a@b.example", NULL, "",
		  "bad_line" },
		{ RAW(""), "", "bounce@list.example", "", "no_from" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;

		begin(&f, slice_of(rows[i].raw, rows[i].n));
		ingest_prepare(f.m, &config, &f.in);
		if (rows[i].from)
			assert_true(slice_eq(f.in.mail.header_from, slice_str(rows[i].from)));
		if (rows[i].sender)
			assert_true(slice_eq(f.in.mail.sender, slice_str(rows[i].sender)));
		if (rows[i].subject)
			assert_true(slice_eq(f.in.mail.subject, slice_str(rows[i].subject)));
		if (rows[i].flag && !has_flag(&f.in, rows[i].flag))
			fail_msg("row %zu lacks %s", i, rows[i].flag);
		assert_false(f.in.mail.verified);
		assert_true(utf8_valid(f.in.mail.subject));
		assert_true(slice_find(f.in.mail.subject, '\0') < 0);
		assert_true(slice_eq(f.in.mail.verdict, S("no_verdict")));
		end(&f);
	}
}

static void recipients_are_a_set_by_their_folded_address(void **state)
{
	static const size_t want[] = { 0, 0, 1, SIZE_MAX, 2, 1 };
	struct slice text;
	struct fixture f;

	(void)state;
	begin(&f, S("From: a@b.example\r\n\r\n"));
	mail_add_rcpt(f.m, S("BOT@Agents.Test"));
	mail_add_rcpt(f.m, S("bot+x@agents.test"));
	mail_add_rcpt(f.m, S("nodomain"));
	mail_add_rcpt(f.m, S("z@agents.test"));
	mail_add_rcpt(f.m, S("Bot+X@agents.test"));
	ingest_prepare(f.m, &config, &f.in);
	assert_int_equal(f.in.rcpts_n, 3);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(f.in.rcpt_of[i], want[i]);
	assert_true(slice_eq(f.in.rcpts[1].base, S("bot@agents.test")));
	assert_true(slice_eq(f.in.rcpts[1].recipient, S("bot+x@agents.test")));
	f.in.rcpts[0].found = f.in.rcpts[0].stored = true;
	f.in.rcpts[1].found = true;
	assert_int_equal(ingest_reply(&f.in, 1, &text), OK);
	assert_true(slice_eq(text, f.in.rcpts[0].message_id));
	assert_int_equal(ingest_reply(&f.in, 2, &text), OK);
	assert_int_equal(ingest_reply(&f.in, 3, &text), ERR_NOT_FOUND);
	assert_int_equal(ingest_reply(&f.in, 4, &text), ERR_NOT_FOUND);
	f.in.code = ERR_COMMIT_UNKNOWN;
	assert_int_equal(err_info(ingest_reply(&f.in, 0, &text))->smtp, 451);
	f.in.code = ERR_CONFLICT; /* a failure of ours, whatever it is */
	assert_int_equal(err_info(ingest_reply(&f.in, 0, &text))->smtp, 451);
	end(&f);
}

/* "Received" of Postfix above, then the verdict, then what the milter saw. */
static void seal(struct verdict *v, const char *below, const char *body, struct buf *ret)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf value = BUF_INIT(65536);
	struct mail_hash *hash = mail_hash_new();
	struct header h;

	header_parse(slice_str(below), &a, &h);
	for (size_t i = 0; i < h.n; i++)
		mail_hash_field(hash, h.v[i].name, h.v[i].value);
	mail_hash_body(hash, slice_str(body));
	mail_hash_finish(hash, v->header_hash, v->body_hash);
	verdict_seal(v, config.seal_key, &value);
	buf_addf(ret, "Received: by mx.test\r\n%s: ", VERDICT_HEADER);
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '\n')
			buf_add_char(ret, '\r');
		buf_add_char(ret, value.p[i]);
	}
	buf_addf(ret, "\r\n%s\r\n%s", below, body);
}

static void a_sealed_verdict_is_believed_and_removed(void **state)
{
	static const char below[] = "Authentication-Results: mx.test; dkim=pass\r\n"
				    "From: A <a@b.example>\r\n";
	AUTO(buf_release) struct buf raw = BUF_INIT(65536), want = BUF_INIT(65536);
	struct verdict v = {
		.queue_id = S("4Qabc"),
		.time_us = clock_now_us(),
		.origin = S("smtp"),
		.header_from = S("a@b.example"),
		.author_valid = true,
		.spf = AUTH_FAIL,
		.dkim_all = AUTH_PASS,
		.dkim_n = 1,
		.dmarc = AUTH_PASS,
		.dkim = { { .result = AUTH_PASS, .domain = S("b.example"), .aligned = true } },
	};
	struct fixture f;

	(void)state;
	seal(&v, below, "body\r\n", &raw);
	begin(&f, buf_slice(&raw));
	ingest_prepare(f.m, &config, &f.in);
	buf_addf(&want, "Received: by mx.test\r\n%s\r\nbody\r\n", below);
	assert_true(slice_eq(f.in.mail.raw, buf_slice(&want)));
	assert_true(f.in.mail.verified);
	assert_true(slice_eq(f.in.mail.verdict, S("sealed")));
	assert_true(slice_eq(f.in.mail.domain_check, S("spf=fail; dkim=pass; dmarc=pass")));
	assert_true(slice_search(f.in.mail.authentication, S("\"aligned\":true")) > 0);
	end(&f);
	/* the same mail under another queue id */
	begin(&f, buf_slice(&raw));
	f.m->xforward.ident = S("4Qother");
	ingest_prepare(f.m, &config, &f.in);
	assert_false(f.in.mail.verified);
	assert_true(slice_eq(f.in.mail.verdict, S("queue_id")));
	assert_true(slice_eq(f.in.mail.domain_check, S("spf=none; dkim=none; dmarc=none")));
	assert_string_equal(buf_cstr(&f.m->raw),
			    "Received: by mx.test\r\nFrom: A <a@b.example>\r\n\r\nbody\r\n");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_any_kind_are_stored),
		cmocka_unit_test(recipients_are_a_set_by_their_folded_address),
		cmocka_unit_test(a_sealed_verdict_is_believed_and_removed),
	};

	mime_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
