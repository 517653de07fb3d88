/* SPDX-License-Identifier: Apache-2.0 */
/* Removal by index, as the MTA will do it, and the hash of what stays. */
#include "milter/headers.h"

#include "common/base/mem.h"
#include "milter/authres.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOST S("mx.example")

/* Removes like an MTA: the n-th field of that name, counted in the present state. */
static void remove_one(struct header *h, const struct header_removal *r)
{
	size_t seen = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!slice_ieq(h->v[i].name, r->name) || ++seen != r->index)
			continue;
		memmove(&h->v[i], &h->v[i + 1], (h->n - i - 1) * sizeof(h->v[0]));
		h->n--;
		return;
	}
	fail_msg("instance %zu is not there", r->index);
}

static void every_forgery_goes_and_nothing_else(void **state)
{
	static const struct {
		const char *name, *value;
		bool stays;
	} pattern[] = {
		{ "X-E2A-Verdict", " forged", false },
		{ "Authentication-Results", " mx.example; spf=pass", false },
		{ "Authentication-Results", " other.example; spf=pass", true },
		{ "authentication-RESULTS", "\n (c) MX.Example. (x)\n ; dkim=pass", false },
		{ "X_e2a-Auth-Verified", " true", false },
		{ "Subject", " x", true },
		{ "Authentication-Results", " \"mx.example\" 1; spf=pass", false },
		{ "X-E2B", " x", true },
	};

	(void)state;
	for (int n = 0; n <= 50; n++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct header_removal *removals;
		struct headers h;
		size_t removed;

		headers_init(&h, &a);
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < ARRAY_LEN(pattern); j++)
				headers_add(&h, slice_str(pattern[j].name),
					    slice_str(pattern[j].value));
		removed = headers_removals(&h, HOST, &removals);
		assert_int_equal(removed, 5 * n);
		for (size_t i = 0; i < removed; i++)
			remove_one(&h.h, &removals[i]);
		assert_int_equal(h.h.n, 3 * n);
		for (size_t i = 0; i < h.h.n; i++)
			assert_true(slice_eq(h.h.v[i].value, S(" x")) ||
				    slice_eq(h.h.v[i].value, S(" other.example; spf=pass")));
	}
}

static void digest(const struct headers *h, uint8_t ret[32])
{
	struct mail_hash *hash = mail_hash_new();
	uint8_t body[32];

	headers_hash(h, HOST, hash);
	mail_hash_finish(hash, ret, body);
}

static void the_hash_covers_what_stays(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct headers plain, forged;
	uint8_t x[32], y[32];

	(void)state;
	headers_init(&plain, &a);
	headers_init(&forged, &a);
	headers_add(&plain, S("From"), S(" a@b.example"));
	headers_add(&forged, S("X-E2A-Verdict"), S(" x"));
	headers_add(&forged, S("From"), S(" a@b.example"));
	digest(&plain, x);
	digest(&forged, y);
	assert_memory_equal(x, y, 32);
	headers_add(&forged, S("X-Other"), S(" x"));
	digest(&forged, y);
	assert_memory_not_equal(x, y, 32);
}

static void limits_end_the_model(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct headers h;

	(void)state;
	headers_init(&h, &a);
	for (int i = 0; i < HEADER_FIELDS_MAX; i++)
		headers_add(&h, S("X"), S(" y"));
	assert_false(h.h.limited);
	headers_add(&h, S("X"), S(" y"));
	assert_true(h.h.limited);
	assert_int_equal(h.h.n, HEADER_FIELDS_MAX);

	headers_init(&h, &a);
	headers_add(&h, S("X"), slice_of(arena_alloc(&a, HEADER_BYTES_MAX), HEADER_BYTES_MAX));
	assert_true(h.h.limited);
}

static void fields_as_long_as_the_cut_are_suspect(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char *text = arena_alloc(&a, HEADER_CUT);
	struct headers h;

	(void)state;
	headers_init(&h, &a);
	headers_add(&h, S("X"), slice_of(text, HEADER_CUT / 2));
	assert_false(h.truncated);
	headers_add(&h, S("X"), slice_of(text, HEADER_CUT - 10));
	assert_true(h.truncated);
}

static void odd_fields_make_the_author_doubtful(void **state)
{
	static const struct {
		const char *name, *value;
		bool odd;
	} rows[] = {
		{ "X", " y\n z", false }, { "X", " y\r\n z", false }, { "X", " y\rz", true },
		{ "X", " y\r", true },    { "X ", " y", true },       { "X\xe9", " y", true },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct headers h;

	(void)state;
	headers_init(&h, &a);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		headers_add(&h, slice_str(rows[i].name), slice_str(rows[i].value));
		assert_int_equal(h.h.v[i].odd, rows[i].odd);
	}
}

static void results_are_written_by_grammar(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(4096);
	struct verdict v = {
		.mail_from = S("u@good.example"),
		.header_from = S("\"a@b\"@good.example"),
		.author_valid = true,
		.spf = AUTH_PASS,
		.spf_domain = S("good.example"),
		.dkim_n = 2,
		.dkim = { { AUTH_PASS, S("good.example"), S("s1"), S(""), true, false },
			  { AUTH_PERMERROR, S("bad;dkim=pass"), S("s(2"), S("syntax"), false,
			    false } },
		.dmarc = AUTH_PASS,
		.dmarc_policy = S("reject"),
	};

	(void)state;
	authres_write(&v, HOST, &b);
	assert_string_equal(buf_cstr(&b), " mx.example;\n\tspf=pass smtp.mailfrom=good.example;"
					  "\n\tdkim=pass header.d=good.example header.s=s1;"
					  "\n\tdkim=permerror reason=syntax;"
					  "\n\tdmarc=pass (p=reject) header.from=good.example");
	buf_reset(&b);
	v = (struct verdict){ .spf = AUTH_NONE, .spf_domain = S("helo.example") };
	authres_write(&v, HOST, &b);
	assert_string_equal(buf_cstr(&b), " mx.example;\n\tspf=none smtp.helo=helo.example;"
					  "\n\tdkim=none;\n\tdmarc=none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_forgery_goes_and_nothing_else),
		cmocka_unit_test(the_hash_covers_what_stays),
		cmocka_unit_test(limits_end_the_model),
		cmocka_unit_test(fields_as_long_as_the_cut_are_suspect),
		cmocka_unit_test(odd_fields_make_the_author_doubtful),
		cmocka_unit_test(results_are_written_by_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
