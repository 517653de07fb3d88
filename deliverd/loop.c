/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers, descriptors, signals and children over libuv. A handle's memory must
 * outlive its close callback, so handles are on the heap and free themselves.
 */
#include "deliverd/loop.h"

#include "common/base/buf.h"
#include "deliverd/loop_private.h"

#include <assert.h>
#include <signal.h>

enum { THREADS_MAX = 1024 };

/* libuv's set-up fails only for lack of memory or descriptors: no way to go on. */
static void must(int uv_error)
{
	if (uv_error)
		abort();
}

static void set_threads(size_t n)
{
	AUTO(buf_release) struct buf text = BUF_INIT(32);

	buf_addf(&text, "%zu", n > THREADS_MAX ? THREADS_MAX : n);
	setenv("UV_THREADPOOL_SIZE", buf_cstr(&text), 1);
}

struct loop *loop_new(const size_t width[LANE_COUNT])
{
	struct loop *l = mem_zalloc(sizeof(*l));
	size_t threads = 0;

	for (size_t i = 0; i < LANE_COUNT; i++) {
		l->lane[i].width = width[i];
		l->lane[i].tail = &l->lane[i].head;
		threads += width[i];
	}
	set_threads(threads);
	must(uv_loop_init(&l->uv));
	return l;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->on_terminate && i < ARRAY_LEN(l->signal); i++)
		uv_close((uv_handle_t *)&l->signal[i], NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT); /* the close callbacks */
	must(uv_loop_close(&l->uv));
	free(l);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

/* ---- timers ---- */

struct loop_timer {
	uv_timer_t uv;
	void (*fn)(void *arg);
	void *arg;
};

static void timer_fired(uv_timer_t *uv)
{
	struct loop_timer *t = uv->data;

	t->fn(t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = mem_zalloc(sizeof(*t));

	must(uv_timer_init(&l->uv, &t->uv));
	t->uv.data = t;
	t->fn = fn;
	t->arg = arg;
	return t;
}

void loop_timer_start(struct loop_timer *t, int64_t ms)
{
	must(uv_timer_start(&t->uv, timer_fired, ms > 0 ? (uint64_t)ms : 0, 0));
}

bool loop_timer_active(const struct loop_timer *t)
{
	return uv_is_active((const uv_handle_t *)&t->uv);
}

void loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}

void loop_timer_free(struct loop_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, closed);
}

/* ---- descriptors ---- */

struct loop_watch {
	uv_poll_t uv;
	int fd;
	void (*fn)(int fd, unsigned events, void *arg);
	void *arg;
};

static void watch_fired(uv_poll_t *uv, int status, int events)
{
	struct loop_watch *w = uv->data;
	unsigned e = 0;

	/* An error shows when the descriptor is used: report it as ready. */
	if (status || (events & (UV_READABLE | UV_DISCONNECT)))
		e |= LOOP_READ;
	if (status || (events & UV_WRITABLE))
		e |= LOOP_WRITE;
	w->fn(w->fd, e, w->arg);
}

struct loop_watch *loop_watch_new(struct loop *l, int fd,
				  void (*fn)(int fd, unsigned events, void *arg), void *arg)
{
	struct loop_watch *w = mem_zalloc(sizeof(*w));

	must(uv_poll_init(&l->uv, &w->uv, fd));
	w->uv.data = w;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	return w;
}

void loop_watch_set(struct loop_watch *w, unsigned events)
{
	int e = (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);

	must(e ? uv_poll_start(&w->uv, e, watch_fired) : uv_poll_stop(&w->uv));
}

void loop_watch_free(struct loop_watch *w)
{
	if (!w)
		return;
	uv_poll_stop(&w->uv);
	uv_close((uv_handle_t *)&w->uv, closed);
}

/* ---- signals ---- */

static void signal_fired(uv_signal_t *uv, int signum)
{
	struct loop *l = uv->data;

	(void)signum;
	l->on_terminate(l->on_terminate_arg);
}

void loop_on_terminate(struct loop *l, void (*fn)(void *arg), void *arg)
{
	static const int signals[] = { SIGTERM, SIGINT };

	signal(SIGPIPE, SIG_IGN);
	l->on_terminate = fn;
	l->on_terminate_arg = arg;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		must(uv_signal_init(&l->uv, &l->signal[i]));
		l->signal[i].data = l;
		must(uv_signal_start(&l->signal[i], signal_fired, signals[i]));
	}
}

/* ---- children ---- */

struct child {
	uv_process_t uv;
	void (*fn)(int status, void *arg);
	void *arg;
};

static void child_ended(uv_process_t *uv, int64_t status, int signum)
{
	struct child *c = uv->data;

	c->fn(signum ? -1 : (int)status, c->arg);
	uv_close((uv_handle_t *)uv, closed);
}

enum err loop_spawn(struct loop *l, char *const argv[], void (*fn)(int status, void *arg),
		    void *arg, struct fail *fail)
{
	struct child *c = mem_zalloc(sizeof(*c));
	/* Its messages join ours on standard error. */
	uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE },
					 { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
					 { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO } };
	uv_process_options_t options = {
		.exit_cb = child_ended,
		.file = argv[0],
		.args = (char **)(void *)(uintptr_t)argv,
		.stdio_count = ARRAY_LEN(stdio),
		.stdio = stdio,
	};
	int e;

	c->fn = fn;
	c->arg = arg;
	e = uv_spawn(&l->uv, &c->uv, &options);
	c->uv.data = c;
	if (!e)
		return OK;
	uv_close((uv_handle_t *)&c->uv, closed);
	return fail_set(fail, ERR_IO, "%s: %s", argv[0], uv_strerror(e));
}
