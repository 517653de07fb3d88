/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only user of libwebsockets in this folder. Its own time-outs miss some of the states
 * that a connection can hang in, so there is one timer here, whose meaning is that of the
 * state: opening, open, asked (a ping is under way), paused, leaving. libwebsockets' texts
 * are for its authors; what people read is made here.
 */
#include "cli/socket.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"

#include <libwebsockets.h>
#include <stdatomic.h>

enum {
	READ_MAX = 16 * 1024, /* bytes of a message at a time */
	FILES = 16,           /* that the context has room for */
	LEAVE_MS = 500,       /* for the closing handshake */
};

enum state { OPENING, OPEN, ASKED, PAUSED, LEAVING, OVER };

struct socket {
	struct lws_context *context;
	struct lws *wsi;
	struct socket_hooks hooks;
	int64_t ping_ms, opened_ms;
	enum state state;
	bool ping_due;
	lws_sorted_usec_list_t timer;
	struct buf text; /* the message that is coming in */
	size_t parts;
	enum lws_close_status code; /* to leave with */
	const struct socket_target *target;
	struct socket_end *end;
	atomic_bool stop, resume;
};

#define NAME "e2a" /* of the protocol towards libwebsockets; the server sees none */

/* The last error that libwebsockets logged: TLS is explained nowhere else. */
static _Thread_local char logged[160];

static void note_log(int level, const char *line)
{
	struct slice s = slice_trim(slice_str(line));

	(void)level;
	s = slice_sub(s, 0, sizeof(logged) - 1);
	memcpy(logged, s.p, s.n);
	logged[s.n] = '\0';
}

static void say(struct socket *s, struct slice what)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice line = utf8_line(&a, utf8_plain(&a, what), sizeof(s->end->what) - 1);

	memcpy(s->end->what, line.p, line.n);
	s->end->what[line.n] = '\0';
}

/* The first cause stands; what follows from it does not. */
static void conclude(struct socket *s, enum socket_how how, struct slice what)
{
	if (s->state == LEAVING || s->state == OVER)
		return;
	s->end->how = how;
	if (s->state != OPENING)
		s->end->open_ms = clock_mono_ms() - s->opened_ms;
	say(s, what);
}

static void timer_fired(lws_sorted_usec_list_t *timer);

static void set_timer(struct socket *s, int64_t ms)
{
	lws_sul_schedule(s->context, 0, &s->timer, timer_fired, ms * LWS_US_PER_MS);
}

static void over(struct socket *s)
{
	s->state = OVER;
	lws_cancel_service(s->context);
}

/* Ends the connection from this side, with a close frame if it goes out soon. */
static void leave(struct socket *s, enum socket_how how, enum lws_close_status code,
		  const char *what)
{
	bool open = s->state != OPENING;

	if (s->state == LEAVING || s->state == OVER)
		return;
	conclude(s, how, slice_str(what));
	if (!open || !s->wsi) {
		over(s);
		return;
	}
	s->state = LEAVING;
	s->code = code;
	set_timer(s, LEAVE_MS);
	lws_callback_on_writable(s->wsi);
}

static void timer_fired(lws_sorted_usec_list_t *timer)
{
	struct socket *s = lws_container_of(timer, struct socket, timer);

	if (s->state == OPENING)
		leave(s, SOCKET_UNREACHABLE, LWS_CLOSE_STATUS_NOSTATUS, "no answer");
	else if (s->state == ASKED)
		leave(s, SOCKET_SILENT, LWS_CLOSE_STATUS_GOINGAWAY, "no answer to a ping");
	else if (s->state == PAUSED)
		leave(s, SOCKET_PAUSED, LWS_CLOSE_STATUS_NORMAL, "");
	else if (s->state == LEAVING)
		over(s);
	if (s->state != OPEN)
		return;
	s->state = ASKED;
	s->ping_due = true;
	set_timer(s, s->ping_ms < SOCKET_PONG_MS ? s->ping_ms : SOCKET_PONG_MS);
	lws_callback_on_writable(s->wsi);
}

/* Something came: the server is there. */
static void alive(struct socket *s)
{
	if (s->state != OPEN && s->state != ASKED)
		return;
	s->state = OPEN;
	set_timer(s, s->ping_ms);
}

static void pause_reading(struct socket *s)
{
	if (s->state != OPEN && s->state != ASKED)
		return;
	s->state = PAUSED;
	lws_rx_flow_control(s->wsi, 0);
	set_timer(s, SOCKET_PAUSE_MS);
}

static void resume_reading(struct socket *s)
{
	if (s->state != PAUSED)
		return;
	s->state = OPEN;
	set_timer(s, s->ping_ms);
	lws_rx_flow_control(s->wsi, 1);
}

/* What other threads asked for. */
static void look_at_orders(struct socket *s)
{
	if (atomic_load(&s->stop))
		leave(s, SOCKET_STOPPED, LWS_CLOSE_STATUS_NORMAL, "");
	if (atomic_exchange(&s->resume, false))
		resume_reading(s);
}

/* ---- what libwebsockets tells ---- */

static void now_open(struct socket *s)
{
	s->state = OPEN;
	s->end->opened = true;
	s->opened_ms = clock_mono_ms();
	set_timer(s, s->ping_ms);
	s->hooks.opened(s->hooks.arg);
}

static void whole_text(struct socket *s)
{
	const char *why = "a frame that makes no sense";
	enum socket_take take = s->hooks.text(s->hooks.arg, buf_slice(&s->text), &why);

	if (take == SOCKET_REJECT)
		leave(s, SOCKET_BROKEN, LWS_CLOSE_STATUS_POLICY_VIOLATION, why);
	else if (take == SOCKET_PAUSE)
		pause_reading(s);
}

static void got_part(struct socket *s, struct slice part)
{
	bool first = lws_is_first_fragment(s->wsi);

	if (s->state == LEAVING || s->state == OVER)
		return;
	alive(s);
	if (first)
		buf_reset(&s->text);
	s->parts = first ? 1 : s->parts + 1;
	buf_add_slice(&s->text, part);
	if (lws_frame_is_binary(s->wsi))
		leave(s, SOCKET_BROKEN, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "a binary frame");
	else if (buf_failed(&s->text) ||
		 lws_remaining_packet_payload(s->wsi) > SOCKET_TEXT_MAX - s->text.len)
		leave(s, SOCKET_BROKEN, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
		      "a frame of more than a megabyte");
	else if (s->parts > SOCKET_PARTS_MAX)
		leave(s, SOCKET_BROKEN, LWS_CLOSE_STATUS_POLICY_VIOLATION,
		      "a frame in too many parts");
	else if (lws_is_final_fragment(s->wsi))
		whole_text(s);
	if (lws_is_final_fragment(s->wsi) && s->text.cap > READ_MAX)
		buf_release(&s->text); /* the next one may be long in coming */
}

static void peer_closes(struct socket *s, struct slice body)
{
	const unsigned char *b = (const unsigned char *)body.p;

	if (s->state == LEAVING)
		return;
	conclude(s, SOCKET_CLOSED, slice_sub(body, 2, body.n));
	if (body.n >= 2)
		s->end->status = (unsigned)(b[0] << 8 | b[1]);
	s->state = LEAVING; /* libwebsockets answers */
	s->code = LWS_CLOSE_STATUS_NORMAL;
	set_timer(s, LEAVE_MS);
}

/* libwebsockets' words -> ours; what is not here is shown as it is. */
static const struct {
	struct slice start;
	const char *text;
} words[] = {
	{ SLICE_INIT("Unable to connect"), "cannot connect" },
	{ SLICE_INIT("getaddrinfo"), "unknown host" },
	{ SLICE_INIT("read failed"), "the connection broke off" },
	{ SLICE_INIT("Closed before conn"), "the connection broke off" },
	{ SLICE_INIT("connect SSL err"), "TLS failed" },
	{ SLICE_INIT("Timed out"), "no answer" },
	{ SLICE_INIT("HS: "), "the answer is not that of a WebSocket server" },
	{ SLICE_INIT("problems parsing header"), "the answer is not that of a WebSocket server" },
};

static struct slice in_our_words(struct slice text)
{
	struct slice log = slice_str(logged);

	if (slice_starts(log, S("SSL error: ")))
		return slice_sub(log, S("SSL error: ").n, (size_t)slice_find(log, '('));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_starts(text, words[i].start))
			return slice_str(words[i].text);
	return text;
}

static unsigned retry_after(struct lws *wsi)
{
	char text[16];
	uint64_t n;
	int got = lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_RETRY_AFTER);

	if (got <= 0 || slice_to_u64(slice_of(text, (size_t)got), 24 * 3600, &n))
		return 0;
	return (unsigned)n;
}

static void not_opened(struct socket *s, struct lws *wsi, struct slice text)
{
	unsigned status = lws_http_client_http_response(wsi);
	bool refused = status && status != 101;

	conclude(s, refused ? SOCKET_REFUSED : SOCKET_UNREACHABLE, in_our_words(text));
	if (refused && s->end->how == SOCKET_REFUSED) {
		s->end->status = status;
		s->end->retry_after_s = retry_after(wsi);
	}
	over(s);
}

static bool add_fields(const struct socket *s, void *place, size_t room)
{
	char **p = place;

	if (!s->target->authorization)
		return true;
	if (strlen(s->target->authorization) + 32 > room)
		return false;
	*p += lws_snprintf(*p, room, "Authorization: %s\r\n", s->target->authorization);
	return true;
}

/* False closes the connection. */
static bool write_due(struct socket *s)
{
	unsigned char ping[LWS_PRE + 1];

	if (s->state == LEAVING) {
		lws_close_reason(s->wsi, s->code, NULL, 0);
		return false;
	}
	if (!s->ping_due)
		return true;
	s->ping_due = false;
	return lws_write(s->wsi, ping + LWS_PRE, 0, LWS_WRITE_PING) >= 0;
}

static void ended(struct socket *s)
{
	conclude(s, SOCKET_LOST, S("the connection broke off"));
	s->wsi = NULL;
	over(s);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t n)
{
	struct socket *s = lws_context_user(lws_get_context(wsi));

	(void)user;
	if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED && s->target)
		look_at_orders(s);
	if (!s->target || s->state == OVER)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return add_fields(s, in, n) ? 0 : -1;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		not_opened(s, wsi, slice_of(in, in ? n : 0));
		s->wsi = NULL;
		break;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		now_open(s);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		got_part(s, slice_of(in, n));
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		alive(s);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return write_due(s) ? 0 : -1;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		peer_closes(s, slice_of(in, n));
		break;
	case LWS_CALLBACK_CLIENT_CLOSED:
		ended(s);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- from outside ---- */

static const struct lws_protocols protocols[] = {
	{ .name = NAME, .callback = on_event, .rx_buffer_size = READ_MAX },
	{ .name = NULL },
};

struct socket *socket_new(bool tls, const char *proxy, int64_t ping_ms,
			  const struct socket_hooks *hooks)
{
	struct socket *s = mem_zalloc(sizeof(*s));
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = -1,
		.uid = -1,
		.fd_limit_per_thread = FILES,
		.options = tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
		/* An empty one keeps libwebsockets from the environment. */
		.http_proxy_address = proxy ? proxy : "",
		.user = s,
	};

	s->hooks = *hooks;
	s->ping_ms = ping_ms;
	buf_init(&s->text, SOCKET_TEXT_MAX);
	lws_set_log_level(LLL_ERR, note_log);
	s->context = lws_create_context(&info);
	if (!s->context)
		abort(); /* out of memory or of files */
	return s;
}

void socket_free(struct socket *s)
{
	if (!s)
		return;
	lws_context_destroy(s->context);
	buf_release(&s->text);
	free(s);
}

static void start(struct socket *s)
{
	const struct socket_target *t = s->target;
	struct lws_client_connect_info info = {
		.context = s->context,
		.address = t->host,
		.port = t->port,
		.path = t->path,
		.host = t->name,
		.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (t->tls ? LCCSCF_USE_SSL : 0),
		.alpn = "http/1.1",
		.local_protocol_name = NAME,
		.pwsi = &s->wsi,
	};

	logged[0] = '\0';
	set_timer(s, SOCKET_OPEN_MS);
	if (!lws_client_connect_via_info(&info) && s->state != OVER) {
		s->wsi = NULL;
		conclude(s, SOCKET_UNREACHABLE, S("unknown host"));
		over(s);
	}
}

void socket_run(struct socket *s, const struct socket_target *t, struct socket_end *ret)
{
	*ret = (struct socket_end){ 0 };
	s->target = t;
	s->end = ret;
	s->state = OPENING;
	s->ping_due = false;
	s->wsi = NULL;
	atomic_store(&s->resume, false);
	start(s);
	look_at_orders(s);
	while (s->state != OVER && lws_service(s->context, 0) >= 0)
		;
	if (s->wsi)
		lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
	lws_sul_cancel(&s->timer);
	s->wsi = NULL;
	s->target = NULL;
	buf_release(&s->text);
}

void socket_stop(struct socket *s)
{
	atomic_store(&s->stop, true);
	lws_cancel_service(s->context);
}

void socket_resume(struct socket *s)
{
	atomic_store(&s->resume, true);
	lws_cancel_service(s->context);
}
