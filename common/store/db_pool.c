/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed number of connections for many threads; each is opened when first used. */
#include "common/store/db.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t returned; /* signalled for each connection that comes back */
	struct db **idle;        /* a stack, so that the warmest connection goes first */
	size_t idle_n, size;
};

struct db_pool *db_pool_new(const char *url, const char *default_user, const char *program,
			    size_t size)
{
	struct db_pool *p = mem_zalloc(sizeof(*p));
	pthread_condattr_t attr;

	p->idle = mem_calloc(size, sizeof(struct db *));
	p->idle_n = p->size = size;
	for (size_t i = 0; i < size; i++)
		p->idle[i] = db_new(url, default_user, program);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->returned, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

void db_pool_free(struct db_pool *p)
{
	if (!p)
		return;
	assert(p->idle_n == p->size);
	for (size_t i = 0; i < p->size; i++)
		db_close(p->idle[i]);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->lock);
	free(p->idle);
	free(p);
}

static struct timespec deadline_after(int64_t wait_ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += wait_ms / 1000;
	t.tv_nsec += wait_ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

enum err db_pool_get(struct db_pool *p, int64_t wait_ms, struct db **ret, struct fail *fail)
{
	struct timespec deadline = deadline_after(wait_ms);
	int waited = 0;
	enum err e = OK;

	pthread_mutex_lock(&p->lock);
	while (p->idle_n == 0 && waited != ETIMEDOUT)
		waited = pthread_cond_timedwait(&p->returned, &p->lock, &deadline);
	if (p->idle_n)
		*ret = p->idle[--p->idle_n];
	else
		e = fail_set(fail, ERR_BUSY, "all %zu database connections are in use", p->size);
	pthread_mutex_unlock(&p->lock);
	return e;
}

void db_pool_put(struct db_pool *p, struct db *db)
{
	db_shrink(db);
	pthread_mutex_lock(&p->lock);
	assert(p->idle_n < p->size);
	p->idle[p->idle_n++] = db;
	pthread_cond_signal(&p->returned);
	pthread_mutex_unlock(&p->lock);
}
