/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of lmtp(8) over libuv. What arrives while a mail is being stored
 * waits in a bounded buffer, then the connection stops reading; nothing here
 * may hold more than that per connection.
 */
#include "deliverd/lmtp_server.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "deliverd/lmtp_listen.h"

#include <assert.h>
#include <unistd.h>
#include <uv.h>

enum {
	READ_BYTES = 64 * 1024,
	PENDING_MAX = 256 * 1024, /* read while the connection waits for something */
	REPLIES_MAX = 1024 * 1024,
	BACKLOG = 511,
	SWEEP_MS = 1000,
};

struct lmtp_server {
	struct loop *loop;
	struct lmtp_server_config config;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} * listener; /* NULL while draining */
	bool unix_socket;
	bool draining;
	struct lmtp_conn *conns;
	size_t conns_n;
	struct loop_timer *sweep;
	char buffer[READ_BYTES]; /* shared: a read is used before the next one */
};

struct lmtp_conn {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} uv;
	struct lmtp_server *server;
	struct lmtp_conn *next, **link;
	struct lmtp *engine;
	struct buf pending; /* read, not yet fed */
	struct buf out;
	int64_t active_ms; /* when something last moved */
	bool storing;      /* a mail is with the owner */
	bool writing;      /* replies wait for the peer */
	bool paused;       /* not reading */
	bool finishing;    /* close when the replies are out */
	bool closing;      /* uv_close() was called */
	bool closed;       /* its callback ran */
};

static void conn_free(struct lmtp_conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->server->conns_n--;
	lmtp_free(c->engine);
	buf_release(&c->pending);
	buf_release(&c->out);
	free(c);
}

static void on_closed(uv_handle_t *h)
{
	struct lmtp_conn *c = h->data;

	c->closed = true;
	if (!c->storing)
		conn_free(c);
}

static void conn_close(struct lmtp_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close(&c->uv.handle, on_closed);
}

static void alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct lmtp_conn *c = h->data;

	(void)suggested;
	*ret = uv_buf_init(c->server->buffer, READ_BYTES);
}

/* ---- writing ---- */

struct write {
	uv_write_t uv;
	struct lmtp_conn *conn;
	char bytes[];
};

static void conn_go_on(struct lmtp_conn *c);
static bool conn_flush(struct lmtp_conn *c);

static void on_written(uv_write_t *uv, int status)
{
	struct write *w = uv->data;
	struct lmtp_conn *c = w->conn;

	free(w);
	c->writing = false;
	if (status)
		conn_close(c);
	else if (conn_flush(c))
		conn_go_on(c);
}

static void write_rest(struct lmtp_conn *c, struct slice rest)
{
	struct write *w = mem_zalloc(sizeof(*w) + rest.n);
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)rest.n);

	memcpy(w->bytes, rest.p, rest.n);
	w->conn = c;
	w->uv.data = w;
	c->writing = true;
	if (uv_write(&w->uv, &c->uv.stream, &b, 1, on_written)) {
		free(w);
		c->writing = false;
		conn_close(c);
	}
}

/* Sends the replies; false when the connection is lost or must wait for the peer. */
static bool conn_flush(struct lmtp_conn *c)
{
	uv_buf_t b = uv_buf_init(c->out.p, (unsigned)c->out.len);
	int n = 0;

	if (c->closing || c->writing)
		return false;
	if (buf_failed(&c->out)) {
		conn_close(c);
		return false;
	}
	if (c->out.len)
		n = uv_try_write(&c->uv.stream, &b, 1);
	if (n < 0 && n != UV_EAGAIN) {
		conn_close(c);
		return false;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < c->out.len)
		write_rest(c, slice_sub(buf_slice(&c->out), (size_t)n, c->out.len));
	buf_reset(&c->out);
	if (!c->writing && c->finishing)
		conn_close(c);
	return !c->writing && !c->closing;
}

/* ---- reading ---- */

/* Feeds the engine; returns what it did not take. */
static struct slice conn_feed(struct lmtp_conn *c, struct slice in)
{
	struct lmtp_server *s = c->server;
	struct mail *m = NULL;

	switch (lmtp_feed(c->engine, &in, &c->out)) {
	case LMTP_MAIL:
		c->storing = true;
		m = lmtp_take(c->engine);
		break;
	case LMTP_CLOSE:
		c->finishing = true;
		break;
	default:
		break;
	}
	conn_flush(c);
	if (m)
		s->config.on_mail(c, m, s->config.arg);
	return in;
}

static bool conn_waits(const struct lmtp_conn *c)
{
	return c->storing || c->writing || c->finishing || c->closing;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct lmtp_conn *c = stream->data;
	struct slice in;

	if (n < 0) {
		conn_close(c);
		return;
	}
	c->active_ms = clock_mono_ms();
	in = slice_of(b->base, (size_t)n);
	if (!conn_waits(c) && c->pending.len == 0)
		in = conn_feed(c, in);
	buf_add_slice(&c->pending, in);
	if (conn_waits(c) && c->pending.len > PENDING_MAX - READ_BYTES && !c->paused) {
		c->paused = true;
		uv_read_stop(stream);
	}
}

/* After a wait: what has been read meanwhile, then more. */
static void conn_go_on(struct lmtp_conn *c)
{
	while (c->pending.len && !conn_waits(c)) {
		struct slice in = buf_slice(&c->pending);

		buf_consume(&c->pending, in.n - conn_feed(c, in).n);
	}
	if (c->server->draining && !conn_waits(c) && lmtp_idle(c->engine)) {
		lmtp_goodbye(c->engine, "4.3.2 Shutting down", &c->out);
		c->finishing = true;
		conn_flush(c);
	}
	if (c->paused && !conn_waits(c)) {
		c->paused = false;
		uv_read_start(&c->uv.stream, alloc, on_read);
	}
}

void lmtp_server_answer(struct lmtp_conn *c, const struct lmtp_reply *replies, size_t n)
{
	assert(c->storing);
	c->storing = false;
	if (c->closed) {
		conn_free(c);
		return;
	}
	for (size_t i = 0; i < n; i++)
		lmtp_answer(c->engine, replies[i].code, replies[i].text, &c->out);
	c->active_ms = clock_mono_ms();
	if (conn_flush(c))
		conn_go_on(c);
}

/* ---- accepting ---- */

static struct lmtp_conn *conn_new(struct lmtp_server *s)
{
	struct lmtp_conn *c = mem_zalloc(sizeof(*c));
	uv_loop_t *uv = loop_uv(s->loop);

	if (s->unix_socket)
		uv_pipe_init(uv, &c->uv.pipe, 0);
	else
		uv_tcp_init(uv, &c->uv.tcp);
	c->uv.handle.data = c;
	c->server = s;
	c->engine = lmtp_new(&s->config.limits);
	buf_init(&c->pending, PENDING_MAX);
	buf_init(&c->out, REPLIES_MAX);
	c->active_ms = clock_mono_ms();
	c->next = s->conns;
	c->link = &s->conns;
	if (s->conns)
		s->conns->link = &c->next;
	s->conns = c;
	s->conns_n++;
	return c;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct lmtp_server *s = listener->data;
	struct lmtp_conn *c;

	if (status)
		return; /* out of descriptors: it stays in the backlog */
	c = conn_new(s);
	if (uv_accept(listener, &c->uv.stream)) {
		conn_close(c);
		return;
	}
	if (!s->unix_socket)
		uv_tcp_nodelay(&c->uv.tcp, 1);
	if (s->conns_n > (size_t)s->config.settings->lmtp_max_connections) {
		lmtp_goodbye(c->engine, "4.3.2 Too many connections", &c->out);
		c->finishing = true;
	} else {
		lmtp_greet(c->engine, &c->out);
	}
	conn_flush(c);
	if (!c->closing)
		uv_read_start(&c->uv.stream, alloc, on_read);
}

/* Cuts off peers that are silent; those that wait for us are not. */
static void sweep(void *arg)
{
	struct lmtp_server *s = arg;
	int64_t limit = clock_mono_ms() - s->config.settings->lmtp_timeout_ms;

	for (struct lmtp_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (c->storing || c->closing || c->active_ms > limit)
			continue;
		if (c->writing || c->finishing) {
			conn_close(c);
			continue;
		}
		lmtp_goodbye(c->engine, "4.4.2 Timeout", &c->out);
		c->finishing = true;
		conn_flush(c);
	}
	loop_timer_start(s->sweep, SWEEP_MS);
}

static int listener_open(struct lmtp_server *s, int fd)
{
	uv_loop_t *uv = loop_uv(s->loop);
	int e;

	s->listener = mem_zalloc(sizeof(*s->listener));
	if (s->unix_socket) {
		uv_pipe_init(uv, &s->listener->pipe, 0);
		e = uv_pipe_open(&s->listener->pipe, fd);
	} else {
		uv_tcp_init(uv, &s->listener->tcp);
		e = uv_tcp_open(&s->listener->tcp, fd);
	}
	s->listener->handle.data = s;
	return e ? e : uv_listen(&s->listener->stream, BACKLOG, on_connection);
}

enum err lmtp_server_new(struct loop *loop, const struct lmtp_server_config *config,
			 struct lmtp_server **ret, struct fail *fail)
{
	const char *address = config->settings->lmtp_listen;
	AUTO(lmtp_server_freep) struct lmtp_server *s = mem_zalloc(sizeof(*s));
	int fd = -1, e;
	enum err err;

	s->loop = loop;
	s->config = *config;
	s->unix_socket = lmtp_listen_path(address) != NULL;
	err = lmtp_listen_open(address, &fd, fail);
	if (err)
		return err;
	e = listener_open(s, fd);
	if (e)
		return fail_set(fail, ERR_CONFIG, "lmtp_listen = %.160s: %s", address,
				uv_strerror(e));
	s->sweep = loop_timer_new(loop, sweep, s);
	loop_timer_start(s->sweep, SWEEP_MS);
	*ret = TAKE(s);
	return OK;
}

static void listener_closed(uv_handle_t *h)
{
	free(h);
}

static void listener_close(struct lmtp_server *s)
{
	if (!s->listener)
		return;
	if (s->unix_socket)
		unlink(lmtp_listen_path(s->config.settings->lmtp_listen));
	uv_close(&TAKE(s->listener)->handle, listener_closed);
}

void lmtp_server_drain(struct lmtp_server *s)
{
	s->draining = true;
	listener_close(s);
	for (struct lmtp_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (!c->closing)
			conn_go_on(c);
	}
}

size_t lmtp_server_connections(const struct lmtp_server *s)
{
	return s->conns_n;
}

void lmtp_server_free(struct lmtp_server *s)
{
	if (!s)
		return;
	listener_close(s);
	for (struct lmtp_conn *c = s->conns; c; c = c->next)
		conn_close(c);
	while (s->conns)
		uv_run(loop_uv(s->loop), UV_RUN_NOWAIT);
	loop_timer_free(s->sweep);
	free(s);
}
