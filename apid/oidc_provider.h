/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's addresses, by discovery (OpenID Connect Discovery 1.0, 4): asked
 * when they are first needed, kept for an hour. Of several threads one asks and
 * the others wait for it; after a failure nobody asks for some seconds, so that a
 * provider that hangs holds up few workers.
 */
#ifndef E2A_APID_OIDC_PROVIDER_H
#define E2A_APID_OIDC_PROVIDER_H

#include "apid/oidc_doc.h"
#include "common/mail/dns.h"

struct oidc_provider;

/* ERR_CONFIG unless the issuer is an https URL, or an http one of this computer. */
enum err oidc_provider_new(struct slice issuer, struct dns *dns, struct oidc_provider **ret,
			   struct fail *fail) MUST_CHECK;
void oidc_provider_free(struct oidc_provider *p);
/* A copy in the arena. ERR_INPUT when the document is not what it must be, else as
 * oidc_http_call(). */
enum err oidc_provider_find(struct oidc_provider *p, struct arena *a, struct oidc_discovery *ret,
			    struct fail *fail) MUST_CHECK;

#endif
