/* SPDX-License-Identifier: Apache-2.0 */
/* What anybody may ask. Answered on the HTTP thread: no database, nothing that waits. */
#include "apid/handlers.h"
#include "apid/req.h"

void health_get(struct req *r)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_text(w, "status", S("ok"));
	jsonw_object_end(w);
}

void info_get(struct req *r)
{
	const struct settings *s = r->app->settings;
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_text(w, "shared_domain", slice_str(s->shared_domain));
	jsonw_key_bool(w, "slug_registration_enabled", *s->shared_domain != 0);
	jsonw_key_bool(w, "idempotency_keys", true); /* a client may repeat what it is not sure of */
	if (*s->public_url)
		jsonw_key_text(w, "public_url", slice_str(s->public_url));
	if (*s->trial_smtp_url)
		jsonw_key_text(w, "trial_smtp_url", slice_str(s->trial_smtp_url));
	jsonw_object_end(w);
}
