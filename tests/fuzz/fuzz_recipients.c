/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipients, one a line, every third one of each list: what is left can be sent to, is there
 * once and not the sender; a refusal is one clean line.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/recipients.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"

enum { LIST_MAX = 100, MAX = 20 };

static void check_left(const struct recipients *got, struct arena *a)
{
	struct slice folded;

	FUZZ_CHECK(got->n <= MAX && got->to.n + got->cc.n > 0);
	FUZZ_CHECK(got->to.n + got->cc.n + got->bcc.n == got->n);
	for (size_t i = 0; i < got->n; i++) {
		FUZZ_CHECK(addr_usable(got->v[i], a, &folded) == OK);
		FUZZ_CHECK(slice_eq(folded, got->v[i]));
		FUZZ_CHECK(addr_fold(got->v[i], a, &folded) == OK && slice_eq(folded, got->v[i]));
		FUZZ_CHECK(!slice_eq(got->v[i], S("bot@x.io")));
		for (size_t j = 0; j < i; j++)
			FUZZ_CHECK(!slice_eq(got->v[i], got->v[j]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
	struct slice rest = slice_of((const char *)data, size), line, v[3][LIST_MAX];
	struct recipients got;
	size_t n = 0;

	for (; n < 3 * LIST_MAX && slice_cut(&rest, '\n', &line); n++)
		v[n % 3][n / 3] = line;
	{
		const struct recipients_asked asked = {
			.to = { v[0], (n + 2) / 3 },
			.cc = { v[1], (n + 1) / 3 },
			.bcc = { v[2], n / 3 },
			.agent = S("bot@x.io"),
			.from_domain = S("s.io"),
			.max = MAX,
		};
		enum err e = recipients_normalise(&asked, &a, &got, &reason);

		FUZZ_CHECK(!buf_failed(&reason) && (e == OK) == (reason.len == 0));
	}
	if (reason.len == 0)
		check_left(&got, &a);
	FUZZ_CHECK(utf8_valid(buf_slice(&reason)) && !slice_has_ctl(buf_slice(&reason)));
	return 0;
}
