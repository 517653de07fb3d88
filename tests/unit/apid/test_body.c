/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies made piece by piece, through libmicrohttpd and a socket: what the
 * client sees of a source that ends, fails, or breaks its word about the length,
 * and that the source is let go exactly once.
 */
#include "apid/body.h"
#include "apid/workers.h"
#include "tests/unit/test.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "head "
#define TAIL " tail"

enum { ALL_MAX = 64 * 1024 * 1024 };

/* What the source does. */
struct script {
	int64_t size; /* that it promises */
	int pieces;   /* before it ends ... */
	size_t bytes; /* ... of so many bytes each */
	bool fails;   /* ... or fails */
};

struct server {
	struct settings settings;
	struct app app;
	struct conns conns; /* just enough for conns_set() */
	struct MHD_Daemon *mhd;
	struct script script;
	int made;        /* pieces; a worker's, then ours */
	int freed;       /* sources, under the lock */
	bool over;       /* the request, under the lock */
	bool hold, held; /* the source waits in its second piece, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static void set(struct server *s, bool *what, bool to)
{
	pthread_mutex_lock(&s->lock);
	*what = to;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void wait_for(struct server *s, const bool *what, bool want)
{
	pthread_mutex_lock(&s->lock);
	while (*what != want)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct server *s = arg;

	assert_non_null(db);
	if (s->made == 1) {
		set(s, &s->held, true);
		wait_for(s, &s->hold, false);
	}
	if (s->made == s->script.pieces)
		return s->script.fails ? fail_set(fail, ERR_TIMEOUT, "as the script says") : OK;
	for (size_t i = 0; i < s->script.bytes; i++)
		buf_add_char(piece, (char)('a' + s->made % 26));
	s->made++;
	return OK;
}

static void free_source(void *arg)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->lock);
	s->freed++;
	pthread_mutex_unlock(&s->lock);
}

static void write_answer(struct server *s, struct resp *r)
{
	r->status = 200;
	buf_add_str(&r->body, HEAD);
	r->source = (struct resp_source){ .next = next_piece,
					  .free = free_source,
					  .arg = s,
					  .size = s->script.size,
					  .at = r->body.len };
	buf_add_str(&r->body, TAIL);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **context)
{
	struct server *s = arg;
	struct req *r = *context;
	struct conn *conn =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	struct MHD_Response *response;
	enum MHD_Result ok;

	(void)url, (void)method, (void)version, (void)data, (void)n;
	if (!r) {
		*context = req_new(&s->app);
		return MHD_YES;
	}
	write_answer(s, &r->resp);
	response = body_response(r, mhd, &s->conns, conn);
	ok = MHD_queue_response(mhd, 200, response);
	MHD_destroy_response(response);
	return ok;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct server *s = arg;

	(void)mhd, (void)why;
	req_free(TAKE(*context));
	set(s, &s->over, true);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	(void)arg, (void)mhd;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = mem_zalloc(sizeof(struct conn));
	else
		free(TAKE(*context));
}

static void start(struct server *s, const struct script *script)
{
	static char url[] = "host=/nonexistent";

	*s = (struct server){ .settings = { .database_url = url, .http_workers = 1 },
			      .script = *script,
			      .conns.lock = PTHREAD_MUTEX_INITIALIZER,
			      .lock = PTHREAD_MUTEX_INITIALIZER,
			      .changed = PTHREAD_COND_INITIALIZER };
	s->app = (struct app){ .settings = &s->settings, .workers = workers_new(&s->settings) };
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
					  MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME,
				  0, NULL, NULL, on_request, s, MHD_OPTION_NOTIFY_COMPLETED,
				  on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				  MHD_OPTION_END);
	assert_non_null(s->mhd);
}

/* In the order of the daemon. */
static void stop(struct server *s)
{
	assert_true(workers_stop(s->app.workers, INT64_MAX / 2));
	MHD_stop_daemon(s->mhd);
	workers_free(s->app.workers);
}

/* Our end of a connection on which a request was sent. */
static int ask(struct server *s, const char *version)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	AUTO(buf_release) struct buf text = BUF_INIT(200);
	int fd[2];

	buf_addf(&text, "GET / HTTP/%s\r\nHost: x\r\nConnection: close\r\n\r\n", version);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(MHD_add_connection(s->mhd, fd[1], (struct sockaddr *)&peer, sizeof(peer)),
			 MHD_YES);
	assert_int_equal(write(fd[0], text.p, text.len), text.len);
	return fd[0];
}

static void read_all(int fd, struct buf *ret)
{
	static char chunk[64 * 1024];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(ret, chunk, (size_t)n);
}

/* False unless a last chunk stands at the end. */
static bool join_chunks(struct slice text, struct buf *ret)
{
	struct slice line;

	while (slice_cut(&text, '\n', &line)) {
		size_t n = 0;

		for (size_t i = 0; i < line.n && line.p[i] != '\r'; i++)
			n = n * 16 + (size_t)(line.p[i] <= '9' ? line.p[i] - '0'
							       : (line.p[i] | 32) - 'a' + 10);
		if (n == 0)
			return line.n > 0;
		buf_add_slice(ret, slice_sub(text, 0, n));
		text = slice_sub(text, n + 2, text.n);
	}
	return false;
}

/* Does what came have this field in its head? */
static bool has_field(struct slice head, const char *name)
{
	struct slice line;

	while (slice_cut(&head, '\n', &line))
		if (slice_starts(line, slice_str(name)))
			return true;
	return false;
}

struct row {
	struct script script;
	const char *version;
	const char *framing; /* the field that must be there; NULL: neither */
	bool whole;
};

static void want_body(const struct script *script, struct buf *ret)
{
	buf_add_str(ret, HEAD);
	for (int i = 0; i < script->pieces; i++)
		for (size_t k = 0; k < script->bytes; k++)
			buf_add_char(ret, (char)('a' + i % 26));
	buf_add_str(ret, TAIL);
}

static void check_row(const struct row *row, size_t i)
{
	AUTO(buf_release) struct buf got = BUF_INIT(ALL_MAX), want = BUF_INIT(ALL_MAX);
	AUTO(buf_release) struct buf joined = BUF_INIT(ALL_MAX);
	struct server s;
	struct slice head, body;
	bool chunked, complete;
	ptrdiff_t end;
	int fd;

	start(&s, &row->script);
	fd = ask(&s, row->version);
	read_all(fd, &got);
	end = slice_find(buf_slice(&got), '\r');
	assert_row(i, end > 0);
	while (!slice_starts(slice_sub(buf_slice(&got), (size_t)end, got.len), S("\r\n\r\n")))
		end++;
	head = slice_sub(buf_slice(&got), 0, (size_t)end + 2);
	body = slice_sub(buf_slice(&got), (size_t)end + 4, got.len);
	want_body(&row->script, &want);
	chunked = has_field(head, "Transfer-Encoding: chunked");
	complete = !chunked || join_chunks(body, &joined);
	if (row->framing)
		assert_row(i, has_field(head, row->framing));
	else
		assert_row(i, !chunked && !has_field(head, "Content-Length"));
	assert_row(i, (complete && slice_eq(chunked ? buf_slice(&joined) : body,
					    buf_slice(&want))) == row->whole);
	close(fd);
	stop(&s);
	assert_row(i, s.freed == 1);
}

static void a_body_looks_whole_exactly_when_it_is(void **state)
{
	static const char length[] = "Content-Length:", chunks[] = "Transfer-Encoding: chunked";
	static const struct row rows[] = {
		{ { -1, 3, 10, false }, "1.1", chunks, true },
		{ { -1, 0, 0, false }, "1.1", chunks, true },
		{ { -1, 40, RESP_PIECE_MAX, false }, "1.1", chunks, true },
		{ { -1, 3, 10, false }, "1.0", NULL, true },
		{ { -1, 40, RESP_PIECE_MAX, false }, "1.0", NULL, true },
		{ { 30, 3, 10, false }, "1.1", length, true },
		{ { 30, 3, 10, false }, "1.0", length, true },
		{ { 0, 0, 0, false }, "1.1", length, true },
		{ { 40 * RESP_PIECE_MAX, 40, RESP_PIECE_MAX, false }, "1.1", length, true },
		/* it fails at once, later, at the very end */
		{ { -1, 0, 10, true }, "1.1", chunks, false },
		{ { -1, 3, 10, true }, "1.1", chunks, false },
		{ { -1, 40, RESP_PIECE_MAX, true }, "1.1", chunks, false },
		{ { -1, 3, 10, true }, "1.0", NULL, false },
		{ { 31, 3, 10, true }, "1.1", length, false },
		{ { 31, 0, 10, true }, "1.1", length, false },
		/* it makes more or less than it said, or a piece that is too large */
		{ { 29, 3, 10, false }, "1.1", length, false },
		{ { 31, 3, 10, false }, "1.1", length, false },
		{ { 1, 0, 10, false }, "1.1", length, false },
		{ { -1, 1, RESP_PIECE_MAX + 1, false }, "1.1", chunks, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i], i);
}

static void a_client_that_goes_lets_the_source_go(void **state)
{
	const struct script scripts[] = {
		{ -1, 1 << 20, RESP_PIECE_MAX, false },
		{ INT64_C(1) << 38, 1 << 20, RESP_PIECE_MAX, false },
	};
	char some[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct server s;
		int fd;

		start(&s, &scripts[i]);
		fd = ask(&s, "1.1");
		assert_true(read(fd, some, sizeof(some)) > 0);
		close(fd);
		wait_for(&s, &s.over, true);
		assert_int_equal(s.freed, 1);
		stop(&s);
		assert_int_equal(s.freed, 1);
	}
}

static void a_client_that_goes_while_a_piece_is_made_lets_the_source_go(void **state)
{
	const struct script script = { -1, 4, 10, false };
	struct server s;
	int fd;

	(void)state;
	start(&s, &script);
	s.hold = true;
	fd = ask(&s, "1.1");
	wait_for(&s, &s.held, true);
	close(fd);
	assert_int_equal(s.freed, 0);
	set(&s, &s.hold, false);
	wait_for(&s, &s.over, true);
	stop(&s);
	assert_int_equal(s.freed, 1);
}

static void a_stop_breaks_a_body_off(void **state)
{
	const struct script script = { -1, 1 << 20, RESP_PIECE_MAX, false };
	AUTO(buf_release) struct buf got = BUF_INIT(ALL_MAX);
	char some[1000];
	struct server s;
	int fd;

	(void)state;
	start(&s, &script);
	fd = ask(&s, "1.1");
	assert_true(read(fd, some, sizeof(some)) > 0);
	stop(&s);
	assert_int_equal(s.freed, 1);
	read_all(fd, &got);
	assert_true(got.len < 5 || memcmp(got.p + got.len - 5, "0\r\n\r\n", 5) != 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_looks_whole_exactly_when_it_is),
		cmocka_unit_test(a_client_that_goes_lets_the_source_go),
		cmocka_unit_test(a_client_that_goes_while_a_piece_is_made_lets_the_source_go),
		cmocka_unit_test(a_stop_breaks_a_body_off),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
