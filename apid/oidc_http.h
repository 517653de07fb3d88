/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the OpenID provider: https, its certificate verified, one hard
 * time-out over all of it, an answer of bounded size, no redirect, no proxy, no
 * cookie. Plain http is for providers on this computer only.
 */
#ifndef E2A_APID_OIDC_HTTP_H
#define E2A_APID_OIDC_HTTP_H

#include "common/base/buf.h"
#include "common/mail/dns.h"

enum { OIDC_ANSWER_MAX = 64 * 1024, OIDC_CALL_MS = 5000 };

struct oidc_call {
	const char *url;           /* one that oidc_http_admits() */
	const char *authorization; /* value of that header, or NULL */
	const char *form;          /* body of a POST, or NULL: a GET */
};

/* Once, before there are threads. */
void oidc_http_init(void);
/* An https URL, or an http one whose host is a loopback address or `localhost` if `plain`. */
bool oidc_http_admits(struct slice url, bool plain);
/*
 * Appends the body of a 200 to *ret. ERR_FORBIDDEN for 4xx, ERR_NETWORK for
 * other answers and for none; ERR_DNS, ERR_TIMEOUT; ERR_TOO_BIG beyond OIDC_ANSWER_MAX.
 */
enum err oidc_http_call(struct dns *dns, const struct oidc_call *call, struct buf *ret,
			struct fail *fail) MUST_CHECK;

#endif
