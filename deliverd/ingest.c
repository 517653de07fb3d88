/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest of one mail, on a worker thread. It must never report a recipient as
 * stored before the commit, nor trust a verdict that is not for these bytes.
 */
#include "deliverd/ingest.h"

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "deliverd/clean.h"
#include "deliverd/parsed.h"

enum { QUEUE_ID_MAX = 64, HELO_MAX = 255, ADDRESS_TEXT_MAX = 64 };

static struct slice clean(struct mail *m, struct slice s, size_t max_bytes)
{
	return utf8_cut(utf8_clean(&m->arena, s), max_bytes);
}

bool ingest_trusts(struct mail *m, const struct ingest_config *config, struct verdict *ret,
		   const char **ret_reason)
{
	const struct verdict_claim claim = {
		.queue_id = m->xforward.ident,
		.now_us = clock_now_us(),
		.max_age_us = config->settings->verdict_max_age_ms * 1000,
	};
	struct slice raw = buf_slice(&m->raw);
	struct header h;

	header_parse(raw, &m->arena, &h);
	if (verdict_check(raw, &h, config->seal_key, &claim, &m->arena, ret, ret_reason) != OK)
		return false;
	*ret_reason = NULL;
	return true;
}

/* Decides about the verdict and removes the headers that are ours alone. */
static void judge(struct mail *m, const struct ingest_config *config, struct verdict *v,
		  const char **ret_reason)
{
	if (ingest_trusts(m, config, v, ret_reason))
		clean_trusted(&m->raw);
	else
		clean_untrusted(&m->raw, slice_str(config->settings->mail_host));
}

static void add_envelope(struct mail *m, const struct ingest_config *config,
			 struct ingest_mail *ret)
{
	ret->envelope_sender = clean(m, m->sender, ADDR_MAX);
	ret->queue_id = clean(m, m->xforward.ident, QUEUE_ID_MAX);
	ret->client_ip = clean(m, m->xforward.addr, ADDRESS_TEXT_MAX);
	ret->helo = clean(m, m->xforward.helo, HELO_MAX);
	ret->retention_ms = config->settings->message_retention_ms;
	ret->usage = config->settings->usage_tracking;
	ret->lease_id = config->lease_id;
	ret->lease_ms = config->lease_ms;
	ret->give_up_ms = config->give_up_ms;
}

static struct slice new_id(struct mail *m, const char *prefix)
{
	char id[ID_MAX];

	id_new(prefix, id);
	return slice_str(arena_strdup(&m->arena, id));
}

/* The index of the recipient with this folded address, made when it is new. */
static size_t find_rcpt(struct ingest *in, struct slice address)
{
	size_t i = 0;

	while (i < in->rcpts_n && !slice_eq(in->rcpts[i].address, address))
		i++;
	return i;
}

static struct slice without_tag(struct mail *m, struct slice address)
{
	struct slice local, domain;

	if (!addr_split(address, &local, &domain))
		return address;
	local = addr_without_tag(local);
	return slice_str(
		arena_printf(&m->arena, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain)));
}

/* A recipient named twice gets the mail once, and both replies. */
static void add_rcpts(struct mail *m, struct ingest *in)
{
	in->rcpts = arena_calloc(&m->arena, m->rcpts_n, sizeof(*in->rcpts));
	in->rcpt_of = arena_calloc(&m->arena, m->rcpts_n, sizeof(*in->rcpt_of));
	for (size_t i = 0; i < m->rcpts_n; i++) {
		struct slice address;

		in->rcpt_of[i] = SIZE_MAX;
		if (!utf8_valid(m->rcpts[i]) || addr_fold(m->rcpts[i], &m->arena, &address))
			continue;
		in->rcpt_of[i] = find_rcpt(in, address);
		if (in->rcpt_of[i] < in->rcpts_n)
			continue;
		in->rcpts[in->rcpts_n++] = (struct ingest_rcpt){
			.message_id = new_id(m, ID_PREFIX_MESSAGE),
			.recipient = m->rcpts[i],
			.address = address,
			.base = without_tag(m, address),
		};
	}
}

void ingest_prepare(struct mail *m, const struct ingest_config *config, struct ingest *ret)
{
	struct verdict v = { 0 };
	const char *reason;

	*ret = (struct ingest){ 0 };
	judge(m, config, &v, &reason);
	ret->mail.raw = buf_slice(&m->raw);
	ret->mail.raw_id = new_id(m, "raw_");
	crypto_sha256(ret->mail.raw, ret->mail.sha256);
	add_envelope(m, config, &ret->mail);
	parsed_header(ret->mail.raw, m->sender, &m->arena, &ret->mail);
	parsed_verdict(reason ? NULL : &v, reason, &m->arena, &ret->mail);
	add_rcpts(m, ret);
}

void ingest_store(struct mail *m, const struct ingest_config *config, struct db *db,
		  struct ingest *ret)
{
	ingest_prepare(m, config, ret);
	if (ret->rcpts_n)
		ret->code = store_ingest(db, &ret->mail, ret->rcpts, ret->rcpts_n, &m->arena,
					 &ret->fail);
}

enum err ingest_reply(const struct ingest *in, size_t i, struct slice *ret_text)
{
	const struct ingest_rcpt *r;

	*ret_text = S("");
	/* Whatever it was, the same mail may well be stored later. */
	if (in->code)
		return err_info(in->code)->retryable ? in->code : ERR_INTERNAL;
	*ret_text = S("No such agent");
	if (in->rcpt_of[i] == SIZE_MAX)
		return ERR_NOT_FOUND;
	r = &in->rcpts[in->rcpt_of[i]];
	if (!r->found)
		return ERR_NOT_FOUND;
	*ret_text = r->stored ? r->message_id : S("Stored before");
	return OK;
}
