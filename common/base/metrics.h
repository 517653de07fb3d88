/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program counts about itself, as static tables of metrics, and their text for
 * Prometheus (exposition format 0.0.4). A metric has at most one label, whose values are a
 * closed set of words: what a peer sent never becomes a name or a label. Everything here
 * may be called by any thread, and nothing waits.
 */
#ifndef E2A_BASE_METRICS_H
#define E2A_BASE_METRICS_H

#include "common/base/buf.h"

enum { METRIC_CELLS = 24 };

/* As the value of a gauge or the answer of a reader: nobody knows, so nothing is written. */
#define METRIC_UNKNOWN INT64_MIN

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
/* Of what is counted, set and observed. Times are written in seconds. */
enum metric_unit { METRIC_PLAIN, METRIC_MS, METRIC_US };

/* Texts are literals without quotes, backslashes and line ends. */
struct metric {
	const char *name; /* e2a_<program>_..., with the unit; counters end in _total */
	const char *help;
	enum metric_type type;
	enum metric_unit unit;
	const char *label; /* NULL: none; histograms have none */
	const char *const *words;
	size_t words_n;        /* at most METRIC_CELLS */
	const int64_t *bounds; /* of a histogram, ascending, each the last value of its bucket */
	size_t bounds_n;       /* at most METRIC_CELLS - 2 */
	int64_t (*read)(void); /* asked for the value instead, whenever somebody looks */
	_Atomic int64_t cells[METRIC_CELLS];
};

#define METRIC_LABEL(name, list) .label = (name), .words = (list), .words_n = ARRAY_LEN(list)
#define METRIC_BOUNDS(list) .bounds = (list), .bounds_n = ARRAY_LEN(list)

/* For what takes from a millisecond to a minute, in METRIC_MS. */
enum { METRIC_LATENCY_N = 16 };
extern const int64_t metric_latency_ms[METRIC_LATENCY_N];

/* For a counter (n >= 0) or a gauge without label. */
void metric_add(struct metric *m, int64_t n);
/* For the word with this index. */
void metric_add_at(struct metric *m, size_t word, int64_t n);
/* For this word; for the last one of the list when it is not there (or NULL). */
void metric_add_word(struct metric *m, const char *word, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_set_at(struct metric *m, size_t word, int64_t value);
/* For a histogram; what is below 0 counts as 0. */
void metric_observe(struct metric *m, int64_t value);

/* For tests and for those who show it: of a counter or gauge; of a histogram how many there are. */
int64_t metric_value(const struct metric *m, size_t word);

/* Appends the text of n metrics. */
void metrics_write(const struct metric *v, size_t n, struct buf *out);

#endif
