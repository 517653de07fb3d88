/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the attempt and reading the answer. What is stored can be made a mail once and
 * for all or not at all; everything else that goes wrong is tried again.
 */
#include "deliverd/outbound_mail.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/mail/ticket.h"
#include "deliverd/outbound_compose.h"

#include <assert.h>

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	LOST_WAIT_MS = 10 * SECOND, /* for Postfix to have written its log */
	TICKET_MARGIN_MS = 30 * SECOND,
	REFUSED_MAX = 12, /* attempts: our own Postfix says no, which an operator may mend */
	TOO_BIG = 552,    /* RFC 5321 4.2.3: it will always be */
	PERCENT_MIN = 80,
	PERCENT_SPAN = 41,
};

/* Waits after the attempts; the last one repeats. */
static const int64_t schedule_ms[] = { 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE,     2 * MINUTE,
				       5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE };

/* A fifth more or less by chance, so that what failed together does not come back together. */
static int64_t wait_after(int64_t attempts)
{
	size_t i = attempts > 0 ? (size_t)attempts - 1 : 0;
	int64_t ms = schedule_ms[i < ARRAY_LEN(schedule_ms) ? i : ARRAY_LEN(schedule_ms) - 1];

	return ms * (PERCENT_MIN + (clock_now_us() >> 4) % PERCENT_SPAN) / 100;
}

/* ---- the ticket ---- */

/* It must end before the lease does: see outbound.c. */
static int64_t ticket_ms(const struct injector *in)
{
	return inject_max_ms(in) + TICKET_MARGIN_MS;
}

static enum err make_ticket(const struct outbound_tools *tools, const struct outbound_attempt *at,
			    struct slice mail, int64_t lifetime_ms, struct buf *ret)
{
	const struct store_outbound_job *job = &at->batch->jobs[at->i];
	const struct ticket_request request = {
		.job = job->id,
		.attempt = job->attempts,
		.now_s = at->begun_us / 1000000,
		.lifetime_s = lifetime_ms / SECOND,
		.sender = at->batch->verp[at->i],
		.recipients = job->rcpts,
		.recipients_n = job->rcpts_n,
	};

	return ticket_make(&request, mail, tools->ticket_key, ret);
}

/* ---- what became of it ---- */

static void add_rcpt(struct outbound_attempt *at, const struct store_outbound_job *job, size_t i,
		     const char *status, struct slice code, struct slice detail)
{
	at->rcpts[at->rcpts_n++] = (struct store_outbound_rcpt){
		.job_id = job->id,
		.address = job->rcpts[i],
		.status = status,
		.code = code,
		.detail = detail,
	};
}

static void begin(struct outbound_attempt *at, const struct store_outbound_job *job)
{
	at->rcpts = arena_calloc(&at->arena, job->rcpts_n, sizeof(*at->rcpts));
	at->rcpts_n = 0;
	at->result = (struct store_outbound_result){
		.job_id = job->id,
		.lease_id = slice_str(at->batch->lease_id),
	};
}

static void set_end(struct outbound_attempt *at, enum store_outbound_outcome outcome,
		    enum event_reason reason, int64_t wait_ms)
{
	at->result.outcome = outcome;
	at->result.reason = reason;
	at->result.wait_ms = wait_ms;
}

/* Failed with the words of the reply that decided, or with one of ours. */
static void fail_all(struct outbound_attempt *at, const struct store_outbound_job *job,
		     struct slice code, struct slice detail)
{
	for (size_t i = 0; i < job->rcpts_n; i++)
		add_rcpt(at, job, i, "failed", code, detail);
}

void outbound_mail_end(struct outbound_attempt *at, enum store_outbound_outcome outcome,
		       enum event_reason reason, int64_t wait_ms)
{
	const struct store_outbound_job *job = &at->batch->jobs[at->i];

	begin(at, job);
	set_end(at, outcome, reason, wait_ms);
	if (outcome == STORE_OUTBOUND_FAILED)
		fail_all(at, job, S(""), slice_str(event_reason_name(reason)));
}

static struct slice reply_code(const struct smtp_reply *r)
{
	return slice_str(r->enhanced);
}

/* "550 5.1.1 No such user", as mail systems write it. */
static struct slice reply_text(struct outbound_attempt *at, const struct smtp_reply *r)
{
	return slice_str(arena_printf(&at->arena, "%d%s%s%s%s", r->code, *r->enhanced ? " " : "",
				      r->enhanced, *r->text ? " " : "", r->text));
}

/*
 * Is this the last word about a recipient? 5.7 is about who may send: at this listener a
 * setting is wrong then, as in judge_refusal().
 */
static bool is_refusal(const struct store_outbound_job *job, const struct smtp_reply *r)
{
	return r->code >= 500 &&
	       (!slice_starts(reply_code(r), S("5.7.")) || job->attempts >= REFUSED_MAX);
}

/* The replies to single recipients; returns how many are still to be tried. */
static size_t judge_rcpts(struct outbound_attempt *at, const struct store_outbound_job *job,
			  const struct smtp_reply *replies, bool taken, size_t *ret_taken)
{
	size_t open = 0;

	*ret_taken = 0;
	for (size_t i = 0; i < job->rcpts_n; i++) {
		const struct smtp_reply *r = &replies[i];
		bool yes = r->code >= 200 && r->code < 300, no = is_refusal(job, r);

		open += !no && !(yes && taken);
		*ret_taken += yes && taken;
		if (no)
			add_rcpt(at, job, i, "failed", reply_code(r), reply_text(at, r));
		else if (yes && taken)
			add_rcpt(at, job, i, "sent", S(""), S(""));
		else if (!yes && r->code)
			add_rcpt(at, job, i, "queued", reply_code(r), reply_text(at, r));
	}
	return open;
}

/* Those whom Postfix took are done; the others are tried again, or nobody is left. */
static void judge_transaction(struct outbound_attempt *at, const struct store_outbound_job *job,
			      const struct smtp_reply *replies, bool taken)
{
	size_t taken_n, open = judge_rcpts(at, job, replies, taken, &taken_n);

	if (open)
		set_end(at, STORE_OUTBOUND_LATER, EVENT_SMTP_LATER, wait_after(job->attempts));
	else if (taken_n)
		set_end(at, STORE_OUTBOUND_TAKEN, EVENT_NO_REASON, 0);
	else
		set_end(at, STORE_OUTBOUND_REFUSED, EVENT_SMTP_REFUSED, 0);
}

/*
 * It is our own Postfix that says 5xx to the mail as a whole: a setting is wrong, or a
 * key. The operator gets some hours to put that right. Or Postfix found an address so
 * bad that the milter never saw it (501), and the ticket did not fit the rest: the next
 * attempt goes to the others.
 */
static void judge_refusal(struct outbound_attempt *at, const struct store_outbound_job *job,
			  const struct inject_answer *answer, const struct smtp_reply *replies)
{
	const struct smtp_reply *r = &answer->reply;
	size_t taken_n;

	if (r->code != TOO_BIG && job->attempts < REFUSED_MAX) {
		(void)judge_rcpts(at, job, replies, false, &taken_n);
		set_end(at, STORE_OUTBOUND_LATER, EVENT_SMTP_REFUSED, wait_after(job->attempts));
		return;
	}
	set_end(at, STORE_OUTBOUND_FAILED, EVENT_SMTP_REFUSED, 0);
	fail_all(at, job, reply_code(r), reply_text(at, r));
}

void outbound_mail_judge(const struct store_outbound_job *job, const struct inject_answer *answer,
			 const struct smtp_reply *replies, struct outbound_attempt *at)
{
	begin(at, job);
	switch (answer->outcome) {
	case INJECT_TAKEN:
	case INJECT_NOBODY:
		judge_transaction(at, job, replies, answer->outcome == INJECT_TAKEN);
		break;
	case INJECT_CONNECT:
		set_end(at, STORE_OUTBOUND_SNOOZED, EVENT_CONNECT,
			0); /* perhaps another host can */
		break;
	case INJECT_REFUSED:
		judge_refusal(at, job, answer, replies);
		break;
	case INJECT_UNKNOWN:
		set_end(at, STORE_OUTBOUND_LOST, EVENT_NO_ANSWER, LOST_WAIT_MS);
		break;
	default:
		set_end(at, STORE_OUTBOUND_LATER,
			answer->reply.code ? EVENT_SMTP_LATER : EVENT_BROKEN,
			wait_after(job->attempts));
	}
}

/* ---- the attempt ---- */

void outbound_attempt_free(struct outbound_attempt *at)
{
	if (at->charged)
		*at->batch->charged -= at->charged;
	outbound_batch_unref(at->batch);
	buf_release(&at->bytes);
	arena_release(&at->arena);
	free(at);
}

void outbound_mail_later(struct outbound_attempt *at, enum event_reason reason)
{
	outbound_mail_end(at, STORE_OUTBOUND_LATER, reason,
			  wait_after(at->batch->jobs[at->i].attempts));
}

bool outbound_mail_compose(const struct outbound_tools *tools, struct outbound_attempt *at)
{
	const struct store_outbound_job *job = &at->batch->jobs[at->i];
	const struct dkim_signer *signer = job->held ? tools->lasting_signer : tools->signer;
	enum event_reason reason = outbound_compose(signer, job, &at->batch->author[at->i],
						    &at->arena, &at->bytes, &at->mail, &at->fail);

	if (reason == EVENT_UNUSABLE)
		outbound_mail_end(at, STORE_OUTBOUND_FAILED, reason, 0);
	else if (reason != EVENT_NO_REASON)
		outbound_mail_later(at, reason);
	return reason == EVENT_NO_REASON;
}

static void inject(const struct outbound_tools *tools, struct injector *in,
		   struct outbound_attempt *at)
{
	AUTO(buf_release) struct buf ticket = BUF_INIT(2 * TICKET_TEXT_MAX);
	const struct store_outbound_job *job = &at->batch->jobs[at->i];
	struct smtp_reply *replies = arena_calloc(&at->arena, job->rcpts_n, sizeof(*replies));
	struct slice parts[2] = { [1] = at->mail };
	const struct inject_mail send = {
		.sender = at->batch->verp[at->i],
		.rcpts = job->rcpts,
		.rcpts_n = job->rcpts_n,
		.parts = parts,
		.parts_n = ARRAY_LEN(parts),
	};

	if (make_ticket(tools, at, at->mail, ticket_ms(in), &ticket)) {
		fail_set(&at->fail, ERR_INPUT, "no ticket can be made");
		outbound_mail_end(at, STORE_OUTBOUND_FAILED, EVENT_UNUSABLE, 0);
		return;
	}
	parts[0] = buf_slice(&ticket);
	inject_send(in, &send, replies, &at->answer);
	at->asked = true;
	outbound_mail_judge(job, &at->answer, replies, at);
	at->queue_id = inject_queue_id(&at->answer);
}

/* Are the bytes those that were kept? */
static bool is_kept(const struct store_outbound_job *job)
{
	uint8_t hash[SHA256_LEN];

	crypto_sha256(job->mail, hash);
	return crypto_equal(slice_of((const char *)hash, sizeof(hash)), job->hash);
}

/* NULL, or why this is not what was accepted, or approved. */
static const char *altered(const struct store_outbound_job *job)
{
	if (job->altered)
		return "the draft is another one";
	return job->composed && !is_kept(job) ? "the composed mail is another one" : NULL;
}

/* The mail of a job that was held is there already: from the database, or on its way to it. */
static void find_and_inject(const struct outbound_tools *tools, struct injector *in,
			    struct outbound_attempt *at)
{
	const struct store_outbound_job *job = &at->batch->jobs[at->i];

	if (job->composed)
		at->mail = job->mail;
	assert(!job->held || at->mail.n);
	if (at->mail.n || outbound_mail_compose(tools, at))
		inject(tools, in, at);
}

void outbound_mail_send(const struct outbound_tools *tools, struct injector *in,
			struct outbound_attempt *at)
{
	const struct store_outbound_job *job = &at->batch->jobs[at->i];
	const char *why = altered(job);

	/* first: however long we are stopped from here on, the ticket ends before the lease */
	at->begun_us = clock_now_us();
	at->fail.code = OK;
	if (why) {
		fail_set(&at->fail, ERR_CONFLICT, "%s", why);
		outbound_mail_end(at, STORE_OUTBOUND_FAILED, EVENT_ALTERED, 0);
	} else if (job->rcpts_n == 0) {
		outbound_mail_end(at, STORE_OUTBOUND_REFUSED, EVENT_NO_RECIPIENT, 0);
	} else if (job->expired) {
		outbound_mail_end(at, STORE_OUTBOUND_FAILED, EVENT_EXPIRED, 0);
	} else if (clock_mono_ms() + ticket_ms(in) > at->batch->lease_end_ms) {
		outbound_mail_end(at, STORE_OUTBOUND_SNOOZED, EVENT_STOPPED, 0);
	} else {
		find_and_inject(tools, in, at);
	}
	buf_release(&at->bytes);
	at->mail = slice_of(NULL, 0);
}
