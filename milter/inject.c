/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No mail passes here without a ticket of its own, and none passes twice. A
 * client learns no more than that; the reason is in the log. Fields of the
 * private name space stay, for the ticket says that e2a-deliverd wrote them.
 */
#include "milter/inject.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "milter/milter_metrics.h"

enum { SECOND_US = 1000000 };

/* Refusals of tickets that may be good: the next one of the same job will be known. */
static const char *const passing[] = { "from_the_future", "before_start", "clock_set_back",
				       "memory_full" };

void inject_recipient(struct inject_envelope *e, struct slice address, struct arena *a)
{
	if (e->n == ARRAY_LEN(e->recipients))
		e->too_many = true;
	else
		e->recipients[e->n++] = arena_slice(a, address);
}

/* NULL, or why the first field is not the only ticket. */
static const char *check_fields(const struct header *h)
{
	size_t tickets = header_count(h, S(TICKET_HEADER));

	if (h->limited || header_first(h, S(VERDICT_HEADER)))
		return "malformed";
	if (tickets != 1)
		return tickets ? "many_tickets" : "no_ticket";
	return slice_ieq(h->v[0].name, S(TICKET_HEADER)) ? NULL : "not_first";
}

/* Hashes what stands below the ticket; the digests are those of the verdict as well. */
static void hash_rest(const struct inject_mail *mail, struct ticket_mail *ret)
{
	const struct header *h = &mail->headers->h;

	for (size_t i = 1; i < h->n; i++)
		mail_hash_field(mail->hash, h->v[i].name, h->v[i].value);
	mail_hash_finish(mail->hash, ret->header, ret->body);
}

/* NULL: there is a ticket for this mail, and it is used now. Else a word for the log. */
static const char *use_ticket(const struct milter *m, const struct inject_mail *mail,
			      struct slice sender, int64_t now_s, struct ticket *ret,
			      struct ticket_mail *ret_seen)
{
	const struct header *h = &mail->headers->h;
	const struct inject_envelope *envelope = mail->envelope;
	const char *reason = check_fields(h);
	enum err e;

	hash_rest(mail, ret_seen);
	if (reason)
		return reason;
	e = ticket_open(h->v[0].value, keys_get(&m->keys, KEY_TICKET), mail->headers->arena, ret);
	if (e)
		return e == ERR_CRYPTO ? "bad_mac" : "malformed";
	if (envelope->too_many ||
	    ticket_envelope(sender, envelope->recipients, envelope->n, ret_seen) != OK)
		return "other_recipients";
	reason = ticket_check(ret, ret_seen, now_s);
	return reason ? reason : ticket_memory_use(m->tickets, ret, now_s);
}

static void refuse(const struct inject_mail *mail, const struct verdict *v, const struct ticket *t,
		   const char *reason, struct edits *ret)
{
	ret->answer = ANSWER_REFUSE;
	for (size_t i = 0; i < ARRAY_LEN(passing); i++)
		if (slice_eq(slice_str(reason), slice_str(passing[i])))
			ret->answer = ANSWER_LATER;
	metric_add_at(&milter_metrics[MILTER_MAILS],
		      ret->answer == ANSWER_LATER ? MILTER_LATER : MILTER_REFUSED, 1);
	log_warn("ticket_refused", LF_SLICE("queue_id", v->queue_id), LF_STR("reason", reason),
		 LF_SLICE("client_ip", v->client_ip), LF_SLICE("mail_from", v->mail_from),
		 LF_INT("recipients", mail->envelope->n), LF_SLICE("job", t->job),
		 LF_INT("attempt", t->attempt));
}

static void remove_ticket(const struct inject_mail *mail, struct edits *ret)
{
	ret->remove = arena_calloc(mail->headers->arena, 1, sizeof(*ret->remove));
	ret->remove[0] = (struct header_removal){ mail->headers->h.v[0].name, 1 };
	ret->remove_n = 1;
}

static enum err write_verdict(const struct milter *m, const struct inject_mail *mail,
			      const struct ticket_mail *seen, struct verdict *v, struct edits *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	struct slice domain;

	v->author_valid = headers_author(mail->headers, &v->header_from, &domain);
	memcpy(v->header_hash, seen->header, sizeof(v->header_hash));
	memcpy(v->body_hash, seen->body, sizeof(v->body_hash));
	verdict_seal(v, keys_get(&m->keys, KEY_SEAL), &text);
	if (buf_failed(&text))
		return ERR_INTERNAL;
	ret->verdict = arena_dup(mail->headers->arena, buf_slice(&text));
	return OK;
}

enum err inject_finish(const struct milter *m, const struct inject_mail *mail, struct verdict *v,
		       struct edits *ret)
{
	struct ticket_mail seen = { 0 };
	struct ticket t = { 0 };
	const char *reason = use_ticket(m, mail, v->mail_from, v->time_us / SECOND_US, &t, &seen);

	if (reason) {
		refuse(mail, v, &t, reason, ret);
		return OK;
	}
	remove_ticket(mail, ret);
	if (mail->to_agents && write_verdict(m, mail, &seen, v, ret) != OK)
		return ERR_INTERNAL;
	metric_add_at(&milter_metrics[MILTER_MAILS], MILTER_ADMITTED, 1);
	log_info("mail_injected", LF_SLICE("queue_id", v->queue_id), LF_SLICE("job", t.job),
		 LF_INT("attempt", t.attempt), LF_SLICE("mail_from", v->mail_from),
		 LF_INT("recipients", mail->envelope->n), LF_INT("to_agents", mail->to_agents));
	return OK;
}
