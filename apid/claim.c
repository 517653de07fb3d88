/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of domains share. One writer for the claim, so that no list or
 * detail lacks a record of another.
 */
#include "apid/claim.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_domain_record.h"

enum { LOOK_MS = 5000 };

bool claim_find(struct req *r, struct store_domain *ret)
{
	struct fail fail = { 0 };
	struct slice domain;
	enum err e;

	if (addr_domain(r->param[0], &r->arena, &domain))
		return req_deny(r);
	e = store_domain_find(r->db, r->principal.user_id, domain, &r->arena, ret, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		return req_deny(r);
	if (e)
		req_fail(r, &fail, "failed to load domain");
	return e == OK;
}

static enum err save(struct req *r, struct store_domain *d, int64_t look_ms, struct fail *fail)
{
	struct store_domain_saved saved;
	enum err e = store_domain_record_save(r->db, d->id, d->records, look_ms, &r->arena, &saved,
					      fail);

	if (e)
		return e;
	*d = saved.after;
	if (saved.promoted)
		log_info("dkim_key_promoted", LF_STR("request", r->id),
			 LF_SLICE("domain", d->domain),
			 LF_SLICE("selector", d->records[DNS_RECORD_DKIM].selector));
	return OK;
}

static void describe(struct req *r, const struct store_domain *d,
		     struct dns_record ret[DNS_RECORD_COUNT])
{
	memcpy(ret, d->records, sizeof(d->records));
	dns_records_describe(r->app->settings, d->token, &r->arena, ret);
}

bool claim_look(struct req *r, struct store_domain *d)
{
	const struct settings *s = r->app->settings;
	int64_t began_ms = clock_mono_ms();
	struct fail fail = { 0 };
	enum err e;

	dns_records_describe(s, d->token, &r->arena, d->records);
	dns_records_look(r->app->dns, s, d->domain, began_ms + LOOK_MS, &r->arena, d->records);
	e = save(r, d, clock_mono_ms() - began_ms, &fail);
	if (e == ERR_NOT_FOUND)
		return req_deny(r);
	if (e)
		req_fail(r, &fail, "failed to save what DNS says");
	return e == OK;
}

bool claim_is_fresh(struct req *r, const struct store_domain *d)
{
	int64_t age_us = r->app->settings->domain_look_age_ms * 1000, now_us = clock_now_us();
	struct dns_record records[DNS_RECORD_COUNT];

	describe(r, d, records);
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++)
		if (records[i].host.n &&
		    (records[i].checked_us > now_us || now_us - records[i].checked_us >= age_us))
			return false;
	return true;
}

/* ---- JSON ---- */

/* "mx" and "txt" have told their type by their name from the beginning. */
static bool has_type(enum dns_record_kind kind)
{
	return kind != DNS_RECORD_MX && kind != DNS_RECORD_TXT;
}

static void write_record(struct jsonw *w, const struct store_domain *d, enum dns_record_kind kind,
			 const struct dns_record *rec)
{
	jsonw_key(w, dns_record_name(kind));
	jsonw_object(w);
	jsonw_key_text(w, "host", rec->host);
	if (has_type(kind))
		jsonw_key_text(w, "type", slice_str(dns_record_type(kind)));
	jsonw_key_text(w, "value", rec->value);
	if (kind == DNS_RECORD_MX)
		jsonw_key_int(w, "priority", DNS_MX_PRIORITY);
	if (rec->selector.n)
		jsonw_key_text(w, "selector", rec->selector);
	if (kind == DNS_RECORD_DKIM_RETIRED)
		resp_key_time(w, "needed_until", d->key_needed_until_us);
	jsonw_key_text(w, "status", slice_str(dns_status_word(rec->status)));
	if (rec->checked_us)
		resp_key_time(w, "checked_at", rec->checked_us);
	jsonw_object_end(w);
}

static void write_records(struct jsonw *w, struct req *r, const struct store_domain *d)
{
	struct dns_record records[DNS_RECORD_COUNT];

	describe(r, d, records);
	jsonw_key(w, "dns_records");
	jsonw_object(w);
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++)
		if (records[i].host.n)
			write_record(w, d, (enum dns_record_kind)i, &records[i]);
	jsonw_object_end(w);
}

void claim_json(struct jsonw *w, struct req *r, const struct store_domain *d)
{
	jsonw_object(w);
	jsonw_key_text(w, "domain", d->domain);
	jsonw_key_bool(w, "verified", d->verified);
	jsonw_key_text(w, "verification_token", d->token);
	write_records(w, r, d);
	resp_key_time(w, "created_at", d->created_us);
	if (d->verified)
		resp_key_time(w, "verified_at", d->verified_us);
	jsonw_object_end(w);
}

/* deliverd also looks by itself from time to time, so a lost word only delays. */
void claim_announce(const struct req *r)
{
	struct fail fail = { 0 };

	if (store_domain_announce(r->db, &fail))
		log_warn("domain_announce_failed", LF_STR("request", r->id),
			 LF_STR("detail", fail.what));
}
