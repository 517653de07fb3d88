/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of an export. Postgres writes the objects: each statement names the
 * columns that may leave the house, and no other column can.
 */
#include "common/store/store_export.h"

enum {
	DOCUMENT,
	DOMAINS,
	AGENTS,
	API_KEYS,
	MESSAGES,
	USAGE_EVENTS,
	USAGE_SUMMARIES,
	SIGNING_SECRETS,
	SIGNING_KEYS,
	SESSIONS,
	IDENTITIES,
	FEEDBACK,
	RETIRED_ADDRESSES,
	SUPPRESSIONS,
	DELEGATIONS,
	REVIEWERS,
};

/*
 * Rows of table `x`. $1 user, $2 and $3 behind which. `pairs` of key and value; a
 * value that is NULL is left out. Limits are constants: plans are made without
 * knowing the parameters.
 */
#define PAGE(name, table, at, id, pairs)                                                           \
	{                                                                                          \
		name,                                                                              \
			"SELECT " at ", " id ", json_strip_nulls(json_build_object(" pairs         \
			"))::text FROM " table " x WHERE x.user_id = $1 "                          \
			"AND (" at ", " id ") > ($2, $3) ORDER BY " at ", " id " LIMIT 500",       \
			false                                                                      \
	}

#define MESSAGE                                                                                    \
	"'id', x.id, 'agent_id', x.agent_email, 'direction', x.direction, 'sender', x.sender, "    \
	"'recipient', x.recipient, 'subject', x.subject, 'created_at', wire_time(x.created_at), "  \
	"'expires_at', wire_time(x.expires_at), 'email_message_id', "                              \
	"nullif(x.email_message_id, ''), 'conversation_id', nullif(x.conversation_id, ''), "       \
	"'delivery_status', x.inbox_status, 'to_recipients', nullif(x.to_addresses, '{}'), "       \
	"'cc', nullif(x.cc_addresses, '{}'), 'bcc', nullif(x.bcc_addresses, '{}'), "               \
	"'status', nullif(x.status, ''), 'type', nullif(x.type, ''), "                             \
	"'method', CASE x.direction WHEN 'outbound' THEN 'smtp' END, "                             \
	"'approval_expires_at', wire_time(x.approval_expires_at), "                                \
	"'reviewed_at', wire_time(x.reviewed_at), "                                                \
	"'rejection_reason', nullif(x.rejection_reason, ''), 'edited', nullif(x.edited, false), "  \
	"'body_text', left(d.body_text, 16384), 'body_html', "                                     \
	"nullif(left(d.body_html, 16384), ''), 'body_truncated', "                                 \
	"nullif(greatest(length(d.body_text), length(d.body_html)) > 16384, false)"

/* ... and what the contract of older servers does not know. */
#define MESSAGE_MORE                                                                               \
	"'from', nullif(x.header_from, ''), 'reply_to', nullif(x.reply_to, '{}'), "                \
	"'in_reply_to', nullif(x.in_reply_to, ''), 'auto_submitted', "                             \
	"nullif(x.auto_submitted, ''), 'parse_flags', nullif(x.parse_flags, '{}'), "               \
	"'envelope_sender', x.envelope_sender, 'queue_id', nullif(x.queue_id, ''), "               \
	"'client_ip', nullif(x.client_ip, ''), 'helo', nullif(x.helo, ''), "                       \
	"'sha256', nullif(encode(x.sha256, 'hex'), ''), 'verdict', nullif(x.verdict, ''), "        \
	"'verified', x.verified, 'entity_type', x.entity_type, "                                   \
	"'domain_check', nullif(x.domain_check, ''), 'delegation', nullif(x.delegation, ''), "     \
	"'hold_reason', nullif(x.hold_reason, ''), 'reviewed_by', nullif(x.reviewed_by, ''), "     \
	"'review_channel', nullif(x.review_channel, ''), "                                         \
	"'decided_at', wire_time(x.decided_at), 'webhook_status', j.state, "                       \
	"'webhook_attempts', j.attempts, 'webhook_error', nullif(j.last_error, '')"

const struct db_stmt store_export_stmts[] = {
	[DOCUMENT] = { "export_document",
		       "SELECT json_build_object('generated_at', wire_time(now()), "
		       "'schema_version', '1', 'user', json_build_object('id', u.id, "
		       "'email', u.email, 'name', u.name, "
		       "'created_at', wire_time(u.created_at)))::text FROM users u WHERE u.id = $1",
		       false },
	[DOMAINS] = PAGE("export_domains", "domains", "x.created_at", "x.id",
			 "'domain', x.domain, 'user_id', x.user_id, 'verified', x.verified, "
			 "'verification_token', x.verification_token, "
			 "'created_at', wire_time(x.created_at), "
			 "'verified_at', wire_time(x.verified_at), 'dkim_keys', "
			 "(SELECT json_agg(json_build_object('selector', k.selector, "
			 "'state', k.state, 'public_key', k.public_key, "
			 "'created_at', wire_time(k.created_at)) ORDER BY k.created_at) "
			 "FROM dkim_keys k WHERE k.domain_id = x.id)"),
	/* Clients have never seen another domain_verified in an export. */
	[AGENTS] = PAGE("export_agents", "agents", "x.created_at", "x.email",
			"'id', x.email, 'domain', x.domain, 'email', x.email, 'name', x.name, "
			"'webhook_url', x.webhook_url, 'agent_mode', x.agent_mode, "
			"'domain_verified', false, 'created_at', wire_time(x.created_at), "
			"'hitl_enabled', x.hitl_enabled, 'hitl_ttl_seconds', x.hitl_ttl_seconds, "
			"'hitl_expiration_action', x.hitl_expiration_action, "
			"'user_id', x.user_id, 'public', true"),
	[API_KEYS] = PAGE("export_api_keys", "api_keys", "x.created_at", "x.id",
			  "'id', x.id, 'name', x.name, 'key_prefix', x.prefix, "
			  "'created_at', wire_time(x.created_at), "
			  "'last_used_at', wire_time(x.last_used_at), "
			  "'revoked_at', wire_time(x.revoked_at), 'scope', x.scope, "
			  "'agent_email', x.agent_email, 'expires_at', wire_time(x.expires_at)"),
	/* $4 bytes of the mail. The page first: it must not depend on what is joined to it. */
	[MESSAGES] = { "export_messages",
		       "SELECT x.created_at, x.id, (json_strip_nulls(json_build_object(" MESSAGE
		       ", " MESSAGE_MORE "))::jsonb || jsonb_build_object('events', "
		       "coalesce(e.list, '[]')) || CASE WHEN o.list IS NULL THEN '{}' "
		       "ELSE jsonb_build_object('recipients', o.list) END || CASE WHEN x.authentication IS NULL THEN '{}' "
		       "ELSE jsonb_build_object('authentication', x.authentication) END)::text, "
		       "r.id, r.size, x.status = 'pending_approval', "
		       "substring(r.raw from 1 for $4::int) "
		       "FROM (SELECT * FROM messages m WHERE m.user_id = $1 "
		       "AND (m.created_at, m.id) > ($2, $3) "
		       "ORDER BY m.created_at, m.id LIMIT 32) x "
		       "LEFT JOIN raw_messages r ON r.id = x.raw_id "
		       "LEFT JOIN webhook_jobs j ON j.message_id = x.id "
		       "LEFT JOIN outbound_drafts d ON d.message_id = x.id "
		       "AND x.status <> 'pending_approval' "
		       "LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object("
		       "'address', p.address, 'kind', p.kind, 'status', p.status, 'code', p.code, "
		       "'detail', p.detail, 'updated_at', wire_time(p.updated_at)) ORDER BY p.n) "
		       "AS list FROM outbound_recipients p WHERE p.message_id = x.id) o ON true "
		       "LEFT JOIN LATERAL (SELECT jsonb_agg(json_strip_nulls(json_build_object("
		       "'at', wire_time(v.at), 'stage', v.stage, 'outcome', v.outcome, "
		       "'reason', nullif(v.reason, ''), 'detail', v.detail)) ORDER BY v.id) AS list "
		       "FROM (SELECT * FROM message_events w WHERE w.message_id = x.id "
		       "AND w.user_id = $1 ORDER BY w.id LIMIT 500) v) e ON true "
		       "ORDER BY x.created_at, x.id",
		       false },
	[USAGE_EVENTS] = PAGE("export_usage_events", "usage_events", "x.created_at", "x.id",
			      "'id', x.id, 'agent_id', x.agent_email, 'domain', x.domain, "
			      "'direction', x.direction, 'event_type', x.event_type, "
			      "'created_at', wire_time(x.created_at)"),
	[USAGE_SUMMARIES] = PAGE("export_usage_summaries", "usage_summaries",
				 "(x.day::timestamp AT TIME ZONE 'UTC')", "x.user_id",
				 "'day', x.day, 'messages', x.messages"),
	[SIGNING_KEYS] =
		PAGE("export_signing_keys",
		     "(SELECT * FROM signing_secrets WHERE public_key IS NOT NULL)",
		     "x.created_at", "x.id",
		     "'id', x.id, 'name', x.name, "
		     "'public_key', 'whpk_' || encode(x.public_key, 'base64'), "
		     "'created_at', wire_time(x.created_at)"),
	[SIGNING_SECRETS] =
		PAGE("export_signing_secrets",
		     "(SELECT * FROM signing_secrets WHERE public_key IS NULL)",
		     "x.created_at", "x.id",
		     "'id', x.id, 'name', x.name, 'secret_prefix', x.prefix, "
		     "'created_at', wire_time(x.created_at), "
		     "'last_signed_at', wire_time(x.last_signed_at)"),
	[SESSIONS] = PAGE("export_sessions", "sessions", "x.created_at", "encode(x.hash, 'hex')",
			  "'created_at', wire_time(x.created_at), "
			  "'expires_at', wire_time(x.expires_at)"),
	[IDENTITIES] = PAGE("export_identities", "identities", "x.created_at",
			    "(x.issuer || ' ' || x.subject)",
			    "'issuer', x.issuer, 'created_at', wire_time(x.created_at)"),
	[FEEDBACK] = PAGE("export_feedback", "feedback", "x.created_at", "x.id",
			  "'id', x.id, 'email', nullif(x.email, ''), 'category', x.category, "
			  "'message', x.message, 'created_at', wire_time(x.created_at)"),
	[RETIRED_ADDRESSES] =
		PAGE("export_retired_addresses", "retired_addresses", "x.retired_at", "x.address",
		     "'address', x.address, 'retired_at', wire_time(x.retired_at), "
		     "'expires_at', wire_time(x.expires_at)"),
	[SUPPRESSIONS] = PAGE("export_suppressions", "suppressions", "x.created_at", "x.address",
			      "'address', x.address, 'reason', x.reason, 'code', x.code, "
			      "'detail', x.detail, 'message_id', nullif(x.message_id, ''), "
			      "'created_at', wire_time(x.created_at)"),
	[DELEGATIONS] = PAGE("export_delegations", "delegations", "x.created_at", "x.id",
			     "'id', x.id, 'agent_id', x.agent_email, 'human', x.human_email, "
			     "'state', x.state, 'created_at', wire_time(x.created_at), "
			     "'confirmed_at', wire_time(x.confirmed_at), "
			     "'revoked_at', wire_time(x.revoked_at)"),
	[REVIEWERS] = PAGE("export_reviewers", "reviewers", "x.created_at", "x.id",
			   "'id', x.id, 'agent_id', x.agent_email, 'address', x.address, "
			   "'state', x.state, 'full_text', x.full_text, 'by_reply', x.by_reply, "
			   "'created_at', wire_time(x.created_at), "
			   "'confirmed_at', wire_time(x.confirmed_at)"),
	{ 0 },
};

const struct store_export_part store_export_parts[] = {
	{ "domains", "domains", .stmt = DOMAINS },
	{ "agents", "agents", .stmt = AGENTS },
	{ "api_keys", "api_keys", .stmt = API_KEYS },
	{ "messages",
	  "messages raw_messages webhook_jobs webhook_queues message_events "
	  "outbound_drafts outbound_attachments outbound_recipients",
	  .with_raw = true, .stmt = MESSAGES },
	{ "usage_events", "usage_events", .if_any = true, .stmt = USAGE_EVENTS },
	/* From here on what older servers do not export. */
	{ "usage_summaries", "usage_summaries", .if_any = true, .stmt = USAGE_SUMMARIES },
	{ "signing_secrets", "signing_secrets", .stmt = SIGNING_SECRETS },
	{ "signing_keys", "signing_secrets", .stmt = SIGNING_KEYS },
	{ "sessions", "sessions", .stmt = SESSIONS },
	{ "identities", "identities", .stmt = IDENTITIES },
	{ "feedback", "feedback", .stmt = FEEDBACK },
	{ "retired_addresses", "retired_addresses", .stmt = RETIRED_ADDRESSES },
	{ "suppressions", "suppressions", .stmt = SUPPRESSIONS },
	{ "delegations", "delegations", .stmt = DELEGATIONS },
	{ "reviewers", "reviewers", .stmt = REVIEWERS },
	{ 0 },
};

const struct store_export_omission store_export_omissions[] = {
	{ "sign_in_links", "hashes of links that are good for minutes" },
	{ "mail_jobs", "mail that is about to leave, sealed because it may hold a token" },
	{ "outbound_jobs", "mail that is about to leave: its message says so" },
	{ "outbound_attempts", "addresses to which reports about a mail come back" },
	{ "approval_tokens", "hashes of tokens that were mailed to reviewers" },
	{ "outbound_mails", "mail that is about to leave: its message says so" },
	{ "delegation_declines", "what humans who are not the user asked for" },
	{ "reviewer_declines", "the same" },
	{ "idempotency_keys", "for a day, copies of answers about what is exported" },
	{ "listeners", "who is connected at this moment" },
	{ "listened", "when somebody was" },
	{ "first_steps", "what the account did when for the first time, for its overview" },
	{ "rate_counters", "how many requests there were of late" },
	{ "rate_hits", "when they were" },
	{ 0 },
};

enum err store_export_begin(struct db *db, struct slice user_id, struct arena *a, struct slice *ret,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_export_stmts[DOCUMENT], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such user");
	*ret = db_text(r, 0, 0, a);
	return OK;
}

static void read_row(const struct db_rows *r, size_t i, bool with_raw, struct store_export_row *ret)
{
	*ret = (struct store_export_row){
		.created_us = db_time(r, i, 0),
		.id = db_slice(r, i, 1),
		.json = db_slice(r, i, 2),
	};
	if (with_raw) {
		ret->raw_id = db_slice(r, i, 3);
		ret->raw_size = db_int(r, i, 4);
		ret->held = db_bool(r, i, 5);
		ret->raw_head = db_slice(r, i, 6);
	}
}

enum err store_export_page(struct db *db, const struct store_export_part *part,
			   struct slice user_id, int64_t after_us, struct slice after_id,
			   struct arena *a, struct store_export_row **ret, size_t *ret_n,
			   struct db_rows **ret_rows, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	struct db_rows *r;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_time(&args, after_us);
	db_arg_text(&args, after_id);
	if (part->with_raw)
		db_arg_int(&args, STORE_EXPORT_HEAD);
	e = db_query(db, &store_export_stmts[part->stmt], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, part->with_raw, &(*ret)[i]);
	*ret_rows = r;
	return OK;
}
