/* SPDX-License-Identifier: Apache-2.0 */
/* Connections per client. An entry goes with its last connection. */
#include "apid/peers.h"

#include "apid/apid_metrics.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <search.h>

enum { REFUSAL_LOG_MS = 60 * 1000 };

struct client_count {
	struct netaddr client;
	int64_t n;
};

struct peers {
	pthread_mutex_t lock;
	int64_t most;
	void *tree; /* of entries */
	struct {
		int64_t n, next_ms; /* since the last line of the log, and until the next */
	} refused[PEERS_REFUSALS];
};

static const char *const settings_of[PEERS_REFUSALS] = {
	[PEERS_PER_CLIENT] = "http_per_client",
	[PEERS_SERVER_FULL] = "http_max_connections",
};

static int compare(const void *a, const void *b)
{
	const struct client_count *x = a, *y = b;

	return netaddr_compare(&x->client, &y->client);
}

struct peers *peers_new(int64_t most)
{
	struct peers *p = mem_zalloc(sizeof(*p));

	p->most = most;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	tdestroy(p->tree, free);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct client_count *find(struct peers *p, const struct client_count *key)
{
	struct client_count **found = tfind(key, &p->tree, compare);

	return found ? *found : NULL;
}

static void add(struct peers *p, const struct client_count *key)
{
	struct client_count *e = mem_alloc(sizeof(*e));

	*e = *key;
	if (!tsearch(e, &p->tree, compare))
		abort(); /* out of memory */
}

static bool enter(struct peers *p, const struct client_count *key)
{
	struct client_count *e = find(p, key);

	if (e && e->n >= p->most)
		return false;
	if (e)
		e->n++;
	else
		add(p, key);
	return true;
}

bool peers_enter(struct peers *p, const struct client_peer *peer)
{
	struct client_count key = { .n = 1 };
	bool entered;

	if (peer->trusted)
		return true;
	client_addr_group(&peer->ip, &key.client);
	pthread_mutex_lock(&p->lock);
	entered = enter(p, &key);
	pthread_mutex_unlock(&p->lock);
	return entered;
}

static void leave(struct peers *p, const struct client_count *key)
{
	struct client_count *e = find(p, key);

	assert(e && e->n > 0);
	if (--e->n)
		return;
	tdelete(e, &p->tree, compare);
	free(e);
}

void peers_leave(struct peers *p, const struct client_peer *peer)
{
	struct client_count key = { 0 };

	if (peer->trusted)
		return;
	client_addr_group(&peer->ip, &key.client);
	pthread_mutex_lock(&p->lock);
	leave(p, &key);
	pthread_mutex_unlock(&p->lock);
}

/* How many a line of the log is due for; 0: none is due. */
static int64_t take_refused(struct peers *p, enum peers_refusal why)
{
	int64_t n = ++p->refused[why].n, now_ms = clock_mono_ms();

	if (now_ms < p->refused[why].next_ms)
		return 0;
	p->refused[why].n = 0;
	p->refused[why].next_ms = now_ms + REFUSAL_LOG_MS;
	return n;
}

void peers_refused(struct peers *p, const struct client_peer *peer, enum peers_refusal why)
{
	char client[NETADDR_TEXT_MAX];
	int64_t n;

	metric_add_at(&apid_metrics[APID_CONNECTIONS_REFUSED], why, 1);
	pthread_mutex_lock(&p->lock);
	n = take_refused(p, why);
	pthread_mutex_unlock(&p->lock);
	if (n == 0)
		return;
	client_addr_text(&peer->ip, client);
	log_warn("connections_refused", LF_STR("reason", settings_of[why]),
		 LF_STR("client", client), LF_INT("n", n));
}
