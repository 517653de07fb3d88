/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event streams (Server-Sent Events, WHATWG HTML 9.2): the unread mail of an agent, unless only
 * new mail is wanted, then whatever comes. The id of each event is a place from which another
 * stream goes on exactly. A stream holds one piece of events at most, and the next is made when
 * that is out.
 */
#include "apid/apid_metrics.h"
#include "apid/handlers.h"
#include "apid/message_watch.h"
#include "apid/notice.h"
#include "apid/page_query.h"
#include "common/base/clock.h"

#define EVENTS S("events")
#define RECONNECT_MS "2000"

enum {
	PAGE = 100,
	PIECE_BYTES = 64 * 1024, /* no event begins behind them */
	STORAGE_RETRY_MS = 5000,
	TOKEN_MAX = 2 * PAGE_TOKEN_MAX,
};

struct events {
	struct wait wait;
	struct watch watch;
	const struct app *app;
	struct slice user_id;
	bool only_new; /* without a place it begins now */
	bool begun;
	bool caught_up; /* the last page was all there was */
	bool rests;     /* ... and its piece is on its way: wait before the next look */
	int64_t beat_ms;
};

static void events_free(void *arg)
{
	struct events *s = arg;

	waits_leave(&s->wait);
	watch_release(&s->watch);
	free(s);
}

static void write_id(const struct events *s, const struct page_token *at, struct buf *piece)
{
	AUTO(buf_release) struct buf token = BUF_INIT(TOKEN_MAX);

	page_token_write(at, s->user_id, keys_get(s->app->keys, KEY_CURSOR), &token);
	buf_add_str(piece, "id: ");
	buf_add_slice(piece, buf_slice(&token));
	buf_add_char(piece, '\n');
}

static void write_event(struct events *s, size_t i, struct buf *piece)
{
	struct page_token behind = watch_behind(&s->watch, i);

	write_id(s, &behind, piece);
	buf_add_str(piece, "event: message\ndata: ");
	notice_write(&s->watch.v[i], piece);
	buf_add_str(piece, "\n\n");
	waits_tell(&s->wait, s->watch.v[i].id);
	metric_add(&apid_metrics[APID_EVENTS], 1);
}

/* Once, so that who reconnects before the first event misses nothing either. */
static void write_end_of_backlog(const struct events *s, struct buf *piece)
{
	write_id(s, &s->watch.at, piece);
	buf_add_char(piece, '\n');
}

/* What fits of a page; the rest is read again. */
static void write_page(struct events *s, bool backlog, struct buf *piece)
{
	struct watch *w = &s->watch;
	size_t i = 0;

	while (i < w->n && piece->len < PIECE_BYTES)
		write_event(s, i++, piece);
	if (i < w->n)
		watch_return(w, i - 1);
	s->caught_up = !w->more;
	if (s->caught_up && backlog)
		write_end_of_backlog(s, piece);
}

/* Before the first moment there is only what is unread; since then everything. */
static enum err read_page(struct events *s, struct db *db, struct buf *piece, struct fail *fail)
{
	struct watch *w = &s->watch;
	bool backlog = w->at.told.snapshot.n == 0;
	enum err e = OK;

	if (backlog && s->only_new)
		e = watch_skip(w, db, fail);
	w->page.filter = backlog && !s->only_new ? STORE_MESSAGE_UNREAD : STORE_MESSAGE_ALL;
	if (e == OK)
		e = watch_read(w, db, fail);
	if (e == OK)
		write_page(s, backlog, piece);
	return e;
}

static enum err look(struct events *s, struct db *db, struct buf *piece, struct fail *fail)
{
	enum err e = watch_check(&s->watch, db, fail);

	do {
		if (e == OK)
			e = read_page(s, db, piece, fail);
	} while (e == OK && !s->caught_up && piece->len < PIECE_BYTES / 2);
	return e;
}

/* The database is away: the stream stays, and looks again soon. */
static void sit_out(struct events *s, const struct fail *fail)
{
	waits_note_storage(s->app->waits, fail);
	s->caught_up = true;
	s->wait.until_ms = clock_mono_ms() + STORAGE_RETRY_MS;
}

/* Something every now and then, for proxies and for readers that wonder. */
static void keep_alive(struct events *s, struct buf *piece)
{
	int64_t now_ms = clock_mono_ms();

	if (piece->len == 0 && now_ms >= s->beat_ms)
		buf_add_str(piece, ":\n\n");
	if (piece->len)
		s->beat_ms = now_ms + s->app->settings->ws_ping_ms;
	s->wait.until_ms = s->beat_ms;
}

static void begin(struct events *s, struct buf *piece)
{
	if (!s->begun)
		buf_add_str(piece, "retry: " RECONNECT_MS "\n\n");
	s->begun = true;
}

static void make_piece(struct events *s, struct db *db, struct buf *piece, struct fail *fail)
{
	enum err e;

	begin(s, piece);
	e = look(s, db, piece, fail);
	s->wait.over = e == ERR_UNAUTHORIZED || e == ERR_NOT_FOUND;
	keep_alive(s, piece);
	if (e == OK)
		waits_note_storage(s->app->waits, NULL);
	else if (!s->wait.over)
		sit_out(s, fail);
}

/* A stream that is over ends behind what was made before. */
static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct events *s = arg;

	if (!s->rests && !s->wait.over)
		make_piece(s, db, piece, fail);
	s->rests = s->caught_up && piece->len > 0;
	return OK;
}

static struct events *events_new(struct req *r, const struct store_agent *agent,
				 const struct page_token *at)
{
	const struct store_message_page page = { .user_id = r->principal.user_id,
						 .agent = agent->email,
						 STORE_MESSAGE_ALL_TIME,
						 .limit = PAGE };
	struct events *s = mem_zalloc(sizeof(*s));

	s->wait.kind = WAITER_SSE;
	s->wait.unseen = r->principal.session;
	s->app = r->app;
	s->user_id = r->principal.user_id;
	s->only_new = target_query(&r->target, S("new")).n > 0;
	watch_init(&s->watch, &r->principal, agent, &page, at);
	return s;
}

void event_stream(struct req *r)
{
	struct store_agent agent;
	struct page_token at;
	struct events *s;

	if (!req_agent(r, &agent) ||
	    !page_query_text(r, r->field.last_event_id, EVENTS, agent.email, &at))
		return;
	at.filter = EVENTS;
	at.agent = agent.email;
	s = events_new(r, &agent, &at);
	if (waits_enter(r->app->waits, &s->wait, r->principal.user_id, &agent)) {
		resp_stream(&r->resp, 200, "text/event-stream",
			    &(struct resp_source){ .next = next_piece,
						   .free = events_free,
						   .arg = s,
						   .size = -1,
						   .wait = &s->wait });
		resp_header(&r->resp, "X-Accel-Buffering", S("no")); /* nginx */
		return;
	}
	events_free(s);
	resp_error(&r->resp, 503, "too many requests wait for mail");
}
