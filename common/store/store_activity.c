/* SPDX-License-Identifier: Apache-2.0 */
/* Recent messages. The newest are taken by index before anything is looked up for them. */
#include "common/store/store_activity.h"

const struct db_stmt store_activity_stmts[] = {
	/* A delivered job is gone: then the ledger tells. $3 most rows */
	{ "activity_list",
	  "WITH recent AS MATERIALIZED (SELECT m.id, m.direction, m.header_from, m.sender, "
	  "m.envelope_sender, m.recipient, m.subject, m.email_message_id, m.inbox_status, "
	  "m.to_addresses, m.cc_addresses, m.created_at, m.expires_at FROM messages m "
	  "WHERE m.user_id = $1 AND m.agent_email = $2 AND m.expires_at > now() "
	  "ORDER BY m.created_at DESC, m.id DESC LIMIT $3::bigint) "
	  "SELECT m.id, m.direction, "
	  "coalesce(nullif(m.header_from, ''), nullif(m.sender, ''), m.envelope_sender), "
	  "m.recipient, m.subject, m.email_message_id, m.inbox_status, m.to_addresses, "
	  "m.cc_addresses, coalesce(j.state, e.outcome), j.last_error, "
	  "coalesce(j.attempts, e.attempt), m.created_at, m.expires_at "
	  "FROM recent m LEFT JOIN webhook_jobs j ON j.message_id = m.id "
	  "LEFT JOIN LATERAL (SELECT e.outcome, (e.detail->>'attempt')::bigint AS attempt "
	  "FROM message_events e WHERE e.message_id = m.id AND e.stage = 'webhook' "
	  "AND e.outcome = 'delivered' ORDER BY e.id DESC LIMIT 1) e ON j.message_id IS NULL "
	  "ORDER BY m.created_at DESC, m.id DESC",
	  false },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t row, struct arena *a,
		     struct store_activity *ret)
{
	*ret = (struct store_activity){
		.id = db_text(r, row, 0, a),
		.direction = db_text(r, row, 1, a),
		.sender = db_text(r, row, 2, a),
		.recipient = db_text(r, row, 3, a),
		.subject = db_text(r, row, 4, a),
		.email_message_id = db_text(r, row, 5, a),
		.inbox_status = db_text(r, row, 6, a),
		.webhook_status = db_text(r, row, 9, a),
		.webhook_error = db_text(r, row, 10, a),
		.webhook_attempts = db_int(r, row, 11),
		.created_us = db_time(r, row, 12),
		.expires_us = db_time(r, row, 13),
	};
	db_texts(r, row, 7, a, &ret->to, &ret->to_n);
	db_texts(r, row, 8, a, &ret->cc, &ret->cc_n);
}

enum err store_activity_list(struct db *db, struct slice user_id, struct slice agent_email,
			     struct arena *a, struct store_activity **ret, size_t *ret_n,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent_email);
	db_arg_int(&args, STORE_ACTIVITY_MAX);
	e = db_query(db, &store_activity_stmts[0], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	return OK;
}
