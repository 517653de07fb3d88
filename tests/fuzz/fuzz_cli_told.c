/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `e2a listen` is told: a frame of a server, and the answer of a Responses API. A notice has
 * an id and texts within their bounds; a text that comes out of an answer is not empty.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/notice.h"
#include "cli/responses.h"

static void read_frame(struct slice input)
{
	AUTO(doc_freep) struct doc *d = NULL;
	AUTO(notice_freep) struct notice *n = NULL;

	if (doc_parse(input, &d))
		return;
	n = notice_read(d);
	if (!n)
		return;
	FUZZ_CHECK(*n->id && strlen(n->id) <= NOTICE_ID_MAX);
	FUZZ_CHECK(strlen(n->from) <= NOTICE_TEXT_MAX && strlen(n->subject) <= NOTICE_TEXT_MAX);
	FUZZ_CHECK(strlen(n->time) <= NOTICE_TEXT_MAX);
}

static void read_answer(struct slice input)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct fail fail = { 0 };
	struct slice text = { 0 };

	if (responses_answer(input, &a, &text, &fail) == OK)
		FUZZ_CHECK(slice_trim(text).n && text.n <= input.n);
	else
		FUZZ_CHECK(*fail.what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of((const char *)data, size);

	read_frame(input);
	read_answer(input);
	return 0;
}
