/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into DNS. Of two that look at one domain at the same time the row of the
 * domain lets one save after the other, so that a key takes another's place once.
 */
#include "common/store/store_domain_record.h"

enum { TOUCH, RECORDS, KEYS, RETIRE, PROMOTE, DUE };

/* When the look began: $4 ms ago. */
#define BEGAN "clock_timestamp() - $4::bigint * interval '1 ms'"
#define NEXT_SEEN "n.domain_id = $1 AND n.state = 'next' AND n.status = 'published'"

const struct db_stmt store_domain_record_stmts[] = {
	[TOUCH] = { "record_touch",
		    "UPDATE domains d SET looked_at = clock_timestamp() WHERE d.id = $1 "
		    "RETURNING 1",
		    true },
	[RECORDS] = { "record_save",
		      "INSERT INTO domain_records AS r (domain_id, record, status, checked_at) "
		      "SELECT $1, f.record, f.status, " BEGAN " "
		      "FROM unnest($2::text[], $3::text[]) AS f (record, status) "
		      "ON CONFLICT (domain_id, record) DO UPDATE SET status = EXCLUDED.status, "
		      "checked_at = EXCLUDED.checked_at WHERE r.checked_at <= EXCLUDED.checked_at",
		      true },
	/* By the key: the selector may have another one by now. */
	[KEYS] = { "record_save_keys",
		   "UPDATE dkim_keys k SET status = f.status, checked_at = f.at, "
		   "published = CASE f.status WHEN 'unknown' THEN k.published "
		   "ELSE f.status = 'published' END "
		   "FROM (SELECT t.*, " BEGAN " AS at "
		   "FROM unnest($2::text[], $3::text[]) AS t (public_key, status)) f "
		   "WHERE k.domain_id = $1 AND k.public_key = f.public_key "
		   "AND (k.checked_at IS NULL OR k.checked_at <= f.at)",
		   true },
	[RETIRE] = { "record_retire_key",
		     "UPDATE dkim_keys k SET state = 'retired', retired_at = clock_timestamp() "
		     "WHERE k.domain_id = $1 AND k.state = 'active' "
		     "AND EXISTS (SELECT FROM dkim_keys n WHERE " NEXT_SEEN ")",
		     true },
	[PROMOTE] = { "record_promote_key",
		      "UPDATE dkim_keys n SET state = 'active' WHERE " NEXT_SEEN " RETURNING 1",
		      true },
	/* $1 ms */
	[DUE] = { "record_due",
		  "UPDATE domains SET looked_at = clock_timestamp() WHERE id = ANY (ARRAY("
		  "SELECT d.id FROM domains d WHERE d.verified "
		  "AND d.looked_at < now() - $1::bigint * interval '1 ms' "
		  "ORDER BY d.looked_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)) RETURNING id",
		  true },
	{ 0 },
};

struct save {
	struct slice domain_id;
	const struct dns_record *records;
	int64_t look_ms;
	struct arena *arena;
	struct store_domain_saved saved;
};

static bool is_key(size_t kind)
{
	return kind >= DNS_RECORD_DKIM;
}

/* What a record is known by in its table, and its status; of keys, or of the others. */
static size_t gather(const struct dns_record *records, bool keys, struct slice *names,
		     struct slice *words)
{
	size_t n = 0;

	for (size_t i = 0; i < DNS_RECORD_COUNT; i++) {
		if (is_key(i) != keys || records[i].host.n == 0)
			continue;
		names[n] =
			keys ? records[i].key : slice_str(dns_record_name((enum dns_record_kind)i));
		words[n++] = slice_str(dns_status_word(records[i].status));
	}
	return n;
}

static enum err save_statuses(struct db *db, const struct save *s, int stmt, struct fail *fail)
{
	struct slice names[DNS_RECORD_COUNT], words[DNS_RECORD_COUNT];
	struct db_args args = DB_ARGS_INIT;
	size_t n = gather(s->records, stmt == KEYS, names, words);

	db_arg_text(&args, s->domain_id);
	db_arg_texts(&args, names, n);
	db_arg_texts(&args, words, n);
	db_arg_int(&args, s->look_ms);
	return db_query(db, &store_domain_record_stmts[stmt], &args, NULL, fail);
}

/* Of a statement whose only parameter is the domain. */
static enum err run(struct db *db, const struct save *s, int stmt, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, s->domain_id);
	return db_query_count(db, &store_domain_record_stmts[stmt], &args, ret_n, fail);
}

static enum err promote(struct db *db, struct save *s, struct fail *fail)
{
	size_t n;
	enum err e = run(db, s, RETIRE, &n, fail);

	if (e == OK)
		e = run(db, s, PROMOTE, &n, fail);
	if (e == OK)
		s->saved.promoted = n != 0;
	return e;
}

static enum err save(struct db *db, void *arg, struct fail *fail)
{
	struct save *s = arg;
	size_t n;
	enum err e = run(db, s, TOUCH, &n, fail);

	if (e || (e = store_domain_get(db, s->domain_id, s->arena, &s->saved.before, fail)) ||
	    (e = save_statuses(db, s, RECORDS, fail)) || (e = save_statuses(db, s, KEYS, fail)) ||
	    (e = promote(db, s, fail)))
		return e;
	return store_domain_get(db, s->domain_id, s->arena, &s->saved.after, fail);
}

enum err store_domain_record_save(struct db *db, struct slice domain_id,
				  const struct dns_record records[DNS_RECORD_COUNT],
				  int64_t look_ms, struct arena *a, struct store_domain_saved *ret,
				  struct fail *fail)
{
	struct save s = {
		.domain_id = domain_id, .records = records, .look_ms = look_ms, .arena = a
	};
	enum err e = db_tx(db, save, &s, fail);

	if (e == OK)
		*ret = s.saved;
	return e;
}

enum err store_domain_record_due(struct db *db, int64_t age_ms, struct arena *a,
				 struct store_domain *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	enum err e;

	db_arg_int(&args, age_ms);
	e = db_query(db, &store_domain_record_stmts[DUE], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no domain is due");
	return store_domain_get(db, db_slice(r, 0, 0), a, ret, fail);
}
