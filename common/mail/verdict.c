/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict as text: a table names the tags in their only order. No value
 * may ever reach the header unencoded, and nothing is read out of a text
 * before its seal was found right.
 */
#include "common/mail/verdict.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/mail/tags.h"

#include <assert.h>

static const char *const result_names[AUTH_RESULT_COUNT] = {
	[AUTH_NONE] = "none",           [AUTH_PASS] = "pass",           [AUTH_FAIL] = "fail",
	[AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
	[AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
};

#define TAG(name, type, field)                                                                     \
	{                                                                                          \
		name, type, offsetof(struct verdict, field), NULL, 0                               \
	}
#define TAG_RESULT(name, field)                                                                    \
	{                                                                                          \
		name, TAG_WORD, offsetof(struct verdict, field), result_names, AUTH_RESULT_COUNT   \
	}

static const struct tag tags[] = {
	TAG("qid", TAG_TEXT, queue_id),
	TAG("time", TAG_INT, time_us),
	TAG("origin", TAG_TEXT, origin),
	TAG("ip", TAG_TEXT, client_ip),
	TAG("helo", TAG_TEXT, helo),
	TAG("mailfrom", TAG_TEXT, mail_from),
	TAG("from", TAG_TEXT, header_from),
	TAG("author", TAG_BOOL, author_valid),
	TAG_RESULT("spf", spf),
	TAG("spfdomain", TAG_TEXT, spf_domain),
	TAG("spfaligned", TAG_BOOL, spf_aligned),
	TAG_RESULT("dkim", dkim_all),
	TAG_RESULT("dmarc", dmarc),
	TAG("policy", TAG_TEXT, dmarc_policy),
	TAG("hh", TAG_DIGEST, header_hash),
	TAG("bh", TAG_DIGEST, body_hash),
};

const char *verdict_result_name(enum auth_result r)
{
	assert((unsigned)r < AUTH_RESULT_COUNT);
	return result_names[r];
}

enum err verdict_result_parse(struct slice s, enum auth_result *ret)
{
	for (unsigned i = 0; i < AUTH_RESULT_COUNT; i++) {
		if (slice_eq(s, slice_str(result_names[i]))) {
			*ret = (enum auth_result)i;
			return OK;
		}
	}
	return ERR_INPUT;
}

bool verdict_verified(const struct verdict *v)
{
	if (!v->author_valid || v->header_from.n == 0)
		return false;
	if (slice_eq(v->origin, S("agent")))
		return true;
	if (!slice_eq(v->origin, S("smtp")))
		return false;
	if (v->spf == AUTH_PASS && v->spf_aligned)
		return true;
	for (size_t i = 0; i < v->dkim_n; i++)
		if (v->dkim[i].result == AUTH_PASS && v->dkim[i].aligned)
			return true;
	return false;
}

void verdict_domain_check(const struct verdict *v, struct buf *ret)
{
	buf_addf(ret, "spf=%s; dkim=%s; dmarc=%s", verdict_result_name(v->spf),
		 verdict_result_name(v->dkim_all), verdict_result_name(v->dmarc));
}

static void add_dkim(struct buf *b, const struct verdict_dkim *d)
{
	const struct slice texts[] = { d->domain, d->selector, d->reason };

	buf_addf(b, "d=%s,%d", verdict_result_name(d->result), d->aligned);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_add_char(b, ',');
		tags_add_encoded(texts[i], b);
	}
	if (d->signs_addresses)
		buf_add_str(b, ",1");
	buf_add_char(b, ';');
}

/* The seal of `text` (all tags, each with its ';'). The header name binds it to its purpose. */
static void make_seal(struct slice text, struct slice key, uint8_t ret[SHA256_LEN])
{
	AUTO(buf_release) struct buf signed_text = BUF_INIT(VERDICT_TEXT_MAX + 64);

	buf_add_str(&signed_text, VERDICT_HEADER ":");
	buf_add_slice(&signed_text, text);
	crypto_hmac_sha256(key, buf_slice(&signed_text), ret);
}

void verdict_seal(const struct verdict *v, struct slice key, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	uint8_t seal[SHA256_LEN];

	assert(v->dkim_n <= VERDICT_DKIM_MAX);
	buf_add_str(&text, "v=1;");
	tags_add(tags, ARRAY_LEN(tags), v, &text);
	for (size_t i = 0; i < v->dkim_n; i++)
		add_dkim(&text, &v->dkim[i]);
	if (buf_failed(&text)) {
		ret->overflow = true;
		return;
	}
	make_seal(buf_slice(&text), key, seal);
	tags_write(VERDICT_HEADER, buf_slice(&text), seal, ret);
}

/* The last part came later: mail that was judged before lies in queues without it. */
static enum err read_dkim(struct slice piece, struct arena *a, struct verdict_dkim *ret)
{
	struct slice *const texts[] = { &ret->domain, &ret->selector, &ret->reason };
	struct slice part;

	if (!slice_starts(piece, S("d=")))
		return ERR_INPUT;
	piece = slice_sub(piece, 2, piece.n);
	if (!slice_cut(&piece, ',', &part) || verdict_result_parse(part, &ret->result) != OK ||
	    !slice_cut(&piece, ',', &part) || tags_read_bool(part, &ret->aligned) != OK)
		return ERR_INPUT;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!slice_cut(&piece, ',', &part) || tags_decode(part, a, texts[i]) != OK)
			return ERR_INPUT;
	if (slice_cut(&piece, ',', &part) && tags_read_bool(part, &ret->signs_addresses) != OK)
		return ERR_INPUT;
	return piece.p ? ERR_INPUT : OK;
}

/* Reads the tags of a text whose seal is right; it ends with a ';'. */
static enum err read_tags(struct slice text, struct arena *a, struct verdict *ret)
{
	struct slice piece;

	if (!slice_cut(&text, ';', &piece) || !slice_eq(piece, S("v=1")))
		return ERR_INPUT;
	if (tags_read(tags, ARRAY_LEN(tags), &text, a, ret) != OK)
		return ERR_INPUT;
	while (slice_cut(&text, ';', &piece) && text.p) {
		if (ret->dkim_n == VERDICT_DKIM_MAX ||
		    read_dkim(piece, a, &ret->dkim[ret->dkim_n]) != OK)
			return ERR_INPUT;
		ret->dkim_n++;
	}
	return OK;
}

enum err verdict_open(struct slice value, struct slice key, struct arena *a, struct verdict *ret)
{
	struct verdict v = { 0 };
	struct slice text, seal;
	uint8_t want[SHA256_LEN];

	if (value.n > VERDICT_TEXT_MAX || tags_split(value, a, &text, &seal) != OK ||
	    !slice_starts(text, S("v=")))
		return ERR_INPUT;
	make_seal(text, key, want);
	if (!tags_seal_is(seal, want))
		return ERR_CRYPTO;
	if (read_tags(text, a, &v) != OK)
		return ERR_INPUT;
	*ret = v;
	return OK;
}
