/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys, for a browser that is signed in: list, create, revoke. A key is in
 * the answer that creates it and in no other, not even in a repetition of that.
 */
#include "apid/handlers.h"
#include "apid/req.h"
#include "common/mail/addr.h"
#include "common/store/store_key.h"

#include <inttypes.h>

enum { DAYS_MAX = 3650 };

static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;

/* `key` is empty where it must not be shown. */
static void write_key(struct jsonw *w, const struct store_key_item *k, struct slice user_id,
		      struct slice key)
{
	jsonw_object(w);
	jsonw_key_text(w, "id", k->id);
	jsonw_key_text(w, "user_id", user_id);
	jsonw_key_text(w, "name", k->name);
	jsonw_key_text(w, "key_prefix", k->prefix);
	if (key.n)
		jsonw_key_text(w, "key", key);
	jsonw_key_text(w, "scope", k->agent_email.n ? S("agent") : S("account"));
	if (k->agent_email.n)
		jsonw_key_text(w, "agent_email", k->agent_email);
	resp_key_time(w, "created_at", k->created_us);
	if (k->expires_us)
		resp_key_time(w, "expires_at", k->expires_us);
	if (k->last_used_us)
		resp_key_time(w, "last_used_at", k->last_used_us);
	jsonw_object_end(w);
}

void key_list(struct req *r)
{
	struct fail fail = { 0 };
	struct store_key_item *v;
	struct jsonw *w;
	size_t n;

	if (store_key_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to list API keys");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_key(w, &v[i], r->principal.user_id, S(""));
	jsonw_array_end(w);
}

struct wish {
	struct slice name, scope, agent_email;
	int64_t days;
	bool has_days;
};

static const struct jsonf_row name_rows[] = {
	{ "name", JSONF_TEXT, offsetof(struct wish, name), JSONF_NO_GIVEN },
	{ 0 },
};

static const struct jsonf_row reach_rows[] = {
	{ "scope", JSONF_TEXT, offsetof(struct wish, scope), JSONF_NO_GIVEN },
	{ "agent_email", JSONF_TEXT, offsetof(struct wish, agent_email), JSONF_NO_GIVEN },
	{ "expires_in_days", JSONF_INT, offsetof(struct wish, days),
	  offsetof(struct wish, has_days) },
	{ 0 },
};

static const struct jsonf_row no_rows[] = { { 0 } };

/*
 * What is no object, or no text for a name, is a key without a name: clients
 * rely on it. But whoever says how far a key reaches must be understood.
 */
static bool read_wish(struct req *r, struct wish *ret)
{
	struct slice body = buf_slice(&r->body);
	struct wish named = { 0 };

	if (r->body_bad || (jsonf_read(body, no_rows, &r->arena, ret) == OK &&
			    jsonf_read(body, reach_rows, &r->arena, ret))) {
		r->resp.close = r->resp.close || r->body_bad;
		resp_error(&r->resp, 400, "invalid request body");
		return false;
	}
	if (jsonf_read(body, name_rows, &r->arena, &named) == OK)
		ret->name = named.name;
	return true;
}

static const char *check_wish(const struct wish *w)
{
	bool agent = slice_eq(w->scope, S("agent"));

	if (slice_find(w->name, '\0') >= 0)
		return "name must not contain NUL";
	if (w->scope.n && !agent && !slice_eq(w->scope, S("account")))
		return "scope must be 'account' or 'agent'";
	if (agent && w->agent_email.n == 0)
		return "agent_email is required for scope 'agent'";
	if (!agent && w->agent_email.n)
		return "agent_email goes with scope 'agent'";
	if (w->has_days && (w->days < 1 || w->days > DAYS_MAX))
		return "expires_in_days must be between 1 and 3650";
	return NULL;
}

static enum err create(struct req *r, void *arg, struct fail *fail)
{
	struct store_key_new *wanted = arg;
	AUTO(apikey_wipe) struct apikey key;
	struct slice user = r->principal.user_id;
	struct store_key_item made;
	enum err e;

	apikey_new(&key);
	wanted->key = &key;
	e = store_key_create(r->db, wanted, &r->arena, &made, fail);
	if (e)
		return e;
	write_key(resp_json(&r->resp, 201), &made, user, slice_str(key.text));
	write_key(resp_kept(&r->resp), &made, user, S(""));
	return OK;
}

static void store(struct req *r, struct store_key_new *wanted)
{
	struct fail fail = { 0 };

	switch (req_act(r, create, wanted, &fail)) {
	case OK:
		break;
	case ERR_NOT_FOUND:
		resp_error(&r->resp, 404, "agent not found");
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 403, "at most %" PRId64 " API keys per user", wanted->most);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "not authenticated");
		break;
	default:
		req_fail(r, &fail, "failed to create API key");
		break;
	}
}

void key_create(struct req *r)
{
	struct store_key_new wanted = { .user_id = r->principal.user_id,
					.most = r->app->settings->keys_per_user };
	struct wish w = { 0 };
	const char *wrong;

	if (!read_wish(r, &w))
		return;
	wrong = check_wish(&w);
	if (wrong) {
		resp_error(&r->resp, 400, wrong);
		return;
	}
	if (w.agent_email.n && addr_fold(w.agent_email, &r->arena, &wanted.agent_address)) {
		resp_error(&r->resp, 404, "agent not found");
		return;
	}
	wanted.name = w.name;
	wanted.lifetime_ms = w.days * day_ms;
	store(r, &wanted);
}

void key_delete(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = ERR_NOT_FOUND;

	if (id_valid(r->param[0], ID_PREFIX_API_KEY))
		e = store_key_revoke(r->db, r->principal.user_id, r->param[0], &fail);
	if (e == OK)
		resp_empty(&r->resp, 200);
	else if (e == ERR_NOT_FOUND)
		req_deny(r);
	else
		req_fail(r, &fail, "failed to delete API key");
}
