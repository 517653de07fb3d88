/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the ledger. A word that was ever written must keep its meaning. */
#include "common/store/store_event.h"

enum { EXPIRE };

const struct db_stmt store_event_stmts[] = {
	[EXPIRE] = { "event_expire",
		     "DELETE FROM message_events WHERE id = ANY (ARRAY("
		     "SELECT e.id FROM message_events e "
		     "WHERE e.at < now() - $1::bigint * interval '1 ms' "
		     "ORDER BY e.at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		     true },
	{ 0 },
};

static const char *const reasons[EVENT_REASON_COUNT] = {
	[EVENT_NO_REASON] = "",
	[EVENT_HTTP_STATUS] = "http_status",
	[EVENT_HTTP_GONE] = "http_gone",
	[EVENT_CONNECT] = "connect",
	[EVENT_TLS] = "tls",
	[EVENT_TIMEOUT] = "timeout",
	[EVENT_BROKEN] = "broken",
	[EVENT_DNS] = "dns",
	[EVENT_NO_ADDRESS] = "no_address",
	[EVENT_ADDRESS_REFUSED] = "address_refused",
	[EVENT_URL_REFUSED] = "url_refused",
	[EVENT_NO_SECRET] = "no_secret",
	[EVENT_NOT_CLOUD] = "not_cloud",
	[EVENT_AGENT_DELETED] = "agent_deleted",
	[EVENT_ACCOUNT_DELETED] = "account_deleted",
	[EVENT_SMTP_LATER] = "smtp_4xx",
	[EVENT_SMTP_REFUSED] = "smtp_5xx",
	[EVENT_STOPPED] = "stopped",
	[EVENT_EXPIRED] = "expired",
	[EVENT_UNUSABLE] = "unusable",
	[EVENT_NO_KEY] = "no_key",
	[EVENT_NO_RECIPIENT] = "no_recipient",
	[EVENT_NO_ANSWER] = "no_answer",
	[EVENT_FOUND] = "found",
	[EVENT_NOT_FOUND] = "not_found",
	[EVENT_UNTRACEABLE] = "untraceable",
	[EVENT_OTHER_HOST] = "other_host",
	[EVENT_OPERATOR] = "operator",
	[EVENT_ALTERED] = "altered",
	[EVENT_STORAGE] = "storage",
	[EVENT_DISABLED] = "endpoint_disabled",
};

const char *event_reason_name(enum event_reason r)
{
	return (unsigned)r < EVENT_REASON_COUNT ? reasons[r] : "";
}

enum err store_event_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_event_stmts[EXPIRE], &args, ret_n, fail);
}
