/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page lies between two moments. It is never read further than to the moment that was taken
 * before it: what becomes visible meanwhile belongs to the next one.
 */
#include "apid/message_watch.h"

#include "common/store/store_key.h"
#include "common/store/store_session.h"

void watch_init(struct watch *w, const struct principal *principal, const struct store_agent *agent,
		const struct store_message_page *page, const struct page_token *at)
{
	*w = (struct watch){
		.principal = principal, .address = agent->address, .page = *page, .at = *at
	};
}

void watch_release(struct watch *w)
{
	arena_release(&w->arena);
}

static enum err check_credential(const struct principal *p, struct db *db, struct arena *a,
				 struct fail *fail)
{
	struct store_session session;

	return p->session ? store_session_find(db, p->session_hash, a, &session, fail)
			  : store_key_check(db, p->key_id, fail);
}

enum err watch_check(const struct watch *w, struct db *db, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_agent agent;
	enum err e = check_credential(w->principal, db, &a, fail);

	if (e == OK)
		e = store_agent_find(db, w->page.user_id, w->address, &a, &agent, fail);
	return e == ERR_INPUT ? ERR_NOT_FOUND : e;
}

static void copy_moment(struct store_moment *m, struct arena *a)
{
	m->snapshot = arena_slice(a, m->snapshot);
}

/* With an empty id it begins where it has been told everything. */
static void set_place(struct watch *w, const struct store_message_next *next)
{
	bool more = next->more;

	w->more = more;
	w->at.created_us = next->key.created_us;
	w->at.id = next->key.id;
	w->at.told = more ? w->told : w->upto;
	w->at.upto = more ? w->upto : (struct store_moment){ 0 };
}

/* The place of a page that could not be read must stay: its texts are of the old arena. */
static enum err read_into(struct watch *w, struct db *db, struct arena *fresh, struct fail *fail)
{
	struct store_message_page page = w->page;
	struct store_message_next next;
	enum err e = OK;

	page.after = (struct store_message_key){ w->at.created_us, w->at.id };
	page.told = w->at.told;
	page.upto = w->at.upto;
	if (page.upto.snapshot.n == 0)
		e = store_moment_now(db, fresh, &page.upto, fail);
	if (e == OK)
		e = store_message_list(db, &page, fresh, &w->v, &w->n, &next, fail);
	if (e)
		return e;
	copy_moment(&page.told, fresh);
	copy_moment(&page.upto, fresh);
	w->told = page.told;
	w->upto = page.upto;
	set_place(w, &next);
	return OK;
}

enum err watch_read(struct watch *w, struct db *db, struct fail *fail)
{
	AUTO(arena_release) struct arena other = ARENA_INIT;
	struct arena old = w->arena;
	enum err e = read_into(w, db, &other, fail);

	if (e == OK) {
		w->arena = other;
		other = old;
	}
	return e;
}

enum err watch_skip(struct watch *w, struct db *db, struct fail *fail)
{
	return store_moment_now(db, &w->arena, &w->at.told, fail);
}

struct page_token watch_behind(const struct watch *w, size_t i)
{
	struct page_token t = w->at;

	t.created_us = w->v[i].created_us;
	t.id = w->v[i].id;
	t.told = w->told;
	t.upto = w->upto;
	return t;
}

void watch_return(struct watch *w, size_t i)
{
	w->at = watch_behind(w, i);
	w->more = true;
}
