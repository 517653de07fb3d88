/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records, described and looked for. A name service that fails must never look
 * like a record that is missing.
 */
#include "common/mail/dns_records.h"

#include "common/base/mem.h"

/* Below the domain, for who cannot have another TXT record there. */
#define TOKEN_HOST "_e2a"

static const char *const names[DNS_RECORD_COUNT] = {
	[DNS_RECORD_MX] = "mx",
	[DNS_RECORD_TXT] = "txt",
	[DNS_RECORD_SPF] = "spf",
	[DNS_RECORD_DMARC] = "dmarc",
	[DNS_RECORD_DKIM] = "dkim",
	[DNS_RECORD_DKIM_NEXT] = "dkim_next",
	[DNS_RECORD_DKIM_RETIRED] = "dkim_retired",
};

const char *dns_record_name(enum dns_record_kind kind)
{
	return names[kind];
}

enum dns_record_kind dns_record_of(struct slice name)
{
	size_t i = 0;

	while (i < DNS_RECORD_COUNT && !slice_eq(name, slice_str(names[i])))
		i++;
	return (enum dns_record_kind)i;
}

const char *dns_record_type(enum dns_record_kind kind)
{
	return kind == DNS_RECORD_MX ? "MX" : "TXT";
}

/* ---- what is wanted ---- */

static struct slice mechanisms(const struct settings *s, struct arena *a)
{
	return slice_str(*s->spf_mechanism ? s->spf_mechanism
					   : arena_printf(a, "a:%s", s->mail_host));
}

static void want(struct dns_record *r, const char *host, const char *value)
{
	r->host = slice_str(host);
	r->value = slice_str(value);
}

static void want_key(struct dns_record *r, struct arena *a)
{
	if (r->selector.n)
		want(r, arena_printf(a, "%.*s._domainkey", SLICE_ARGS(r->selector)),
		     arena_printf(a, "v=DKIM1; k=rsa; p=%.*s", SLICE_ARGS(r->key)));
}

void dns_records_describe(const struct settings *s, struct slice token, struct arena *a,
			  struct dns_record records[DNS_RECORD_COUNT])
{
	want(&records[DNS_RECORD_MX], "@", s->mail_host);
	if (token.n)
		want(&records[DNS_RECORD_TXT], "@", arena_dup(a, token));
	want(&records[DNS_RECORD_SPF], "@",
	     arena_printf(a, "v=spf1 %.*s ~all", SLICE_ARGS(mechanisms(s, a))));
	want(&records[DNS_RECORD_DMARC], "_dmarc", "v=DMARC1; p=quarantine");
	for (size_t i = DNS_RECORD_DKIM; i <= DNS_RECORD_DKIM_RETIRED; i++)
		want_key(&records[i], a);
}

/* ---- what is there ---- */

/* One question per record, and one more place for the token. SPF asks what TXT asks. */
enum { TOKEN_BELOW = DNS_RECORD_COUNT, QUESTIONS };

static struct slice full_name(struct slice host, struct slice domain, struct arena *a)
{
	if (slice_eq(host, S("@")))
		return domain;
	return slice_str(arena_printf(a, "%.*s.%.*s", SLICE_ARGS(host), SLICE_ARGS(domain)));
}

static void ask(struct slice domain, const struct dns_record records[DNS_RECORD_COUNT],
		struct arena *a, struct dns_question questions[QUESTIONS])
{
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++)
		if (records[i].host.n)
			questions[i] = (struct dns_question){
				.name = full_name(records[i].host, domain, a),
				.type = i == DNS_RECORD_MX ? DNS_MX : DNS_TXT,
			};
	if (records[DNS_RECORD_TXT].host.n)
		questions[TOKEN_BELOW] = (struct dns_question){
			.name = full_name(S(TOKEN_HOST), domain, a),
			.type = DNS_TXT,
		};
}

/* What DNS itself says of it, when there is nothing to judge. */
static bool answered(const struct dns_question *q, enum dns_status *ret)
{
	if (q->code == OK || q->code == ERR_NOT_FOUND)
		return true;
	*ret = q->code == ERR_TOO_BIG ? DNS_DIFFERENT : DNS_UNKNOWN;
	return false;
}

static enum dns_status mx_status(const struct dns_question *q, const struct settings *s)
{
	enum dns_status status;

	return answered(q, &status) ? dns_judge_mx(&q->answer, slice_str(s->mail_host)) : status;
}

static enum dns_status token_at(const struct dns_question *q, struct slice token)
{
	enum dns_status status;

	return answered(q, &status) ? dns_judge_token(&q->answer, token) : status;
}

/* In one of two places. */
static enum dns_status token_status(const struct dns_question *apex,
				    const struct dns_question *below, struct slice token)
{
	enum dns_status one = token_at(apex, token), other = token_at(below, token);

	if (one == DNS_PUBLISHED || other == DNS_PUBLISHED)
		return DNS_PUBLISHED;
	if (one == DNS_UNKNOWN || other == DNS_UNKNOWN)
		return DNS_UNKNOWN;
	return one > other ? one : other;
}

/* "mx" in it means us or somebody else; if that is not known, neither is this. */
static enum dns_status spf_status(const struct dns_question *q, struct slice wanted,
				  enum dns_status mx)
{
	enum dns_status status;

	if (!answered(q, &status))
		return status;
	status = dns_judge_spf(&q->answer, wanted, mx == DNS_PUBLISHED);
	if (mx == DNS_UNKNOWN && status == DNS_DIFFERENT &&
	    dns_judge_spf(&q->answer, wanted, true) == DNS_PUBLISHED)
		return DNS_UNKNOWN;
	return status;
}

static enum dns_status dmarc_status(const struct dns_question *q)
{
	enum dns_status status;

	return answered(q, &status) ? dns_judge_dmarc(&q->answer) : status;
}

static enum dns_status dkim_status(const struct dns_question *q, struct slice key)
{
	enum dns_status status;

	return answered(q, &status) ? dns_judge_dkim(&q->answer, key) : status;
}

void dns_records_look(struct dns *dns, const struct settings *s, struct slice domain,
		      int64_t deadline_ms, struct arena *a,
		      struct dns_record records[DNS_RECORD_COUNT])
{
	struct dns_question q[QUESTIONS] = { 0 };

	ask(domain, records, a, q);
	dns_query_all(dns, q, QUESTIONS, deadline_ms, a);
	records[DNS_RECORD_MX].status = mx_status(&q[DNS_RECORD_MX], s);
	if (records[DNS_RECORD_TXT].host.n)
		records[DNS_RECORD_TXT].status = token_status(&q[DNS_RECORD_TXT], &q[TOKEN_BELOW],
							      records[DNS_RECORD_TXT].value);
	records[DNS_RECORD_SPF].status =
		spf_status(&q[DNS_RECORD_SPF], mechanisms(s, a), records[DNS_RECORD_MX].status);
	records[DNS_RECORD_DMARC].status = dmarc_status(&q[DNS_RECORD_DMARC]);
	for (size_t i = DNS_RECORD_DKIM; i <= DNS_RECORD_DKIM_RETIRED; i++)
		if (records[i].host.n)
			records[i].status = dkim_status(&q[i], records[i].key);
}
