/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judges. They must take for published only what the readers of a record
 * would take for it: several records where one may be count as none for them.
 */
#include "common/mail/dns_judge.h"

#include "common/base/ids.h"
#include "common/base/mem.h"

#define WHITE " \t\r\n"

enum { PREFERENCE_MAX = UINT16_MAX };

static const char *const words[DNS_STATUS_COUNT] = {
	[DNS_UNKNOWN] = "unknown",
	[DNS_MISSING] = "missing",
	[DNS_DIFFERENT] = "different",
	[DNS_PUBLISHED] = "published",
};

const char *dns_status_word(enum dns_status status)
{
	return words[status];
}

enum dns_status dns_status_of(struct slice word)
{
	for (size_t i = 0; i < DNS_STATUS_COUNT; i++)
		if (slice_eq(word, slice_str(words[i])))
			return (enum dns_status)i;
	return DNS_UNKNOWN;
}

/* ---- MX ---- */

static struct slice without_dot(struct slice name)
{
	return slice_ends(name, S(".")) ? slice_sub(name, 0, name.n - 1) : name;
}

enum dns_status dns_judge_mx(const struct dns_answer *answer, struct slice host)
{
	uint64_t best = PREFERENCE_MAX + 1ULL, preference;
	bool ours = false;

	for (size_t i = 0; i < answer->n; i++) {
		struct slice name = answer->v[i], number;

		slice_cut(&name, ' ', &number);
		if (slice_to_u64(number, PREFERENCE_MAX, &preference) || preference > best)
			continue;
		ours = (ours || preference < best) &&
		       slice_ieq(without_dot(name), without_dot(host));
		best = preference;
	}
	if (answer->n == 0)
		return DNS_MISSING;
	return ours ? DNS_PUBLISHED : DNS_DIFFERENT;
}

/* ---- token ---- */

enum dns_status dns_judge_token(const struct dns_answer *answer, struct slice token)
{
	enum dns_status status = DNS_MISSING;

	for (size_t i = 0; i < answer->n; i++) {
		struct slice text = slice_trim(answer->v[i]);

		if (slice_eq(text, token))
			return DNS_PUBLISHED;
		if (slice_starts(text, S(DOMAIN_TOKEN_PREFIX)))
			status = DNS_DIFFERENT;
	}
	return status;
}

/* ---- tags: name=value; name=value ---- */

struct tag {
	struct slice name, value;
};

/* The next tag of a list, blanks around name and value taken off. An empty one is skipped. */
static bool next_tag(struct slice *rest, struct tag *ret)
{
	struct slice item;

	while (slice_cut(rest, ';', &item)) {
		item = slice_trim(item);
		if (item.n == 0)
			continue;
		ret->value = item;
		slice_cut(&ret->value, '=', &ret->name);
		ret->name = slice_trim(ret->name);
		ret->value = slice_trim(ret->value);
		return true;
	}
	return false;
}

/* ---- DKIM ---- */

/* `text` without its white space is `want`. */
static bool same_but_blanks(struct slice text, struct slice want)
{
	size_t at = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] && strchr(WHITE, text.p[i]))
			continue;
		if (at == want.n || text.p[i] != want.p[at])
			return false;
		at++;
	}
	return at == want.n;
}

/* A list divided by colons has one of the two words. */
static bool lists(struct slice text, struct slice one, struct slice other)
{
	struct slice item;

	while (slice_cut(&text, ':', &item)) {
		item = slice_trim(item);
		if (slice_ieq(item, one) || slice_ieq(item, other))
			return true;
	}
	return false;
}

static bool fits_version(struct slice value, struct slice key)
{
	(void)key;
	return slice_eq(value, S("DKIM1"));
}

static bool fits_type(struct slice value, struct slice key)
{
	(void)key;
	return slice_ieq(value, S("rsa"));
}

static bool fits_hash(struct slice value, struct slice key)
{
	(void)key;
	return lists(value, S("sha256"), S("sha256"));
}

static bool fits_service(struct slice value, struct slice key)
{
	(void)key;
	return lists(value, S("email"), S("*"));
}

/* "y": verifiers treat mail with a signature like mail without (RFC 6376 3.6.1). */
static bool fits_flags(struct slice value, struct slice key)
{
	(void)key;
	return !lists(value, S("y"), S("y"));
}

enum { TAG_VERSION, TAG_KEY, TAG_TYPE, TAG_HASH, TAG_SERVICE, TAG_FLAGS, TAG_COUNT };

/* Other tags change nothing for a verifier (RFC 6376 3.2). */
static const struct {
	const char *name;
	bool (*fits)(struct slice value, struct slice key);
} dkim_tags[TAG_COUNT] = {
	[TAG_VERSION] = { "v", fits_version }, [TAG_KEY] = { "p", same_but_blanks },
	[TAG_TYPE] = { "k", fits_type },       [TAG_HASH] = { "h", fits_hash },
	[TAG_SERVICE] = { "s", fits_service }, [TAG_FLAGS] = { "t", fits_flags },
};

static size_t dkim_tag_find(struct slice name)
{
	size_t i = 0;

	while (i < TAG_COUNT && !slice_eq(name, slice_str(dkim_tags[i].name)))
		i++;
	return i;
}

static bool is_dkim_record(struct slice text, struct slice key)
{
	bool seen[TAG_COUNT] = { false };
	struct tag t;

	for (bool first = true; next_tag(&text, &t); first = false) {
		size_t i = dkim_tag_find(t.name);

		if (i == TAG_COUNT)
			continue;
		if (seen[i] || (i == TAG_VERSION && !first) || !dkim_tags[i].fits(t.value, key))
			return false;
		seen[i] = true;
	}
	return seen[TAG_KEY];
}

enum dns_status dns_judge_dkim(const struct dns_answer *answer, struct slice key)
{
	if (answer->n == 0)
		return DNS_MISSING;
	return answer->n == 1 && is_dkim_record(answer->v[0], key) ? DNS_PUBLISHED : DNS_DIFFERENT;
}

/* ---- SPF ---- */

static bool is_spf(struct slice text)
{
	struct slice version;

	slice_cut(&text, ' ', &version);
	return slice_ieq(version, S("v=spf1"));
}

/*
 * Does the record let the mechanism pass? DNS_UNKNOWN when another one, to which it leads,
 * may. What stands behind "all" is never looked at (RFC 7208 5.1), nor a redirect beside
 * it (6.1).
 */
static enum dns_status spf_passes(struct slice record, struct slice mechanism)
{
	enum dns_status none = DNS_DIFFERENT, redirected = DNS_DIFFERENT;
	struct slice term;

	while (slice_cut(&record, ' ', &term)) {
		if (slice_starts(term, S("+")))
			term = slice_sub(term, 1, term.n);
		if (slice_ieq(term, mechanism))
			return DNS_PUBLISHED;
		if (slice_istarts(term, S("include:")))
			none = DNS_UNKNOWN;
		if (slice_istarts(term, S("redirect=")))
			redirected = DNS_UNKNOWN;
		if (term.n && *term.p && strchr("-~?", *term.p))
			term = slice_sub(term, 1, term.n);
		if (slice_ieq(term, S("all")) || slice_ieq(term, mechanism))
			return none;
	}
	return none == DNS_UNKNOWN ? none : redirected;
}

/* Each of them has to pass. */
static enum dns_status spf_names_all(struct slice record, struct slice mechanisms)
{
	enum dns_status all = DNS_PUBLISHED;
	struct slice one;

	while (slice_cut(&mechanisms, ' ', &one)) {
		enum dns_status status = one.n ? spf_passes(record, one) : DNS_PUBLISHED;

		if (status == DNS_DIFFERENT)
			return status;
		if (status == DNS_UNKNOWN)
			all = status;
	}
	return all;
}

enum dns_status dns_judge_spf(const struct dns_answer *answer, struct slice mechanisms,
			      bool mx_is_ours)
{
	struct slice record = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < answer->n; i++)
		if (is_spf(answer->v[i])) {
			record = answer->v[i];
			n++;
		}
	if (n != 1)
		return n ? DNS_DIFFERENT : DNS_MISSING;
	if (mx_is_ours && spf_passes(record, S("mx")) == DNS_PUBLISHED)
		return DNS_PUBLISHED;
	return spf_names_all(record, mechanisms);
}

/* ---- DMARC ---- */

static bool is_dmarc(struct slice text)
{
	struct tag t;

	return next_tag(&text, &t) && slice_eq(t.name, S("v")) && slice_eq(t.value, S("DMARC1"));
}

static bool has_policy(struct slice text)
{
	static const char *const policies[] = { "none", "quarantine", "reject" };
	struct tag t;

	while (next_tag(&text, &t)) {
		if (!slice_eq(t.name, S("p")))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(policies); i++)
			if (slice_ieq(t.value, slice_str(policies[i])))
				return true;
		return false;
	}
	return false;
}

enum dns_status dns_judge_dmarc(const struct dns_answer *answer)
{
	size_t n = 0, good = 0;

	for (size_t i = 0; i < answer->n; i++)
		if (is_dmarc(answer->v[i])) {
			good += has_policy(answer->v[i]);
			n++;
		}
	if (n == 0)
		return DNS_MISSING;
	return n == 1 && good ? DNS_PUBLISHED : DNS_DIFFERENT;
}
