/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests that send a mail: JSON, then the draft. What passes is taken by the
 * composer, apart from recipients, and a refusal is one clean line.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/draft.h"
#include "common/base/utf8.h"
#include "common/mail/compose.h"

static void check_parts(const struct draft *d, const struct draft_parts *parts, struct arena *a)
{
	static const struct slice to[] = { SLICE_INIT("a@b.example") };
	struct compose_attachment *files = arena_calloc(a, parts->attachments_n, sizeof(*files));
	const struct compose_mail mail = {
		.from = to[0],
		.to = to,
		.to_n = 1,
		.subject = d->subject,
		.message_id = S("<0@b.example>"),
		.in_reply_to = parts->in_reply_to,
		.references = parts->references.v,
		.references_n = parts->references.n,
		.conversation_id = d->conversation_id,
		.text = d->body,
		.html = d->html_body,
		.attachments = files,
		.attachments_n = parts->attachments_n,
	};
	struct fail fail = { 0 };

	for (size_t i = 0; i < parts->attachments_n; i++)
		files[i] = (struct compose_attachment){ parts->attachments[i].filename,
							parts->attachments[i].content_type,
							parts->attachments[i].data };
	FUZZ_CHECK(compose_check(&mail, &fail) == OK);
	for (size_t i = 0; i < parts->references.n; i++)
		FUZZ_CHECK(compose_msgid_usable(parts->references.v[i]));
}

static void check_body(struct slice body, const struct jsonf_row *table)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(DRAFT_REASON_MAX);
	struct draft d = DRAFT_INIT;
	struct draft_parts parts;
	enum err e;

	if (jsonf_read(body, table, &a, &d))
		return;
	e = draft_read(&d, &a, &parts, &reason);
	FUZZ_CHECK(!buf_failed(&reason) && (e == OK) == (reason.len == 0));
	FUZZ_CHECK(utf8_valid(buf_slice(&reason)) && !slice_has_ctl(buf_slice(&reason)));
	if (e == OK)
		check_parts(&d, &parts, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = slice_of((const char *)data, size);

	check_body(body, draft_send_rows);
	check_body(body, draft_reply_rows);
	return 0;
}
