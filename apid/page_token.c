/* SPDX-License-Identifier: Apache-2.0 */
/* Page tokens. Nothing of a token is used before its MAC was compared. */
#include "apid/page_token.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/jsonf.h"
#include "common/base/mem.h"

struct wire {
	struct slice c, i, s, a, b, m;
};

static const struct jsonf_row wire_rows[] = {
	{ "c", JSONF_TEXT, offsetof(struct wire, c), JSONF_NO_GIVEN },
	{ "i", JSONF_TEXT, offsetof(struct wire, i), JSONF_NO_GIVEN },
	{ "s", JSONF_TEXT, offsetof(struct wire, s), JSONF_NO_GIVEN },
	{ "a", JSONF_TEXT, offsetof(struct wire, a), JSONF_NO_GIVEN },
	{ "b", JSONF_TEXT, offsetof(struct wire, b), JSONF_NO_GIVEN },
	{ "m", JSONF_TEXT, offsetof(struct wire, m), JSONF_NO_GIVEN },
	{ 0 },
};

/* Every part with its length before it, so that none can run into the next. */
static void mac_of(const struct wire *w, struct slice user_id, struct slice key, struct buf *ret)
{
	const struct slice parts[] = { S("page"), user_id, w->c, w->i, w->s, w->a, w->b };
	AUTO(buf_release) struct buf text = BUF_INIT(2 * PAGE_TOKEN_MAX);
	uint8_t mac[SHA256_LEN];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_addf(&text, "%zu:", parts[i].n);
		buf_add_slice(&text, parts[i]);
	}
	crypto_hmac_sha256(key, buf_slice(&text), mac);
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

void page_token_write(const struct page_token *t, struct slice user_id, struct slice key,
		      struct buf *ret)
{
	AUTO(buf_release) struct buf mac = BUF_INIT(SHA256_HEX_LEN);
	AUTO(buf_release) struct buf json = BUF_INIT(PAGE_TOKEN_MAX);
	char time[CLOCK_TEXT_MAX], bound[CLOCK_TEXT_MAX];
	struct wire w = { .i = t->id, .s = t->filter, .a = t->agent };
	struct jsonw out;

	clock_rfc3339_us(t->created_us, time);
	w.c = slice_str(time);
	clock_rfc3339_us(t->as_of_us, bound);
	w.b = t->as_of_us ? slice_str(bound) : S("");
	mac_of(&w, user_id, key, &mac);
	jsonw_init(&out, &json);
	jsonw_object(&out);
	jsonw_key_text(&out, "c", w.c);
	jsonw_key_text(&out, "i", w.i);
	jsonw_key_text(&out, "s", w.s);
	jsonw_key_text(&out, "a", w.a);
	if (w.b.n)
		jsonw_key_text(&out, "b", w.b);
	jsonw_key_text(&out, "m", buf_slice(&mac));
	jsonw_object_end(&out);
	base64url_encode(buf_slice(&json), ret);
}

enum err page_token_read(struct slice text, struct slice user_id, struct slice key, struct arena *a,
			 struct page_token *ret)
{
	AUTO(buf_release) struct buf json = BUF_INIT(PAGE_TOKEN_MAX);
	AUTO(buf_release) struct buf mac = BUF_INIT(SHA256_HEX_LEN);
	struct wire w = { 0 };
	int64_t created_us, as_of_us = 0;

	if (text.n > PAGE_TOKEN_MAX || base64url_decode(text, &json) ||
	    jsonf_read(buf_slice(&json), wire_rows, a, &w))
		return ERR_INPUT;
	mac_of(&w, user_id, key, &mac);
	if (buf_failed(&mac) || !crypto_equal(buf_slice(&mac), w.m))
		return ERR_INPUT;
	if (clock_parse_rfc3339(w.c, &created_us) || (w.b.n && clock_parse_rfc3339(w.b, &as_of_us)))
		return ERR_INPUT;
	*ret = (struct page_token){ created_us, w.i, w.s, w.a, as_of_us };
	return OK;
}
