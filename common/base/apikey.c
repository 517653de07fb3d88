/* SPDX-License-Identifier: Apache-2.0 */
/* New API keys. No key must be left behind in memory that is not its caller's. */
#include "common/base/apikey.h"

#include <stdio.h>

void apikey_new(struct apikey *ret)
{
	char digits[TOKEN_HEX_LEN + 1];

	id_random_hex(TOKEN_HEX_LEN, digits);
	snprintf(ret->text, sizeof(ret->text), API_KEY_PREFIX "%s", digits);
	crypto_wipe(digits, sizeof(digits));
	crypto_sha256(slice_of(ret->text, APIKEY_LEN), ret->hash);
}

struct slice apikey_prefix(const struct apikey *k)
{
	return slice_of(k->text, TOKEN_PREFIX_LEN);
}

void apikey_wipe(struct apikey *k)
{
	crypto_wipe(k, sizeof(*k));
}
