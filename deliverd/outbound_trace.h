/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks after attempts of which nobody wrote the end: their e2a-deliverd died, or Postfix
 * did not answer. Its queue and its log tell whether it has the mail; while they
 * cannot, the job stays as it is and the mail is not sent again.
 */
#ifndef E2A_DELIVERD_OUTBOUND_TRACE_H
#define E2A_DELIVERD_OUTBOUND_TRACE_H

#include "common/base/settings.h"
#include "common/store/store_outbound.h"
#include "deliverd/loop.h"
#include "deliverd/postfix_trace.h"

struct outbound_tracer_config { /* borrowed */
	struct loop *loop;
	const struct settings *settings;
	struct db_pool *pool;
	struct slice host;
};

struct outbound_tracer;

struct outbound_tracer *outbound_tracer_new(const struct outbound_tracer_config *config);
void outbound_tracer_stop(struct outbound_tracer *t);
bool outbound_tracer_idle(const struct outbound_tracer *t);
void outbound_tracer_free(struct outbound_tracer *t);
DEFINE_FREEP(struct outbound_tracer, outbound_tracer_free)

#endif
