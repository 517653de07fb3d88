/* SPDX-License-Identifier: Apache-2.0 */
/* A user's claim on a domain, as the path names it: found, looked at, shown. */
#ifndef E2A_APID_CLAIM_H
#define E2A_APID_CLAIM_H

#include "apid/req.h"
#include "common/store/store_domain.h"

/* The caller's claim on the domain of the first path parameter; else the row's answer for none. */
bool claim_find(struct req *r, struct store_domain *ret);
/*
 * Looks for its records in DNS, saves what was found and reads the claim again. A
 * next key that was seen has then taken the place of the one before. False with
 * the answer when that fails; no answer of DNS is no failure.
 */
bool claim_look(struct req *r, struct store_domain *d);
/* Were all of its records looked for so short a time ago that nobody has to look again? */
bool claim_is_fresh(struct req *r, const struct store_domain *d);
/* Writes the claim with what is to be published for it. */
void claim_json(struct jsonw *w, struct req *r, const struct store_domain *d);
/* Tells deliverd that the set of verified domains has changed. */
void claim_announce(const struct req *r);

#endif
