/* SPDX-License-Identifier: Apache-2.0 */
/* API keys when they are made: the one moment at which a key exists in clear text. */
#ifndef E2A_BASE_APIKEY_H
#define E2A_BASE_APIKEY_H

#include "common/base/crypto.h"
#include "common/base/ids.h"

enum { APIKEY_LEN = sizeof(API_KEY_PREFIX) - 1 + TOKEN_HEX_LEN };

struct apikey {
	char text[APIKEY_LEN + 1]; /* to be shown once */
	uint8_t hash[SHA256_LEN];  /* to be stored */
};

void apikey_new(struct apikey *ret);
/* What lists show of it: the first TOKEN_PREFIX_LEN bytes. */
struct slice apikey_prefix(const struct apikey *k);
/* Overwrites it. */
void apikey_wipe(struct apikey *k);

#endif
