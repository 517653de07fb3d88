/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains. A row is one user's claim with a token of its own; whoever proves
 * control first holds the domain. Names are in the form of addr_domain().
 */
#ifndef E2A_STORE_STORE_DOMAIN_H
#define E2A_STORE_STORE_DOMAIN_H

#include "common/mail/dns_records.h"
#include "common/store/db.h"

extern const struct db_stmt store_domain_stmts[];

struct store_domain {
	struct slice id;
	struct slice domain;
	bool verified;
	struct slice token; /* empty: a domain of the deployment, which nobody has to prove */
	int64_t created_us;
	int64_t verified_us; /* 0 while unverified */
	struct slice owner;  /* e-mail address; store_domain_named() only */
	/* Keys, and what was found of each record; without host and value (dns_records.h). */
	struct dns_record records[DNS_RECORD_COUNT];
	int64_t key_needed_until_us; /* the retired one */
};

/* All claims of a user, newest first. */
enum err store_domain_list(struct db *db, struct slice user_id, struct arena *a,
			   struct store_domain **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/* ERR_NOT_FOUND when the user has no claim on it. */
enum err store_domain_find(struct db *db, struct slice user_id, struct slice domain,
			   struct arena *a, struct store_domain *ret, struct fail *fail) MUST_CHECK;
/* The row of this id. ERR_NOT_FOUND when it is gone. */
enum err store_domain_get(struct db *db, struct slice id, struct arena *a, struct store_domain *ret,
			  struct fail *fail) MUST_CHECK;
/* Who holds the domain, user or deployment. ERR_NOT_FOUND when nobody does. */
enum err store_domain_held(struct db *db, struct slice domain, struct arena *a,
			   struct store_domain *ret, struct fail *fail) MUST_CHECK;
/* All claims on it, that of the holder first, with their owners. For the operator. */
enum err store_domain_named(struct db *db, struct slice domain, struct arena *a,
			    struct store_domain **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/*
 * Makes the claim, or finds the one that is there, token unchanged.
 * ERR_CONFLICT for a domain of the deployment itself; ERR_TOO_BIG when the user
 * has `most` claims. In a transaction of the caller's.
 */
enum err store_domain_claim(struct db *db, struct slice user_id, struct slice domain, int64_t most,
			    struct arena *a, struct store_domain *ret,
			    struct fail *fail) MUST_CHECK;
/*
 * ERR_NOT_FOUND without a claim; ERR_CONFLICT when somebody else, or the
 * deployment itself, holds the domain, one above or one below it. In a transaction of the caller's.
 * *ret is without records.
 */
enum err store_domain_verify(struct db *db, struct slice user_id, struct slice domain,
			     struct arena *a, struct store_domain *ret,
			     struct fail *fail) MUST_CHECK;
/*
 * ERR_NOT_FOUND without a claim; ERR_CONFLICT while the user has agents on it.
 * In a transaction of the caller's.
 */
enum err store_domain_delete(struct db *db, struct slice user_id, struct slice domain,
			     struct fail *fail) MUST_CHECK;
/* The row of a domain of the deployment, which nobody owns. ERR_CONFIG when a user holds it. */
enum err store_domain_share(struct db *db, struct slice domain, struct fail *fail) MUST_CHECK;
/*
 * Is mail for this domain ours, whoever verified it? For decisions of our own;
 * no user may see the answer.
 */
enum err store_domain_taken(struct db *db, struct slice domain, bool *ret,
			    struct fail *fail) MUST_CHECK;
/* Tells deliverd that the set of verified domains has changed. */
enum err store_domain_announce(struct db *db, struct fail *fail) MUST_CHECK;

#endif
