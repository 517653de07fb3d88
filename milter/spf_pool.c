/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A helper is started by posix_spawn, which is safe in a process with threads.
 * Its descriptors and environment are empty, so nothing of the milter leaks
 * into it.
 */
#include "milter/spf_pool.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "milter/milter_metrics.h"
#include "milter/spf_helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What libspf2 leaks does not live longer than this many evaluations. */
enum { LENDINGS_MAX = 10000 };

struct spf_helper {
	pid_t pid; /* 0: none runs */
	int fd;
	unsigned lendings;
	bool lent;
};

struct spf_pool {
	char *program;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	size_t n;
	struct spf_helper v[];
};

static int spawn(const char *program, int fd, pid_t *ret)
{
	char *argv[] = { mem_strdup(program), mem_strdup(SPF_HELPER_ARG), NULL };
	char *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int e;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, SPF_HELPER_FD);
	e = posix_spawn(ret, program, &actions, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	free(argv[0]);
	free(argv[1]);
	return e;
}

static enum err start(const struct spf_pool *p, struct spf_helper *h)
{
	int pair[2];
	int e;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return ERR_INTERNAL;
	e = spawn(p->program, pair[1], &h->pid);
	close(pair[1]);
	if (e) {
		close(pair[0]);
		h->pid = 0;
		return ERR_INTERNAL;
	}
	h->fd = pair[0];
	h->lendings = 0;
	metric_add(&milter_metrics[MILTER_SPF_HELPERS_STARTED], 1);
	return OK;
}

static void stop(struct spf_helper *h)
{
	if (h->pid == 0)
		return;
	close(h->fd);
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	h->pid = 0;
}

/* An idle helper has nothing to say: data or an end of file means that it is of no use. */
static bool is_idle(const struct spf_helper *h)
{
	char c;

	return h->pid != 0 && recv(h->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

enum err spf_pool_new(const char *program, size_t helpers, struct spf_pool **ret, struct fail *fail)
{
	struct spf_pool *p = mem_zalloc(sizeof(*p) + helpers * sizeof(p->v[0]));
	pthread_condattr_t attr;

	p->program = mem_strdup(program);
	p->n = helpers;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->returned, &attr);
	pthread_condattr_destroy(&attr);
	for (size_t i = 0; i < helpers; i++) {
		if (start(p, &p->v[i]) != OK) {
			spf_pool_free(p);
			return fail_set(fail, ERR_INTERNAL, "cannot start %.150s as SPF helper",
					program);
		}
	}
	*ret = p;
	return OK;
}

void spf_pool_free(struct spf_pool *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		stop(&p->v[i]);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->lock);
	free(p->program);
	free(p);
}

/* With the lock held. */
static struct spf_helper *find_free(struct spf_pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i].lent)
			return &p->v[i];
	return NULL;
}

enum err spf_pool_take(struct spf_pool *p, int64_t deadline_ms, struct spf_helper **ret)
{
	struct timespec until = { .tv_sec = deadline_ms / 1000,
				  .tv_nsec = deadline_ms % 1000 * 1000000 };
	struct spf_helper *h;
	int e = 0;

	pthread_mutex_lock(&p->lock);
	while (!(h = find_free(p)) && e != ETIMEDOUT)
		e = pthread_cond_timedwait(&p->returned, &p->lock, &until);
	if (h)
		h->lent = true;
	pthread_mutex_unlock(&p->lock);
	if (!h)
		return ERR_TIMEOUT;
	if (!is_idle(h)) {
		stop(h);
		if (start(p, h) != OK) {
			spf_pool_give(p, h, false);
			return ERR_INTERNAL;
		}
	}
	*ret = h;
	return OK;
}

void spf_pool_give(struct spf_pool *p, struct spf_helper *h, bool usable)
{
	if (++h->lendings == LENDINGS_MAX || !usable)
		stop(h);
	pthread_mutex_lock(&p->lock);
	h->lent = false;
	pthread_cond_signal(&p->returned);
	pthread_mutex_unlock(&p->lock);
}

int spf_helper_fd(const struct spf_helper *h)
{
	return h->fd;
}
