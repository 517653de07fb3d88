/* SPDX-License-Identifier: Apache-2.0 */
/* The queue between the two threads of `e2a listen`. */
#include "cli/notices.h"

#include "cli/seen.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct notices {
	pthread_mutex_t lock;
	struct seen seen;
	struct notice *first, **last;
	size_t n;
	int fd;
};

struct notices *notices_new(void)
{
	struct notices *q = mem_zalloc(sizeof(*q));

	pthread_mutex_init(&q->lock, NULL);
	seen_init(&q->seen, SEEN_MAX);
	q->last = &q->first;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0)
		abort(); /* out of files or memory */
	return q;
}

void notices_free(struct notices *q)
{
	if (!q)
		return;
	for (struct notice *n = q->first, *next; n; n = next) {
		next = n->next;
		notice_free(n);
	}
	seen_release(&q->seen);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q);
}

bool notices_claim(struct notices *q, const struct notice *n)
{
	bool fresh;

	pthread_mutex_lock(&q->lock);
	fresh = seen_add(&q->seen, slice_str(n->id));
	pthread_mutex_unlock(&q->lock);
	return fresh;
}

static void append(struct notices *q, struct notice *n)
{
	n->next = NULL;
	*q->last = n;
	q->last = &n->next;
	q->n++;
}

static enum notices_add add_locked(struct notices *q, struct notice *n)
{
	if (q->n >= NOTICES_MAX)
		return NOTICE_REFUSED;
	if (!seen_add(&q->seen, slice_str(n->id)))
		return NOTICE_KNOWN;
	append(q, n);
	return NOTICE_ADDED;
}

enum notices_add notices_add(struct notices *q, struct notice *n)
{
	enum notices_add added;
	bool was_empty;

	pthread_mutex_lock(&q->lock);
	was_empty = q->n == 0;
	added = add_locked(q, n);
	pthread_mutex_unlock(&q->lock);
	if (added != NOTICE_ADDED)
		notice_free(n);
	else if (was_empty)
		notices_wake(q);
	return added;
}

void notices_put_back(struct notices *q, struct notice *n)
{
	pthread_mutex_lock(&q->lock);
	append(q, n);
	pthread_mutex_unlock(&q->lock);
}

struct notice *notices_take(struct notices *q)
{
	struct notice *n;

	pthread_mutex_lock(&q->lock);
	n = q->first;
	if (n) {
		q->first = n->next;
		q->n--;
	}
	if (!q->first)
		q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return n;
}

size_t notices_count(struct notices *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}

int notices_fd(const struct notices *q)
{
	return q->fd;
}

void notices_wake(const struct notices *q)
{
	uint64_t one = 1;
	ssize_t n = write(q->fd, &one, sizeof(one));

	(void)n; /* it only fails when it is awake already */
}

void notices_rest(const struct notices *q)
{
	uint64_t count;
	ssize_t n = read(q->fd, &count, sizeof(count));

	(void)n;
}
