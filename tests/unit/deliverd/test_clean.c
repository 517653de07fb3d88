/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "common/mail/header.h"
#include "deliverd/clean.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void forged_headers_are_removed_and_the_rest_stays(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "From: a\r\n\r\nb", "From: a\r\n\r\nb" },
		{ "X-E2A-Auth-Verified: true\r\nFrom: a\r\n\r\nb", "From: a\r\n\r\nb" },
		{ "From: a\r\nx-e2a-verdict : v\r\n\tfold\r\nTo: b\r\n\r\n",
		  "From: a\r\nTo: b\r\n\r\n" },
		{ "X_E2A_Auth: 1\r\nX-E2A: 2\r\n\r\nX-E2A-Body: stays\r\n",
		  "\r\nX-E2A-Body: stays\r\n" },
		{ "Authentication-Results: mx.test; spf=pass\r\n"
		  "Authentication-Results: MX.Test. 1; spf=pass\r\n"
		  "AUTHENTICATION-RESULTS :\r\n (c) mx.test;spf=pass\r\n"
		  "Authentication-Results: other.test; spf=pass\r\n\r\n",
		  "Authentication-Results: other.test; spf=pass\r\n\r\n" },
		{ "X-E2A-A: 1\r\n", "" },
		{ "", "" },
		{ "no header\r\nX-E2A-A: 1\r\nB: 2\r\n\r\n", "no header\r\nB: 2\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf raw = BUF_INIT(1024);

		buf_add_str(&raw, rows[i].in);
		clean_untrusted(&raw, S("mx.test"));
		assert_string_equal(buf_cstr(&raw), rows[i].want);
	}
}

/* Forgeries behind more fields and bytes than the parser keeps. */
static void no_number_of_fields_hides_a_forgery(void **state)
{
	AUTO(buf_release) struct buf raw = BUF_INIT(4 * 1024 * 1024);
	AUTO(buf_release) struct buf want = BUF_INIT(4 * 1024 * 1024);

	(void)state;
	for (size_t i = 0; i < 5 * HEADER_FIELDS_MAX; i++) {
		buf_addf(&want, "A%zu: %0200zu\r\n", i, i);
		buf_addf(&raw, "A%zu: %0200zu\r\n", i, i);
		if (i % 7 == 0)
			buf_addf(&raw, "X-E2A-Auth-Verified: true\r\n");
		if (i % 501 == 0)
			buf_addf(&raw, "Authentication-Results: mx.test; dkim=pass\r\n\tmore\r\n");
	}
	buf_add_str(&raw, "X-E2A-Last: 1\r\n\r\nbody");
	buf_add_str(&want, "\r\nbody");
	clean_untrusted(&raw, S("mx.test"));
	assert_int_equal(raw.len, want.len);
	assert_memory_equal(raw.p, want.p, want.len);
}

static void a_huge_field_hides_none_either(void **state)
{
	AUTO(buf_release) struct buf raw = BUF_INIT(4 * 1024 * 1024);

	(void)state;
	buf_add_str(&raw, "Big: x\r\n");
	while (raw.len < 3 * HEADER_BYTES_MAX + 77)
		buf_add_str(&raw, " 0123456789 0123456789 0123456789 0123456789\r\n");
	buf_add_str(&raw, "X-E2A-Auth-Verified: true\r\nTo: x\r\n\r\nbody");
	clean_untrusted(&raw, S("mx.test"));
	assert_int_equal(slice_search(buf_slice(&raw), S("X-E2A")), -1);
	assert_true(slice_ends(buf_slice(&raw), S("To: x\r\n\r\nbody")));
}

static void a_trusted_mail_loses_its_verdict_only(void **state)
{
	AUTO(buf_release) struct buf raw = BUF_INIT(1024);

	(void)state;
	buf_add_str(&raw, "Received: by mx\r\nX-E2A-Verdict: v=1;\r\n\ts=x\r\n"
			  "Authentication-Results: mx.test; spf=pass\r\nFrom: a\r\n\r\nb\0");
	clean_trusted(&raw);
	assert_string_equal(buf_cstr(&raw),
			    "Received: by mx\r\nAuthentication-Results: mx.test; spf=pass\r\n"
			    "From: a\r\n\r\nb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forged_headers_are_removed_and_the_rest_stays),
		cmocka_unit_test(no_number_of_fields_hides_a_forgery),
		cmocka_unit_test(a_huge_field_hides_none_either),
		cmocka_unit_test(a_trusted_mail_loses_its_verdict_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
