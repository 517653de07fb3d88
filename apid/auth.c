/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication by API key or session. A token is hashed here and goes nowhere
 * else. Both look alike and live in tables of their own: neither works as the other.
 */
#include "apid/auth.h"

#include "common/mail/addr.h"
#include "common/store/store_key.h"
#include "common/store/store_session.h"

struct slice auth_token(struct slice authorization)
{
	struct slice prefix = S("Bearer ");

	return slice_starts(authorization, prefix)
		       ? slice_sub(authorization, prefix.n, authorization.n)
		       : authorization;
}

static enum err scope_of(const struct store_key *key, struct arena *a, struct principal *p,
			 struct fail *fail)
{
	p->agent_scope = key->agent_scope;
	if (key->agent_scope && addr_fold(key->agent_email, a, &p->agent_address))
		return fail_set(fail, ERR_UNAUTHORIZED, "key is bound to no address");
	return OK;
}

static enum err hash_token(struct slice token, uint8_t ret[SHA256_LEN], struct fail *fail)
{
	if (token.n == 0 || token.n > AUTH_TOKEN_MAX)
		return fail_set(fail, ERR_UNAUTHORIZED, "no usable token");
	crypto_sha256(token, ret);
	return OK;
}

enum err auth_principal(struct db *db, struct slice token, struct arena *a, struct principal *ret,
			struct fail *fail)
{
	uint8_t hash[SHA256_LEN];
	struct store_key key;
	struct principal p = { 0 };
	enum err e = hash_token(token, hash, fail);

	if (e == OK)
		e = store_key_find(db, hash, a, &key, fail);
	if (e == OK)
		e = scope_of(&key, a, &p, fail);
	if (e)
		return e;
	/* A lost note of use must not cost the request. */
	if (key.touch_due && store_key_touch(db, key.id, NULL) != OK)
		key.touch_due = false;
	p.key_id = key.id;
	p.user_id = key.user_id;
	*ret = p;
	return OK;
}

enum err auth_session(struct db *db, struct slice token, struct arena *a, struct principal *ret,
		      struct fail *fail)
{
	struct principal p = { .session = true };
	struct store_session session;
	enum err e = hash_token(token, p.session_hash, fail);

	if (e == OK)
		e = store_session_find(db, p.session_hash, a, &session, fail);
	if (e)
		return e;
	p.user_id = session.user_id;
	p.by_key = session.by_key;
	*ret = p;
	return OK;
}

bool auth_reaches(const struct principal *p, struct slice address)
{
	return !p->agent_scope || slice_eq(p->agent_address, address);
}

struct store_account auth_account(const struct principal *p)
{
	struct store_account account = { .user_id = p->user_id, .key_id = p->key_id };

	if (p->session)
		account.session_hash =
			slice_of((const char *)p->session_hash, sizeof(p->session_hash));
	return account;
}
