/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the queue and the connections. While the connections are busy with one
 * batch the next one is claimed, so that they do not wait for the database; what was
 * approved is composed for good (outbound_approved.c) and ends are written meanwhile
 * (outbound_end.c), and what has none is traced (outbound_trace.c).
 */
#include "deliverd/outbound.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/ticket.h"
#include "deliverd/outbound_approved.h"
#include "deliverd/outbound_end.h"
#include "deliverd/outbound_trace.h"

#include <assert.h>
#include <limits.h>
#include <unistd.h>

enum {
	SECOND = 1000,
	POLL_MS = SECOND,
	DB_WAIT_MS = SECOND,
	MARGIN_MS = 30 * SECOND,     /* to write an end down */
	REST_AFTER_MS = 10 * SECOND, /* a connection without work for so long is closed */
	AWAY_MS = 15 * SECOND,       /* then one mail tries whether the listener is back */
	READY_PER_CONNECTION = 2,    /* claimed ahead */
	ENDS_MAX = 4 * STORE_OUTBOUND_BATCH_MAX, /* not written yet: then nothing more is claimed */
	DRAFT_BYTES_MAX = 32 * 1024 * 1024,      /* claimed and not sent, over all connections */
};

struct slot { /* one connection */
	struct outbound *owner;
	struct task task;
	struct injector *injector;
	enum { FREE, SENDING, CLOSING } state;
	bool connected;
	int64_t free_ms; /* since when */
	struct outbound_attempt *at;
};

struct outbound {
	struct outbound_config config;
	struct outbound_tools tools;
	struct dkim_signer *signer, *lasting_signer;
	char host[HOST_NAME_MAX + 1];
	struct slot *slots;
	size_t slots_n;
	struct outbound_attempt **ready; /* claimed, for whichever connection is free next */
	size_t ready_n, ready_max;
	int64_t draft_bytes; /* of all batches in memory, and of what was composed for good */
	struct task claim_task;
	struct outbound_batch_config claim;
	struct outbound_batch *claimed;
	struct fail claim_fail;
	char after_user[ID_MAX]; /* whose turn it was last */
	bool claiming, again, draining;
	bool away; /* the listener is: nothing is claimed until */
	int64_t away_until_ms;
	struct outbound_approved *approved;
	struct outbound_ends *ends;
	struct outbound_tracer *tracer;
	struct loop_timer *poll;
};

static void fill(struct outbound *o);

/* ---- sending ---- */

static void send_run(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	outbound_mail_send(&s->owner->tools, s->injector, s->at);
}

static void release_ready(struct outbound *o);

/*
 * While nobody listens the jobs stay in the database: they are not claimed and given back
 * over and over.
 */
static void note_listener(struct outbound *o, const struct outbound_attempt *at)
{
	bool away = at->answer.outcome == INJECT_CONNECT && at->answer.why[0];

	if (away && !o->away)
		log_warn("inject_listener_away", LF_STR("reason", at->answer.why),
			 LF_STR("said", at->answer.reply.text));
	else if (!away && o->away)
		log_info("inject_listener_back");
	o->away = away;
	if (!away)
		return;
	o->away_until_ms = clock_mono_ms() + AWAY_MS;
	release_ready(o);
}

static void sent(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	if (s->at->asked)
		note_listener(s->owner, s->at);
	outbound_ends_add(s->owner->ends, TAKE(s->at));
	s->state = FREE;
	s->connected = true;
	s->free_ms = clock_mono_ms();
	fill(s->owner);
}

static struct slot *free_slot(struct outbound *o)
{
	for (size_t i = 0; i < o->slots_n; i++)
		if (o->slots[i].state == FREE)
			return &o->slots[i];
	return NULL;
}

static struct outbound_attempt *take_ready(struct outbound *o)
{
	struct outbound_attempt *at = o->ready[0];

	o->ready_n--;
	memmove(o->ready, o->ready + 1, o->ready_n * sizeof(*o->ready));
	return at;
}

static void send_ready(struct outbound *o)
{
	struct slot *s;

	while (o->ready_n && (s = free_slot(o))) {
		s->at = take_ready(o);
		s->state = SENDING;
		s->task = (struct task){ .lane = LANE_INJECT, .run = send_run, .done = sent };
		loop_submit(o->config.loop, &s->task);
	}
}

/* ---- connections without work ---- */

static void close_run(struct task *t)
{
	inject_rest(CONTAINER(t, struct slot, task)->injector);
}

static void closed(struct task *t)
{
	struct slot *s = CONTAINER(t, struct slot, task);

	s->state = FREE;
	s->connected = false;
	fill(s->owner);
}

static void close_idle(struct outbound *o)
{
	int64_t before = clock_mono_ms() - REST_AFTER_MS;

	for (size_t i = 0; i < o->slots_n; i++) {
		struct slot *s = &o->slots[i];

		if (s->state != FREE || !s->connected || s->free_ms > before)
			continue;
		s->state = CLOSING;
		s->task = (struct task){ .lane = LANE_INJECT, .run = close_run, .done = closed };
		loop_submit(o->config.loop, &s->task);
	}
}

/* ---- claiming ---- */

static void claim_run(struct task *t)
{
	struct outbound *o = CONTAINER(t, struct outbound, claim_task);
	struct db *db;

	o->claimed = NULL;
	o->claim_fail.code = db_pool_get(o->config.pool, DB_WAIT_MS, &db, &o->claim_fail);
	if (o->claim_fail.code)
		return;
	o->claim_fail.code = outbound_batch_claim(db, &o->claim, &o->claimed, &o->claim_fail);
	db_pool_put(o->config.pool, db);
}

/* There is room: what is claimed or composed was let in by claim(). */
static void add_ready(struct outbound *o, struct outbound_attempt *at)
{
	assert(o->ready_n < o->ready_max);
	o->ready[o->ready_n++] = at;
}

static void add_all(struct outbound *o, struct outbound_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct outbound_attempt *at = mem_zalloc(sizeof(*at));

		at->batch = b;
		at->i = i;
		b->refs++;
		if (outbound_approved_wants(at))
			outbound_approved_add(o->approved, at);
		else
			add_ready(o, at);
	}
}

/* What no connection has begun goes back, and the attempt does not count. */
static void release_ready(struct outbound *o)
{
	while (o->ready_n) {
		struct outbound_attempt *at = take_ready(o);

		outbound_mail_end(at, STORE_OUTBOUND_SNOOZED, EVENT_STOPPED, 0);
		outbound_ends_add(o->ends, at);
	}
}

static void composed(void *arg, struct outbound_attempt *at, bool ended)
{
	struct outbound *o = arg;

	at->charged = (int64_t)at->bytes.len;
	*at->batch->charged += at->charged;
	if (ended)
		outbound_ends_add(o->ends, at);
	else
		add_ready(o, at);
	if (o->draining)
		release_ready(o);
	fill(o);
}

/* The next claim goes on behind the last user of this one, and from the first one at the end. */
static void turn_to(struct outbound *o, const struct outbound_batch *b)
{
	char user[ID_MAX];

	*o->after_user = '\0';
	for (size_t i = 0; i < b->n; i++) {
		snprintf(user, sizeof(user), "%.*s", SLICE_ARGS(b->jobs[i].user_id));
		if (strcmp(user, o->after_user) > 0)
			memcpy(o->after_user, user, sizeof(user));
	}
}

static void claimed(struct task *t)
{
	struct outbound *o = CONTAINER(t, struct outbound, claim_task);
	struct outbound_batch *b = TAKE(o->claimed);

	o->claiming = false;
	if (o->claim_fail.code)
		log_warn("outbound_claim_failed", LF_STR("cause", o->claim_fail.what));
	if (!b)
		return;
	/* there may be more where these came from, or before the first of these users */
	o->again = o->again || b->n > 0 || *o->after_user;
	turn_to(o, b);
	outbound_batch_charge(b, &o->draft_bytes);
	add_all(o, b);
	outbound_batch_unref(b);
	if (o->draining)
		release_ready(o);
	fill(o);
}

/* Attempts that no connection has begun. */
static size_t claimed_n(const struct outbound *o)
{
	return o->ready_n + outbound_approved_waiting(o->approved);
}

static void claim(struct outbound *o)
{
	int64_t room = (int64_t)(o->ready_max - claimed_n(o));
	int64_t bytes = DRAFT_BYTES_MAX - o->draft_bytes;

	o->claim.limit = room < STORE_OUTBOUND_BATCH_MAX ? room : STORE_OUTBOUND_BATCH_MAX;
	if (o->away)
		o->claim.limit = 1;
	o->claim.max_bytes = bytes > 0 ? bytes : 0;
	o->claim.any_size = o->draft_bytes == 0;
	o->claim.after_user = slice_str(o->after_user);
	o->claim_task = (struct task){ .lane = LANE_DB, .run = claim_run, .done = claimed };
	o->claiming = true;
	o->again = false;
	loop_submit(o->config.loop, &o->claim_task);
}

static bool may_claim(const struct outbound *o)
{
	if (o->away)
		return claimed_n(o) == 0 && clock_mono_ms() >= o->away_until_ms &&
		       o->draft_bytes == 0;
	return claimed_n(o) <= o->ready_max / 2 && outbound_ends_waiting(o->ends) < ENDS_MAX;
}

/* Gives the connections work, and looks for more when they will run out of it. */
static void fill(struct outbound *o)
{
	send_ready(o);
	if (o->again && !o->claiming && !o->draining && may_claim(o))
		claim(o);
}

void outbound_wake(struct outbound *o)
{
	o->again = true;
	fill(o);
}

static void poll(void *arg)
{
	struct outbound *o = arg;

	close_idle(o);
	outbound_wake(o);
	loop_timer_start(o->poll, POLL_MS);
}

/* ---- life ---- */

static enum err open_slots(struct outbound *o, struct fail *fail)
{
	enum err e = OK;

	o->slots_n = (size_t)o->config.settings->inject_connections;
	o->slots = mem_calloc(o->slots_n, sizeof(*o->slots));
	for (size_t i = 0; i < o->slots_n && e == OK; i++) {
		o->slots[i].owner = o;
		e = inject_new(o->config.settings, &o->slots[i].injector, fail);
	}
	o->ready_max = READY_PER_CONNECTION * o->slots_n;
	o->ready = mem_calloc(o->ready_max, sizeof(struct outbound_attempt *));
	return e;
}

/*
 * A job may wait until the connections have sent all before it, then be sent itself. The
 * lease outlasts the ticket too: when somebody else looks for the mail, whoever was
 * stopped in the middle of sending it cannot go on.
 */
static int64_t lease_ms(const struct outbound *o)
{
	return (READY_PER_CONNECTION + 1) * inject_max_ms(o->slots[0].injector) + MARGIN_MS;
}

static void start(struct outbound *o)
{
	const struct outbound_approved_config approved = {
		.loop = o->config.loop,
		.pool = o->config.pool,
		.tools = &o->tools,
		.done = composed,
		.arg = o,
	};
	const struct outbound_tracer_config tracer = {
		.loop = o->config.loop,
		.settings = o->config.settings,
		.pool = o->config.pool,
		.host = slice_str(o->host),
	};

	o->tools = (struct outbound_tools){
		.signer = o->signer,
		.lasting_signer = o->lasting_signer,
		.ticket_key = keys_get(o->config.keys, KEY_TICKET),
	};
	o->claim = (struct outbound_batch_config){
		.sender = o->config.sender,
		.keys = o->config.keys,
		.host = slice_str(o->host),
		.lease_ms = lease_ms(o),
	};
	o->approved = outbound_approved_new(&approved);
	o->ends = outbound_ends_new(o->config.loop, o->config.pool);
	o->tracer = outbound_tracer_new(&tracer);
	o->poll = loop_timer_new(o->config.loop, poll, o);
	loop_timer_start(o->poll, 0);
}

enum err outbound_new(const struct outbound_config *config, struct outbound **ret,
		      struct fail *fail)
{
	AUTO(outbound_freep) struct outbound *o = mem_zalloc(sizeof(*o));
	enum err e;

	o->config = *config;
	if (*config->settings->inject_host)
		snprintf(o->host, sizeof(o->host), "%s", config->settings->inject_host);
	else if (gethostname(o->host, sizeof(o->host) - 1))
		return fail_set(fail, ERR_CONFIG, "this host has no name: set inject_host");
	e = dkim_signer_new(0, &o->signer, fail);
	if (e == OK)
		e = dkim_signer_new(config->settings->outbound_lifetime_ms / SECOND,
				    &o->lasting_signer, fail);
	if (e == OK)
		e = open_slots(o, fail);
	if (e)
		return e;
	start(o);
	*ret = TAKE(o);
	return OK;
}

void outbound_drain(struct outbound *o)
{
	o->draining = true;
	loop_timer_stop(o->poll);
	outbound_tracer_stop(o->tracer);
	release_ready(o);
}

void outbound_abort(struct outbound *o)
{
	for (size_t i = 0; i < o->slots_n; i++)
		inject_stop(o->slots[i].injector);
}

bool outbound_idle(const struct outbound *o)
{
	for (size_t i = 0; i < o->slots_n; i++)
		if (o->slots[i].state != FREE)
			return false;
	return !o->claiming && claimed_n(o) == 0 && outbound_ends_waiting(o->ends) == 0 &&
	       outbound_tracer_idle(o->tracer);
}

void outbound_free(struct outbound *o)
{
	if (!o)
		return;
	outbound_approved_free(o->approved);
	outbound_ends_free(o->ends);
	outbound_tracer_free(o->tracer);
	loop_timer_free(o->poll);
	for (size_t i = 0; o->slots && i < o->slots_n; i++)
		inject_free(o->slots[i].injector);
	dkim_signer_free(o->signer);
	dkim_signer_free(o->lasting_signer);
	free(o->slots);
	free(o->ready);
	free(o);
}
