/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairs of Ed25519 keys by which webhooks of a user are signed beside the
 * signing secrets. They lie in the same table, and what fetches those for a
 * webhook fetches these; the id tells which is which.
 */
#ifndef E2A_STORE_STORE_SIGNING_KEY_H
#define E2A_STORE_STORE_SIGNING_KEY_H

#include "common/base/ed25519.h"
#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_signing_key_stmts[];

enum { STORE_SIGNING_KEYS_MAX = 3 }; /* of one user */

struct store_signing_key {
	struct slice id;
	struct slice name;
	struct slice public_key; /* ED25519_PUBLIC_LEN bytes */
	int64_t created_us;
};

/* Is this the id of a pair, and not of a signing secret? */
bool store_signing_key_is(struct slice id);
/* Appends the seed of a pair, ED25519_SEED_LEN bytes; ERR_CRYPTO when it does not open. */
enum err store_signing_key_open(const uint8_t key[CRYPTO_KEY_LEN], struct slice id,
				struct slice sealed, struct buf *ret) MUST_CHECK;

/*
 * A new pair, which signs from now on. ERR_TOO_BIG when the user has
 * STORE_SIGNING_KEYS_MAX. In a transaction of the caller's.
 */
enum err store_signing_key_create(struct db *db, const struct keys *keys, struct slice user_id,
				  struct slice name, struct arena *a, struct store_signing_key *ret,
				  struct fail *fail) MUST_CHECK;
/* All of a user, newest first. */
enum err store_signing_key_list(struct db *db, struct slice user_id, struct arena *a,
				struct store_signing_key **ret, size_t *ret_n,
				struct fail *fail) MUST_CHECK;
/* ERR_NOT_FOUND when the user has no such pair. */
enum err store_signing_key_delete(struct db *db, struct slice user_id, struct slice id,
				  struct fail *fail) MUST_CHECK;

#endif
