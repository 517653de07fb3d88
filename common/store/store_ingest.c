/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statement that LMTP's 250 stands for. Body, messages, ledger and jobs
 * are one statement, so one round trip and one commit; it must never be split
 * so that a part can be there without the others.
 */
#include "common/store/store_ingest.h"

#include "common/store/store_webhook.h"

/*
 * The conversation of the newest message of the mailbox that the mail answers. An
 * aggregate, because for the sake of ORDER BY and LIMIT the planner might walk through the
 * mailbox by time.
 */
#define THREAD                                                                                      \
	"(SELECT (array_agg(p.conversation_id ORDER BY p.created_at DESC, p.id DESC))[1] "          \
	"FROM messages p WHERE p.agent_email = f.email AND p.email_message_id = ANY ($33::text[]) " \
	"AND p.conversation_id <> '')"

/* Messages are inserted in one order, so that two repetitions of a mail cannot deadlock. */
#define INGEST(usage)                                                                                \
	"WITH rcpt AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) "        \
	"WITH ORDINALITY AS t (id, recipient, address, base, n)), "                                  \
	"found AS MATERIALIZED (SELECT r.id, r.recipient, r.n, g.email, g.user_id, g.domain, "       \
	"g.agent_mode = 'cloud' AS cloud, g.webhook_url, q.disabled_at IS NOT NULL AS disabled, "    \
	"$28::text IS NOT NULL AND q.open_until IS NULL AND q.disabled_at IS NULL AS leased "        \
	"FROM rcpt r CROSS JOIN LATERAL ("                                                           \
	"SELECT a.email, a.user_id, a.domain, a.agent_mode, a.webhook_url "                          \
	"FROM mail_recipients v JOIN agents a ON a.email = v.email "                                 \
	"WHERE v.address IN (r.address, r.base) "                                                    \
	"ORDER BY v.address = r.address DESC LIMIT 1) g "                                            \
	"LEFT JOIN webhook_queues q ON q.agent_email = g.email AND g.agent_mode = 'cloud'), " /* the \
							       agent of ours that sent it, by the                                                                                                 \
							       address that only we could have       \
							       sealed */                             \
	"author AS MATERIALIZED (SELECT 'agent=' || a.email || ';human=' || (SELECT d.human_email "  \
	"FROM delegations d WHERE d.agent_email = a.email AND d.state = 'active' "                   \
	"ORDER BY d.confirmed_at DESC LIMIT 1) AS delegation FROM agents a "                         \
	"WHERE $24 = 'agent' AND a.address = $31), "                                                 \
	"message AS (INSERT INTO messages (id, user_id, agent_email, raw_id, direction, "            \
	"inbox_status, recipient, header_from, reply_to, to_addresses, cc_addresses, subject, "      \
	"email_message_id, in_reply_to, auto_submitted, parse_flags, envelope_sender, queue_id, "    \
	"client_ip, helo, sha256, verdict, verified, sender, entity_type, domain_check, "            \
	"authentication, delegation, conversation_id, expires_at) "                                  \
	"SELECT f.id, f.user_id, f.email, $5, 'inbound', 'unread', f.recipient, $8, $9::text[], "    \
	"$10::text[], $11::text[], $12, $13, $14, $15, $16::text[], $17, $18, $19, $20, "            \
	"$6::bytea, $21, $22::boolean, $23, "                                                        \
	"CASE WHEN EXISTS (SELECT FROM author) THEN 'agent' ELSE 'human' END, "                      \
	"$25, $26::text::jsonb, coalesce((SELECT o.delegation FROM author o), ''), "                 \
	"CASE WHEN $32 <> '' THEN $32 ELSE coalesce(" THREAD ", '') END, "                           \
	"clock_timestamp() + $27::bigint * interval '1 ms' "                                         \
	"FROM found f ORDER BY lower(f.recipient) "                                                  \
	"ON CONFLICT (queue_id, lower(recipient), sha256) WHERE queue_id <> '' DO NOTHING "          \
	"RETURNING id, created_at, entity_type, delegation, conversation_id), "                      \
	"body AS (INSERT INTO raw_messages (id, sha256, size, raw) "                                 \
	"SELECT $5, $6::bytea, length($7::bytea), $7::bytea WHERE EXISTS (SELECT FROM message)), "   \
	"ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, reason) "       \
	"SELECT f.id, f.user_id, 'ingest', 'stored', $21 "                                           \
	"FROM message m JOIN found f ON f.id = m.id), "                                              \
	"job AS (INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, last_error, "    \
	"due_at, lease_id, lease_until, give_up_at) SELECT f.id, f.user_id, f.email, "               \
	"CASE WHEN f.disabled THEN 'failed' ELSE 'pending' END, "                                    \
	"CASE WHEN f.disabled THEN 'endpoint_disabled' ELSE '' END, "                                \
	"CASE WHEN f.leased THEN l.over ELSE now() END, CASE WHEN f.leased THEN $28::text END, "     \
	"CASE WHEN f.leased THEN l.over END, now() + $34::bigint * interval '1 ms' "                 \
	"FROM message m JOIN found f ON f.id = m.id, "                                               \
	"LATERAL (SELECT now() + $29::bigint * interval '1 ms' AS over) l WHERE f.cloud), "          \
	"refused AS (INSERT INTO message_events (message_id, user_id, stage, outcome, reason) "      \
	"SELECT f.id, f.user_id, 'webhook', 'failed', 'endpoint_disabled' "                          \
	"FROM message m JOIN found f ON f.id = m.id WHERE f.cloud AND f.disabled)" usage             \
	" SELECT r.n, f.email, f.user_id, f.cloud, f.webhook_url, m.created_at, s.ids, s.sealed, "   \
	"m.entity_type, m.delegation, m.conversation_id, f.cloud AND f.leased "                      \
	"FROM rcpt r LEFT JOIN found f ON f.id = r.id LEFT JOIN message m ON m.id = r.id "           \
	"LEFT JOIN LATERAL (SELECT array_agg(t.id) AS ids, array_agg(t.sealed) AS sealed "           \
	"FROM (SELECT k.id, k.sealed FROM signing_secrets k WHERE k.user_id = f.user_id "            \
	"ORDER BY k.created_at DESC, k.id DESC LIMIT $30::bigint) t) s "                             \
	"ON f.cloud AND m.id IS NOT NULL ORDER BY r.n"

#define USAGE                                                                                      \
	", event AS (INSERT INTO usage_events (id, user_id, agent_email, domain, direction) "      \
	"SELECT 'ue_' || substr(f.id, length('msg_') + 1), f.user_id, f.email, f.domain, "         \
	"'inbound' FROM message m JOIN found f ON f.id = m.id)"

enum { PLAIN, COUNTED };

/* Two statements, so that usage costs nothing where it is not tracked. */
const struct db_stmt store_ingest_stmts[] = {
	[PLAIN] = { "ingest", INGEST(""), true },
	[COUNTED] = { "ingest_counted", INGEST(USAGE), true },
	{ 0 },
};

static void arg_texts(struct db_args *args, const struct ingest_texts *t)
{
	db_arg_texts(args, t->v, t->n);
}

static void arg_rcpts(struct db_args *args, const struct ingest_rcpt *rcpts, size_t n,
		      struct arena *a)
{
	struct slice *columns = arena_calloc(a, 4 * n, sizeof(*columns));

	for (size_t i = 0; i < n; i++) {
		columns[i] = rcpts[i].message_id;
		columns[n + i] = rcpts[i].recipient;
		columns[2 * n + i] = rcpts[i].address;
		columns[3 * n + i] = rcpts[i].base;
	}
	for (size_t c = 0; c < 4; c++)
		db_arg_texts(args, columns + c * n, n);
}

static void arg_mail(struct db_args *args, const struct ingest_mail *m)
{
	db_arg_text(args, m->raw_id);
	db_arg_bytes(args, slice_of((const char *)m->sha256, sizeof(m->sha256)));
	db_arg_bytes(args, m->raw);
	db_arg_text(args, m->header_from);
	arg_texts(args, &m->reply_to);
	arg_texts(args, &m->to);
	arg_texts(args, &m->cc);
	db_arg_text(args, m->subject);
	db_arg_text(args, m->email_message_id);
	db_arg_text(args, m->in_reply_to);
	db_arg_text(args, m->auto_submitted);
	arg_texts(args, &m->parse_flags);
	db_arg_text(args, m->envelope_sender);
	db_arg_text(args, m->queue_id);
	db_arg_text(args, m->client_ip);
	db_arg_text(args, m->helo);
	db_arg_text(args, m->verdict);
	db_arg_bool(args, m->verified);
	db_arg_text(args, m->sender);
	db_arg_text(args, m->entity_type);
	db_arg_text(args, m->domain_check);
	db_arg_text(args, m->authentication);
	db_arg_int(args, m->retention_ms);
	db_arg_text_or_null(args, m->lease_id);
	db_arg_int(args, m->lease_ms);
	db_arg_int(args, WEBHOOK_SECRETS_MAX);
	db_arg_text(args, m->author);
	db_arg_text(args, m->conversation_id);
	arg_texts(args, &m->parents);
	db_arg_int(args, m->give_up_ms);
}

static void copy_slices(const struct db_rows *r, size_t row, int col, struct arena *a,
			struct slice **ret, size_t *ret_n)
{
	db_slices(r, row, col, a, ret, ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = arena_slice(a, (*ret)[i]);
}

static void read_answer(const struct db_rows *r, size_t row, struct arena *a,
			struct ingest_rcpt *ret)
{
	size_t ids_n;

	ret->found = !db_is_null(r, row, 1);
	ret->stored = !db_is_null(r, row, 5);
	ret->agent_email = db_text(r, row, 1, a);
	ret->user_id = db_text(r, row, 2, a);
	ret->cloud = db_bool(r, row, 3);
	ret->webhook_url = db_text(r, row, 4, a);
	ret->created_us = db_time(r, row, 5);
	copy_slices(r, row, 6, a, &ret->secret_ids, &ids_n);
	copy_slices(r, row, 7, a, &ret->secrets, &ret->secrets_n);
	ret->entity_type = db_text(r, row, 8, a);
	ret->delegation = db_text(r, row, 9, a);
	ret->conversation_id = db_text(r, row, 10, a);
	ret->leased = ret->stored && db_bool(r, row, 11);
}

enum err store_ingest(struct db *db, const struct ingest_mail *mail, struct ingest_rcpt *rcpts,
		      size_t n, struct arena *a, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_rcpts(&args, rcpts, n, a);
	arg_mail(&args, mail);
	e = db_query(db, &store_ingest_stmts[mail->usage ? COUNTED : PLAIN], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) != n)
		return fail_set(fail, ERR_INTERNAL, "ingest: %zu rows for %zu recipients",
				db_rows_count(r), n);
	for (size_t i = 0; i < n; i++)
		read_answer(r, i, a, &rcpts[i]);
	return OK;
}
