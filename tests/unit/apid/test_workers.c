/* SPDX-License-Identifier: Apache-2.0 */
/* The queues of the workers: who is refused, who must wait, and that all of it runs. */
#include "apid/workers.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

#include <pthread.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	int entered, left;
};

struct visit {
	struct job job;
	struct gate *gate;
};

static void pass_gate(struct job *job, struct db *db)
{
	struct gate *g = ((struct visit *)job)->gate;

	(void)db;
	pthread_mutex_lock(&g->lock);
	g->entered++;
	pthread_cond_broadcast(&g->changed);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	g->left++;
	pthread_mutex_unlock(&g->lock);
	free(job);
}

static struct job *visit_new(struct gate *g)
{
	struct visit *v = mem_zalloc(sizeof(*v));

	v->job.run = pass_gate;
	v->gate = g;
	return &v->job;
}

static void wait_entered(struct gate *g, int n)
{
	pthread_mutex_lock(&g->lock);
	while (g->entered < n)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void a_full_queue_refuses_requests_only(void **state)
{
	char url[] = "host=/nonexistent";
	const struct settings s = { .database_url = url, .http_workers = 1, .http_queue = 2 };
	struct gate g = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct workers *w = workers_new(&s);
	struct job *refused = visit_new(&g);

	(void)state;
	assert_true(workers_post(w, visit_new(&g), JOB_REQUEST));
	wait_entered(&g, 1);
	assert_true(workers_post(w, visit_new(&g), JOB_REQUEST));
	assert_true(workers_post(w, visit_new(&g), JOB_REQUEST));
	assert_false(workers_post(w, refused, JOB_REQUEST));
	for (int i = 0; i < 10; i++)
		assert_true(workers_post(w, visit_new(&g), JOB_SOCKET));
	open_gate(&g);
	assert_true(workers_stop(w, INT64_MAX / 2));
	assert_int_equal(g.left, 13);
	assert_false(workers_post(w, refused, JOB_SOCKET));
	free(refused);
	workers_free(w);
}

static void a_stop_leaves_a_job_that_hangs_at_its_deadline(void **state)
{
	char url[] = "host=/nonexistent";
	const struct settings s = { .database_url = url, .http_workers = 2, .http_queue = 2 };
	struct gate g = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct workers *w = workers_new(&s);

	(void)state;
	assert_true(workers_post(w, visit_new(&g), JOB_SOCKET));
	wait_entered(&g, 1);
	assert_false(workers_stop(w, clock_mono_ms() + 20));
	assert_int_equal(g.left, 0);
	open_gate(&g);
	assert_true(workers_stop(w, INT64_MAX / 2));
	assert_int_equal(g.left, 1);
	workers_free(w);
}

/* Of four threads. */
static void keeps_at_most(enum job_class class, int most)
{
	char url[] = "host=/nonexistent";
	const struct settings s = { .database_url = url, .http_workers = 4, .http_queue = 10 };
	struct gate slow = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
	struct gate quick = { .lock = PTHREAD_MUTEX_INITIALIZER,
			      .changed = PTHREAD_COND_INITIALIZER,
			      .open = true };
	struct workers *w = workers_new(&s);

	for (int i = 0; i < 6; i++)
		assert_true(workers_post(w, visit_new(&slow), class));
	wait_entered(&slow, most);
	for (int i = 0; i < 5; i++)
		assert_true(workers_post(w, visit_new(&quick), JOB_REQUEST));
	wait_entered(&quick, 5);
	assert_int_equal(slow.entered, most);
	open_gate(&slow);
	wait_entered(&slow, 6);
	workers_free(w);
	assert_int_equal(slow.left, 6);
}

static void name_service_keeps_half_of_the_threads_at_most(void **state)
{
	(void)state;
	keeps_at_most(JOB_NAMES, 2);
}

static void a_provider_keeps_a_quarter_of_the_threads_at_most(void **state)
{
	(void)state;
	keeps_at_most(JOB_PROVIDER, 1);
}

static void large_bodies_keep_a_quarter_of_the_threads_at_most(void **state)
{
	(void)state;
	keeps_at_most(JOB_LARGE, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_bodies_keep_a_quarter_of_the_threads_at_most),
		cmocka_unit_test(name_service_keeps_half_of_the_threads_at_most),
		cmocka_unit_test(a_provider_keeps_a_quarter_of_the_threads_at_most),
		cmocka_unit_test(a_full_queue_refuses_requests_only),
		cmocka_unit_test(a_stop_leaves_a_job_that_hangs_at_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
