/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits. A limit that cannot be counted refuses: it must never fail open. */
#include "apid/limit.h"

#include "apid/req.h"
#include "common/base/log.h"
#include "common/store/store_limit.h"

#include <assert.h>

#define EXCEEDED "rate limit exceeded \xe2\x80\x94 "

enum {
	MINUTE_MS = 60 * 1000,
	HOUR_MS = 60 * MINUTE_MS,
	DAY_MS = 24 * HOUR_MS,
	NAME_MAX_BYTES = 128
};

enum counted { BY_CLIENT, BY_USER, BY_NAME };

static const struct {
	const char *name; /* opens the names of its counters */
	enum counted by;
	size_t most; /* offset of the setting */
	int64_t window_ms;
	const char *of; /* what there is a number of; NULL: it is not told */
} limits[LIMIT_COUNT] = {
	[LIMIT_REGISTRATION] = { "registration", BY_CLIENT,
				 offsetof(struct settings, rate_registration), HOUR_MS, NULL },
	[LIMIT_FEEDBACK] = { "feedback", BY_CLIENT, offsetof(struct settings, rate_feedback),
			     HOUR_MS, "feedback submissions per hour" },
	[LIMIT_SIGN_IN] = { "sign_in", BY_CLIENT, offsetof(struct settings, rate_sign_in), HOUR_MS,
			    NULL },
	[LIMIT_POLL] = { "poll", BY_USER, offsetof(struct settings, rate_poll), MINUTE_MS,
			 "requests per minute" },
	[LIMIT_PAGES] = { "pages", BY_USER, offsetof(struct settings, rate_pages), MINUTE_MS,
			  "requests per minute" },
	[LIMIT_DOMAINS] = { "domains", BY_USER, offsetof(struct settings, rate_domains), MINUTE_MS,
			    "requests per minute" },
	[LIMIT_DELEGATIONS] = { "delegations", BY_USER, offsetof(struct settings, rate_delegations),
				HOUR_MS, "delegation requests per hour" },
	/* Over days: nobody shall be asked again and again. */
	[LIMIT_DELEGATION_MAILS] = { "delegation_mails", BY_NAME,
				     offsetof(struct settings, rate_delegation_mails), DAY_MS,
				     NULL },
	[LIMIT_DELEGATION_MAILS_ALL] = { "delegation_mails_all", BY_NAME,
					 offsetof(struct settings, rate_delegation_mails_all),
					 DAY_MS, NULL },
	[LIMIT_REVIEWERS] = { "reviewers", BY_USER, offsetof(struct settings, rate_reviewers),
			      HOUR_MS, "reviewer requests per hour" },
	[LIMIT_REVIEWER_MAILS] = { "reviewer_mails", BY_NAME,
				   offsetof(struct settings, rate_reviewer_mails), DAY_MS, NULL },
	[LIMIT_REVIEWER_MAILS_ALL] = { "reviewer_mails_all", BY_NAME,
				       offsetof(struct settings, rate_reviewer_mails_all), DAY_MS,
				       NULL },
	[LIMIT_SEND] = { "send", BY_NAME, offsetof(struct settings, rate_send), MINUTE_MS,
			 "sends per minute" },
};

static int64_t most_of(enum limit limit, const struct settings *s)
{
	int64_t most;

	memcpy(&most, (const char *)s + limits[limit].most, sizeof(most));
	return most;
}

bool limit_before_auth(enum limit limit)
{
	return limit != LIMIT_NONE && limits[limit].by == BY_CLIENT;
}

void limit_text(enum limit limit, const struct settings *s, struct buf *ret)
{
	buf_add_str(ret, EXCEEDED);
	if (limits[limit].of)
		buf_addf(ret, "max %lld %s", (long long)most_of(limit, s), limits[limit].of);
	else
		buf_add_str(ret, "try again later");
}

static enum err take(struct req *r, enum limit limit, struct slice who, int64_t *ret_wait_ms,
		     struct fail *fail)
{
	AUTO(buf_release) struct buf name = BUF_INIT(NAME_MAX_BYTES);

	buf_addf(&name, "%s:", limits[limit].name);
	buf_add_slice(&name, who);
	if (buf_failed(&name))
		return fail_set(fail, ERR_INTERNAL, "the name of a counter is too long");
	return store_limit_take(r->db, buf_slice(&name), most_of(limit, r->app->settings),
				limits[limit].window_ms, ret_wait_ms, fail);
}

/* Whom the limit counts. */
static struct slice subject(struct req *r, enum limit limit)
{
	struct netaddr group;
	char text[NETADDR_TEXT_MAX];

	assert(limits[limit].by != BY_NAME);
	if (limits[limit].by == BY_USER)
		return r->principal.user_id;
	client_addr_group(&r->client_ip, &group);
	client_addr_text(&group, text);
	return slice_str(arena_strdup(&r->arena, text));
}

static void refuse(struct req *r, enum limit limit, int64_t wait_ms)
{
	AUTO(buf_release) struct buf text = BUF_INIT(LIMIT_TEXT_MAX);

	limit_text(limit, r->app->settings, &text);
	resp_error(&r->resp, 429, buf_cstr(&text));
	r->resp.retry_after_s = (int)((wait_ms + 999) / 1000);
}

static bool admit(struct req *r, enum limit limit, struct slice who)
{
	struct fail fail = { 0 };
	int64_t wait_ms = 0;

	if (take(r, limit, who, &wait_ms, &fail))
		req_fail(r, &fail, "not available now, try again later");
	else if (wait_ms)
		refuse(r, limit, wait_ms);
	else
		return true;
	return false;
}

/* A person who looks on must not use up what the agents have. */
static enum limit limit_of(const struct req *r, enum limit limit)
{
	return limit == LIMIT_POLL && r->principal.session ? LIMIT_PAGES : limit;
}

bool limit_admit(struct req *r, enum limit limit)
{
	limit = limit_of(r, limit);
	return limit == LIMIT_NONE || admit(r, limit, subject(r, limit));
}

bool limit_admit_by(struct req *r, enum limit limit, struct slice name)
{
	char hash[SHA256_HEX_LEN + 1];

	crypto_sha256_hex(name, hash);
	return admit(r, limit, slice_str(hash));
}

bool limit_admit_name(struct req *r, enum limit limit, struct slice name)
{
	char hash[SHA256_HEX_LEN + 1];
	struct fail fail = { 0 };
	int64_t wait_ms = 0;

	crypto_sha256_hex(name, hash);
	if (take(r, limit, slice_str(hash), &wait_ms, &fail) == OK)
		return wait_ms == 0;
	log_error("limit_failed", LF_STR("request", r->id), LF_STR("limit", limits[limit].name),
		  LF_STR("detail", fail.what));
	return false;
}
