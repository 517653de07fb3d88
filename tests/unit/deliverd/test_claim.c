/* SPDX-License-Identifier: Apache-2.0 */
#include "deliverd/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { USERS_MAX = 8 };

static void the_next_claim_begins_behind_who_had_a_turn_last(void **state)
{
	static const struct {
		const char *before, *users, *want;
	} rows[] = {
		{ "", "", "" },
		{ "", "u1", "u1" },
		{ "", "u3 u1 u2 u1", "u3" },
		{ "u3", "u5 u4", "u5" },
		{ "u3", "", "" },
		/* it came round */
		{ "u9", "u1 u2", "u2" },
		{ "u2", "u3 u9 u1", "u1" },
		{ "u2", "u1 u9 u3", "u1" },
		{ "u2", "u3 u2 u1", "u2" },
		{ "u2", "u2", "u2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice users[USERS_MAX], rest = slice_str(rows[i].users), user;
		char after[ID_MAX] = "";
		size_t n = 0;

		memcpy(after, rows[i].before, strlen(rows[i].before));
		while (rest.n && slice_cut(&rest, ' ', &user))
			users[n++] = user;
		claim_turn(users, n, after);
		assert_string_equal(after, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_claim_begins_behind_who_had_a_turn_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
