/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is found in DNS for a domain, and what follows from it. Whoever looks, apid
 * for a user or deliverd by itself, saves it here.
 */
#ifndef E2A_STORE_STORE_DOMAIN_RECORD_H
#define E2A_STORE_STORE_DOMAIN_RECORD_H

#include "common/store/store_domain.h"

extern const struct db_stmt store_domain_record_stmts[];

/* A domain before and after what was found was saved; nobody else changed it in between. */
struct store_domain_saved {
	struct store_domain before, after;
	bool promoted; /* another key signs now */
};
/*
 * Saves the status of the records of a domain that are described, as they were found
 * by a look that began `look_ms` ago; what a later look has found stays. A DKIM key
 * counts as published until DNS says otherwise; a next key that is published signs
 * from now on, and the one before is retired. ERR_NOT_FOUND when the domain is
 * gone. A transaction of its own.
 */
enum err store_domain_record_save(struct db *db, struct slice domain_id,
				  const struct dns_record records[DNS_RECORD_COUNT],
				  int64_t look_ms, struct arena *a, struct store_domain_saved *ret,
				  struct fail *fail) MUST_CHECK;
/*
 * A verified domain that nobody has looked at for `age_ms`, the one that waits
 * longest; for the others it was looked at now. ERR_NOT_FOUND when there is none.
 */
enum err store_domain_record_due(struct db *db, int64_t age_ms, struct arena *a,
				 struct store_domain *ret, struct fail *fail) MUST_CHECK;

#endif
