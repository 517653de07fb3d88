/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics. A histogram has a cell for each bucket, one for what lies above all of them and
 * one for the sum; how many there are is the sum of the buckets that were written, so that
 * one text never contradicts itself while others go on observing.
 */
#include "common/base/metrics.h"

#include "common/base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static const int64_t per_second[] = {
	[METRIC_PLAIN] = 1, [METRIC_MS] = 1000, [METRIC_US] = 1000000
};

const int64_t metric_latency_ms[METRIC_LATENCY_N] = {
	1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000,
};

static void add(struct metric *m, size_t cell, int64_t n)
{
	atomic_fetch_add_explicit(&m->cells[cell], n, memory_order_relaxed);
}

static int64_t get(const struct metric *m, size_t cell)
{
	return atomic_load_explicit(&m->cells[cell], memory_order_relaxed);
}

void metric_add(struct metric *m, int64_t n)
{
	assert(!m->label);
	metric_add_at(m, 0, n);
}

void metric_add_at(struct metric *m, size_t word, int64_t n)
{
	assert(m->type != METRIC_HISTOGRAM && word < METRIC_CELLS);
	assert(!m->label || word < m->words_n);
	add(m, word, n);
}

void metric_add_word(struct metric *m, const char *word, int64_t n)
{
	size_t i = 0;

	while (i < m->words_n - 1 && (!word || strcmp(m->words[i], word) != 0))
		i++;
	metric_add_at(m, i, n);
}

void metric_set(struct metric *m, int64_t value)
{
	assert(!m->label);
	metric_set_at(m, 0, value);
}

void metric_set_at(struct metric *m, size_t word, int64_t value)
{
	assert(m->type == METRIC_GAUGE && word < METRIC_CELLS);
	assert(!m->label || word < m->words_n);
	atomic_store_explicit(&m->cells[word], value, memory_order_relaxed);
}

void metric_observe(struct metric *m, int64_t value)
{
	size_t i = 0;

	assert(m->type == METRIC_HISTOGRAM && m->bounds_n + 2 <= METRIC_CELLS);
	if (value < 0)
		value = 0;
	while (i < m->bounds_n && value > m->bounds[i])
		i++;
	add(m, i, 1);
	add(m, m->bounds_n + 1, value);
}

int64_t metric_value(const struct metric *m, size_t word)
{
	int64_t n = 0;

	if (m->type != METRIC_HISTOGRAM)
		return m->read ? m->read() : get(m, word);
	for (size_t i = 0; i <= m->bounds_n; i++)
		n += get(m, i);
	return n;
}

/* ---- text ---- */

/* Times with as many digits behind the point as they need. */
static void write_value(const struct metric *m, int64_t value, struct buf *out)
{
	int64_t scale = per_second[m->unit];
	int64_t rest = value % scale;

	buf_addf(out, "%s%" PRId64, value < 0 && value > -scale ? "-" : "", value / scale);
	if (rest < 0)
		rest = -rest;
	if (rest)
		buf_add_char(out, '.');
	for (; rest; rest = rest * 10 % scale)
		buf_add_char(out, (char)('0' + rest * 10 / scale));
}

static void write_sample(const struct metric *m, size_t word, struct buf *out)
{
	int64_t value = metric_value(m, word);

	if (value == METRIC_UNKNOWN)
		return;
	buf_add_str(out, m->name);
	if (m->label)
		buf_addf(out, "{%s=\"%s\"}", m->label, m->words[word]);
	buf_add_char(out, ' ');
	write_value(m, value, out);
	buf_add_char(out, '\n');
}

static void write_histogram(const struct metric *m, struct buf *out)
{
	int64_t n = 0;

	for (size_t i = 0; i < m->bounds_n; i++) {
		n += get(m, i);
		buf_addf(out, "%s_bucket{le=\"", m->name);
		write_value(m, m->bounds[i], out);
		buf_addf(out, "\"} %" PRId64 "\n", n);
	}
	n += get(m, m->bounds_n);
	buf_addf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n%s_sum ", m->name, n, m->name);
	write_value(m, get(m, m->bounds_n + 1), out);
	buf_addf(out, "\n%s_count %" PRId64 "\n", m->name, n);
}

static void write_metric(const struct metric *m, struct buf *out)
{
	size_t samples = m->label ? m->words_n : 1;

	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
		 type_names[m->type]);
	if (m->type == METRIC_HISTOGRAM) {
		write_histogram(m, out);
		return;
	}
	for (size_t i = 0; i < samples; i++)
		write_sample(m, i, out);
}

void metrics_write(const struct metric *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		write_metric(&v[i], out);
}
