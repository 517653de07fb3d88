/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be published. What is there is judged in test_dns_judge.c. */
#include "common/mail/dns_records.h"
#include "tests/unit/test.h"

static char mail_host[] = "mx.e2a.example", none[] = "", provider[] = "include:spf.example";

static void assert_wanted(const struct dns_record *r, const char *host, const char *value)
{
	assert_slice(r->host, slice_str(host));
	assert_slice(r->value, slice_str(value));
}

static void a_claim_asks_for_everything(void **state)
{
	const struct settings s = { .mail_host = mail_host, .spf_mechanism = none };
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_record r[DNS_RECORD_COUNT] = {
		[DNS_RECORD_DKIM] = { .selector = S("e2a2"), .key = S("AAAA") },
		[DNS_RECORD_DKIM_NEXT] = { .selector = S("e2a1"), .key = S("BBBB") },
	};

	(void)state;
	dns_records_describe(&s, S("e2a-verify=0"), &a, r);
	assert_wanted(&r[DNS_RECORD_MX], "@", "mx.e2a.example");
	assert_wanted(&r[DNS_RECORD_TXT], "@", "e2a-verify=0");
	assert_wanted(&r[DNS_RECORD_SPF], "@", "v=spf1 a:mx.e2a.example ~all");
	assert_wanted(&r[DNS_RECORD_DMARC], "_dmarc", "v=DMARC1; p=quarantine");
	assert_wanted(&r[DNS_RECORD_DKIM], "e2a2._domainkey", "v=DKIM1; k=rsa; p=AAAA");
	assert_wanted(&r[DNS_RECORD_DKIM_NEXT], "e2a1._domainkey", "v=DKIM1; k=rsa; p=BBBB");
	assert_wanted(&r[DNS_RECORD_DKIM_RETIRED], "", "");
}

static void a_domain_of_the_deployment_proves_nothing(void **state)
{
	const struct settings s = { .mail_host = mail_host, .spf_mechanism = provider };
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_record r[DNS_RECORD_COUNT] = { 0 };

	(void)state;
	dns_records_describe(&s, S(""), &a, r);
	assert_wanted(&r[DNS_RECORD_TXT], "", "");
	assert_wanted(&r[DNS_RECORD_SPF], "@", "v=spf1 include:spf.example ~all");
	assert_wanted(&r[DNS_RECORD_DKIM], "", "");
}

static void names_lead_back_to_their_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++) {
		const char *name = dns_record_name((enum dns_record_kind)i);

		assert_int_equal(dns_record_of(slice_str(name)), i);
	}
	assert_int_equal(dns_record_of(S("")), DNS_RECORD_COUNT);
	assert_int_equal(dns_record_of(S("dkim_")), DNS_RECORD_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_asks_for_everything),
		cmocka_unit_test(a_domain_of_the_deployment_proves_nothing),
		cmocka_unit_test(names_lead_back_to_their_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
