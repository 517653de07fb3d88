/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers GET /metrics on a port of this computer, on a thread of its own, so that a
 * program that is stuck or cut off from its database still tells about it. There is no
 * authentication: other addresses than loopback are refused.
 */
#ifndef E2A_BASE_METRICS_HTTP_H
#define E2A_BASE_METRICS_HTTP_H

#include "common/base/mem.h"
#include "common/base/metrics.h"

struct metrics_http;

/*
 * Serves the n metrics and those of the process. `address` is host:port, where host is
 * localhost or a loopback address ([::1] in brackets); *ret is NULL when it is empty.
 * ERR_CONFIG, with the name of the setting, for any other address or one that is in use.
 */
enum err metrics_http_new(const char *setting, const char *address, const struct metric *v,
			  size_t n, struct metrics_http **ret, struct fail *fail) MUST_CHECK;
void metrics_http_free(struct metrics_http *h);
DEFINE_FREEP(struct metrics_http, metrics_http_free)

#endif
