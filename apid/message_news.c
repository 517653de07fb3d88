/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long polls. While a request waits, the answer for the case that nothing comes stands
 * already: whatever goes wrong then, that is true, and its cursor misses nothing.
 */
#include "apid/message_news.h"

#include "apid/message_page.h"
#include "apid/message_watch.h"
#include "common/base/clock.h"

static void free_watch(void *arg)
{
	struct watch *w = arg;

	watch_release(w);
	free(w);
}

/* True when a page was read that is worth an answer at once, and when none could be read. */
static bool answer(struct req *r, struct watch *w)
{
	struct fail fail = { 0 };

	if (watch_read(w, r->db, &fail)) {
		req_fail(r, &fail, "failed to fetch messages");
		return true;
	}
	message_page_write(r, w->v, w->n, w->more ? &w->at : NULL, &w->at);
	return w->n || w->more;
}

/* Meanwhile the key may have been revoked, and the agent deleted. */
static bool may_go_on(struct req *r, const struct watch *w)
{
	struct fail fail = { 0 };
	enum err e = watch_check(w, r->db, &fail);

	if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401,
			   r->route->unauthorized ? r->route->unauthorized : "unauthorized");
	else if (e == ERR_NOT_FOUND)
		req_deny(r);
	else if (e)
		req_fail(r, &fail, "failed to fetch messages");
	return e == OK;
}

static void look_again(struct req *r)
{
	struct watch *w = r->wait.arg;

	if (!may_go_on(r, w) || answer(r, w))
		r->wait.again = NULL;
}

void message_news(struct req *r, const struct store_agent *agent, struct slice list,
		  const struct store_message_page *page, const struct page_token *token,
		  int64_t wait_ms)
{
	struct page_token at = *token;
	struct watch *w;

	r->wait.place.kind = WAITER_POLL;
	r->wait.place.unseen = r->principal.session;
	if (wait_ms && !waits_enter(r->app->waits, &r->wait.place, r->principal.user_id, agent)) {
		resp_error(&r->resp, 503, "too many requests wait for mail");
		return;
	}
	at.filter = list;
	at.agent = agent->email;
	w = mem_zalloc(sizeof(*w));
	watch_init(w, &r->principal, agent, page, &at);
	r->wait.arg = w;
	r->wait.free = free_watch;
	r->wait.place.until_ms = clock_mono_ms() + wait_ms;
	if (!answer(r, w) && wait_ms)
		r->wait.again = look_again;
}
