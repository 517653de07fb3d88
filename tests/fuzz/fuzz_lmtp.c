/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMTP: the first byte says how the rest is cut into reads. Mails go through
 * everything that is done to them before the database.
 */
#include "tests/fuzz/fuzz.h"

#include "common/mail/mime.h"
#include "deliverd/ingest.h"
#include "deliverd/lmtp.h"

static char host[] = "mx.test";
static const struct settings settings = { .mail_host = host, .verdict_max_age_ms = 86400000 };
static const struct ingest_config config = { .settings = &settings,
					     .seal_key = SLICE_INIT("0123456789abcdef"
								    "0123456789abcdef") };

static void take(struct lmtp *l, struct buf *out)
{
	AUTO(mail_freep) struct mail *m = lmtp_take(l);
	struct ingest in;
	struct slice text;

	ingest_prepare(m, &config, &in);
	for (size_t i = 0; i < m->rcpts_n; i++)
		lmtp_answer(l, ingest_reply(&in, i, &text), S(""), out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct budget budget = { .limit = 1 << 20 };
	const struct lmtp_limits limits = { host, 1 << 18, 10, &budget };
	AUTO(buf_release) struct buf out = BUF_INIT(1 << 24);
	struct slice all = slice_of((const char *)data, size), in;
	size_t step = size ? (size_t)data[0] + 1 : 1;
	struct lmtp *l = lmtp_new(&limits);
	enum lmtp_next next = LMTP_MORE;

	mime_init();
	lmtp_greet(l, &out);
	for (size_t at = 1; at < size && next != LMTP_CLOSE; at += step) {
		in = slice_sub(all, at, at + step);
		do {
			next = lmtp_feed(l, &in, &out);
			if (next == LMTP_MAIL)
				take(l, &out);
		} while (next == LMTP_MAIL);
	}
	lmtp_free(l);
	FUZZ_CHECK(budget.used == 0);
	return 0;
}
