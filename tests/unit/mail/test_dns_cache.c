/* SPDX-License-Identifier: Apache-2.0 */
/* Time is an argument, so nothing here waits. */
#include "common/mail/dns_cache.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NOW = 1000000, LARGE = 4000, FLOOD = 50000 };

static struct dns_cache *cache;
static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	cache = dns_cache_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dns_cache_free(cache);
	arena_release(&arena);
	return 0;
}

static void put(const char *name, struct slice text, uint32_t ttl)
{
	struct slice v[] = { text, S("second") };
	const struct dns_answer answer = { .v = v, .n = ARRAY_LEN(v), .ttl = ttl };

	dns_cache_put(cache, slice_str(name), DNS_TXT, NOW, &answer);
}

static bool get(const char *name, enum dns_type type, int64_t now_ms, struct dns_answer *ret)
{
	return dns_cache_get(cache, slice_str(name), type, now_ms, &arena, ret);
}

static void cache_gives_back_every_record_in_any_case_of_the_name(void **state)
{
	struct dns_answer answer;

	(void)state;
	put("_dmarc.Example.com", S("v=DMARC1; p=none"), 30);
	assert_true(get("_DMARC.example.COM", DNS_TXT, NOW, &answer));
	assert_int_equal(answer.n, 2);
	assert_int_equal(answer.ttl, 30);
	assert_true(slice_eq(answer.v[0], S("v=DMARC1; p=none")));
	assert_true(slice_eq(answer.v[1], S("second")));
}

static void cache_answers_for_the_same_name_and_type_only(void **state)
{
	struct dns_answer answer;

	(void)state;
	put("example.com", S("text"), 30);
	assert_false(get("example.com", DNS_MX, NOW, &answer));
	assert_false(get("example.org", DNS_TXT, NOW, &answer));
	assert_false(get("xample.com", DNS_TXT, NOW, &answer));
	assert_false(get("", DNS_TXT, NOW, &answer));
}

static void cache_keeps_an_answer_for_its_ttl_and_a_minute_at_most(void **state)
{
	static const struct {
		uint32_t ttl;
		int64_t after_ms;
		bool want;
		uint32_t want_ttl;
	} rows[] = {
		{ 0, 0, false, 0 },        { 1, 999, true, 0 },
		{ 1, 1000, false, 0 },     { 30, 10000, true, 20 },
		{ 30, 30000, false, 0 },   { 86400, 0, true, 60 },
		{ 86400, 59999, true, 0 }, { UINT32_MAX, 60000, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_cache *fresh = dns_cache_new();
		struct slice v = S("text");
		const struct dns_answer in = { .v = &v, .n = 1, .ttl = rows[i].ttl };
		struct dns_answer out;

		dns_cache_put(fresh, S("a.example"), DNS_TXT, NOW, &in);
		assert_int_equal(dns_cache_get(fresh, S("a.example"), DNS_TXT,
					       NOW + rows[i].after_ms, &arena, &out),
				 rows[i].want);
		if (rows[i].want)
			assert_int_equal(out.ttl, rows[i].want_ttl);
		dns_cache_free(fresh);
	}
}

static void cache_takes_the_newer_answer(void **state)
{
	struct dns_answer answer;

	(void)state;
	put("example.com", S("old"), 30);
	put("example.com", S("new"), 30);
	assert_true(get("example.com", DNS_TXT, NOW, &answer));
	assert_true(slice_eq(answer.v[0], S("new")));
}

static void cache_does_not_keep_a_large_answer(void **state)
{
	static char large[LARGE];
	struct dns_answer answer;

	(void)state;
	put("example.com", slice_of(large, sizeof(large)), 30);
	assert_false(get("example.com", DNS_TXT, NOW, &answer));
}

static void cache_gives_only_what_was_put_after_a_flood_of_names(void **state)
{
	char name[32];
	size_t kept = 0;

	(void)state;
	for (size_t i = 0; i < FLOOD; i++) {
		(void)snprintf(name, sizeof(name), "n%zu.example", i);
		put(name, slice_str(name), 30);
	}
	for (size_t i = 0; i < FLOOD; i++) {
		struct dns_answer answer;

		(void)snprintf(name, sizeof(name), "n%zu.example", i);
		if (!get(name, DNS_TXT, NOW, &answer))
			continue;
		assert_true(slice_eq(answer.v[0], slice_str(name)));
		kept++;
	}
	assert_true(kept > 0 && kept < FLOOD / 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cache_gives_back_every_record_in_any_case_of_the_name),
		TEST(cache_answers_for_the_same_name_and_type_only),
		TEST(cache_keeps_an_answer_for_its_ttl_and_a_minute_at_most),
		TEST(cache_takes_the_newer_answer),
		TEST(cache_does_not_keep_a_large_answer),
		TEST(cache_gives_only_what_was_put_after_a_flood_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
