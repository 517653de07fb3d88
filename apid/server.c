/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server. libmicrohttpd's callbacks run on its one thread and must
 * never wait. An exchange belongs to that thread, except between its suspension
 * and its resumption, when it belongs to a worker.
 */
#include "apid/server.h"

#include "apid/apid_metrics.h"
#include "apid/body.h"
#include "apid/conns.h"
#include "apid/intake.h"
#include "apid/presence.h"
#include "apid/req.h"
#include "apid/waits.h"
#include "apid/workers.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <microhttpd.h>
#include <unistd.h>

enum {
	LARGE = 1024 * 1024,    /* bytes of a body that makes a request one of JOB_LARGE */
	LIMIT_SLACK = 64,       /* the limit is ours; libmicrohttpd's must not come before it */
	POOL_EXTRA = 16 * 1024, /* beside the head: libmicrohttpd's tables and body chunks */
};

struct server {
	const struct app *app;
	struct MHD_Daemon *mhd;
	struct conns conns;
	struct shares bodies; /* libmicrohttpd's thread's own */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	size_t under_way; /* requests, under the lock */
};

struct exchange {
	struct job job;
	struct server *server;
	struct MHD_Connection *mhd;
	struct conn *conn;
	struct req *req;
	char *target; /* raw, as it came */
	int64_t start_ms;
	struct intake intake;
	enum { EX_NEW, EX_ADMITTED, EX_BODY, EX_READY } state;
	bool waited; /* for mail: its time says nothing about us */
};

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* First of a request: the target as it came, before anybody decodes it. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	struct server *s = arg;
	struct exchange *x = mem_zalloc(sizeof(*x));

	x->server = s;
	x->mhd = mhd;
	x->conn = conn_of(mhd);
	x->req = req_new(s->app);
	x->target = mem_strdup(target);
	x->start_ms = clock_mono_ms();
	intake_init(&x->intake, &s->bodies, &x->req->client_ip, &x->req->body);
	x->conn->request = x;
	pthread_mutex_lock(&s->lock);
	s->under_way++;
	metric_add(&apid_metrics[APID_REQUESTS_OPEN], 1);
	pthread_mutex_unlock(&s->lock);
	return x;
}

/* The server reads the target itself; libmicrohttpd must leave it alone. */
static size_t no_unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key,
				size_t key_size, const char *value, size_t value_size)
{
	struct req *r = arg;
	struct slice name = slice_of(key, key_size);
	struct slice copy = arena_slice(&r->arena, slice_of(value, value_size));

	(void)kind;
	req_field(r, name, slice_trim(copy));
	upgrade_field(&r->upgrade, name, copy);
	framing_field(&r->framing, name, copy);
	return MHD_YES;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	/* It fails for values with CR or LF, which no writer of ours lets through. */
	if (value && MHD_add_response_header(response, name, value) != MHD_YES)
		log_error("header_refused", LF_STR("name", name));
}

static void add_own_headers(struct MHD_Response *response, struct req *r)
{
	for (size_t i = 0; i < r->resp.header_n; i++)
		add_header(response, r->resp.header[i].name,
			   arena_dup(&r->arena, r->resp.header[i].value));
}

static void add_headers(struct MHD_Response *response, struct req *r)
{
	const struct resp *resp = &r->resp;
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", resp->retry_after_s);
	add_header(response, "Content-Type", resp->type);
	add_header(response, "Location", resp->location);
	add_header(response, "X-Content-Type-Options", resp->nosniff ? "nosniff" : NULL);
	add_header(response, "Retry-After", resp->retry_after_s ? seconds : NULL);
	add_header(response, "Sec-WebSocket-Version", resp->ws_version ? "13" : NULL);
	add_header(response, "Connection", resp->close ? "close" : NULL);
	add_header(response, "Cache-Control", resp->cacheable ? NULL : "no-store");
	add_own_headers(response, r);
	add_header(response, "X-Request-Id", r->id);
}

static enum MHD_Result answer(struct exchange *x)
{
	struct MHD_Response *response = body_response(x->req, x->mhd, &x->server->conns, x->conn);
	enum MHD_Result ok;

	if (!response)
		return MHD_NO;
	add_headers(response, x->req);
	conns_set(&x->server->conns, x->conn, CONN_WRITING);
	ok = MHD_queue_response(x->mhd, (unsigned)x->req->resp.status, response);
	MHD_destroy_response(response);
	return ok;
}

static void ready(struct exchange *x)
{
	waits_leave(&x->req->wait.place);
	x->state = EX_READY;
	MHD_resume_connection(x->mhd);
}

static void run_again(struct job *job, struct db *db);
static void go_on_waiting(struct wait *w, enum waits_why why);

/*
 * False when the answer that stands is to go out. Who was notified meanwhile looks again when
 * its turn comes: agents with much mail must not keep a worker to themselves.
 */
static bool wait_on(struct exchange *x)
{
	struct wait *w = &x->req->wait.place;
	enum waits_parked parked;

	if (clock_mono_ms() >= w->until_ms)
		return false;
	w->go_on = go_on_waiting;
	w->arg = x;
	conns_set(&x->server->conns, x->conn, CONN_WAITING);
	parked = waits_park(w, x->conn);
	if (parked == WAITS_PARKED)
		return true;
	conns_set(&x->server->conns, x->conn, CONN_RUNNING);
	x->job.run = run_again;
	return parked == WAITS_AGAIN && workers_post(x->server->app->workers, &x->job, JOB_SOCKET);
}

/* To libmicrohttpd, unless the handler asked to wait: then it belongs to whoever wakes it. */
static void settle(struct exchange *x)
{
	struct req *r = x->req;

	x->waited = x->waited || r->wait.again || r->resp.source.wait;
	if (!r->wait.again || !wait_on(x))
		ready(x);
}

static void run_job(struct job *job, struct db *db)
{
	struct exchange *x = (struct exchange *)job;

	req_run(x->req, db);
	settle(x);
}

static void run_again(struct job *job, struct db *db)
{
	struct exchange *x = (struct exchange *)job;

	req_run_again(x->req, db);
	settle(x);
}

/* Without new mail the answer that stands is the right one. */
static void go_on_waiting(struct wait *w, enum waits_why why)
{
	struct exchange *x = w->arg;

	conns_set(&x->server->conns, x->conn, CONN_RUNNING);
	x->job.run = run_again;
	if (why != WAITS_MAIL || !workers_post(x->server->app->workers, &x->job, JOB_SOCKET))
		ready(x);
}

static void run_admission(struct job *job, struct db *db)
{
	struct exchange *x = (struct exchange *)job;

	req_admit(x->req, db);
	x->state = EX_ADMITTED;
	MHD_resume_connection(x->mhd);
}

static void too_busy(struct exchange *x)
{
	metric_add(&apid_metrics[APID_BUSY], 1);
	resp_error(&x->req->resp, 503, "too busy, try again later");
}

/* To a worker. The connection is suspended first: the worker may be done before we are. */
static enum MHD_Result dispatch(struct exchange *x, void (*run)(struct job *job, struct db *db),
				enum job_class class)
{
	x->job.run = run;
	conns_set(&x->server->conns, x->conn, CONN_RUNNING);
	MHD_suspend_connection(x->mhd);
	if (workers_post(x->server->app->workers, &x->job, class))
		return MHD_YES;
	too_busy(x);
	x->state = EX_READY;
	MHD_resume_connection(x->mhd);
	return MHD_YES;
}

/* Some requests are answered without a worker: their route alone decides. */
static enum MHD_Result conclude(struct exchange *x)
{
	const struct req *r = x->req;

	if (x->intake.refused && !r->resp.status)
		too_busy(x);
	if (r->resp.status)
		return answer(x);
	return dispatch(x, run_job, r->body.len > LARGE ? JOB_LARGE : r->route->class);
}

/* The body was not read: what comes behind the head is nobody's. */
static enum MHD_Result answer_and_close(struct exchange *x)
{
	x->req->resp.close = true;
	return answer(x);
}

/* Bytes that are announced, 0 when that is not known. */
static uint64_t announced(struct MHD_Connection *mhd)
{
	uint64_t n = 0;
	struct slice text =
		slice_str(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length"));

	return slice_to_u64(text, INT64_MAX, &n) == OK ? n : 0;
}

static enum MHD_Result refuse(struct exchange *x)
{
	resp_error(&x->req->resp, 400, "malformed request head");
	return answer_and_close(x);
}

/*
 * Whoever waits for permission to send the body is answered at once. Others are sending
 * it already, and would not see an answer before its end.
 */
static enum MHD_Result refuse_body(struct exchange *x)
{
	bool waits = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, "Expect") != NULL;

	intake_refuse(&x->intake);
	if (!waits)
		return MHD_YES;
	if (!x->req->resp.status)
		too_busy(x);
	return answer_and_close(x);
}

/* Now the body may come, if there is room for it. */
static enum MHD_Result expect_body(struct exchange *x)
{
	x->state = EX_BODY;
	return intake_expect(&x->intake, announced(x->mhd)) ? MHD_YES : refuse_body(x);
}

/* Strangers must not fill our memory: who sends much is known before it is read. */
static bool needs_admission(const struct exchange *x)
{
	const struct req *r = x->req;

	return !r->resp.status && r->body.max > INTAKE_FREE && r->route->access != ACCESS_HANDLER &&
	       (announced(x->mhd) > INTAKE_FREE || r->framing.codings > 0);
}

static enum MHD_Result go_on(struct exchange *x)
{
	conns_set(&x->server->conns, x->conn, CONN_READING);
	x->state = EX_BODY;
	return x->req->resp.status ? refuse_body(x) : expect_body(x);
}

static enum MHD_Result begin(struct exchange *x, const char *method, const char *version)
{
	struct req *r = x->req;
	bool routed = req_route(r, slice_str(method), slice_str(x->target));

	x->state = EX_BODY;
	r->upgrade.method = r->method;
	r->upgrade.http_1_1 = slice_eq(slice_str(version), S("HTTP/1.1"));
	MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, on_field, r);
	req_came_from(r, &x->conn->peer);
	if (!framing_is_clear(&r->framing, r->upgrade.http_1_1))
		return refuse(x);
	if (routed && r->route->access == ACCESS_PUBLIC) {
		r->route->run(r);
		resp_finish(&r->resp);
	}
	if (announced(x->mhd) > r->body.max + INTAKE_DISCARD_MAX) {
		r->body_bad = r->body_unread =
			true; /* answered before the body: the connection will be closed */
		return conclude(x);
	}
	return needs_admission(x) ? dispatch(x, run_admission, JOB_REQUEST) : expect_body(x);
}

static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *n)
{
	bool goes_on = intake_take(&x->intake, slice_of(data, *n));

	x->req->body_bad = buf_failed(&x->req->body);
	*n = 0;
	return goes_on ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **context)
{
	struct exchange *x = *context;

	(void)arg;
	(void)mhd;
	(void)url;
	switch (x->state) {
	case EX_NEW:
		return begin(x, method, version);
	case EX_ADMITTED:
		return go_on(x);
	case EX_BODY:
		return *n ? take_body(x, data, n) : conclude(x);
	case EX_READY:
		return answer(x);
	}
	return MHD_NO;
}

/* Which credential it was: never the credential. */
static struct slice credential(const struct principal *p)
{
	return p->session ? S("session") : p->key_id;
}

static void log_request(const struct exchange *x)
{
	const struct req *r = x->req;
	enum log_level level =
		r->route && r->route->access == ACCESS_PUBLIC ? LOGL_DEBUG : LOGL_INFO;

	LOG_AT(level, "request", LF_STR("request", r->id), LF_SLICE("method", r->method),
	       LF_SLICE("path", r->target.path), LF_INT("status", r->resp.status),
	       LF_INT("ms", clock_mono_ms() - x->start_ms), LF_SLICE("client", r->client),
	       LF_SLICE("user", r->principal.user_id), LF_SLICE("by", credential(&r->principal)),
	       { .key = NULL });
}

/* Not one whose client went before there was an answer. */
static void count_request(const struct exchange *x)
{
	size_t class = (size_t)x->req->resp.status / 100;

	metric_add(&apid_metrics[APID_REQUESTS_OPEN], -1);
	if (class < 1)
		return;
	metric_add_at(&apid_metrics[APID_REQUESTS], class - 1, 1);
	if (!x->waited)
		metric_observe(&apid_metrics[APID_REQUEST_MS], clock_mono_ms() - x->start_ms);
}

static void finish(struct server *s, struct exchange *x)
{
	x->conn->request = NULL;
	log_request(x);
	count_request(x);
	intake_release(&x->intake);
	req_free(x->req);
	free(x->target);
	free(x);
	pthread_mutex_lock(&s->lock);
	if (--s->under_way == 0)
		pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct server *s = arg;
	struct exchange *x = TAKE(*context);

	(void)mhd;
	(void)why;
	if (!x)
		return;
	conns_set(&s->conns, x->conn, CONN_READING);
	finish(s, x);
}

/* Libmicrohttpd forgets to report the end of a request whose cookies do not fit into its pool. */
static void end_connection(struct server *s, struct conn *conn)
{
	if (conn->request)
		finish(s, conn->request);
	conns_remove(&s->conns, conn);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct server *s = arg;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = conns_begin(&s->conns, info->connect_fd);
	else if (*context)
		end_connection(s, TAKE(*context));
}

static void on_log(void *arg, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void on_log(void *arg, const char *fmt, va_list ap)
{
	AUTO(buf_release) struct buf text = BUF_INIT(512);

	(void)arg;
	buf_vaddf(&text, fmt, ap);
	log_debug("http_server", LF_SLICE("text", slice_trim(buf_slice(&text))));
}

static struct MHD_Daemon *start(struct server *s, const struct settings *set)
{
	const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			       MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const size_t pool = (size_t)set->http_header_limit + POOL_EXTRA;

	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
		no_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(set->http_max_connections + set->wait_max) + LIMIT_SLACK,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(set->http_timeout_ms / 1000),
		MHD_OPTION_END);
}

enum err server_new(const struct app *app, struct server **ret, struct fail *fail)
{
	const struct settings *set = app->settings;
	const struct conns_limits limits = { set->http_timeout_ms, set->http_write_timeout_ms,
					     set->ws_write_timeout_ms };
	struct server *s = mem_zalloc(sizeof(*s));
	pthread_condattr_t attr;

	s->app = app;
	shares_init(&s->bodies, (size_t)set->http_body_memory, route_largest_body());
	conns_init(&s->conns, app->peers, (size_t)set->http_max_connections, &limits);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->idle, &attr);
	pthread_condattr_destroy(&attr);
	s->mhd = start(s, set);
	if (!s->mhd) {
		server_free(s);
		return fail_set(fail, ERR_IO, "libmicrohttpd did not start");
	}
	*ret = s;
	return OK;
}

void server_add(struct server *s, int fd, const struct client_peer *peer)
{
	if (!conns_announce(&s->conns, fd, peer)) {
		peers_refused(s->app->peers, peer, PEERS_SERVER_FULL);
		peers_leave(s->app->peers, peer);
		close(fd);
		return;
	}
	/* When it fails, it closes the socket. */
	if (MHD_add_connection(s->mhd, fd, (const struct sockaddr *)&peer->addr, peer->len) !=
	    MHD_YES)
		log_error("connection_refused", LF_STR("reason", "libmicrohttpd"));
}

void server_tick(struct server *s)
{
	int64_t now_ms = clock_mono_ms();

	conns_sweep(&s->conns, now_ms);
	waits_tick(s->app->waits, now_ms);
	presence_tick(s->app->presence, now_ms);
}

void server_drain(struct server *s, int64_t deadline_ms)
{
	const struct timespec until = { .tv_sec = deadline_ms / 1000,
					.tv_nsec = deadline_ms % 1000 * 1000000 };

	pthread_mutex_lock(&s->lock);
	while (s->under_way && pthread_cond_timedwait(&s->idle, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	if (s->mhd)
		MHD_stop_daemon(s->mhd);
	conns_release(&s->conns);
	shares_release(&s->bodies);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
