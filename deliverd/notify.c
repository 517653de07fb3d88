/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coalesced NOTIFY: at once when nothing was said lately, else when its time comes. It must
 * never run inside the transaction that stores a mail, and its failure must never touch the
 * mail.
 */
#include "deliverd/notify.h"

#include "common/base/log.h"
#include "common/store/db.h"
#include "deliverd/deliverd.h"
#include "deliverd/deliverd_metrics.h"

enum { GATHER_MS = 50, PAYLOAD_MAX = 7000 /* Postgres takes less than 8000 */ };

#define CHANNEL "e2a_mail"

struct notify {
	struct task task;
	struct loop *loop;
	struct db *db; /* opened when first needed */
	const struct settings *settings;
	struct loop_timer *timer; /* runs for GATHER_MS from each NOTIFY */
	struct buf waiting, saying;
	bool busy;
	struct fail fail;
};

static void run(struct task *t)
{
	struct notify *n = CONTAINER(t, struct notify, task);

	n->fail.code = OK;
	if (!n->db &&
	    db_open(n->settings->database_url, DELIVERD_ROLE, DELIVERD_PROGRAM, &n->db, &n->fail))
		return;
	if (db_notify(n->db, CHANNEL, buf_slice(&n->saying), &n->fail))
		return;
}

static void say(struct notify *n)
{
	if (n->busy || n->waiting.len == 0 || loop_timer_active(n->timer))
		return;
	n->busy = true;
	buf_reset(&n->saying);
	buf_add_slice(&n->saying, buf_slice(&n->waiting));
	buf_reset(&n->waiting);
	loop_timer_start(n->timer, GATHER_MS);
	loop_submit(n->loop, &n->task);
}

static void done(struct task *t)
{
	struct notify *n = CONTAINER(t, struct notify, task);

	n->busy = false;
	metric_add(&deliverd_metrics[n->fail.code ? DELIVERD_NOTIFIES_FAILED : DELIVERD_NOTIFIES],
		   1);
	if (n->fail.code)
		log_warn("notify_failed", LF_STR("cause", n->fail.what));
	say(n);
}

static void on_time(void *arg)
{
	say(arg);
}

struct notify *notify_new(struct loop *loop, const struct settings *s)
{
	struct notify *n = mem_zalloc(sizeof(*n));

	n->task = (struct task){ .lane = LANE_MISC, .run = run, .done = done };
	n->loop = loop;
	n->settings = s;
	buf_init(&n->waiting, PAYLOAD_MAX);
	buf_init(&n->saying, PAYLOAD_MAX);
	n->timer = loop_timer_new(loop, on_time, n);
	return n;
}

static bool has_word(struct slice text, struct slice word)
{
	struct slice w;

	while (slice_cut(&text, ' ', &w))
		if (slice_eq(w, word))
			return true;
	return false;
}

void notify_payload_add(struct buf *payload, struct slice agent_email)
{
	struct slice now = buf_slice(payload);

	if (slice_eq(now, S("*")) || has_word(now, agent_email))
		return;
	if (now.n + 1 + agent_email.n > PAYLOAD_MAX || slice_find(agent_email, ' ') >= 0) {
		buf_reset(payload);
		buf_add_char(payload, '*');
		return;
	}
	if (now.n)
		buf_add_char(payload, ' ');
	buf_add_slice(payload, agent_email);
}

void notify_add(struct notify *n, struct slice agent_email)
{
	notify_payload_add(&n->waiting, agent_email);
	say(n);
}

bool notify_idle(const struct notify *n)
{
	return !n->busy && n->waiting.len == 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	db_close(n->db);
	buf_release(&n->waiting);
	buf_release(&n->saying);
	loop_timer_free(n->timer);
	free(n);
}
