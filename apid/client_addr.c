/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of a client. X-Forwarded-For is hostile text up to the hop that
 * a trusted proxy wrote, so it is read from its end and never beyond that hop.
 */
#include "apid/client_addr.h"

#include "common/base/mem.h"

#include <netinet/in.h>

enum { WIDEST_V4 = 8, WIDEST_V6 = 16, GROUP_V6_BYTES = 8 };

static bool is_unique_local(const struct netcidr *c)
{
	return c->base.n == 16 && c->bits >= 7 && (c->base.b[0] & 0xfe) == 0xfc;
}

static bool is_too_wide(const struct netcidr *c)
{
	if (is_unique_local(c))
		return false;
	return c->bits < (c->base.n == 4 ? WIDEST_V4 : WIDEST_V6);
}

enum err client_proxies_parse(struct slice text, struct netcidr_list *ret, struct fail *fail)
{
	struct netcidr_list l;
	char base[NETADDR_TEXT_MAX];
	enum err e = netcidr_list_parse(text, &l, fail);

	if (e)
		return e;
	for (size_t i = 0; i < l.n; i++) {
		if (!is_too_wide(&l.v[i]))
			continue;
		netaddr_text(&l.v[i].base, base);
		return fail_set(fail, ERR_CONFIG,
				"http_trusted_proxies: %s/%u takes in strangers, who could name "
				"any address as theirs; give the addresses of your proxies",
				base, l.v[i].bits);
	}
	*ret = l;
	return OK;
}

static enum err read_sockaddr(const struct sockaddr_storage *addr, struct netaddr *ret)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;

	if (addr->ss_family == AF_INET)
		return netaddr_from_bytes(slice_of((const char *)&v4->sin_addr, 4), ret);
	if (addr->ss_family == AF_INET6)
		return netaddr_from_bytes(slice_of((const char *)&v6->sin6_addr, 16), ret);
	return ERR_INPUT;
}

void client_peer_init(const struct sockaddr_storage *addr, socklen_t len,
		      const struct netcidr_list *proxies, struct client_peer *ret)
{
	struct client_peer p = { .addr = *addr, .len = len };

	if (read_sockaddr(addr, &p.ip) == OK)
		p.trusted = netcidr_list_contains(proxies, &p.ip);
	else
		p.trusted = addr->ss_family == AF_UNIX;
	*ret = p;
}

static bool is_port(struct slice s)
{
	uint64_t port;

	return slice_to_u64(s, UINT16_MAX, &port) == OK;
}

/* address, address:port, [address] or [address]:port */
static enum err read_hop(struct slice hop, struct netaddr *ret)
{
	ptrdiff_t end = slice_find(hop, ']'), colon = slice_find(hop, ':');

	if (slice_starts(hop, S("["))) {
		struct slice behind = slice_sub(hop, (size_t)(end + 1), hop.n);

		if (end < 0 ||
		    (behind.n && (behind.p[0] != ':' || !is_port(slice_sub(behind, 1, behind.n)))))
			return ERR_INPUT;
		return netaddr_parse(slice_sub(hop, 1, (size_t)end), ret);
	}
	if (colon >= 0 && colon == slice_rfind(hop, ':')) {
		if (!is_port(slice_sub(hop, (size_t)colon + 1, hop.n)))
			return ERR_INPUT;
		hop = slice_sub(hop, 0, (size_t)colon);
	}
	return netaddr_parse(hop, ret);
}

/* Takes the last item off a list; false when there is none. */
static bool cut_last(struct slice *list, struct slice *ret)
{
	ptrdiff_t comma;

	if (!list->p)
		return false;
	comma = slice_rfind(*list, ',');
	*ret = slice_trim(slice_sub(*list, (size_t)(comma + 1), list->n));
	*list = comma < 0 ? slice_of(NULL, 0) : slice_sub(*list, 0, (size_t)comma);
	return true;
}

void client_addr_find(const struct client_peer *peer, struct slice forwarded_for,
		      const struct netcidr_list *proxies, struct netaddr *ret)
{
	bool trusted = peer->trusted;
	struct netaddr client = peer->ip, hop;
	struct slice text;

	while (trusted && cut_last(&forwarded_for, &text) && read_hop(text, &hop) == OK) {
		client = hop;
		trusted = netcidr_list_contains(proxies, &hop);
	}
	*ret = client;
}

void client_addr_group(const struct netaddr *a, struct netaddr *ret)
{
	*ret = *a;
	if (a->n == 16)
		memset(ret->b + GROUP_V6_BYTES, 0, sizeof(ret->b) - GROUP_V6_BYTES);
}

void client_addr_text(const struct netaddr *a, char ret[NETADDR_TEXT_MAX])
{
	if (a->n)
		netaddr_text(a, ret);
	else
		memcpy(ret, "local", sizeof("local"));
}
