/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answering a mail: who gets the reply, and what of the
 * thread it takes over. The stored mail is what a stranger wrote; nothing of it goes
 * into the reply that would not be taken from a client.
 */
#include "apid/handlers.h"
#include "apid/outgoing.h"
#include "common/mail/compose.h"
#include "common/store/store_message.h"

/* The mail that is answered. */
struct parent {
	struct store_message row;
	struct header header;
};

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

/* Answering does not mark it read: who answers may have read a part of it only. */
static bool find_parent(struct req *r, const struct store_agent *agent, struct parent *ret)
{
	const struct store_message_read what = {
		.user_id = r->principal.user_id,
		.agent = agent->email,
		.id = r->param[1],
		.peek = true,
		.head_max = HEADER_BYTES_MAX + 1, /* so that a longer header is seen to be cut */
	};
	struct fail fail = { 0 };
	enum err e = store_message_read(r->db, &what, &r->arena, &ret->row, &fail);

	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, "delivery failed");
	else
		header_parse(ret->row.raw_head, &r->arena, &ret->header);
	return e == OK;
}

/* ---- who gets it ---- */

/* Bounces and the like come from nobody, and nobody wants an answer (RFC 3834 2). */
static bool may_be_answered(struct req *r, const struct parent *p)
{
	return p->row.envelope_sender.n > 0 ||
	       bad(r, "cannot reply to a message with a null sender");
}

static bool check_reply_all(struct req *r, const struct draft *d, const struct parent *p)
{
	return !d->reply_all || p->row.raw_id.n > 0 ||
	       bad(r, "reply_all requires inbound raw_message but none was stored");
}

static bool find_recipients(struct req *r, const struct draft *d, const struct parent *p,
			    struct thread_recipients *ret)
{
	struct fail fail = { 0 };

	if (!check_reply_all(r, d, p))
		return false;
	if (thread_reply_recipients(&p->header, d->reply_all, &r->arena, ret, &fail)) {
		resp_errorf(&r->resp, 400, "reply_all requires parseable inbound headers: %s",
			    fail.what);
		return false;
	}
	if (ret->to.n == 0) {
		ret->to.v = arena_alloc(&r->arena, sizeof(*ret->to.v));
		ret->to.v[ret->to.n++] = p->row.sender;
	}
	return true;
}

/* What the mail itself names, then what the client asks for. */
static struct recipients_list join(struct arena *a, const struct thread_texts *first,
				   const struct jsonf_texts *then)
{
	struct slice *v = arena_calloc(a, first->n + then->n, sizeof(*v));

	for (size_t i = 0; i < first->n; i++)
		v[i] = first->v[i];
	for (size_t i = 0; i < then->n; i++)
		v[first->n + i] = then->v[i];
	return (struct recipients_list){ v, first->n + then->n };
}

/* ---- the thread ---- */

static void follow(const struct parent *p, struct arena *a, struct draft_parts *ret)
{
	struct slice id =
		p->row.raw_id.n ? value_of(&p->header, "Message-ID") : p->row.email_message_id;

	ret->in_reply_to = thread_in_reply_to(id);
	thread_references(value_of(&p->header, "References"), value_of(&p->header, "In-Reply-To"),
			  id, a, &ret->references);
}

static bool is_bulk(struct slice precedence)
{
	return slice_ieq(precedence, S("bulk")) || slice_ieq(precedence, S("junk")) ||
	       slice_ieq(precedence, S("auto_reply"));
}

/* An answer to what no human wrote says that no human answers (RFC 3834 5). */
static struct slice mark(const struct parent *p, struct arena *a)
{
	struct slice rest = p->row.auto_submitted, word = S("");

	slice_cut(&rest, ';', &word);
	word = slice_trim(word);
	if ((word.n && !slice_ieq(word, S("no"))) ||
	    is_bulk(header_unfold(a, value_of(&p->header, "Precedence"))))
		return S("auto-replied");
	return S("");
}

static void submit(struct req *r, const struct store_agent *agent, const struct draft *d,
		   const struct parent *p, struct draft_parts *parts,
		   const struct thread_recipients *to)
{
	follow(p, &r->arena, parts);
	outgoing_submit(r, &(struct outgoing){
				   .agent = agent,
				   .kind = S("reply"),
				   .to = { to->to.v, to->to.n },
				   .cc = join(&r->arena, &to->cc, &d->cc),
				   .bcc = { d->bcc.v, d->bcc.n },
				   .subject = thread_reply_subject(p->row.subject, &r->arena),
				   .text = d->body,
				   .html = d->html_body,
				   .conversation_id = d->conversation_id,
				   .parts = *parts,
				   .auto_submitted = mark(p, &r->arena),
				   .failed = "delivery failed",
			   });
}

void mail_reply(struct req *r)
{
	struct draft d = DRAFT_INIT;
	struct thread_recipients to;
	struct draft_parts parts;
	struct store_agent agent;
	struct parent parent;

	if (!req_agent(r, &agent) || !find_parent(r, &agent, &parent) ||
	    !outgoing_count(r, &agent) ||
	    !outgoing_verified(r, &agent, "agent domain must be verified before sending") ||
	    !outgoing_json(r, draft_reply_rows, &d))
		return;
	if (d.body.n == 0)
		bad(r, "body is required");
	else if (outgoing_read(r, &d, &parts) && may_be_answered(r, &parent) &&
		 find_recipients(r, &d, &parent, &to))
		submit(r, &agent, &d, &parent, &parts, &to);
}
