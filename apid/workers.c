/* SPDX-License-Identifier: Apache-2.0 */
/* The worker threads. A job never runs with the lock held. */
#include "apid/workers.h"

#include "apid/apid_metrics.h"

#include <pthread.h>

struct queue {
	struct job *head, **tail;
	size_t n;
	size_t running, limit; /* at once */
};

struct workers {
	const struct settings *settings;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct queue queue[JOB_CLASSES];
	enum job_class turn; /* whose queue is looked at first */
	bool stopping;
	pthread_t *threads;
	size_t threads_n;
};

static void push(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
	q->n++;
}

static struct job *pop(struct queue *q)
{
	struct job *job = q->head;

	if (!job || q->running == q->limit)
		return NULL;
	q->head = job->next;
	if (!q->head)
		q->tail = &q->head;
	q->n--;
	q->running++;
	return job;
}

/* Waits for a job. NULL at the end. */
static struct job *next_job(struct workers *w)
{
	struct job *job = NULL;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		for (int i = 0; i < JOB_CLASSES && !job; i++) {
			job = pop(&w->queue[w->turn]);
			w->turn = (w->turn + 1) % JOB_CLASSES;
		}
		if (job || w->stopping)
			break;
		pthread_cond_wait(&w->work, &w->lock);
	}
	if (job) {
		metric_add_at(&apid_metrics[APID_JOBS_QUEUED], job->class, -1);
		metric_add(&apid_metrics[APID_WORKERS_BUSY], 1);
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

/* One that had to wait because of the limit may run now. */
static void end_job(struct workers *w, enum job_class class)
{
	pthread_mutex_lock(&w->lock);
	w->queue[class].running--;
	metric_add(&apid_metrics[APID_WORKERS_BUSY], -1);
	if (w->queue[class].n)
		pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

static void *work(void *arg)
{
	struct workers *w = arg;
	struct db *db = db_new(w->settings->database_url, "e2a_apid", "e2a-apid");
	struct job *job;

	while ((job = next_job(w))) {
		enum job_class class = job->class;

		job->run(job, db);
		db_shrink(db);
		end_job(w, class);
	}
	db_close(db);
	return NULL;
}

struct workers *workers_new(const struct settings *s)
{
	struct workers *w = mem_zalloc(sizeof(*w));

	w->settings = s;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	for (int i = 0; i < JOB_CLASSES; i++) {
		w->queue[i].tail = &w->queue[i].head;
		w->queue[i].limit = (size_t)s->http_workers;
	}
	w->queue[JOB_NAMES].limit = (size_t)(s->http_workers + 1) / 2;
	w->queue[JOB_PROVIDER].limit = (size_t)(s->http_workers + 3) / 4;
	w->queue[JOB_LARGE].limit = (size_t)(s->http_workers + 3) / 4;
	metric_set(&apid_metrics[APID_WORKERS], s->http_workers);
	w->threads = mem_calloc((size_t)s->http_workers, sizeof(*w->threads));
	for (int64_t i = 0; i < s->http_workers; i++) {
		if (pthread_create(&w->threads[w->threads_n], NULL, work, w))
			abort(); /* out of resources before anything was served */
		w->threads_n++;
	}
	return w;
}

bool workers_post(struct workers *w, struct job *job, enum job_class class)
{
	bool taken;

	pthread_mutex_lock(&w->lock);
	taken = !w->stopping &&
		(class == JOB_SOCKET || w->queue[class].n < (size_t)w->settings->http_queue);
	if (taken) {
		job->class = class;
		push(&w->queue[class], job);
		metric_add_at(&apid_metrics[APID_JOBS_QUEUED], class, 1);
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
	return taken;
}

bool workers_stop(struct workers *w, int64_t deadline_ms)
{
	const struct timespec until = { .tv_sec = deadline_ms / 1000,
					.tv_nsec = deadline_ms % 1000 * 1000000 };

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	while (w->threads_n) {
		if (pthread_clockjoin_np(w->threads[w->threads_n - 1], NULL, CLOCK_MONOTONIC,
					 &until))
			return false;
		w->threads_n--;
	}
	return true;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	while (!workers_stop(w, INT64_MAX / 2))
		;
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w->threads);
	free(w);
}
