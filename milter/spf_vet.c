/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SPF grammar, as a filter. What it lets through must be harmless to a
 * library that has overrun its buffers more than once (CVE-2021-20314,
 * CVE-2021-33912, CVE-2021-33913, CVE-2023-42118).
 */
#include "milter/spf_vet.h"

#include "common/base/mem.h"

#include <arpa/inet.h>

enum { IP_TEXT_MAX = 45 };

enum arg { ARG_NONE, ARG_OPTIONAL, ARG_REQUIRED };

struct term {
	char qualifier;
	struct slice arg;  /* behind ':', without prefix lengths */
	struct slice cidr; /* "/24", "//64", "/24//64" or empty */
};

struct vet {
	const struct spf_context *ctx;
	struct buf *out;
	struct slice redirect;
	bool has_redirect, has_exp;
	bool ended; /* `all` was written: nothing behind it counts */
};

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool spf_is_record(struct slice txt)
{
	struct slice version = S("v=spf1");

	return slice_istarts(txt, version) && (txt.n == version.n || txt.p[version.n] == ' ');
}

/* domain-spec: a macro-string that ends in a macro or in "." toplabel ["."]. */
static enum err check_domain_spec(struct slice s)
{
	bool alpha = false;
	ptrdiff_t dot;

	if (s.n == 0 || s.n > SPF_DOMAIN_SPEC_MAX)
		return ERR_INPUT;
	if (s.p[s.n - 1] == '}')
		return OK;
	if (s.p[s.n - 1] == '.')
		s.n--;
	dot = slice_rfind(s, '.');
	if (dot < 0 || (size_t)dot + 1 == s.n || s.p[dot + 1] == '-' || s.p[s.n - 1] == '-')
		return ERR_INPUT;
	for (size_t i = (size_t)dot + 1; i < s.n; i++) {
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
			return ERR_INPUT;
		alpha |= !is_digit(s.p[i]);
	}
	return alpha ? OK : ERR_INPUT;
}

static enum err read_prefix(struct slice s, unsigned max, unsigned *ret)
{
	uint64_t n;

	if (s.n == 0 || s.n > 3 || (s.n > 1 && s.p[0] == '0') || slice_to_u64(s, max, &n) != OK)
		return ERR_INPUT;
	*ret = (unsigned)n;
	return OK;
}

/* dual-cidr-length: [ "/" 0..32 ] [ "//" 0..128 ] */
static enum err check_dual_cidr(struct slice s)
{
	ptrdiff_t six = slice_search(s, S("//"));
	unsigned n;

	if (six >= 0 && read_prefix(slice_sub(s, (size_t)six + 2, s.n), 128, &n) != OK)
		return ERR_INPUT;
	if (six >= 0)
		s = slice_sub(s, 0, (size_t)six);
	if (s.n == 0)
		return OK;
	return s.p[0] == '/' ? read_prefix(slice_sub(s, 1, s.n), 32, &n) : ERR_INPUT;
}

static bool prefix_matches(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned mask = rest ? 0xff00U >> rest & 0xff : 0;

	return memcmp(a, b, whole) == 0 && (!rest || ((a[whole] ^ b[whole]) & mask) == 0);
}

static void write_all(struct vet *v, char qualifier)
{
	if (!v->ended)
		buf_addf(v->out, " %call", qualifier);
	v->ended = true;
}

static enum err vet_ip(struct vet *v, const struct term *t, bool v6)
{
	unsigned bits = v6 ? 128 : 32;
	char text[IP_TEXT_MAX + 1];
	uint8_t ip[16] = { 0 };

	if (t->arg.n == 0 || t->arg.n > IP_TEXT_MAX)
		return ERR_INPUT;
	memcpy(text, t->arg.p, t->arg.n);
	text[t->arg.n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, ip) != 1)
		return ERR_INPUT;
	if (t->cidr.n > 0 && read_prefix(slice_sub(t->cidr, 1, t->cidr.n), bits, &bits) != OK)
		return ERR_INPUT;
	if (v6 == v->ctx->client.v6 && prefix_matches(ip, v->ctx->client.ip, bits))
		write_all(v, t->qualifier);
	return OK;
}

static enum err vet_ip4(struct vet *v, const struct term *t, const char *name)
{
	(void)name;
	return vet_ip(v, t, false);
}

static enum err vet_ip6(struct vet *v, const struct term *t, const char *name)
{
	(void)name;
	return vet_ip(v, t, true);
}

static enum err vet_all(struct vet *v, const struct term *t, const char *name)
{
	(void)name;
	write_all(v, t->qualifier);
	return OK;
}

/* A mechanism that asks DNS: for libspf2. */
static enum err vet_dns(struct vet *v, const struct term *t, const char *name)
{
	if (t->arg.n > 0 && check_domain_spec(t->arg) != OK)
		return ERR_INPUT;
	if (check_dual_cidr(t->cidr) != OK)
		return ERR_INPUT;
	if (v->ended)
		return OK;
	buf_addf(v->out, " %c%s", t->qualifier, name);
	if (t->arg.n > 0) {
		buf_add_char(v->out, ':');
		spf_macro_expand(t->arg, v->ctx, v->out);
	}
	buf_add_slice(v->out, t->cidr);
	return OK;
}

static const struct mechanism {
	const char *name;
	enum arg arg;
	bool cidr;
	enum err (*vet)(struct vet *v, const struct term *t, const char *name);
} mechanisms[] = {
	{ "all", ARG_NONE, false, vet_all },     { "include", ARG_REQUIRED, false, vet_dns },
	{ "a", ARG_OPTIONAL, true, vet_dns },    { "mx", ARG_OPTIONAL, true, vet_dns },
	{ "ptr", ARG_OPTIONAL, false, vet_dns }, { "ip4", ARG_REQUIRED, true, vet_ip4 },
	{ "ip6", ARG_REQUIRED, true, vet_ip6 },  { "exists", ARG_REQUIRED, false, vet_dns },
};

static const struct mechanism *find_mechanism(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
		if (slice_ieq(name, slice_str(mechanisms[i].name)))
			return &mechanisms[i];
	return NULL;
}

static enum err vet_mechanism(struct vet *v, struct slice text)
{
	const struct mechanism *m;
	struct term t = { .qualifier = '+' };
	size_t name = 0, slash;

	if (text.p[0] != '\0' && strchr("+-~?", text.p[0])) {
		t.qualifier = text.p[0];
		text = slice_sub(text, 1, text.n);
	}
	while (name < text.n && text.p[name] != ':' && text.p[name] != '/')
		name++;
	m = find_mechanism(slice_sub(text, 0, name));
	if (!m)
		return ERR_INPUT;
	text = slice_sub(text, name, text.n);
	if (spf_macro_check(text, false, &slash) != OK)
		return ERR_INPUT;
	t.cidr = slice_sub(text, slash, text.n);
	text = slice_sub(text, 0, slash);
	if (text.n == 1 || (text.n == 0 && m->arg == ARG_REQUIRED) ||
	    (text.n > 0 && m->arg == ARG_NONE) || (t.cidr.n > 0 && !m->cidr))
		return ERR_INPUT;
	t.arg = slice_sub(text, 1, text.n);
	return m->vet(v, &t, m->name);
}

/* "redirect" and "exp" may stand once each (RFC 7208 6). */
static enum err vet_modifier(struct vet *v, struct slice name, struct slice value)
{
	bool exp = slice_ieq(name, S("exp")), redirect = slice_ieq(name, S("redirect"));
	size_t slash;

	if (spf_macro_check(value, !redirect, &slash) != OK)
		return ERR_INPUT;
	if (!exp && !redirect)
		return OK;
	if ((exp ? v->has_exp : v->has_redirect) || check_domain_spec(value) != OK)
		return ERR_INPUT;
	if (exp) {
		v->has_exp = true;
	} else {
		v->has_redirect = true;
		v->redirect = value;
	}
	return OK;
}

static bool is_modifier_name(struct slice s)
{
	if (s.n == 0 || !is_alpha(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !strchr("-_.", s.p[i]))
			return false;
	return true;
}

static enum err vet_term(struct vet *v, struct slice term)
{
	ptrdiff_t eq = slice_find(term, '=');

	if (eq > 0 && is_modifier_name(slice_sub(term, 0, (size_t)eq)))
		return vet_modifier(v, slice_sub(term, 0, (size_t)eq),
				    slice_sub(term, (size_t)eq + 1, term.n));
	return vet_mechanism(v, term);
}

enum err spf_vet(struct slice record, const struct spf_context *ctx, struct buf *ret)
{
	struct vet v = { .ctx = ctx, .out = ret };
	struct slice rest, term;
	size_t terms = 0;

	if (!spf_is_record(record) || record.n > SPF_RECORD_MAX)
		return ERR_INPUT;
	for (size_t i = 0; i < record.n; i++)
		if (record.p[i] < ' ' || record.p[i] > '~')
			return ERR_INPUT;
	buf_add_str(ret, "v=spf1");
	rest = slice_sub(record, sizeof("v=spf1") - 1, record.n);
	while (slice_cut(&rest, ' ', &term)) {
		if (term.n == 0)
			continue;
		if (++terms > SPF_TERMS_MAX || vet_term(&v, term) != OK)
			return ERR_INPUT;
	}
	if (v.has_redirect && !v.ended) {
		buf_add_str(ret, " redirect=");
		spf_macro_expand(v.redirect, ctx, ret);
	}
	return buf_failed(ret) ? ERR_INPUT : OK;
}
