/* SPDX-License-Identifier: Apache-2.0 */
/* Writes results by grammar. A name is printed only when it needs no quoting. */
#include "milter/authres.h"

static bool is_printable_name(struct slice s)
{
	return s.n > 0 && s.n <= 253 && slice_only(s, "-._");
}

static void add_property(struct buf *b, const char *name, struct slice value)
{
	if (is_printable_name(value))
		buf_addf(b, " %s=%.*s", name, SLICE_ARGS(value));
}

static void add_method(struct buf *b, const char *method, enum auth_result r, struct slice reason)
{
	buf_addf(b, ";\n\t%s=%s", method, verdict_result_name(r));
	add_property(b, "reason", reason);
}

void authres_write(const struct verdict *v, struct slice authserv_id, struct buf *ret)
{
	buf_add_char(ret, ' ');
	buf_add_slice(ret, authserv_id);
	add_method(ret, "spf", v->spf, slice_of(NULL, 0));
	add_property(ret, v->mail_from.n > 0 ? "smtp.mailfrom" : "smtp.helo", v->spf_domain);
	if (v->dkim_n == 0)
		add_method(ret, "dkim", AUTH_NONE, slice_of(NULL, 0));
	for (size_t i = 0; i < v->dkim_n; i++) {
		add_method(ret, "dkim", v->dkim[i].result, v->dkim[i].reason);
		add_property(ret, "header.d", v->dkim[i].domain);
		add_property(ret, "header.s", v->dkim[i].selector);
	}
	add_method(ret, "dmarc", v->dmarc, slice_of(NULL, 0));
	if (v->dmarc_policy.n > 0)
		buf_addf(ret, " (p=%.*s)", SLICE_ARGS(v->dmarc_policy));
	if (v->author_valid) {
		struct slice local, domain;

		local = v->header_from;
		domain = slice_sub(local, (size_t)(slice_rfind(local, '@') + 1), local.n);
		add_property(ret, "header.from", domain);
	}
}
