/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libopendkim, fed with what dkim_vet let through. Signatures keep their
 * order, so the n-th of the library is the n-th that was fed; one that does
 * not carry the expected domain and selector is never believed.
 */
#include "milter/check_dkim.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "milter/dkim_vet.h"

#include <sys/types.h>

#include <opendkim/dkim.h>

enum { FIELD_CEILING = 512 * 1024, KEY_TEXT_MAX = 1024, KEY_QUERY_MS = 5000, ADDRESS_FIELDS = 2 };

/* Who wrote to whom: what a signature has to cover where that counts. */
static const struct slice address_fields[ADDRESS_FIELDS] = { SLICE_INIT("From"), SLICE_INIT("To") };

struct dkim_check {
	DKIM *dkim;
	struct arena *arena;
	struct buf field; /* scratch */
	size_t seen;      /* signature fields in the message */
	struct dkim_outcome out;
	size_t fed[VERDICT_DKIM_MAX]; /* index in `out` of the library's n-th signature */
	size_t fed_n;
	size_t signs[VERDICT_DKIM_MAX][ADDRESS_FIELDS]; /* of each, by the signatures of `out` */
	size_t has[ADDRESS_FIELDS];                     /* of each, in the message */
	bool skip; /* nothing to verify: the library is not fed any more */
	bool truncated;
	int64_t deadline_ms;
	const char *key_reason; /* why the key of the present signature cannot be had */
	enum auth_result key_result;
};

static struct {
	DKIM_LIB *lib;
	struct dns *dns;
	unsigned min_key_bits;
	size_t max_signatures;
} dkim_state;

static const struct {
	int error;
	enum auth_result result;
	const char *reason;
} errors[] = {
	{ DKIM_SIGERROR_BADSIG, AUTH_FAIL, "bad_signature" },
	{ DKIM_SIGERROR_EXPIRED, AUTH_FAIL, "expired" },
	{ DKIM_SIGERROR_FUTURE, AUTH_FAIL, "future" },
	{ DKIM_SIGERROR_TIMESTAMPS, AUTH_PERMERROR, "timestamps" },
	{ DKIM_SIGERROR_NOKEY, AUTH_PERMERROR, "key_missing" },
	{ DKIM_SIGERROR_KEYREVOKED, AUTH_PERMERROR, "key_revoked" },
	{ DKIM_SIGERROR_KEYFAIL, AUTH_TEMPERROR, "dns" },
	{ DKIM_SIGERROR_KEYTOOSMALL, AUTH_POLICY, "weak_key" },
	{ DKIM_SIGERROR_MULTIREPLY, AUTH_PERMERROR, "key_ambiguous" },
	{ DKIM_SIGERROR_DNSSYNTAX, AUTH_PERMERROR, "key_syntax" },
	{ DKIM_SIGERROR_KEYDECODE, AUTH_PERMERROR, "key_syntax" },
	{ DKIM_SIGERROR_KEYVERSION, AUTH_PERMERROR, "key_syntax" },
	{ DKIM_SIGERROR_KEYTYPEMISSING, AUTH_PERMERROR, "key_syntax" },
	{ DKIM_SIGERROR_KEYTYPEUNKNOWN, AUTH_PERMERROR, "key_type" },
	{ DKIM_SIGERROR_KEYUNKNOWNHASH, AUTH_PERMERROR, "key_hash" },
	{ DKIM_SIGERROR_KEYHASHMISMATCH, AUTH_PERMERROR, "key_hash" },
	{ DKIM_SIGERROR_NOTEMAILKEY, AUTH_PERMERROR, "key_service" },
	{ DKIM_SIGERROR_SUBDOMAIN, AUTH_PERMERROR, "subdomain" },
	{ DKIM_SIGERROR_DOMAIN, AUTH_PERMERROR, "domain" },
	{ DKIM_SIGERROR_INVALID_H, AUTH_PERMERROR, "from_not_signed" },
	{ DKIM_SIGERROR_MBSFAILED, AUTH_PERMERROR, "from_not_signed" },
};

static struct dkim_check *check_of(DKIM *dkim)
{
	return dkim_get_user_context(dkim);
}

/* The result of one signature whose key cannot be had; a word for each err of dns.h. */
static DKIM_CBSTAT no_key(struct dkim_check *c, enum err e)
{
	static const struct {
		enum err e;
		enum auth_result result;
		const char *reason;
		DKIM_CBSTAT status;
	} rows[] = {
		{ ERR_NOT_FOUND, AUTH_PERMERROR, "key_missing", DKIM_CBSTAT_NOTFOUND },
		{ ERR_TIMEOUT, AUTH_TEMPERROR, "timeout", DKIM_CBSTAT_TRYAGAIN },
		{ ERR_CONFLICT, AUTH_PERMERROR, "key_ambiguous", DKIM_CBSTAT_NOTFOUND },
		{ ERR_TOO_BIG, AUTH_POLICY, "key_too_big", DKIM_CBSTAT_NOTFOUND },
	};

	c->key_result = AUTH_TEMPERROR;
	c->key_reason = "dns";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].e != e)
			continue;
		c->key_result = rows[i].result;
		c->key_reason = rows[i].reason;
		return rows[i].status;
	}
	return DKIM_CBSTAT_TRYAGAIN;
}

/* Called by the library for the key of one signature. */
static DKIM_CBSTAT look_up_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t buflen)
{
	struct dkim_check *c = check_of(dkim);
	const char *name =
		arena_printf(c->arena, "%s._domainkey.%s", (const char *)dkim_sig_getselector(sig),
			     (const char *)dkim_sig_getdomain(sig));
	int64_t soon = clock_mono_ms() + KEY_QUERY_MS;
	int64_t deadline = soon < c->deadline_ms ? soon : c->deadline_ms;
	struct dns_answer answer;
	enum err e = dns_query(dkim_state.dns, slice_str(name), DNS_TXT, deadline, c->arena,
			       &answer, NULL);

	if (e == OK && answer.n > 1)
		e = ERR_CONFLICT;
	if (e == OK && (answer.v[0].n >= buflen || answer.v[0].n > KEY_TEXT_MAX))
		e = ERR_TOO_BIG;
	if (e != OK)
		return no_key(c, e);
	memcpy(buf, answer.v[0].p, answer.v[0].n);
	buf[answer.v[0].n] = '\0';
	return DKIM_CBSTAT_CONTINUE;
}

static void set_result(struct verdict_dkim *d, enum auth_result result, const char *reason)
{
	d->result = result;
	d->reason = slice_str(reason);
}

static void read_failure(const struct dkim_check *c, DKIM_SIGINFO *sig, struct verdict_dkim *d)
{
	int error = dkim_sig_geterror(sig);

	if (c->key_reason) {
		set_result(d, c->key_result, c->key_reason);
		return;
	}
	set_result(d, AUTH_PERMERROR, "syntax");
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].error == error)
			set_result(d, errors[i].result, errors[i].reason);
	if ((error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_BADSIG) &&
	    dkim_sig_getbh(sig) == DKIM_SIGBH_MISMATCH)
		set_result(d, AUTH_FAIL, "body_hash");
	if (d->result == AUTH_FAIL && c->truncated)
		set_result(d, AUTH_FAIL, "header_truncated");
}

static void read_result(const struct dkim_check *c, DKIM_SIGINFO *sig, struct verdict_dkim *d)
{
	dkim_alg_t alg = DKIM_SIGN_UNKNOWN;
	ssize_t signed_len = 0; /* l=, or -1 */
	unsigned bits = 0;

	if (c->key_reason || dkim_sig_geterror(sig) != DKIM_SIGERROR_OK || !DKIM_SIG_CHECK(sig) ||
	    dkim_sig_getsignalg(sig, &alg) != DKIM_STAT_OK ||
	    dkim_sig_getkeysize(sig, &bits) != DKIM_STAT_OK ||
	    dkim_sig_getcanonlen(c->dkim, sig, NULL, NULL, &signed_len) != DKIM_STAT_OK)
		read_failure(c, sig, d);
	else if (signed_len >= 0)
		set_result(d, AUTH_POLICY, "body_length");
	else if (alg == DKIM_SIGN_RSASHA256 && bits < dkim_state.min_key_bits)
		set_result(d, AUTH_POLICY, "weak_key");
	else if (alg == DKIM_SIGN_RSASHA256 && bits > DKIM_KEY_BITS_MAX)
		set_result(d, AUTH_POLICY, "key_too_big");
	else
		set_result(d, AUTH_PASS, "");
}

static bool is_expected(DKIM_SIGINFO *sig, const struct verdict_dkim *d)
{
	const char *domain = (const char *)dkim_sig_getdomain(sig);
	const char *selector = (const char *)dkim_sig_getselector(sig);

	return domain && selector && slice_ieq(slice_str(domain), d->domain) &&
	       slice_ieq(slice_str(selector), d->selector);
}

/* Called by the library at the end of the body. Ignored signatures are not run a second time. */
static DKIM_CBSTAT verify_all(DKIM *dkim, DKIM_SIGINFO **sigs, int n)
{
	struct dkim_check *c = check_of(dkim);

	for (size_t i = 0; i < c->fed_n && i < (size_t)n; i++) {
		struct verdict_dkim *d = &c->out.v[c->fed[i]];

		c->key_reason = NULL;
		if (is_expected(sigs[i], d)) {
			if (dkim_sig_geterror(sigs[i]) == DKIM_SIGERROR_UNKNOWN)
				(void)dkim_sig_process(dkim, sigs[i]);
			read_result(c, sigs[i], d);
		}
		dkim_sig_ignore(sigs[i]);
	}
	return DKIM_CBSTAT_CONTINUE;
}

enum err dkim_check_init(const struct settings *s, struct dns *dns, struct fail *fail)
{
	unsigned flags = DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES;
	unsigned bits = (unsigned)s->dkim_min_key_bits;

	dkim_state.lib = dkim_init(NULL, NULL);
	if (!dkim_state.lib ||
	    dkim_options(dkim_state.lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags)) !=
		    DKIM_STAT_OK ||
	    dkim_options(dkim_state.lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits,
			 sizeof(bits)) != DKIM_STAT_OK ||
	    dkim_set_key_lookup(dkim_state.lib, look_up_key) != DKIM_STAT_OK ||
	    dkim_set_final(dkim_state.lib, verify_all) != DKIM_STAT_OK)
		return fail_set(fail, ERR_INTERNAL, "libopendkim cannot be set up");
	dkim_state.dns = dns;
	dkim_state.min_key_bits = bits;
	dkim_state.max_signatures = (size_t)s->dkim_max_signatures;
	return OK;
}

enum err dkim_check_new(struct arena *a, const char *id, struct dkim_check **ret)
{
	struct dkim_check *c = mem_zalloc(sizeof(*c));
	DKIM_STAT status;

	c->arena = a;
	buf_init(&c->field, FIELD_CEILING);
	c->dkim = dkim_verify(dkim_state.lib, (const unsigned char *)id, NULL, &status);
	if (!c->dkim || dkim_set_user_context(c->dkim, c) != DKIM_STAT_OK) {
		dkim_check_free(c);
		return ERR_INTERNAL;
	}
	*ret = c;
	return OK;
}

void dkim_check_free(struct dkim_check *c)
{
	if (!c)
		return;
	if (c->dkim)
		dkim_free(c->dkim);
	buf_release(&c->field);
	free(c);
}

/* True when the library shall see this signature. */
static bool admit_signature(struct dkim_check *c, struct slice value)
{
	struct verdict_dkim *d;

	if (c->seen++ >= dkim_state.max_signatures) {
		c->out.ignored++;
		return false;
	}
	d = &c->out.v[c->out.n++];
	if (dkim_vet(value, c->arena, d) != OK)
		return false;
	set_result(d, AUTH_PERMERROR, "syntax"); /* until the library says otherwise */
	for (size_t k = 0; k < ADDRESS_FIELDS; k++)
		c->signs[c->out.n - 1][k] = dkim_signed_fields(value, address_fields[k]);
	c->fed[c->fed_n++] = c->out.n - 1;
	return true;
}

void dkim_check_field(struct dkim_check *c, struct slice name, struct slice value)
{
	struct slice line;

	for (size_t k = 0; k < ADDRESS_FIELDS; k++)
		c->has[k] += slice_ieq(name, address_fields[k]);
	if (slice_ieq(name, S(DKIM_SIGNHEADER)) && !admit_signature(c, value))
		return;
	buf_reset(&c->field);
	buf_add_slice(&c->field, name);
	buf_add_char(&c->field, ':');
	while (slice_cut(&value, '\n', &line)) {
		if (value.p && slice_ends(line, S("\r")))
			line.n--;
		buf_add_slice(&c->field, line);
		if (value.p)
			buf_add_str(&c->field, "\r\n");
	}
	/* A field the library refuses is not there for it; a signature over it will not match. */
	if (!buf_failed(&c->field))
		(void)dkim_header(c->dkim, (u_char *)c->field.p, c->field.len);
}

enum err dkim_check_eoh(struct dkim_check *c)
{
	DKIM_STAT status = dkim_eoh(c->dkim);

	buf_release(&c->field);
	c->skip = c->fed_n == 0 || status != DKIM_STAT_OK;
	return status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INTERNAL ? ERR_INTERNAL : OK;
}

enum err dkim_check_body(struct dkim_check *c, struct slice chunk)
{
	if (c->skip || chunk.n == 0)
		return OK;
	switch (dkim_body(c->dkim, (u_char *)(uintptr_t)chunk.p, chunk.n)) {
	case DKIM_STAT_NORESOURCE:
	case DKIM_STAT_INTERNAL:
		return ERR_INTERNAL;
	default:
		return OK;
	}
}

static bool signs_addresses(const struct dkim_check *c, size_t i)
{
	for (size_t k = 0; k < ADDRESS_FIELDS; k++)
		if (c->signs[i][k] < c->has[k])
			return false;
	return c->out.v[i].result == AUTH_PASS;
}

enum err dkim_check_finish(struct dkim_check *c, int64_t deadline_ms, bool truncated,
			   struct dkim_outcome *ret)
{
	c->deadline_ms = deadline_ms;
	c->truncated = truncated;
	if (!c->skip)
		(void)dkim_eom(c->dkim, NULL); /* the results are read in verify_all */
	for (size_t i = 0; i < c->out.n; i++)
		c->out.v[i].signs_addresses = signs_addresses(c, i);
	*ret = c->out;
	return OK;
}
