/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a domain, in the form of a zone file, each with what DNS says of it
 * now. Shows the domains of the deployment too, which no user can see.
 */
#include "admin/admin.h"
#include "common/base/clock.h"
#include "common/mail/addr.h"
#include "common/store/store_dkim.h"
#include "common/store/store_domain_record.h"

#include <unistd.h>

enum { LOOK_MS = 5000, TXT_STRING_MAX = 255 };

struct request {
	struct arena arena;
	struct slice name;
	bool rotate;
	struct store_domain *v;
	size_t n;
};

static void request_release(struct request *q)
{
	arena_release(&q->arena);
}

DEFINE_FREEP(struct dns, dns_free)

static enum err read_options(struct request *q, int argc, char **argv, struct fail *fail)
{
	int c;

	while ((c = getopt(argc, argv, "r")) == 'r')
		q->rotate = true;
	if (c != -1 || optind + 1 != argc)
		return ERR_INPUT;
	if (addr_domain(slice_str(argv[optind]), &q->arena, &q->name))
		return fail_set(fail, ERR_INPUT, "%.100s: not a domain name", argv[optind]);
	return OK;
}

static enum err find(struct request *q, struct db *db, struct fail *fail)
{
	enum err e = store_domain_named(db, q->name, &q->arena, &q->v, &q->n, fail);

	if (e == OK && q->n == 0)
		return fail_set(fail, ERR_INPUT, "nobody has claimed %.*s", SLICE_ARGS(q->name));
	return e;
}

/* ---- another key ---- */

static enum err check_rotation(const struct store_domain *d, struct fail *fail)
{
	if (!d->verified)
		return fail_set(fail, ERR_INPUT, "nobody has verified it");
	if (d->records[DNS_RECORD_DKIM_NEXT].selector.n)
		return fail_set(fail, ERR_INPUT, "a key waits already: publish dkim_next");
	if (d->records[DNS_RECORD_DKIM_RETIRED].selector.n)
		return fail_set(fail, ERR_INPUT,
				"the key before is still needed: see dkim_retired");
	return OK;
}

static enum err rotate(const struct store_domain *d, const struct settings *s, struct db *db,
		       struct fail *fail)
{
	AUTO(store_dkim_release) struct store_dkim_pair pair = { 0 };
	AUTO(keys_wipe) struct keys keys = { 0 };
	struct slice active = d->records[DNS_RECORD_DKIM].selector;
	bool made;
	enum err e = check_rotation(d, fail);

	if (e || (e = deployment_keys(s, &keys, fail)) || (e = store_dkim_make(&pair, fail)))
		return e;
	return active.n ? store_dkim_rotate(db, &keys, d->id, active, &pair, fail)
			: store_dkim_add(db, &keys, d->id, &pair, &made, fail);
}

/* ---- what DNS says ---- */

static enum err look(struct store_domain *d, const struct settings *s, struct dns *dns,
		     struct db *db, struct arena *a, struct fail *fail)
{
	int64_t began_ms = clock_mono_ms();
	struct store_domain_saved saved;
	struct slice owner = d->owner;
	enum err e;

	dns_records_describe(s, d->token, a, d->records);
	dns_records_look(dns, s, d->domain, began_ms + LOOK_MS, a, d->records);
	e = store_domain_record_save(db, d->id, d->records, clock_mono_ms() - began_ms, a, &saved,
				     fail);
	if (e)
		return e;
	*d = saved.after;
	d->owner = owner;
	dns_records_describe(s, d->token, a, d->records);
	return OK;
}

/* ---- print ---- */

static void print_txt(struct slice value)
{
	for (size_t at = 0; at < value.n; at += TXT_STRING_MAX)
		printf(" \"%.*s\"", SLICE_ARGS(slice_sub(value, at, at + TXT_STRING_MAX)));
	putchar('\n');
}

static const char *hint(enum dns_record_kind kind, enum dns_status status)
{
	if (kind == DNS_RECORD_DKIM_NEXT)
		return ", signs when it is published";
	return status == DNS_DIFFERENT ? ", change what is there" : "";
}

static void print_record(const struct store_domain *d, enum dns_record_kind kind)
{
	const struct dns_record *r = &d->records[kind];
	bool apex = slice_eq(r->host, S("@"));
	char until[CLOCK_TEXT_MAX];

	printf("; %s: %s%s", dns_record_name(kind), dns_status_word(r->status),
	       hint(kind, r->status));
	if (kind == DNS_RECORD_DKIM_RETIRED) {
		clock_rfc3339_s(d->key_needed_until_us, until);
		printf(", needed until %s", until);
	}
	printf("\n%.*s%s%.*s. IN %s", SLICE_ARGS(apex ? S("") : r->host), apex ? "" : ".",
	       SLICE_ARGS(d->domain), dns_record_type(kind));
	if (kind == DNS_RECORD_MX)
		printf(" %d %.*s%s\n", DNS_MX_PRIORITY, SLICE_ARGS(r->value),
		       slice_ends(r->value, S(".")) ? "" : ".");
	else
		print_txt(r->value);
}

static void print_domain(const struct store_domain *d)
{
	if (d->token.n == 0)
		printf("; %.*s: a domain of the deployment\n", SLICE_ARGS(d->domain));
	else
		printf("; %.*s: %s by %.*s\n", SLICE_ARGS(d->domain),
		       d->verified ? "verified" : "claimed", SLICE_ARGS(d->owner));
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++)
		if (d->records[i].host.n)
			print_record(d, (enum dns_record_kind)i);
	if (d->records[DNS_RECORD_DKIM].host.n == 0)
		puts("; dkim: no key yet; e2a-deliverd makes it for a verified domain");
}

static enum err show(struct request *q, const struct settings *s, struct db *db, struct fail *fail)
{
	AUTO(dns_freep) struct dns *dns = NULL;
	enum err e = dns_new(s, &dns, fail);

	for (size_t i = 0; i < q->n && e == OK; i++) {
		e = look(&q->v[i], s, dns, db, &q->arena, fail);
		if (e == OK)
			print_domain(&q->v[i]);
	}
	return e;
}

enum err cmd_domain(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(request_release) struct request q = { 0 };
	AUTO(db_closep) struct db *db = NULL;
	enum err e;

	if ((e = read_options(&q, argc, argv, fail)) ||
	    (e = db_open(s->database_url, NULL, "e2a-admin", &db, fail)) ||
	    (e = db_check_schema(db, fail)) || (e = find(&q, db, fail)))
		return e;
	if (q.rotate && ((e = rotate(&q.v[0], s, db, fail)) || (e = find(&q, db, fail))))
		return e;
	return show(&q, s, db, fail);
}
