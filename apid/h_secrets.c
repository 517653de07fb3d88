/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing secrets: list, create, delete. The value of one is in the answer that
 * creates it and in no other, not even in a repetition of that.
 */
#include "apid/handlers.h"
#include "apid/named.h"
#include "apid/req.h"
#include "common/mail/authsig.h"
#include "common/store/store_secret.h"

enum { WHSEC_MAX = 256 };

static void write_common(struct jsonw *w, const struct store_secret *s)
{
	jsonw_key_text(w, "id", s->id);
	jsonw_key_text(w, "name", s->name);
	jsonw_key_text(w, "secret_prefix", s->prefix);
	resp_key_seconds(w, "created_at", s->created_us);
}

void secret_list(struct req *r)
{
	struct fail fail = { 0 };
	struct store_secret *v;
	struct jsonw *w;
	size_t n;

	if (store_secret_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to list signing secrets");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key(w, "secrets");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(w);
		write_common(w, &v[i]);
		if (v[i].last_signed_us)
			resp_key_seconds(w, "last_signed_at", v[i].last_signed_us);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static void write_created(struct jsonw *w, const struct store_secret *s, struct slice value)
{
	AUTO(buf_release) struct buf whsec = BUF_INIT(WHSEC_MAX);

	jsonw_object(w);
	write_common(w, s);
	if (value.n) {
		authsig_whsec(value, &whsec);
		jsonw_key_text(w, "secret", value);
		jsonw_key_text(w, "whsec", buf_slice(&whsec));
		crypto_wipe(whsec.p, whsec.len);
	}
	jsonw_object_end(w);
}

static enum err create(struct req *r, void *arg, struct fail *fail)
{
	const struct slice *name = arg;
	char value[TOKEN_HEX_LEN + 1];
	struct store_secret made;
	enum err e;

	id_random_hex(TOKEN_HEX_LEN, value);
	e = store_secret_create(r->db, r->app->keys, r->principal.user_id, *name, slice_str(value),
				&r->arena, &made, fail);
	if (e == OK) {
		write_created(resp_json(&r->resp, 201), &made, slice_str(value));
		write_created(resp_kept(&r->resp), &made, S(""));
	}
	crypto_wipe(value, sizeof(value));
	return e;
}

void secret_create(struct req *r)
{
	struct fail fail = { 0 };
	struct slice name;

	if (!named_read(r, &name))
		return;
	switch (req_act(r, create, &name, &fail)) {
	case OK:
		break;
	case ERR_TOO_BIG:
		resp_errorf(
			&r->resp, 400,
			"at most %d signing secrets per user; delete one before creating another",
			STORE_SECRETS_MAX);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, r->route->unauthorized);
		break;
	default:
		req_fail(r, &fail, "failed to create signing secret");
		break;
	}
}

static enum err remove_one(struct req *r, void *arg, struct fail *fail)
{
	(void)arg;
	if (!id_valid(r->param[0], ID_PREFIX_SECRET))
		return fail_set(fail, ERR_NOT_FOUND, "no such secret");
	return store_secret_delete(r->db, r->principal.user_id, r->param[0], fail);
}

void secret_delete(struct req *r)
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
	case ERR_CONFLICT:
		resp_error(&r->resp, 400,
			   "cannot delete the last signing secret; create a new one first");
		break;
	default:
		req_fail(r, &fail, "failed to delete signing secret");
		break;
	}
}
