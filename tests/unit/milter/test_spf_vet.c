/* SPDX-License-Identifier: Apache-2.0 */
/* What libspf2 gets to see of a record. */
#include "milter/spf_vet.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct spf_context context(const char *ip)
{
	struct spf_context c = {
		.local = S("strong-bad"),
		.sender_domain = S("email.example.com"),
		.helo = S("mx.example.org"),
		.domain = S("email.example.com"),
	};

	assert_int_equal(spf_client_parse(slice_str(ip), &c.client), OK);
	return c;
}

static void check(const char *ip, const char *record, const char *want)
{
	AUTO(buf_release) struct buf out = BUF_INIT(SPF_VETTED_MAX);
	struct spf_context c = context(ip);
	enum err e = spf_vet(slice_str(record), &c, &out);

	if (e != (want ? OK : ERR_INPUT))
		fail_msg("%s: %s", record, err_info(e)->name);
	if (want)
		assert_string_equal(buf_cstr(&out), want);
}

static void vet_rewrites_a_record_for_the_library(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "v=spf1", "v=spf1" },
		{ "V=SPF1  -all ", "v=spf1 -all" },
		{ "v=spf1 a mx ptr ~ALL", "v=spf1 +a +mx +ptr ~all" },
		{ "v=spf1 A:a.example/24//64 mx/16 ?all",
		  "v=spf1 +a:a.example/24//64 +mx/16 ?all" },
		{ "v=spf1 include:_spf.example.com -all", "v=spf1 +include:_spf.example.com -all" },
		/* addresses are compared here */
		{ "v=spf1 ip4:192.0.2.3 -all", "v=spf1 +all" },
		{ "v=spf1 -ip4:192.0.2.0/24 +all", "v=spf1 -all" },
		{ "v=spf1 ip4:192.0.3.0/24 ip6:::/0 a -all", "v=spf1 +a -all" },
		{ "v=spf1 ip4:0.0.0.0/0 a", "v=spf1 +all" },
		{ "v=spf1 ip4:192.0.2.2/31 -all", "v=spf1 +all" },
		{ "v=spf1 ip4:192.0.2.4/31 -all", "v=spf1 -all" },
		/* modifiers */
		{ "v=spf1 redirect=x.example a", "v=spf1 +a redirect=x.example" },
		{ "v=spf1 redirect=x.example -all", "v=spf1 -all" },
		{ "v=spf1 -all exp=%{i}.boom.example", "v=spf1 -all" },
		{ "v=spf1 moo=%{d}/x foo.bar= -all", "v=spf1 -all" },
		/* nothing counts behind all */
		{ "v=spf1 -all a:b.example mx", "v=spf1 -all" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check("192.0.2.3", rows[i].in, rows[i].want);
}

static void vet_refuses_what_is_no_record(void **state)
{
	static const char *const rows[] = {
		"v=spf2 -all",
		"v=spf1-all",
		"v=spf1 foo",
		"v=spf1 foo:bar",
		"v=spf1 all:x",
		"v=spf1 all/8",
		"v=spf1 include",
		"v=spf1 include:",
		"v=spf1 include:x.example/24",
		"v=spf1 a:",
		"v=spf1 a:localhost",
		"v=spf1 a:x.123",
		"v=spf1 a/33",
		"v=spf1 a/08",
		"v=spf1 a//129",
		"v=spf1 a/",
		"v=spf1 a/24/64",
		"v=spf1 ip4:1.2.3",
		"v=spf1 ip4:1.2.3.4/",
		"v=spf1 ip4:1.2.3.4/33",
		"v=spf1 ip6:1.2.3.4",
		"v=spf1 ip4",
		"v=spf1 exists:%{z}.x.example",
		"v=spf1 exists:%{d",
		"v=spf1 exists:%{d0}",
		"v=spf1 exists:%{d129}",
		"v=spf1 exists:%{l999999999999r}",
		"v=spf1 exists:%d",
		"v=spf1 exists:%{c}",
		"v=spf1 redirect=a.example redirect=a.example",
		"v=spf1 redirect=",
		"v=spf1 exp=x",
		"v=spf1 moo=%{",
		"v=spf1 --all",
		"v=spf1 \xc3\xa4.example",
		"v=spf1 a\tmx",
		"v=spf1 =x",
		"v=spf1 %all",
		"v=spf1 exists:%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check("192.0.2.3", rows[i], NULL);
}

/* RFC 7208 7.4. */
static void macros_expand_as_in_the_standard(void **state)
{
	static const struct {
		const char *ip, *in, *want;
	} rows[] = {
		{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
		{ "192.0.2.3", "%{o}", "email.example.com" },
		{ "192.0.2.3", "%{d4}", "email.example.com" },
		{ "192.0.2.3", "%{d3}", "email.example.com" },
		{ "192.0.2.3", "%{d2}", "example.com" },
		{ "192.0.2.3", "%{d1}", "com" },
		{ "192.0.2.3", "%{dr}", "com.example.email" },
		{ "192.0.2.3", "%{d2r}", "example.email" },
		{ "192.0.2.3", "%{l}", "strong-bad" },
		{ "192.0.2.3", "%{l-}", "strong.bad" },
		{ "192.0.2.3", "%{lr}", "strong-bad" },
		{ "192.0.2.3", "%{lr-}", "bad.strong" },
		{ "192.0.2.3", "%{l1r-}", "strong" },
		{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
		  "3.2.0.192.in-addr.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{h}.%{p}", "mx.example.org.unknown" },
		{ "192.0.2.3", "%{S}", "strong-bad%40email.example.com" },
		{ "192.0.2.3", "a%%b%_c%-d.x", "a?b?c?d.x" },
		{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
		  "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com" },
		{ "::ffff:192.0.2.3", "%{i}.%{v}", "192.0.2.3.in-addr" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf out = BUF_INIT(1024);
		struct spf_context c = context(rows[i].ip);

		spf_macro_expand(slice_str(rows[i].in), &c, &out);
		assert_string_equal(buf_cstr(&out), rows[i].want);
	}
}

static void a_long_name_loses_labels_from_the_left(void **state)
{
	AUTO(buf_release) struct buf out = BUF_INIT(1024);
	struct spf_context c = context("2001:db8::1");

	(void)state;
	spf_macro_expand(S("%{i}.%{i}.%{i}.%{i}.%{i}.example.com"), &c, &out);
	assert_true(out.len <= SPF_DOMAIN_MAX && out.len > SPF_DOMAIN_MAX - 4);
	assert_true(slice_ends(buf_slice(&out), S(".1.example.com")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vet_rewrites_a_record_for_the_library),
		cmocka_unit_test(vet_refuses_what_is_no_record),
		cmocka_unit_test(macros_expand_as_in_the_standard),
		cmocka_unit_test(a_long_name_loses_labels_from_the_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
