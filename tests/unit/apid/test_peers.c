/* SPDX-License-Identifier: Apache-2.0 */
/* Connections per client: how many one may have, and that none is forgotten. */
#include "apid/peers.h"
#include "tests/unit/test.h"

DEFINE_FREEP(struct peers, peers_free)

static struct client_peer peer_of(const char *text, bool trusted)
{
	struct client_peer p = { .trusted = trusted };

	if (*text)
		assert_int_equal(netaddr_parse(slice_str(text), &p.ip), OK);
	return p;
}

static void each_client_has_its_own_count(void **state)
{
	AUTO(peers_freep) struct peers *p = peers_new(2);
	struct client_peer a = peer_of("192.0.2.1", false), b = peer_of("192.0.2.2", false);

	(void)state;
	assert_true(peers_enter(p, &a));
	assert_true(peers_enter(p, &a));
	assert_false(peers_enter(p, &a));
	assert_true(peers_enter(p, &b));
	peers_leave(p, &a);
	assert_true(peers_enter(p, &a));
	assert_false(peers_enter(p, &a));
}

static void addresses_of_one_ipv6_network_are_one_client(void **state)
{
	AUTO(peers_freep) struct peers *p = peers_new(1);
	struct client_peer a = peer_of("2001:db8::1", false), b = peer_of("2001:db8::2", false);
	struct client_peer other = peer_of("2001:db8:0:1::1", false);

	(void)state;
	assert_true(peers_enter(p, &a));
	assert_false(peers_enter(p, &b));
	assert_true(peers_enter(p, &other));
	peers_leave(p, &a);
	assert_true(peers_enter(p, &b));
}

static void proxies_are_not_counted(void **state)
{
	AUTO(peers_freep) struct peers *p = peers_new(1);
	struct client_peer proxy = peer_of("10.0.0.1", true), local = peer_of("", true);

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_true(peers_enter(p, &proxy));
		assert_true(peers_enter(p, &local));
	}
	for (int i = 0; i < 10; i++) {
		peers_leave(p, &proxy);
		peers_leave(p, &local);
	}
}

static void many_clients_come_and_go(void **state)
{
	AUTO(peers_freep) struct peers *p = peers_new(1);
	struct client_peer peer = { .ip.n = 4 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			peer.ip.b[2] = (uint8_t)(i / 256);
			peer.ip.b[3] = (uint8_t)i;
			assert_true(peers_enter(p, &peer));
			assert_false(peers_enter(p, &peer));
		}
		for (int i = 999; i >= 0; i--) {
			peer.ip.b[2] = (uint8_t)(i / 256);
			peer.ip.b[3] = (uint8_t)i;
			peers_leave(p, &peer);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_client_has_its_own_count),
		cmocka_unit_test(addresses_of_one_ipv6_network_are_one_client),
		cmocka_unit_test(proxies_are_not_counted),
		cmocka_unit_test(many_clients_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
