/* SPDX-License-Identifier: Apache-2.0 */
/* Routes. What is not in this table does not exist. */
#include "apid/route.h"

#include "apid/handlers.h"

enum {
	BODY_64K = 64 * 1024,
	BODY_FORM = 16 * 1024,
	BODY_EDITS = 2 * 1024 * 1024, /* the texts of a page, as a form writes them */
	BODY_MAIL = 25 * 1024 * 1024,
};

#define ABSENT_AGENT .denied_status = 404, .denied = "agent not found: agent not found"
#define NO_AGENT .denied_status = 404, .denied = "agent not found"
#define UNKNOWN_USER .unauthorized = "authentication required"
#define FORBIDDEN .denied_status = 403, .denied = "forbidden"
#define ABSENT_SUPPRESSION .denied_status = 404, .denied = "suppression not found"
#define ABSENT_MESSAGE .denied_status = 404, .denied = "message not found"
#define ABSENT_DOMAIN .denied_status = 404, .denied = "domain not found"

/* A field that is not named is 0: no body, no limit, the common worker and texts. */
const struct route route_table[] = {
	{ "GET", "/api/health", .access = ACCESS_PUBLIC, .run = health_get },
	{ "HEAD", "/api/health", .access = ACCESS_PUBLIC, .run = health_get },
	{ "GET", "/readyz", .access = ACCESS_PUBLIC, .run = ready_get },
	{ "GET", "/api/v1/info", .access = ACCESS_PUBLIC, .run = info_get },
	{ "POST", "/api/feedback", .access = ACCESS_HANDLER, .limit = LIMIT_FEEDBACK,
	  .body_max = BODY_64K, .run = feedback_create },
	{ "GET", "/api/docs", .access = ACCESS_PUBLIC, .run = reference_get_page },
	{ "GET", "/api/openapi.yaml", .access = ACCESS_PUBLIC, .run = reference_get_yaml },
	{ "GET", "/api/openapi.json", .access = ACCESS_PUBLIC, .run = reference_get_json },
	{ "GET", "/", .access = ACCESS_PUBLIC, .run = web_get_page },
	{ "HEAD", "/", .access = ACCESS_PUBLIC, .run = web_get_page },
	{ "GET", "/web/{}/{}", .access = ACCESS_PUBLIC, .run = web_get_file },

	{ "GET", "/api/v1/overview", .access = ACCESS_ACCOUNT, .limit = LIMIT_POLL,
	  .run = overview_get },
	{ "GET", "/api/v1/agents", .access = ACCESS_ACCOUNT, .run = agent_list },
	{ "POST", "/api/v1/agents", .access = ACCESS_HANDLER, .limit = LIMIT_REGISTRATION,
	  .body_max = BODY_64K, .class = JOB_NAMES, .run = agent_create },
	{ "GET", "/api/v1/agents/{}", .access = ACCESS_AGENT, .run = agent_get, FORBIDDEN },
	{ "PUT", "/api/v1/agents/{}", .access = ACCESS_ACCOUNT, .body_max = BODY_64K,
	  .class = JOB_NAMES, .run = agent_put, FORBIDDEN },
	{ "DELETE", "/api/v1/agents/{}", .access = ACCESS_ACCOUNT, .class = JOB_NAMES,
	  .run = agent_delete, FORBIDDEN },

	{ "GET", "/api/v1/agents/{}/messages", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = message_list, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = message_get, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}/html", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = message_html_get, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}/history", .access = ACCESS_AGENT,
	  .limit = LIMIT_POLL, .run = history_get, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}/attachments/{}", .access = ACCESS_AGENT,
	  .limit = LIMIT_POLL, .run = attachment_get, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/webhook", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = webhook_get, ABSENT_AGENT },
	{ "POST", "/api/v1/agents/{}/webhook/enable", .access = ACCESS_ACCOUNT, .limit = LIMIT_POLL,
	  .run = webhook_enable, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/deliveries", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = delivery_list, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}/deliveries", .access = ACCESS_AGENT,
	  .limit = LIMIT_POLL, .run = delivery_get, ABSENT_AGENT },
	{ "POST", "/api/v1/agents/{}/messages/{}/redeliver", .access = ACCESS_ACCOUNT,
	  .limit = LIMIT_POLL, .run = message_redeliver, ABSENT_AGENT },
	{ "POST", "/api/v1/agents/{}/redeliver", .access = ACCESS_ACCOUNT, .limit = LIMIT_POLL,
	  .body_max = BODY_64K, .run = agent_redeliver, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/conversations", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = conversation_list, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/delegations", .access = ACCESS_ACCOUNT, .run = delegation_list,
	  NO_AGENT },
	{ "POST", "/api/v1/agents/{}/delegations", .access = ACCESS_ACCOUNT,
	  .limit = LIMIT_DELEGATIONS, .body_max = BODY_64K, .run = delegation_create, NO_AGENT },
	{ "DELETE", "/api/v1/agents/{}/delegations/{}", .access = ACCESS_ACCOUNT,
	  .run = delegation_delete, NO_AGENT },
	{ "GET", "/api/delegations/confirm", .access = ACCESS_HANDLER, .run = delegation_page },
	{ "POST", "/api/delegations/confirm", .access = ACCESS_HANDLER, .body_max = BODY_FORM,
	  .run = delegation_answer },
	{ "GET", "/api/v1/agents/{}/reviewers", .access = ACCESS_ACCOUNT, .run = reviewer_list,
	  NO_AGENT },
	{ "POST", "/api/v1/agents/{}/reviewers", .access = ACCESS_ACCOUNT, .limit = LIMIT_REVIEWERS,
	  .body_max = BODY_64K, .run = reviewer_create, NO_AGENT },
	{ "DELETE", "/api/v1/agents/{}/reviewers/{}", .access = ACCESS_ACCOUNT,
	  .run = reviewer_delete, NO_AGENT },
	{ "GET", "/api/reviewers/confirm", .access = ACCESS_HANDLER, .run = reviewer_page },
	{ "POST", "/api/reviewers/confirm", .access = ACCESS_HANDLER, .body_max = BODY_FORM,
	  .run = reviewer_answer },
	{ "POST", "/api/v1/agents/{}/messages/{}/reply", .access = ACCESS_AGENT,
	  .body_max = BODY_MAIL, .run = mail_reply, NO_AGENT },
	{ "POST", "/api/v1/agents/{}/test", .access = ACCESS_ACCOUNT, .run = mail_test,
	  ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/sent", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = sent_list, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/sent/{}", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = sent_get, ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/events", .access = ACCESS_AGENT, .limit = LIMIT_POLL,
	  .run = event_stream, ABSENT_AGENT },
	{ "*", "/api/v1/agents/{}/ws", .access = ACCESS_HANDLER, .run = ws_refuse },

	{ "POST", "/api/v1/send", .access = ACCESS_SENDER, .body_max = BODY_MAIL,
	  .run = mail_send },
	{ "GET", "/api/v1/messages", .access = ACCESS_ACCOUNT, .run = hold_list },
	{ "GET", "/api/v1/messages/{}", .access = ACCESS_ACCOUNT, .run = outbound_get,
	  ABSENT_MESSAGE },
	{ "GET", "/api/v1/messages/{}/html", .access = ACCESS_ACCOUNT, .run = outbound_get_html,
	  ABSENT_MESSAGE },
	{ "POST", "/api/v1/messages/{}/approve", .access = ACCESS_ACCOUNT, .body_max = BODY_MAIL,
	  .run = hold_approve, ABSENT_MESSAGE },
	{ "POST", "/api/v1/messages/{}/reject", .access = ACCESS_ACCOUNT, .body_max = BODY_64K,
	  .run = hold_reject, ABSENT_MESSAGE },

	{ "GET", "/api/v1/approve", .access = ACCESS_HANDLER, .run = approval_page },
	{ "POST", "/api/v1/approve", .access = ACCESS_HANDLER, .body_max = BODY_64K,
	  .run = approval_answer },
	{ "GET", "/api/v1/approve/content", .access = ACCESS_HANDLER, .run = approval_content },
	{ "GET", "/api/v1/reject", .access = ACCESS_HANDLER, .run = rejection_page },
	{ "POST", "/api/v1/reject", .access = ACCESS_HANDLER, .body_max = BODY_64K,
	  .run = rejection_answer },

	{ "GET", "/api/v1/domains", .access = ACCESS_ACCOUNT, .run = domain_list },
	{ "POST", "/api/v1/domains", .access = ACCESS_ACCOUNT, .limit = LIMIT_DOMAINS,
	  .body_max = BODY_64K, .class = JOB_NAMES, .run = domain_create },
	{ "GET", "/api/v1/domains/{}", .access = ACCESS_ACCOUNT, .limit = LIMIT_DOMAINS,
	  .class = JOB_NAMES, .run = domain_get, ABSENT_DOMAIN },
	{ "POST", "/api/v1/domains/{}/verify", .access = ACCESS_ACCOUNT, .limit = LIMIT_DOMAINS,
	  .class = JOB_NAMES, .run = domain_verify, ABSENT_DOMAIN },
	{ "POST", "/api/v1/domains/{}/dkim/rotate", .access = ACCESS_ACCOUNT,
	  .limit = LIMIT_DOMAINS, .class = JOB_NAMES, .run = domain_rotate, ABSENT_DOMAIN },
	{ "DELETE", "/api/v1/domains/{}", .access = ACCESS_ACCOUNT, .run = domain_delete,
	  ABSENT_DOMAIN },

	{ "GET", "/api/v1/suppressions", .access = ACCESS_ACCOUNT, .run = suppression_list },
	{ "DELETE", "/api/v1/suppressions", .access = ACCESS_ACCOUNT,
	  .run = suppression_delete_asked, ABSENT_SUPPRESSION },
	{ "DELETE", "/api/v1/suppressions/{}", .access = ACCESS_ACCOUNT, .run = suppression_delete,
	  ABSENT_SUPPRESSION },

	{ "GET", "/api/v1/users/me/export", .access = ACCESS_ACCOUNT, .run = account_export,
	  .unauthorized = "authentication required" },
	{ "DELETE", "/api/v1/users/me", .access = ACCESS_ACCOUNT, .class = JOB_NAMES,
	  .run = account_delete, .unauthorized = "authentication required" },

	{ "GET", "/api/auth/login", .access = ACCESS_HANDLER, .class = JOB_NAMES,
	  .run = login_page },
	{ "POST", "/api/auth/login", .access = ACCESS_HANDLER, .limit = LIMIT_SIGN_IN,
	  .body_max = BODY_FORM, .run = login_ask },
	{ "GET", "/api/auth/link", .access = ACCESS_HANDLER, .run = login_link_page },
	{ "POST", "/api/auth/link", .access = ACCESS_HANDLER, .body_max = BODY_FORM,
	  .run = login_link_use },
	{ "POST", "/api/auth/key", .access = ACCESS_HANDLER, .limit = LIMIT_SIGN_IN,
	  .body_max = BODY_FORM, .run = login_by_key },
	{ "GET", "/api/auth/open", .access = ACCESS_PUBLIC, .run = login_open_page },
	{ "GET", "/api/auth/callback", .access = ACCESS_HANDLER, .limit = LIMIT_SIGN_IN,
	  .class = JOB_PROVIDER, .run = login_callback },
	{ "GET", "/api/auth/cli", .access = ACCESS_HANDLER, .run = login_consent_page },
	{ "POST", "/api/auth/cli", .access = ACCESS_PERSON, .body_max = BODY_FORM,
	  .run = login_consent },
	{ "POST", "/api/auth/logout", .access = ACCESS_HANDLER, .run = login_logout },
	{ "GET", "/api/auth/me", .access = ACCESS_SESSION, .run = login_me },
	{ "GET", "/dashboard", .access = ACCESS_HANDLER, .run = login_home },
	{ "GET", "/dashboard/pending", .access = ACCESS_HANDLER, .run = pending_list },
	{ "GET", "/dashboard/pending/review", .access = ACCESS_HANDLER, .run = pending_review },
	{ "POST", "/dashboard/pending/review", .access = ACCESS_HANDLER, .body_max = BODY_EDITS,
	  .run = pending_decide },
	{ "GET", "/dashboard/pending/content", .access = ACCESS_SESSION, .run = pending_content },

	{ "GET", "/api/v1/users/me/signing-secrets", .access = ACCESS_ACCOUNT, .run = secret_list,
	  UNKNOWN_USER },
	{ "POST", "/api/v1/users/me/signing-secrets", .access = ACCESS_ACCOUNT,
	  .body_max = BODY_64K, .run = secret_create, UNKNOWN_USER },
	{ "DELETE", "/api/v1/users/me/signing-secrets/{}", .access = ACCESS_ACCOUNT,
	  .run = secret_delete, UNKNOWN_USER, .denied_status = 404,
	  .denied = "signing secret not found or not owned by user" },
	{ "GET", "/api/v1/users/me/signing-keys", .access = ACCESS_ACCOUNT, .run = signing_key_list,
	  UNKNOWN_USER },
	{ "POST", "/api/v1/users/me/signing-keys", .access = ACCESS_ACCOUNT, .body_max = BODY_64K,
	  .run = signing_key_create, UNKNOWN_USER },
	{ "DELETE", "/api/v1/users/me/signing-keys/{}", .access = ACCESS_ACCOUNT,
	  .run = signing_key_delete, UNKNOWN_USER, .denied_status = 404,
	  .denied = "signing key not found or not owned by user" },

	{ "GET", "/api/keys", .access = ACCESS_PERSON, .run = key_list },
	{ "POST", "/api/keys", .access = ACCESS_PERSON, .body_max = BODY_64K, .run = key_create },
	{ "DELETE", "/api/keys/{}", .access = ACCESS_PERSON, .run = key_delete,
	  .denied_status = 404, .denied = "api key not found or not owned by user" },

	{ "GET", "/api/dashboard/agents", .access = ACCESS_SESSION, .run = dashboard_agents },
	{ "PUT", "/api/dashboard/agents/{}", .access = ACCESS_SESSION, .body_max = BODY_64K,
	  .class = JOB_NAMES, .run = dashboard_agent_put, NO_AGENT },
	{ "DELETE", "/api/dashboard/agents/{}", .access = ACCESS_SESSION, .class = JOB_NAMES,
	  .run = dashboard_agent_delete, NO_AGENT },
	{ "GET", "/api/dashboard/agents/{}/activity", .access = ACCESS_SESSION,
	  .run = dashboard_activity, NO_AGENT },
	{ 0 },
};

static bool path_matches(const char *pattern, const struct target *t,
			 struct slice param[ROUTE_PARAMS_MAX])
{
	struct slice rest = slice_str(pattern + 1), want;
	size_t i = 0, params = 0;

	for (; slice_cut(&rest, '/', &want); i++) {
		struct slice have = i < t->n ? t->segment[i] : slice_of(NULL, 0);

		if (!slice_eq(want, S("{}"))) {
			if (i >= t->n || !slice_eq(want, have))
				return false;
			continue;
		}
		if (have.n == 0 || slice_find(have, '/') >= 0)
			return false;
		param[params++] = have;
	}
	return i == t->n && !t->deep;
}

void route_find(struct slice method, const struct target *t, struct route_match *ret)
{
	*ret = (struct route_match){ 0 };
	for (const struct route *r = route_table; r->method; r++) {
		if (!path_matches(r->path, t, ret->param))
			continue;
		if (slice_eq(method, slice_str(r->method)) ||
		    slice_eq(slice_str(r->method), S("*"))) {
			ret->route = r;
			return;
		}
		ret->other_method = true;
	}
}

size_t route_largest_body(void)
{
	size_t most = 0;

	for (const struct route *r = route_table; r->method; r++)
		most = r->body_max > most ? r->body_max : most;
	return most;
}
