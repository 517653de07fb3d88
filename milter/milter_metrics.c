/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the milter's metrics. Nothing of a mail is in a name or a label. */
#include "milter/milter_metrics.h"

#include "common/base/mem.h"

static const char *const outcomes[MILTER_OUTCOMES] = {
	[MILTER_JUDGED] = "judged",     [MILTER_NOT_JUDGED] = "not_judged",
	[MILTER_ADMITTED] = "admitted", [MILTER_REFUSED] = "refused",
	[MILTER_LATER] = "later",       [MILTER_FAILED] = "failed",
};

/* Those of verdict_result_name(). */
static const char *const results[AUTH_RESULT_COUNT] = {
	[AUTH_NONE] = "none",           [AUTH_PASS] = "pass",           [AUTH_FAIL] = "fail",
	[AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
	[AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
};

struct metric milter_metrics[MILTER_METRICS_N] = {
	[MILTER_MAILS] = { .name = "e2a_milter_mails_total",
			   .help = "Mails that were for e2a, by what was decided.",
			   .type = METRIC_COUNTER,
			   METRIC_LABEL("outcome", outcomes) },
	[MILTER_SPF] = { .name = "e2a_milter_spf_results_total",
			 .help = "Results of SPF of the mails that were judged.",
			 .type = METRIC_COUNTER,
			 METRIC_LABEL("result", results) },
	[MILTER_DKIM] = { .name = "e2a_milter_dkim_results_total",
			  .help = "Best result of the DKIM signatures of each mail.",
			  .type = METRIC_COUNTER,
			  METRIC_LABEL("result", results) },
	[MILTER_DMARC] = { .name = "e2a_milter_dmarc_results_total",
			   .help = "Results of DMARC of the mails that were judged.",
			   .type = METRIC_COUNTER,
			   METRIC_LABEL("result", results) },
	[MILTER_JUDGE_MS] = { .name = "e2a_milter_judge_duration_seconds",
			      .help = "From the end of a mail to its verdict.",
			      .type = METRIC_HISTOGRAM,
			      .unit = METRIC_MS,
			      METRIC_BOUNDS(metric_latency_ms) },
	[MILTER_SESSIONS] = { .name = "e2a_milter_sessions",
			      .help = "Connections of Postfix.",
			      .type = METRIC_GAUGE },
	[MILTER_SPF_HELPERS_STARTED] = { .name = "e2a_milter_spf_helpers_started_total",
					 .help = "Processes that evaluate SPF, the first ones "
						 "included.",
					 .type = METRIC_COUNTER },
};

void milter_count_verdict(const struct verdict *v, int64_t ms)
{
	metric_add_at(&milter_metrics[MILTER_MAILS], MILTER_JUDGED, 1);
	metric_add_at(&milter_metrics[MILTER_SPF], v->spf, 1);
	metric_add_at(&milter_metrics[MILTER_DKIM], v->dkim_all, 1);
	metric_add_at(&milter_metrics[MILTER_DMARC], v->dmarc, 1);
	metric_observe(&milter_metrics[MILTER_JUDGE_MS], ms);
}
