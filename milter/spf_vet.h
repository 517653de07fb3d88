/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SPF record must look like before libspf2 may see it (RFC 7208 4.6,
 * 5, 6, 12). A vetted record is written anew, so that nothing the library
 * reads came from outside as it was:
 *  - mechanisms are known and their syntax is right;
 *  - macros are expanded (spf_macro.h);
 *  - exp= and unknown modifiers are checked and dropped (exp= is never expanded);
 *  - redirect= comes last, and not at all beside `all`;
 *  - ip4 and ip6 are compared here: a match becomes `all`, the rest is dropped,
 *    which keeps long records inside the library's fixed tables.
 */
#ifndef E2A_MILTER_SPF_VET_H
#define E2A_MILTER_SPF_VET_H

#include "milter/spf_macro.h"

enum {
	SPF_RECORD_MAX = 4096,
	SPF_VETTED_MAX = 8192,
	SPF_TERMS_MAX = 400,
	SPF_DOMAIN_SPEC_MAX = 255
};

/* True for a TXT record that is meant as SPF: "v=spf1" and then a space or the end. */
bool spf_is_record(struct slice txt);
/* Appends the vetted record to *ret (ceiling SPF_VETTED_MAX). ERR_INPUT means permerror. */
enum err spf_vet(struct slice record, const struct spf_context *ctx, struct buf *ret) MUST_CHECK;

#endif
