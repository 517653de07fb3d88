/* SPDX-License-Identifier: Apache-2.0 */
/* Texts for owners. Neither a URL, which may hold a secret, nor what an endpoint said is in them.
 */
#include "deliverd/webhook_text.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/encode.h"

#include <inttypes.h>

enum { LIFETIME_MS = 24 * 3600 * 1000, TEXT_MAX = 128 * 1024 };

static const struct word {
	struct slice trouble, reason; /* an empty reason is any */
	const char *subject;          /* behind the agent */
	const char *text;
} words[] = {
	{ SLICE_INIT("disabled"), SLICE_INIT("http_gone"), "is disabled",
	  "It answered 410, which says that it wants no more mail, and is not called any more." },
	{ SLICE_INIT("disabled"), SLICE_INIT(""), "is disabled",
	  "Whoever runs this service has disabled it, and it is not called any more." },
	{ SLICE_INIT("failed"), SLICE_INIT(""), "fails, and mail was given up",
	  "It has been called with some mail as often as it may be, in vain." },
	{ SLICE_INIT("failing"), SLICE_INIT(""), "fails",
	  "It is called again, with one mail at a time, and gets all that waits as soon as it "
	  "takes one." },
};

static const struct word *word_of(const struct store_webhook_trouble *n)
{
	for (size_t i = 0; i + 1 < ARRAY_LEN(words); i++)
		if (slice_eq(n->trouble, words[i].trouble) &&
		    (words[i].reason.n == 0 || slice_eq(n->reason, words[i].reason)))
			return &words[i];
	return &words[ARRAY_LEN(words) - 1];
}

static void add_count(struct buf *b, const char *what, int64_t n)
{
	bool many = n > STORE_WEBHOOK_NOTICE_COUNT_MAX;

	buf_addf(b, "%s %s%" PRId64 "\n", what, many ? "more than " : "",
		 many ? (int64_t)STORE_WEBHOOK_NOTICE_COUNT_MAX : n);
}

static void add_facts(struct buf *b, const struct store_webhook_trouble *n)
{
	char since[CLOCK_TEXT_MAX];

	clock_rfc1123(n->since_us, since);
	buf_addf(b, "Since:               %s\n", since);
	if (n->failures)
		buf_addf(b, "Failures in a row:   %" PRId64 "\n", n->failures);
	if (n->last_error.n)
		buf_addf(b, "The last one:        %.*s", SLICE_ARGS(n->last_error));
	if (n->last_error.n && n->last_status)
		buf_addf(b, ", status %" PRId64, n->last_status);
	if (n->last_error.n)
		buf_add_char(b, '\n');
	add_count(b, "Mail that waits:    ", n->pending);
	add_count(b, "Mail given up:      ", n->failed);
}

/* Of one agent, or for the reader to fill in. */
static void add_routes(struct buf *b, const struct store_webhook_notice *n, struct slice url)
{
	static const struct {
		const char *what, *method, *path;
	} routes[] = {
		{ "How it fares", "GET ", "webhook" },
		{ "Call it again now", "POST", "webhook/enable" },
		{ "Repeat what was given up", "POST", "redeliver" },
	};

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		buf_addf(b, "%s:\n    %s %.*s/api/v1/agents/", routes[i].what, routes[i].method,
			 SLICE_ARGS(url));
		if (n->n == 1)
			percent_encode(n->v[0].agent, b);
		else
			buf_add_str(b, "{email}");
		buf_addf(b, "/%s\n", routes[i].path);
	}
}

static void add_trouble(struct buf *b, const struct store_webhook_trouble *t)
{
	const struct word *w = word_of(t);

	buf_addf(b, "The webhook of %.*s %s.\n\n%s\n\n", SLICE_ARGS(t->agent), w->subject, w->text);
	add_facts(b, t);
	buf_add_char(b, '\n');
}

static struct slice subject_of(const struct store_webhook_notice *n, struct arena *a)
{
	if (n->n > 1)
		return slice_str(arena_printf(a, "The webhooks of %zu agents fail", n->n));
	return slice_str(arena_printf(a, "The webhook of %.*s %s", SLICE_ARGS(n->v[0].agent),
				      word_of(&n->v[0])->subject));
}

void webhook_text_write(const struct store_webhook_notice *n, struct slice public_url,
			struct arena *a, struct store_mail *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(TEXT_MAX);

	while (slice_ends(public_url, S("/")))
		public_url.n--;
	for (size_t i = 0; i < n->n; i++)
		add_trouble(&text, &n->v[i]);
	buf_add_str(&text, "No mail is lost: it is unread in the agent's inbox, and what was given "
			   "up can be\ncalled with again.\n\n");
	add_routes(&text, n, public_url);
	ret->kind = "webhook";
	ret->lifetime_ms = LIFETIME_MS;
	ret->subject = subject_of(n, a);
	ret->text = arena_slice(a, buf_slice(&text));
}
