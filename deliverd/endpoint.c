/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines, users and hosts. Whoever cannot be called is in no list that is looked through: a user
 * at his cap leaves the ring, an endpoint whose host is full waits with that host, and a line that
 * may not go on is cleared. So the next job costs the same however many there are.
 */
#include "deliverd/endpoint.h"

#include "common/base/weburl.h"

#include <assert.h>

enum {
	SLOW_MS = 1000,
	LINE_MIN = 100,  /* jobs that may stand in one line, at least */
	LINE_FACTOR = 2, /* ... or so many for each call that may be under way */
	TIGHT_SHARE = 4, /* of the room for waiting jobs: for those that do not get on */
	BUCKETS = 1024,
	BLOCKED_MAX = 1000,
};

TAILQ_HEAD(endpoint_list, endpoint);

/* A user or a host. */
struct party {
	struct party *next; /* in its bucket */
	char *name;
	size_t endpoints; /* that hold it */
	size_t active, cap;
	int64_t started_ms;        /* the last call */
	size_t waiting;            /* a user's jobs in line */
	struct endpoint_list list; /* a user's that may be called; those that wait for a host */
	bool in_ring;
	TAILQ_ENTRY(party) ring;
};

/* Not to be called, or in the list of its user, of its host, or of those held back. */
enum place { NOWHERE, READY, PARKED, HELD };

struct endpoint {
	struct endpoint *next; /* in its bucket */
	char *url;
	char *agent;
	struct party *user, *host;
	struct webhook_jobs line, calls; /* by message id; oldest first */
	struct webhook_jobs unposted;    /* of the calls */
	size_t waiting, active;
	size_t failures; /* in a row, of those seen here */
	bool proven;     /* the last call went well */
	bool shut;       /* nobody stands in line until a call goes well */
	bool blocked;
	enum place place;
	TAILQ_ENTRY(endpoint) link; /* by place */
	TAILQ_ENTRY(endpoint) blocked_link;
};

struct endpoints {
	struct endpoint_caps caps;
	struct party *users[BUCKETS], *hosts[BUCKETS];
	struct endpoint *endpoints[BUCKETS];
	TAILQ_HEAD(, party) ring; /* users with somebody to call */
	struct endpoint_list held, blocked;
	size_t blocked_n;
	struct webhook_jobs out;
	size_t waiting, active;
	bool unblocked;
};

/* ---- the parties ---- */

/* FNV-1a. Who finds names with one hash makes a list of the jobs in memory at worst. */
static size_t bucket_of(struct slice name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 16777619u;
	return h % BUCKETS;
}

static struct party *party_get(struct party **buckets, struct slice name, size_t cap)
{
	struct party **bucket = &buckets[bucket_of(name)], *p = *bucket;

	while (p && !slice_eq(slice_str(p->name), name))
		p = p->next;
	if (!p) {
		p = mem_zalloc(sizeof(*p));
		p->name = mem_dup(name.p, name.n);
		p->cap = cap;
		TAILQ_INIT(&p->list);
		p->next = *bucket;
		*bucket = p;
	}
	p->endpoints++;
	return p;
}

static void party_put(struct party **buckets, struct party *p)
{
	struct party **link = &buckets[bucket_of(slice_str(p->name))];

	if (--p->endpoints)
		return;
	assert(!p->active && !p->in_ring);
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	free(p->name);
	free(p);
}

/* Scheme, host and port; all unreadable URLs share one. */
static char *origin_of(struct slice text)
{
	AUTO(buf_release) struct buf b = BUF_INIT(WEBURL_MAX);
	struct weburl u;

	if (weburl_parse(text, &u, NULL))
		return mem_strdup("");
	buf_addf(&b, "%s://%.*s:%u", u.https ? "https" : "http", SLICE_ARGS(u.host), u.port);
	for (size_t i = 0; i < b.len; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			b.p[i] = (char)(b.p[i] | 0x20);
	return buf_take(&b);
}

static bool is_for(const struct endpoint *e, const struct webhook_job *j)
{
	return slice_eq(slice_str(e->agent), j->agent_email) && strcmp(e->url, j->url) == 0;
}

static struct endpoint *find(struct endpoints *all, const struct webhook_job *j)
{
	struct endpoint **bucket = &all->endpoints[bucket_of(j->agent_email)], *e = *bucket;
	AUTO(mem_freep) char *origin = NULL;

	while (e && !is_for(e, j))
		e = e->next;
	if (e)
		return e;
	origin = origin_of(slice_str(j->url));
	e = mem_zalloc(sizeof(*e));
	e->url = mem_strdup(j->url);
	e->agent = mem_dup(j->agent_email.p, j->agent_email.n);
	e->user = party_get(all->users, j->row.user_id, all->caps.per_user);
	e->host = party_get(all->hosts, slice_str(origin), all->caps.per_host);
	TAILQ_INIT(&e->line);
	TAILQ_INIT(&e->calls);
	TAILQ_INIT(&e->unposted);
	e->next = *bucket;
	*bucket = e;
	return e;
}

/* ---- where an endpoint is ---- */

static void ring_fit(struct endpoints *all, struct party *user)
{
	bool wanted = user->active < user->cap && !TAILQ_EMPTY(&user->list);

	if (wanted == user->in_ring)
		return;
	if (wanted)
		TAILQ_INSERT_TAIL(&all->ring, user, ring);
	else
		TAILQ_REMOVE(&all->ring, user, ring);
	user->in_ring = wanted;
}

static struct endpoint_list *list_of(struct endpoints *all, struct endpoint *e)
{
	switch (e->place) {
	case READY:
		return &e->user->list;
	case PARKED:
		return &e->host->list;
	case HELD:
		return &all->held;
	default:
		return NULL;
	}
}

static void move(struct endpoints *all, struct endpoint *e, enum place place)
{
	struct endpoint_list *from = list_of(all, e), *to;

	if (from)
		TAILQ_REMOVE(from, e, link);
	e->place = place;
	to = list_of(all, e);
	if (to)
		TAILQ_INSERT_TAIL(to, e, link);
	ring_fit(all, e->user);
}

/* To where its next call is looked for, if it may have one. */
static void settle(struct endpoints *all, struct endpoint *e)
{
	bool wanted = e->waiting && e->active < all->caps.per_endpoint;

	if (!wanted)
		move(all, e, NOWHERE);
	else if (e->place == NOWHERE)
		move(all, e, READY);
	ring_fit(all, e->user);
}

/* A call of the host less: the first that can make use of it goes on. */
static void unpark(struct endpoints *all, struct party *host)
{
	struct endpoint *e;
	bool useful = false;

	while (!useful && (e = TAILQ_FIRST(&host->list))) {
		move(all, e, READY);
		useful = e->user->in_ring;
	}
}

static void block(struct endpoints *all, struct endpoint *e)
{
	if (e->blocked || all->blocked_n == BLOCKED_MAX)
		return;
	e->blocked = true;
	all->blocked_n++;
	TAILQ_INSERT_TAIL(&all->blocked, e, blocked_link);
}

static void unblock(struct endpoints *all, struct endpoint *e)
{
	if (!e->blocked)
		return;
	e->blocked = false;
	all->blocked_n--;
	all->unblocked = true;
	TAILQ_REMOVE(&all->blocked, e, blocked_link);
}

/* Forgets an endpoint without jobs. */
static void leave(struct endpoints *all, struct endpoint *e)
{
	struct endpoint **link = &all->endpoints[bucket_of(slice_str(e->agent))];

	if (e->waiting || e->active)
		return;
	unblock(all, e);
	move(all, e, NOWHERE);
	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	party_put(all->users, e->user);
	party_put(all->hosts, e->host);
	free(e->url);
	free(e->agent);
	free(e);
}

/* ---- who may ---- */

static bool slow(const struct endpoint *e, int64_t now_ms)
{
	const struct webhook_job *oldest = TAILQ_FIRST(&e->calls);

	return oldest && now_ms - oldest->started_ms >= SLOW_MS;
}

static bool half_full(size_t active, size_t cap)
{
	return active >= cap / 2;
}

/* Is what is left for those that are quick? */
static bool pressed(const struct endpoints *all, const struct endpoint *e)
{
	return half_full(all->active, all->caps.all) || half_full(e->user->active, e->user->cap) ||
	       half_full(e->host->active, e->host->cap);
}

static bool full(const struct party *p)
{
	return p->active >= p->cap;
}

/* It is not full for a moment only: its calls do not end. */
static bool stuck(const struct party *p, int64_t now_ms)
{
	return full(p) && now_ms - p->started_ms >= SLOW_MS;
}

/* The rest of the room is for other users. */
static bool crowded(const struct endpoints *all, const struct party *user)
{
	return user->waiting >= all->caps.waiting - all->caps.waiting / TIGHT_SHARE;
}

static bool line_full(const struct endpoints *all, const struct endpoint *e)
{
	size_t max = LINE_FACTOR * all->caps.per_endpoint;

	return e->waiting >= (max < LINE_MIN ? LINE_MIN : max);
}

static bool may_wait(const struct endpoints *all, const struct endpoint *e, int64_t now_ms)
{
	bool tight = all->waiting >= all->caps.waiting / TIGHT_SHARE;

	if (e->shut || line_full(all, e))
		return false;
	if (slow(e, now_ms) && (tight || pressed(all, e)))
		return false;
	return !tight ||
	       (!stuck(e->user, now_ms) && !stuck(e->host, now_ms) && !crowded(all, e->user));
}

/* ---- lines ---- */

static int order(struct slice a, struct slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static void line_up(struct endpoints *all, struct endpoint *e, struct webhook_job *j)
{
	struct webhook_job *before = TAILQ_LAST(&e->line, webhook_jobs);

	while (before && order(before->message_id, j->message_id) > 0)
		before = TAILQ_PREV(before, webhook_jobs, link);
	if (before)
		TAILQ_INSERT_AFTER(&e->line, before, j, link);
	else
		TAILQ_INSERT_HEAD(&e->line, j, link);
	j->endpoint = e;
	e->waiting++;
	e->user->waiting++;
	all->waiting++;
}

static struct webhook_job *line_pop(struct endpoints *all, struct endpoint *e)
{
	struct webhook_job *j = TAILQ_FIRST(&e->line);

	TAILQ_REMOVE(&e->line, j, link);
	e->waiting--;
	e->user->waiting--;
	all->waiting--;
	return j;
}

static void sort_out(struct endpoints *all, struct endpoint *e)
{
	while (e->waiting) {
		struct webhook_job *j = line_pop(all, e);

		j->endpoint = NULL;
		TAILQ_INSERT_TAIL(&all->out, j, link);
	}
	settle(all, e);
}

bool endpoints_add(struct endpoints *all, struct webhook_job *j, int64_t now_ms)
{
	struct endpoint *e = find(all, j);
	bool may = may_wait(all, e, now_ms), unblocked = all->unblocked;

	if (may) {
		line_up(all, e, j);
		settle(all, e);
	} else {
		block(all, e);
		leave(all, e);
		all->unblocked = unblocked; /* no place for others was made by that */
	}
	return may;
}

static struct webhook_job *start(struct endpoints *all, struct endpoint *e, int64_t now_ms)
{
	struct webhook_job *j = line_pop(all, e);

	TAILQ_INSERT_TAIL(&e->calls, j, link);
	TAILQ_INSERT_TAIL(&e->unposted, j, turn);
	j->started_ms = e->user->started_ms = e->host->started_ms = now_ms;
	e->active++;
	e->user->active++;
	e->host->active++;
	all->active++;
	if (!e->shut && e->waiting < LINE_MIN / 2)
		unblock(all, e);
	move(all, e, NOWHERE);
	if (e->user->in_ring) { /* to the end of it */
		TAILQ_REMOVE(&all->ring, e->user, ring);
		e->user->in_ring = false;
	}
	settle(all, e);
	return j;
}

/* No jobs for it for now. */
static void clear(struct endpoints *all, struct endpoint *e)
{
	block(all, e);
	sort_out(all, e);
}

/* It has no use for its turn: whoever waits for the same host gets it. */
static void pass(struct endpoints *all, struct endpoint *e, enum place place)
{
	if (place == HELD)
		move(all, e, HELD);
	else
		clear(all, e);
	if (!full(e->host))
		unpark(all, e->host);
}

struct webhook_job *endpoints_start(struct endpoints *all, int64_t now_ms)
{
	struct party *user;

	while (all->active < all->caps.all && (user = TAILQ_FIRST(&all->ring))) {
		struct endpoint *e = TAILQ_FIRST(&user->list);
		bool more = e->active && pressed(all, e); /* than it may have, unless it is quick */

		if (more && slow(e, now_ms))
			pass(all, e, NOWHERE);
		else if (more && !e->proven)
			pass(all, e, HELD);
		else if (full(e->host))
			move(all, e, PARKED);
		else
			return start(all, e, now_ms);
	}
	return NULL;
}

void endpoints_look(struct endpoints *all, int64_t now_ms)
{
	struct endpoint *e, *next;

	for (e = TAILQ_FIRST(&all->held); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (slow(e, now_ms))
			clear(all, e);
	}
}

void endpoint_prepared(struct webhook_job *j, struct webhook_jobs *ret)
{
	struct endpoint *e = j->endpoint;

	j->prepared = true;
	while ((j = TAILQ_FIRST(&e->unposted)) && j->prepared) {
		TAILQ_REMOVE(&e->unposted, j, turn);
		j->posted = true;
		TAILQ_INSERT_TAIL(ret, j, turn);
	}
}

static void judge(struct endpoint *e, size_t failures_max, enum call_end how)
{
	if (how == CALL_NOT_MADE)
		return;
	e->proven = how == CALL_DELIVERED;
	e->failures = e->proven ? 0 : e->failures + 1;
	e->shut = !e->proven && (e->shut || how == CALL_GONE || e->failures >= failures_max);
}

void endpoints_end(struct endpoints *all, struct webhook_job *j, enum call_end how)
{
	struct endpoint *e = TAKE(j->endpoint);
	struct party *host = e->host;

	TAILQ_REMOVE(&e->calls, j, link);
	if (!j->posted)
		TAILQ_REMOVE(&e->unposted, j, turn);
	e->active--;
	e->user->active--;
	host->active--;
	all->active--;
	judge(e, all->caps.failures, how);
	if (e->shut) {
		clear(all, e);
	} else {
		unblock(all, e);
	}
	if (e->place == HELD)
		move(all, e, NOWHERE);
	settle(all, e);
	unpark(all, host);
	leave(all, e);
}

struct webhook_job *endpoints_sorted_out(struct endpoints *all)
{
	struct webhook_job *j = TAILQ_FIRST(&all->out);

	if (j)
		TAILQ_REMOVE(&all->out, j, link);
	return j;
}

void endpoints_clear(struct endpoints *all)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct endpoint *next;

		for (struct endpoint *e = all->endpoints[i]; e; e = next) {
			next = e->next;
			sort_out(all, e);
			leave(all, e);
		}
	}
}

/* ---- what is asked from outside ---- */

size_t endpoints_waiting(const struct endpoints *all)
{
	return all->waiting;
}

size_t endpoints_active(const struct endpoints *all)
{
	return all->active;
}

bool endpoints_unblocked(struct endpoints *all)
{
	bool was = all->unblocked;

	all->unblocked = false;
	return was;
}

void endpoints_blocked(const struct endpoints *all, struct arena *a, struct slice **ret,
		       size_t *ret_n)
{
	const struct endpoint *e;
	size_t n = 0;

	*ret = arena_calloc(a, all->blocked_n, sizeof(**ret));
	TAILQ_FOREACH(e, &all->blocked, blocked_link)
	(*ret)[n++] = arena_slice(a, slice_str(e->agent));
	*ret_n = n;
}

struct endpoints *endpoints_new(const struct endpoint_caps *caps)
{
	struct endpoints *all = mem_zalloc(sizeof(*all));

	all->caps = *caps;
	TAILQ_INIT(&all->ring);
	TAILQ_INIT(&all->held);
	TAILQ_INIT(&all->blocked);
	TAILQ_INIT(&all->out);
	return all;
}

void endpoints_free(struct endpoints *all)
{
	if (!all)
		return;
	assert(!all->waiting && !all->active && TAILQ_EMPTY(&all->out));
	free(all);
}
