/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a message. Whatever a header holds, the result is clean UTF-8
 * without NUL: a header that cannot be read costs its column, never the mail.
 */
#include "deliverd/parsed.h"

#include "common/base/jsonf.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/mail/mime.h"
#include "common/mail/thread.h"

enum { AUTHENTICATION_MAX = 64 * 1024, FLAGS_MAX = 8 };

static struct slice clean(struct arena *a, struct slice s, size_t max_bytes)
{
	return utf8_cut(utf8_clean(a, s), max_bytes);
}

/* The value of the first field of that name on one line. */
static struct slice line_of(const struct header *h, const char *name, size_t max_bytes,
			    struct arena *a)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? clean(a, header_unfold(a, f->value), max_bytes) : S("");
}

static void addresses(const struct header *h, const char *name, struct arena *a,
		      struct ingest_texts *ret, bool *ret_bad)
{
	const struct header_field *f = header_first(h, slice_str(name));
	struct addr_list list = { 0 };
	struct slice *v;

	if (f)
		addr_parse_list(f->value, a, &list);
	v = arena_calloc(a, list.n, sizeof(*v));
	for (size_t i = 0; i < list.n; i++)
		v[i] = clean(a, list.v[i].spec, ADDR_MAX);
	*ret = (struct ingest_texts){ v, list.n };
	*ret_bad |= list.bad || list.limited;
}

static bool any_odd(const struct header *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].odd)
			return true;
	return false;
}

/* Reads the author; tells whether it is one that could be verified. */
static bool read_author(const struct header *h, struct arena *a, struct ingest_mail *ret)
{
	struct addr author = { 0 };
	bool valid = addr_author(h, a, &author) == OK;

	ret->header_from = clean(a, author.spec, ADDR_MAX);
	return valid;
}

static void set_flags(const struct header *h, bool bad_from, bool bad_address, struct arena *a,
		      struct ingest_mail *ret)
{
	size_t from_n = header_count(h, S("From"));
	const struct {
		bool set;
		const char *word;
	} flags[FLAGS_MAX] = {
		{ from_n == 0, "no_from" },
		{ from_n > 1, "many_from" },
		{ from_n == 1 && bad_from, "bad_from" },
		{ bad_address, "bad_address" },
		{ h->bad > 0, "bad_line" },
		{ any_odd(h), "odd_field" },
		{ h->limited, "parse_limited" },
	};
	struct slice *v = arena_calloc(a, FLAGS_MAX, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < FLAGS_MAX; i++)
		if (flags[i].set)
			v[n++] = slice_str(flags[i].word);
	ret->parse_flags = (struct ingest_texts){ v, n };
}

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

static void read_thread(const struct header *h, struct arena *a, struct ingest_mail *ret)
{
	struct thread_texts parents;

	thread_parents(value_of(h, "In-Reply-To"), value_of(h, "References"), a, &parents);
	ret->parents = (struct ingest_texts){ parents.v, parents.n };
	ret->conversation_id = compose_conversation_id(value_of(h, CONVERSATION_HEADER), a);
}

void parsed_header(struct slice raw, struct slice envelope_sender, struct arena *a,
		   struct ingest_mail *ret)
{
	const struct header_field *subject;
	bool bad_address = false, valid;
	struct header h;

	header_parse(raw, a, &h);
	valid = read_author(&h, a, ret);
	ret->sender = ret->header_from.n ? ret->header_from : clean(a, envelope_sender, ADDR_MAX);
	addresses(&h, "Reply-To", a, &ret->reply_to, &bad_address);
	addresses(&h, "To", a, &ret->to, &bad_address);
	addresses(&h, "Cc", a, &ret->cc, &bad_address);
	subject = header_first(&h, S("Subject"));
	ret->subject = subject ? mime_text(subject->value, SUBJECT_MAX, a) : S("");
	ret->email_message_id = line_of(&h, "Message-ID", MESSAGE_ID_MAX, a);
	ret->in_reply_to = line_of(&h, "In-Reply-To", MESSAGE_ID_MAX, a);
	ret->auto_submitted = line_of(&h, "Auto-Submitted", AUTO_SUBMITTED_MAX, a);
	read_thread(&h, a, ret);
	set_flags(&h, !valid, bad_address, a, ret);
}

static void key_result(struct jsonw *w, enum auth_result r)
{
	jsonw_key_text(w, "result", slice_str(verdict_result_name(r)));
}

static void write_dkim(const struct verdict_dkim *d, struct jsonw *w)
{
	jsonw_object(w);
	key_result(w, d->result);
	jsonw_key_text(w, "domain", d->domain);
	jsonw_key_text(w, "selector", d->selector);
	jsonw_key_bool(w, "aligned", d->aligned);
	if (d->reason.n)
		jsonw_key_text(w, "reason", d->reason);
	jsonw_object_end(w);
}

static void write_results(const struct verdict *v, struct jsonw *w)
{
	jsonw_key(w, "spf");
	jsonw_object(w);
	key_result(w, v->spf);
	jsonw_key_text(w, "domain", v->spf_domain);
	jsonw_key_bool(w, "aligned", v->spf_aligned);
	jsonw_object_end(w);
	jsonw_key(w, "dkim");
	jsonw_array(w);
	for (size_t i = 0; i < v->dkim_n; i++)
		write_dkim(&v->dkim[i], w);
	jsonw_array_end(w);
	jsonw_key(w, "dmarc");
	jsonw_object(w);
	key_result(w, v->dmarc);
	if (v->dmarc_policy.n)
		jsonw_key_text(w, "policy", v->dmarc_policy);
	jsonw_object_end(w);
}

static struct slice authentication(const struct verdict *v, const char *reason, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(AUTHENTICATION_MAX);
	struct jsonw w;

	jsonw_init(&w, &b);
	jsonw_object(&w);
	jsonw_key_text(&w, "verdict", slice_str(v ? "sealed" : reason));
	if (v)
		write_results(v, &w);
	jsonw_object_end(&w);
	return buf_failed(&b) ? S("{}") : arena_slice(a, utf8_clean(a, buf_slice(&b)));
}

/* What only mail of our own may claim: which agent wrote it, and in which conversation. */
static void trust_agent(bool is_ours, struct arena *a, struct ingest_mail *ret)
{
	ret->entity_type = is_ours ? S("agent") : S("human");
	if (!is_ours)
		ret->conversation_id = S("");
	if (!is_ours || addr_fold(ret->header_from, a, &ret->author))
		ret->author = S("");
}

void parsed_verdict(const struct verdict *v, const char *reason, struct arena *a,
		    struct ingest_mail *ret)
{
	static const struct verdict nothing = { .spf = AUTH_NONE };
	AUTO(buf_release) struct buf check = BUF_INIT(256);

	verdict_domain_check(v ? v : &nothing, &check);
	ret->domain_check = arena_slice(a, buf_slice(&check));
	ret->verdict = slice_str(v ? "sealed" : reason);
	ret->verified = v && ret->header_from.n && verdict_verified(v);
	trust_agent(v && slice_eq(v->origin, S("agent")), a, ret);
	ret->authentication = authentication(v, reason, a);
}
