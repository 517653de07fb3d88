/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SPF record must look like before libspf2 may see it (RFC 7208 4.6,
 * 7, 12). A vetted record has only known mechanisms in valid syntax; it is
 * written anew, so that nothing the library reads came from outside as it was:
 *  - exp= and unknown modifiers are checked and dropped (exp= is never expanded);
 *  - redirect= comes last, and not at all beside `all`;
 *  - ip4 and ip6 are compared here: a match becomes `all`, the rest is dropped,
 *    which keeps long records inside the library's fixed tables.
 */
#ifndef E2A_MILTER_SPF_VET_H
#define E2A_MILTER_SPF_VET_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/slice.h"

enum { SPF_RECORD_MAX = 4096, SPF_TERMS_MAX = 400, SPF_DOMAIN_SPEC_MAX = 255 };

struct spf_client {
	bool v6;
	uint8_t ip[16]; /* network order; 4 bytes for IPv4 */
};

/* Text form; IPv4-mapped IPv6 counts as IPv4 (RFC 7208 5). */
enum err spf_client_parse(struct slice text, struct spf_client *ret) MUST_CHECK;
/* The address as text again, in the one form that libspf2 takes. */
struct slice spf_client_text(const struct spf_client *client, struct arena *a);
/* True for a TXT record that is meant as SPF: "v=spf1" and then a space or the end. */
bool spf_is_record(struct slice txt);
/* Appends the vetted record to *ret (ceiling at least SPF_RECORD_MAX). ERR_INPUT means permerror. */
enum err spf_vet(struct slice record, const struct spf_client *client, struct buf *ret) MUST_CHECK;

#endif
