/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postfix_trace LOG SETTLE BEGUN ENDED SENDER RCPT...: what the Postfix of
 * MAIL_CONFIG, and its log, know of a mail; times in seconds, as JSON.
 */
#include "deliverd/postfix_trace.h"
#include "common/base/jsonf.h"
#include "common/base/mem.h"

#include <stdio.h>

enum { LINE_BYTES_MAX = 64 * 1024, WINDOW = 256 * 1024 * 1024, ARGS = 6 };

static const char *const outcomes[] = {
	[POSTFIX_TRACE_ACCEPTED] = "accepted",
	[POSTFIX_TRACE_NOT_ACCEPTED] = "not accepted",
	[POSTFIX_TRACE_CANNOT_TELL] = "cannot tell",
};

static int64_t number(const char *text)
{
	uint64_t n = 0;

	if (slice_to_u64(slice_str(text), INT32_MAX, &n))
		exit(2);
	return (int64_t)n;
}

static void print(const struct postfix_trace_answer *a, const struct smtp_reply *rcpts, size_t n)
{
	AUTO(buf_release) struct buf line = BUF_INIT(LINE_BYTES_MAX);
	struct jsonw w;

	jsonw_init(&w, &line);
	jsonw_object(&w);
	jsonw_key_text(&w, "outcome", slice_str(outcomes[a->outcome]));
	jsonw_key_text(&w, "queue_id", slice_str(a->queue_id));
	jsonw_key_text(&w, "why", slice_str(a->why));
	jsonw_key_text(&w, "cause", slice_str(a->fail.what));
	jsonw_key(&w, "rcpts");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++)
		jsonw_int(&w, rcpts[i].code);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	puts(buf_cstr(&line));
}

int main(int argc, char **argv)
{
	size_t n = argc > ARGS ? (size_t)(argc - ARGS) : 0;
	AUTO(mem_freep) struct slice *names = mem_calloc(n + 1, sizeof(*names));
	AUTO(mem_freep) struct smtp_reply *rcpts = mem_calloc(n + 1, sizeof(*rcpts));
	struct postfix_trace_answer answer;

	if (argc < ARGS)
		return 2;
	for (size_t i = 0; i < n; i++)
		names[i] = slice_str(argv[ARGS + i]);
	const struct postfix_trace_source source = { POSTFIX_QUEUE_PROGRAM, argv[1], WINDOW,
						     number(argv[2]) * 1000, NULL };
	const struct postfix_trace_query query = { slice_str(argv[5]), names, n,
						   number(argv[3]) * 1000000,
						   number(argv[4]) * 1000000 };
	postfix_trace(&source, &query, rcpts, &answer);
	print(&answer, rcpts, n);
	return 0;
}
