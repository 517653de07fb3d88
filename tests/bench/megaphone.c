/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference of the benchmark: bare libwebsockets with its own loop. It takes any WebSocket, pings
 * it as e2a-apid does, and for each number on a line of its standard input tells so many sockets
 * the same text at once. `megaphone PORT`; it prints the time of the day, in microseconds, when
 * it listens and when it begins with each, and ends with its standard input.
 */
#include "common/base/clock.h"
#include "common/base/fdlimit.h"
#include "common/base/slice.h"

#include <libwebsockets.h>
#include <pthread.h>

enum { RX_BUFFER = 4096, PING_S = 30, HANGUP_S = 40, FILES = 12000 };

struct socket {
	struct socket *next;
	struct lws *wsi;
	bool due;
};

static struct socket *sockets;
static uint64_t wanted; /* set by main, taken by the loop */
static bool ended;

static const char text[] =
	"{\"message_id\":\"-\",\"from\":\"alice@bench.example\",\"recipient\":"
	"\"agent-0000@agents.example\",\"subject\":\"Message 1 of the benchmark\","
	"\"received_at\":\"2026-01-15T10:30:00.123456Z\"}";

static void tell_some(void)
{
	uint64_t n = __atomic_exchange_n(&wanted, 0, __ATOMIC_ACQ_REL);

	for (struct socket *s = sockets; s && n; s = s->next, n--) {
		s->due = true;
		lws_callback_on_writable(s->wsi);
	}
}

static int tell(struct socket *s)
{
	unsigned char room[LWS_PRE + sizeof(text)];

	if (!s->due)
		return 0;
	s->due = false;
	memcpy(room + LWS_PRE, text, sizeof(text) - 1);
	return lws_write(s->wsi, room + LWS_PRE, sizeof(text) - 1, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static void forget(struct socket *s)
{
	struct socket **at = &sockets;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct socket *s = user;

	(void)in;
	(void)len;
	switch ((int)reason) {
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		tell_some();
		return 0;
	case LWS_CALLBACK_ESTABLISHED:
		*s = (struct socket){ .wsi = wsi, .next = sockets };
		sockets = s;
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return tell(s);
	case LWS_CALLBACK_CLOSED:
		forget(s);
		return 0;
	}
	return 0;
}

static void *serve(void *context)
{
	while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE) && lws_service(context, 0) >= 0)
		;
	return NULL;
}

static void tell_time(void)
{
	printf("%lld\n", (long long)clock_now_us());
	fflush(stdout);
}

static void take_orders(struct lws_context *context)
{
	char line[32];
	uint64_t n;

	tell_time();
	while (fgets(line, sizeof(line), stdin)) {
		if (slice_to_u64(slice_trim(slice_str(line)), FILES, &n))
			continue;
		tell_time();
		__atomic_store_n(&wanted, n, __ATOMIC_RELEASE);
		lws_cancel_service(context);
	}
}

int main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "bench",
		  .callback = callback,
		  .per_session_data_size = sizeof(struct socket),
		  .rx_buffer_size = RX_BUFFER },
		{ .name = NULL },
	};
	const lws_retry_bo_t pings = { .secs_since_valid_ping = PING_S,
				       .secs_since_valid_hangup = HANGUP_S };
	struct lws_context_creation_info info = {
		.iface = "127.0.0.1",
		.protocols = protocols,
		.retry_and_idle_policy = &pings,
		.gid = -1,
		.uid = -1,
	};
	struct lws_context *context;
	pthread_t thread;
	uint64_t port, have;

	if (argc != 2 || slice_to_u64(slice_str(argv[1]), UINT16_MAX, &port) ||
	    !fdlimit_set(FILES, &have))
		return 2;
	info.port = (int)port;
	lws_set_log_level(LLL_ERR, NULL);
	context = lws_create_context(&info);
	if (!context || pthread_create(&thread, NULL, serve, context))
		return 1;
	take_orders(context);
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	lws_cancel_service(context);
	pthread_join(thread, NULL);
	lws_context_destroy(context);
	return 0;
}
