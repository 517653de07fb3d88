/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that holds the connection of `e2a listen`. It must neither give up on what may
 * pass nor hammer a server, and never lose what it was told: what does not fit into the queue
 * counts as not told, and comes again with the next connection.
 */
#include "cli/feed.h"

#include "cli/api.h"
#include "cli/backoff.h"
#include "cli/proxy.h"
#include "cli/say.h"
#include "cli/socket.h"
#include "common/base/clock.h"
#include "common/base/encode.h"
#include "common/base/weburl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
	STEADY_MS = 10 * 1000,   /* a connection that lasted so long was a good one, */
	FAIR_TRIES = 1,          /* and one that told something not a bad one */
	STOP_MS = 2000,          /* for the thread to end */
	REFUSAL_MAX = 64 * 1024, /* bytes of the answer that is read */
};

struct feed {
	struct feed_options o;
	struct notices *queue;
	struct socket *socket;
	struct api *api; /* asks what a refusal says */
	struct socket_target target;
	struct arena arena;
	const char *proxy;
	const char *plain_path, *token_path; /* without and with the key */
	size_t base_n;                       /* bytes of them that are the base URL's */
	struct backoff backoff;
	bool needs_token;    /* in the URL */
	bool told;           /* the connection told something */
	bool lost;           /* and said so: */
	enum socket_how how; /* because of this */
	unsigned status;
	atomic_bool stop;
	atomic_uint openings;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool full;        /* the queue was, and there is no room yet */
	bool ended;       /* the thread has nothing more to do */
	struct fail fail; /* code: how it ended */
};

/* ---- what it says ---- */

/*
 * libwebsockets does not give the body of a refusal, but the server says the same to a request
 * that is no upgrade.
 */
static enum err ask_why(struct feed *f, unsigned status, struct fail *fail)
{
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	const struct api_request q = { .path = f->target.path + f->base_n,
				       .answer_max = REFUSAL_MAX };

	if (api_send(f->api, &q, &answer, fail) == OK && answer.status == (int)status)
		return api_error(&answer, fail);
	answer.status = (int)status;
	buf_reset(&answer.body);
	return api_error(&answer, fail);
}

static void cause_of(struct feed *f, const struct socket_end *end, struct fail *ret)
{
	if (end->how == SOCKET_REFUSED && ask_why(f, end->status, ret))
		return;
	if (end->how == SOCKET_CLOSED && *end->what)
		fail_set(ret, ERR_NETWORK, "the server closed it: %s", end->what);
	else if (end->how == SOCKET_CLOSED)
		fail_set(ret, ERR_NETWORK, "the server closed it (code %u)", end->status);
	else if (end->how == SOCKET_BROKEN)
		fail_set(ret, ERR_NETWORK, "the server sent %s", end->what);
	else
		fail_set(ret, ERR_NETWORK, "%s", end->what);
}

static void say_lost(struct feed *f, const struct socket_end *end)
{
	struct fail fail = { 0 };

	if (f->lost && f->how == end->how && f->status == end->status)
		return;
	cause_of(f, end, &fail);
	if (atomic_load(&f->stop))
		return;
	if (end->opened)
		say("Connection lost: %s. Connecting again.", fail.what);
	else
		say("Not connected: %s. Trying again.", fail.what);
	f->lost = true;
	f->how = end->how;
	f->status = end->status;
}

/* ---- what the socket tells ---- */

static void on_opened(void *arg)
{
	struct feed *f = arg;
	unsigned before = atomic_fetch_add(&f->openings, 1);

	if (before == 0)
		say("Listening for mail to %s", f->o.agent);
	else if (f->lost)
		say("Connected again.");
	f->lost = false;
	notices_wake(f->queue);
}

/* False when there is room by now. */
static bool note_full(struct feed *f)
{
	bool full = notices_count(f->queue) > NOTICES_ROOM;

	pthread_mutex_lock(&f->lock);
	f->full = full;
	pthread_mutex_unlock(&f->lock);
	return full;
}

static enum socket_take on_text(void *arg, struct slice text, const char **ret_why)
{
	struct feed *f = arg;
	AUTO(doc_freep) struct doc *d = NULL;
	struct notice *n;

	*ret_why = "a frame that is no JSON object";
	if (doc_parse(text, &d) || !doc_is_object(d))
		return SOCKET_REJECT;
	n = notice_read(d);
	if (!n)
		return SOCKET_MORE; /* of a kind that this program does not know */
	f->told = true;
	notices_add(f->queue, n);
	if (notices_count(f->queue) < NOTICES_FULL || !note_full(f))
		return SOCKET_MORE;
	return SOCKET_PAUSE;
}

/* ---- again and again ---- */

static struct timespec in_ms(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000 * 1000000);
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void wait_ms(struct feed *f, int64_t ms)
{
	struct timespec until = in_ms(ms);

	pthread_mutex_lock(&f->lock);
	while (!atomic_load(&f->stop))
		if (pthread_cond_timedwait(&f->change, &f->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&f->lock);
}

static void wait_for_room(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	while (f->full && !atomic_load(&f->stop))
		pthread_cond_wait(&f->change, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

static void finish(struct feed *f, const struct socket_end *end)
{
	struct fail fail = { 0 };

	fail.code = ask_why(f, end->status, &fail);
	pthread_mutex_lock(&f->lock);
	f->fail = fail;
	pthread_mutex_unlock(&f->lock);
	notices_wake(f->queue);
}

/*
 * The key goes into a header field, where no log of a proxy has it. A server that looks for it
 * in the URL alone is asked once more like that.
 */
static bool try_token(struct feed *f, const struct socket_end *end)
{
	if (end->how != SOCKET_REFUSED || end->status != 401 || f->target.path == f->token_path)
		return false;
	f->target.path = f->token_path;
	return true;
}

/* One that took the key from the URL gets it there from now on, no other. */
static void note_token(struct feed *f, const struct socket_end *end)
{
	f->needs_token |= end->opened && f->target.path == f->token_path;
	if (!f->needs_token)
		f->target.path = f->plain_path;
}

static bool is_final(const struct socket_end *end)
{
	return end->how == SOCKET_REFUSED &&
	       (end->status == 401 || end->status == 403 || end->status == 404);
}

/* How soon to try again, by what became of the last try. */
static void judge(struct feed *f, const struct socket_end *end)
{
	if (end->open_ms >= STEADY_MS)
		backoff_reset(&f->backoff);
	else if (f->told && f->backoff.tries > FAIR_TRIES)
		f->backoff.tries = FAIR_TRIES;
	f->told = false;
}

static void listen_on(struct feed *f)
{
	struct socket_end end;

	while (!atomic_load(&f->stop)) {
		wait_for_room(f);
		socket_run(f->socket, &f->target, &end);
		if (end.how == SOCKET_STOPPED)
			break;
		if (end.how == SOCKET_PAUSED) {
			note_token(f, &end);
			continue;
		}
		if (try_token(f, &end))
			continue;
		if (is_final(&end)) {
			finish(f, &end);
			break;
		}
		judge(f, &end);
		say_lost(f, &end);
		note_token(f, &end);
		wait_ms(f, backoff_next(&f->backoff, 1000LL * end.retry_after_s));
	}
}

static void *run(void *arg)
{
	struct feed *f = arg;

	listen_on(f);
	pthread_mutex_lock(&f->lock);
	f->ended = true;
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- from outside ---- */

static void feed_release(struct feed *f)
{
	socket_free(f->socket);
	api_free(f->api);
	arena_release(&f->arena);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->change);
	free(f);
}

static void feed_releasep(struct feed **f)
{
	if (*f)
		feed_release(*f);
}

static void set_paths(struct feed *f, struct slice base)
{
	struct arena *a = &f->arena;
	const char *path = api_path(a, "/api/v1/agents/%s/ws", f->o.agent);
	const struct api_param token[] = { { "token", f->o.key }, { 0 } };

	f->base_n = base.n;
	f->plain_path = arena_printf(a, "%.*s%s", SLICE_ARGS(base), path);
	f->token_path = api_query(a, f->plain_path, token);
	f->target.path = f->plain_path;
	f->target.authorization = arena_printf(a, "Bearer %s", f->o.key);
}

/* The base URL taken apart; what stands behind the host comes before our paths. */
static enum err set_target(struct feed *f, struct fail *fail)
{
	struct slice url = slice_str(f->o.base_url), base, name;
	struct weburl u;
	enum err e = weburl_parse(url, &u, fail);
	size_t from = (size_t)(slice_search(url, S("://")) + 3);

	if (e)
		return e;
	name = slice_sub(url, from, url.n);
	base = slice_sub(url, from, url.n);
	slice_cut(&base, '/', &name);
	base = base.p ? slice_of(base.p - 1, base.n + 1) : S("");
	while (slice_ends(base, S("/")))
		base.n--;
	f->target.tls = u.https;
	f->target.host = arena_dup(&f->arena, u.host);
	f->target.port = u.port;
	f->proxy = proxy_for(&f->arena, &u);
	f->target.name = arena_dup(&f->arena, name);
	set_paths(f, base);
	return OK;
}

static void start_thread(struct feed *f)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&f->thread, NULL, run, f))
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void init_waits(struct feed *f)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->change, &attr);
	pthread_condattr_destroy(&attr);
}

enum err feed_start(const struct feed_options *o, struct notices *q, struct feed **ret,
		    struct fail *fail)
{
	AUTO(feed_releasep) struct feed *f = mem_zalloc(sizeof(*f));
	const struct socket_hooks hooks = { .arg = f, .opened = on_opened, .text = on_text };
	enum err e;

	f->o = (struct feed_options){ .base_url = arena_strdup(&f->arena, o->base_url),
				      .key = arena_strdup(&f->arena, o->key),
				      .agent = arena_strdup(&f->arena, o->agent),
				      .ping_ms = o->ping_ms };
	f->queue = q;
	init_waits(f);
	if (!slice_only(slice_str(o->key), "-._~+/=:"))
		return fail_set(fail, ERR_CONFIG, "the API key has characters that no key has");
	if ((e = set_target(f, fail)))
		return e;
	f->api = api_new(&(struct api_options){ .base_url = f->o.base_url, .key = f->o.key });
	f->socket = socket_new(f->target.tls, f->proxy, o->ping_ms, &hooks);
	start_thread(f);
	*ret = TAKE(f);
	return OK;
}

static bool wait_for_end(struct feed *f)
{
	struct timespec until = in_ms(STOP_MS);
	bool ended;

	pthread_mutex_lock(&f->lock);
	while (!f->ended)
		if (pthread_cond_timedwait(&f->change, &f->lock, &until) == ETIMEDOUT)
			break;
	ended = f->ended;
	pthread_mutex_unlock(&f->lock);
	return ended;
}

bool feed_stop(struct feed *f)
{
	if (!f)
		return true;
	pthread_mutex_lock(&f->lock);
	atomic_store(&f->stop, true);
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
	socket_stop(f->socket);
	if (!wait_for_end(f))
		return false;
	pthread_join(f->thread, NULL);
	feed_release(f);
	return true;
}

unsigned feed_openings(struct feed *f)
{
	return atomic_load(&f->openings);
}

enum err feed_state(struct feed *f, struct fail *fail)
{
	enum err e;

	pthread_mutex_lock(&f->lock);
	e = f->fail.code;
	if (e)
		*fail = f->fail;
	pthread_mutex_unlock(&f->lock);
	return e;
}

void feed_went_on(struct feed *f)
{
	bool room = false;

	pthread_mutex_lock(&f->lock);
	if (f->full && notices_count(f->queue) <= NOTICES_ROOM) {
		f->full = false;
		room = true;
		pthread_cond_broadcast(&f->change);
	}
	pthread_mutex_unlock(&f->lock);
	if (room)
		socket_resume(f->socket);
}
