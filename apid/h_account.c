/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may have of us by law: all of their data, and the end of it. */
#include "apid/export.h"
#include "apid/handlers.h"
#include "apid/req.h"
#include "common/store/store_account.h"

enum { EXPORT_RETRY_S = 30 };

static void refuse_export(struct req *r, const struct fail *fail)
{
	if (fail->code == ERR_RATE)
		resp_error(&r->resp, 429, "an export of this account is under way");
	else
		resp_error(&r->resp, 503, "too many exports at once, try again later");
	r->resp.retry_after_s = EXPORT_RETRY_S;
}

static void name_file(struct req *r)
{
	const char *value = arena_printf(&r->arena, "attachment; filename=\"e2a-export-%.*s.json\"",
					 SLICE_ARGS(r->principal.user_id));

	resp_header(&r->resp, "Content-Disposition", slice_str(value));
}

void account_export(struct req *r)
{
	struct resp_source source;
	struct fail fail = { 0 };
	enum err e = export_begin(r->app->exports, r->principal.user_id, &source, &fail);

	if (e == ERR_RATE || e == ERR_BUSY) {
		refuse_export(r, &fail);
	} else if (e == ERR_NOT_FOUND) {
		resp_error(&r->resp, 401, r->route->unauthorized);
	} else if (e) {
		req_fail(r, &fail, "failed to export user data");
	} else {
		resp_stream(&r->resp, 200, "application/json", &source);
		name_file(r);
	}
}

static void write_deleted(struct req *r, const struct store_account_deleted *d)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_int(w, "usage_events_deleted", d->usage_events);
	jsonw_key_int(w, "usage_summaries_deleted", d->usage_summaries);
	jsonw_key_int(w, "messages_deleted", d->messages);
	jsonw_key_int(w, "agents_deleted", d->agents);
	jsonw_key_int(w, "domains_deleted", d->domains);
	jsonw_key_int(w, "api_keys_deleted", d->api_keys);
	jsonw_key_int(w, "sessions_deleted", d->sessions);
	jsonw_key_bool(w, "user_deleted", true);
	jsonw_object_end(w);
}

void account_delete(struct req *r)
{
	struct store_account account = auth_account(&r->principal);
	struct store_account_deleted deleted;
	struct fail fail = { 0 };
	enum err e;

	if (!slice_eq(target_query(&r->target, S("confirm")), S("DELETE"))) {
		resp_error(&r->resp, 400,
			   "add ?confirm=DELETE to the request to proceed "
			   "\xe2\x80\x94 this is irreversible");
		return;
	}
	e = store_account_delete(r->db, &account, r->app->settings->address_retention_ms, &deleted,
				 &fail);
	if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401, r->route->unauthorized);
	else if (e)
		req_fail(r, &fail, "failed to delete user data");
	else
		write_deleted(r, &deleted);
}
