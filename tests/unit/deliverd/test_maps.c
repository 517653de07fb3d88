/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HEAD "# Written by e2a-deliverd. Changes here are lost.\n"

static void tables_hold_one_domain_per_line(void **state)
{
	char transport[] = "e2a", listen[] = "unix:/run/e2a/lmtp.sock", postmaster[] = "root";
	const struct settings s = { .milter_transport = transport,
				    .lmtp_listen = listen,
				    .postmaster = postmaster };
	const struct slice domains[] = { S("a.example"), S("b.example") };
	struct buf b[MAPS_COUNT] = { BUF_INIT(4096), BUF_INIT(4096), BUF_INIT(4096) };

	(void)state;
	maps_write(&s, S("b.example"), domains, 2, b);
	assert_string_equal(buf_cstr(&b[MAPS_DOMAINS]), HEAD "a.example\tOK\nb.example\tOK\n");
	assert_string_equal(buf_cstr(&b[MAPS_TRANSPORT]),
			    HEAD "a.example\te2a:unix:/run/e2a/lmtp.sock\n"
				 "b.example\te2a:unix:/run/e2a/lmtp.sock\n");
	assert_string_equal(buf_cstr(&b[MAPS_ALIASES]),
			    HEAD "postmaster@a.example\troot\nabuse@a.example\troot\n"
				 "postmaster@b.example\troot\nabuse@b.example\troot\n"
				 "hitl-noreply@b.example\troot\n");
	for (size_t i = 0; i < MAPS_COUNT; i++)
		buf_release(&b[i]);
}

static void a_name_that_could_add_a_line_is_left_out(void **state)
{
	char text[] = "x";
	const struct settings s = { .milter_transport = text,
				    .lmtp_listen = text,
				    .postmaster = text };
	const struct slice domains[] = {
		S("a.example\nb"), S("c d"), S(""), S(".e"), { "f\0g", 3 }
	};
	struct buf b[MAPS_COUNT] = { BUF_INIT(4096), BUF_INIT(4096), BUF_INIT(4096) };

	(void)state;
	maps_write(&s, S(""), domains, ARRAY_LEN(domains), b);
	for (size_t i = 0; i < MAPS_COUNT; i++) {
		assert_string_equal(buf_cstr(&b[i]), HEAD);
		buf_release(&b[i]);
	}
}

static void the_suffix_follows_the_type(void **state)
{
	(void)state;
	assert_string_equal(maps_suffix("hash"), ".db");
	assert_string_equal(maps_suffix("lmdb"), ".lmdb");
	assert_null(maps_suffix("texthash"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_hold_one_domain_per_line),
		cmocka_unit_test(a_name_that_could_add_a_line_is_left_out),
		cmocka_unit_test(the_suffix_follows_the_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
