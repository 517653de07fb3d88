/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading reports. Only what comes from the null reverse-path is one (RFC 3461 4.4.1), and it
 * must be about a recipient of that very injection. Whatever else arrives here is
 * taken and dropped: nobody is ever answered.
 */
#include "deliverd/report.h"

#include "common/mail/verp.h"
#include "common/store/store_report.h"

bool report_is(struct mail *m, struct report *ret)
{
	*ret = (struct report){ 0 };
	return m->rcpts_n == 1 && verp_is(m->rcpts[0], &m->arena, &ret->verp);
}

static const char *status_of(enum bounce_kind kind)
{
	static const char *const names[] = {
		[BOUNCE_DELAYED] = "deferred",
		[BOUNCE_DELIVERED] = "delivered",
		[BOUNCE_FAILED] = "bounced",
	};

	return names[kind];
}

/* Postfix forwards what it knows of a client; of mail that it made itself it knows none. */
static bool is_from_postfix(const struct mail *m)
{
	return m->xforward.addr.n == 0 && m->xforward.ident.n == 0;
}

static enum err apply(struct mail *m, struct db *db, const struct store_report_attempt *attempt,
		      struct report *ret)
{
	/* of one recipient another one, who saw the same envelope sender, may tell anything */
	bool may_suppress = is_from_postfix(m) || attempt->rcpts_n == 1;
	struct store_report_rcpt *v;
	struct bounce b;

	bounce_read(buf_slice(&m->raw), attempt->rcpts, attempt->rcpts_n, &m->arena, &b);
	ret->format = b.format;
	ret->reason = b.reason;
	ret->told = b.n;
	v = arena_calloc(&m->arena, b.n, sizeof(*v));
	for (size_t i = 0; i < b.n; i++)
		v[i] = (struct store_report_rcpt){
			.address = attempt->rcpts[b.v[i].recipient],
			.status = status_of(b.v[i].kind),
			.code = b.v[i].status,
			.detail = attempt->world || b.v[i].kind == BOUNCE_FAILED
					  ? b.v[i].diagnostic
					  : S(""), /* it names a message of the other's */
			.suppress = may_suppress && b.v[i].kind == BOUNCE_FAILED &&
				    bounce_suppresses(b.v[i].status),
		};
	if (b.n == 0)
		return OK;
	return store_report_apply(db, attempt, v, b.n, &ret->moved, &ret->fail);
}

void report_store(struct mail *m, struct db *db, struct report *ret)
{
	struct store_report_attempt attempt = { 0 };

	ret->code = store_report_find(db, ret->verp, &m->arena, &attempt, &ret->fail);
	ret->message_id = attempt.message_id;
	if (ret->code)
		return;
	if (m->sender.n)
		ret->reason = "not_from_null_sender";
	else
		ret->code = apply(m, db, &attempt, ret);
}
