/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processing limits of one SPF evaluation (RFC 7208 4.6.4), counted at the
 * resolver, because libspf2 forgets its own count at every include and has no
 * limit on void look-ups.
 *
 * A look-up is a term: address queries for the names of an MX or PTR answer
 * belong to that term and are limited by its 10 names instead. A void look-up
 * is an answer without records; for such a name only NXDOMAIN counts, since a
 * mail host without an address of the client's family is no attack.
 */
#ifndef E2A_MILTER_SPF_COUNT_H
#define E2A_MILTER_SPF_COUNT_H

#include "common/base/arena.h"
#include "common/mail/dns.h"

enum { SPF_LOOKUPS_MAX = 10, SPF_VOIDS_MAX = 2, SPF_NAMES_MAX = 10 };

struct spf_count {
	unsigned lookups, voids;
	struct slice *names; /* that MX and PTR answers named */
	size_t names_n;
	const char *exceeded; /* a fixed word once a limit was passed: the result is permerror */
};

/* Before a query. False, and `exceeded` set, when it is one too many. */
bool spf_count_query(struct spf_count *c, struct slice name, enum dns_type type);
/* After a query that was answered; an answer without records is void. */
void spf_count_answer(struct spf_count *c, struct slice name, enum dns_type type,
		      const struct dns_answer *answer, bool nxdomain, struct arena *a);
/* The host name in an MX or PTR record as dns.h gives it. */
struct slice spf_record_name(enum dns_type type, struct slice record);

#endif
