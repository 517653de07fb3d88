/* SPDX-License-Identifier: Apache-2.0 */
/* Slugs that users may and may not take. */
#include "apid/slug.h"
#include "tests/unit/test.h"

static void slugs_follow_the_rules(void **state)
{
	static const struct {
		struct slice slug;
		const char *reason; /* NULL: fine */
	} rows[] = {
		{ SLICE_INIT("ab"), NULL },
		{ SLICE_INIT("a1"), NULL },
		{ SLICE_INIT("my-bot"), NULL },
		{ SLICE_INIT("support-agent-1"), NULL },
		{ SLICE_INIT("a--b"), NULL },
		{ SLICE_INIT("0123456789012345678901234567890123456789"), NULL },
		{ SLICE_INIT("01234567890123456789012345678901234567890"),
		  "slug must be 2\u201340 characters" },
		{ SLICE_INIT("a"), "slug must be 2\u201340 characters" },
		{ SLICE_INIT("MyBot"), "slug must be lowercase alphanumeric with hyphens, "
				       "no leading/trailing hyphens" },
		{ SLICE_INIT("-a"), "slug must be lowercase alphanumeric with hyphens, "
				    "no leading/trailing hyphens" },
		{ SLICE_INIT("a-"), "slug must be lowercase alphanumeric with hyphens, "
				    "no leading/trailing hyphens" },
		{ SLICE_INIT("a\0b"), "slug must be lowercase alphanumeric with hyphens, "
				      "no leading/trailing hyphens" },
		{ SLICE_INIT("a.b"), "slug must be lowercase alphanumeric with hyphens, "
				     "no leading/trailing hyphens" },
		{ SLICE_INIT("root"), "slug \"root\" is reserved" },
		{ SLICE_INIT("mailer-daemon"), "slug \"mailer-daemon\" is reserved" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf reason = BUF_INIT(200);

		assert_row(i, (slug_check(rows[i].slug, &reason) == OK) == !rows[i].reason);
		assert_slice_row(buf_slice(&reason), slice_str(rows[i].reason), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(slugs_follow_the_rules) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
