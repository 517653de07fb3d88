/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds a verdict to one message: the hash that both sides of Postfix compute
 * alike, and deliverd's question whether a stored message is the one that was
 * judged. It must never answer OK for bytes that the milter did not see.
 */
#include "common/mail/verdict.h"

#include "common/base/crypto.h"

struct verdict_hash {
	struct sha256 *header;
	struct sha256 *body;
};

struct verdict_hash *verdict_hash_new(void)
{
	struct verdict_hash *h = mem_alloc(sizeof(*h));

	h->header = sha256_new();
	h->body = sha256_new();
	return h;
}

void verdict_hash_free(struct verdict_hash *h)
{
	if (!h)
		return;
	sha256_free(h->header);
	sha256_free(h->body);
	free(h);
}

/* Cuts one line off, without its LF or CR LF; *ret_lf tells whether there was one. */
static struct slice next_line(struct slice *rest, bool *ret_lf)
{
	struct slice line = { NULL, 0 };

	slice_cut(rest, '\n', &line);
	*ret_lf = rest->p != NULL;
	if (*ret_lf && slice_ends(line, S("\r")))
		line.n--;
	return line;
}

static size_t hashed_len(struct slice value)
{
	size_t n = 0;
	bool lf = true;

	while (lf)
		n += next_line(&value, &lf).n + lf;
	return n;
}

static void add_length(struct sha256 *h, uint64_t n)
{
	char be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (char)(n >> (56 - 8 * i));
	sha256_add(h, slice_of(be, sizeof(be)));
}

void verdict_hash_field(struct verdict_hash *h, struct slice name, struct slice value)
{
	bool lf = true;

	add_length(h->header, name.n + 1 + hashed_len(value) + 1);
	sha256_add(h->header, name);
	sha256_add(h->header, S(":"));
	while (lf) {
		sha256_add(h->header, next_line(&value, &lf));
		if (lf)
			sha256_add(h->header, S("\n"));
	}
	sha256_add(h->header, S("\n"));
}

void verdict_hash_body(struct verdict_hash *h, struct slice chunk)
{
	sha256_add(h->body, chunk);
}

void verdict_hash_finish(struct verdict_hash *h, uint8_t ret_header[32], uint8_t ret_body[32])
{
	sha256_finish(TAKE(h->header), ret_header);
	sha256_finish(TAKE(h->body), ret_body);
	verdict_hash_free(h);
}

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
	struct verdict_hash *hash = verdict_hash_new();
	uint8_t header[SHA256_LEN], body[SHA256_LEN];

	for (size_t i = from; i < h->n; i++)
		if (i != hidden)
			verdict_hash_field(hash, h->v[i].name, h->v[i].value);
	verdict_hash_finish(hash, header, body);
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
