/* SPDX-License-Identifier: Apache-2.0 */
/* The tag list of a signature. Nothing of it may reach a header or log before it passed here. */
#include "milter/dkim_vet.h"

#include "common/base/mem.h"
#include "common/mail/addr.h"
#include "milter/check_dkim.h"

enum { TAGS_MAX = 32, SELECTOR_MAX = 127 };

struct tag_list {
	struct slice name[TAGS_MAX];
	struct slice value[TAGS_MAX];
	size_t n;
};

/*
 * libopendkim takes a vertical tab or form feed for white space too, and so would
 * find a tag in what is another word here (an l= that nobody refused).
 */
static bool has_other_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == 0x7f || ((unsigned char)c < ' ' && c != '\t' && c != '\r' && c != '\n'))
			return true;
	}
	return false;
}

static enum err read_tags(struct slice s, struct tag_list *ret)
{
	struct slice part, name;

	ret->n = 0;
	if (has_other_control(s))
		return ERR_INPUT;
	while (slice_cut(&s, ';', &part)) {
		part = slice_trim(part);
		if (part.n == 0)
			continue;
		if (ret->n == TAGS_MAX || !slice_cut(&part, '=', &name) || !part.p)
			return ERR_INPUT;
		name = slice_trim(name);
		for (size_t i = 0; i < ret->n; i++)
			if (slice_eq(ret->name[i], name))
				return ERR_INPUT;
		ret->name[ret->n] = name;
		ret->value[ret->n++] = slice_trim(part);
	}
	return OK;
}

/* NULL pointer when there is no such tag. */
static struct slice tag(const struct tag_list *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq(t->name[i], slice_str(name)))
			return t->value[i];
	return slice_of(NULL, 0);
}

/* sub-domain *("." sub-domain), with the underscores that are seen in practice. */
static bool is_selector(struct slice s)
{
	struct slice label;

	if (s.n == 0 || s.n > SELECTOR_MAX)
		return false;
	while (slice_cut(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++) {
			char c = label.p[i];

			if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			    !(c >= '0' && c <= '9') && c != '-' && c != '_')
				return false;
		}
	}
	return true;
}

static size_t count_names(struct slice h)
{
	struct slice name;
	size_t n = 0;

	while (slice_cut(&h, ':', &name))
		n++;
	return n;
}

size_t dkim_signed_fields(struct slice value, struct slice name)
{
	struct tag_list t;
	struct slice h, one;
	size_t n = 0;

	if (value.n > DKIM_FIELD_MAX || read_tags(value, &t) != OK)
		return 0;
	h = tag(&t, "h");
	while (slice_cut(&h, ':', &one))
		n += slice_ieq(slice_trim(one), name);
	return n;
}

static const char *check_identity(const struct tag_list *t, struct arena *a,
				  struct verdict_dkim *ret)
{
	struct slice selector = tag(t, "s");

	if (addr_domain(tag(t, "d"), a, &ret->domain) != OK)
		return "domain";
	if (!is_selector(selector))
		return "selector";
	ret->selector = arena_slice(a, selector);
	return NULL;
}

/* What makes a valid signature worthless: results are `policy` (RFC 8601 2.7.1). */
static const char *check_policy(const struct tag_list *t)
{
	if (tag(t, "l").p)
		return "body_length";
	if (slice_ieq(tag(t, "a"), S("rsa-sha1")))
		return "rsa_sha1";
	if (count_names(tag(t, "h")) > DKIM_SIGNED_NAMES_MAX)
		return "signed_names";
	return NULL;
}

static enum err refuse(struct verdict_dkim *ret, enum auth_result result, const char *reason)
{
	ret->result = result;
	ret->reason = slice_str(reason);
	return ERR_INPUT;
}

enum err dkim_vet(struct slice value, struct arena *a, struct verdict_dkim *ret)
{
	struct tag_list t;
	const char *reason;

	*ret = (struct verdict_dkim){ 0 };
	if (value.n > DKIM_FIELD_MAX)
		return refuse(ret, AUTH_POLICY, "too_long");
	if (read_tags(value, &t) != OK)
		return refuse(ret, AUTH_PERMERROR, "syntax");
	reason = check_identity(&t, a, ret);
	if (reason)
		return refuse(ret, AUTH_PERMERROR, reason);
	reason = check_policy(&t);
	return reason ? refuse(ret, AUTH_POLICY, reason) : OK;
}
