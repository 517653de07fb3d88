/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every program tells about itself: version, and the process_* metrics under the names
 * that Prometheus's own client libraries give them, from /proc/self.
 */
#ifndef E2A_BASE_METRICS_PROCESS_H
#define E2A_BASE_METRICS_PROCESS_H

#include "common/base/metrics.h"

enum { METRICS_PROCESS_N = 7 };

extern const struct metric metrics_process[METRICS_PROCESS_N];

#endif
