/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail at a time. It must never let an attempt go on whose bytes are not known to be
 * in the database: when that is in doubt the attempt ends, and the next claim sees.
 */
#include "deliverd/outbound_approved.h"

#include "common/base/crypto.h"
#include "common/base/encode.h"
#include "common/base/log.h"

enum { DB_WAIT_MS = 1000 };

struct outbound_approved {
	struct outbound_approved_config config;
	struct task task;
	struct outbound_attempt **v; /* those that wait */
	size_t n, cap;
	struct outbound_attempt *at; /* whose mail is composed now */
	bool kept;                   /* and is in the database */
	uint8_t hash[SHA256_LEN];
};

bool outbound_approved_wants(const struct outbound_attempt *at)
{
	const struct store_outbound_job *j = &at->batch->jobs[at->i];

	return j->held && !j->altered && !j->composed && !j->expired && j->rcpts_n;
}

/* ---- on a worker ---- */

static enum err keep(struct outbound_approved *p, struct outbound_attempt *at, bool *ret_ours)
{
	struct db *db;
	enum err e = db_pool_get(p->config.pool, DB_WAIT_MS, &db, &at->fail);

	if (e)
		return e;
	e = store_outbound_keep(db, at->batch->jobs[at->i].id, slice_str(at->batch->lease_id),
				slice_of((const char *)p->hash, sizeof(p->hash)), at->mail,
				ret_ours, &at->fail);
	db_pool_put(p->config.pool, db);
	return e;
}

static void run(struct task *t)
{
	struct outbound_approved *p = CONTAINER(t, struct outbound_approved, task);
	struct outbound_attempt *at = p->at;
	bool ours = false;

	p->kept = false;
	if (!outbound_mail_compose(p->config.tools, at))
		return;
	crypto_sha256(at->mail, p->hash);
	if (keep(p, at, &ours))
		outbound_mail_later(at, EVENT_STORAGE);
	else if (!ours)
		outbound_mail_end(at, STORE_OUTBOUND_SNOOZED, EVENT_STOPPED, 0);
	else
		p->kept = true;
}

/* ---- on the loop ---- */

static void log_kept(const struct outbound_approved *p, const struct outbound_attempt *at)
{
	const struct store_outbound_job *j = &at->batch->jobs[at->i];
	char hex[SHA256_HEX_LEN + 1];

	hex_text(p->hash, sizeof(p->hash), hex);
	log_info("outbound_composed", LF_SLICE("message_id", j->message_id),
		 LF_SLICE("agent", j->agent_email), LF_STR("part", j->world ? "world" : "agents"),
		 LF_INT("bytes", at->mail.n), LF_STR("sha256", hex));
}

static void start(struct outbound_approved *p)
{
	if (p->at || p->n == 0)
		return;
	p->at = p->v[0];
	p->n--;
	memmove(p->v, p->v + 1, p->n * sizeof(*p->v));
	loop_submit(p->config.loop, &p->task);
}

static void done(struct task *t)
{
	struct outbound_approved *p = CONTAINER(t, struct outbound_approved, task);
	struct outbound_attempt *at = TAKE(p->at);
	bool kept = p->kept;

	if (kept)
		log_kept(p, at);
	start(p);
	p->config.done(p->config.arg, at, !kept);
}

void outbound_approved_add(struct outbound_approved *p, struct outbound_attempt *at)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->v = mem_realloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n++] = at;
	start(p);
}

size_t outbound_approved_waiting(const struct outbound_approved *p)
{
	return p->n + (p->at ? 1 : 0);
}

struct outbound_approved *outbound_approved_new(const struct outbound_approved_config *config)
{
	struct outbound_approved *p = mem_zalloc(sizeof(*p));

	p->config = *config;
	p->task = (struct task){ .lane = LANE_DB, .run = run, .done = done };
	return p;
}

void outbound_approved_free(struct outbound_approved *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		outbound_attempt_free(p->v[i]);
	free(p->v);
	free(p);
}
