/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/responses.h"
#include "tests/unit/test.h"

#define MESSAGE(content) "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[" content "]}"
#define TEXT(t) "{\"type\":\"output_text\",\"text\":\"" t "\",\"annotations\":[]}"

static void the_path_of_a_url_tells_a_responses_api(void **state)
{
	static const struct {
		const char *url;
		bool want;
	} rows[] = {
		{ "http://localhost:18789/v1/responses", true },
		{ "https://api.example/v1/responses/", true },
		{ "https://api.example/openai/v1/responses?key=a/b", true },
		{ "https://api.example/v1/responses#x", true },
		{ "https://api.example/v1/response", false },
		{ "https://api.example/v1/responses/compact", false },
		{ "https://api.example/hook?to=/v1/responses", false },
		{ "https://api.example/#/v1/responses", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (responses_url(slice_str(rows[i].url)) != rows[i].want)
			fail_msg("%s", rows[i].url);
}

static void the_input_is_sender_subject_and_text(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(4096);

	(void)state;
	responses_request("m", S("a@b.example"), S("Hi \"you\""), S("one\ntwo\xff"), &b);
	assert_string_equal(buf_cstr(&b),
			    "{\"model\":\"m\",\"input\":\"From: a@b.example\\nSubject: Hi "
			    "\\\"you\\\"\\n\\none\\ntwo\xef\xbf\xbd\"}");
}

static void a_long_text_is_cut(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(16 * 1024 * 1024);
	AUTO(buf_release) struct buf text = BUF_INIT(16 * 1024 * 1024);

	(void)state;
	for (size_t i = 0; i < 3 * 1024 * 1024; i++)
		buf_add_char(&text, 'x');
	responses_request("m", buf_slice(&text), buf_slice(&text), buf_slice(&text), &b);
	assert_false(buf_failed(&b));
	assert_in_range(b.len, RESPONSES_TEXT_MAX, 2 * RESPONSES_TEXT_MAX);
}

static void texts_of_an_answer_are_joined(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{ "{\"output\":[" MESSAGE(TEXT("hello")) "]}", "hello" },
		{ "{\"status\":\"completed\",\"error\":null,\"output\":[{\"type\":\"reasoning\","
		  "\"content\":[{\"type\":\"output_text\",\"text\":\"thought\"}]}," MESSAGE(
			  TEXT("one ") "," TEXT("two")) "," MESSAGE(TEXT(" three")) "]}",
		  "one two three" },
		{ "{\"output\":[" MESSAGE(
			  "{\"type\":\"refusal\",\"refusal\":\"no\"}," TEXT("but")) "]}",
		  "but" },
		{ "{\"output_text\":\"short form\"}", "short form" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct fail fail = { 0 };
		struct slice got;

		if (responses_answer(slice_str(rows[i].body), &a, &got, &fail))
			fail_msg("%s: %s", rows[i].body, fail.what);
		assert_string_equal(arena_dup(&a, got), rows[i].want);
	}
}

static void an_answer_without_a_whole_text_says_why(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{ "", "the answer is no JSON object" },
		{ "<html>", "the answer is no JSON object" },
		{ "[]", "the answer is no JSON object" },
		{ "{}", "the answer has no text" },
		{ "{\"output\":{\"type\":\"message\"}}", "the answer has no text" },
		{ "{\"output\":[]}", "the answer has no text" },
		{ "{\"output\":[" MESSAGE(TEXT(" \\n")) "]}", "the answer has no text" },
		{ "{\"output\":[1,null,{\"type\":\"message\",\"content\":7}]}",
		  "the answer has no text" },
		{ "{\"output\":[" MESSAGE("{\"type\":\"output_text\",\"text\":5}") "]}",
		  "the answer has no text" },
		{ "{\"output\":[" MESSAGE("{\"type\":\"refusal\",\"refusal\":\"I will not\"}") "]}",
		  "the model refuses: I will not" },
		{ "{\"status\":\"failed\",\"error\":{\"message\":\"no such model\"},\"output\":[]}",
		  "no such model" },
		{ "{\"status\":\"incomplete\",\"output\":[" MESSAGE(TEXT("half")) "]}",
		  "the answer is not whole (incomplete)" },
		{ "{\"status\":\"queued\",\"error\":null,\"output\":[]}",
		  "the answer is not whole (queued)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct fail fail = { 0 };
		struct slice got;

		if (responses_answer(slice_str(rows[i].body), &a, &got, &fail) != ERR_INPUT)
			fail_msg("%s", rows[i].body);
		assert_string_equal(fail.what, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_of_a_url_tells_a_responses_api),
		cmocka_unit_test(the_input_is_sender_subject_and_text),
		cmocka_unit_test(a_long_text_is_cut),
		cmocka_unit_test(texts_of_an_answer_are_joined),
		cmocka_unit_test(an_answer_without_a_whole_text_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
