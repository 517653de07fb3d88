/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the webhook queues, most of them functions of the database. A claim
 * needs no durable commit (a lost one is an attempt made twice); a delivery and a failure
 * are facts and get one. Every write compares the lease and writes its ledger rows in
 * the same transaction.
 */
#include "common/store/store_webhook.h"

#include "common/store/db_sql.h"

#include <assert.h>

enum { CLAIM, LOAD, DELIVERED, FAILED, RELEASE, FIND, TAKE_BACK, GIVE_UP, SIGNED };

const struct db_stmt store_webhook_stmts[] = {
	/*
	 * $1 lease, $2 lease ms, $3 limit, $4 bytes, $5 of one queue, $6 a second of a queue that
	 * is drained, $7 agents to skip, $8 behind which user
	 */
	[CLAIM] = { "webhook_claim",
		    "WITH " ASYNC " SELECT claim_webhooks($1, $2::bigint, $3::bigint, $4::bigint, "
		    "$5::bigint, $6::bigint, $7::text[], $8) FROM async",
		    true },
	/* $1 messages, $2 secrets */
	[LOAD] = { "webhook_load",
		   "SELECT m.id, m.user_id, m.agent_email, "
		   "CASE WHEN a.agent_mode = 'cloud' THEN a.webhook_url ELSE '' END, "
		   "m.recipient, m.header_from, m.reply_to, m.to_addresses, m.cc_addresses, "
		   "m.conversation_id, m.verified, m.sender, m.entity_type, m.domain_check, "
		   "m.sha256, m.created_at, j.attempts, s.ids, s.sealed, r.raw, m.delegation "
		   "FROM webhook_jobs j JOIN messages m ON m.id = j.message_id "
		   "JOIN raw_messages r ON r.id = m.raw_id JOIN agents a ON a.email = m.agent_email "
		   "CROSS JOIN LATERAL (SELECT array_agg(t.id) AS ids, array_agg(t.sealed) AS sealed "
		   "FROM (SELECT k.id, k.sealed FROM signing_secrets k WHERE k.user_id = m.user_id "
		   "ORDER BY k.created_at DESC, k.id DESC LIMIT $2::bigint) t) s "
		   "WHERE j.message_id = ANY ($1::text[]) ORDER BY m.id",
		   false },
	/* $1 messages, $2 leases, $3 statuses, $4 ms */
	[DELIVERED] = { "webhook_delivered",
			"SELECT deliver_webhooks($1::text[], $2::text[], $3::bigint[], "
			"$4::bigint[])",
			true },
	/*
	 * $1 messages, $2 leases, $3 statuses, $4 ms, $5 reasons, $6 final, $7 asked ms,
	 * $8 answers, $9 URLs, $10 waits, $11 failures that open the breaker, $12 its longest wait
	 */
	[FAILED] = { "webhook_failed",
		     "SELECT fail_webhooks($1::text[], $2::text[], $3::bigint[], $4::bigint[], "
		     "$5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], "
		     "$10::bigint[], $11::bigint, $12::bigint)",
		     true },
	/* $1 messages, $2 leases, $3 delay ms */
	[RELEASE] = { "webhook_release",
		      "WITH " ASYNC " SELECT release_webhooks($1::text[], $2::text[], $3::bigint) "
		      "FROM async",
		      true },
	/* $1 ms, $2 limit */
	[FIND] = { "webhook_find",
		   "WITH " ASYNC " SELECT queue_webhooks($1::bigint, $2::bigint) FROM async",
		   true },
	/* $1 ms, $2 limit */
	[TAKE_BACK] = { "webhook_take_back", "SELECT take_back_webhooks($1::bigint)", true },
	[GIVE_UP] = { "webhook_give_up", "SELECT give_up_webhooks($1::bigint, $2::bigint)", true },
	[SIGNED] = { "webhook_signed",
		     "WITH " ASYNC
		     " UPDATE signing_secrets s SET last_signed_at = now() FROM async "
		     "WHERE s.id = ANY ($1::text[]) AND (s.last_signed_at IS NULL "
		     "OR s.last_signed_at < now() - interval '1 minute')",
		     true },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t i, struct arena *a, struct webhook_row *ret)
{
	struct slice sha256 = db_slice(r, i, 14);
	size_t ids_n;

	*ret = (struct webhook_row){
		.message_id = db_slice(r, i, 0),
		.user_id = db_slice(r, i, 1),
		.agent_email = db_slice(r, i, 2),
		.webhook_url = db_slice(r, i, 3),
		.recipient = db_slice(r, i, 4),
		.header_from = db_slice(r, i, 5),
		.conversation_id = db_slice(r, i, 9),
		.verified = db_bool(r, i, 10),
		.sender = db_slice(r, i, 11),
		.entity_type = db_slice(r, i, 12),
		.domain_check = db_slice(r, i, 13),
		.received_us = db_time(r, i, 15),
		.attempts = db_int(r, i, 16),
		.raw = db_slice(r, i, 19),
		.delegation = db_slice(r, i, 20),
	};
	db_slices(r, i, 6, a, &ret->reply_to, &ret->reply_to_n);
	db_slices(r, i, 7, a, &ret->to, &ret->to_n);
	db_slices(r, i, 8, a, &ret->cc, &ret->cc_n);
	if (sha256.n == sizeof(ret->sha256))
		memcpy(ret->sha256, sha256.p, sha256.n);
	db_slices(r, i, 17, a, &ret->secret_ids, &ids_n);
	db_slices(r, i, 18, a, &ret->secrets, &ret->secrets_n);
	assert(ids_n == ret->secrets_n);
}

/* The messages that were leased now; they live in *ret_rows. */
static enum err claim_ids(struct db *db, const struct webhook_claim *claim, struct arena *a,
			  struct slice **ret, size_t *ret_n, struct db_rows **ret_rows,
			  struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	enum err e;

	db_arg_text(&args, claim->lease_id);
	db_arg_int(&args, claim->lease_ms);
	db_arg_int(&args, claim->limit);
	db_arg_int(&args, claim->max_bytes);
	db_arg_int(&args, claim->per_queue);
	db_arg_int(&args, claim->drain_rate);
	db_arg_texts(&args, claim->skip, claim->skip_n);
	db_arg_text(&args, claim->after_user);
	e = db_query(db, &store_webhook_stmts[CLAIM], &args, ret_rows, fail);
	if (e == OK)
		db_slices(*ret_rows, 0, 0, a, ret, ret_n);
	return e;
}

enum err store_webhook_claim(struct db *db, const struct webhook_claim *claim, struct arena *a,
			     struct webhook_row **ret, size_t *ret_n, struct db_rows **ret_rows,
			     struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *leased = NULL;
	struct db_args args = DB_ARGS_INIT;
	struct db_rows *r;
	struct slice *ids;
	size_t n;
	enum err e = claim_ids(db, claim, a, &ids, &n, &leased, fail);

	if (e)
		return e;
	db_arg_texts(&args, ids, n);
	db_arg_int(&args, WEBHOOK_SECRETS_MAX);
	e = db_query(db, &store_webhook_stmts[LOAD], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	*ret_rows = r;
	return OK;
}

enum column { MESSAGE_ID, LEASE_ID, STATUS, MS, REASON, FINAL, ASKED, ANSWER, URL };

static struct slice text_of(const struct webhook_result *r, enum column c)
{
	switch (c) {
	case MESSAGE_ID:
		return r->message_id;
	case LEASE_ID:
		return r->lease_id;
	case ANSWER:
		return r->answer;
	case URL:
		return r->url;
	default:
		return slice_str(event_reason_name(r->reason));
	}
}

static int64_t number_of(const struct webhook_result *r, enum column c)
{
	switch (c) {
	case STATUS:
		return r->http_status;
	case MS:
		return r->duration_ms;
	case FINAL:
		return r->final;
	default:
		return r->retry_after_ms;
	}
}

static void arg_texts(struct db_args *args, const struct webhook_result *v, size_t n, enum column c)
{
	struct slice texts[WEBHOOK_BATCH_MAX];

	for (size_t i = 0; i < n; i++)
		texts[i] = text_of(&v[i], c);
	db_arg_texts(args, texts, n);
}

static void arg_ints(struct db_args *args, const struct webhook_result *v, size_t n, enum column c)
{
	int64_t numbers[WEBHOOK_BATCH_MAX];

	for (size_t i = 0; i < n; i++)
		numbers[i] = number_of(&v[i], c);
	db_arg_ints(args, numbers, n);
}

/* The columns that all three writes begin with. */
static void arg_results(struct db_args *args, const struct webhook_result *v, size_t n,
			const enum column *columns, size_t columns_n)
{
	assert(n <= WEBHOOK_BATCH_MAX);
	for (size_t i = 0; i < columns_n; i++) {
		bool text = columns[i] == MESSAGE_ID || columns[i] == LEASE_ID ||
			    columns[i] == REASON || columns[i] == ANSWER || columns[i] == URL;

		(text ? arg_texts : arg_ints)(args, v, n, columns[i]);
	}
}

/* *ret_n: the number that the statement answers. */
static enum err run(struct db *db, int stmt, struct db_args *args, size_t *ret_n, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_webhook_stmts[stmt], args, &r, fail);

	if (e == OK && ret_n)
		*ret_n = (size_t)db_int(r, 0, 0);
	return e;
}

enum err store_webhook_delivered(struct db *db, const struct webhook_result *v, size_t n,
				 size_t *ret_n, struct fail *fail)
{
	static const enum column columns[] = { MESSAGE_ID, LEASE_ID, STATUS, MS };
	struct db_args args = DB_ARGS_INIT;

	arg_results(&args, v, n, columns, ARRAY_LEN(columns));
	return run(db, DELIVERED, &args, ret_n, fail);
}

enum err store_webhook_failed(struct db *db, const struct webhook_result *v, size_t n,
			      const struct webhook_patience *p, size_t *ret_n, struct fail *fail)
{
	static const enum column columns[] = { MESSAGE_ID, LEASE_ID, STATUS, MS, REASON,
					       FINAL,      ASKED,    ANSWER, URL };
	struct db_args args = DB_ARGS_INIT;

	arg_results(&args, v, n, columns, ARRAY_LEN(columns));
	db_arg_ints(&args, p->schedule_ms, p->schedule_n);
	db_arg_int(&args, p->breaker_failures);
	db_arg_int(&args, p->breaker_wait_ms);
	return run(db, FAILED, &args, ret_n, fail);
}

enum err store_webhook_release(struct db *db, const struct webhook_result *v, size_t n,
			       int64_t delay_ms, struct fail *fail)
{
	static const enum column columns[] = { MESSAGE_ID, LEASE_ID };
	struct db_args args = DB_ARGS_INIT;

	arg_results(&args, v, n, columns, ARRAY_LEN(columns));
	db_arg_int(&args, delay_ms);
	return run(db, RELEASE, &args, NULL, fail);
}

enum err store_webhook_find(struct db *db, int64_t due_ms, int64_t limit, size_t *ret_n,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, due_ms);
	db_arg_int(&args, limit);
	return run(db, FIND, &args, ret_n, fail);
}

enum err store_webhook_take_back(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, limit);
	return run(db, TAKE_BACK, &args, ret_n, fail);
}

enum err store_webhook_give_up(struct db *db, int64_t lifetime_ms, int64_t limit, size_t *ret_n,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, lifetime_ms);
	db_arg_int(&args, limit);
	return run(db, GIVE_UP, &args, ret_n, fail);
}

enum err store_webhook_signed(struct db *db, const struct slice *secret_ids, size_t n,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_texts(&args, secret_ids, n);
	return run(db, SIGNED, &args, NULL, fail);
}
