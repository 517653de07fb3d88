/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one message. Memory is the header section (bounded in
 * headers.h), the state of the DKIM verifier and two running hashes; the body
 * is never kept.
 */
#include "milter/session.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/mail/addr.h"
#include "milter/authres.h"
#include "milter/inject.h"
#include "milter/judge.h"
#include "milter/milter_metrics.h"

enum {
	HELO_MAX = 255,
	AUTHRES_MAX = 16 * 1024,
	SPF_SHARE_PERCENT = 80, /* of the budget; the rest is kept for keys and policy */
};

struct session {
	const struct milter *m;
	struct arena arena; /* of the connection */
	struct slice client_ip;
	struct slice helo;
	bool inject; /* the listener for agents' mail: no judgement, but a ticket */

	struct arena mail_arena; /* of the message */
	struct slice mail_from;
	struct inject_envelope envelope; /* on the inject listener */
	struct headers headers;
	struct dkim_check *dkim; /* elsewhere */
	struct mail_hash *hash;
	bool concerned; /* a recipient is of the e2a transport */
	bool open;      /* fields have come */
};

static char *dup_cut(struct arena *a, struct slice s, size_t max)
{
	return arena_dup(a, slice_sub(s, 0, max));
}

struct session *session_new(const struct milter *m, struct slice client_ip, struct slice daemon)
{
	struct session *s = mem_zalloc(sizeof(*s));

	metric_add(&milter_metrics[MILTER_SESSIONS], 1);
	s->m = m;
	s->inject = daemon.n > 0 && slice_eq(daemon, slice_str(m->settings.milter_inject_daemon));
	s->client_ip = arena_slice(&s->arena, client_ip);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	metric_add(&milter_metrics[MILTER_SESSIONS], -1);
	session_reset(s);
	arena_release(&s->arena);
	free(s);
}

void session_reset(struct session *s)
{
	dkim_check_free(TAKE(s->dkim));
	mail_hash_free(TAKE(s->hash));
	arena_release(&s->mail_arena);
	s->mail_from = slice_of(NULL, 0);
	s->envelope = (struct inject_envelope){ 0 };
	headers_init(&s->headers, &s->mail_arena);
	s->concerned = false;
	s->open = false;
}

void session_helo(struct session *s, struct slice name)
{
	struct slice ip = s->client_ip;
	struct arena old = s->arena;

	/* A client may say HELO as often as it likes. */
	arena_init(&s->arena);
	s->client_ip = arena_slice(&s->arena, ip);
	s->helo = slice_str(dup_cut(&s->arena, name, HELO_MAX));
	arena_release(&old);
}

static struct slice without_brackets(struct slice address)
{
	if (slice_starts(address, S("<")) && slice_ends(address, S(">")))
		return slice_sub(address, 1, address.n - 1);
	return address;
}

void session_mail(struct session *s, struct slice address)
{
	session_reset(s);
	s->mail_from = slice_str(dup_cut(&s->mail_arena, without_brackets(address), ADDR_MAX));
}

void session_rcpt(struct session *s, struct slice address, struct slice mailer)
{
	if (s->inject)
		inject_recipient(&s->envelope, without_brackets(address), &s->mail_arena);
	s->concerned |= slice_eq(mailer, slice_str(s->m->settings.milter_transport));
}

bool session_is_ours(const struct session *s)
{
	return s->concerned || s->inject ||
	       slice_eq(slice_str(s->m->settings.milter_scope), S("all"));
}

static enum err open_message(struct session *s)
{
	if (s->open)
		return OK;
	s->open = true;
	s->hash = mail_hash_new();
	return s->inject ? OK : dkim_check_new(&s->mail_arena, "e2a", &s->dkim);
}

enum err session_field(struct session *s, struct slice name, struct slice value)
{
	enum err e = open_message(s);

	if (e)
		return e;
	headers_add(&s->headers, name, value);
	if (s->dkim && !s->headers.h.limited)
		dkim_check_field(s->dkim, name, value);
	return OK;
}

enum err session_eoh(struct session *s)
{
	enum err e = open_message(s);

	return e || !s->dkim ? e : dkim_check_eoh(s->dkim);
}

enum err session_body(struct session *s, struct slice chunk)
{
	enum err e = open_message(s);

	if (e)
		return e;
	mail_hash_body(s->hash, chunk);
	return !s->dkim || s->headers.h.limited ? OK : dkim_check_body(s->dkim, chunk);
}

static int64_t min_ms(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum err gather(struct session *s, struct evidence *ret)
{
	const struct settings *set = &s->m->settings;
	const struct spf_identity id = { s->client_ip, s->helo, s->mail_from };
	int64_t now = clock_mono_ms();
	int64_t deadline = now + set->milter_budget_ms;
	int64_t spf_deadline =
		now + min_ms(set->spf_timeout_ms, set->milter_budget_ms * SPF_SHARE_PERCENT / 100);

	ret->author_valid = headers_author(&s->headers, &ret->author, &ret->author_domain);
	check_spf(s->m->pool, s->m->dns, &id, spf_deadline, &s->mail_arena, &ret->spf);
	if (ret->author_valid)
		check_dmarc(s->m->dns, s->m->psl, ret->author_domain, deadline, &s->mail_arena,
			    &ret->dmarc);
	return dkim_check_finish(s->dkim, deadline, s->headers.truncated, &ret->dkim);
}

static void log_judged(const struct session *s, const struct verdict *v, const struct evidence *ev,
		       size_t removed, int64_t ms)
{
	log_info("mail_judged", LF_SLICE("queue_id", v->queue_id),
		 LF_SLICE("client_ip", v->client_ip), LF_SLICE("mail_from", v->mail_from),
		 LF_SLICE("from", v->header_from), LF_INT("author_valid", v->author_valid),
		 LF_STR("spf", verdict_result_name(v->spf)), LF_STR("spf_reason", ev->spf.reason),
		 LF_SLICE("spf_domain", v->spf_domain),
		 LF_STR("dkim", verdict_result_name(v->dkim_all)), LF_INT("signatures", v->dkim_n),
		 LF_INT("signatures_ignored", ev->dkim.ignored),
		 LF_STR("dmarc", verdict_result_name(v->dmarc)),
		 LF_INT("verified", verdict_verified(v)), LF_INT("removed", removed),
		 LF_INT("truncated", s->headers.truncated), LF_INT("ms", ms));
}

/* Writes both fields; the hash covers ours and those that stay below it. */
static enum err write_fields(struct session *s, struct verdict *v, struct edits *ret)
{
	struct slice host = slice_str(s->m->settings.mail_host);
	struct buf authres = BUF_INIT(AUTHRES_MAX), verdict = BUF_INIT(VERDICT_TEXT_MAX);
	enum err e;

	authres_write(v, host, &authres);
	mail_hash_field(s->hash, S(AUTHRES_HEADER), buf_slice(&authres));
	headers_hash(&s->headers, host, s->hash);
	mail_hash_finish(TAKE(s->hash), v->header_hash, v->body_hash);
	verdict_seal(v, keys_get(&s->m->keys, KEY_SEAL), &verdict);
	e = buf_failed(&authres) || buf_failed(&verdict) ? ERR_INTERNAL : OK;
	if (e == OK) {
		ret->authres = arena_dup(&s->mail_arena, buf_slice(&authres));
		ret->verdict = arena_dup(&s->mail_arena, buf_slice(&verdict));
	}
	buf_release(&authres);
	buf_release(&verdict);
	return e;
}

static enum err judge_mail(struct session *s, struct verdict *v, struct edits *ret)
{
	int64_t started_ms = clock_mono_ms();
	struct evidence ev = { 0 };
	int64_t ms;
	enum err e;

	ret->remove_n =
		headers_removals(&s->headers, slice_str(s->m->settings.mail_host), &ret->remove);
	if (s->headers.h.limited) {
		log_warn("mail_not_judged", LF_SLICE("queue_id", v->queue_id),
			 LF_STR("reason", "header_too_big"), LF_INT("removed", ret->remove_n));
		metric_add_at(&milter_metrics[MILTER_MAILS], MILTER_NOT_JUDGED, 1);
		return OK;
	}
	e = gather(s, &ev);
	if (e)
		return e;
	judge(&ev, s->m->psl, v);
	e = write_fields(s, v, ret);
	if (e)
		return e;
	ms = clock_mono_ms() - started_ms;
	milter_count_verdict(v, ms);
	log_judged(s, v, &ev, ret->remove_n, ms);
	return OK;
}

static enum err admit_mail(struct session *s, struct verdict *v, struct edits *ret)
{
	const struct inject_mail mail = {
		.envelope = &s->envelope,
		.headers = &s->headers,
		.hash = TAKE(s->hash),
		.to_agents = s->concerned,
	};

	return inject_finish(s->m, &mail, v, ret);
}

enum err session_finish(struct session *s, struct slice queue_id, struct edits *ret)
{
	struct verdict v = {
		.queue_id = queue_id,
		.time_us = clock_now_us(),
		.client_ip = s->client_ip,
		.helo = s->helo,
		.mail_from = s->mail_from,
		.origin = s->inject ? S("agent") : S("smtp"),
	};
	enum err e = open_message(s); /* a message may be empty */

	if (e)
		return e;
	*ret = (struct edits){ 0 };
	return s->inject ? admit_mail(s, &v, ret) : judge_mail(s, &v, ret);
}
