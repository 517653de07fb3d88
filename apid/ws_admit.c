/* SPDX-License-Identifier: Apache-2.0 */
/* Admission of WebSockets. A token or cookie is used here once and is kept nowhere. */
#include "apid/ws_admit.h"

#include "apid/peers.h"
#include "apid/server.h"
#include "apid/workers.h"
#include "apid/ws.h"
#include "common/mail/addr.h"
#include "common/store/store_message.h"

struct candidate {
	struct job job;
	const struct app *app;
	int fd;
	struct head head;
	struct arena arena;
	struct client_peer peer;
};

static enum ws_admission find_agent(struct db *db, struct slice name, struct arena *a,
				    const struct principal *p, struct store_agent *ret,
				    struct fail *fail)
{
	struct slice address;
	enum err e;

	if (addr_fold(name, a, &address) || !auth_reaches(p, address))
		return WS_NO_AGENT;
	e = store_agent_find(db, p->user_id, address, a, ret, fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		return WS_NO_AGENT;
	if (e)
		return WS_TROUBLE;
	return slice_eq(ret->agent_mode, S("local")) ? WS_ADMITTED : WS_NOT_LOCAL;
}

static enum ws_admission find_session(const struct app *app, struct db *db, const struct head *head,
				      struct arena *a, struct principal *ret, struct fail *fail)
{
	enum err e;

	if (!origin_is_own(&head->origin, slice_str(app->settings->public_url)))
		return WS_STRANGE_PAGE;
	e = auth_session(db, head->session, a, ret, fail);
	if (e == ERR_UNAUTHORIZED)
		return WS_NO_SESSION;
	return e ? WS_TROUBLE : WS_ADMITTED;
}

static enum ws_admission find_key(struct db *db, struct slice token, struct arena *a,
				  struct principal *ret, struct fail *fail)
{
	enum err e;

	if (token.n == 0)
		return WS_NO_TOKEN;
	e = auth_principal(db, token, a, ret, fail);
	if (e == ERR_UNAUTHORIZED)
		return WS_BAD_TOKEN;
	return e ? WS_TROUBLE : WS_ADMITTED;
}

enum ws_admission ws_admit(const struct app *app, struct db *db, const struct head *head,
			   struct arena *a, struct principal *ret_principal,
			   struct store_agent *ret_agent, struct fail *fail)
{
	enum ws_admission found = head->session.n
					  ? find_session(app, db, head, a, ret_principal, fail)
					  : find_key(db, head->token, a, ret_principal, fail);

	return found == WS_ADMITTED ? find_agent(db, head->agent, a, ret_principal, ret_agent, fail)
				    : found;
}

/* OK: the WebSocket thread has the socket. */
static enum err try_upgrade(struct candidate *c, struct db *db, struct fail *fail)
{
	struct ws_subscriber sub;
	struct principal p;
	struct store_agent agent;
	enum err e;

	if (ws_admit(c->app, db, &c->head, &c->arena, &p, &agent, fail) != WS_ADMITTED)
		return ERR_UNAUTHORIZED;
	sub = (struct ws_subscriber){ .key_id = p.key_id,
				      .session_hash = auth_account(&p).session_hash,
				      .user_id = p.user_id,
				      .email = agent.email,
				      .address = agent.address,
				      .only_new = c->head.only_new };
	e = store_message_clock(db, &sub.live_us, fail);
	return e ? e : ws_adopt(c->app->ws, c->fd, &sub);
}

static void admit_job(struct job *job, struct db *db)
{
	struct candidate *c = (struct candidate *)job;
	struct fail fail = { 0 };

	/* The HTTP server finds the reason again and answers with it; trouble is logged there. */
	if (try_upgrade(c, db, &fail))
		server_add(c->app->server, c->fd, &c->peer);
	else
		peers_leave(c->app->peers, &c->peer); /* it is no HTTP connection any more */
	arena_release(&c->arena);
	free(c);
}

static void copy_head(struct head *to, const struct head *from, struct arena *a)
{
	*to = (struct head){
		.agent = arena_slice(a, from->agent),
		.token = arena_slice(a, from->token),
		.session = arena_slice(a, from->session),
		.only_new = from->only_new,
		.origin = { .sec_fetch_site = arena_slice(a, from->origin.sec_fetch_site),
			    .origin = arena_slice(a, from->origin.origin),
			    .host = arena_slice(a, from->origin.host) },
	};
}

bool ws_admit_socket(const struct app *app, int fd, const struct head *head,
		     const struct client_peer *peer)
{
	struct candidate *c = mem_zalloc(sizeof(*c));

	c->job.run = admit_job;
	c->app = app;
	c->fd = fd;
	c->peer = *peer;
	copy_head(&c->head, head, &c->arena);
	if (workers_post(app->workers, &c->job, JOB_REQUEST))
		return true;
	arena_release(&c->arena);
	free(c);
	return false;
}
