/* SPDX-License-Identifier: Apache-2.0 */
/* Page size and page token. A parameter without a value is as if it were not there. */
#include "apid/page_query.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 100 };

#define START_ANEW " \xe2\x80\x94 start a new query without a token"

static bool refuse(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static int64_t size_or(const struct req *r, int64_t otherwise)
{
	uint64_t n;

	if (slice_to_u64(target_query(&r->target, S("page_size")), INT32_MAX, &n) || n == 0)
		return otherwise;
	return n > PAGE_MAX ? PAGE_MAX : (int64_t)n;
}

int64_t page_query_size(const struct req *r)
{
	return size_or(r, PAGE_DEFAULT);
}

int64_t page_query_size_or_all(const struct req *r)
{
	return size_or(r, PAGE_MAX);
}

bool page_query_token(struct req *r, struct slice list, struct slice agent, struct page_token *ret)
{
	return page_query_text(r, target_query(&r->target, S("token")), list, agent, ret);
}

bool page_query_text(struct req *r, struct slice text, struct slice list, struct slice agent,
		     struct page_token *ret)
{
	*ret = (struct page_token){ 0 };
	if (text.n == 0)
		return true;
	if (page_token_read(text, r->principal.user_id, keys_get(r->app->keys, KEY_CURSOR),
			    &r->arena, ret))
		return refuse(r, "invalid pagination token");
	if (!slice_eq(ret->filter, list))
		return refuse(r, "token was created with different filters" START_ANEW);
	if (!slice_eq(ret->agent, agent))
		return refuse(r, "token was created for a different agent" START_ANEW);
	return true;
}

void page_query_write(struct req *r, const char *key, const struct page_token *t)
{
	AUTO(buf_release) struct buf token = BUF_INIT(2 * PAGE_TOKEN_MAX);

	page_token_write(t, r->principal.user_id, keys_get(r->app->keys, KEY_CURSOR), &token);
	jsonw_key_text(&r->resp.json, key, buf_slice(&token));
}

void page_query_next(struct req *r, const struct page_token *next)
{
	page_query_write(r, "next_token", next);
}
