/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a request comes from when reverse proxies stand in between. Only what a
 * trusted proxy says counts: the client is the right-most hop that is not one.
 */
#ifndef E2A_APID_CLIENT_ADDR_H
#define E2A_APID_CLIENT_ADDR_H

#include "common/base/netaddr.h"

#include <sys/socket.h>

enum { CLIENT_GROUP_MAX = NETADDR_TEXT_MAX + 4 };

/* The other end of a connection. */
struct client_peer {
	struct sockaddr_storage addr;
	socklen_t len;
	struct netaddr ip; /* n is 0 for a unix socket */
	bool trusted;      /* a proxy: what it says of its client is believed */
};

/*
 * Reads http_trusted_proxies. ERR_CONFIG for a range so wide that it would
 * take in strangers: IPv4 beyond /8, IPv6 beyond /16 (but for fc00::/7, RFC 4193).
 */
enum err client_proxies_parse(struct slice text, struct netcidr_list *ret,
			      struct fail *fail) MUST_CHECK;
/* What accept(2) gave. A peer on a unix socket is trusted: its file mode admitted it. */
void client_peer_init(const struct sockaddr_storage *addr, socklen_t len,
		      const struct netcidr_list *proxies, struct client_peer *ret);
/*
 * The client, by the X-Forwarded-For values that came, joined by commas; a hop
 * may have a port. At a hop that is no address the way back ends: the answer is
 * the last one that is known. n of *ret is 0 for a unix socket that named none.
 */
void client_addr_find(const struct client_peer *peer, struct slice forwarded_for,
		      const struct netcidr_list *proxies, struct netaddr *ret);
/*
 * Those who count as one client: of IPv4 the address, of IPv6 the /64, which is
 * what one customer has at least (RFC 6177).
 */
void client_addr_group(const struct netaddr *a, struct netaddr *ret);
/* The address as text; "local" for a unix socket. */
void client_addr_text(const struct netaddr *a, char ret[NETADDR_TEXT_MAX]);

#endif
