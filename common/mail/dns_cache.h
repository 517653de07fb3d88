/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the last minute, in front of the resolver: asking libunbound costs
 * two changes of thread even for what it has cached. Only found records are
 * kept, and that a name has none of a type (an answer with n 0), never longer than
 * their TTL; the rest is libunbound's business. Safe to use from many threads;
 * memory is bounded by the constants in dns_cache.c.
 */
#ifndef E2A_MAIL_DNS_CACHE_H
#define E2A_MAIL_DNS_CACHE_H

#include "common/mail/dns.h"

struct dns_cache;

struct dns_cache *dns_cache_new(void);
void dns_cache_free(struct dns_cache *c);
/* `now_ms` is clock_mono_ms(). The answer is a copy in `a`, with the TTL that is left. */
bool dns_cache_get(struct dns_cache *c, struct slice name, enum dns_type type, int64_t now_ms,
		   struct arena *a, struct dns_answer *ret);
void dns_cache_put(struct dns_cache *c, struct slice name, enum dns_type type, int64_t now_ms,
		   const struct dns_answer *answer);

#endif
