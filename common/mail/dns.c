/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libunbound behind one blocking call with a deadline. One thread of its own
 * takes the answers in; whoever asked waits on the query's condition. A query
 * that nobody waits for any more must be freed exactly once: by the waiter if
 * libunbound took it back, else by the callback.
 */
#include "common/mail/dns.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/mail/dns_cache.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unbound.h>

enum {
	NAME_MAX_LEN = 253,
	LABEL_MAX = 63,
	POLL_MS = 200,
	RCODE_NOERROR = 0,
	RCODE_NXDOMAIN = 3,
	CLASS_IN = 1,
};

struct dns {
	struct ub_ctx *ub;
	pthread_t reader;
	atomic_bool stop;
	struct dns_cache *cache;
};

struct query {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool answered, abandoned;
	struct ub_result *result; /* NULL: libunbound failed */
};

static void *read_answers(void *arg)
{
	struct dns *d = arg;
	struct pollfd p = { .fd = ub_fd(d->ub), .events = POLLIN };

	while (!atomic_load(&d->stop)) {
		if (poll(&p, 1, POLL_MS) > 0)
			ub_process(d->ub);
	}
	return NULL;
}

/* A failed setting is worth a word of libunbound's; `text` is not outside input. */
static enum err set_option(struct ub_ctx *ub, const char *name, const char *text, struct fail *fail)
{
	int e = ub_ctx_set_option(ub, name, text);

	return e ? fail_set(fail, ERR_CONFIG, "libunbound: %s %s: %s", name, text, ub_strerror(e))
		 : OK;
}

static enum err add_servers(struct ub_ctx *ub, const char *servers, struct arena *a,
			    struct fail *fail)
{
	struct slice rest = slice_trim(slice_str(servers)), item;
	int e;

	if (rest.n == 0) {
		e = ub_ctx_resolvconf(ub, NULL);
		return e ? fail_set(fail, ERR_CONFIG, "/etc/resolv.conf: %s", ub_strerror(e)) : OK;
	}
	while (slice_cut(&rest, ' ', &item)) {
		if (slice_trim(item).n == 0)
			continue;
		e = ub_ctx_set_fwd(ub, arena_dup(a, slice_trim(item)));
		if (e)
			return fail_set(fail, ERR_CONFIG, "dns_servers: %.100s: %s", servers,
					ub_strerror(e));
	}
	return OK;
}

static enum err configure(struct ub_ctx *ub, const struct settings *s, struct fail *fail)
{
	static const char *const options[][2] = {
		{ "do-not-query-localhost:", "no" }, /* a resolver on this host is the usual one */
		{ "msg-cache-size:", "4m" },
		{ "rrset-cache-size:", "8m" },
		/* who has just published a record does not wait an hour for it to be seen */
		{ "cache-max-negative-ttl:", "60" },
		{ "num-queries-per-thread:", "1024" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	enum err e;
	int u;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		e = set_option(ub, options[i][0], options[i][1], fail);
		if (e)
			return e;
	}
	if (s->dns_config[0] != '\0') {
		u = ub_ctx_config(ub, s->dns_config);
		if (u)
			return fail_set(fail, ERR_CONFIG, "dns_config %.150s: %s", s->dns_config,
					ub_strerror(u));
	}
	e = add_servers(ub, s->dns_servers, &a, fail);
	if (e)
		return e;
	u = ub_ctx_async(ub, 1);
	return u ? fail_set(fail, ERR_CONFIG, "libunbound: %s", ub_strerror(u)) : OK;
}

enum err dns_new(const struct settings *s, struct dns **ret, struct fail *fail)
{
	struct dns *d = mem_zalloc(sizeof(*d));
	enum err e;

	d->ub = ub_ctx_create();
	if (!d->ub) {
		free(d);
		return fail_set(fail, ERR_INTERNAL, "libunbound: cannot create a context");
	}
	e = configure(d->ub, s, fail);
	if (e == OK && pthread_create(&d->reader, NULL, read_answers, d) != 0)
		e = fail_set(fail, ERR_INTERNAL, "cannot start the thread of the resolver");
	if (e) {
		ub_ctx_delete(d->ub);
		free(d);
		return e;
	}
	d->cache = dns_cache_new();
	*ret = d;
	return OK;
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	atomic_store(&d->stop, true);
	pthread_join(d->reader, NULL);
	ub_ctx_delete(d->ub);
	dns_cache_free(d->cache);
	free(d);
}

static struct query *query_new(void)
{
	struct query *q = mem_zalloc(sizeof(*q));
	pthread_condattr_t attr;

	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->done, &attr);
	pthread_condattr_destroy(&attr);
	return q;
}

static void query_free(struct query *q)
{
	ub_resolve_free(q->result);
	pthread_cond_destroy(&q->done);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* On the reader's thread. */
static void on_answer(void *arg, int error, struct ub_result *result)
{
	struct query *q = arg;
	bool abandoned;

	pthread_mutex_lock(&q->lock);
	q->answered = true;
	q->result = error ? NULL : result;
	abandoned = q->abandoned;
	if (!abandoned)
		pthread_cond_signal(&q->done);
	pthread_mutex_unlock(&q->lock);
	if (error)
		ub_resolve_free(result);
	if (abandoned)
		query_free(q);
}

/* False when the deadline came first; then the query is no longer the caller's. */
static bool query_wait(struct dns *d, struct query *q, int id, int64_t deadline_ms)
{
	struct timespec until = { .tv_sec = deadline_ms / 1000,
				  .tv_nsec = deadline_ms % 1000 * 1000000 };
	bool answered;

	pthread_mutex_lock(&q->lock);
	while (!q->answered && pthread_cond_timedwait(&q->done, &q->lock, &until) != ETIMEDOUT)
		;
	answered = q->answered;
	q->abandoned = !answered;
	pthread_mutex_unlock(&q->lock);
	if (!answered && ub_cancel(d->ub, id) == 0)
		query_free(q); /* the callback will not run */
	return answered;
}

/* A name that libunbound may take as text: no escapes, no labels it would refuse. */
static bool name_usable(struct slice name)
{
	struct slice label;

	if (slice_ends(name, S(".")))
		name.n--;
	if (name.n == 0 || name.n > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == '\\')
			return false;
	while (slice_cut(&name, '.', &label))
		if (label.n == 0 || label.n > LABEL_MAX)
			return false;
	return true;
}

/* Joins the character-strings of a TXT record; empty slice when it is malformed or too long. */
static struct slice read_txt(struct slice rdata, struct arena *a)
{
	char *out = arena_alloc(a, rdata.n + 1);
	size_t n = 0;

	while (rdata.n > 0) {
		size_t len = (unsigned char)rdata.p[0];

		if (len + 1 > rdata.n || n + len > DNS_TXT_MAX)
			return slice_of(NULL, 0);
		memcpy(out + n, rdata.p + 1, len);
		n += len;
		rdata = slice_sub(rdata, len + 1, rdata.n);
	}
	return slice_of(out, n);
}

/* An uncompressed name as text. Odd bytes become '?', which no usable name has. */
static struct slice read_name(struct slice rdata, struct arena *a)
{
	char *out = arena_alloc(a, rdata.n + 1);
	size_t n = 0;

	while (rdata.n > 0 && rdata.p[0] != '\0') {
		size_t len = (unsigned char)rdata.p[0];

		if (len > LABEL_MAX || len + 1 > rdata.n)
			return slice_of(NULL, 0);
		if (n > 0)
			out[n++] = '.';
		for (size_t i = 1; i <= len; i++) {
			char c = rdata.p[i];

			out[n++] = c <= ' ' || c > '~' || c == '.' || c == '\\' ? '?' : c;
		}
		rdata = slice_sub(rdata, len + 1, rdata.n);
	}
	return slice_of(out, n);
}

static struct slice read_mx(struct slice rdata, struct arena *a)
{
	struct slice name;
	unsigned preference;

	if (rdata.n < 3)
		return slice_of(NULL, 0);
	preference = (unsigned)(unsigned char)rdata.p[0] << 8 | (unsigned char)rdata.p[1];
	name = read_name(slice_sub(rdata, 2, rdata.n), a);
	if (!name.p)
		return name;
	return slice_str(arena_printf(a, "%u %.*s", preference, SLICE_ARGS(name)));
}

/* The record's value, or a slice without pointer for one that is skipped. */
static struct slice read_record(enum dns_type type, struct slice rdata, struct arena *a)
{
	switch (type) {
	case DNS_A:
		return rdata.n == 4 ? arena_slice(a, rdata) : slice_of(NULL, 0);
	case DNS_AAAA:
		return rdata.n == 16 ? arena_slice(a, rdata) : slice_of(NULL, 0);
	case DNS_TXT:
		return read_txt(rdata, a);
	case DNS_MX:
		return read_mx(rdata, a);
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return read_name(rdata, a);
	}
	return slice_of(NULL, 0);
}

static enum err read_result(const struct ub_result *r, enum dns_type type, struct arena *a,
			    struct dns_answer *ret, bool *ret_nxdomain)
{
	struct dns_answer answer = { .ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0 };

	if (r->bogus || (r->rcode != RCODE_NOERROR && r->rcode != RCODE_NXDOMAIN))
		return ERR_DNS;
	if (!r->havedata) {
		*ret_nxdomain = r->nxdomain;
		ret->ttl = answer.ttl;
		return ERR_NOT_FOUND;
	}
	answer.v = arena_calloc(a, DNS_RECORDS_MAX, sizeof(*answer.v));
	for (size_t i = 0; r->data[i] && answer.n < DNS_RECORDS_MAX; i++) {
		struct slice v = read_record(type, slice_of(r->data[i], (size_t)r->len[i]), a);

		if (v.p)
			answer.v[answer.n++] = v;
	}
	if (answer.n == 0)
		return ERR_TOO_BIG;
	*ret = answer;
	return OK;
}

/* A question under way; NULL when there is none to wait for. */
struct asked {
	struct query *query;
	int id;
};

static enum err ask(struct dns *d, const struct dns_question *q, struct arena *a, struct asked *ret)
{
	struct query *query = query_new();

	if (ub_resolve_async(d->ub, arena_dup(a, q->name), (int)q->type, CLASS_IN, query, on_answer,
			     &ret->id) != 0) {
		query_free(query);
		return ERR_DNS;
	}
	ret->query = query;
	return OK;
}

/* What needs no answer of libunbound has its code; else it is asked. */
static void begin(struct dns *d, struct dns_question *q, int64_t now_ms, int64_t deadline_ms,
		  struct arena *a, struct asked *ret)
{
	q->nxdomain = !name_usable(q->name);
	if (q->nxdomain)
		q->code = ERR_NOT_FOUND;
	else if (dns_cache_get(d->cache, q->name, q->type, now_ms, a, &q->answer))
		q->code = q->answer.n ? OK : ERR_NOT_FOUND;
	else if (now_ms >= deadline_ms)
		q->code = ERR_TIMEOUT;
	else
		q->code = ask(d, q, a, ret);
}

static void finish(struct dns *d, struct dns_question *q, struct asked *asked, int64_t now_ms,
		   int64_t deadline_ms, struct arena *a)
{
	struct query *query = TAKE(asked->query);

	if (!query)
		return;
	if (!query_wait(d, query, asked->id, deadline_ms)) {
		q->code = ERR_TIMEOUT;
		return;
	}
	q->code = query->result ? read_result(query->result, q->type, a, &q->answer, &q->nxdomain)
				: ERR_DNS;
	query_free(query);
	if (q->code == OK || (q->code == ERR_NOT_FOUND && !q->nxdomain))
		dns_cache_put(d->cache, q->name, q->type, now_ms, &q->answer);
}

void dns_query_all(struct dns *d, struct dns_question *v, size_t n, int64_t deadline_ms,
		   struct arena *a)
{
	struct asked *asked = arena_calloc(a, n, sizeof(*asked));
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < n; i++)
		begin(d, &v[i], now_ms, deadline_ms, a, &asked[i]);
	for (size_t i = 0; i < n; i++)
		finish(d, &v[i], &asked[i], now_ms, deadline_ms, a);
}

enum err dns_query(struct dns *d, struct slice name, enum dns_type type, int64_t deadline_ms,
		   struct arena *a, struct dns_answer *ret, bool *ret_nxdomain)
{
	struct dns_question q = { .name = name, .type = type };

	dns_query_all(d, &q, 1, deadline_ms, a);
	if (q.code == OK)
		*ret = q.answer;
	else if (q.code == ERR_NOT_FOUND && ret_nxdomain)
		*ret_nxdomain = q.nxdomain;
	return q.code;
}
