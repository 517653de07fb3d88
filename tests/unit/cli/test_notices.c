/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/notices.h"
#include "tests/unit/test.h"

#include <poll.h>

static struct notice *read_text(const char *json)
{
	AUTO(doc_freep) struct doc *d = NULL;

	assert_int_equal(doc_parse(slice_str(json), &d), OK);
	return notice_read(d);
}

static struct notice *numbered(size_t n)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"message_id\":\"msg_%zu\"}", n);
	return read_text(text);
}

static bool is_awake(const struct notices *q)
{
	struct pollfd p = { .fd = notices_fd(q), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void frames_and_rows_of_a_list_are_read(void **state)
{
	AUTO(notice_freep)
	struct notice *frame =
		read_text("{\"message_id\":\"m\",\"from\":\"a@b\",\"recipient\":\"x\","
			  "\"subject\":\"s\",\"received_at\":\"2026-01-15T10:30:00.5Z\"}");
	AUTO(notice_freep)
	struct notice *row =
		read_text("{\"message_id\":\"m\",\"created_at\":\"2026-01-15T10:30:00Z\"}");

	(void)state;
	assert_string_equal(frame->id, "m");
	assert_string_equal(frame->from, "a@b");
	assert_string_equal(frame->subject, "s");
	assert_string_equal(frame->time, "2026-01-15T10:30:00.5Z");
	assert_string_equal(row->time, "2026-01-15T10:30:00Z");
	assert_string_equal(row->from, "");
}

static void what_has_no_id_is_no_notice(void **state)
{
	char long_id[NOTICE_ID_MAX + 64];
	static const char *const rows[] = {
		"{}",
		"[]",
		"null",
		"7",
		"{\"message_id\":\"\"}",
		"{\"message_id\":5}",
		"{\"message_id\":null}",
		"{\"message_id\":[\"m\"]}",
		"{\"type\":\"hello\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_null(read_text(rows[i]));
	snprintf(long_id, sizeof(long_id), "{\"message_id\":\"%0*d\"}", NOTICE_ID_MAX + 1, 0);
	assert_null(read_text(long_id));
}

static void long_texts_are_cut_at_a_character(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(64 * 1024);
	AUTO(notice_freep) struct notice *n = NULL;

	(void)state;
	buf_add_str(&b, "{\"message_id\":\"m\",\"subject\":\"x");
	for (int i = 0; i < 5000; i++)
		buf_add_str(&b, "\xc3\xa9");
	buf_add_str(&b, "\"}");
	n = read_text(buf_cstr(&b));
	assert_int_equal(strlen(n->subject), NOTICE_TEXT_MAX - 1);
}

static void each_message_goes_through_once_and_in_order(void **state)
{
	AUTO(notices_freep) struct notices *q = notices_new();

	(void)state;
	assert_int_equal(notices_add(q, numbered(1)), NOTICE_ADDED);
	assert_int_equal(notices_add(q, numbered(2)), NOTICE_ADDED);
	assert_int_equal(notices_add(q, numbered(1)), NOTICE_KNOWN);
	for (size_t i = 1; i <= 2; i++) {
		AUTO(notice_freep) struct notice *n = notices_take(q);
		AUTO(notice_freep) struct notice *want = numbered(i);

		assert_string_equal(n->id, want->id);
		assert_false(notices_claim(q, n));
	}
	assert_null(notices_take(q));
	assert_int_equal(notices_add(q, numbered(2)), NOTICE_KNOWN);
}

static void what_was_claimed_is_known(void **state)
{
	AUTO(notices_freep) struct notices *q = notices_new();
	AUTO(notice_freep) struct notice *n = numbered(1);

	(void)state;
	assert_true(notices_claim(q, n));
	assert_int_equal(notices_add(q, numbered(1)), NOTICE_KNOWN);
	assert_int_equal(notices_count(q), 0);
}

static void adding_to_an_empty_queue_wakes(void **state)
{
	AUTO(notices_freep) struct notices *q = notices_new();

	(void)state;
	assert_false(is_awake(q));
	notices_add(q, numbered(1));
	assert_true(is_awake(q));
	notices_rest(q);
	assert_false(is_awake(q));
	notices_wake(q);
	assert_true(is_awake(q));
}

/* What is refused was not told: it comes again with the next connection. */
static void a_full_queue_refuses_and_remembers_nothing_of_it(void **state)
{
	AUTO(notices_freep) struct notices *q = notices_new();

	(void)state;
	for (size_t i = 0; i < NOTICES_MAX; i++)
		assert_int_equal(notices_add(q, numbered(i)), NOTICE_ADDED);
	assert_int_equal(notices_add(q, numbered(NOTICES_MAX)), NOTICE_REFUSED);
	assert_int_equal(notices_count(q), NOTICES_MAX);
	notice_free(notices_take(q));
	assert_int_equal(notices_add(q, numbered(NOTICES_MAX)), NOTICE_ADDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_rows_of_a_list_are_read),
		cmocka_unit_test(what_has_no_id_is_no_notice),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(each_message_goes_through_once_and_in_order),
		cmocka_unit_test(what_was_claimed_is_known),
		cmocka_unit_test(adding_to_an_empty_queue_wakes),
		cmocka_unit_test(a_full_queue_refuses_and_remembers_nothing_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
