/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts, and the keys under which they may be repeated. An act must never be
 * committed without its key, nor a key without its act; and what is shown once
 * is not kept.
 */
#include "apid/idem.h"

#include "common/store/store_idem.h"

/* Acts take milliseconds; whoever waits longer for one is told to come again. */
enum { HOLDER_WAIT_MS = 2000 };

static bool keyed(const struct req *r)
{
	return slice_eq(r->method, S("POST")) && r->field.idempotency_key.p;
}

static bool usable(struct slice key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] <= ' ' || key.p[i] > '~')
			return false;
	return key.n >= 1 && key.n <= IDEM_KEY_MAX;
}

static struct slice owner_of(struct req *r)
{
	const struct principal *p = &r->principal;

	if (p->user_id.n == 0)
		return slice_str(arena_printf(&r->arena, "ip:%.*s", SLICE_ARGS(r->client)));
	if (!p->agent_scope)
		return p->user_id;
	return slice_str(arena_printf(&r->arena, "%.*s %.*s", SLICE_ARGS(p->user_id),
				      SLICE_ARGS(p->agent_address)));
}

/* With its length in front, so that no two requests read alike. */
static void add_part(struct sha256 *h, struct slice part)
{
	uint64_t n = part.n;

	sha256_add(h, slice_of((const char *)&n, sizeof(n)));
	sha256_add(h, part);
}

/* Once: the body may be gone afterwards. */
static const struct store_idem *describe(struct req *r)
{
	struct store_idem *ret = arena_alloc(&r->arena, sizeof(*ret));
	struct sha256 *h = sha256_new();

	add_part(h, r->method);
	add_part(h, r->target.path);
	add_part(h, buf_slice(&r->body));
	sha256_finish(h, ret->request_hash);
	crypto_sha256(r->field.idempotency_key, ret->key_hash);
	ret->owner = owner_of(r);
	ret->user_id = r->principal.user_id;
	ret->retention_ms = r->app->settings->idempotency_retention_ms;
	r->idem = ret;
	return ret;
}

static void replay(struct req *r, const struct store_idem_answer *answer)
{
	if (answer->body.n) {
		resp_json(&r->resp, answer->status);
		buf_add_slice(&r->resp.body, answer->body);
	} else {
		resp_empty(&r->resp, answer->status);
	}
	resp_header(&r->resp, "Idempotency-Replayed", S("true"));
}

/* OK: answered. ERR_NOT_FOUND: the key is new. */
static enum err answer_known(struct req *r, const struct store_idem *idem, struct fail *fail)
{
	struct store_idem_answer answer;
	enum err e = store_idem_find(r->db, idem, &r->arena, &answer, fail);

	if (e == ERR_CONFLICT) {
		resp_error(&r->resp, 422, "Idempotency-Key was used for a different request");
		return OK;
	}
	if (e == OK)
		replay(r, &answer);
	return e;
}

static bool admit_key(struct req *r)
{
	if (usable(r->field.idempotency_key))
		return true;
	resp_error(&r->resp, 400, "Idempotency-Key must be 1 to 255 visible ASCII characters");
	return false;
}

bool idem_admit(struct req *r)
{
	struct fail fail = { 0 };
	enum err e;

	if (!keyed(r) || r->body_bad)
		return true;
	if (!admit_key(r))
		return false;
	e = answer_known(r, describe(r), &fail);
	if (e && e != ERR_NOT_FOUND)
		req_fail(r, &fail, "storage not available, try again later");
	return e == ERR_NOT_FOUND;
}

struct act {
	struct req *r;
	enum err (*act)(struct req *r, void *arg, struct fail *fail);
	void *arg;
	const struct store_idem *idem; /* NULL: it has no key */
	bool busy;                     /* another request holds the key */
};

static enum err keep(struct act *t, struct fail *fail)
{
	const struct resp *resp = &t->r->resp;
	const struct buf *body = resp->kept.len ? &resp->kept : &resp->body;

	if (buf_failed(body) || resp->status < 200 || resp->status > 299)
		return fail_set(fail, ERR_INTERNAL, "an act succeeded without an answer to keep");
	return store_idem_keep(t->r->db, t->idem, resp->status, buf_slice(body), fail);
}

static enum err run(struct db *db, void *arg, struct fail *fail)
{
	struct act *t = arg;
	bool mine = true;
	enum err e;

	if (t->idem) {
		e = store_idem_claim(db, t->idem, HOLDER_WAIT_MS, &mine, fail);
		t->busy = e == ERR_TIMEOUT;
		if (e)
			return e;
	}
	if (!mine)
		return answer_known(t->r, t->idem, fail);
	e = t->act(t->r, t->arg, fail);
	return e || !t->idem ? e : keep(t, fail);
}

enum err req_act(struct req *r, enum err (*act)(struct req *r, void *arg, struct fail *fail),
		 void *arg, struct fail *fail)
{
	struct act t = { .r = r, .act = act, .arg = arg };
	enum err e;

	if (keyed(r)) {
		if (!admit_key(r))
			return OK;
		t.idem = r->idem ? r->idem : describe(r);
	}
	e = db_tx(r->db, run, &t, fail);
	if (!t.busy)
		return e;
	resp_error(&r->resp, 409, "a request with this Idempotency-Key is under way");
	return OK;
}
