/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signatures that agents check. What is signed and what is shown come from
 * the same cleaned texts, so no value can add a line to the canonical string
 * or differ between signature, JSON and HTTP. A secret is used as the ASCII
 * text it is, never decoded.
 */
#include "common/mail/authsig.h"

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/ed25519.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <assert.h>

enum { VALUE_MAX = 4096, CANONICAL_MAX = 9 * (VALUE_MAX + 1), WEBHOOK_HEAD_MAX = 1024 };

/* In the order in which they are shown. */
enum auth_header {
	H_VERIFIED,
	H_SENDER,
	H_ENTITY_TYPE,
	H_DOMAIN_CHECK,
	H_TIMESTAMP,
	H_MESSAGE_ID,
	H_BODY_HASH,
	H_SIGNATURE,
	H_DELEGATION,
	H_COUNT
};

static const char *const names[H_COUNT] = {
	[H_VERIFIED] = "X-E2A-Auth-Verified",       [H_SENDER] = "X-E2A-Auth-Sender",
	[H_ENTITY_TYPE] = "X-E2A-Auth-Entity-Type", [H_DOMAIN_CHECK] = "X-E2A-Auth-Domain-Check",
	[H_TIMESTAMP] = "X-E2A-Auth-Timestamp",     [H_MESSAGE_ID] = "X-E2A-Auth-Message-Id",
	[H_BODY_HASH] = "X-E2A-Auth-Body-Hash",     [H_SIGNATURE] = "X-E2A-Auth-Signature",
	[H_DELEGATION] = "X-E2A-Auth-Delegation",
};

static const enum auth_header canonical_order[] = {
	H_VERIFIED,   H_SENDER,    H_ENTITY_TYPE, H_DOMAIN_CHECK,
	H_DELEGATION, H_TIMESTAMP, H_MESSAGE_ID,  H_BODY_HASH,
};

/* The values as strings; they live in the arena. */
struct texts {
	const char *v[H_COUNT];
};

/* Valid UTF-8 without CR, LF and NUL, cut at VALUE_MAX. */
static const char *clean(struct arena *a, struct slice s)
{
	char *out = arena_dup(a, utf8_cut(utf8_clean(a, s), VALUE_MAX));
	size_t n = 0;

	for (const char *p = out; *p; p++)
		if (*p != '\r' && *p != '\n')
			out[n++] = *p;
	out[n] = '\0';
	return out;
}

static void collect(const struct authsig *s, struct arena *a, struct texts *ret)
{
	char time[CLOCK_TEXT_MAX];

	clock_rfc3339_s(s->time_us, time);
	*ret = (struct texts){ .v = {
				       [H_VERIFIED] = s->verified ? "true" : "false",
				       [H_SENDER] = clean(a, s->sender),
				       [H_ENTITY_TYPE] = clean(a, s->entity_type),
				       [H_DOMAIN_CHECK] = clean(a, s->domain_check),
				       [H_TIMESTAMP] = arena_strdup(a, time),
				       [H_MESSAGE_ID] = clean(a, s->message_id),
				       [H_BODY_HASH] = clean(a, s->body_hash),
				       [H_SIGNATURE] = "",
				       [H_DELEGATION] = clean(a, s->delegation),
			       } };
}

static void add_canonical(const struct texts *t, struct buf *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(canonical_order); i++) {
		if (i > 0)
			buf_add_char(ret, '\n');
		buf_add_str(ret, t->v[canonical_order[i]]);
	}
}

static void add_hex_mac(struct slice secret, struct slice text, struct buf *ret)
{
	uint8_t mac[SHA256_LEN];

	crypto_hmac_sha256(secret, text, mac);
	hex_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

static void sign(const struct authsig *s, struct slice secret, struct arena *a, struct texts *ret)
{
	AUTO(buf_release) struct buf canonical = BUF_INIT(CANONICAL_MAX);
	AUTO(buf_release) struct buf hex = BUF_INIT(SHA256_HEX_LEN);

	collect(s, a, ret);
	add_canonical(ret, &canonical);
	add_hex_mac(secret, buf_slice(&canonical), &hex);
	ret->v[H_SIGNATURE] = arena_strdup(a, buf_cstr(&hex));
}

void authsig_canonical(const struct authsig *s, struct buf *ret)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct texts t;

	collect(s, &a, &t);
	add_canonical(&t, ret);
}

void authsig_sign(const struct authsig *s, struct slice secret, char ret[SHA256_HEX_LEN + 1])
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct texts t;

	sign(s, secret, &a, &t);
	memcpy(ret, t.v[H_SIGNATURE], SHA256_HEX_LEN + 1);
}

void authsig_each(const struct authsig *s, struct slice secret,
		  void (*fn)(const char *name, const char *value, void *arg), void *arg)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct texts t;

	sign(s, secret, &a, &t);
	for (size_t i = 0; i < H_COUNT; i++)
		if (i != H_DELEGATION || *t.v[i])
			fn(names[i], t.v[i], arg);
}

static void write_key(const char *name, const char *value, void *arg)
{
	jsonw_key_text(arg, name, slice_str(value));
}

void authsig_json(const struct authsig *s, struct slice secret, struct jsonw *w)
{
	jsonw_object(w);
	authsig_each(s, secret, write_key, w);
	jsonw_object_end(w);
}

static void add_webhook_signature(const char *version, const void *p, size_t n, struct buf *ret)
{
	if (ret->len)
		buf_add_char(ret, ' ');
	buf_add_str(ret, version);
	base64_encode(slice_of(p, n), ret);
}

void authsig_webhook(struct slice id, int64_t unix_s, struct slice body,
		     const struct authsig_keys *keys, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(body.n + WEBHOOK_HEAD_MAX + id.n);
	uint8_t mac[SHA256_LEN], signature[ED25519_SIGNATURE_LEN];

	buf_add_slice(&text, id);
	buf_addf(&text, ".%lld.", (long long)unix_s);
	buf_add_slice(&text, body);
	for (size_t i = 0; i < keys->secrets_n; i++) {
		crypto_hmac_sha256(keys->secrets[i], buf_slice(&text), mac);
		add_webhook_signature("v1,", mac, sizeof(mac), ret);
	}
	for (size_t i = 0; i < keys->seeds_n; i++) {
		assert(keys->seeds[i].n == ED25519_SEED_LEN);
		ed25519_sign((const uint8_t *)keys->seeds[i].p, buf_slice(&text), signature);
		add_webhook_signature("v1a,", signature, sizeof(signature), ret);
	}
}

void authsig_whsec(struct slice secret, struct buf *ret)
{
	buf_add_str(ret, "whsec_");
	base64_encode(secret, ret);
}

void authsig_whpk(struct slice public_key, struct buf *ret)
{
	buf_add_str(ret, "whpk_");
	base64_encode(public_key, ret);
}
