/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject URL TIMEOUT: one injector. Each line of standard input is a mail,
 *     {"sender": "...", "rcpts": [...], "parts": [...], "times": 1}
 * and each answer a line of JSON; of a mail sent several times, that to the last.
 * SIGTERM stops it as a stop of the daemon would.
 */
#include "deliverd/inject.h"
#include "common/base/clock.h"
#include "common/base/jsonf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { RCPTS_MAX = 1000, LINE_BYTES_MAX = 1024 * 1024 };

struct order {
	struct slice sender;
	struct jsonf_texts rcpts, parts;
	int64_t times;
};

static const struct jsonf_row order_rows[] = {
	{ "sender", JSONF_TEXT, offsetof(struct order, sender), JSONF_NO_GIVEN },
	{ "rcpts", JSONF_TEXTS, offsetof(struct order, rcpts), JSONF_NO_GIVEN },
	{ "parts", JSONF_TEXTS, offsetof(struct order, parts), JSONF_NO_GIVEN },
	{ "times", JSONF_INT, offsetof(struct order, times), JSONF_NO_GIVEN },
	{ NULL, JSONF_TEXT, 0, 0 },
};

static struct injector *injector;

static void on_term(int number)
{
	(void)number;
	inject_stop(injector);
}

static void write_reply(struct jsonw *w, const struct smtp_reply *r)
{
	jsonw_key_int(w, "code", r->code);
	jsonw_key_text(w, "enhanced", slice_str(r->enhanced));
	jsonw_key_text(w, "text", slice_str(r->text));
}

static void print_answer(const struct inject_answer *a, const struct smtp_reply *rcpts, size_t n,
			 int64_t ms)
{
	AUTO(buf_release) struct buf line = BUF_INIT(LINE_BYTES_MAX);
	struct jsonw w;

	jsonw_init(&w, &line);
	jsonw_object(&w);
	jsonw_key_text(&w, "outcome", slice_str(inject_outcome_name(a->outcome)));
	write_reply(&w, &a->reply);
	jsonw_key_text(&w, "why", slice_str(a->why));
	jsonw_key_text(&w, "queue_id", inject_queue_id(a));
	jsonw_key_int(&w, "ms", ms);
	jsonw_key(&w, "rcpts");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		write_reply(&w, &rcpts[i]);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	puts(buf_cstr(&line));
	fflush(stdout);
}

static void carry_out(struct slice line)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO(mem_freep) struct smtp_reply *rcpts = NULL;
	struct order o = { .times = 1 };
	struct inject_answer answer = { .outcome = INJECT_REFUSED };
	struct inject_mail mail;
	int64_t start = clock_mono_ms();

	if (jsonf_read(line, order_rows, &arena, &o))
		exit(2);
	rcpts = mem_calloc(o.rcpts.n + 1, sizeof(*rcpts));
	mail = (struct inject_mail){ .sender = o.sender,
				     .rcpts = o.rcpts.v,
				     .rcpts_n = o.rcpts.n,
				     .parts = o.parts.v,
				     .parts_n = o.parts.n };
	for (int64_t i = 0; i < o.times; i++)
		inject_send(injector, &mail, rcpts, &answer);
	print_answer(&answer, rcpts, o.rcpts.n, clock_mono_ms() - start);
}

int main(int argc, char **argv)
{
	char host[] = "mx.test";
	struct settings s = { .mail_host = host };
	struct fail fail = { 0 };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (argc != 3 || conf_time(slice_str(argv[2]), &s.inject_timeout_ms))
		return 2;
	s.inject_url = argv[1];
	if (inject_new(&s, &injector, &fail)) {
		fprintf(stderr, "%s\n", fail.what);
		return 2;
	}
	signal(SIGTERM, on_term);
	while ((n = getline(&line, &cap, stdin)) > 0)
		carry_out(slice_of(line, (size_t)n));
	free(line);
	inject_free(injector);
	return 0;
}
