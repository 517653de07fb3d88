/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the webhook queue. Attempt records need no durable commit (a
 * lost one is an attempt made twice); a delivery and a final failure are facts
 * and get one. Every write compares the lease and writes its ledger rows in
 * the same statement.
 */
#include "common/store/store_webhook.h"

#include <assert.h>

enum { CLAIM, DELIVERED, FAILED, RELEASE, SIGNED };

/* For the transaction of this one statement. */
#define ASYNC "async AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"

/*
 * Results ($1 messages, $2 leases, ...) whose lease is still held. A job that is
 * locked is being deleted with its agent, which may take minutes: the results of
 * others do not wait for that. Should the deletion fail, another attempt is made
 * when the lease is over.
 */
#define OURS(more, columns)                                                                        \
	"ours AS MATERIALIZED (SELECT r.*, j.attempts FROM webhook_jobs j "                        \
	"JOIN unnest($1::text[], $2::text[]" more ") AS r (id, lease" columns ") "                 \
	"ON j.message_id = r.id AND j.lease_id = r.lease FOR UPDATE OF j SKIP LOCKED)"
#define OURS_RELEASED OURS("", "")
#define OURS_DELIVERED OURS(", $3::bigint[], $4::bigint[]", ", status, ms")
#define OURS_FAILED                                                                                \
	OURS(", $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[]",               \
	     ", status, ms, reason, final, asked")

const struct db_stmt store_webhook_stmts[] = {
	/*
	 * $1 lease, $2 lease ms, $3 limit, $4 bytes, $5 agents to skip, $6 secrets.
	 *
	 * The jobs are taken in the order of their index, and the rest is done for them
	 * alone. CASE and the arrays are for the planner: from what it knows of leases
	 * and agents it would expect no job and sort all of them, and without knowing
	 * how small a batch is it would join it to the whole table.
	 */
	[CLAIM] = { "webhook_claim",
		    "WITH " ASYNC ", due AS MATERIALIZED ("
		    "SELECT array_agg(t.message_id) AS ids, array_agg(t.due_at) AS times FROM ("
		    "SELECT j.message_id, j.due_at FROM webhook_jobs j "
		    "WHERE j.state = 'pending' AND j.due_at <= now() "
		    "AND CASE WHEN j.lease_until >= now() OR j.agent_email = ANY ($5::text[]) "
		    "THEN false ELSE true END "
		    "ORDER BY j.due_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED) t), "
		    "sized AS (SELECT d.message_id, "
		    "sum(r.size) OVER w AS total, row_number() OVER w AS n "
		    "FROM due, unnest(due.ids, due.times) AS d (message_id, due_at) "
		    "JOIN messages m ON m.id = d.message_id "
		    "JOIN raw_messages r ON r.id = m.raw_id "
		    "WINDOW w AS (ORDER BY d.due_at, d.message_id)), "
		    "leased AS (UPDATE webhook_jobs j SET lease_id = $1, "
		    "lease_until = now() + $2::bigint * interval '1 ms' "
		    "FROM sized s, async WHERE j.message_id = s.message_id "
		    /* the oldest in any case: nothing behind it would ever fit before it */
		    "AND (s.total <= $4::bigint OR s.n = 1) "
		    "RETURNING j.message_id, j.attempts) "
		    "SELECT m.id, m.user_id, m.agent_email, "
		    "CASE WHEN a.agent_mode = 'cloud' THEN a.webhook_url ELSE '' END, "
		    "m.recipient, m.header_from, m.reply_to, m.to_addresses, m.cc_addresses, "
		    "m.conversation_id, m.verified, m.sender, m.entity_type, m.domain_check, "
		    "m.sha256, "
		    "m.created_at, l.attempts, s.ids, s.sealed, r.raw, m.delegation "
		    "FROM leased l JOIN messages m ON m.id = l.message_id "
		    "JOIN raw_messages r ON r.id = m.raw_id JOIN agents a ON a.email = "
		    "m.agent_email "
		    "CROSS JOIN LATERAL (SELECT array_agg(t.id) AS ids, array_agg(t.sealed) AS "
		    "sealed "
		    "FROM (SELECT k.id, k.sealed FROM signing_secrets k WHERE k.user_id = "
		    "m.user_id "
		    "ORDER BY k.created_at DESC, k.id DESC LIMIT $6::bigint) t) s "
		    "ORDER BY m.id",
		    true },
	/* $1 messages, $2 leases, $3 statuses, $4 ms */
	[DELIVERED] = { "webhook_delivered",
			"WITH " OURS_DELIVERED ", "
			"gone AS (DELETE FROM webhook_jobs j USING ours o WHERE j.message_id = o.id "
			"RETURNING j.message_id, j.user_id, j.attempts, o.status, o.ms) "
			"INSERT INTO message_events (message_id, user_id, stage, outcome, detail) "
			"SELECT g.message_id, g.user_id, 'webhook', 'delivered', "
			"jsonb_build_object("
			"'attempt', g.attempts + 1, 'status', g.status, 'ms', g.ms) FROM gone g "
			"RETURNING 1",
			true },
	/* $1 messages, $2 leases, $3 statuses, $4 ms, $5 reasons, $6 final, $7 asked ms, $8 waits
	 */
	[FAILED] = { "webhook_failed",
		     "WITH " OURS_FAILED ", "
		     "done AS (UPDATE webhook_jobs j SET attempts = j.attempts + 1, "
		     "state = CASE WHEN o.final > 0 OR j.attempts >= cardinality($8::bigint[]) "
		     "THEN 'failed' ELSE 'pending' END, "
		     /* Retry-After counts between once and twice our own wait */
		     "due_at = now() + greatest(least(o.asked, 2 * w.ms), w.ms * (0.8 + 0.4 * "
		     "random())) "
		     "* interval '1 ms', lease_id = NULL, lease_until = NULL, "
		     "last_status = nullif(o.status, 0), last_error = o.reason "
		     "FROM ours o, LATERAL (SELECT coalesce(($8::bigint[])[o.attempts + 1], 0) AS ms) w "
		     "WHERE j.message_id = o.id "
		     "RETURNING j.message_id, j.user_id, j.attempts, j.state, o.status, o.ms, "
		     "o.reason) "
		     "INSERT INTO message_events (message_id, user_id, stage, outcome, reason, "
		     "detail) "
		     "SELECT d.message_id, d.user_id, 'webhook', "
		     "CASE d.state WHEN 'failed' THEN 'failed' ELSE 'deferred' END, d.reason, "
		     "jsonb_build_object('attempt', d.attempts, 'status', d.status, 'ms', d.ms) "
		     "FROM done d RETURNING 1",
		     true },
	/* $1 messages, $2 leases, $3 delay ms */
	[RELEASE] = { "webhook_release",
		      "WITH " ASYNC ", " OURS_RELEASED
		      " UPDATE webhook_jobs j SET lease_id = NULL, lease_until = NULL, "
		      "due_at = now() + $3::bigint * interval '1 ms' "
		      "FROM ours o, async WHERE j.message_id = o.id",
		      true },
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

enum err store_webhook_claim(struct db *db, const struct webhook_claim *claim, struct arena *a,
			     struct webhook_row **ret, size_t *ret_n, struct db_rows **ret_rows,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	struct db_rows *r;
	enum err e;

	db_arg_text(&args, claim->lease_id);
	db_arg_int(&args, claim->lease_ms);
	db_arg_int(&args, claim->limit);
	db_arg_int(&args, claim->max_bytes);
	db_arg_texts(&args, claim->skip, claim->skip_n);
	db_arg_int(&args, WEBHOOK_SECRETS_MAX);
	e = db_query(db, &store_webhook_stmts[CLAIM], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	*ret_rows = r;
	return OK;
}

enum column { MESSAGE_ID, LEASE_ID, STATUS, MS, REASON, FINAL, ASKED };

static struct slice text_of(const struct webhook_result *r, enum column c)
{
	if (c == MESSAGE_ID)
		return r->message_id;
	return c == LEASE_ID ? r->lease_id : slice_str(event_reason_name(r->reason));
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
		bool text =
			columns[i] == MESSAGE_ID || columns[i] == LEASE_ID || columns[i] == REASON;

		(text ? arg_texts : arg_ints)(args, v, n, columns[i]);
	}
}

static enum err run(struct db *db, int stmt, struct db_args *args, size_t *ret_n, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_webhook_stmts[stmt], args, &r, fail);

	if (e == OK && ret_n)
		*ret_n = db_rows_count(r);
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
			      const int64_t *schedule_ms, size_t schedule_n, size_t *ret_n,
			      struct fail *fail)
{
	static const enum column columns[] = { MESSAGE_ID, LEASE_ID, STATUS, MS,
					       REASON,     FINAL,    ASKED };
	struct db_args args = DB_ARGS_INIT;

	arg_results(&args, v, n, columns, ARRAY_LEN(columns));
	db_arg_ints(&args, schedule_ms, schedule_n);
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

enum err store_webhook_signed(struct db *db, const struct slice *secret_ids, size_t n,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_texts(&args, secret_ids, n);
	return run(db, SIGNED, &args, NULL, fail);
}
