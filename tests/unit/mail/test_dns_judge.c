/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of what stands in DNS and what it is worth. */
#include "common/mail/dns_judge.h"
#include "tests/unit/test.h"

enum { RECORDS_MAX = 4 };

#define KEY "MIIBIjANBgkqhkiG9w0B/AQ+EFAAOCAQ8A=="
#define TOKEN "e2a-verify=0190b3a4c5d67e8f90a1b2c3d4e5f607"

/* One row: at most RECORDS_MAX records, ended by NULL. */
struct row {
	const char *records[RECORDS_MAX + 1];
	enum dns_status want;
};

static struct dns_answer answer_of(const struct row *row, struct slice v[RECORDS_MAX])
{
	struct dns_answer answer = { .v = v };

	while (row->records[answer.n]) {
		v[answer.n] = slice_str(row->records[answer.n]);
		answer.n++;
	}
	return answer;
}

#define CHECK(rows, call)                                                                          \
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {                                             \
		struct slice v[RECORDS_MAX];                                                       \
		const struct dns_answer answer = answer_of(&(rows)[i], v);                         \
		enum dns_status got = (call);                                                      \
                                                                                                   \
		if (got != (rows)[i].want)                                                         \
			fail_msg("row %zu: %s", i, dns_status_word(got));                          \
	}

static void the_preferred_mx_must_be_ours(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, DNS_MISSING },
		{ { "10 mx.e2a.example" }, DNS_PUBLISHED },
		{ { "0 MX.e2a.EXAMPLE" }, DNS_PUBLISHED },
		{ { "10 mx.e2a.example", "20 backup.example" }, DNS_PUBLISHED },
		{ { "20 backup.example", "10 mx.e2a.example" }, DNS_PUBLISHED },
		{ { "10 mx.e2a.example", "10 mx.e2a.example" }, DNS_PUBLISHED },
		{ { "20 other.example", "20 backup.example", "10 mx.e2a.example" }, DNS_PUBLISHED },
		{ { "10 other.example", "10 mx.e2a.example" }, DNS_DIFFERENT },
		{ { "10 mx.e2a.example", "10 other.example" }, DNS_DIFFERENT },
		{ { "10 mx.e2a.example", "10 other.example", "10 mx.e2a.example" }, DNS_DIFFERENT },
		{ { "10 mx.e2a.example", "5 other.example" }, DNS_DIFFERENT },
		{ { "5 other.example", "10 mx.e2a.example" }, DNS_DIFFERENT },
		{ { "10 other.example" }, DNS_DIFFERENT },
		{ { "10 a.mx.e2a.example" }, DNS_DIFFERENT },
		{ { "10 mx.e2a.example.other.example" }, DNS_DIFFERENT },
		{ { "0 " }, DNS_DIFFERENT }, /* null MX */
		{ { "" }, DNS_DIFFERENT },
		{ { "70000 mx.e2a.example" }, DNS_DIFFERENT },
	};

	(void)state;
	CHECK(rows, dns_judge_mx(&answer, S("mx.e2a.example")));
	CHECK(rows, dns_judge_mx(&answer, S("mx.e2a.example.")));
}

static void only_the_exact_token_counts(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, DNS_MISSING },
		{ { TOKEN }, DNS_PUBLISHED },
		{ { " " TOKEN "\t" }, DNS_PUBLISHED },
		{ { "v=spf1 -all", TOKEN, "else" }, DNS_PUBLISHED },
		{ { "e2a-verify=", TOKEN }, DNS_PUBLISHED },
		{ { "v=spf1 -all", "else" }, DNS_MISSING },
		{ { TOKEN "0" }, DNS_DIFFERENT },
		{ { "e2a-verify=" }, DNS_DIFFERENT },
		{ { "x" TOKEN }, DNS_MISSING },
		{ { "E2A-VERIFY=0190b3a4c5d67e8f90a1b2c3d4e5f607" }, DNS_MISSING },
	};

	(void)state;
	CHECK(rows, dns_judge_token(&answer, S(TOKEN)));
}

static void a_key_record_is_read_as_verifiers_read_it(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, DNS_MISSING },
		{ { "v=DKIM1; k=rsa; p=" KEY }, DNS_PUBLISHED },
		{ { "p=" KEY }, DNS_PUBLISHED },
		{ { "v=DKIM1;p=" KEY ";" }, DNS_PUBLISHED },
		{ { "v=DKIM1; p=" KEY "; k=rsa" }, DNS_PUBLISHED },
		{ { " v = DKIM1 ;\tk = rsa ; p = MIIBIjAN Bgkqhki\tG9w0B/AQ+EFAA\r\n OCAQ8A== ;" },
		  DNS_PUBLISHED },
		{ { "v=DKIM1; h=sha1:sha256; s=*; t=s; n=a=b; x=; p=" KEY }, DNS_PUBLISHED },
		{ { "v=DKIM1; s=other : email; p=" KEY }, DNS_PUBLISHED },
		/* another key, or none */
		{ { "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B/AQ+EFAAOCAQ8B==" }, DNS_DIFFERENT },
		{ { "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B" }, DNS_DIFFERENT }, /* cut */
		{ { "v=DKIM1; k=rsa; p=" KEY "A" }, DNS_DIFFERENT },
		{ { "v=DKIM1; k=rsa; p=" }, DNS_DIFFERENT }, /* revoked */
		{ { "v=DKIM1; k=rsa" }, DNS_DIFFERENT },
		{ { "" }, DNS_DIFFERENT },
		{ { KEY }, DNS_DIFFERENT },
		{ { "v=spf1 -all" }, DNS_DIFFERENT },
		/* not for our signatures */
		{ { "v=DKIM1; k=ed25519; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; h=sha1; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; s=tlsrpt; p=" KEY }, DNS_DIFFERENT },
		/* being tested: as if nothing were signed */
		{ { "v=DKIM1; t=y; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; p=" KEY "; t=s : Y" }, DNS_DIFFERENT },
		{ { "v=DKIM1; t=sy; p=" KEY }, DNS_PUBLISHED },
		{ { "v=DKIM1; t=; p=" KEY }, DNS_PUBLISHED },
		/* what makes it void */
		{ { "k=rsa; v=DKIM1; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM2; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; p=" KEY "; p=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; P=" KEY }, DNS_DIFFERENT },
		{ { "v=DKIM1; k=rsa; p=\"" KEY "\"" }, DNS_DIFFERENT },
		/* which of two a verifier takes, nobody knows */
		{ { "v=DKIM1; p=" KEY, "v=DKIM1; p=AAAA" }, DNS_DIFFERENT },
	};

	(void)state;
	CHECK(rows, dns_judge_dkim(&answer, S(KEY)));
}

static void one_spf_record_must_name_us_where_it_counts(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, DNS_MISSING },
		{ { TOKEN, "v=spf10 a:mx.e2a.example", "v=spf2.0/pra" }, DNS_MISSING },
		{ { "v=spf1 a:mx.e2a.example ~all" }, DNS_PUBLISHED },
		{ { TOKEN, "V=SPF1  ip4:192.0.2.1 +A:mx.E2A.example -all" }, DNS_PUBLISHED },
		{ { "v=spf1 a:mx.e2a.example" }, DNS_PUBLISHED },
		{ { "v=spf1" }, DNS_DIFFERENT },
		{ { "v=spf1 -all" }, DNS_DIFFERENT },
		{ { "v=spf1 -a:mx.e2a.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 ?a:mx.e2a.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 -all a:mx.e2a.example" }, DNS_DIFFERENT },
		{ { "v=spf1 +all a:mx.e2a.example" }, DNS_DIFFERENT },
		{ { "v=spf1 a:mx.e2a.example.other.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 xa:mx.e2a.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 a ~all" }, DNS_DIFFERENT },
		/* what another record says, nobody asked */
		{ { "v=spf1 redirect=mx.e2a.example" }, DNS_UNKNOWN },
		{ { "v=spf1 redirect=b.example ip4:192.0.2.1" }, DNS_UNKNOWN },
		{ { "v=spf1 Include:b.example -all" }, DNS_UNKNOWN },
		{ { "v=spf1 +include:b.example ~all" }, DNS_UNKNOWN },
		{ { "v=spf1 include:b.example -a:mx.e2a.example" }, DNS_UNKNOWN },
		{ { "v=spf1 include:b.example a:mx.e2a.example -all" }, DNS_PUBLISHED },
		{ { "v=spf1 redirect=b.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 ~all include:b.example" }, DNS_DIFFERENT },
		{ { "v=spf1 -include:b.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 -a:mx.e2a.example include:b.example" }, DNS_DIFFERENT },
		{ { "v=spf1 include:b.example ~all", "v=spf1 -all" }, DNS_DIFFERENT },
		{ { "v=spf1 mx ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 a:mx.e2a.example ~all", "v=spf1 -all" }, DNS_DIFFERENT },
		{ { "v=spf1 a:mx.e2a.example ~all", "v=spf1 a:mx.e2a.example ~all" },
		  DNS_DIFFERENT },
	};
	static const struct row by_mx[] = {
		{ { "v=spf1 mx ~all" }, DNS_PUBLISHED },
		{ { "v=spf1 +MX -all" }, DNS_PUBLISHED },
		{ { "v=spf1 a:mx.e2a.example ~all" }, DNS_PUBLISHED },
		{ { "v=spf1 -mx ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 mx:other.example ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 mx ~all", "v=spf1 -all" }, DNS_DIFFERENT },
		{ { NULL }, DNS_MISSING },
	};
	static const struct row two[] = {
		{ { "v=spf1 include:b.example ip4:192.0.2.1 ~all" }, DNS_PUBLISHED },
		{ { "v=spf1 ip4:192.0.2.1 ~all" }, DNS_DIFFERENT },
		{ { "v=spf1 ip4:192.0.2.1 ~all include:b.example" }, DNS_DIFFERENT },
		{ { "v=spf1 ip4:192.0.2.1 include:c.example ~all" }, DNS_UNKNOWN },
		{ { "v=spf1 -ip4:192.0.2.1 include:b.example ~all" }, DNS_DIFFERENT },
	};

	(void)state;
	CHECK(rows, dns_judge_spf(&answer, S("a:mx.e2a.example"), false));
	CHECK(by_mx, dns_judge_spf(&answer, S("a:mx.e2a.example"), true));
	CHECK(two, dns_judge_spf(&answer, S("ip4:192.0.2.1  include:b.example"), false));
}

static void any_policy_is_a_dmarc_record(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, DNS_MISSING },
		{ { "v=DMARC1; p=quarantine" }, DNS_PUBLISHED },
		{ { "v=DMARC1;p=none;" }, DNS_PUBLISHED },
		{ { " v = DMARC1 ; rua=mailto:a@b.example ; p = Reject" }, DNS_PUBLISHED },
		{ { "v=spf1 -all", "v=DMARC1; p=reject" }, DNS_PUBLISHED },
		{ { "v=DMARC1" }, DNS_DIFFERENT },
		{ { "v=DMARC1; p=" }, DNS_DIFFERENT },
		{ { "v=DMARC1; p=quarantaine" }, DNS_DIFFERENT },
		{ { "v=DMARC1; sp=reject" }, DNS_DIFFERENT },
		{ { "v=DMARC1; p=none", "v=DMARC1; p=reject" }, DNS_DIFFERENT },
		{ { "p=reject; v=DMARC1" }, DNS_MISSING },
		{ { "v=DMARC2; p=reject" }, DNS_MISSING },
		{ { "v=dmarc1; p=reject" }, DNS_MISSING },
		{ { "" }, DNS_MISSING },
	};

	(void)state;
	CHECK(rows, dns_judge_dmarc(&answer));
}

static void words_lead_back_to_their_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < DNS_STATUS_COUNT; i++) {
		const char *word = dns_status_word((enum dns_status)i);

		assert_int_equal(dns_status_of(slice_str(word)), i);
	}
	assert_int_equal(dns_status_of(S("Published")), DNS_UNKNOWN);
	assert_int_equal(dns_status_of(S("")), DNS_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_preferred_mx_must_be_ours),
		cmocka_unit_test(only_the_exact_token_counts),
		cmocka_unit_test(a_key_record_is_read_as_verifiers_read_it),
		cmocka_unit_test(one_spf_record_must_name_us_where_it_counts),
		cmocka_unit_test(any_policy_is_a_dmarc_record),
		cmocka_unit_test(words_lead_back_to_their_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
