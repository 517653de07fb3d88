/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of message lists. A parameter without a value is as if it were not there. */
#include "apid/message_query.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/encode.h"
#include "common/base/utf8.h"

enum { LIST_NAME_MAX = 100 };

static const struct {
	struct slice name;
	enum store_message_filter filter;
} statuses[] = {
	{ SLICE_INIT("unread"), STORE_MESSAGE_UNREAD },
	{ SLICE_INIT("read"), STORE_MESSAGE_READ },
	{ SLICE_INIT("all"), STORE_MESSAGE_ALL },
};

/* Parameters beside status, in the order in which a token is bound to them. */
static const struct slice names[] = {
	SLICE_INIT("sort"),
	SLICE_INIT("from"),
	SLICE_INIT("subject_contains"),
	SLICE_INIT("conversation_id"),
	SLICE_INIT("since"),
	SLICE_INIT("until"),
};

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool read_status(struct req *r, struct store_message_page *ret, struct slice *ret_name)
{
	struct slice name = target_query(&r->target, S("status"));

	*ret_name = name.n ? name : S("unread");
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (slice_eq(*ret_name, statuses[i].name)) {
			ret->filter = statuses[i].filter;
			return true;
		}
	return bad(r, "status must be 'unread', 'read', or 'all'");
}

static bool read_sort(struct req *r, struct store_message_page *ret)
{
	struct slice sort = target_query(&r->target, S("sort"));

	ret->newest_first = slice_eq(sort, S("desc"));
	if (sort.n == 0 || ret->newest_first || slice_eq(sort, S("asc")))
		return true;
	return bad(r, "sort must be 'asc' or 'desc'");
}

/* Text that a column could hold. */
static bool read_text(struct req *r, const char *name, size_t max, size_t (*count)(struct slice),
		      struct slice *ret)
{
	*ret = target_query(&r->target, slice_str(name));
	if (utf8_valid(*ret) && slice_find(*ret, '\0') < 0 && count(*ret) <= max)
		return true;
	resp_errorf(&r->resp, 400, "%s must be text of at most %zu %s", name, max,
		    count == utf8_count ? "characters" : "bytes");
	return false;
}

static size_t count_bytes(struct slice s)
{
	return s.n;
}

static bool read_time(struct req *r, const char *name, int64_t *ret_us)
{
	struct slice text = target_query(&r->target, slice_str(name));

	if (text.n == 0 || clock_parse_rfc3339(text, ret_us) == OK)
		return true;
	resp_errorf(&r->resp, 400, "%s must be an RFC 3339 timestamp", name);
	return false;
}

/* The status alone, or with a hash of everything else that was asked for. */
static struct slice name_list(struct req *r, struct slice status)
{
	AUTO(buf_release) struct buf all = BUF_INIT(4 * QUERY_TEXT_MAX * ARRAY_LEN(names) + 4096);
	AUTO(buf_release) struct buf name = BUF_INIT(LIST_NAME_MAX);
	uint8_t hash[SHA256_LEN];
	size_t given = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct slice value = target_query(&r->target, names[i]);

		given += value.n;
		buf_addf(&all, "%zu:", value.n);
		buf_add_slice(&all, value);
	}
	if (given == 0)
		return status;
	crypto_sha256(buf_slice(&all), hash);
	buf_add_slice(&name, status);
	buf_add_char(&name, ':');
	base64url_encode(slice_of((const char *)hash, sizeof(hash)), &name);
	return arena_slice(&r->arena, buf_slice(&name));
}

bool message_query_filters(struct req *r, struct store_message_page *ret, struct slice *ret_list)
{
	struct slice status;

	ret->since_us = INT64_MIN;
	ret->until_us = INT64_MAX;
	ret->limit = page_query_size(r);
	if (!read_status(r, ret, &status) || !read_sort(r, ret) ||
	    !read_text(r, "from", QUERY_TEXT_MAX, utf8_count, &ret->from) ||
	    !read_text(r, "subject_contains", QUERY_TEXT_MAX, utf8_count, &ret->subject) ||
	    !read_text(r, "conversation_id", QUERY_CONVERSATION_MAX, count_bytes,
		       &ret->conversation_id) ||
	    !read_time(r, "since", &ret->since_us) || !read_time(r, "until", &ret->until_us))
		return false;
	*ret_list = name_list(r, status);
	return true;
}

bool message_query_wait(struct req *r, const struct store_message_page *page,
			struct message_wait *ret)
{
	struct slice text = target_query(&r->target, S("wait"));
	uint64_t seconds = 0;

	*ret = (struct message_wait){ .given = text.n > 0 };
	if (!ret->given)
		return true;
	if (slice_to_u64(text, INT32_MAX, &seconds))
		return bad(r, "wait must be a number of seconds");
	if (page->newest_first || page->filter == STORE_MESSAGE_READ)
		return bad(r, "wait is not possible with sort=desc or status=read");
	ret->ms = 1000 * (int64_t)(seconds < QUERY_WAIT_MAX_S ? seconds : QUERY_WAIT_MAX_S);
	return true;
}

void message_query_one(struct req *r, bool peek,
		       enum err (*show)(struct req *r, const struct store_message_read *what,
					struct fail *fail),
		       const char *failed)
{
	struct store_agent agent;
	struct fail fail = { 0 };
	struct store_message_read what = {
		.user_id = r->principal.user_id,
		.id = r->param[1],
		.peek = peek,
		.head_max = STORED_MAIL_HEAD,
	};
	enum err e;

	if (!req_agent(r, &agent))
		return;
	what.agent = agent.email;
	e = show(r, &what, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, failed);
}
