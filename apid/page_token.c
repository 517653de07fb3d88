/* SPDX-License-Identifier: Apache-2.0 */
/* Page tokens. Nothing of a token is used before its MAC was compared. */
#include "apid/page_token.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/jsonf.h"
#include "common/base/mem.h"

struct wire {
	struct slice c, i, s, a, b, t, u, m;
};

static const struct jsonf_row wire_rows[] = {
	{ "c", JSONF_TEXT, offsetof(struct wire, c), JSONF_NO_GIVEN },
	{ "i", JSONF_TEXT, offsetof(struct wire, i), JSONF_NO_GIVEN },
	{ "s", JSONF_TEXT, offsetof(struct wire, s), JSONF_NO_GIVEN },
	{ "a", JSONF_TEXT, offsetof(struct wire, a), JSONF_NO_GIVEN },
	{ "b", JSONF_TEXT, offsetof(struct wire, b), JSONF_NO_GIVEN },
	{ "t", JSONF_TEXT, offsetof(struct wire, t), JSONF_NO_GIVEN },
	{ "u", JSONF_TEXT, offsetof(struct wire, u), JSONF_NO_GIVEN },
	{ "m", JSONF_TEXT, offsetof(struct wire, m), JSONF_NO_GIVEN },
	{ 0 },
};

enum { MOMENT_TEXT_MAX = CLOCK_TEXT_MAX + STORE_MOMENT_SNAPSHOT_MAX };

/* Every part with its length before it, so that none can run into the next. */
static void mac_of(const struct wire *w, struct slice user_id, struct slice key, struct buf *ret)
{
	const struct slice parts[] = {
		S("page"), user_id, w->c, w->i, w->s, w->a, w->b, w->t, w->u
	};
	size_t n = ARRAY_LEN(parts) - (w->t.n || w->u.n ? 0 : 2); /* as before there were moments */
	AUTO(buf_release) struct buf text = BUF_INIT(2 * PAGE_TOKEN_MAX);
	uint8_t mac[SHA256_LEN];

	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%zu:", parts[i].n);
		buf_add_slice(&text, parts[i]);
	}
	crypto_hmac_sha256(key, buf_slice(&text), mac);
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

static void write_moment(const struct store_moment *m, struct buf *ret)
{
	char time[CLOCK_TEXT_MAX];

	if (m->snapshot.n == 0)
		return;
	clock_rfc3339_us(m->at_us, time);
	buf_addf(ret, "%s ", time);
	buf_add_slice(ret, m->snapshot);
}

static enum err read_moment(struct slice text, struct store_moment *ret)
{
	struct slice time;

	*ret = (struct store_moment){ 0 };
	if (text.n == 0)
		return OK;
	if (!slice_cut(&text, ' ', &time) || text.n == 0)
		return ERR_INPUT;
	ret->snapshot = text;
	return clock_parse_rfc3339(time, &ret->at_us);
}

static void key_if_any(struct jsonw *out, const char *key, struct slice value)
{
	if (value.n)
		jsonw_key_text(out, key, value);
}

void page_token_write(const struct page_token *t, struct slice user_id, struct slice key,
		      struct buf *ret)
{
	AUTO(buf_release) struct buf mac = BUF_INIT(SHA256_HEX_LEN);
	AUTO(buf_release) struct buf json = BUF_INIT(PAGE_TOKEN_MAX);
	AUTO(buf_release) struct buf told = BUF_INIT(MOMENT_TEXT_MAX);
	AUTO(buf_release) struct buf upto = BUF_INIT(MOMENT_TEXT_MAX);
	char time[CLOCK_TEXT_MAX], bound[CLOCK_TEXT_MAX];
	struct wire w = { .i = t->id, .s = t->filter, .a = t->agent };
	struct jsonw out;

	clock_rfc3339_us(t->created_us, time);
	w.c = slice_str(time);
	clock_rfc3339_us(t->as_of_us, bound);
	w.b = t->as_of_us ? slice_str(bound) : S("");
	write_moment(&t->told, &told);
	write_moment(&t->upto, &upto);
	w.t = buf_slice(&told);
	w.u = buf_slice(&upto);
	mac_of(&w, user_id, key, &mac);
	jsonw_init(&out, &json);
	jsonw_object(&out);
	jsonw_key_text(&out, "c", w.c);
	jsonw_key_text(&out, "i", w.i);
	jsonw_key_text(&out, "s", w.s);
	jsonw_key_text(&out, "a", w.a);
	key_if_any(&out, "b", w.b);
	key_if_any(&out, "t", w.t);
	key_if_any(&out, "u", w.u);
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
	struct store_moment told, upto;
	int64_t created_us, as_of_us = 0;

	if (text.n > PAGE_TOKEN_MAX || base64url_decode(text, &json) ||
	    jsonf_read(buf_slice(&json), wire_rows, a, &w))
		return ERR_INPUT;
	mac_of(&w, user_id, key, &mac);
	if (buf_failed(&mac) || !crypto_equal(buf_slice(&mac), w.m))
		return ERR_INPUT;
	if (clock_parse_rfc3339(w.c, &created_us) ||
	    (w.b.n && clock_parse_rfc3339(w.b, &as_of_us)) || read_moment(w.t, &told) ||
	    read_moment(w.u, &upto))
		return ERR_INPUT;
	*ret = (struct page_token){ created_us, w.i, w.s, w.a, as_of_us, told, upto };
	return OK;
}
