/* SPDX-License-Identifier: Apache-2.0 */
/* From a job's rows to bytes. The same rows and key make the same mail but for the signature. */
#include "deliverd/outbound_compose.h"

#include "common/mail/compose.h"

static enum compose_auto auto_of(struct slice word)
{
	if (slice_eq(word, S("auto-generated")))
		return COMPOSE_AUTO_GENERATED;
	return slice_eq(word, S("auto-replied")) ? COMPOSE_AUTO_REPLIED : COMPOSE_NOT_AUTO;
}

static struct compose_attachment *attachments_of(const struct store_outbound_job *job,
						 struct arena *a)
{
	struct compose_attachment *v = arena_calloc(a, job->attachments_n, sizeof(*v));

	for (size_t i = 0; i < job->attachments_n; i++)
		v[i] = (struct compose_attachment){
			.filename = job->attachments[i].filename,
			.content_type = job->attachments[i].content_type,
			.data = job->attachments[i].data,
		};
	return v;
}

static enum err compose(const struct store_outbound_job *job, const struct outbound_author *author,
			struct arena *a, struct buf *ret, struct fail *fail)
{
	const struct compose_mail mail = {
		.from = author->address,
		.from_name = author->name,
		.to = job->to,
		.to_n = job->to_n,
		.cc = job->cc,
		.cc_n = job->cc_n,
		.reply_to = author->reply_to,
		.subject = job->subject,
		.message_id = job->email_message_id,
		.date_us = job->date_us,
		.in_reply_to = job->in_reply_to,
		.references = job->references,
		.references_n = job->references_n,
		.conversation_id = job->conversation_id,
		.automatic = auto_of(job->auto_submitted),
		.text = job->text,
		.html = job->html,
		.attachments = attachments_of(job, a),
		.attachments_n = job->attachments_n,
	};

	return compose_mail(&mail, ret, fail);
}

/* Puts the signature right before the mail, into room that was left for it. */
static enum err sign(const struct dkim_signer *signer, const struct outbound_author *author,
		     struct buf *mail, struct slice *ret, struct fail *fail)
{
	AUTO(buf_release) struct buf field = BUF_INIT(DKIM_SIGN_FIELD_MAX);
	struct slice unsigned_mail = slice_sub(buf_slice(mail), DKIM_SIGN_FIELD_MAX, mail->len);
	enum err e;

	*ret = unsigned_mail;
	if (!author->sign)
		return OK;
	e = dkim_signer_sign(signer, &author->key, unsigned_mail, &field, fail);
	if (e)
		return e;
	memcpy(mail->p + DKIM_SIGN_FIELD_MAX - field.len, field.p, field.len);
	*ret = slice_sub(buf_slice(mail), DKIM_SIGN_FIELD_MAX - field.len, mail->len);
	return OK;
}

enum event_reason outbound_compose(const struct dkim_signer *signer,
				   const struct store_outbound_job *job,
				   const struct outbound_author *author, struct arena *a,
				   struct buf *ret_bytes, struct slice *ret_mail, struct fail *fail)
{
	static const char room[DKIM_SIGN_FIELD_MAX];

	buf_init(ret_bytes, OUTBOUND_MAIL_MAX + sizeof(room));
	buf_add(ret_bytes, room, sizeof(room));
	if (compose(job, author, a, ret_bytes, fail))
		return EVENT_UNUSABLE;
	if (author->unable || sign(signer, author, ret_bytes, ret_mail, fail))
		return EVENT_NO_KEY;
	return EVENT_NO_REASON;
}
