/* SPDX-License-Identifier: Apache-2.0 */
/* One mail from LMTP to the database. It must get its answer, whatever happens to it. */
#include "deliverd/delivery.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "deliverd/deliverd_metrics.h"
#include "deliverd/ingest.h"
#include "deliverd/report.h"
#include "deliverd/review.h"

enum { DB_WAIT_MS = 10000 };

struct delivery {
	struct task task;
	const struct delivery_config *config;
	struct lmtp_conn *conn;
	struct mail *mail;
	int64_t began_ms;
	/* for agents */
	struct ingest_config how;
	struct webhook_lease lease;
	struct ingest ingest;
	/* of reviewers */
	struct review *reviews; /* those that are; the rest of the envelope is for agents */
	size_t reviews_n;
	/* about mail that has left */
	struct report report;
};

static void end(struct delivery *d)
{
	metric_observe(&deliverd_metrics[DELIVERD_INGEST_MS], clock_mono_ms() - d->began_ms);
	mail_free(d->mail);
	free(d);
}

/* ---- of reviewers ---- */

/* NULL for a recipient that is no such address, or one that nobody was given. */
static const struct review *review_of(const struct delivery *d, size_t rcpt)
{
	for (size_t i = 0; i < d->reviews_n; i++)
		if (d->reviews[i].rcpt == rcpt && d->reviews[i].code != ERR_NOT_FOUND)
			return &d->reviews[i];
	return NULL;
}

/* That it was taken is all that anybody learns here. */
static bool review_reply(const struct delivery *d, size_t rcpt, struct lmtp_reply *ret)
{
	const struct review *r = review_of(d, rcpt);

	if (!r)
		return false;
	*ret = (struct lmtp_reply){ .code = r->code, .text = S("") };
	if (r->code && !err_info(r->code)->retryable)
		ret->code = ERR_INTERNAL;
	return true;
}

static void read_reviews(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	struct fail fail = { 0 };
	struct db *db = NULL;
	enum err e = db_pool_get(d->config->pool, DB_WAIT_MS, &db, &fail);

	for (size_t i = 0; i < d->reviews_n; i++) {
		struct review *r = &d->reviews[i];

		r->code = e;
		r->fail = fail;
		if (e == OK)
			review_store(d->mail, &d->how, d->config->keys, db, r);
	}
	if (e == OK)
		db_pool_put(d->config->pool, db);
}

static void log_review(const struct delivery *d, const struct review *r)
{
	if (r->code && r->code != ERR_NOT_FOUND)
		log_error("review_not_stored", LF_SLICE("queue_id", d->mail->xforward.ident),
			  LF_STR("error", err_info(r->code)->name), LF_STR("cause", r->fail.what));
	else if (r->code == OK)
		log_info("review_read", LF_SLICE("queue_id", d->mail->xforward.ident),
			 LF_SLICE("client_ip", d->mail->xforward.addr),
			 LF_SLICE("message_id", r->message_id), LF_SLICE("outcome", r->outcome),
			 LF_STR("verdict", r->verdict ? r->verdict : "sealed"),
			 LF_INT("told", r->told));
}

/* ---- for agents ---- */

static void store(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	struct fail fail = { 0 };
	struct db *db;
	enum err e = db_pool_get(d->config->pool, DB_WAIT_MS, &db, &fail);

	if (e) {
		d->ingest = (struct ingest){ .code = e, .fail = fail };
		return;
	}
	ingest_store(d->mail, &d->how, db, &d->ingest);
	db_pool_put(d->config->pool, db);
}

static void answer(struct delivery *d)
{
	size_t n = d->mail->rcpts_n;
	struct lmtp_reply *replies = mem_calloc(n, sizeof(*replies));

	for (size_t i = 0; i < n; i++)
		if (!review_reply(d, i, &replies[i]))
			replies[i].code = ingest_reply(&d->ingest, i, &replies[i].text);
	lmtp_server_answer(d->conn, replies, n);
	free(replies);
}

static void log_stored(const struct delivery *d)
{
	const struct ingest *in = &d->ingest;
	size_t stored = 0;

	for (size_t i = 0; i < in->rcpts_n; i++)
		stored += in->rcpts[i].stored;
	if (in->code)
		log_error("mail_not_stored", LF_SLICE("queue_id", d->mail->xforward.ident),
			  LF_STR("error", err_info(in->code)->name),
			  LF_STR("cause", in->fail.what));
	else
		log_info("mail_stored", LF_SLICE("queue_id", d->mail->xforward.ident),
			 LF_SLICE("message_id", in->rcpts_n ? in->rcpts[0].message_id : S("")),
			 LF_INT("recipients", d->mail->rcpts_n), LF_INT("stored", stored),
			 LF_INT("size", in->mail.raw.n), LF_SLICE("verdict", in->mail.verdict));
}

/* The sender of the mail first, then the agents. */
static void stored(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	const struct ingest *in = &d->ingest;

	answer(d);
	log_stored(d);
	for (size_t i = 0; i < in->rcpts_n && !in->code; i++)
		if (in->rcpts[i].stored)
			notify_add(d->config->notify, in->rcpts[i].agent_email);
	if (!in->code)
		webhook_stored(d->config->webhook, d->mail, in, &d->lease);
	end(d);
}

static void store_for_agents(struct delivery *d)
{
	const struct delivery_config *c = d->config;

	d->task = (struct task){ .lane = LANE_DB, .run = store, .done = stored };
	d->how.give_up_ms = webhook_give_up_ms(c->webhook);
	if (webhook_lease(c->webhook, &d->lease, &d->how.lease_ms))
		d->how.lease_id = slice_str(d->lease.id);
	loop_submit(c->loop, &d->task);
}

/* For whom else the mail is comes after the reviews: it is cleaned for them. */
static void reviews_read(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	size_t left = d->mail->rcpts_n;

	for (size_t i = 0; i < d->reviews_n; i++) {
		log_review(d, &d->reviews[i]);
		left -= review_of(d, d->reviews[i].rcpt) != NULL;
	}
	if (left) {
		store_for_agents(d);
		return;
	}
	answer(d);
	end(d);
}

/* ---- about mail that has left ---- */

static void read_report(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	struct db *db;

	d->report.code = db_pool_get(d->config->pool, DB_WAIT_MS, &db, &d->report.fail);
	if (d->report.code)
		return;
	report_store(d->mail, db, &d->report);
	db_pool_put(d->config->pool, db);
}

static void log_report(const struct delivery *d)
{
	const struct report *r = &d->report;

	if (r->code && r->code != ERR_NOT_FOUND)
		log_error("report_not_stored", LF_SLICE("queue_id", d->mail->xforward.ident),
			  LF_SLICE("verp", r->verp), LF_STR("error", err_info(r->code)->name),
			  LF_STR("cause", r->fail.what));
	else
		log_info("report_read", LF_SLICE("queue_id", d->mail->xforward.ident),
			 LF_SLICE("client_ip", d->mail->xforward.addr), LF_SLICE("verp", r->verp),
			 LF_SLICE("message_id", r->message_id),
			 LF_STR("format", bounce_format_name(r->format)),
			 LF_STR("reason", r->code ? "unknown_address" : r->reason),
			 LF_INT("recipients", r->told), LF_INT("changed", r->moved));
}

/* It has one recipient, so it gets one reply. */
static void report_read(struct task *t)
{
	struct delivery *d = CONTAINER(t, struct delivery, task);
	enum err code = d->report.code;
	struct lmtp_reply reply = { .code = code, .text = S("") };

	if (code == ERR_NOT_FOUND)
		reply.text = S("No such agent");
	else if (code && !err_info(code)->retryable)
		reply.code = ERR_INTERNAL;
	lmtp_server_answer(d->conn, &reply, 1);
	log_report(d);
	end(d);
}

void delivery_begin(const struct delivery_config *config, struct lmtp_conn *conn, struct mail *m)
{
	struct delivery *d = mem_zalloc(sizeof(*d));

	d->config = config;
	d->conn = conn;
	d->mail = m;
	d->began_ms = clock_mono_ms();
	d->how.settings = config->settings;
	d->how.seal_key = keys_get(config->keys, KEY_SEAL);
	if (report_is(m, &d->report))
		d->task = (struct task){ .lane = LANE_DB, .run = read_report, .done = report_read };
	else
		d->reviews_n = review_find(m, &d->reviews);
	if (d->reviews_n)
		d->task =
			(struct task){ .lane = LANE_DB, .run = read_reviews, .done = reviews_read };
	if (d->task.run)
		loop_submit(config->loop, &d->task);
	else
		store_for_agents(d);
}
