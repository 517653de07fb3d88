/* SPDX-License-Identifier: Apache-2.0 */
/* What a load balancer asks. Answered on the HTTP thread from what is known already. */
#include "apid/handlers.h"
#include "apid/ready.h"
#include "apid/req.h"

static const char *queue_word(const struct ready_state *s)
{
	if (!s->database || !s->schema)
		return "unknown";
	return s->backlog.oldest_s > READY_LATE_S ? "late" : "ok";
}

static const char *schema_word(const struct ready_state *s)
{
	if (!s->database)
		return "unknown";
	return s->schema ? "ok" : "outdated";
}

void ready_get(struct req *r)
{
	struct ready_state s = ready_now(r->app->ready);
	bool ready = s.database && s.schema;
	struct jsonw *w = resp_json(&r->resp, ready ? 200 : 503);

	jsonw_object(w);
	jsonw_key_text(w, "status", ready ? S("ready") : S("not ready"));
	jsonw_key_text(w, "database", s.database ? S("ok") : S("unreachable"));
	jsonw_key_text(w, "schema", slice_str(schema_word(&s)));
	jsonw_key(w, "queue");
	jsonw_object(w);
	jsonw_key_text(w, "state", slice_str(queue_word(&s)));
	jsonw_key_int(w, "pending", s.backlog.pending);
	jsonw_key_int(w, "oldest_seconds", s.backlog.oldest_s);
	jsonw_object_end(w);
	jsonw_object_end(w);
	r->resp.retry_after_s = ready ? 0 : RESP_RETRY_S;
}
