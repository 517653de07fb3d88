/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From addresses as callers write them to recipients. One address is held at a time: no
 * list makes this keep more than the recipients that are left.
 */
#include "apid/recipients.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"

enum { INPUT_MAX = 2000, SHOWN_MAX = 200 /* bytes */ };

struct reader {
	const struct recipients_asked *asked;
	struct slice own[2]; /* folded; may be empty */
	struct slice *v;
	size_t n;
	struct arena *a;
	struct buf *reason;
};

static const char *why_not_one(struct slice text, struct arena *a)
{
	struct addr_list list;

	addr_parse_list(text, a, &list);
	if (list.n > 1 || list.group)
		return "more than one address";
	return list.n ? "not in the form of RFC 5322" : "no address found";
}

/* NULL and the address in one form, or what is wrong with it. */
static const char *read_address(struct slice text, struct arena *a, struct slice *ret)
{
	struct slice usable, domain;
	struct addr addr;

	if (slice_has_ctl(text))
		return "control character";
	if (text.n > INPUT_MAX)
		return "too long";
	if (addr_parse_one(text, a, &addr))
		return why_not_one(text, a);
	if (addr_domain(addr.domain, a, &domain))
		return "not a valid domain name";
	if (addr_usable(addr.spec, a, &usable) || addr_fold(usable, a, ret))
		return "not ASCII, too long, or in need of quotes";
	return NULL;
}

/* Control characters, those of U+0080 to U+009F too, and whatever ends a line somewhere. */
static bool is_unsafe(struct slice s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return n == 0 || p[0] < 0x20 || p[0] == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
	       (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

static void add_shown(struct buf *b, struct slice input)
{
	struct slice s = utf8_cut(input, SHOWN_MAX);
	bool cut = s.n < input.n;

	while (s.n) {
		size_t n = utf8_len(s);

		if (is_unsafe(s, n)) {
			n = 1;
			buf_addf(b, "\\x%02x", (unsigned)(unsigned char)*s.p);
		} else {
			buf_add_str(b, *s.p == '"' || *s.p == '\\' ? "\\" : "");
			buf_add(b, s.p, n);
		}
		s = slice_sub(s, n, s.n);
	}
	buf_add_str(b, cut ? "..." : "");
}

static enum err too_many(const struct reader *r)
{
	buf_addf(r->reason, "too many recipients (max %zu)", r->asked->max);
	return ERR_INPUT;
}

/* True for an address of the sender: mail to bot+tag@ reaches bot@ too. */
static bool is_own(const struct reader *r, struct slice address, struct arena *a)
{
	struct slice local, domain, base;

	if (r->asked->keep_own || !addr_split(address, &local, &domain))
		return false;
	local = addr_without_tag(local);
	base = slice_str(arena_printf(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain)));
	for (size_t i = 0; i < ARRAY_LEN(r->own); i++)
		if (r->own[i].n && (slice_eq(address, r->own[i]) || slice_eq(base, r->own[i])))
			return true;
	return false;
}

static bool is_known(const struct reader *r, struct slice address)
{
	for (size_t i = 0; i < r->n; i++)
		if (slice_eq(r->v[i], address))
			return true;
	return false;
}

static enum err add_one(struct reader *r, const char *field, struct slice text)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice address = S("");
	const char *detail = read_address(text, &a, &address);

	if (detail) {
		buf_addf(r->reason, "invalid %s address: \"", field);
		add_shown(r->reason, text);
		buf_addf(r->reason, "\": %s", detail);
		return ERR_INPUT;
	}
	if (is_own(r, address, &a) || is_known(r, address))
		return OK;
	if (r->n == r->asked->max)
		return too_many(r);
	r->v[r->n++] = arena_slice(r->a, address);
	return OK;
}

static struct slice without_blanks(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_sub(s, 1, s.n);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static enum err add_list(struct reader *r, const char *field, const struct recipients_list *list,
			 struct recipients_list *ret)
{
	size_t from = r->n;

	for (size_t i = 0; i < list->n; i++) {
		struct slice text = without_blanks(list->v[i]);
		enum err e = text.n ? add_one(r, field, text) : OK;

		if (e)
			return e;
	}
	*ret = (struct recipients_list){ r->v + from, r->n - from };
	return OK;
}

/* The addresses that are the sender's, in the form of those they are compared with. */
static void find_own(struct reader *r)
{
	const struct recipients_asked *asked = r->asked;
	const char *relay = arena_printf(r->a, "agent@%.*s", SLICE_ARGS(asked->from_domain));

	if (addr_fold(asked->agent, r->a, &r->own[0]))
		r->own[0] = S("");
	if (addr_fold(slice_str(relay), r->a, &r->own[1]))
		r->own[1] = S("");
}

enum err recipients_normalise(const struct recipients_asked *asked, struct arena *a,
			      struct recipients *ret, struct buf *ret_reason)
{
	struct reader r = { .asked = asked, .a = a, .reason = ret_reason };
	size_t n = asked->to.n + asked->cc.n + asked->bcc.n;
	struct recipients got;

	if (n > RECIPIENTS_ASKED_MAX)
		return too_many(&r);
	find_own(&r);
	r.v = arena_calloc(a, n < asked->max ? n : asked->max, sizeof(*r.v));
	if (add_list(&r, "To", &asked->to, &got.to) || add_list(&r, "CC", &asked->cc, &got.cc) ||
	    add_list(&r, "BCC", &asked->bcc, &got.bcc))
		return ERR_INPUT;
	if (got.to.n + got.cc.n == 0) {
		buf_add_str(ret_reason, "no valid recipients");
		return ERR_INPUT;
	}
	got.v = r.v;
	got.n = r.n;
	*ret = got;
	return OK;
}
