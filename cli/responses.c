/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of the Responses API. What a model says is a stranger's text too. */
#include "cli/responses.h"

#include "cli/doc.h"
#include "common/base/utf8.h"

bool responses_url(struct slice url)
{
	struct slice rest = url, path;

	slice_cut(&rest, '#', &path);
	rest = path;
	slice_cut(&rest, '?', &path);
	while (slice_ends(path, S("/")))
		path.n--;
	return slice_ends(path, S("/v1/responses"));
}

void responses_request(const char *model, struct slice from, struct slice subject,
		       struct slice text, struct buf *ret)
{
	AUTO(doc_freep) struct doc *d = doc_object();
	AUTO(buf_release) struct buf input = BUF_INIT(2 * RESPONSES_TEXT_MAX);

	buf_add_str(&input, "From: ");
	buf_add_slice(&input, utf8_cut(from, RESPONSES_TEXT_MAX / 4));
	buf_add_str(&input, "\nSubject: ");
	buf_add_slice(&input, utf8_cut(subject, RESPONSES_TEXT_MAX / 4));
	buf_add_str(&input, "\n\n");
	buf_add_slice(&input, utf8_cut(text, RESPONSES_TEXT_MAX));
	doc_set_text(d, "model", slice_str(model));
	doc_set_text(d, "input", buf_slice(&input));
	doc_write(d, DOC_PLAIN, ret);
}

/* The texts of one element of `output`: only messages have some. */
static void add_texts(const struct doc *item, const char *type, const char *name, struct buf *ret)
{
	const struct doc *content = doc_get(item, "content");

	for (size_t i = 0; i < doc_count(content); i++) {
		const struct doc *part = doc_at(content, i);

		if (slice_eq(doc_text(part, "type"), slice_str(type)))
			buf_add_slice(ret, doc_text(part, name));
	}
}

static void join(const struct doc *answer, const char *type, const char *name, struct buf *ret)
{
	const struct doc *output = doc_get(answer, "output");

	for (size_t i = 0; i < doc_count(output); i++) {
		const struct doc *item = doc_at(output, i);

		if (slice_eq(doc_text(item, "type"), S("message")))
			add_texts(item, type, name, ret);
	}
}

static enum err no_text(const struct doc *answer, struct fail *fail)
{
	AUTO(buf_release) struct buf refusal = BUF_INIT(RESPONSES_TEXT_MAX);
	struct slice why = doc_text(doc_get(answer, "error"), "message");

	join(answer, "refusal", "refusal", &refusal);
	if (why.n)
		return fail_set(fail, ERR_INPUT, "%.*s", SLICE_ARGS(utf8_cut(why, 200)));
	if (refusal.len)
		return fail_set(fail, ERR_INPUT, "the model refuses: %.*s",
				SLICE_ARGS(utf8_cut(buf_slice(&refusal), 180)));
	return fail_set(fail, ERR_INPUT, "the answer has no text");
}

enum err responses_answer(struct slice body, struct arena *a, struct slice *ret, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	AUTO(buf_release) struct buf text = BUF_INIT(body.n);
	struct slice status;

	if (doc_parse(body, &answer) || !doc_is_object(answer))
		return fail_set(fail, ERR_INPUT, "the answer is no JSON object");
	status = doc_text(answer, "status");
	join(answer, "output_text", "text", &text);
	if (!doc_get(answer, "output")) /* some servers give it like this */
		buf_add_slice(&text, doc_text(answer, "output_text"));
	if (status.n && !slice_eq(status, S("completed")))
		return doc_get(answer, "error") && !doc_is_null(doc_get(answer, "error"))
			       ? no_text(answer, fail)
			       : fail_set(fail, ERR_INPUT, "the answer is not whole (%.*s)",
					  SLICE_ARGS(utf8_cut(status, 40)));
	if (slice_trim(buf_slice(&text)).n == 0)
		return no_text(answer, fail);
	*ret = arena_slice(a, buf_slice(&text));
	return OK;
}
