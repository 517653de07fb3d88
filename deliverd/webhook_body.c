/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the call. Opened secrets live in one buffer that is wiped before it
 * is freed; they must never reach the body, a header or the log.
 */
#include "deliverd/webhook_body.h"

#include "common/base/clock.h"
#include "common/base/encode.h"
#include "common/base/ids.h"
#include "common/base/jsonf.h"
#include "common/mail/authsig.h"
#include "common/store/store_secret.h"
#include "common/store/store_signing_key.h"

enum { SECRET_LEN = TOKEN_HEX_LEN, HEADERS_MAX = 16, OVERHEAD = 64 * 1024, REST_MAX = 1024 * 1024 };

/* Every secret or seed of a user fits. */
_Static_assert(STORE_SECRETS_MAX + STORE_SIGNING_KEYS_MAX <= WEBHOOK_SECRETS_MAX,
	       "a user may have more than are fetched");

struct secrets {
	struct buf bytes;
	struct slice secrets[WEBHOOK_SECRETS_MAX], seeds[WEBHOOK_SECRETS_MAX]; /* into bytes */
	size_t secrets_n, seeds_n;
	struct slice newest_id; /* of a secret */
};

static void secrets_release(struct secrets *s)
{
	crypto_wipe(s->bytes.p, s->bytes.len);
	buf_release(&s->bytes);
}

static enum err open_one(const struct webhook_row *row, size_t i, const uint8_t *key,
			 struct buf *ret)
{
	return store_signing_key_is(row->secret_ids[i])
		       ? store_signing_key_open(key, row->secret_ids[i], row->secrets[i], ret)
		       : crypto_open(key, row->secret_ids[i], row->secrets[i], ret);
}

/* Opens all that sign for the row, newest first; one that does not open is left out. */
static void open_secrets(const struct webhook_row *row, const uint8_t key[CRYPTO_KEY_LEN],
			 struct secrets *ret)
{
	buf_reserve(&ret->bytes, ret->bytes.max); /* slices stay right, and no copy stays behind */
	for (size_t i = 0; i < row->secrets_n && i < WEBHOOK_SECRETS_MAX; i++) {
		size_t at = ret->bytes.len;
		struct slice opened;

		if (open_one(row, i, key, &ret->bytes))
			continue;
		opened = slice_sub(buf_slice(&ret->bytes), at, ret->bytes.len);
		if (store_signing_key_is(row->secret_ids[i])) {
			ret->seeds[ret->seeds_n++] = opened;
			continue;
		}
		if (ret->secrets_n == 0)
			ret->newest_id = row->secret_ids[i];
		ret->secrets[ret->secrets_n++] = opened;
	}
}

size_t webhook_request_cost(size_t raw_bytes)
{
	return raw_bytes / 3 * 4 + OVERHEAD;
}

static void write_texts(struct jsonw *w, const char *key, const struct slice *v, size_t n)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_text(w, v[i]);
	jsonw_array_end(w);
}

static void write_body(const struct webhook_row *row, const struct authsig *sig,
		       struct slice secret, struct buf *ret)
{
	char received[CLOCK_TEXT_MAX];
	struct jsonw w;

	clock_rfc3339_us(row->received_us, received);
	jsonw_init(&w, ret);
	jsonw_object(&w);
	jsonw_key_text(&w, "message_id", row->message_id);
	if (row->conversation_id.n)
		jsonw_key_text(&w, "conversation_id", row->conversation_id);
	jsonw_key_text(&w, "from", row->header_from);
	if (row->reply_to_n)
		write_texts(&w, "reply_to", row->reply_to, row->reply_to_n);
	write_texts(&w, "to", row->to, row->to_n);
	if (row->cc_n)
		write_texts(&w, "cc", row->cc, row->cc_n);
	jsonw_key_text(&w, "recipient", row->recipient);
	jsonw_key(&w, "raw_message");
	jsonw_base64(&w, row->raw);
	jsonw_key(&w, "auth_headers");
	authsig_json(sig, secret, &w);
	jsonw_key_text(&w, "received_at", slice_str(received));
	jsonw_object_end(&w);
}

struct header_list {
	struct arena *a;
	struct webhook_request *r;
};

static void add_line(struct header_list *l, char *line)
{
	if (l->r->headers_n < HEADERS_MAX)
		l->r->headers[l->r->headers_n++] = line;
}

/* To libcurl "Name:" means no such header, and "Name;" an empty one. */
static void add_header(const char *name, const char *value, void *arg)
{
	struct header_list *l = arg;

	add_line(l, arena_printf(l->a, "%s%s%s", name, *value ? ": " : ";", value));
}

static void add_signature(const struct webhook_row *row, const struct secrets *secrets,
			  int64_t unix_s, struct header_list *l)
{
	AUTO(buf_release) struct buf signature = BUF_INIT(4096);
	AUTO(buf_release) struct buf time = BUF_INIT(32);

	authsig_webhook(row->message_id, unix_s, buf_slice(&l->r->body),
			&(struct authsig_keys){ secrets->secrets, secrets->secrets_n,
						secrets->seeds, secrets->seeds_n },
			&signature);
	buf_addf(&time, "%lld", (long long)unix_s);
	add_header("webhook-id", arena_dup(l->a, row->message_id), l);
	add_header("webhook-timestamp", buf_cstr(&time), l);
	add_header("webhook-signature", buf_cstr(&signature), l);
}

enum err webhook_request_build(const struct webhook_row *row, const uint8_t key[CRYPTO_KEY_LEN],
			       int64_t time_us, struct arena *a, struct webhook_request *ret)
{
	AUTO(secrets_release)
	struct secrets secrets = { .bytes = BUF_INIT(SECRET_LEN * WEBHOOK_SECRETS_MAX) };
	struct header_list l = { a, ret };
	char hash[SHA256_HEX_LEN + 1];
	struct authsig sig = {
		.verified = row->verified,
		.sender = row->sender,
		.entity_type = row->entity_type,
		.domain_check = row->domain_check,
		.delegation = row->delegation,
		.time_us = time_us,
		.message_id = row->message_id,
	};

	open_secrets(row, key, &secrets);
	if (secrets.secrets_n == 0)
		return ERR_CRYPTO;
	hex_text(row->sha256, sizeof(row->sha256), hash);
	sig.body_hash = slice_str(hash);
	*ret = (struct webhook_request){ .secret_id = secrets.newest_id };
	buf_init(&ret->body, webhook_request_cost(row->raw.n) + REST_MAX);
	ret->headers = arena_calloc(a, HEADERS_MAX, sizeof(*ret->headers));
	write_body(row, &sig, secrets.secrets[0], &ret->body);
	add_header("Content-Type", "application/json", &l);
	add_line(&l, arena_strdup(a, "Expect:")); /* libcurl would wait for "100 Continue" */
	authsig_each(&sig, secrets.secrets[0], add_header, &l);
	add_signature(row, &secrets, time_us / 1000000, &l);
	return OK;
}
