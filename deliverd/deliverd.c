/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the parts together: LMTP to ingest, ingest to webhooks and wake-ups.
 * The order of the end is: no new work, what is under way, its results, then
 * the parts. A mail that was taken must get its answer.
 */
#include "deliverd/deliverd.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/dns.h"
#include "common/mail/mime.h"
#include "common/mail/sender.h"
#include "common/store/store_dkim.h"
#include "common/store/store_domain.h"
#include "deliverd/delivery.h"
#include "deliverd/domain_watch.h"
#include "deliverd/gauges.h"
#include "deliverd/hold_expiry.h"
#include "deliverd/janitor.h"
#include "deliverd/listener.h"
#include "deliverd/lmtp_server.h"
#include "deliverd/mail_jobs.h"
#include "deliverd/maps.h"
#include "deliverd/notify.h"
#include "deliverd/outbound.h"
#include "deliverd/webhook.h"
#include "deliverd/webhook_notice.h"

enum {
	HEADER_ALLOWANCE = 128 * 1024, /* for what Postfix and the milter add to a mail */
	BUDGET_MAILS_MIN = 5,          /* a mail must fit however it is held */
	WEB_TASKS_MAX = 256,           /* each may wait for a name server that does not answer */
	MISC_TASKS = 4,
	DB_WAIT_MS = 10000,
	DRAIN_LOOK_MS = 20,
	ABORT_MS = 15000, /* of the drain; then calls are cut */
};

struct deliverd {
	const struct settings *settings;
	const struct keys *keys;
	struct loop *loop;
	struct db_pool *pool;
	struct dns *dns;
	struct arena arena; /* of the sender */
	struct sender sender;
	struct budget budget;
	struct lmtp_server *lmtp;
	struct delivery_config delivery;
	struct webhook *webhook;
	struct mail_jobs *mail_jobs;
	struct outbound *outbound;
	struct notify *notify;
	struct listener *jobs, *domains;
	struct maps *maps; /* NULL without postfix_map_dir */
	struct hold_expiry *hold_expiry;
	struct webhook_notice *webhook_notice;
	struct janitor *janitor;
	struct gauges *gauges; /* NULL without deliverd_metrics */
	struct domain_watch *domain_watch;
	struct loop_timer *drain;
	int64_t drain_end_ms; /* 0 while serving */
	bool aborted;
};

/* ---- wake-ups ---- */

static void on_jobs(void *arg)
{
	struct deliverd *d = arg;

	webhook_wake(d->webhook);
	mail_jobs_wake(d->mail_jobs);
	outbound_wake(d->outbound);
}

static void on_domains(void *arg)
{
	struct deliverd *d = arg;

	maps_wake(d->maps);
}

/* ---- end ---- */

/* Nothing of ours runs elsewhere that would come back to a part that is gone. */
static bool quiet(const struct deliverd *d)
{
	return loop_tasks(d->loop) == 0 && (!d->maps || maps_idle(d->maps));
}

static bool drained(const struct deliverd *d)
{
	return lmtp_server_connections(d->lmtp) == 0 && webhook_idle(d->webhook) &&
	       mail_jobs_idle(d->mail_jobs) && outbound_idle(d->outbound) &&
	       notify_idle(d->notify) && quiet(d);
}

static void look_if_drained(void *arg)
{
	struct deliverd *d = arg;
	int64_t left = d->drain_end_ms - clock_mono_ms();

	if (left < DELIVERD_DRAIN_MS - ABORT_MS && !d->aborted) {
		d->aborted = true;
		webhook_abort(d->webhook);
		mail_jobs_abort(d->mail_jobs);
		outbound_abort(d->outbound);
	}
	if (drained(d) || (left <= 0 && quiet(d)))
		loop_stop(d->loop);
	else
		loop_timer_start(d->drain, DRAIN_LOOK_MS);
}

static void on_terminate(void *arg)
{
	struct deliverd *d = arg;

	if (d->drain_end_ms)
		return;
	log_info("stopping");
	d->drain_end_ms = clock_mono_ms() + DELIVERD_DRAIN_MS;
	lmtp_server_drain(d->lmtp);
	webhook_drain(d->webhook);
	mail_jobs_drain(d->mail_jobs);
	outbound_drain(d->outbound);
	listener_stop(d->jobs);
	if (d->maps) {
		listener_stop(d->domains);
		maps_stop(d->maps);
	}
	hold_expiry_stop(d->hold_expiry);
	webhook_notice_stop(d->webhook_notice);
	janitor_stop(d->janitor);
	if (d->gauges)
		gauges_stop(d->gauges);
	domain_watch_stop(d->domain_watch);
	loop_timer_start(d->drain, 0);
}

/* ---- start ---- */

static enum err check_settings(const struct settings *s, struct fail *fail)
{
	if (s->memory_budget / BUDGET_MAILS_MIN < s->message_size_limit)
		return fail_set(fail, ERR_CONFIG,
				"memory_budget must be at least %d times message_size_limit",
				BUDGET_MAILS_MIN);
	return OK;
}

/* The row of a domain of the deployment, and the key that signs its mail. */
static enum err own_domain(const struct deliverd *d, struct db *db, struct slice domain,
			   struct fail *fail)
{
	AUTO(store_dkim_release) struct store_dkim_pair pair = { 0 };
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_domain row;
	bool made;
	enum err e = store_domain_share(db, domain, fail);

	if (e == OK)
		e = store_domain_held(db, domain, &a, &row, fail);
	if (e || row.records[DNS_RECORD_DKIM].selector.n)
		return e;
	e = store_dkim_make(&pair, fail);
	return e ? e : store_dkim_add(db, d->keys, row.id, &pair, &made, fail);
}

/* Asks the database once before anything is served. */
static enum err check_database(const struct deliverd *d, struct fail *fail)
{
	const struct slice own[] = { d->sender.shared_domain, d->sender.relay_domain };
	struct db *db;
	enum err e = db_pool_get(d->pool, DB_WAIT_MS, &db, fail);

	if (e)
		return e;
	e = db_check_schema(db, fail);
	for (size_t i = 0; i < ARRAY_LEN(own) && e == OK; i++)
		if (own[i].n)
			e = own_domain(d, db, own[i], fail);
	db_pool_put(d->pool, db);
	return e;
}

static void on_mail(struct lmtp_conn *conn, struct mail *m, void *arg)
{
	const struct deliverd *d = arg;

	delivery_begin(&d->delivery, conn, m);
}

static enum err start_lmtp(struct deliverd *d, struct fail *fail)
{
	const struct lmtp_server_config config = {
		.settings = d->settings,
		.limits = { .host = d->settings->mail_host,
			    .message_bytes =
				    (size_t)d->settings->message_size_limit + HEADER_ALLOWANCE,
			    .recipients = (size_t)d->settings->recipient_limit,
			    .budget = &d->budget },
		.on_mail = on_mail,
		.arg = d,
	};

	d->notify = notify_new(d->loop, d->settings);
	d->delivery = (struct delivery_config){
		.loop = d->loop,
		.settings = d->settings,
		.keys = d->keys,
		.pool = d->pool,
		.webhook = d->webhook,
		.notify = d->notify,
	};
	return lmtp_server_new(d->loop, &config, &d->lmtp, fail);
}

static enum err start_webhook(struct deliverd *d, struct fail *fail)
{
	const struct webhook_config config = {
		.loop = d->loop,
		.settings = d->settings,
		.keys = d->keys,
		.pool = d->pool,
		.dns = d->dns,
		.budget = &d->budget,
	};

	return webhook_new(&config, &d->webhook, fail);
}

static enum err start_mail_jobs(struct deliverd *d, struct fail *fail)
{
	const struct mail_jobs_config config = {
		.loop = d->loop,
		.settings = d->settings,
		.keys = d->keys,
		.sender = &d->sender,
		.pool = d->pool,
	};

	return mail_jobs_new(&config, &d->mail_jobs, fail);
}

static enum err start_outbound(struct deliverd *d, struct fail *fail)
{
	const struct outbound_config config = {
		.loop = d->loop,
		.settings = d->settings,
		.keys = d->keys,
		.sender = &d->sender,
		.pool = d->pool,
	};

	return outbound_new(&config, &d->outbound, fail);
}

static void start_domain_watch(struct deliverd *d)
{
	const struct domain_watch_config config = {
		.loop = d->loop,
		.settings = d->settings,
		.keys = d->keys,
		.pool = d->pool,
		.dns = d->dns,
	};

	d->domain_watch = domain_watch_new(&config);
}

static void start_gauges(struct deliverd *d)
{
	const struct gauges_config config = {
		.loop = d->loop,
		.pool = d->pool,
		.budget = &d->budget,
		.lmtp = d->lmtp,
		.webhook = d->webhook,
	};

	if (*d->settings->deliverd_metrics)
		d->gauges = gauges_new(&config);
}

/* Parts that cannot fail to start; they find out later that something is away. */
static void start_rest(struct deliverd *d)
{
	d->jobs = listener_new(d->loop, d->settings, "e2a_jobs", on_jobs, d);
	d->hold_expiry = hold_expiry_new(d->loop, d->settings, d->pool, d->outbound);
	d->webhook_notice = webhook_notice_new(d->loop, d->settings, d->keys, d->pool);
	d->janitor = janitor_new(d->loop, d->settings, d->pool);
	start_domain_watch(d);
	start_gauges(d);
	if (*d->settings->postfix_map_dir) {
		d->maps = maps_new(d->loop, d->settings, &d->sender, d->pool);
		d->domains = listener_new(d->loop, d->settings, "e2a_domains", on_domains, d);
	}
	d->drain = loop_timer_new(d->loop, look_if_drained, d);
	loop_on_terminate(d->loop, on_terminate, d);
}

/* As many as calls, so that one that waits for name service does not delay the others. */
static size_t web_tasks(const struct settings *s)
{
	size_t n = (size_t)s->webhook_concurrency;

	return n < WEB_TASKS_MAX ? n : WEB_TASKS_MAX;
}

enum err deliverd_new(const struct settings *s, const struct keys *keys, struct deliverd **ret,
		      struct fail *fail)
{
	const size_t width[LANE_COUNT] = { [LANE_DB] = (size_t)s->deliverd_db_connections,
					   [LANE_WEB] = web_tasks(s),
					   [LANE_MAIL] = MAIL_JOBS_AT_ONCE,
					   [LANE_INJECT] = (size_t)s->inject_connections,
					   [LANE_NAMES] = DOMAIN_LOOKS_AT_ONCE,
					   [LANE_MISC] = MISC_TASKS };
	AUTO(deliverd_freep) struct deliverd *d = mem_zalloc(sizeof(*d));
	enum err e = check_settings(s, fail);

	if (e)
		return e;
	mime_init();
	d->settings = s;
	d->keys = keys;
	d->budget.limit = (size_t)s->memory_budget;
	d->loop = loop_new(width);
	d->pool = db_pool_new(s->database_url, DELIVERD_ROLE, DELIVERD_PROGRAM, width[LANE_DB]);
	e = sender_init(s, &d->arena, &d->sender, fail);
	if (e == OK)
		e = check_database(d, fail);
	if (e == OK)
		e = dns_new(s, &d->dns, fail);
	if (e == OK)
		e = start_webhook(d, fail);
	if (e == OK)
		e = start_mail_jobs(d, fail);
	if (e == OK)
		e = start_outbound(d, fail);
	if (e == OK)
		e = start_lmtp(d, fail);
	if (e)
		return e;
	start_rest(d);
	*ret = TAKE(d);
	return OK;
}

void deliverd_run(struct deliverd *d)
{
	loop_run(d->loop);
}

void deliverd_free(struct deliverd *d)
{
	if (!d)
		return;
	lmtp_server_free(d->lmtp);
	webhook_free(d->webhook);
	mail_jobs_free(d->mail_jobs);
	outbound_free(d->outbound);
	notify_free(d->notify);
	listener_free(d->jobs);
	listener_free(d->domains);
	maps_free(d->maps);
	hold_expiry_free(d->hold_expiry);
	webhook_notice_free(d->webhook_notice);
	janitor_free(d->janitor);
	gauges_free(d->gauges);
	domain_watch_free(d->domain_watch);
	loop_timer_free(d->drain);
	loop_free(d->loop);
	dns_free(d->dns);
	db_pool_free(d->pool);
	arena_release(&d->arena);
	free(d);
}
