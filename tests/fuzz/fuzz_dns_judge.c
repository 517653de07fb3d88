/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in DNS, one a line: their order changes no judgement, and nothing is taken for
 * published that does not hold what is wanted.
 */
#include "tests/fuzz/fuzz.h"

#include "common/mail/dns_judge.h"

enum { RECORDS_MAX = 8, JUDGES = 6 };

#define KEY "MIIBIjANBgkqhkiG9w0B/AQ+EFAAOCAQ8A=="
#define TOKEN "e2a-verify=0190b3a4c5d67e8f90a1b2c3d4e5f607"

static void judge(const struct dns_answer *answer, enum dns_status ret[JUDGES])
{
	ret[0] = dns_judge_mx(answer, S("mx.e2a.example"));
	ret[1] = dns_judge_token(answer, S(TOKEN));
	ret[2] = dns_judge_dkim(answer, S(KEY));
	ret[3] = dns_judge_spf(answer, S("a:mx.e2a.example"), false);
	ret[4] = dns_judge_spf(answer, S("a:mx.e2a.example"), true);
	ret[5] = dns_judge_dmarc(answer);
}

static bool any_holds(const struct dns_answer *answer, struct slice text)
{
	for (size_t i = 0; i < answer->n; i++)
		for (size_t at = 0; at < answer->v[i].n; at++)
			if (slice_istarts(slice_sub(answer->v[i], at, answer->v[i].n), text))
				return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const needed[JUDGES] = { "mx.e2a.example",   TOKEN, "p",
						    "a:mx.e2a.example", "mx",  "DMARC1" };
	struct slice rest = slice_of((const char *)data, size), v[RECORDS_MAX], back[RECORDS_MAX];
	struct dns_answer answer = { .v = v }, turned = { .v = back };
	enum dns_status one[JUDGES], other[JUDGES];

	while (answer.n < RECORDS_MAX && slice_cut(&rest, '\n', &v[answer.n]))
		answer.n++;
	turned.n = answer.n;
	for (size_t i = 0; i < answer.n; i++)
		back[i] = v[answer.n - 1 - i];
	judge(&answer, one);
	judge(&turned, other);
	for (size_t i = 0; i < JUDGES; i++) {
		FUZZ_CHECK(one[i] == other[i] && one[i] != DNS_UNKNOWN);
		FUZZ_CHECK(one[i] != DNS_PUBLISHED || any_holds(&answer, slice_str(needed[i])));
	}
	FUZZ_CHECK(one[2] != DNS_PUBLISHED || (answer.n == 1 && answer.v[0].n > sizeof(KEY)));
	return 0;
}
