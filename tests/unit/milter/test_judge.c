/* SPDX-License-Identifier: Apache-2.0 */
/* Alignment and DMARC. In every row the identifiers and the author are given apart. */
#include "milter/judge.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIST "/usr/share/publicsuffix/public_suffix_list.dat"

static struct psl *psl;

static int open_list(void **state)
{
	struct fail fail;

	(void)state;
	return psl_open(LIST, &psl, &fail) == OK ? 0 : -1;
}

static int close_list(void **state)
{
	(void)state;
	psl_close(psl);
	return 0;
}

static void organisational_domains_follow_the_list(void **state)
{
	static const struct {
		const char *domain, *want;
	} rows[] = {
		{ "example.com", "example.com" },
		{ "a.b.example.com", "example.com" },
		{ "a.example.co.uk", "example.co.uk" },
		{ "co.uk", "" },
		{ "com", "" },
		{ "x.y.kawasaki.jp", "x.y.kawasaki.jp" },
		{ "y.kawasaki.jp", "" },
		{ "a.city.kawasaki.jp", "city.kawasaki.jp" },
		{ "a.user.github.io", "user.github.io" },
		/* a suffix that is not listed counts as one (publicsuffix.org: the rule "*") */
		{ "a.example.test", "example.test" },
		{ "a.xn--fiqs8s", "a.xn--fiqs8s" },
		{ "", "" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(slice_eq(org_domain(psl, slice_str(rows[i].domain), &a),
				     slice_str(rows[i].want)));
}

static void alignment_needs_one_organisation(void **state)
{
	static const struct {
		const char *a, *b;
		bool want;
	} rows[] = {
		{ "example.com", "example.com", true },
		{ "example.com", "EXAMPLE.com", true },
		{ "a.example.com", "b.example.com", true },
		{ "example.com", "example.net", false },
		{ "evil.com", "com", false },
		{ "a.test", "b.test", false },
		{ "x.a.test", "y.a.test", true },
		{ "a.co.uk", "b.co.uk", false },
		{ "a.github.io", "b.github.io", false },
		{ "notexample.com", "example.com", false },
		{ "", "", false },
		{ "example.com", "", false },
		{ "co.uk", "a.co.uk", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(org_aligned(psl, slice_str(rows[i].a), slice_str(rows[i].b)),
				 rows[i].want);
}

#define POLICY(...) .found = AUTH_PASS, .policy = SLICE_INIT("reject"), __VA_ARGS__

static const struct {
	const char *name;
	bool author_valid;
	const char *author_domain;
	enum auth_result spf;
	const char *spf_domain;
	enum auth_result dkim;
	const char *dkim_domain; /* NULL: no signature */
	struct dmarc_policy dmarc;
	enum auth_result want;
	bool verified;
} judgements[] = {
	{ "aligned spf",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "good.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_PASS,
	  true },
	{ "spf of another domain",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "evil.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "aligned spf that failed",
	  true,
	  "good.com",
	  AUTH_FAIL,
	  "good.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "softfail is no pass",
	  true,
	  "good.com",
	  AUTH_SOFTFAIL,
	  "good.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "spf of a subdomain",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "bounce.good.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_PASS,
	  true },
	{ "... where the policy is strict",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "bounce.good.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY(.strict_spf = true) },
	  AUTH_FAIL,
	  true },
	{ "aligned dkim",
	  true,
	  "good.com",
	  AUTH_FAIL,
	  "evil.com",
	  AUTH_PASS,
	  "good.com",
	  { POLICY() },
	  AUTH_PASS,
	  true },
	{ "dkim of another domain",
	  true,
	  "good.com",
	  AUTH_NONE,
	  "",
	  AUTH_PASS,
	  "evil.com",
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "dkim of a subdomain, strict",
	  true,
	  "good.com",
	  AUTH_NONE,
	  "",
	  AUTH_PASS,
	  "m.good.com",
	  { POLICY(.strict_dkim = true) },
	  AUTH_FAIL,
	  true },
	{ "dkim by policy only",
	  true,
	  "good.com",
	  AUTH_NONE,
	  "",
	  AUTH_POLICY,
	  "good.com",
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "the deciding key could not be had",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "evil.com",
	  AUTH_TEMPERROR,
	  "good.com",
	  { POLICY() },
	  AUTH_TEMPERROR,
	  false },
	{ "a foreign temperror decides nothing",
	  true,
	  "good.com",
	  AUTH_TEMPERROR,
	  "evil.com",
	  AUTH_NONE,
	  NULL,
	  { POLICY() },
	  AUTH_FAIL,
	  false },
	{ "no policy",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "good.com",
	  AUTH_NONE,
	  NULL,
	  { .found = AUTH_NONE },
	  AUTH_NONE,
	  true },
	{ "policy unreachable",
	  true,
	  "good.com",
	  AUTH_PASS,
	  "good.com",
	  AUTH_NONE,
	  NULL,
	  { .found = AUTH_TEMPERROR },
	  AUTH_TEMPERROR,
	  true },
	{ "no single author",
	  false,
	  "",
	  AUTH_PASS,
	  "good.com",
	  AUTH_PASS,
	  "good.com",
	  { POLICY() },
	  AUTH_PERMERROR,
	  false },
	{ "author below a public suffix",
	  true,
	  "a.github.io",
	  AUTH_PASS,
	  "b.github.io",
	  AUTH_PASS,
	  "github.io",
	  { POLICY() },
	  AUTH_FAIL,
	  false },
};

static void judgements_follow_alignment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(judgements); i++) {
		struct evidence ev = {
			.author_valid = judgements[i].author_valid,
			.author = S("someone@somewhere"),
			.author_domain = slice_str(judgements[i].author_domain),
			.spf = { judgements[i].spf, slice_str(judgements[i].spf_domain), NULL },
			.dmarc = judgements[i].dmarc,
		};
		struct verdict v = { .origin = S("smtp") };

		if (judgements[i].dkim_domain) {
			ev.dkim.n = 1;
			ev.dkim.v[0].result = judgements[i].dkim;
			ev.dkim.v[0].domain = slice_str(judgements[i].dkim_domain);
		}
		judge(&ev, psl, &v);
		if (v.dmarc != judgements[i].want || verdict_verified(&v) != judgements[i].verified)
			fail_msg("%s: dmarc=%s verified=%d", judgements[i].name,
				 verdict_result_name(v.dmarc), verdict_verified(&v));
	}
}

static void the_summary_of_signatures_is_the_best_of_them(void **state)
{
	struct evidence ev = { .author_valid = true, .author_domain = S("good.com") };
	struct verdict v = { 0 };

	(void)state;
	judge(&ev, psl, &v);
	assert_int_equal(v.dkim_all, AUTH_NONE);
	ev.dkim.n = 3;
	ev.dkim.v[0].result = AUTH_PERMERROR;
	ev.dkim.v[1].result = AUTH_FAIL;
	ev.dkim.v[2].result = AUTH_POLICY;
	judge(&ev, psl, &v);
	assert_int_equal(v.dkim_all, AUTH_FAIL);
	ev.dkim.v[2].result = AUTH_PASS;
	judge(&ev, psl, &v);
	assert_int_equal(v.dkim_all, AUTH_PASS);
}

static void records_are_read_for_the_domain_they_are_used_for(void **state)
{
	static const struct {
		const char *record;
		bool sub;
		enum err e;
		const char *policy;
		bool adkim, aspf;
	} rows[] = {
		{ "v=DMARC1; p=none", false, OK, "none", false, false },
		{ "v=DMARC1;p=reject;sp=quarantine;adkim=s", false, OK, "reject", true, false },
		{ "v=DMARC1;p=reject;sp=quarantine;aspf=s", true, OK, "quarantine", false, true },
		{ "v=DMARC1; p=reject", true, OK, "reject", false, false },
		{ "v=DMARC1", false, ERR_INPUT, "", false, false },
		{ "v=DMARC1; p=bogus", false, ERR_INPUT, "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dmarc_policy p = { 0 };

		assert_int_equal(
			dmarc_parse(slice_str(rows[i].record), S("example.com"), rows[i].sub, &p),
			rows[i].e);
		assert_true(slice_eq(p.policy, slice_str(rows[i].policy)));
		assert_int_equal(p.strict_dkim, rows[i].adkim);
		assert_int_equal(p.strict_spf, rows[i].aspf);
	}
	assert_true(slice_eq(dmarc_np(S("v=DMARC1; p=none; np = Reject")), S("reject")));
	assert_true(dmarc_np(S("v=DMARC1; p=none; np=x")).n == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(organisational_domains_follow_the_list),
		cmocka_unit_test(alignment_needs_one_organisation),
		cmocka_unit_test(judgements_follow_alignment),
		cmocka_unit_test(the_summary_of_signatures_is_the_best_of_them),
		cmocka_unit_test(records_are_read_for_the_domain_they_are_used_for),
	};

	return cmocka_run_group_tests(tests, open_list, close_list);
}
