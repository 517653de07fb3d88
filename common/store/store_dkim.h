/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys by which mail of a domain is signed (DKIM, RFC 6376). Private keys lie in the
 * database sealed with KEY_SECRETS, bound to domain and selector. What is known of
 * them beside that comes with the domain (store_domain.h).
 */
#ifndef E2A_STORE_STORE_DKIM_H
#define E2A_STORE_STORE_DKIM_H

#include "common/base/buf.h"
#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_dkim_stmts[];

/*
 * A key that no longer signs is published so long; what it signed has arrived by then:
 * approved mail is signed before Postfix is tried for `outbound_lifetime`, and then Postfix
 * tries.
 */
enum { STORE_DKIM_RETIRED_DAYS = 14 };

/* A key pair as texts. Zeroed before it is made; releasing it wipes it. */
struct store_dkim_pair {
	struct buf private_key, public_key;
};
/* Makes one, which takes about 100 ms of a processor: not in a transaction. */
enum err store_dkim_make(struct store_dkim_pair *ret, struct fail *fail) MUST_CHECK;
void store_dkim_release(struct store_dkim_pair *p);

/* The pair becomes the key of a domain that has none. Of several callers at once one makes it. */
enum err store_dkim_add(struct db *db, const struct keys *keys, struct slice domain_id,
			const struct store_dkim_pair *pair, bool *ret_made,
			struct fail *fail) MUST_CHECK;
/*
 * The pair becomes the next key, under the selector that `active` does not have.
 * ERR_CONFLICT while there is a next or a retired key, or the active one is another
 * by now. Where it has seen DNS, store_domain_record_save() lets the next one sign.
 */
enum err store_dkim_rotate(struct db *db, const struct keys *keys, struct slice domain_id,
			   struct slice active, const struct store_dkim_pair *pair,
			   struct fail *fail) MUST_CHECK;

struct store_dkim_signer {
	struct slice selector;
	bool published; /* when DNS last gave an answer */
};
/*
 * The key that signs mail of a domain that somebody holds, user or deployment;
 * appends the private key in PEM to *ret_private, which the caller wipes.
 * ERR_NOT_FOUND when nobody holds it or it has no key yet, ERR_CRYPTO when the
 * key does not open.
 */
enum err store_dkim_signer(struct db *db, const struct keys *keys, struct slice domain,
			   struct arena *a, struct store_dkim_signer *ret, struct buf *ret_private,
			   struct fail *fail) MUST_CHECK;

/* Deletes retired keys whose time is over, at most `limit`. */
enum err store_dkim_expire(struct db *db, int64_t limit, size_t *ret_n,
			   struct fail *fail) MUST_CHECK;

#endif
