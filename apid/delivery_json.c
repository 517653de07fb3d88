/* SPDX-License-Identifier: Apache-2.0 */
/* One writer for each, so that no list or detail lacks a field of another. */
#include "apid/delivery_json.h"

static void key_int(struct jsonw *w, const char *key, int64_t v)
{
	if (v) {
		jsonw_key_int(w, key, v);
		return;
	}
	jsonw_key(w, key);
	jsonw_null(w);
}

void delivery_json(struct jsonw *w, const struct store_delivery *d)
{
	jsonw_object(w);
	jsonw_key_text(w, "message_id", d->message_id);
	jsonw_key_text(w, "from", d->from);
	jsonw_key_text(w, "subject", d->subject);
	resp_key_seconds(w, "created_at", d->received_us);
	jsonw_key_text(w, "state", d->state);
	jsonw_key_bool(w, "under_way", d->under_way);
	jsonw_key_int(w, "attempts", d->attempts);
	resp_key_time_or_null(w, "next_attempt_at", d->next_us);
	key_int(w, "last_status", d->last_status);
	jsonw_key_text_or_null(w, "last_error", d->last_error);
	jsonw_object_end(w);
}

void delivery_json_event(struct jsonw *w, const struct store_delivery_event *e)
{
	jsonw_object(w);
	resp_key_time(w, "at", e->at_us);
	jsonw_key_text(w, "outcome", e->outcome);
	key_int(w, "attempt", e->attempt);
	key_int(w, "status", e->status);
	jsonw_key(w, "duration_ms");
	if (e->duration_ms < 0)
		jsonw_null(w);
	else
		jsonw_int(w, e->duration_ms);
	jsonw_key_text_or_null(w, "error", e->reason);
	jsonw_key_text_or_null(w, "answer", e->answer);
	jsonw_key_text_or_null(w, "by", e->by);
	jsonw_object_end(w);
}

static void key_count(struct jsonw *w, const char *key, const char *capped, int64_t n)
{
	bool many = n > STORE_ENDPOINT_COUNT_MAX;

	jsonw_key_int(w, key, many ? STORE_ENDPOINT_COUNT_MAX : n);
	jsonw_key_bool(w, capped, many);
}

void delivery_json_endpoint(struct jsonw *w, const struct store_endpoint *e)
{
	jsonw_object(w);
	jsonw_key_text(w, "webhook_url", e->url);
	jsonw_key_text(w, "state", e->state);
	jsonw_key_int(w, "failures", e->failures);
	resp_key_time_or_null(w, "failing_since", e->failing_us);
	resp_key_time_or_null(w, "next_attempt_at", e->next_us);
	key_int(w, "last_status", e->last_status);
	jsonw_key_text_or_null(w, "last_error", e->last_error);
	resp_key_time_or_null(w, "last_failed_at", e->last_fail_us);
	resp_key_time_or_null(w, "disabled_at", e->disabled_us);
	jsonw_key_text_or_null(w, "disabled_reason", e->disabled_reason);
	key_count(w, "pending", "pending_capped", e->pending);
	key_count(w, "failed", "failed_capped", e->failed);
	jsonw_object_end(w);
}
