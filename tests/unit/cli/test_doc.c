/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of strangers and of our own. */
#include "cli/api.h"
#include "cli/doc.h"
#include "tests/unit/test.h"

static void what_is_no_single_value_is_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),         SLICE_INIT(" "),          SLICE_INIT("{"),
		SLICE_INIT("{} {}"),    SLICE_INIT("{}x"),        SLICE_INIT("nul"),
		SLICE_INIT("\"\xff\""), SLICE_INIT("{\"a\":\0}"), SLICE_INIT("<html>"),
		SLICE_INIT("{'a':1}"),  SLICE_INIT("[1,]"),
	};
	struct doc *d = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, doc_parse(rows[i], &d) == ERR_INPUT && !d);
}

static void depth_and_number_have_ceilings(void **state)
{
	AUTO(buf_release) struct buf deep = BUF_INIT(1 << 20), many = BUF_INIT(1 << 20);
	struct doc *d = NULL;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		buf_add_char(&deep, '[');
	for (size_t i = 0; i < 100; i++)
		buf_add_char(&deep, ']');
	assert_int_equal(doc_parse(buf_slice(&deep), &d), ERR_INPUT);
	buf_add_str(&many, "[0");
	for (size_t i = 0; i < 70000; i++)
		buf_add_str(&many, ",0");
	buf_add_char(&many, ']');
	assert_int_equal(doc_parse(buf_slice(&many), &d), ERR_INPUT);
}

static void readers_take_what_is_not_there(void **state)
{
	AUTO(doc_freep) struct doc *d = NULL;
	const struct doc *list;
	const char *name = NULL;

	(void)state;
	assert_int_equal(
		doc_parse(S("{\"t\":\"a\\u0000b\",\"n\":-7,\"y\":true,\"l\":[{\"x\":1},\"z\"],"
			    "\"0\":null}"),
			  &d),
		OK);
	assert_slice(doc_text(d, "t"), slice_of("a\0b", 3));
	assert_true(doc_int(d, "n") == -7 && doc_bool(d, "y") && !doc_bool(d, "n"));
	assert_true(doc_is_null(doc_get(d, "0")) && !doc_get(d, "none"));
	list = doc_get(d, "l");
	assert_int_equal(doc_count(list), 2);
	assert_int_equal(doc_int(doc_at(list, 0), "x"), 1);
	assert_slice(doc_value_text(doc_at(list, 1)), S("z"));
	assert_null(doc_at(list, 2));
	assert_slice(doc_text(list, "t"), S(""));
	assert_slice(doc_text(NULL, "t"), S(""));
	assert_int_equal(doc_count(NULL) + doc_count(d), 0);
	assert_non_null(doc_member(d, 3, &name));
	assert_string_equal(name, "l");
	assert_null(doc_member(d, 5, &name));
	assert_null(doc_member(NULL, 0, &name));
}

static void members_keep_their_order(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000);
	AUTO(doc_freep) struct doc *d = doc_object();
	struct doc *list = doc_array();

	(void)state;
	doc_set_text(d, "z", S("a\xff"));
	doc_set_int(d, "a", 1);
	doc_set_bool(d, "m", false);
	doc_set_null(d, "n");
	doc_add_text(list, S("\"\n"));
	doc_set(d, "l", list);
	doc_set_text(d, "z", S("b"));
	doc_remove(d, "m");
	doc_write(d, DOC_PRETTY, &b);
	assert_string_equal(buf_cstr(&b),
			    "{\n  \"z\": \"b\",\n  \"a\": 1,\n  \"n\": null,\n  \"l\": [\n"
			    "    \"\\\"\\n\"\n  ]\n}");
}

static void paths_and_queries_are_encoded(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct api_param params[] = {
		{ "token", "a/b+c=" }, { "absent", NULL }, { "sort", "desc" }, { 0 }
	};

	(void)state;
	assert_string_equal(api_path(&a, "/v1/%s/x/%s", "b\xc3\xb6t+x@y", "../a/?#%"),
			    "/v1/b%C3%B6t%2Bx%40y/x/..%2Fa%2F%3F%23%25");
	assert_string_equal(api_query(&a, "/p", params), "/p?token=a%2Fb%2Bc%3D&sort=desc");
	assert_string_equal(api_query(&a, "/p", &params[3]), "/p");
}

static void answers_mean_what_their_status_says(void **state)
{
	static const struct {
		int status;
		int64_t retry_after_ms;
		const char *body;
		bool html;
		enum err want;
		const char *what;
	} rows[] = {
		{ 200, -1, "", false, OK, "" },
		{ 204, -1, "", false, OK, "" },
		{ 400, -1, "email is required\n", false, ERR_INPUT,
		  "email is required (HTTP 400)" },
		{ 401, -1, "unauthorized\n", false, ERR_UNAUTHORIZED, "unauthorized (HTTP 401)" },
		{ 403, -1, "forbidden", false, ERR_FORBIDDEN, "forbidden (HTTP 403)" },
		{ 404, -1, "message not found", false, ERR_NOT_FOUND,
		  "message not found (HTTP 404)" },
		{ 410, -1, "gone", false, ERR_NOT_FOUND, "gone (HTTP 410)" },
		{ 409, -1, "x", false, ERR_CONFLICT, "x (HTTP 409)" },
		{ 412, -1, "x", false, ERR_CONFLICT, "x (HTTP 412)" },
		{ 422, -1, "x", false, ERR_CONFLICT, "x (HTTP 422)" },
		{ 429, 1500, "slow down", false, ERR_RATE,
		  "slow down (HTTP 429, try again in 2 s)" },
		{ 429, -1, "slow down", false, ERR_RATE, "slow down (HTTP 429)" },
		{ 500, -1, "a\nb", false, ERR_INTERNAL, "a b (HTTP 500)" },
		{ 502, -1, "<html>x", false, ERR_INTERNAL, "the server answers HTTP 502" },
		{ 503, -1, "page", true, ERR_BUSY, "the server answers HTTP 503" },
		{ 302, -1, "x", false, ERR_INPUT,
		  "the server redirects (HTTP 302); set api_url to where the API is" },
		{ 404, -1, "404 page not found\n", false, ERR_NOT_FOUND,
		  "the server does not know this request, or the key does not reach so far (HTTP "
		  "404)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct api_answer answer = { .status = rows[i].status,
					     .body = BUF_INIT(1000),
					     .retry_after_ms = rows[i].retry_after_ms,
					     .is_html = rows[i].html };
		struct fail fail = { 0 };

		buf_add_str(&answer.body, rows[i].body);
		assert_row(i, api_error(&answer, &fail) == rows[i].want);
		assert_slice_row(slice_str(fail.what), slice_str(rows[i].what), i);
		api_answer_release(&answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_single_value_is_refused),
		cmocka_unit_test(depth_and_number_have_ceilings),
		cmocka_unit_test(readers_take_what_is_not_there),
		cmocka_unit_test(members_keep_their_order),
		cmocka_unit_test(paths_and_queries_are_encoded),
		cmocka_unit_test(answers_mean_what_their_status_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
