/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes and reads tickets. Two different mails must never have the same MAC:
 * every part of it has its length in front, and the purpose comes first.
 */
#include "common/mail/ticket.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/mail/header.h"
#include "common/mail/mail_hash.h"
#include "common/mail/tags.h"
#include "common/mail/verdict.h"

enum { MAC_INPUT_MAX = 1024, LINE_MAX_BYTES = 998 };

#define PURPOSE S("e2a outbound ticket")
#define VERSION S("1")

#define TAG(name, type, field)                                                                     \
	{                                                                                          \
		name, type, offsetof(struct ticket, field), NULL, 0                                \
	}

static const struct tag tags[] = {
	TAG("job", TAG_TEXT, job),          TAG("attempt", TAG_INT, attempt),
	TAG("issued", TAG_INT, issued_s),   TAG("expires", TAG_INT, expires_s),
	TAG("sh", TAG_DIGEST, mail.sender), TAG("rh", TAG_DIGEST, mail.recipients),
	TAG("hh", TAG_DIGEST, mail.header), TAG("bh", TAG_DIGEST, mail.body),
};

static void add_part(struct buf *b, struct slice s)
{
	char be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (char)((uint64_t)s.n >> (56 - 8 * i));
	buf_add(b, be, sizeof(be));
	buf_add_slice(b, s);
}

static void add_number(struct buf *b, int64_t n)
{
	AUTO(buf_release) struct buf text = BUF_INIT(32);

	buf_addf(&text, "%lld", (long long)n);
	add_part(b, buf_slice(&text));
}

static void make_mac(const struct ticket *t, struct slice key, uint8_t ret[SHA256_LEN])
{
	const uint8_t *const digests[] = { t->mail.sender, t->mail.recipients, t->mail.header,
					   t->mail.body };
	const int64_t numbers[] = { t->attempt, t->issued_s, t->expires_s };
	AUTO(buf_release) struct buf b = BUF_INIT(MAC_INPUT_MAX);

	add_part(&b, PURPOSE);
	add_part(&b, VERSION);
	add_part(&b, t->job);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		add_number(&b, numbers[i]);
	for (size_t i = 0; i < ARRAY_LEN(digests); i++)
		add_part(&b, slice_of((const char *)digests[i], SHA256_LEN));
	crypto_hmac_sha256(key, buf_slice(&b), ret);
}

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order = n ? memcmp(x->p, y->p, n) : 0;

	return order ? order : (x->n > y->n) - (x->n < y->n);
}

enum err ticket_envelope(struct slice sender, const struct slice *recipients, size_t n,
			 struct ticket_mail *ret)
{
	AUTO(buf_release) struct buf b = BUF_INIT(TICKET_ENVELOPE_MAX);
	struct slice sorted[TICKET_RECIPIENTS_MAX];

	if (n > TICKET_RECIPIENTS_MAX || sender.n > TICKET_SENDER_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < n; i++)
		sorted[i] = recipients[i];
	qsort(sorted, n, sizeof(sorted[0]), by_bytes);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && slice_eq(sorted[i - 1], sorted[i]))
			return ERR_INPUT;
		add_part(&b, sorted[i]);
	}
	if (buf_failed(&b))
		return ERR_TOO_BIG;
	crypto_sha256(sender, ret->sender);
	crypto_sha256(buf_slice(&b), ret->recipients);
	return OK;
}

static bool is_valid(const struct ticket *t)
{
	return t->job.n > 0 && t->job.n <= TICKET_JOB_MAX && slice_only(t->job, "-_.") &&
	       t->attempt >= 0 && t->issued_s > 0 && t->expires_s > t->issued_s &&
	       t->expires_s - t->issued_s <= TICKET_LIFETIME_MAX_S;
}

/* Lines as SMTP carries them; anything else is changed on the way, or may be. */
static bool is_wire_text(struct slice message)
{
	if (message.n == 0 || slice_find(message, '\0') >= 0 || !slice_ends(message, S("\r\n")))
		return false;
	while (message.n > 0) {
		ptrdiff_t lf = slice_find(message, '\n');
		struct slice line = slice_sub(message, 0, (size_t)lf + 1);

		if (line.n > LINE_MAX_BYTES + 2 || slice_find(line, '\r') != (ptrdiff_t)line.n - 2)
			return false;
		message = slice_sub(message, line.n, message.n);
	}
	return true;
}

/* A header of which there are no two readings. */
static enum err check_header(const struct header *h)
{
	if (h->limited)
		return ERR_TOO_BIG;
	if (h->bad > 0 || header_first(h, S(TICKET_HEADER)) || header_first(h, S(VERDICT_HEADER)))
		return ERR_INPUT;
	for (size_t i = 0; i < h->n; i++) {
		if (h->v[i].odd)
			return ERR_INPUT;
		if (h->v[i].raw.n >= HEADER_CUT - HEADER_CUT_SLACK)
			return ERR_TOO_BIG;
	}
	return OK;
}

static enum err hash_message(struct slice message, struct ticket_mail *ret)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mail_hash *hash;
	struct header h;
	enum err e;

	if (!is_wire_text(message))
		return ERR_INPUT;
	header_parse(message, &a, &h);
	e = check_header(&h);
	if (e)
		return e;
	hash = mail_hash_new();
	for (size_t i = 0; i < h.n; i++)
		mail_hash_field(hash, h.v[i].name, h.v[i].value);
	mail_hash_body(hash, slice_sub(message, h.body, message.n));
	mail_hash_finish(hash, ret->header, ret->body);
	return OK;
}

/* As it goes over the wire: the folds of tags_write() are LF. */
static void add_field(struct slice value, struct buf *ret)
{
	struct slice line;

	buf_add_str(ret, TICKET_HEADER ":");
	while (slice_cut(&value, '\n', &line)) {
		buf_add_slice(ret, line);
		buf_add_str(ret, value.p ? "\r\n" : "");
	}
	buf_add_str(ret, "\r\n");
}

static enum err write_ticket(const struct ticket *t, struct slice key, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(TICKET_TEXT_MAX);
	AUTO(buf_release) struct buf value = BUF_INIT(TICKET_TEXT_MAX);
	size_t before = ret->len;
	uint8_t mac[SHA256_LEN];

	make_mac(t, key, mac);
	buf_add_str(&text, "v=1;");
	tags_add(tags, ARRAY_LEN(tags), t, &text);
	tags_write(TICKET_HEADER, buf_slice(&text), mac, &value);
	add_field(buf_slice(&value), ret);
	if (buf_failed(ret))
		buf_truncate(ret, before);
	return buf_check(ret);
}

enum err ticket_make(const struct ticket_request *r, struct slice message, struct slice key,
		     struct buf *ret)
{
	struct ticket t = {
		.job = r->job,
		.attempt = r->attempt,
		.issued_s = r->now_s,
	};
	enum err e;

	if (__builtin_add_overflow(r->now_s, r->lifetime_s, &t.expires_s) || !is_valid(&t))
		return ERR_INPUT;
	e = ticket_envelope(r->sender, r->recipients, r->recipients_n, &t.mail);
	if (e == OK)
		e = hash_message(message, &t.mail);
	return e ? e : write_ticket(&t, key, ret);
}

static enum err read_tags(struct slice text, struct arena *a, struct ticket *ret)
{
	struct slice piece;

	if (!slice_cut(&text, ';', &piece) || !slice_eq(piece, S("v=1")) ||
	    tags_read(tags, ARRAY_LEN(tags), &text, a, ret) != OK || text.n > 0)
		return ERR_INPUT;
	return is_valid(ret) ? OK : ERR_INPUT;
}

enum err ticket_open(struct slice value, struct slice key, struct arena *a, struct ticket *ret)
{
	struct ticket t = { 0 };
	struct slice text, seal;

	if (value.n > TICKET_TEXT_MAX || tags_split(value, a, &text, &seal) != OK ||
	    read_tags(text, a, &t) != OK)
		return ERR_INPUT;
	make_mac(&t, key, t.mac);
	if (!tags_seal_is(seal, t.mac))
		return ERR_CRYPTO;
	*ret = t;
	return OK;
}

const char *ticket_check(const struct ticket *t, const struct ticket_mail *seen, int64_t now_s)
{
	const struct {
		bool wrong;
		const char *reason;
	} rows[] = {
		{ now_s >= t->expires_s, "expired" },
		{ t->issued_s - TICKET_CLOCK_S > now_s, "from_the_future" },
		{ memcmp(t->mail.sender, seen->sender, SHA256_LEN) != 0, "other_sender" },
		{ memcmp(t->mail.recipients, seen->recipients, SHA256_LEN) != 0,
		  "other_recipients" },
		{ memcmp(t->mail.header, seen->header, SHA256_LEN) != 0, "other_header" },
		{ memcmp(t->mail.body, seen->body, SHA256_LEN) != 0, "other_body" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].wrong)
			return rows[i].reason;
	return NULL;
}
