/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the route table of e2a-apid, one JSON object a line, for tests that look at all routes. */
#include "apid/route.h"
#include "common/base/jsonf.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 4096 };

static const char *const accesses[] = {
	[ACCESS_PUBLIC] = "public", [ACCESS_ACCOUNT] = "account", [ACCESS_AGENT] = "agent",
	[ACCESS_SENDER] = "sender", [ACCESS_SESSION] = "session", [ACCESS_HANDLER] = "handler",
	[ACCESS_PERSON] = "person",
};

/* The settings that say how often. */
static const char *const limits[LIMIT_COUNT] = {
	[LIMIT_NONE] = "",
	[LIMIT_REGISTRATION] = "rate_registration",
	[LIMIT_FEEDBACK] = "rate_feedback",
	[LIMIT_SIGN_IN] = "rate_sign_in",
	[LIMIT_POLL] = "rate_poll",
	[LIMIT_PAGES] = "rate_pages",
	[LIMIT_DOMAINS] = "rate_domains",
	[LIMIT_DELEGATIONS] = "rate_delegations",
	[LIMIT_DELEGATION_MAILS] = "rate_delegation_mails",
	[LIMIT_DELEGATION_MAILS_ALL] = "rate_delegation_mails_all",
	[LIMIT_REVIEWERS] = "rate_reviewers",
	[LIMIT_REVIEWER_MAILS] = "rate_reviewer_mails",
	[LIMIT_REVIEWER_MAILS_ALL] = "rate_reviewer_mails_all",
	[LIMIT_SEND] = "rate_send",
};

static void write_route(struct jsonw *w, const struct route *r)
{
	jsonw_object(w);
	jsonw_key_text(w, "method", slice_str(r->method));
	jsonw_key_text(w, "path", slice_str(r->path));
	jsonw_key_text(w, "access", slice_str(accesses[r->access]));
	jsonw_key_int(w, "body_max", (int64_t)r->body_max);
	jsonw_key_text(w, "limit", slice_str(limits[r->limit]));
	jsonw_key_int(w, "denied_status", r->denied ? r->denied_status : 404);
	jsonw_key_text(w, "denied", slice_str(r->denied ? r->denied : "404 page not found"));
	jsonw_key_text(w, "unauthorized", slice_str(r->unauthorized ? r->unauthorized : ""));
	jsonw_object_end(w);
}

int main(void)
{
	for (const struct route *r = route_table; r->method; r++) {
		AUTO(buf_release) struct buf line = BUF_INIT(LINE_MAX_BYTES);
		struct jsonw w;

		jsonw_init(&w, &line);
		write_route(&w, r);
		puts(buf_cstr(&line));
	}
	return 0;
}
