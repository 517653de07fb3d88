/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of reviewers. What decides was written by the one author to the one address, and
 * no change of the fields that a signature may leave open turns one decision into the
 * other.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/mime.h"
#include "deliverd/review_read.h"

#define ADDRESS "review-00112233445566778899aabbccddeeff@agents.example"
#define REVIEWER "rita@corp.example"
#define HEAD "From: " REVIEWER "\r\nTo: " ADDRESS "\r\n"

static const struct verdict good = {
	.origin = SLICE_INIT("smtp"),
	.author_valid = true,
	.dkim = { { .result = AUTH_PASS, .aligned = true, .signs_addresses = true } },
	.dkim_n = 1,
};

static struct review_answer read_answer(struct slice message, const struct verdict *v,
					struct arena *a)
{
	const struct review_question q = { S(ADDRESS), S(REVIEWER), S(REVIEWER), v };
	struct review_answer got;

	review_read(message, &q, a, &got);
	FUZZ_CHECK(got.authentic == (got.reason == REVIEW_DECIDES || got.reason == REVIEW_UNCLEAR));
	FUZZ_CHECK(!got.approves || (got.reason == REVIEW_DECIDES && got.why.n == 0));
	FUZZ_CHECK(got.why.n <= REVIEW_WHY_MAX && utf8_valid(got.why) && !slice_has_ctl(got.why));
	return got;
}

/* The answer when these fields stand on top of the message. */
static struct review_answer read_below(const char *fields, struct slice message, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 24);

	buf_add_str(&b, fields);
	buf_add_slice(&b, message);
	return read_answer(arena_slice(a, buf_slice(&b)), &good, a);
}

static void check_message(struct slice message, struct arena *a)
{
	struct review_answer got = read_answer(message, &good, a);
	struct header h;

	FUZZ_CHECK(!read_answer(message, NULL, a).authentic);
	if (!got.authentic)
		return;
	header_parse(message, a, &h);
	FUZZ_CHECK(header_count(&h, S("From")) == 1 && header_count(&h, S("To")) == 1);
	FUZZ_CHECK(!read_below("To: " ADDRESS "\r\n", message, a).authentic);
	FUZZ_CHECK(!read_below("From: " REVIEWER "\r\n", message, a).authentic);
	FUZZ_CHECK(!read_below("Auto-Submitted: auto-replied\r\n", message, a).authentic);
}

static void check_body(struct slice body, struct arena *a)
{
	static const char *const fields[] = {
		HEAD "\r\n",
		HEAD "Content-Transfer-Encoding: base64\r\n\r\n",
		HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		HEAD "Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n",
	};
	bool approves = false, rejects = false;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct review_answer got = read_below(fields[i], body, a);

		FUZZ_CHECK(got.authentic);
		approves |= got.approves;
		rejects |= got.reason == REVIEW_DECIDES && !got.approves;
	}
	FUZZ_CHECK(!approves || !rejects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice input = slice_of((const char *)data, size);
	static bool begun;

	if (!begun)
		mime_init();
	begun = true;
	check_message(input, &a);
	check_body(input, &a);
	return 0;
}
