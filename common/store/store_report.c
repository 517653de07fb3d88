/* SPDX-License-Identifier: Apache-2.0 */
/* Reports. Whatever comes in whatever order and number, a status never goes back. */
#include "common/store/store_report.h"

enum { FIND, APPLY };

const struct db_stmt store_report_stmts[] = {
	[FIND] = { "report_find",
		   "SELECT t.message_id, (SELECT array_agg(p.address ORDER BY p.n) "
		   "FROM outbound_recipients p WHERE p.message_id = t.message_id "
		   "AND p.part = t.part), t.part = 'world' FROM outbound_attempts t WHERE t.verp = $1",
		   false },
	/*
	 * $1 message, $2 addresses, $3 statuses, $4 codes, $5 details, $6 suppress, $7 envelope
	 * sender. In the ledger stands which recipient it was, not the address: it outlives
	 * the account.
	 */
	[APPLY] = { "report_apply",
		    "WITH attempt AS (UPDATE outbound_attempts t SET reported_at = now() "
		    "WHERE t.verp = $7 AND t.reported_at IS NULL), "
		    "moved AS (UPDATE outbound_recipients p SET status = t.status, "
		    "code = t.code, detail = t.detail, updated_at = clock_timestamp() "
		    "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) "
		    "AS t (address, status, code, detail, suppress) "
		    "WHERE p.message_id = $1 AND p.address = t.address "
		    "AND recipient_rank(t.status) > recipient_rank(p.status) "
		    "RETURNING p.message_id, p.n, p.folded, p.status, p.code, p.detail, "
		    "t.suppress), "
		    "suppressed AS (INSERT INTO suppressions (user_id, address, reason, code, "
		    "detail, message_id) SELECT m.user_id, v.folded, 'bounce', v.code, v.detail, "
		    "m.id FROM moved v JOIN messages m ON m.id = v.message_id "
		    "WHERE v.suppress > 0 ON CONFLICT DO NOTHING RETURNING address), "
		    "ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		    "reason, detail) SELECT m.id, m.user_id, 'recipient', v.status, "
		    "CASE WHEN EXISTS (SELECT FROM suppressed s WHERE s.address = v.folded) "
		    "THEN 'suppressed' ELSE '' END, jsonb_build_object('recipient', v.n, "
		    "'code', v.code) "
		    "FROM moved v JOIN messages m ON m.id = v.message_id) "
		    "SELECT count(*) FROM moved",
		    true },
	{ 0 },
};

enum err store_report_find(struct db *db, struct slice verp, struct arena *a,
			   struct store_report_attempt *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, verp);
	e = db_query(db, &store_report_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such attempt");
	ret->verp = arena_slice(a, verp);
	ret->message_id = db_text(r, 0, 0, a);
	db_texts(r, 0, 1, a, &ret->rcpts, &ret->rcpts_n);
	ret->world = db_bool(r, 0, 2);
	return OK;
}

enum err store_report_apply(struct db *db, const struct store_report_attempt *attempt,
			    const struct store_report_rcpt *v, size_t n, size_t *ret_n,
			    struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice *texts = arena_calloc(&a, 4 * n, sizeof(*texts));
	int64_t *suppress = arena_calloc(&a, n, sizeof(*suppress));
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	for (size_t i = 0; i < n; i++) {
		texts[i] = v[i].address;
		texts[n + i] = slice_str(v[i].status);
		texts[2 * n + i] = v[i].code;
		texts[3 * n + i] = v[i].detail;
		suppress[i] = v[i].suppress;
	}
	db_arg_text(&args, attempt->message_id);
	for (size_t c = 0; c < 4; c++)
		db_arg_texts(&args, texts + c * n, n);
	db_arg_ints(&args, suppress, n);
	db_arg_text(&args, attempt->verp);
	e = db_query(db, &store_report_stmts[APPLY], &args, &r, fail);
	if (e == OK)
		*ret_n = (size_t)db_int(r, 0, 0);
	return e;
}
