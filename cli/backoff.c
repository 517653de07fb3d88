/* SPDX-License-Identifier: Apache-2.0 */
/* Waits between attempts. It never waits itself. */
#include "cli/backoff.h"

#include "common/base/crypto.h"

int64_t backoff_next(struct backoff *b, int64_t told_ms)
{
	int64_t ms = BACKOFF_MIN_MS;
	uint32_t chance;

	for (unsigned i = 0; i < b->tries && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
	if (ms < BACKOFF_MAX_MS)
		b->tries++;
	crypto_random(&chance, sizeof(chance));
	ms = ms / 2 + chance % (ms / 2 + 1);
	told_ms = told_ms < BACKOFF_TOLD_MAX_MS ? told_ms : BACKOFF_TOLD_MAX_MS;
	return ms > told_ms ? ms : told_ms;
}

void backoff_reset(struct backoff *b)
{
	b->tries = 0;
}
