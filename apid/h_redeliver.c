/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhook calls that somebody wants to be made again: of one message, of all that failed, or
 * of a time. A large wish is fulfilled step by step; the answer says where to go on.
 */
#include "apid/announcer.h"
#include "apid/handlers.h"
#include "apid/page_query.h"
#include "common/base/clock.h"
#include "common/base/schedule.h"
#include "common/store/store_delivery.h"

struct wish {
	struct slice state, since, until, token;
};

#define TEXT_ROW(field)                                                                            \
	{                                                                                          \
#field, JSONF_TEXT, offsetof(struct wish, field), JSONF_NO_GIVEN                   \
	}

static const struct jsonf_row wish_rows[] = {
	TEXT_ROW(state), TEXT_ROW(since), TEXT_ROW(until), TEXT_ROW(token), { 0 },
};

struct redelivery {
	struct store_redelivery what;
	struct slice list; /* what a token is bound to */
};

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool read_time(struct req *r, const char *name, struct slice text, int64_t *ret_us)
{
	if (text.n == 0 || clock_parse_rfc3339(text, ret_us) == OK)
		return true;
	resp_errorf(&r->resp, 400, "%s must be an RFC 3339 timestamp", name);
	return false;
}

static bool read_wish(struct req *r, const struct wish *wish, struct store_redelivery *ret)
{
	ret->all = slice_eq(wish->state, S("all"));
	if (wish->state.n && !ret->all && !slice_eq(wish->state, S("failed")))
		return bad(r, "state must be 'failed' or 'all'");
	if (!read_time(r, "since", wish->since, &ret->since_us) ||
	    !read_time(r, "until", wish->until, &ret->until_us))
		return false;
	if (ret->all && wish->since.n == 0)
		return bad(r, "since is required with state 'all'");
	return ret->since_us < ret->until_us || bad(r, "until must be later than since");
}

/* Where an earlier call of the same wish ended. */
static bool read_token(struct req *r, struct slice text, struct redelivery *d)
{
	struct page_token token;

	d->list = slice_str(arena_printf(&r->arena, "redeliver:%d:%lld:%lld", d->what.all,
					 (long long)d->what.since_us, (long long)d->what.until_us));
	if (text.n == 0)
		return true;
	if (page_token_read(text, r->principal.user_id, keys_get(r->app->keys, KEY_CURSOR),
			    &r->arena, &token))
		return bad(r, "invalid pagination token");
	if (!slice_eq(token.filter, d->list) || !slice_eq(token.agent, d->what.agent))
		return bad(r, "token was created for a different redelivery");
	d->what.after_us = token.created_us;
	d->what.after_id = token.id;
	return true;
}

/* False when the schedule, which e2a-deliverd looked at before, cannot be read. */
static bool begin(struct req *r, const struct store_agent *agent, struct store_redelivery *ret)
{
	struct schedule schedule;
	struct fail fail = { 0 };

	if (schedule_read(r->app->settings->webhook_schedule, &schedule, &fail)) {
		req_fail(r, &fail, "failed to redeliver");
		return false;
	}
	*ret = (struct store_redelivery){
		.user_id = r->principal.user_id,
		.agent = agent->email,
		.since_us = INT64_MIN,
		.until_us = INT64_MAX,
		.after_us = INT64_MIN,
		.lifetime_ms = schedule_span_ms(&schedule),
		.by = S("account"),
	};
	return true;
}

static void finish(struct req *r, enum err e, const struct fail *fail)
{
	if (e == OK)
		announcer_post(r->app->announcer);
	else if (e == ERR_CONFLICT)
		resp_error(&r->resp, 409, fail->what);
	else
		req_fail(r, fail, "failed to redeliver");
}

static enum err redeliver_one(struct req *r, void *arg, struct fail *fail)
{
	const struct store_redelivery *what = arg;
	struct store_redelivered done;
	enum err e = store_redelivery_run(r->db, what, &r->arena, &done, fail);
	struct jsonw *w;

	if (e)
		return e;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "message_id", what->message);
	jsonw_key_text(w, "status",
		       done.n        ? S("redelivered")
		       : done.recent ? S("recent")
				     : S("under_way"));
	jsonw_object_end(w);
	return OK;
}

void message_redeliver(struct req *r)
{
	struct store_redelivery what;
	struct store_agent agent;
	struct fail fail = { 0 };
	enum err e;

	if (!req_agent(r, &agent) || !begin(r, &agent, &what))
		return;
	what.message = r->param[1];
	e = req_act(r, redeliver_one, &what, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else
		finish(r, e, &fail);
}

static enum err redeliver_many(struct req *r, void *arg, struct fail *fail)
{
	const struct redelivery *d = arg;
	struct store_redelivered done;
	enum err e = store_redelivery_run(r->db, &d->what, &r->arena, &done, fail);
	struct page_token next = { .filter = d->list, .agent = d->what.agent };
	struct jsonw *w;

	if (e)
		return e;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_int(w, "redelivered", done.n);
	jsonw_key_int(w, "skipped", done.recent + done.in_hand);
	next.created_us = done.after_us;
	next.id = done.after_id;
	if (done.more)
		page_query_next(r, &next);
	jsonw_object_end(w);
	return OK;
}

void agent_redeliver(struct req *r)
{
	struct wish wish = { 0 };
	struct store_agent agent;
	struct redelivery d = { 0 };
	struct fail fail = { 0 };
	enum err e;

	if (!req_agent(r, &agent) || !req_json_if_any(r, wish_rows, &wish) ||
	    !begin(r, &agent, &d.what) || !read_wish(r, &wish, &d.what) ||
	    !read_token(r, wish.token, &d))
		return;
	e = req_act(r, redeliver_many, &d, &fail);
	if (e == ERR_NOT_FOUND)
		req_deny(r);
	else
		finish(r, e, &fail);
}
