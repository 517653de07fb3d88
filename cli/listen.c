/* SPDX-License-Identifier: Apache-2.0 */
/* e2a listen: tells of mail as it comes, until it is stopped. */
#include "cli/catchup.h"
#include "cli/cli.h"
#include "cli/feed.h"
#include "cli/listener.h"
#include "cli/responses.h"
#include "common/base/clock.h"
#include "common/base/weburl.h"

enum {
	PING_S = 30,
	TOKEN_BYTES_MAX = 8192,
	FORWARD_SILENCE_S = 60,
	RESPONSES_SILENCE_S = 600, /* a model thinks */
};

#define MODEL "openclaw" /* what many servers of that API take for "yours" */

struct listen_options {
	const char *agent, *forward, *token, *model;
	struct option_number ping;
};

struct listening {
	struct listener listener;
	struct catchup catchup;
	struct feed *feed;
	size_t handled; /* since the last catchup_note() */
	enum err e;
	struct fail *fail;
};

/* ---- what was typed ---- */

/* One visible word that fits into a header field. */
static bool is_token(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (s[n] <= ' ' || s[n] > '~')
			return false;
	return n <= TOKEN_BYTES_MAX;
}

/* On a command line it can be seen by others. */
static const char *token_of(const struct listen_options *o)
{
	const char *hidden = getenv("E2A_FORWARD_TOKEN");

	if (o->token)
		return o->token;
	return hidden && *hidden ? hidden : NULL;
}

static enum err check(struct cli *c, struct fail *fail)
{
	const struct listen_options *o = c->options;
	const char *token = token_of(o);
	struct weburl u;
	struct fail why = { 0 };

	if (!o->forward && o->token)
		return cli_usage(c, fail, "--forward-token is of no use without --forward");
	if (o->forward && weburl_parse(slice_str(o->forward), &u, &why))
		return cli_usage(c, fail, "--forward: %s", why.what);
	if (token && !is_token(token))
		return cli_usage(c, fail, "--forward-token is too long or has odd characters");
	if (o->model && (!o->forward || !responses_url(slice_str(o->forward))))
		return cli_usage(c, fail,
				 "--model needs --forward with a URL that ends in /v1/responses");
	return OK;
}

static struct api *forward_api(const struct cli *c, bool responses)
{
	const struct listen_options *o = c->options;

	if (!o->forward)
		return NULL;
	return api_new(&(struct api_options){
		.base_url = c->config.value[CONFIG_API_URL],
		.silence_s = responses ? RESPONSES_SILENCE_S : FORWARD_SILENCE_S,
	});
}

static void set_up_listener(struct listener *l, struct cli *c)
{
	const struct listen_options *o = c->options;

	l->cli = c;
	l->json = c->json;
	l->queue = notices_new();
	l->responses = o->forward && responses_url(slice_str(o->forward));
	l->forward_api = forward_api(c, l->responses);
	l->url = o->forward;
	l->token = token_of(o);
	l->model = o->model ? o->model : MODEL;
}

/* ---- listening ---- */

static bool goes_on(struct listening *s)
{
	return s->e == OK && !listener_over(&s->listener);
}

static void handle(struct listening *s, struct notice *n)
{
	if (goes_on(s)) {
		s->e = listener_handle(&s->listener, n, s->fail);
		s->handled++;
	}
	if (n->aside && goes_on(s))
		notices_put_back(s->listener.queue, n);
	else
		notice_free(n);
}

/* What a walk through the list came across. */
static void on_found(void *arg, struct notice *n)
{
	struct listening *s = arg;

	if (notices_claim(s->listener.queue, n))
		handle(s, n);
	else
		notice_free(n);
}

static bool handle_next(struct listening *s)
{
	struct notice *n = notices_take(s->listener.queue);

	if (!n)
		return false;
	feed_went_on(s->feed);
	handle(s, n);
	return true;
}

static void flush(struct listening *s)
{
	struct fail ignored;
	enum err e = out_flush(&s->listener.cli->out, &ignored);

	(void)e; /* listener_over() sees it */
}

/* One thing after the other: a walk that is due, a mail, the end of the connection, waiting. */
static void step(struct listening *s)
{
	catchup_note(&s->catchup, feed_openings(s->feed), s->handled);
	s->handled = 0;
	if (catchup_due_ms(&s->catchup) <= clock_mono_ms())
		catchup_step(&s->catchup);
	if (handle_next(s))
		return;
	flush(s);
	if (goes_on(s) && (s->e = feed_state(s->feed, s->fail)) == OK)
		listener_wait(&s->listener, catchup_due_ms(&s->catchup));
}

static enum err listen_on(struct listening *s, struct fail *fail)
{
	const struct listen_options *o = s->listener.cli->options;
	const struct feed_options feed = {
		.base_url = api_base_url(s->listener.api),
		.key = s->listener.cli->config.value[CONFIG_API_KEY],
		.agent = s->listener.agent,
		.ping_ms = 1000 * (o->ping.given ? o->ping.v : PING_S),
	};

	listener_catch_signals(&s->listener);
	catchup_init(&s->catchup, s->listener.api, s->listener.agent, on_found, s);
	s->e = feed_start(&feed, s->listener.queue, &s->feed, fail);
	while (goes_on(s))
		step(s);
	return s->e;
}

static enum err run_listen(struct cli *c, struct fail *fail)
{
	struct listening s = { .fail = fail };
	enum err e = check(c, fail);

	if (e || (e = cli_api(c, &s.listener.api, fail)) ||
	    (e = cli_agent(c, ((const struct listen_options *)c->options)->agent, &s.listener.agent,
			   fail)))
		return e;
	set_up_listener(&s.listener, c);
	e = listen_on(&s, fail);
	listener_leave_signals();
	catchup_release(&s.catchup);
	api_free(s.listener.forward_api);
	if (feed_stop(s.feed))
		notices_free(s.listener.queue);
	return e;
}

#define DETAILS                                                                                      \
	"Prints a line for each mail: first those that are unread, then what comes. With --json\n"   \
	"each message is fetched, which marks it read, and printed as one line of JSON; with\n"      \
	"--forward it is POSTed to a URL as well. If the path of that ends in /v1/responses, its\n"  \
	"server gets sender, subject and text as the OpenAI Responses API has it, and what it\n"     \
	"answers is sent as reply; mail that a program sent is not answered.\n\n"                    \
	"A connection that is lost is made again, and what came meanwhile is told then, each mail\n" \
	"once. Only a server that refuses the key or knows no such agent ends it, or Ctrl-C."

#define AT(field) .offset = offsetof(struct listen_options, field)

static const struct option listen_options[] = {
	{ .name = "agent",
	  .value = "A",
	  .type = OPTION_TEXT,
	  AT(agent),
	  .completes = COMPLETE_AGENT,
	  .help = "Listen for this agent instead of the configured one." },
	{ .name = "forward",
	  .value = "URL",
	  .type = OPTION_TEXT,
	  AT(forward),
	  .help = "POST each message there, as JSON." },
	{ .name = "forward-token",
	  .value = "T",
	  .type = OPTION_TEXT,
	  AT(token),
	  .help = "Sent there as `Authorization: Bearer T`." },
	{ .name = "model",
	  .value = "M",
	  .type = OPTION_TEXT,
	  AT(model),
	  .help = "Of a Responses API; " MODEL " by default." },
	{ .name = "ping",
	  .value = "SECONDS",
	  .type = OPTION_NUMBER,
	  .min = 1,
	  .max = 3600,
	  AT(ping),
	  .help = "Ask a silent server so often whether it is there; 30." },
	{ 0 },
};

const struct command listen_commands[] = {
	{ .name = "listen",
	  .args = "",
	  .help = "Tell of mail as it comes.",
	  .details = DETAILS,
	  .run = run_listen,
	  .options = listen_options,
	  .options_size = sizeof(struct listen_options) },
	{ 0 },
};
