/* SPDX-License-Identifier: Apache-2.0 */
/* The text that Prometheus reads, byte for byte, and counting by many threads at once. */
#include "common/base/metrics.h"
#include "common/base/metrics_process.h"
#include "tests/unit/test.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 20000 };

static const char *const colours[] = { "red", "green", "other" };
static const int64_t bounds[] = { 10, 250, 1000 };

static int64_t seven(void)
{
	return 7;
}

static int64_t nobody_knows(void)
{
	return METRIC_UNKNOWN;
}

static struct metric make(enum metric_type type, enum metric_unit unit)
{
	return (struct metric){ .name = "x", .help = "Some.", .type = type, .unit = unit };
}

static void assert_text(const struct metric *m, const char *want)
{
	AUTO(buf_release) struct buf out = BUF_INIT(64 * 1024);

	metrics_write(m, 1, &out);
	assert_string_equal(buf_cstr(&out), want);
}

static void a_counter_says_how_often(void **state)
{
	struct metric m = make(METRIC_COUNTER, METRIC_PLAIN);

	(void)state;
	assert_text(&m, "# HELP x Some.\n# TYPE x counter\nx 0\n");
	metric_add(&m, 1);
	metric_add(&m, 41);
	assert_text(&m, "# HELP x Some.\n# TYPE x counter\nx 42\n");
}

static void each_word_of_a_label_has_its_own_count(void **state)
{
	struct metric m = make(METRIC_COUNTER, METRIC_PLAIN);

	(void)state;
	m.label = "colour";
	m.words = colours;
	m.words_n = ARRAY_LEN(colours);
	metric_add_at(&m, 1, 2);
	metric_add_word(&m, "red", 1);
	assert_text(&m, "# HELP x Some.\n# TYPE x counter\n"
			"x{colour=\"red\"} 1\nx{colour=\"green\"} 2\nx{colour=\"other\"} 0\n");
}

static void a_word_that_is_not_in_the_list_is_the_last_one(void **state)
{
	struct metric m = make(METRIC_COUNTER, METRIC_PLAIN);

	(void)state;
	m.label = "colour";
	m.words = colours;
	m.words_n = ARRAY_LEN(colours);
	metric_add_word(&m, "x\"} 1\nevil{a=\"", 1);
	metric_add_word(&m, NULL, 1);
	assert_text(&m, "# HELP x Some.\n# TYPE x counter\n"
			"x{colour=\"red\"} 0\nx{colour=\"green\"} 0\nx{colour=\"other\"} 2\n");
}

static void a_gauge_goes_up_and_down(void **state)
{
	struct metric m = make(METRIC_GAUGE, METRIC_PLAIN);

	(void)state;
	metric_set(&m, 5);
	metric_add(&m, -7);
	assert_text(&m, "# HELP x Some.\n# TYPE x gauge\nx -2\n");
}

static void what_nobody_knows_is_left_out(void **state)
{
	struct metric m = make(METRIC_GAUGE, METRIC_PLAIN);

	(void)state;
	metric_set(&m, METRIC_UNKNOWN);
	assert_text(&m, "# HELP x Some.\n# TYPE x gauge\n");
	m.read = nobody_knows;
	assert_text(&m, "# HELP x Some.\n# TYPE x gauge\n");
}

static void a_reader_is_asked_each_time(void **state)
{
	struct metric m = make(METRIC_GAUGE, METRIC_PLAIN);

	(void)state;
	m.read = seven;
	metric_set(&m, 1);
	assert_text(&m, "# HELP x Some.\n# TYPE x gauge\nx 7\n");
}

static void times_are_written_in_seconds(void **state)
{
	static const struct {
		enum metric_unit unit;
		int64_t value;
		const char *want;
	} rows[] = {
		{ METRIC_MS, 0, "0" },
		{ METRIC_MS, 1, "0.001" },
		{ METRIC_MS, 2000, "2" },
		{ METRIC_MS, 2050, "2.05" },
		{ METRIC_MS, -1, "-0.001" },
		{ METRIC_MS, -1500, "-1.5" },
		{ METRIC_US, 1764300000123456, "1764300000.123456" },
		{ METRIC_US, 900000, "0.9" },
		{ METRIC_PLAIN, INT64_MAX, "9223372036854775807" },
		{ METRIC_US, INT64_MAX, "9223372036854.775807" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metric m = make(METRIC_GAUGE, rows[i].unit);
		AUTO(buf_release) struct buf want = BUF_INIT(1024);

		metric_set(&m, rows[i].value);
		buf_addf(&want, "# HELP x Some.\n# TYPE x gauge\nx %s\n", rows[i].want);
		assert_text(&m, buf_cstr(&want));
	}
}

static void a_bucket_holds_what_is_not_above_its_bound(void **state)
{
	static const int64_t values[] = { -5, 0, 10, 11, 250, 1000, 1001, 50000 };
	struct metric m = make(METRIC_HISTOGRAM, METRIC_MS);

	(void)state;
	m.bounds = bounds;
	m.bounds_n = ARRAY_LEN(bounds);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		metric_observe(&m, values[i]);
	assert_text(&m, "# HELP x Some.\n# TYPE x histogram\n"
			"x_bucket{le=\"0.01\"} 3\nx_bucket{le=\"0.25\"} 5\nx_bucket{le=\"1\"} 6\n"
			"x_bucket{le=\"+Inf\"} 8\nx_sum 52.272\nx_count 8\n");
	assert_int_equal(metric_value(&m, 0), 8);
}

static void the_text_stops_at_its_ceiling(void **state)
{
	struct metric m = make(METRIC_COUNTER, METRIC_PLAIN);
	AUTO(buf_release) struct buf out = BUF_INIT(8);

	(void)state;
	metrics_write(&m, 1, &out);
	assert_true(buf_failed(&out));
}

/* ---- many threads ---- */

struct shared {
	struct metric counter, gauge, histogram;
};

static void *count(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		metric_add(&s->counter, 1);
		metric_add(&s->gauge, 1);
		metric_observe(&s->histogram, i % 2000);
		metric_add(&s->gauge, -1);
	}
	return NULL;
}

static int64_t number_behind(const struct buf *text, const char *what)
{
	ptrdiff_t at = slice_search(buf_slice(text), slice_str(what));
	struct slice rest, line;
	int64_t n;

	assert_true(at >= 0);
	rest = slice_sub(buf_slice(text), (size_t)at + strlen(what), text->len);
	assert_true(slice_cut(&rest, '\n', &line));
	assert_int_equal(slice_to_i64(line, 0, INT64_MAX, &n), OK);
	return n;
}

/* Whoever looks meanwhile never sees a count that differs from the last bucket. */
static void look(struct shared *s)
{
	AUTO(buf_release) struct buf out = BUF_INIT(64 * 1024);

	metrics_write(&s->histogram, 1, &out);
	assert_int_equal(number_behind(&out, "x_bucket{le=\"+Inf\"} "),
			 number_behind(&out, "x_count "));
}

static void threads_lose_nothing(void **state)
{
	struct shared s = { make(METRIC_COUNTER, METRIC_PLAIN), make(METRIC_GAUGE, METRIC_PLAIN),
			    make(METRIC_HISTOGRAM, METRIC_MS) };
	pthread_t threads[THREADS];

	(void)state;
	s.histogram.bounds = bounds;
	s.histogram.bounds_n = ARRAY_LEN(bounds);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &s), 0);
	for (int i = 0; i < 100; i++)
		look(&s);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(&s.counter, 0), THREADS * ROUNDS);
	assert_int_equal(metric_value(&s.gauge, 0), 0);
	assert_int_equal(metric_value(&s.histogram, 0), THREADS * ROUNDS);
}

/* ---- of this process ---- */

static int64_t process_value(const char *name)
{
	for (size_t i = 0; i < METRICS_PROCESS_N; i++)
		if (strcmp(metrics_process[i].name, name) == 0)
			return metric_value(&metrics_process[i], 0);
	fail_msg("no %s", name);
	return 0;
}

static void a_process_knows_itself(void **state)
{
	int64_t fds = process_value("process_open_fds");
	int64_t started_us = process_value("process_start_time_seconds");
	FILE *f = fopen("/dev/null", "r");

	(void)state;
	assert_non_null(f);
	assert_int_equal(process_value("process_open_fds"), fds + 1);
	fclose(f);
	assert_true(process_value("process_max_fds") > fds);
	assert_true(process_value("process_resident_memory_bytes") > 100 * 1024);
	assert_true(process_value("process_virtual_memory_bytes") >
		    process_value("process_resident_memory_bytes"));
	assert_true(process_value("process_cpu_seconds_total") >= 0);
	assert_true(started_us / 1000000 <= time(NULL) && started_us / 1000000 > time(NULL) - 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_says_how_often),
		cmocka_unit_test(each_word_of_a_label_has_its_own_count),
		cmocka_unit_test(a_word_that_is_not_in_the_list_is_the_last_one),
		cmocka_unit_test(a_gauge_goes_up_and_down),
		cmocka_unit_test(what_nobody_knows_is_left_out),
		cmocka_unit_test(a_reader_is_asked_each_time),
		cmocka_unit_test(times_are_written_in_seconds),
		cmocka_unit_test(a_bucket_holds_what_is_not_above_its_bound),
		cmocka_unit_test(the_text_stops_at_its_ceiling),
		cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(a_process_knows_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
