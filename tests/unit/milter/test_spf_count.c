/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of RFC 7208 4.6.4. */
#include "milter/spf_count.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct dns_answer answer(struct slice *v, size_t n)
{
	return (struct dns_answer){ .v = v, .n = n };
}

static void the_eleventh_look_up_is_one_too_many(void **state)
{
	struct spf_count c = { 0 };

	(void)state;
	for (int i = 0; i < SPF_LOOKUPS_MAX; i++)
		assert_true(spf_count_query(&c, S("a.example"), i % 2 ? DNS_TXT : DNS_A));
	assert_false(spf_count_query(&c, S("a.example"), DNS_A));
	assert_string_equal(c.exceeded, "lookups");
}

static void the_third_void_look_up_is_one_too_many(void **state)
{
	const struct dns_answer none = { 0 };
	struct spf_count c = { 0 };

	(void)state;
	spf_count_answer(&c, S("a.example"), DNS_A, &none, true, NULL);
	spf_count_answer(&c, S("b.example"), DNS_TXT, &none, false, NULL);
	assert_null(c.exceeded);
	spf_count_answer(&c, S("c.example"), DNS_MX, &none, false, NULL);
	assert_string_equal(c.exceeded, "void_lookups");
	assert_false(spf_count_query(&c, S("d.example"), DNS_A));
}

static void addresses_of_mail_hosts_belong_to_the_mx_term(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice hosts[] = { S("10 m1.example"), S("20 m2.example") };
	const struct dns_answer mx = answer(hosts, 2), none = { 0 };
	struct spf_count c = { 0 };

	(void)state;
	assert_true(spf_count_query(&c, S("example"), DNS_MX));
	spf_count_answer(&c, S("example"), DNS_MX, &mx, false, &a);
	for (int i = 0; i < 30; i++)
		assert_true(spf_count_query(&c, S("M1.example"), DNS_AAAA));
	assert_int_equal(c.lookups, 1);
	/* no address of that family is no void look-up, a name that does not exist is */
	for (int i = 0; i < 5; i++)
		spf_count_answer(&c, S("m1.example"), DNS_AAAA, &none, false, &a);
	assert_int_equal(c.voids, 0);
	spf_count_answer(&c, S("m2.example"), DNS_AAAA, &none, true, &a);
	assert_int_equal(c.voids, 1);
	assert_true(spf_count_query(&c, S("other.example"), DNS_A));
	assert_int_equal(c.lookups, 2);
}

static void eleven_mail_hosts_are_too_many_but_eleven_pointers_are_not(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice v[SPF_NAMES_MAX + 1];
	const struct dns_answer many = answer(v, ARRAY_LEN(v));
	struct spf_count mx = { 0 }, ptr = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = S("10 m.example");
	spf_count_answer(&mx, S("example"), DNS_MX, &many, false, &a);
	assert_string_equal(mx.exceeded, "mx_names");
	spf_count_answer(&ptr, S("1.2.0.192.in-addr.arpa"), DNS_PTR, &many, false, &a);
	assert_null(ptr.exceeded);
	assert_int_equal(ptr.names_n, SPF_NAMES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_eleventh_look_up_is_one_too_many),
		cmocka_unit_test(the_third_void_look_up_is_one_too_many),
		cmocka_unit_test(addresses_of_mail_hosts_belong_to_the_mx_term),
		cmocka_unit_test(eleven_mail_hosts_are_too_many_but_eleven_pointers_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
