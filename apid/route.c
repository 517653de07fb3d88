/* SPDX-License-Identifier: Apache-2.0 */
/* Routes. What is not in this table does not exist. */
#include "apid/route.h"

#include "apid/handlers.h"

enum { NO_BODY = 0, BODY_64K = 64 * 1024 };

#define ABSENT_PAGE 404, "404 page not found"
#define ABSENT_AGENT 404, "agent not found: agent not found"

const struct route route_table[] = {
	{ "GET", "/api/health", ACCESS_PUBLIC, NO_BODY, JOB_REQUEST, health_get, ABSENT_PAGE },
	{ "HEAD", "/api/health", ACCESS_PUBLIC, NO_BODY, JOB_REQUEST, health_get, ABSENT_PAGE },
	{ "GET", "/api/v1/info", ACCESS_PUBLIC, NO_BODY, JOB_REQUEST, info_get, ABSENT_PAGE },
	{ "GET", "/api/v1/agents", ACCESS_ACCOUNT, NO_BODY, JOB_REQUEST, agent_list, ABSENT_PAGE },
	{ "POST", "/api/v1/agents", ACCESS_HANDLER, BODY_64K, JOB_NAMES, agent_create,
	  ABSENT_PAGE },
	{ "GET", "/api/v1/agents/{}", ACCESS_AGENT, NO_BODY, JOB_REQUEST, agent_get, 403,
	  "forbidden" },
	{ "GET", "/api/v1/agents/{}/messages", ACCESS_AGENT, NO_BODY, JOB_REQUEST, message_list,
	  ABSENT_AGENT },
	{ "GET", "/api/v1/agents/{}/messages/{}", ACCESS_AGENT, NO_BODY, JOB_REQUEST, message_get,
	  ABSENT_AGENT },
	{ "*", "/api/v1/agents/{}/ws", ACCESS_HANDLER, NO_BODY, JOB_REQUEST, ws_refuse,
	  ABSENT_PAGE },
	{ "GET", "/api/v1/domains", ACCESS_ACCOUNT, NO_BODY, JOB_REQUEST, domain_list,
	  ABSENT_PAGE },
	{ "POST", "/api/v1/domains", ACCESS_ACCOUNT, BODY_64K, JOB_REQUEST, domain_create,
	  ABSENT_PAGE },
	{ "POST", "/api/v1/domains/{}/verify", ACCESS_ACCOUNT, NO_BODY, JOB_NAMES, domain_verify,
	  404, "domain not found" },
	{ "DELETE", "/api/v1/domains/{}", ACCESS_ACCOUNT, NO_BODY, JOB_REQUEST, domain_delete, 404,
	  "domain not found" },
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
