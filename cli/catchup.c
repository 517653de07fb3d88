/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what the WebSocket cannot tell. It never tells what was there before the start. */
#include "cli/catchup.h"

#include "common/base/clock.h"

#define PAGE "100" /* mails, the most that a server gives */

void catchup_init(struct catchup *c, struct api *api, const char *agent,
		  void (*found)(void *arg, struct notice *n), void *arg)
{
	*c = (struct catchup){
		.api = api, .agent = agent, .due_ms = INT64_MAX, .found = found, .arg = arg
	};
}

void catchup_release(struct catchup *c)
{
	free(TAKE(c->since));
	free(TAKE(c->cursor));
}

void catchup_note(struct catchup *c, unsigned openings, size_t notices)
{
	c->notices += notices;
	if (c->stage == CATCHUP_OFF || (openings == c->openings && c->notices < CATCHUP_EVERY))
		return;
	c->openings = openings;
	c->notices = 0;
	if (c->due_ms == INT64_MAX)
		c->due_ms = c->earliest_ms;
}

int64_t catchup_due_ms(const struct catchup *c)
{
	return c->due_ms;
}

static char *text_of(const struct doc *d, const char *name)
{
	struct slice s = doc_text(d, name);

	return s.n ? mem_dup(s.p, s.n) : NULL;
}

static void keep(char **place, char *text)
{
	free(*place);
	*place = text;
}

/* The time of the newest mail: a walk from there to the end is a short one. */
static void begin(struct catchup *c, const struct doc *page)
{
	keep(&c->since, text_of(doc_at(doc_get(page, "messages"), 0), "created_at"));
	keep(&c->cursor, NULL);
	c->stage = CATCHUP_PRIME;
}

static void follow(struct catchup *c, const struct doc *page)
{
	const struct doc *messages = doc_get(page, "messages");
	char *cursor = text_of(page, "cursor");
	bool stuck = cursor && c->cursor && strcmp(cursor, c->cursor) == 0;

	if (!cursor) {
		c->stage = CATCHUP_OFF;
		c->due_ms = INT64_MAX;
		return;
	}
	keep(&c->cursor, cursor);
	for (size_t i = 0; c->stage == CATCHUP_FOLLOW && i < doc_count(messages); i++) {
		struct notice *n = notice_read(doc_at(messages, i));

		if (n)
			c->found(c->arg, n);
	}
	if (doc_text(page, "next_token").n && !stuck)
		return;
	c->stage = CATCHUP_FOLLOW;
	c->due_ms = INT64_MAX;
	c->earliest_ms = clock_mono_ms() + CATCHUP_PACE_MS;
}

static char *path_of(const struct catchup *c, struct arena *a)
{
	bool newest = c->stage == CATCHUP_BEGIN;
	const struct api_param params[] = {
		{ "status", "all" },
		{ "sort", newest ? "desc" : "asc" },
		{ "page_size", newest ? "1" : PAGE },
		{ newest ? "page_size" : "wait", newest ? NULL : "0" },
		{ "since", newest ? NULL : c->since },
		{ "token", newest ? NULL : c->cursor },
		{ 0 },
	};

	return api_query(a, api_path(a, "/api/v1/agents/%s/messages", c->agent), params);
}

/* A cursor that the server does not know any more: a new one, as at the start. */
static void start_over(struct catchup *c)
{
	c->stage = c->cursor ? CATCHUP_BEGIN : CATCHUP_OFF;
	c->due_ms = c->cursor ? c->due_ms : INT64_MAX;
	keep(&c->cursor, NULL);
}

static void failed(struct catchup *c, enum err e, int64_t told_ms)
{
	if (e == ERR_INPUT) {
		start_over(c);
	} else if (e == ERR_UNAUTHORIZED || e == ERR_FORBIDDEN || e == ERR_NOT_FOUND) {
		c->due_ms = INT64_MAX; /* the next connection shows */
	} else {
		c->due_ms = clock_mono_ms() + backoff_next(&c->backoff, told_ms);
	}
}

void catchup_step(struct catchup *c)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	AUTO(doc_freep) struct doc *page = NULL;
	const struct api_request q = { .path = path_of(c, &a) };
	enum err e = api_send(c->api, &q, &answer, NULL);

	if (e == OK)
		e = api_error(&answer, NULL);
	if (e == OK)
		e = doc_parse(buf_slice(&answer.body), &page);
	if (e) {
		failed(c, e, answer.retry_after_ms);
		return;
	}
	backoff_reset(&c->backoff);
	if (c->stage == CATCHUP_BEGIN)
		begin(c, page);
	else
		follow(c, page);
}
