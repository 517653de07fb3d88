/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile JSON, the tolerance that clients rely on, and what the writer escapes. */
#include "common/base/jsonf.h"

#include "common/base/utf8.h"
#include "tests/unit/test.h"

struct sample {
	struct slice text;
	int64_t number;
	bool flag;
	struct jsonf_texts list;
	bool has_text, has_number, has_flag, has_list;
};

static const struct jsonf_row table[] = {
	{ "text", JSONF_TEXT, offsetof(struct sample, text), offsetof(struct sample, has_text) },
	{ "number", JSONF_INT, offsetof(struct sample, number),
	  offsetof(struct sample, has_number) },
	{ "flag", JSONF_BOOL, offsetof(struct sample, flag), offsetof(struct sample, has_flag) },
	{ "list", JSONF_TEXTS, offsetof(struct sample, list), offsetof(struct sample, has_list) },
	{ .name = NULL },
};

static void malformed_text_is_refused(void **state)
{
	static const struct slice rows[] = {
		{ NULL, 0 },
		SLICE_INIT(""),
		SLICE_INIT(" "),
		SLICE_INIT("\0"),
		SLICE_INIT("{"),
		SLICE_INIT("}"),
		SLICE_INIT("{\"text\""),
		SLICE_INIT("{\"text\":}"),
		SLICE_INIT("{\"text\":\"a}"),
		SLICE_INIT("{\"text\":\"a\\\"}"),
		SLICE_INIT("{\"text\":\"\\q\"}"),
		SLICE_INIT("{\"text\":\"\n\"}"),
		SLICE_INIT("{\"text\":\"a\0b\"}"),
		SLICE_INIT("{\"text\":\"\\ud800\"}"),
		SLICE_INIT("{\"text\":\"\\u12\"}"),
		SLICE_INIT("{'text':'a'}"),
		SLICE_INIT("{text:\"a\"}"),
		SLICE_INIT("{\"text\":\"a\",}"),
		SLICE_INIT("{\"number\":01}"),
		SLICE_INIT("{\"number\":+1}"),
		SLICE_INIT("{\"number\":NaN}"),
		SLICE_INIT("{\"number\":9223372036854775808}"),
		SLICE_INIT("{\"other\":1e999}"),
		SLICE_INIT("\xef\xbb\xbf{}"),
		SLICE_INIT("null"),
		SLICE_INIT("\"text\""),
		SLICE_INIT("17"),
		SLICE_INIT("[]"),
		SLICE_INIT("[{\"text\":\"a\"}]"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { 0 };

		assert_row(i, jsonf_read(rows[i], table, &a, &s) == ERR_INPUT);
	}
}

static void wrong_types_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("{\"text\":1}"),
		SLICE_INIT("{\"text\":true}"),
		SLICE_INIT("{\"text\":[\"a\"]}"),
		SLICE_INIT("{\"text\":{}}"),
		SLICE_INIT("{\"number\":\"1\"}"),
		SLICE_INIT("{\"number\":1.0}"),
		SLICE_INIT("{\"number\":1e2}"),
		SLICE_INIT("{\"flag\":1}"),
		SLICE_INIT("{\"flag\":\"true\"}"),
		SLICE_INIT("{\"list\":\"a\"}"),
		SLICE_INIT("{\"list\":{}}"),
		SLICE_INIT("{\"list\":[1]}"),
		SLICE_INIT("{\"list\":[\"a\",null]}"),
		SLICE_INIT("{\"list\":[[\"a\"]]}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { 0 };

		assert_row(i, jsonf_read(rows[i], table, &a, &s) == ERR_INPUT);
	}
}

/* `open` repeated `depth` times inside of one object. */
static enum err read_nested(const char *open, const char *close, size_t depth)
{
	AUTO(buf_release) struct buf text = BUF_INIT(10000000);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sample s = { 0 };

	buf_add_str(&text, "{\"x\":");
	for (size_t i = 1; i < depth; i++)
		buf_add_str(&text, open);
	buf_add_str(&text, "1");
	for (size_t i = 1; i < depth && close; i++)
		buf_add_str(&text, close);
	buf_add_str(&text, "}");
	return jsonf_read(buf_slice(&text), table, &a, &s);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(read_nested("[", "]", JSONF_DEPTH_MAX), OK);
	assert_int_equal(read_nested("[", "]", JSONF_DEPTH_MAX + 1), ERR_INPUT);
	assert_int_equal(read_nested("{\"a\":", "}", JSONF_DEPTH_MAX), OK);
	assert_int_equal(read_nested("{\"a\":", "}", JSONF_DEPTH_MAX + 1), ERR_INPUT);
	assert_int_equal(read_nested("[", NULL, 1000000), ERR_INPUT);
	assert_int_equal(read_nested("\"\\\"[[\",", NULL, 1000), ERR_INPUT);
}

static void brackets_inside_strings_are_not_depth(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(10000);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sample s = { 0 };

	(void)state;
	buf_add_str(&text, "{\"text\":\"\\\\\\\"");
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text, "[{");
	buf_add_str(&text, "\"}");
	assert_int_equal(jsonf_read(buf_slice(&text), table, &a, &s), OK);
	assert_int_equal(s.text.n, 2002);
}

static void tolerated_forms_are_read(void **state)
{
	static const struct {
		struct slice in, want;
	} rows[] = {
		{ SLICE_INIT("{\"text\":\"a\"}"), SLICE_INIT("a") },
		{ SLICE_INIT("{\"TEXT\":\"a\"}"), SLICE_INIT("a") },
		{ SLICE_INIT("{\"text\":\"a\",\"text\":\"b\"}"), SLICE_INIT("b") },
		{ SLICE_INIT("{\"text\":\"a\",\"Text\":\"b\"}"), SLICE_INIT("b") },
		{ SLICE_INIT("{\"text\":\"a\"} trailing {"), SLICE_INIT("a") },
		{ SLICE_INIT("{\"text\":\"a\"}\0\xff"), SLICE_INIT("a") },
		{ SLICE_INIT("{\"text\":\"a\"}[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
			     "[[[[[[[[[[[[[[[[[[[["),
		  SLICE_INIT("a") },
		{ SLICE_INIT(" \r\n\t{ \"x\" : {\"text\":1}, \"text\" : \"a\" }"),
		  SLICE_INIT("a") },
		{ SLICE_INIT("{\"text\":\"a\\u0000b\"}"), SLICE_INIT("a\0b") },
		{ SLICE_INIT("{\"text\":\"\xff\"}"), SLICE_INIT("\xef\xbf\xbd") },
		{ SLICE_INIT("{\"text\":\"\xed\xa0\x80\"}"),
		  SLICE_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ SLICE_INIT("{\"text\":\"\\ud83d\\udcc4\"}"), SLICE_INIT("\xf0\x9f\x93\x84") },
		{ SLICE_INIT("{\"text\":\"\"}"), SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { 0 };

		assert_row(i, jsonf_read(rows[i].in, table, &a, &s) == OK);
		assert_slice_row(s.text, rows[i].want, i);
		assert_row(i, s.has_text);
	}
}

static void null_and_absent_are_not_given(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("{}"),
		SLICE_INIT("{\"text\":null,\"number\":null,\"flag\":null,\"list\":null}"),
		SLICE_INIT("{\"other\":[1,2.5,{\"text\":\"a\"}]}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { .number = 5 };

		assert_row(i, jsonf_read(rows[i], table, &a, &s) == OK);
		assert_row(i, !s.has_text && !s.has_number && !s.has_flag && !s.has_list);
		assert_row(i, s.number == 5);
	}
}

static void all_types_are_read_at_their_ends(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sample s = { 0 };

	(void)state;
	assert_int_equal(jsonf_read(S("{\"number\":-9223372036854775808,\"flag\":true,"
				      "\"list\":[\"a\",\"\",\"b\\u0000\"]}"),
				    table, &a, &s),
			 OK);
	assert_true(s.number == INT64_MIN && s.flag && s.has_flag && s.has_list);
	assert_int_equal(s.list.n, 3);
	assert_slice(s.list.v[0], S("a"));
	assert_slice(s.list.v[1], S(""));
	assert_slice(s.list.v[2], S("b\0"));
	assert_int_equal(jsonf_read(S("{\"flag\":false,\"list\":[]}"), table, &a, &s), OK);
	assert_true(!s.flag && s.list.n == 0);
}

static void lists_are_bounded(void **state)
{
	for (size_t n = JSONF_TEXTS_MAX; n <= JSONF_TEXTS_MAX + 1; n++) {
		AUTO(buf_release) struct buf text = BUF_INIT(100000);
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { 0 };

		buf_add_str(&text, "{\"list\":[\"0\"");
		for (size_t i = 1; i < n; i++)
			buf_add_str(&text, ",\"x\"");
		buf_add_str(&text, "]}");
		assert_int_equal(jsonf_read(buf_slice(&text), table, &a, &s),
				 n > JSONF_TEXTS_MAX ? ERR_INPUT : OK);
	}
	(void)state;
}

struct leaf {
	struct slice name;
	struct jsonf_bytes data;
	bool has_data;
};

static const struct jsonf_row leaf_rows[] = {
	{ "name", JSONF_TEXT, offsetof(struct leaf, name), JSONF_NO_GIVEN },
	{ "data", JSONF_BASE64, offsetof(struct leaf, data), offsetof(struct leaf, has_data) },
	{ .name = NULL },
};

struct tree {
	struct jsonf_objects leaves;
	bool has_leaves;
};

static const struct jsonf_row tree_rows[] = {
	{ "leaves", JSONF_OBJECTS, offsetof(struct tree, leaves),
	  offsetof(struct tree, has_leaves) },
	{ .name = NULL },
};

enum { LEAVES_MAX = 3 };

static enum err read_tree(struct slice text, struct arena *a, struct tree *ret)
{
	*ret = (struct tree){
		.leaves = { .table = leaf_rows, .size = sizeof(struct leaf), .max = LEAVES_MAX },
	};
	return jsonf_read(text, tree_rows, a, ret);
}

static void arrays_of_objects_are_read_by_a_table_of_their_own(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct leaf *leaf;
	struct tree t;

	(void)state;
	assert_int_equal(read_tree(S("{\"leaves\":[{\"name\":\"a\",\"data\":\"AP8=\"},{},"
				     "{\"NAME\":\"c\",\"data\":null,\"x\":[{\"name\":1}]}]}"),
				   &a, &t),
			 OK);
	assert_true(t.has_leaves);
	assert_int_equal(t.leaves.n, 3);
	leaf = t.leaves.v;
	assert_slice(leaf[0].name, S("a"));
	assert_slice(leaf[0].data.v, S("\0\xff"));
	assert_true(leaf[0].has_data && !leaf[0].data.bad);
	assert_true(leaf[1].name.n == 0 && !leaf[1].has_data);
	assert_slice(leaf[2].name, S("c"));
	assert_false(leaf[2].has_data);
	assert_int_equal(read_tree(S("{\"leaves\":[]}"), &a, &t), OK);
	assert_true(t.has_leaves && t.leaves.n == 0);
	assert_int_equal(read_tree(S("{\"leaves\":null}"), &a, &t), OK);
	assert_false(t.has_leaves);
}

static void what_is_no_array_of_objects_is_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("{\"leaves\":{}}"),
		SLICE_INIT("{\"leaves\":\"a\"}"),
		SLICE_INIT("{\"leaves\":[1]}"),
		SLICE_INIT("{\"leaves\":[null]}"),
		SLICE_INIT("{\"leaves\":[[{}]]}"),
		SLICE_INIT("{\"leaves\":[{\"name\":1}]}"),
		SLICE_INIT("{\"leaves\":[{},{\"data\":1}]}"),
		SLICE_INIT("{\"leaves\":[{\"data\":[\"AP8=\"]}]}"),
		SLICE_INIT("{\"leaves\":[{},{},{},{}]}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct tree t;

		assert_row(i, read_tree(rows[i], &a, &t) == ERR_INPUT);
	}
}

static void base64_is_decoded_or_marked(void **state)
{
	static const struct {
		struct slice in, want;
		bool bad;
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT(""), false },
		{ SLICE_INIT("Zm9vYg=="), SLICE_INIT("foob"), false },
		{ SLICE_INIT("Zm9v\\u0059g=="), SLICE_INIT("foob"), false },
		{ SLICE_INIT("\\/\\/\\/\\/"), SLICE_INIT("\xff\xff\xff"), false },
		{ SLICE_INIT("Zm9vYg"), SLICE_INIT(""), true },
		{ SLICE_INIT("Zm9v\\nYg=="), SLICE_INIT(""), true },
		{ SLICE_INIT("Zm9v\\u0000"), SLICE_INIT(""), true },
		{ SLICE_INIT("Zm9v****"), SLICE_INIT(""), true },
		{ SLICE_INIT("===="), SLICE_INIT(""), true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice text = slice_str(arena_printf(&a, "{\"leaves\":[{\"data\":\"%.*s\"}]}",
							   SLICE_ARGS(rows[i].in)));
		const struct leaf *leaf;
		struct tree t;

		assert_row(i, read_tree(text, &a, &t) == OK);
		leaf = t.leaves.v;
		assert_row(i, leaf->has_data && leaf->data.bad == rows[i].bad);
		assert_slice_row(leaf->data.v, rows[i].want, i);
	}
}

/* `item` n times in an array, behind one value more. */
static enum err read_many(const char *item, size_t n)
{
	AUTO(buf_release) struct buf text = BUF_INIT(10000000);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sample s = { 0 };

	buf_add_str(&text, "{\"x\":[0");
	for (size_t i = 0; i < n; i++)
		buf_addf(&text, ",%s", item);
	buf_add_str(&text, "]}");
	return jsonf_read(buf_slice(&text), table, &a, &s);
}

static void values_are_counted_before_they_cost_memory(void **state)
{
	(void)state;
	assert_int_equal(read_many("0", JSONF_VALUES_MAX - 2), OK);
	assert_int_equal(read_many("0", JSONF_VALUES_MAX - 1), ERR_INPUT);
	assert_int_equal(read_many("[]", JSONF_VALUES_MAX / 2 - 1), OK);
	assert_int_equal(read_many("{}", JSONF_VALUES_MAX / 2), ERR_INPUT);
	assert_int_equal(read_many("\",[{\\\"\"", JSONF_VALUES_MAX - 2), OK);
}

static enum err read_broken(size_t bad, size_t good)
{
	AUTO(buf_release) struct buf text = BUF_INIT(10000000);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct sample s = { 0 };

	buf_add_str(&text, "{\"text\":\"");
	for (size_t i = 0; i < good; i++)
		buf_add_str(&text, "good");
	for (size_t i = 0; i < bad; i++)
		buf_add_char(&text, '\xff');
	buf_add_str(&text, "\"}");
	return jsonf_read(buf_slice(&text), table, &a, &s);
}

static void so_much_is_repaired_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(read_broken(JSONF_REPAIRS_MAX, 0), OK);
	assert_int_equal(read_broken(JSONF_REPAIRS_MAX, JSONF_REPAIRS_MAX), OK);
	assert_int_equal(read_broken(JSONF_REPAIRS_MAX + 1, 0), ERR_INPUT);
	assert_int_equal(read_broken(JSONF_REPAIRS_MAX + 1, JSONF_REPAIRS_MAX), ERR_INPUT);
}

static void writer_escapes_what_breaks_a_reader(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} rows[] = {
		{ { NULL, 0 }, "\"\"" },
		{ SLICE_INIT("a\0b"), "\"a\\u0000b\"" },
		{ SLICE_INIT("\"\\/"), "\"\\\"\\\\/\"" },
		{ SLICE_INIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
		{ SLICE_INIT("\x01\x1f\x7f"), "\"\\u0001\\u001f\\u007f\"" },
		{ SLICE_INIT("</script>&"), "\"\\u003c/script\\u003e\\u0026\"" },
		{ SLICE_INIT("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
		  "\"\\u2028\\u2029\xe2\x80\xaa\"" },
		{ SLICE_INIT("a\xff\xc3z"), "\"a\xef\xbf\xbd\xef\xbf\xbdz\"" },
		{ SLICE_INIT("\xc3\xa4\xf0\x9f\x93\x84"), "\"\xc3\xa4\xf0\x9f\x93\x84\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);
		struct jsonw w;

		jsonw_init(&w, &b);
		jsonw_text(&w, rows[i].in);
		assert_slice_row(buf_slice(&b), slice_str(rows[i].want), i);
	}
}

static void a_string_can_be_written_in_parts(void **state)
{
	static const struct slice text = SLICE_INIT("a<\xc3\xa4\n\xe2\x80\xa8z");
	AUTO(buf_release) struct buf whole = BUF_INIT(1000);
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &whole);
	jsonw_text(&w, text);
	for (size_t cut = 0; cut <= text.n; cut++) {
		AUTO(buf_release) struct buf parts = BUF_INIT(1000);
		size_t n = utf8_cut(text, cut).n;

		buf_add_char(&parts, '"');
		jsonw_text_part(&parts, slice_sub(text, 0, n));
		jsonw_text_part(&parts, slice_sub(text, n, text.n));
		buf_add_char(&parts, '"');
		assert_slice_row(buf_slice(&parts), buf_slice(&whole), cut);
	}
}

static void writer_puts_the_commas(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000);
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &b);
	jsonw_object(&w);
	jsonw_key_text(&w, "a", S("x"));
	jsonw_key(&w, "b");
	jsonw_array(&w);
	jsonw_int(&w, INT64_MIN);
	jsonw_null(&w);
	jsonw_object(&w);
	jsonw_object_end(&w);
	jsonw_array(&w);
	jsonw_array_end(&w);
	jsonw_array_end(&w);
	jsonw_key_bool(&w, "c", true);
	jsonw_key_int(&w, "d", 0);
	jsonw_key(&w, "e");
	jsonw_base64(&w, S("\0\xff"));
	jsonw_key(&w, "f");
	jsonw_raw(&w, S("{\"g\":1}"));
	jsonw_object_end(&w);
	assert_string_equal(buf_cstr(&b), "{\"a\":\"x\",\"b\":[-9223372036854775808,null,{},[]],"
					  "\"c\":true,\"d\":0,\"e\":\"AP8=\",\"f\":{\"g\":1}}");
}

static void every_byte_that_is_written_is_read_back(void **state)
{
	(void)state;
	for (int i = 0; i < 128; i++) {
		AUTO(buf_release) struct buf b = BUF_INIT(1000);
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct sample s = { 0 };
		char c = (char)i;
		struct jsonw w;

		jsonw_init(&w, &b);
		jsonw_object(&w);
		jsonw_key_text(&w, "text", slice_of(&c, 1));
		jsonw_object_end(&w);
		assert_row(i, jsonf_read(buf_slice(&b), table, &a, &s) == OK);
		assert_slice_row(s.text, slice_of(&c, 1), (size_t)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_text_is_refused),
		cmocka_unit_test(wrong_types_are_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(brackets_inside_strings_are_not_depth),
		cmocka_unit_test(tolerated_forms_are_read),
		cmocka_unit_test(null_and_absent_are_not_given),
		cmocka_unit_test(all_types_are_read_at_their_ends),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(arrays_of_objects_are_read_by_a_table_of_their_own),
		cmocka_unit_test(what_is_no_array_of_objects_is_refused),
		cmocka_unit_test(base64_is_decoded_or_marked),
		cmocka_unit_test(values_are_counted_before_they_cost_memory),
		cmocka_unit_test(so_much_is_repaired_and_no_more),
		cmocka_unit_test(writer_escapes_what_breaks_a_reader),
		cmocka_unit_test(a_string_can_be_written_in_parts),
		cmocka_unit_test(writer_puts_the_commas),
		cmocka_unit_test(every_byte_that_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
