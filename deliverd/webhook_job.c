/* SPDX-License-Identifier: Apache-2.0 */
/* The job's memory: who owns the mail's bytes, and until when. */
#include "deliverd/webhook_job.h"

#include "common/base/clock.h"

void webhook_lease_new(int64_t ms, struct webhook_lease *ret)
{
	id_new("lease_", ret->id);
	ret->end_ms = clock_mono_ms() + ms;
}

static struct webhook_job *job_new(const struct webhook_row *row, const struct webhook_lease *lease)
{
	struct webhook_job *j = mem_zalloc(sizeof(*j));

	j->row = *row;
	j->message_id = arena_slice(&j->arena, row->message_id);
	j->agent_email = arena_slice(&j->arena, row->agent_email);
	j->lease_id = arena_slice(&j->arena, slice_str(lease->id));
	j->url = arena_dup(&j->arena, row->webhook_url);
	j->lease_end_ms = lease->end_ms;
	return j;
}

static struct slice *texts(struct mail *m, const struct ingest_texts *t)
{
	struct slice *v = arena_calloc(&m->arena, t->n, sizeof(*v));

	if (t->n)
		memcpy(v, t->v, t->n * sizeof(*v));
	return v;
}

struct webhook_job *webhook_job_of_mail(struct mail *m, const struct ingest *in,
					const struct ingest_rcpt *r,
					const struct webhook_lease *lease)
{
	const struct ingest_mail *im = &in->mail;
	struct webhook_row row = {
		.message_id = r->message_id,
		.user_id = r->user_id,
		.agent_email = r->agent_email,
		.webhook_url = r->webhook_url,
		.recipient = r->recipient,
		.header_from = im->header_from,
		.reply_to = texts(m, &im->reply_to),
		.reply_to_n = im->reply_to.n,
		.to = texts(m, &im->to),
		.to_n = im->to.n,
		.cc = texts(m, &im->cc),
		.cc_n = im->cc.n,
		.verified = im->verified,
		.sender = im->sender,
		.entity_type = r->entity_type,
		.delegation = r->delegation,
		.conversation_id = r->conversation_id,
		.domain_check = im->domain_check,
		.received_us = r->created_us,
		.secret_ids = r->secret_ids,
		.secrets = r->secrets,
		.secrets_n = r->secrets_n,
		.raw = im->raw,
	};
	struct webhook_job *j;

	memcpy(row.sha256, im->sha256, sizeof(row.sha256));
	j = job_new(&row, lease);
	j->mail = mail_ref(m);
	j->accepted_us = row.received_us;
	return j;
}

static struct slice *copy_all(struct arena *a, const struct slice *v, size_t n)
{
	struct slice *copy = arena_calloc(a, n, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = arena_slice(a, v[i]);
	return copy;
}

struct webhook_job *webhook_job_of_row(const struct webhook_row *row,
				       const struct webhook_lease *lease)
{
	struct webhook_job *j = job_new(row, lease);
	struct webhook_row *r = &j->row;
	struct slice *one[] = { &r->message_id,  &r->user_id,        &r->agent_email,
				&r->webhook_url, &r->recipient,      &r->sender,
				&r->header_from, &r->entity_type,    &r->domain_check,
				&r->delegation,  &r->conversation_id };

	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		*one[i] = arena_slice(&j->arena, *one[i]);
	r->reply_to = copy_all(&j->arena, r->reply_to, r->reply_to_n);
	r->to = copy_all(&j->arena, r->to, r->to_n);
	r->cc = copy_all(&j->arena, r->cc, r->cc_n);
	r->secret_ids = copy_all(&j->arena, r->secret_ids, r->secrets_n);
	r->secrets = copy_all(&j->arena, r->secrets, r->secrets_n);
	j->raw = mem_dup(row->raw.p, row->raw.n);
	r->raw.p = j->raw;
	return j;
}

size_t webhook_job_cost(const struct webhook_job *j)
{
	return webhook_request_cost(j->row.raw.n) + (j->raw ? j->row.raw.n : 0);
}

bool webhook_job_charge(struct webhook_job *j, struct budget *budget)
{
	size_t cost = webhook_job_cost(j);

	if (!budget_take(budget, cost))
		return false;
	j->budget = budget;
	j->charged = cost;
	return true;
}

void webhook_job_drop_row(struct webhook_job *j)
{
	mail_free(TAKE(j->mail));
	free(TAKE(j->raw));
	j->row = (struct webhook_row){ 0 };
}

void webhook_job_free(struct webhook_job *j)
{
	if (!j)
		return;
	webhook_job_drop_row(j);
	if (j->budget)
		budget_give(j->budget, j->charged);
	buf_release(&j->request.body);
	arena_release(&j->arena);
	free(j);
}
