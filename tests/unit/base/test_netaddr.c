/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "common/base/netaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct netaddr addr(const char *text)
{
	struct netaddr a = { 0 };

	if (netaddr_parse(slice_str(text), &a))
		fail_msg("%s is no address", text);
	return a;
}

static void public_addresses_are_global(void **state)
{
	static const char *const rows[] = {
		"1.1.1.1",
		"8.8.8.8",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"126.255.255.255",
		"128.0.0.0",
		"169.253.255.255",
		"169.255.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"191.255.255.255",
		"192.0.1.0",
		"192.0.3.0",
		"192.167.255.255",
		"192.169.0.0",
		"198.17.255.255",
		"198.20.0.0",
		"198.51.99.255",
		"198.51.101.0",
		"203.0.112.255",
		"203.0.114.0",
		"223.255.255.255",
		"2001:200::1",
		"2001:db7::1",
		"2001:db9::1",
		"2003::1",
		"2606:4700::1111",
		"2a00:1450::1",
		"3ffe::1",
		"::ffff:8.8.8.8",
		/* beside single addresses and the newer ranges */
		"168.63.129.15",
		"168.63.129.17",
		"192.31.195.255",
		"192.31.197.0",
		"192.52.192.255",
		"192.52.194.0",
		"192.88.98.255",
		"192.88.100.0",
		"192.175.47.255",
		"192.175.49.0",
		"2001:4860::8888",
		"2003::",
		"2620:4f:7fff::1",
		"2620:4f:8001::",
		"3ffe:ffff::1",
		"3fff:1000::1",
		"2606:4700::5eff",
		"2606::1:0:5efe",
		"2606::100:5efe:102:304",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a = addr(rows[i]);

		if (!netaddr_is_global(&a))
			fail_msg("%s must be global", rows[i]);
	}
}

static void special_addresses_are_not_global(void **state)
{
	static const char *const rows[] = {
		/* IPv4: first and last of each range */
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.0",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.0.0",
		"169.254.169.254",
		"169.254.255.255",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.0",
		"192.0.0.170",
		"192.0.0.255",
		"192.0.2.0",
		"192.0.2.255",
		"192.88.99.0",
		"192.88.99.255",
		"192.168.0.0",
		"192.168.255.255",
		"198.18.0.0",
		"198.19.255.255",
		"198.51.100.0",
		"198.51.100.255",
		"203.0.113.0",
		"203.0.113.255",
		"224.0.0.0",
		"239.255.255.255",
		"240.0.0.0",
		"255.255.255.254",
		"255.255.255.255",
		"168.63.129.16",
		"192.31.196.0",
		"192.31.196.255",
		"192.52.193.0",
		"192.52.193.255",
		"192.175.48.0",
		"192.175.48.255",
		/* metadata services of clouds, beside 169.254.169.254 and 168.63.129.16 */
		"100.100.100.200",
		"192.0.0.192",
		"fd00:ec2::254",
		"fd20:ce::254",
		/* IPv6 */
		"::",
		"::1",
		"::127.0.0.1",
		"::8.8.8.8",
		"100::1",
		"100:0:0:1::1",
		"64:ff9b:1::1",
		"64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
		"5f00::1",
		"fc00::1",
		"fdff::1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"ff02::1",
		"ff0e::1",
		"2001::1",
		"2001:0:4136:e378::1",
		"2001:2::1",
		"2001:3::1",
		"2001:4:112::1",
		"2001:10::1",
		"2001:20::1",
		"2001:30::1",
		"2001:1ff::1",
		"2001:db8::1",
		"2001:db8:ffff::1",
		"3fff::1",
		"3fff:fff::1",
		"2620:4f:8000::",
		"2620:4f:8000:ffff::1",
		"1fff:ffff::1",
		"4000::1",
		/* wrapped IPv4 */
		"::ffff:127.0.0.1",
		"::ffff:10.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1",
		"64:ff9b::10.1.2.3",
		"64:ff9b::a9fe:a9fe",
		"64:ff9b::8.8.8.8",
		"2606:4700::5efe:7f00:1",
		"2606:4700::200:5efe:8.8.8.8",
		"2002:7f00:1::1",
		"2002:808:808::1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a = addr(rows[i]);

		if (netaddr_is_global(&a))
			fail_msg("%s must not be global", rows[i]);
	}
}

static void text_that_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = { "",         "1.2.3",      "1.2.3.4.5",  "256.1.1.1",
					    "01.2.3.4", "0x7f.0.0.1", "2130706433", "1.2.3.4 ",
					    "[::1]",    "fe80::1%lo", "1.2.3.4:80", ":::",
					    "1.2.3.4/8" };
	struct netaddr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (netaddr_parse(slice_str(rows[i]), &a) != ERR_INPUT)
			fail_msg("'%s' must be refused", rows[i]);
	assert_int_equal(netaddr_parse(slice_of("1.2.3.4\0x", 9), &a), ERR_INPUT);
	assert_int_equal(netaddr_from_bytes(slice_of("12345", 5), &a), ERR_INPUT);
}

static void mapped_addresses_become_ipv4(void **state)
{
	struct netaddr a = addr("::ffff:192.0.2.7");
	char text[NETADDR_TEXT_MAX];

	(void)state;
	netaddr_text(&a, text);
	assert_int_equal(a.n, 4);
	assert_string_equal(text, "192.0.2.7");
}

static void a_range_contains_what_its_prefix_says(void **state)
{
	static const struct {
		const char *range, *address;
		bool want;
	} rows[] = {
		{ "127.0.0.0/8", "127.255.0.1", true },
		{ "127.0.0.0/8", "128.0.0.1", false },
		{ "10.1.0.0/23", "10.1.1.255", true },
		{ "10.1.0.0/23", "10.1.2.0", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "fd00:1::/33", "fd00:1:7fff::1", true },
		{ "fd00:1::/33", "fd00:1:8000::", false },
		{ "127.0.0.0/8", "::ffff:127.0.0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a = addr(rows[i].address);
		struct netcidr c;

		assert_int_equal(netcidr_parse(slice_str(rows[i].range), &c), OK);
		if (netcidr_contains(&c, &a) != rows[i].want)
			fail_msg("%s in %s", rows[i].address, rows[i].range);
	}
}

static void a_list_of_ranges_is_read_or_refused_by_name(void **state)
{
	struct netcidr_list l;
	struct netaddr a = addr("10.9.9.9");
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(netcidr_list_parse(S(" 127.0.0.0/8, 10.0.0.0/8\tfd00::/8 "), &l, &f), OK);
	assert_int_equal(l.n, 3);
	assert_true(netcidr_list_contains(&l, &a));
	assert_int_equal(netcidr_list_parse(S(""), &l, &f), OK);
	assert_false(netcidr_list_contains(&l, &a));
	assert_int_equal(netcidr_list_parse(S("10.0.0.0/33"), &l, &f), ERR_CONFIG);
	assert_string_equal(f.what, "not an address range: 10.0.0.0/33");
}

static void this_computer_has_many_addresses(void **state)
{
	static const char *const own[] = { "127.0.0.1", "127.255.255.255", "::1",
					   "::ffff:127.0.0.1" };
	static const char *const others[] = { "126.0.0.1", "128.0.0.0", "0.0.0.0",        "::",
					      "::2",       "fe80::1",   "::ffff:10.0.0.1" };
	struct netaddr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		a = addr(own[i]);
		if (!netaddr_is_loopback(&a))
			fail_msg("%s is this computer", own[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		a = addr(others[i]);
		if (netaddr_is_loopback(&a))
			fail_msg("%s is not this computer", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_computer_has_many_addresses),
		cmocka_unit_test(public_addresses_are_global),
		cmocka_unit_test(special_addresses_are_not_global),
		cmocka_unit_test(text_that_is_no_address_is_refused),
		cmocka_unit_test(mapped_addresses_become_ipv4),
		cmocka_unit_test(a_range_contains_what_its_prefix_says),
		cmocka_unit_test(a_list_of_ranges_is_read_or_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
