/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and encodings of approval. A token that was not made here must never look like one. */
#include "common/mail/approval_token.h"

#include "common/base/encode.h"
#include "common/base/mem.h"

#include <assert.h>

enum { BOUND_MAX = 4096, PAYLOAD_MAX = 512, EXPIRY_DIGITS_MAX = 12 };

static const struct slice action_names[] = {
	[APPROVAL_APPROVE] = SLICE_INIT("approve"),
	[APPROVAL_REJECT] = SLICE_INIT("reject"),
};

struct slice approval_action_name(enum approval_action a)
{
	return action_names[a];
}

/* ---- keys ---- */

/* Each with its length, so that no two bindings give the same bytes. */
static void add_bound(struct buf *b, struct slice s)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_add_char(b, (char)((uint64_t)s.n >> shift));
	buf_add_slice(b, s);
}

static void derive(struct slice deployment_key, struct slice purpose,
		   const struct approval_binding *b, uint8_t ret[SHA256_LEN])
{
	AUTO(buf_release) struct buf bound = BUF_INIT(BOUND_MAX);

	assert(b->nonce.n == APPROVAL_NONCE_LEN && b->draft_hash.n == SHA256_LEN);
	add_bound(&bound, purpose);
	add_bound(&bound, b->user_id);
	add_bound(&bound, b->message_id);
	add_bound(&bound, b->reviewer);
	add_bound(&bound, b->nonce);
	add_bound(&bound, b->draft_hash);
	assert(buf_check(&bound) == OK);
	crypto_hmac_sha256(deployment_key, buf_slice(&bound), ret);
}

void approval_key(struct slice deployment_key, const struct approval_binding *b,
		  uint8_t ret[CRYPTO_KEY_LEN])
{
	derive(deployment_key, S("e2a approval link"), b, ret);
}

void approval_reply_token(struct slice deployment_key, const struct approval_binding *b,
			  char ret[APPROVAL_REPLY_HEX_LEN + 1])
{
	uint8_t mac[SHA256_LEN];

	derive(deployment_key, S("e2a approval reply"), b, mac);
	hex_text(mac, APPROVAL_REPLY_HEX_LEN / 2, ret);
}

/* ---- tokens of links ---- */

void approval_token_make(struct slice key, struct slice message_id, enum approval_action action,
			 int64_t expires_s, struct buf *ret)
{
	AUTO(buf_release) struct buf payload = BUF_INIT(PAYLOAD_MAX);
	uint8_t mac[SHA256_LEN];

	buf_addf(&payload, "%.*s|%.*s|%lld", SLICE_ARGS(message_id),
		 SLICE_ARGS(approval_action_name(action)), (long long)expires_s);
	crypto_hmac_sha256(key, buf_slice(&payload), mac);
	base64url_encode(buf_slice(&payload), ret);
	buf_add_char(ret, '.');
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

static bool read_action(struct slice name, enum approval_action *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(action_names); i++)
		if (slice_eq(name, action_names[i])) {
			*ret = (enum approval_action)i;
			return true;
		}
	return false;
}

static bool read_expiry(struct slice digits, int64_t *ret)
{
	int64_t n = 0;

	if (digits.n == 0 || digits.n > EXPIRY_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		n = n * 10 + (digits.p[i] - '0');
	}
	*ret = n;
	return true;
}

static bool read_payload(struct slice payload, struct approval_token *ret)
{
	struct slice rest = payload, action;

	return slice_cut(&rest, '|', &ret->message_id) && slice_cut(&rest, '|', &action) &&
	       ret->message_id.n && slice_find(ret->message_id, '\n') < 0 &&
	       read_action(action, &ret->action) && read_expiry(rest, &ret->expires_s);
}

enum err approval_token_read(struct slice token, struct arena *a, struct approval_token *ret)
{
	AUTO(buf_release) struct buf payload = BUF_INIT(PAYLOAD_MAX), mac = BUF_INIT(SHA256_LEN);
	struct approval_token t = { 0 };
	struct slice head;

	if (token.n > APPROVAL_TOKEN_MAX || slice_find(token, '.') < 0 ||
	    !slice_cut(&token, '.', &head) || base64url_decode(head, &payload) ||
	    base64url_decode(token, &mac) || mac.len != SHA256_LEN)
		return ERR_INPUT;
	t.payload = arena_slice(a, buf_slice(&payload));
	memcpy(t.mac, mac.p, SHA256_LEN);
	if (!read_payload(t.payload, &t))
		return ERR_INPUT;
	*ret = t;
	return OK;
}

bool approval_token_is(struct slice key, const struct approval_token *t)
{
	uint8_t mac[SHA256_LEN];

	crypto_hmac_sha256(key, t->payload, mac);
	return crypto_equal(slice_of((const char *)mac, sizeof(mac)),
			    slice_of((const char *)t->mac, sizeof(t->mac)));
}
