/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet addresses and which of them a program of ours may connect to on
 * behalf of somebody else: global unicast only (IANA special-purpose address
 * registries, RFC 6890), plus ranges that the operator named.
 */
#ifndef E2A_BASE_NETADDR_H
#define E2A_BASE_NETADDR_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum { NETADDR_TEXT_MAX = 46, NETCIDR_LIST_MAX = 64 };

/* An IPv4-mapped IPv6 address is always held as the IPv4 address it stands for. */
struct netaddr {
	uint8_t b[16];
	uint8_t n; /* bytes used: 4 or 16 */
};

struct netcidr {
	struct netaddr base;
	unsigned bits;
};

struct netcidr_list {
	struct netcidr v[NETCIDR_LIST_MAX];
	size_t n;
};

/* Dotted quad or RFC 4291 2.2 text, without brackets, port or zone; else ERR_INPUT. */
enum err netaddr_parse(struct slice text, struct netaddr *ret) MUST_CHECK;
/* 4 or 16 bytes in network order; else ERR_INPUT. */
enum err netaddr_from_bytes(struct slice bytes, struct netaddr *ret) MUST_CHECK;
/* Negative, 0 or positive: some order in which equal addresses are equal. */
int netaddr_compare(const struct netaddr *a, const struct netaddr *b);
void netaddr_text(const struct netaddr *a, char ret[NETADDR_TEXT_MAX]);

/*
 * True for addresses of the public Internet that belong to one host. False for
 * every special-purpose range, and for the known addresses of metadata services
 * in public space. An IPv4-mapped address is the IPv4 address; every other form
 * that wraps one (IPv4-compatible, NAT64, 6to4, Teredo, ISATAP) is not global,
 * whatever is in it: where it leads is decided by a gateway nearby.
 */
bool netaddr_is_global(const struct netaddr *a);
/* 127.0.0.0/8 or ::1: this computer. */
bool netaddr_is_loopback(const struct netaddr *a);

/* "192.0.2.0/24", "2001:db8::/32" or a single address. */
enum err netcidr_parse(struct slice text, struct netcidr *ret) MUST_CHECK;
/* Ranges separated by blanks or commas. ERR_CONFIG names the one that is wrong. */
enum err netcidr_list_parse(struct slice text, struct netcidr_list *ret,
			    struct fail *fail) MUST_CHECK;
bool netcidr_contains(const struct netcidr *c, const struct netaddr *a);
bool netcidr_list_contains(const struct netcidr_list *l, const struct netaddr *a);

#endif
