/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds a verdict to one message: deliverd's question whether a stored message
 * is the one that was judged. It must never answer OK for bytes that the
 * milter did not see.
 */
#include "common/mail/verdict.h"

#include "common/base/crypto.h"
#include "common/mail/mail_hash.h"

/* Index of the topmost verdict; a From above it makes it worthless (*ret_from). */
static size_t find_verdict(const struct header *h, bool *ret_from)
{
	size_t i;

	*ret_from = false;
	for (i = 0; i < h->n && !slice_ieq(h->v[i].name, S(VERDICT_HEADER)); i++)
		if (slice_ieq(h->v[i].name, S("From")))
			*ret_from = true;
	return i;
}

/* Hash of the fields from `from` on, without the one at `hidden` (h->n: all of them). */
static bool header_matches(const struct header *h, size_t from, size_t hidden,
			   const struct verdict *v)
{
	struct mail_hash *hash = mail_hash_new();
	uint8_t header[SHA256_LEN], body[SHA256_LEN];

	for (size_t i = from; i < h->n; i++)
		if (i != hidden)
			mail_hash_field(hash, h->v[i].name, h->v[i].value);
	mail_hash_finish(hash, header, body);
	return memcmp(header, v->header_hash, SHA256_LEN) == 0;
}

static bool body_matches(struct slice body, const struct verdict *v)
{
	uint8_t digest[SHA256_LEN];

	crypto_sha256(body, digest);
	return memcmp(digest, v->body_hash, SHA256_LEN) == 0;
}

/* `at` is the verdict. The first Received below it may be the MTA's, which no milter saw. */
static const char *compare_hashes(struct slice message, const struct header *h, size_t at,
				  const struct verdict *v)
{
	size_t received = at + 1;

	while (received < h->n && !slice_ieq(h->v[received].name, S("Received")))
		received++;
	if (!header_matches(h, at + 1, received, v) && !header_matches(h, at + 1, h->n, v))
		return "header_hash";
	return body_matches(slice_sub(message, h->body, message.n), v) ? NULL : "body_hash";
}

/* An empty queue id proves nothing. A clock that was set back must not cost the verdict. */
static const char *compare_claim(const struct verdict *v, const struct verdict_claim *claim)
{
	int64_t age;

	if (v->queue_id.n == 0 || !slice_eq(v->queue_id, claim->queue_id))
		return "queue_id";
	if (__builtin_sub_overflow(claim->now_us, v->time_us, &age) || age > claim->max_age_us ||
	    age < -claim->max_age_us)
		return "too_old";
	return NULL;
}

static enum err refuse(enum err code, const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return code;
}

enum err verdict_check(struct slice message, const struct header *h, struct slice key,
		       const struct verdict_claim *claim, struct arena *a, struct verdict *ret,
		       const char **ret_reason)
{
	bool from_above;
	size_t at = find_verdict(h, &from_above);
	struct verdict v = { 0 };
	const char *reason;
	enum err e;

	if (at == h->n)
		return refuse(ERR_NOT_FOUND, "no_verdict", ret_reason);
	e = verdict_open(h->v[at].value, key, a, &v);
	if (e != OK)
		return refuse(e, e == ERR_CRYPTO ? "bad_seal" : "malformed", ret_reason);
	reason = compare_claim(&v, claim);
	if (!reason && (from_above || h->limited || h->bad > 0))
		reason = "header_hash";
	if (!reason)
		reason = compare_hashes(message, h, at, &v);
	if (reason)
		return refuse(ERR_CRYPTO, reason, ret_reason);
	*ret = v;
	return OK;
}
