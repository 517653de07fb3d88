/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an answer to a decision, in one transaction with its ledger and the mail about it.
 * The database looks at everything again that could have changed since the question was
 * asked; here nothing may be decided without it.
 */
#include "deliverd/review.h"

#include "common/mail/review_addr.h"
#include "common/store/store_answer.h"
#include "common/store/store_approval.h"
#include "common/store/store_decide.h"
#include "common/store/store_mail.h"
#include "deliverd/review_mail.h"

enum { IGNORED_MAX = 10 }; /* answers of a kind that one token leaves in the ledger */

struct run {
	struct mail *m;
	const struct ingest_config *config;
	const struct keys *keys;
	struct review *r;
	struct review_question question;
	struct store_approval token;
	struct store_answer_mail about;
};

size_t review_find(struct mail *m, struct review **ret)
{
	struct review *v = NULL, one = { 0 };
	size_t n = 0;

	for (one.rcpt = 0; one.rcpt < m->rcpts_n; one.rcpt++) {
		if (!review_addr_is(m->rcpts[one.rcpt], &m->arena, &one.address, &one.token))
			continue;
		if (!v)
			v = arena_calloc(&m->arena, m->rcpts_n, sizeof(*v));
		v[n++] = one;
	}
	*ret = v;
	return n;
}

/* ---- what it comes to ---- */

static struct slice decision_name(enum store_decision d, bool approves)
{
	static const struct slice names[] = {
		[STORE_DECIDE_ABSENT] = SLICE_INIT("gone"),
		[STORE_DECIDE_RESOLVED] = SLICE_INIT("resolved"),
		[STORE_DECIDE_UNAUTHORIZED] = SLICE_INIT("unauthorized"),
		[STORE_DECIDE_CHANGED] = SLICE_INIT("changed"),
		[STORE_DECIDE_UNVERIFIED] = SLICE_INIT("unverified"),
		[STORE_DECIDE_SUPPRESSED] = SLICE_INIT("suppressed"),
	};

	if (d == STORE_DECIDED)
		return approves ? S("approved") : S("rejected");
	return names[d];
}

/* The very decision that the answer asks for is made, by this reviewer's mail: it came twice. */
static bool is_repeated(const struct run *x)
{
	struct slice now = x->r->answer.approves ? S("sent") : S("rejected");

	return x->r->answer.reason == REVIEW_DECIDES && slice_eq(x->token.status, now) &&
	       slice_eq(x->about.channel, S("mail")) &&
	       slice_eq(x->about.decided_by, x->token.reviewer);
}

/* What can be said without trying; empty: it has to be tried. */
static struct slice look(const struct run *x)
{
	const struct review_answer *answer = &x->r->answer;

	if (!answer->authentic)
		return slice_str(review_reason_name(answer->reason));
	if (x->token.status.n == 0)
		return S("gone");
	if (!x->token.pending)
		return is_repeated(x) ? S("repeated") : S("resolved");
	if (x->token.expired)
		return S("expired");
	return slice_str(review_reason_name(answer->reason));
}

static enum err decide(struct run *x, struct db *db, struct slice *ret, struct fail *fail)
{
	const struct settings *s = x->config->settings;
	const struct store_decider by = {
		.account.user_id = x->token.user_id,
		.token_hash = x->token.hash,
		.by_reply = true,
	};
	struct slice id = x->token.message_id, why = x->r->answer.why;
	enum store_decision is = STORE_DECIDE_ABSENT;
	enum err e;

	if (x->r->answer.approves)
		e = store_decide_approve(db, &by, id, s->outbound_lifetime_ms, s->usage_tracking,
					 &is, fail);
	else
		e = store_decide_reject(db, &by, id, why.n ? why : S("mail rejection"), &is, fail);
	*ret = decision_name(is, x->r->answer.approves);
	return e;
}

/* ---- what is left of it ---- */

static bool has_decided(struct slice outcome)
{
	return slice_eq(outcome, S("approved")) || slice_eq(outcome, S("rejected"));
}

/* True in *ret_new for what is said for the first time, and not too often. */
static enum err note(struct run *x, struct db *db, struct slice outcome, bool *ret_new,
		     struct fail *fail)
{
	const struct store_answer_ignored ignored = {
		.token_hash = x->token.hash,
		.reason = outcome,
		.queue_id = x->m->xforward.ident,
		.authentic = x->r->answer.authentic,
		.most = IGNORED_MAX,
	};

	*ret_new = has_decided(outcome);
	if (*ret_new)
		return OK;
	return store_answer_ignore(db, &ignored, ret_new, fail);
}

static enum err tell(struct run *x, struct db *db, struct slice outcome, struct fail *fail)
{
	const struct review_news news = {
		.outcome = outcome,
		.status = x->token.status,
		.agent = x->about.agent,
		.subject = x->about.subject,
		.why = x->r->answer.why,
		.again = x->r->address,
	};
	struct store_mail mail = { .user_id = x->token.user_id, .to = x->token.reviewer };

	review_mail_write(&news, &x->m->arena, &mail);
	return store_mail_add(db, x->keys, &mail, fail);
}

/* How things stand, as no other answer to the same address can change them. */
static enum err find(struct run *x, struct db *db, struct fail *fail)
{
	uint8_t hash[SHA256_LEN];
	enum err e;

	crypto_sha256(x->r->token, hash);
	e = store_answer_lock(db, slice_of((const char *)hash, sizeof(hash)), &x->m->arena,
			      &x->about, fail);
	return e ? e : store_approval_find(db, x->keys, x->r->token, &x->m->arena, &x->token, fail);
}

static enum err work(struct db *db, void *arg, struct fail *fail)
{
	struct run *x = arg;
	struct review *r = x->r;
	struct slice outcome;
	bool news = false;
	enum err e = find(x, db, fail);

	if (e)
		return e;
	x->question.reviewer = x->token.reviewer;
	review_read(buf_slice(&x->m->raw), &x->question, &x->m->arena, &r->answer);
	outcome = look(x);
	if (outcome.n == 0)
		e = decide(x, db, &outcome, fail);
	if (e == OK)
		e = note(x, db, outcome, &news, fail);
	r->told = news && r->answer.authentic && !slice_eq(outcome, S("repeated"));
	if (e == OK && r->told)
		e = tell(x, db, outcome, fail);
	r->message_id = x->token.message_id;
	r->outcome = outcome;
	return e;
}

void review_store(struct mail *m, const struct ingest_config *config, const struct keys *keys,
		  struct db *db, struct review *r)
{
	struct verdict v = { 0 };
	bool trusted = ingest_trusts(m, config, &v, &r->verdict);
	struct run x = {
		.m = m,
		.config = config,
		.keys = keys,
		.r = r,
		.question = { .address = r->address,
			      .sender = m->sender,
			      .verdict = trusted ? &v : NULL },
	};

	r->code = db_tx(db, work, &x, &r->fail);
}
