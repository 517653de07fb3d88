/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict as text: a table names the tags in their only order. No value
 * may ever reach the header unencoded, and nothing is read out of a text
 * before its seal was found right.
 */
#include "common/mail/verdict.h"

#include "common/base/crypto.h"

#include <assert.h>

enum { FOLD_COLUMN = 78, MAC_TEXT_MAX = 64 };

static const char *const result_names[AUTH_RESULT_COUNT] = {
	[AUTH_NONE] = "none",           [AUTH_PASS] = "pass",           [AUTH_FAIL] = "fail",
	[AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
	[AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
};

enum tag_type { TAG_TEXT, TAG_TIME, TAG_BOOL, TAG_RESULT, TAG_DIGEST };

struct tag {
	const char *name;
	enum tag_type type;
	size_t offset;
};

#define TAG(name, type, field)                                                                     \
	{                                                                                          \
		name, type, offsetof(struct verdict, field)                                        \
	}

static const struct tag tags[] = {
	TAG("qid", TAG_TEXT, queue_id),
	TAG("time", TAG_TIME, time_us),
	TAG("origin", TAG_TEXT, origin),
	TAG("ip", TAG_TEXT, client_ip),
	TAG("helo", TAG_TEXT, helo),
	TAG("mailfrom", TAG_TEXT, mail_from),
	TAG("from", TAG_TEXT, header_from),
	TAG("author", TAG_BOOL, author_valid),
	TAG("spf", TAG_RESULT, spf),
	TAG("spfdomain", TAG_TEXT, spf_domain),
	TAG("spfaligned", TAG_BOOL, spf_aligned),
	TAG("dkim", TAG_RESULT, dkim_all),
	TAG("dmarc", TAG_RESULT, dmarc),
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

/* Bytes that stand for themselves; all separators and white space are not among them. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~@:+/", c));
}

static void add_encoded(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_plain(s.p[i]))
			buf_add_char(b, s.p[i]);
		else
			buf_addf(b, "%%%02X", (unsigned)(unsigned char)s.p[i]);
	}
}

static void add_tag(struct buf *b, const struct tag *tag, const struct verdict *v)
{
	const void *field = (const char *)v + tag->offset;

	buf_addf(b, "%s=", tag->name);
	switch (tag->type) {
	case TAG_TEXT:
		add_encoded(b, *(const struct slice *)field);
		break;
	case TAG_TIME:
		buf_addf(b, "%lld", (long long)*(const int64_t *)field);
		break;
	case TAG_BOOL:
		buf_add_char(b, *(const bool *)field ? '1' : '0');
		break;
	case TAG_RESULT:
		buf_add_str(b, verdict_result_name(*(const enum auth_result *)field));
		break;
	case TAG_DIGEST:
		hex_encode(slice_of(field, SHA256_LEN), b);
		break;
	}
	buf_add_char(b, ';');
}

static void add_dkim(struct buf *b, const struct verdict_dkim *d)
{
	const struct slice texts[] = { d->domain, d->selector, d->reason };

	buf_addf(b, "d=%s,%d", verdict_result_name(d->result), d->aligned);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_add_char(b, ',');
		add_encoded(b, texts[i]);
	}
	buf_add_char(b, ';');
}

/* The seal of `text` (all tags, each with its ';'). The header name binds it to its purpose. */
static void add_mac(struct buf *b, struct slice text, struct slice key)
{
	AUTO(buf_release) struct buf signed_text = BUF_INIT(VERDICT_TEXT_MAX + MAC_TEXT_MAX);
	uint8_t mac[SHA256_LEN];

	buf_add_str(&signed_text, VERDICT_HEADER ":");
	buf_add_slice(&signed_text, text);
	crypto_hmac_sha256(key, buf_slice(&signed_text), mac);
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), b);
}

/* Appends `text` with a fold in front of each tag that would pass the margin. */
static void add_folded(struct buf *ret, struct slice text)
{
	size_t column = sizeof(VERDICT_HEADER ":") - 1;
	struct slice piece;

	while (slice_cut(&text, ';', &piece)) {
		bool last = text.p == NULL;

		if (column + 1 + piece.n + !last >= FOLD_COLUMN) {
			buf_add_str(ret, "\n\t");
			column = 8;
		} else {
			buf_add_char(ret, ' ');
			column++;
		}
		buf_add_slice(ret, piece);
		if (!last)
			buf_add_char(ret, ';');
		column += piece.n + !last;
	}
}

void verdict_seal(const struct verdict *v, struct slice key, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(buf_release) struct buf mac = BUF_INIT(MAC_TEXT_MAX);

	assert(v->dkim_n <= VERDICT_DKIM_MAX);
	buf_add_str(&text, "v=1;");
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		add_tag(&text, &tags[i], v);
	for (size_t i = 0; i < v->dkim_n; i++)
		add_dkim(&text, &v->dkim[i]);
	add_mac(&mac, buf_slice(&text), key);
	buf_add_str(&text, "s=");
	buf_add_slice(&text, buf_slice(&mac));
	if (buf_failed(&text))
		ret->overflow = true;
	else
		add_folded(ret, buf_slice(&text));
}

static struct slice without_space(struct arena *a, struct slice s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(" \t\r\n", s.p[i]))
			out[n++] = s.p[i];
	return slice_of(out, n);
}

static enum err decode(struct slice s, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			out[n++] = s.p[i];
			continue;
		}
		if (i + 2 >= s.n || hex_decode(slice_sub(s, i + 1, i + 3), &out[n], 1) != OK)
			return ERR_INPUT;
		n++;
		i += 2;
	}
	*ret = slice_of(out, n);
	return OK;
}

static enum err read_bool(struct slice s, bool *ret)
{
	*ret = slice_eq(s, S("1"));
	return *ret || slice_eq(s, S("0")) ? OK : ERR_INPUT;
}

static enum err read_tag(struct slice piece, const struct tag *tag, struct arena *a,
			 struct verdict *ret)
{
	void *field = (char *)ret + tag->offset;
	struct slice name;

	if (!slice_cut(&piece, '=', &name) || !slice_eq(name, slice_str(tag->name)))
		return ERR_INPUT;
	switch (tag->type) {
	case TAG_TEXT:
		return decode(piece, a, field);
	case TAG_TIME:
		return slice_to_i64(piece, INT64_MIN, INT64_MAX, field);
	case TAG_BOOL:
		return read_bool(piece, field);
	case TAG_RESULT:
		return verdict_result_parse(piece, field);
	case TAG_DIGEST:
		return hex_decode(piece, field, SHA256_LEN);
	}
	return ERR_INPUT;
}

static enum err read_dkim(struct slice piece, struct arena *a, struct verdict_dkim *ret)
{
	struct slice *const texts[] = { &ret->domain, &ret->selector, &ret->reason };
	struct slice part;

	if (!slice_starts(piece, S("d=")))
		return ERR_INPUT;
	piece = slice_sub(piece, 2, piece.n);
	if (!slice_cut(&piece, ',', &part) || verdict_result_parse(part, &ret->result) != OK ||
	    !slice_cut(&piece, ',', &part) || read_bool(part, &ret->aligned) != OK)
		return ERR_INPUT;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!slice_cut(&piece, ',', &part) || decode(part, a, texts[i]) != OK)
			return ERR_INPUT;
	return piece.p ? ERR_INPUT : OK;
}

/* Reads the tags of a text whose seal is right; it ends with a ';'. */
static enum err read_tags(struct slice text, struct arena *a, struct verdict *ret)
{
	struct slice piece;

	if (!slice_cut(&text, ';', &piece) || !slice_eq(piece, S("v=1")))
		return ERR_INPUT;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (!slice_cut(&text, ';', &piece) || read_tag(piece, &tags[i], a, ret) != OK)
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
	AUTO(buf_release) struct buf mac = BUF_INIT(MAC_TEXT_MAX);
	struct verdict v = { 0 };
	struct slice text, seal;
	ptrdiff_t end;

	if (value.n > VERDICT_TEXT_MAX)
		return ERR_INPUT;
	text = without_space(a, value);
	end = slice_rfind(text, ';');
	if (end < 0)
		return ERR_INPUT;
	seal = slice_sub(text, (size_t)end + 1, text.n);
	text = slice_sub(text, 0, (size_t)end + 1);
	if (!slice_starts(text, S("v=")) || !slice_starts(seal, S("s=")))
		return ERR_INPUT;
	add_mac(&mac, text, key);
	if (!crypto_equal(slice_sub(seal, 2, seal.n), buf_slice(&mac)))
		return ERR_CRYPTO;
	if (read_tags(text, a, &v) != OK)
		return ERR_INPUT;
	*ret = v;
	return OK;
}
