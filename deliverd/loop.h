/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one event loop (libuv), in the words of this program: timers, file
 * descriptors, signals, child processes, and tasks that may block. Everything
 * but a task's run() happens on the loop's thread.
 */
#ifndef E2A_DELIVERD_LOOP_H
#define E2A_DELIVERD_LOOP_H

#include "common/base/err.h"
#include "common/base/mem.h"

#include <stdint.h>

struct loop;
struct uv_loop_s;

/* Tasks of one lane never keep those of another waiting. */
enum loop_lane {
	LANE_DB,     /* one database connection each */
	LANE_WEB,    /* name service and signing for webhooks */
	LANE_MAIL,   /* a mail of our own on its way to Postfix */
	LANE_INJECT, /* a mail of an agent on its way there */
	LANE_NAMES,  /* name service for the records of domains */
	LANE_MISC,   /* connections of their own: LISTEN, NOTIFY, Postfix's tables */
	LANE_COUNT
};

/* `width`: tasks of each lane that run at once. */
struct loop *loop_new(const size_t width[LANE_COUNT]);
/* Runs until loop_stop() was called. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Every timer, watch and task must be gone. */
void loop_free(struct loop *l);
/* For the module that needs libuv's own streams. */
struct uv_loop_s *loop_uv(struct loop *l);

struct loop_timer;
/* One shot; starting it again moves it. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *t, int64_t ms);
bool loop_timer_active(const struct loop_timer *t);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);
DEFINE_FREEP(struct loop_timer, loop_timer_free)

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_watch;
/* Watches a descriptor that the caller keeps open until loop_watch_free(). */
struct loop_watch *loop_watch_new(struct loop *l, int fd,
				  void (*fn)(int fd, unsigned events, void *arg), void *arg);
void loop_watch_set(struct loop_watch *w, unsigned events);
void loop_watch_free(struct loop_watch *w);

/* SIGTERM and SIGINT; SIGPIPE is ignored. */
void loop_on_terminate(struct loop *l, void (*fn)(void *arg), void *arg);

/* Runs a program; fn gets its exit status, -1 for a signal. ERR_IO when it cannot start. */
enum err loop_spawn(struct loop *l, char *const argv[], void (*fn)(int status, void *arg),
		    void *arg, struct fail *fail) MUST_CHECK;

/* run() on some thread, then done() on the loop's. Lives in the caller's struct until done(). */
struct task {
	enum loop_lane lane;
	void (*run)(struct task *t);
	void (*done)(struct task *t);
	struct task *next; /* private */
	struct loop *loop; /* private */
};

void loop_submit(struct loop *l, struct task *t);
/* Tasks that were submitted and are not done. */
size_t loop_tasks(const struct loop *l);

/* The struct that holds a member, from the member's address. */
#define CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
