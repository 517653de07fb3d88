/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs that sign webhooks: list, create, delete. Only public keys are ever shown. */
#include "apid/handlers.h"
#include "apid/named.h"
#include "apid/req.h"
#include "common/mail/authsig.h"
#include "common/store/store_signing_key.h"

enum { WHPK_MAX = 64 };

static void write_one(struct jsonw *w, const struct store_signing_key *k)
{
	AUTO(buf_release) struct buf whpk = BUF_INIT(WHPK_MAX);

	authsig_whpk(k->public_key, &whpk);
	jsonw_object(w);
	jsonw_key_text(w, "id", k->id);
	jsonw_key_text(w, "name", k->name);
	jsonw_key_text(w, "public_key", buf_slice(&whpk));
	resp_key_seconds(w, "created_at", k->created_us);
	jsonw_object_end(w);
}

void signing_key_list(struct req *r)
{
	struct fail fail = { 0 };
	struct store_signing_key *v;
	struct jsonw *w;
	size_t n;

	if (store_signing_key_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to list signing keys");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key(w, "keys");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_one(w, &v[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static enum err create(struct req *r, void *arg, struct fail *fail)
{
	const struct slice *name = arg;
	struct store_signing_key made;
	enum err e = store_signing_key_create(r->db, r->app->keys, r->principal.user_id, *name,
					      &r->arena, &made, fail);

	if (e == OK)
		write_one(resp_json(&r->resp, 201), &made);
	return e;
}

void signing_key_create(struct req *r)
{
	struct fail fail = { 0 };
	struct slice name;

	if (!named_read(r, &name))
		return;
	switch (req_act(r, create, &name, &fail)) {
	case OK:
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 400,
			    "at most %d signing keys per user; delete one before creating another",
			    STORE_SIGNING_KEYS_MAX);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, r->route->unauthorized);
		break;
	default:
		req_fail(r, &fail, "failed to create signing key");
		break;
	}
}

static enum err remove_one(struct req *r, void *arg, struct fail *fail)
{
	(void)arg;
	if (!id_valid(r->param[0], ID_PREFIX_SIGNING_KEY))
		return fail_set(fail, ERR_NOT_FOUND, "no such signing key");
	return store_signing_key_delete(r->db, r->principal.user_id, r->param[0], fail);
}

void signing_key_delete(struct req *r)
{
	struct fail fail = { 0 };

	switch (req_act(r, remove_one, NULL, &fail)) {
	case OK:
		resp_empty(&r->resp, 204);
		break;
	case ERR_NOT_FOUND:
	case ERR_UNAUTHORIZED:
		req_deny(r);
		break;
	default:
		req_fail(r, &fail, "failed to delete signing key");
		break;
	}
}
