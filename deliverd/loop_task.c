/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks on libuv's threads, in lanes. There are as many threads as all lanes
 * together may use, so a lane that waits for a slow peer takes none from
 * another; it must never put more into libuv than its width.
 */
#include "deliverd/loop_private.h"

#include <assert.h>

struct work {
	uv_work_t uv;
	struct task *task;
};

static void start(struct loop *l, struct loop_queue *q);

static void run(uv_work_t *uv)
{
	struct work *w = uv->data;

	w->task->run(w->task);
}

static void done(uv_work_t *uv, int status)
{
	struct work *w = uv->data;
	struct task *t = w->task;
	struct loop *l = t->loop;
	struct loop_queue *q = &l->lane[t->lane];

	assert(status == 0);
	(void)status;
	free(w);
	q->running--;
	l->tasks--;
	start(l, q); /* first, so that the thread does not wait for done() */
	t->done(t);
}

static void start(struct loop *l, struct loop_queue *q)
{
	while (q->head && q->running < q->width) {
		struct work *w = mem_zalloc(sizeof(*w));
		struct task *t = q->head;

		q->head = t->next;
		if (!q->head)
			q->tail = &q->head;
		q->running++;
		w->task = t;
		w->uv.data = w;
		if (uv_queue_work(&l->uv, &w->uv, run, done))
			abort();
	}
}

void loop_submit(struct loop *l, struct task *t)
{
	struct loop_queue *q = &l->lane[t->lane];

	t->next = NULL;
	t->loop = l;
	*q->tail = t;
	q->tail = &t->next;
	l->tasks++;
	start(l, q);
}

size_t loop_tasks(const struct loop *l)
{
	return l->tasks;
}
