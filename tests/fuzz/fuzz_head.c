/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads and targets. More bytes behind a head must not change what it
 * is, and the clean form of a target must be clean.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/head.h"
#include "apid/target.h"
#include "common/base/mem.h"

static void check_head(struct slice bytes)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf longer = BUF_INIT(bytes.n + 1);
	struct head head;
	enum head_kind kind = head_look(bytes, &a, &head);

	if (kind == HEAD_UPGRADE) {
		FUZZ_CHECK(head.agent.n > 0 && head.origin.host.p);
		FUZZ_CHECK(head.token.n == 0 || head.session.n == 0);
	}
	buf_add_slice(&longer, bytes);
	buf_add_char(&longer, 'x');
	if (kind != HEAD_MORE)
		FUZZ_CHECK(head_look(buf_slice(&longer), &a, &head) == kind);
}

static void check_target(struct slice raw)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf clean = BUF_INIT(3 * raw.n + 1);
	struct target t, again;

	if (target_parse(raw, &a, &t))
		return;
	FUZZ_CHECK(t.n > 0 && t.n <= TARGET_SEGMENTS_MAX && t.query_n <= TARGET_QUERY_MAX);
	target_canonical(&t, &clean);
	FUZZ_CHECK(!buf_failed(&clean) && !slice_has_ctl(buf_slice(&clean)));
	FUZZ_CHECK(!slice_starts(buf_slice(&clean), S("//")));
	FUZZ_CHECK(target_parse(buf_slice(&clean), &a, &again) == OK && again.canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of((const char *)data, size);

	check_head(input);
	check_target(input);
	return 0;
}
