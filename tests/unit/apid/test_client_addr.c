/* SPDX-License-Identifier: Apache-2.0 */
/* The client behind proxies: what of X-Forwarded-For is believed, and who counts as one client. */
#include "apid/client_addr.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#define PROXIES "10.0.0.0/8, 192.0.2.1 2001:db8:ffff::/48 fd00::/8"

static const struct netcidr_list *proxies(void)
{
	static struct netcidr_list l;

	assert_int_equal(client_proxies_parse(S(PROXIES), &l, NULL), OK);
	return &l;
}

static void peer_of(const char *text, struct client_peer *ret)
{
	struct sockaddr_storage addr = { .ss_family = AF_UNIX };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		addr.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		addr.ss_family = AF_INET6;
	client_peer_init(&addr, sizeof(addr), proxies(), ret);
}

static void the_client_is_the_last_hop_that_is_no_proxy(void **state)
{
	static const struct {
		const char *peer, *hops, *want;
	} rows[] = {
		/* nobody asked */
		{ "198.51.100.7", "", "198.51.100.7" },
		{ "2001:db8::7", "", "2001:db8::7" },
		{ "::ffff:198.51.100.7", "", "198.51.100.7" },
		{ "unix", "", "local" },
		/* a stranger may say what it likes */
		{ "198.51.100.7", "203.0.113.9", "198.51.100.7" },
		{ "198.51.100.7", "10.0.0.1", "198.51.100.7" },
		/* one proxy */
		{ "10.0.0.1", "203.0.113.9", "203.0.113.9" },
		{ "192.0.2.1", "203.0.113.9", "203.0.113.9" },
		{ "192.0.2.2", "203.0.113.9", "192.0.2.2" },
		{ "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9" },
		{ "2001:db8:ffff::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6" },
		{ "unix", "203.0.113.9", "203.0.113.9" },
		{ "10.0.0.1", "", "10.0.0.1" },
		/* a chain that a client began by itself */
		{ "10.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9" },
		{ "10.0.0.1", "1.1.1.1,10.9.9.9,203.0.113.9", "203.0.113.9" },
		{ "10.0.0.1", "garbage,\"><script>, 203.0.113.9", "203.0.113.9" },
		/* several proxies */
		{ "10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9" },
		{ "10.0.0.1", "8.8.8.8, 203.0.113.9 ,\t10.0.0.2,fd00::1", "203.0.113.9" },
		{ "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3" },
		/* forms with a port */
		{ "10.0.0.1", "203.0.113.9:4711", "203.0.113.9" },
		{ "10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9" },
		{ "10.0.0.1", "[2001:db8::9]", "2001:db8::9" },
		{ "10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9" },
		/* the way back ends where a hop is no address */
		{ "10.0.0.1", "unknown", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.9,", "10.0.0.1" },
		{ "10.0.0.1", ",", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2" },
		{ "10.0.0.1", "203.0.113.9:", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.9:99999", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.9:-1", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.009", "10.0.0.1" },
		{ "10.0.0.1", "[2001:db8::9", "10.0.0.1" },
		{ "10.0.0.1", "[2001:db8::9]x", "10.0.0.1" },
		{ "10.0.0.1", "[]", "10.0.0.1" },
		{ "10.0.0.1", "[", "10.0.0.1" },
		{ "10.0.0.1", "fe80::1%eth0", "10.0.0.1" },
		{ "10.0.0.1", "0x7f.1", "10.0.0.1" },
		{ "10.0.0.1", "203.0.113.9 198.51.100.7", "10.0.0.1" },
		{ "unix", "unknown", "local" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_peer peer;
		struct netaddr client;
		char text[NETADDR_TEXT_MAX];

		peer_of(rows[i].peer, &peer);
		client_addr_find(&peer, slice_str(rows[i].hops), proxies(), &client);
		client_addr_text(&client, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].want), i);
	}
}

static void a_hop_with_nul_is_no_address(void **state)
{
	struct client_peer peer;
	struct netaddr client;

	(void)state;
	peer_of("10.0.0.1", &peer);
	client_addr_find(&peer, S("203.0.113.9\0"), proxies(), &client);
	assert_memory_equal(client.b, peer.ip.b, 4);
}

static void without_proxies_nobody_is_believed_but_a_unix_socket(void **state)
{
	static const struct netcidr_list none = { .n = 0 };
	const struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct sockaddr_storage addr = { 0 };
	struct client_peer peer;

	(void)state;
	memcpy(&addr, &local, sizeof(local.sun_family));
	client_peer_init(&addr, sizeof(local.sun_family), &none, &peer);
	assert_true(peer.trusted);
	assert_int_equal(peer.ip.n, 0);
	addr.ss_family = AF_INET;
	client_peer_init(&addr, sizeof(struct sockaddr_in), &none, &peer);
	assert_false(peer.trusted);
}

static void clients_are_counted_by_what_one_customer_has(void **state)
{
	static const struct {
		const char *address, *want;
	} rows[] = {
		{ "203.0.113.9", "203.0.113.9" },
		{ "::ffff:203.0.113.9", "203.0.113.9" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
		{ "2001:db8:1:2::", "2001:db8:1:2::" },
		{ "2001:db8:1:3:3:4:5:6", "2001:db8:1:3::" },
		{ "::1", "::" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netaddr a, group;
		char text[NETADDR_TEXT_MAX];

		assert_row(i, netaddr_parse(slice_str(rows[i].address), &a) == OK);
		client_addr_group(&a, &group);
		client_addr_text(&group, text);
		assert_slice_row(slice_str(text), slice_str(rows[i].want), i);
	}
}

static void ranges_that_take_in_strangers_are_refused(void **state)
{
	static const struct {
		const char *ranges;
		bool usable;
	} rows[] = {
		{ "", true },
		{ "127.0.0.1", true },
		{ "10.0.0.0/8 172.16.0.0/12, 192.168.0.0/16 fc00::/7 ::1", true },
		{ "104.16.0.0/13 2a06:98c0::/29", true },
		{ "0.0.0.0/0", false },
		{ "::/0", false },
		{ "127.0.0.1 0.0.0.0/0", false },
		{ "0.0.0.0/1 128.0.0.0/1", false },
		{ "192.168.0.1/0", false },
		{ "8.0.0.0/7", false },
		{ "2000::/3", false },
		{ "2001::/15", false },
		{ "fc00::/6", false },
		{ "::ffff:0.0.0.0/0", false },
		{ "::ffff:0:0/96", false },
		{ "proxy.example", false },
		{ "10.0.0.0/33", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct netcidr_list l = { .n = 0 };
		struct fail fail = { 0 };
		enum err e = client_proxies_parse(slice_str(rows[i].ranges), &l, &fail);

		assert_row(i, e == (rows[i].usable ? OK : ERR_CONFIG));
		assert_row(i, rows[i].usable == (fail.what[0] == '\0'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_is_the_last_hop_that_is_no_proxy),
		cmocka_unit_test(a_hop_with_nul_is_no_address),
		cmocka_unit_test(without_proxies_nobody_is_believed_but_a_unix_socket),
		cmocka_unit_test(clients_are_counted_by_what_one_customer_has),
		cmocka_unit_test(ranges_that_take_in_strangers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
