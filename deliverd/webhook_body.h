/* SPDX-License-Identifier: Apache-2.0 */
/* The webhook request: JSON body and headers (docs/api.md; Standard Webhooks). */
#ifndef E2A_DELIVERD_WEBHOOK_BODY_H
#define E2A_DELIVERD_WEBHOOK_BODY_H

#include "common/base/keys.h"
#include "common/store/store_webhook.h"

struct webhook_request {
	struct buf body;
	char **headers; /* as libcurl takes them, in the arena */
	size_t headers_n;
	struct slice secret_id; /* of the secret behind auth_headers, in the row */
};

/* Bytes that a call for a mail of this size takes while it is under way. */
size_t webhook_request_cost(size_t raw_bytes);
/*
 * Signs and writes the request of one attempt made at time_us. Everything but
 * auth_headers and the signature headers is the same at each attempt.
 * ERR_CRYPTO when the user has no signing secret that opens with `key`
 * (KEY_SECRETS). The caller releases ret->body.
 */
enum err webhook_request_build(const struct webhook_row *row, const uint8_t key[CRYPTO_KEY_LEN],
			       int64_t time_us, struct arena *a,
			       struct webhook_request *ret) MUST_CHECK;

#endif
