/* SPDX-License-Identifier: Apache-2.0 */
/* Ids: UUIDv7 for what is stored, random digits for what is secret. */
#include "common/base/ids.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"

#include <assert.h>
#include <pthread.h>

/*
 * RFC 9562 6.2, method 3: a millisecond's 12 bits of sub-millisecond time
 * stand where rand_a is, and the whole is never allowed to run backwards.
 */
static uint64_t next_stamp(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t last;
	uint64_t us = (uint64_t)clock_now_us();
	uint64_t stamp = us / 1000 << 12 | us % 1000 * 4096 / 1000;

	pthread_mutex_lock(&lock);
	if (stamp <= last)
		stamp = last + 1;
	last = stamp;
	pthread_mutex_unlock(&lock);
	return stamp;
}

void id_new(const char *prefix, char ret[ID_MAX])
{
	uint64_t stamp = next_stamp();
	size_t n = strlen(prefix);
	uint8_t uuid[16];

	assert(n + ID_HEX_LEN < ID_MAX);
	crypto_random(uuid + 8, 8);
	for (int i = 0; i < 6; i++)
		uuid[i] = (uint8_t)(stamp >> 12 >> (40 - 8 * i));
	uuid[6] = (uint8_t)(0x70 | (stamp >> 8 & 0x0f));
	uuid[7] = (uint8_t)stamp;
	uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
	memcpy(ret, prefix, n);
	hex_text(uuid, sizeof(uuid), ret + n);
}

void id_random_hex(size_t digits, char ret[TOKEN_HEX_LEN + 1])
{
	uint8_t bytes[TOKEN_HEX_LEN / 2];

	assert(digits % 2 == 0 && digits <= TOKEN_HEX_LEN);
	crypto_random(bytes, digits / 2);
	hex_text(bytes, digits / 2, ret);
	crypto_wipe(bytes, sizeof(bytes));
}

static bool all_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return true;
}

bool id_valid(struct slice s, const char *prefix)
{
	struct slice head = slice_str(prefix);

	return s.n == head.n + ID_HEX_LEN && slice_starts(s, head) &&
	       all_hex(slice_sub(s, head.n, s.n));
}

bool id_token_valid(struct slice s)
{
	return s.n == TOKEN_HEX_LEN && all_hex(s);
}
