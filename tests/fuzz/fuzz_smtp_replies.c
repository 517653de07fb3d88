/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of an SMTP server: the first byte says how the rest is cut into
 * reads, and by how it is odd whether a greeting comes first. Cut or not, the
 * meaning is the same, and texts are fit for people.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/utf8.h"
#include "deliverd/smtp_replies.h"

#include <string.h>

enum { RCPTS = 3 };

struct run {
	struct smtp_replies replies;
	struct smtp_reply rcpts[RCPTS];
};

static void run(struct run *r, struct slice all, size_t step, bool connected)
{
	smtp_replies_init(&r->replies, r->rcpts, RCPTS);
	if (connected)
		smtp_replies_connect(&r->replies);
	for (size_t at = 0; at < all.n; at += step)
		smtp_replies_feed(&r->replies, slice_sub(all, at, at + step));
}

static void check(const struct smtp_reply *a, const struct smtp_reply *b)
{
	FUZZ_CHECK(a->code == b->code && a->code >= 0 && a->code <= 999);
	FUZZ_CHECK(slice_eq(slice_str(a->text), slice_str(b->text)));
	FUZZ_CHECK(slice_eq(slice_str(a->enhanced), slice_str(b->enhanced)));
	FUZZ_CHECK(utf8_valid(slice_str(a->text)) && !slice_has_ctl(slice_str(a->text)));
	FUZZ_CHECK(strlen(a->text) <= SMTP_TEXT_MAX);
	FUZZ_CHECK(slice_only(slice_str(a->enhanced), "."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice_of((const char *)data, size);
	size_t step = size ? (size_t)data[0] + 1 : 1;
	bool connected = size && data[0] % 2;
	struct run cut, whole;

	all = slice_sub(all, 1, all.n);
	run(&cut, all, step, connected);
	run(&whole, all, all.n ? all.n : 1, connected);
	FUZZ_CHECK(cut.replies.step == whole.replies.step &&
		   cut.replies.last == whole.replies.last);
	FUZZ_CHECK(cut.replies.rcpts_seen <= RCPTS);
	check(&cut.replies.reply, &whole.replies.reply);
	for (size_t i = 0; i < RCPTS; i++)
		check(&cut.rcpts[i], &whole.rcpts[i]);
	return 0;
}
