/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands mail on: to a URL as it is, or to a Responses API, whose answer is sent as reply. A
 * failure is said and concerns this one mail. The API key never goes to that URL.
 */
#include "cli/listener.h"

#include "cli/mail.h"
#include "cli/responses.h"
#include "cli/say.h"
#include "common/base/encode.h"
#include "common/base/utf8.h"

enum {
	SHOWN_MAX = 200, /* bytes of an answer */
	FORWARD_ANSWER_MAX = 4 * 1024 * 1024,
	REPLY_ATTEMPTS_MAX = 6,
};

static bool take_nothing(void *arg, struct slice piece)
{
	(void)arg;
	(void)piece;
	return true;
}

/* ---- as it is ---- */

static void forward_plain(struct listener *l, const struct notice *n, struct slice json)
{
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	struct fail fail = { 0 };
	struct slice body;
	const struct api_request q = {
		.method = "POST",
		.url = l->url,
		.bearer = l->token,
		.body = slice_trim(json),
		.answer_max = FORWARD_ANSWER_MAX,
		.sink = take_nothing,
	};

	if (api_send(l->forward_api, &q, &answer, &fail)) {
		say("Forward failed (no answer): %s", fail.what);
		return;
	}
	if (answer.status >= 200 && answer.status < 300) {
		say("Forwarded %s to %s", n->id, l->url);
		return;
	}
	body = slice_sub(slice_trim(buf_slice(&answer.body)), 0, SHOWN_MAX);
	say("Forward failed (%d): %.*s", answer.status, SLICE_ARGS(body));
}

/* ---- to a model ---- */

/* What it says, from its bytes where the server gives them. */
struct question {
	struct slice from, subject;
	bool automatic; /* no human wrote it (RFC 3834 5) */
	struct buf raw, text;
};

static void question_release(struct question *q)
{
	buf_release(&q->raw);
	buf_release(&q->text);
}

static bool is_automatic(const struct mail *m, struct arena *a)
{
	const struct header_field *f = header_first(&m->tree.header, S("Auto-Submitted"));
	struct slice rest, word;

	if (!f)
		return false;
	rest = header_unfold(a, f->value);
	slice_cut(&rest, ';', &word);
	return !slice_ieq(slice_trim(word), S("no"));
}

static void read_question(const struct doc *message, struct arena *a, struct question *ret)
{
	struct mail m;

	ret->from = doc_text(message, "from");
	ret->subject = doc_text(message, "subject");
	if (base64_decode(doc_text(message, "raw_message"), &ret->raw) || ret->raw.len == 0) {
		buf_add_slice(&ret->text, utf8_cut(doc_text(message, "text"), ret->text.max));
		return;
	}
	mail_read(buf_slice(&ret->raw), a, &m);
	if (m.subject.n)
		ret->subject = m.subject;
	ret->automatic = is_automatic(&m, a);
	mail_text(&m, &ret->text); /* cut where it is too long */
}

static enum err ask(struct listener *l, const struct question *question, struct arena *a,
		    struct slice *ret, struct fail *fail)
{
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	AUTO(buf_release) struct buf body = BUF_INIT(16 * RESPONSES_TEXT_MAX);
	struct api_request q = {
		.method = "POST",
		.url = l->url,
		.bearer = l->token,
		.answer_max = FORWARD_ANSWER_MAX,
	};
	enum err e;

	responses_request(l->model, question->from, question->subject, buf_slice(&question->text),
			  &body);
	q.body = buf_slice(&body);
	e = api_send(l->forward_api, &q, &answer, fail);
	if (e == OK)
		e = api_error(&answer, fail);
	return e ? e : responses_answer(buf_slice(&answer.body), a, ret, fail);
}

/* A server that is busy has not sent it: later, with patience, but not for ever. */
static enum err send_reply(struct listener *l, const char *path, struct slice body,
			   struct doc **ret, struct fail *fail)
{
	const struct api_request q = {
		.method = "POST", .path = path, .body = body, .creates = true
	};
	struct backoff backoff = { 0 };

	for (unsigned attempt = 1;; attempt++) {
		AUTO(api_answer_release) struct api_answer answer = { 0 };
		enum err e = api_send(l->api, &q, &answer, fail);

		if (e == OK && (e = api_error(&answer, fail)) == OK)
			return doc_parse(buf_slice(&answer.body), ret)
				       ? fail_set(fail, ERR_INPUT, "the answer is no JSON")
				       : OK;
		if ((e != ERR_RATE && e != ERR_BUSY) || attempt == REPLY_ATTEMPTS_MAX ||
		    !listener_pause(l, backoff_next(&backoff, answer.retry_after_ms)))
			return e;
	}
}

static enum err reply(struct listener *l, const char *id, struct slice text, struct doc **ret,
		      struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf body = BUF_INIT(8 * FORWARD_ANSWER_MAX);
	AUTO(doc_freep) struct doc *d = doc_object();
	const char *path = api_path(&a, "/api/v1/agents/%s/messages/%s/reply", l->agent, id);

	doc_set_text(d, "body", text);
	doc_write(d, DOC_PLAIN, &body);
	return send_reply(l, path, buf_slice(&body), ret, fail);
}

static void say_replied(const struct notice *n, const struct question *question,
			const struct doc *sent)
{
	struct slice status = doc_text(sent, "status"), id = doc_text(sent, "message_id");

	if (slice_eq(status, S("pending_approval")))
		say("Reply to %s (%.*s) is held for approval: %.*s", n->id,
		    SLICE_ARGS(question->from), SLICE_ARGS(id));
	else
		say("Replied to %s (%.*s)", n->id, SLICE_ARGS(question->from));
}

/* Two programs that answer each other would never stop. */
static const char *why_not(const struct listener *l, const struct question *question)
{
	if (question->automatic)
		return "a program sent it";
	return slice_ieq(question->from, slice_str(l->agent)) ? "it is from this agent" : NULL;
}

static void forward_to_model(struct listener *l, const struct notice *n, const struct doc *message)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(question_release)
	struct question question = { .raw = BUF_INIT(API_ANSWER_MAX),
				     .text = BUF_INIT(RESPONSES_TEXT_MAX) };
	AUTO(doc_freep) struct doc *sent = NULL;
	struct fail fail = { 0 };
	struct slice text;
	const char *why;

	read_question(message, &a, &question);
	why = why_not(l, &question);
	if (why)
		say("Not answered %s: %s", n->id, why);
	else if (ask(l, &question, &a, &text, &fail) || reply(l, n->id, text, &sent, &fail))
		say("Reply failed: %s (%s)", fail.what, n->id);
	else
		say_replied(n, &question, sent);
}

void listener_forward(struct listener *l, const struct notice *n, const struct doc *message,
		      struct slice json)
{
	if (l->responses)
		forward_to_model(l, n, message);
	else
		forward_plain(l, n, json);
}
