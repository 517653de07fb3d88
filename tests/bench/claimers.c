/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: claimers migrate URL
 *	  claimers run URL-OF-DELIVERD URL-OF-OWNER threads milliseconds
 *
 * Claims webhook jobs and notes them as delivered, as e2a-deliverd does but for the calls, and
 * prints how many and for how long. What was delivered is stored again behind the clock's back,
 * so that as many jobs wait at the end as at the beginning.
 */
#include "common/base/clock.h"
#include "common/store/schema.h"
#include "common/store/store_webhook.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 50, PER_QUEUE = 10, LEASE_MS = 55000, THREADS_MAX = 16, IDLE_US = 500 };

/* As new mail: the remains of an old job of the same name would be in nobody's way but here. */
static const struct db_stmt restore = {
	"restore",
	"WITH mail AS (INSERT INTO messages (id, user_id, agent_email, raw_id, direction, "
	"inbox_status, expires_at) SELECT 'msg_' || lpad(nextval('mails')::text, 32, '0'), "
	"m.user_id, m.agent_email, m.raw_id, 'inbound', 'unread', m.expires_at "
	"FROM messages m WHERE m.id = ANY ($1::text[]) RETURNING id, user_id, agent_email), "
	"job AS (INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at, "
	"give_up_at) SELECT m.id, m.user_id, m.agent_email, true, now(), now() + interval '4 d' "
	"FROM mail m RETURNING message_id, agent_email, user_id, due_at) "
	"SELECT tell_webhook_queues(array_agg(j.message_id), array_agg(j.agent_email), "
	"array_agg(j.user_id), array_agg(j.due_at), array_agg(true)) FROM job j",
	true
};

struct claimer {
	pthread_t thread;
	const char *deliverd_url, *owner_url;
	int64_t end_ms;
	int64_t jobs, claims, claim_us, deliver_us;
	char after[64]; /* the user whose turn was last */
};

static void must(enum err e, const struct fail *fail)
{
	if (e == OK)
		return;
	fprintf(stderr, "claimers: %s\n", fail->what);
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void next_turn(struct claimer *c, const struct webhook_row *v, size_t n)
{
	if (n < BATCH)
		*c->after = 0;
	for (size_t i = 0; i < n; i++)
		if (v[i].user_id.n < sizeof(c->after) && /* all of one length */
		    memcmp(v[i].user_id.p, c->after, v[i].user_id.n) > 0)
			snprintf(c->after, sizeof(c->after), "%.*s", SLICE_ARGS(v[i].user_id));
}

/* Both statements, with the clock running. */
static size_t work(struct claimer *c, struct db *db, const struct webhook_claim *claim,
		   struct arena *a, struct slice *ids)
{
	AUTO(db_rows_freep) struct db_rows *rows = NULL;
	struct webhook_result results[BATCH];
	struct webhook_row *v = NULL;
	struct fail fail = { 0 };
	int64_t start = now_us(), claimed;
	size_t n = 0, ours = 0;

	must(store_webhook_claim(db, claim, a, &v, &n, &rows, &fail), &fail);
	claimed = now_us();
	for (size_t i = 0; i < n; i++) {
		ids[i] = arena_slice(a, v[i].message_id);
		results[i] = (struct webhook_result){
			.message_id = ids[i],
			.lease_id = claim->lease_id,
			.http_status = 200,
		};
	}
	if (n)
		must(store_webhook_delivered(db, results, n, &ours, &fail), &fail);
	c->claim_us += claimed - start;
	c->deliver_us += now_us() - claimed;
	c->claims++;
	c->jobs += (int64_t)ours;
	next_turn(c, v, n);
	return n;
}

static void *run(void *arg)
{
	struct claimer *c = arg;
	struct db *db, *owner;
	struct fail fail = { 0 };
	char lease[64];

	must(db_open(c->deliverd_url, NULL, "claimers", &db, &fail), &fail);
	must(db_open(c->owner_url, NULL, "claimers", &owner, &fail), &fail);
	while (clock_mono_ms() < c->end_ms) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct webhook_claim claim = { .lease_ms = LEASE_MS,
					       .limit = BATCH,
					       .max_bytes = INT64_MAX / 2,
					       .per_queue = PER_QUEUE,
					       .drain_rate = 50,
					       .after_user = slice_str(c->after) };
		struct db_args args = DB_ARGS_INIT;
		struct slice ids[BATCH];
		size_t n;

		snprintf(lease, sizeof(lease), "lease_%p_%lld", arg, (long long)c->claims);
		claim.lease_id = slice_str(lease);
		n = work(c, db, &claim, &a, ids);
		if (n == 0) {
			usleep(IDLE_US);
			continue;
		}
		db_arg_texts(&args, ids, n);
		must(db_query(owner, &restore, &args, NULL, &fail), &fail);
	}
	db_close(db);
	db_close(owner);
	return NULL;
}

static void ignore(const char *name, void *arg)
{
	(void)name;
	(void)arg;
}

static int migrate(const char *url)
{
	struct fail fail = { 0 };
	struct db *db;

	must(db_open(url, NULL, "claimers", &db, &fail), &fail);
	must(schema_migrate(db, ignore, NULL, &fail), &fail);
	db_close(db);
	return 0;
}

static int run_all(char **argv)
{
	struct claimer c[THREADS_MAX] = { 0 };
	int64_t threads, ms;
	int64_t jobs = 0, claims = 0, claim_us = 0, deliver_us = 0;

	if (slice_to_i64(slice_str(argv[4]), 1, THREADS_MAX, &threads) ||
	    slice_to_i64(slice_str(argv[5]), 1, INT32_MAX, &ms))
		return 64;
	for (int64_t i = 0; i < threads; i++) {
		c[i].deliverd_url = argv[2];
		c[i].owner_url = argv[3];
		c[i].end_ms = clock_mono_ms() + ms;
		snprintf(c[i].after, sizeof(c[i].after), "user_%03d", (int)(100 * i / threads));
		if (pthread_create(&c[i].thread, NULL, run, &c[i]))
			return 71;
	}
	for (int64_t i = 0; i < threads; i++) {
		pthread_join(c[i].thread, NULL);
		jobs += c[i].jobs;
		claims += c[i].claims;
		claim_us += c[i].claim_us;
		deliver_us += c[i].deliver_us;
	}
	printf("{\"jobs\": %lld, \"claims\": %lld, \"claim_us\": %lld, \"deliver_us\": %lld}\n",
	       (long long)jobs, (long long)claims, (long long)claim_us, (long long)deliver_us);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "migrate") == 0)
		return migrate(argv[2]);
	if (argc == 6 && strcmp(argv[1], "run") == 0)
		return run_all(argv);
	return 64;
}
