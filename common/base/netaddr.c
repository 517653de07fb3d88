/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address predicates. What is not known to be public counts as private: a new
 * special range must never become reachable because a table here is old, so
 * IPv6 starts from 2000::/3, the only space that is assigned as global unicast.
 */
#include "common/base/netaddr.h"

#include "common/base/mem.h"

#include <arpa/inet.h>
#include <assert.h>

struct range {
	uint8_t b[16];
	unsigned bits;
};

static const struct range special4[] = {
	{ { 0 }, 8 },                 /* "this network", RFC 791 */
	{ { 10 }, 8 },                /* private use, RFC 1918 */
	{ { 100, 64 }, 10 },          /* shared address space (CGNAT), RFC 6598 */
	{ { 127 }, 8 },               /* loopback, RFC 1122 */
	{ { 168, 63, 129, 16 }, 32 }, /* Azure's host, to each of its guests */
	{ { 169, 254 }, 16 },         /* link local, RFC 3927; most clouds' metadata */
	{ { 172, 16 }, 12 },          /* private use */
	{ { 192, 0, 0 }, 24 },        /* IETF protocol assignments, RFC 6890 */
	{ { 192, 0, 2 }, 24 },        /* documentation, RFC 5737 */
	{ { 192, 31, 196 }, 24 },     /* AS112 (anycast), RFC 7535 */
	{ { 192, 52, 193 }, 24 },     /* AMT relays (anycast), RFC 7450 */
	{ { 192, 88, 99 }, 24 },      /* 6to4 relays (anycast), RFC 7526 */
	{ { 192, 168 }, 16 },         /* private use */
	{ { 192, 175, 48 }, 24 },     /* AS112 (anycast), RFC 7534 */
	{ { 198, 18 }, 15 },          /* benchmarking, RFC 2544 */
	{ { 198, 51, 100 }, 24 },     /* documentation */
	{ { 203, 0, 113 }, 24 },      /* documentation */
	{ { 224 }, 4 },               /* multicast, RFC 5771 */
	{ { 240 }, 4 },               /* reserved, and limited broadcast */
};

/* With this go, unnamed: everything wrapped into NAT64 (RFC 6052, 8215), IPv4-compatible and
 * IPv4-translated addresses, 100::/64 (discard), 5f00::/16 (SRv6), ULA, link and site local,
 * multicast. */
static const struct range global6 = { { 0x20 }, 3 };
static const struct range special6[] = {
	{ { 0x20, 0x01 }, 23 },                   /* IETF protocol assignments: Teredo,
						   * benchmarking, ORCHID and others, RFC 2928 */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },       /* documentation, RFC 3849 */
	{ { 0x20, 0x02 }, 16 },                   /* 6to4, RFC 3056 */
	{ { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48 }, /* AS112 (anycast), RFC 7534 */
	{ { 0x3f, 0xff }, 20 },                   /* documentation, RFC 9637 */
};

static const struct range mapped = { { [10] = 0xff, [11] = 0xff }, 96 };

/* Interface identifiers of ISATAP (RFC 5214 6.1), which carry an IPv4 address in any prefix. */
static const uint8_t isatap[] = { 0x00, 0x00, 0x5e, 0xfe };
enum { UNIVERSAL_BIT = 2 };

static bool has_prefix(const uint8_t *a, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (memcmp(a, prefix, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ prefix[whole]) & mask) == 0;
}

static bool within(const uint8_t *a, const struct range *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (has_prefix(a, table[i].b, table[i].bits))
			return true;
	return false;
}

enum err netaddr_from_bytes(struct slice bytes, struct netaddr *ret)
{
	struct netaddr a = { .n = (uint8_t)bytes.n };

	if (bytes.n != 4 && bytes.n != 16)
		return ERR_INPUT;
	memcpy(a.b, bytes.p, bytes.n);
	if (a.n == 16 && within(a.b, &mapped, 1)) {
		memmove(a.b, a.b + 12, 4);
		memset(a.b + 4, 0, 12);
		a.n = 4;
	}
	*ret = a;
	return OK;
}

enum err netaddr_parse(struct slice text, struct netaddr *ret)
{
	char copy[NETADDR_TEXT_MAX];
	uint8_t b[16];

	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n))
		return ERR_INPUT;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, b) == 1)
		return netaddr_from_bytes(slice_of((const char *)b, 4), ret);
	if (inet_pton(AF_INET6, copy, b) == 1)
		return netaddr_from_bytes(slice_of((const char *)b, 16), ret);
	return ERR_INPUT;
}

int netaddr_compare(const struct netaddr *a, const struct netaddr *b)
{
	return a->n != b->n ? (a->n < b->n ? -1 : 1) : memcmp(a->b, b->b, a->n);
}

void netaddr_text(const struct netaddr *a, char ret[NETADDR_TEXT_MAX])
{
	const char *p = inet_ntop(a->n == 4 ? AF_INET : AF_INET6, a->b, ret, NETADDR_TEXT_MAX);

	assert(p);
	(void)p;
}

static bool is_isatap(const uint8_t b[16])
{
	return (b[8] & ~UNIVERSAL_BIT) == isatap[0] && memcmp(b + 9, isatap + 1, 3) == 0;
}

bool netaddr_is_global(const struct netaddr *a)
{
	if (a->n == 4)
		return !within(a->b, special4, ARRAY_LEN(special4));
	return within(a->b, &global6, 1) && !within(a->b, special6, ARRAY_LEN(special6)) &&
	       !is_isatap(a->b);
}

bool netaddr_is_loopback(const struct netaddr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->n == 4 ? a->b[0] == 127 : a->n == 16 && memcmp(a->b, v6, sizeof(v6)) == 0;
}

enum err netcidr_parse(struct slice text, struct netcidr *ret)
{
	struct slice rest = text, address;
	struct netcidr c;
	uint64_t bits;

	if (!slice_cut(&rest, '/', &address) || netaddr_parse(address, &c.base))
		return ERR_INPUT;
	bits = c.base.n * 8u;
	if (rest.p && slice_to_u64(rest, bits, &bits))
		return ERR_INPUT;
	c.bits = (unsigned)bits;
	*ret = c;
	return OK;
}

enum err netcidr_list_parse(struct slice text, struct netcidr_list *ret, struct fail *fail)
{
	struct netcidr_list l = { .n = 0 };

	while (text.n) {
		size_t n = 0;

		while (n < text.n && !memchr(" \t,", text.p[n], 3))
			n++;
		if (n && l.n == NETCIDR_LIST_MAX)
			return fail_set(fail, ERR_CONFIG, "more than %d address ranges",
					NETCIDR_LIST_MAX);
		if (n && netcidr_parse(slice_sub(text, 0, n), &l.v[l.n++]))
			return fail_set(fail, ERR_CONFIG, "not an address range: %.*s",
					(int)(n < 60 ? n : 60), text.p);
		text = slice_sub(text, n + 1, text.n);
	}
	*ret = l;
	return OK;
}

bool netcidr_contains(const struct netcidr *c, const struct netaddr *a)
{
	return c->base.n == a->n && has_prefix(a->b, c->base.b, c->bits);
}

bool netcidr_list_contains(const struct netcidr_list *l, const struct netaddr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (netcidr_contains(&l->v[i], a))
			return true;
	return false;
}
